"""The trust policy of a session role: who may mint, and what every mint must carry."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions, Statement, merge
from session_scoping.constructs.compute.pods import POD_SERVICE
from session_scoping.constructs.compute.role import AnyRole, ScopedComputeRole
from session_scoping.constructs.minting.accepted_tokens import AcceptedTokens
from session_scoping.constructs.minting.minting import MINT_ACTIONS, Minting
from session_scoping.constructs.session.access import SessionAccess
from session_scoping.constructs.session.guards import PATH_VALUES
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import POD_IDENTITY_TAGS

ASSUME, TAG, SET_SOURCE_IDENTITY = "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"
FEDERATE = "sts:AssumeRoleWithWebIdentity"


@dataclass(frozen=True)
class Trust:
    """
    What the trust policy of one session role demands.

    Attributes:
        minting: Who may mint.
        tags: What it demands of the tags.
        pod_tags: The same, where the six tags of EKS Pod Identity may come along.
        restrictions: What it requires in addition, of every statement.
        pods: ARNs of the minters that bring these tags.
    """

    minting: Minting
    tags: Conditions
    pod_tags: Conditions
    restrictions: Conditions
    pods: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        bound = self.restrictions.get("StringEquals", {}).get("aws:SourceVpc")
        broker = self.minting.credential_broker
        if broker is None or bound is None or (broker.vpc is not None and broker.vpc.vpc_id == bound):
            return
        raise InvalidInputError(
            "a workload binding denies the credential broker",
            got=f"a role bound to a VPC, minted by a function that runs in {'another' if broker.vpc else 'none'}",
            expected="the function in the VPC of the binding",
            why="the binding narrows the mint as well, so no token would ever be exchanged",
            fix="pass the same VPC to CredentialBroker(vpc=...) and to WorkloadBinding(vpc=...), or use "
            "Minting.by_web_identity, where the agent itself calls STS",
        )

    @classmethod
    def of(cls, owner: Construct, access: SessionAccess, transitive: Sequence[str]) -> "Trust":
        """
        Return the trust of a session role, and take its tokens for it alone; see `trust_conditions`.

        Raises:
            InvalidInputError: Another role of the app takes the same tokens.
        """
        if identity := access.minting.web_identity:
            AcceptedTokens(identity.issuer, identity.audience, identity.subject).claim(owner)
        demanded = access.tag_keys, access.path_tags, transitive
        pod_tags = trust_conditions(*demanded, inherited=pod_tags_beyond(access.tag_keys))
        restrictions = access.restrictions.trust_conditions(access.context)
        return cls(access.minting, trust_conditions(*demanded), pod_tags, restrictions)

    def statements(self, minter_arns: Sequence[Any]) -> list[Statement]:
        """
        Return the statements that trust these minters, or the token's issuer.

        Minters that are pods have a statement of their own, so that no other minter may pass a pod's tags. In token
        modes each action has its own, because it has its own condition keys: a condition on a key that an
        action does not have would deny it.

        Source:
            Service authorization reference, list_awssecuritytokenservice: `sts:SourceIdentity` exists for
            AssumeRole, AssumeRoleWithWebIdentity and SetSourceIdentity, not for TagSession; an OIDC provider's keys
            (IAM reference_policies_iam-condition-keys) for AssumeRoleWithWebIdentity.
        """
        if not self.minting.by_token:
            pods = [arn for arn in minter_arns if arn in self.pods]
            others = [arn for arn in minter_arns if arn not in self.pods]
            return [
                _allow(MINT_ACTIONS, {"AWS": arns}, tags, self.restrictions)
                for arns, tags in ((others, self.tags), (pods, self.pod_tags))
                if arns
            ]
        principal: dict[str, Any] = {"AWS": list(minter_arns)}
        named: Conditions = {"StringLike": {"sts:SourceIdentity": "?*"}}
        entry, proof = ASSUME, Conditions()
        if identity := self.minting.web_identity:
            principal, entry, proof = {"Federated": identity.provider_arn}, FEDERATE, identity.conditions()
        return [
            _allow([entry], principal, proof, self.tags, named, self.restrictions),
            _allow([TAG], principal, self.tags, self.restrictions),
            _allow([SET_SOURCE_IDENTITY], principal, named, self.restrictions),
        ]


def _allow(actions: Sequence[str], principal: dict[str, Any], *conditions: Conditions) -> Statement:
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Condition": merge(*conditions)}


def trusted(statement: Statement) -> iam.PrincipalBase:
    """Return the principal, and in it the conditions, that makes a role trust what the statement says."""
    actions, conditions = statement["Action"], statement["Condition"]
    if federated := statement["Principal"].get("Federated"):
        return iam.FederatedPrincipal(federated, conditions, actions[0])
    principals = [iam.ArnPrincipal(arn) for arn in statement["Principal"]["AWS"]]
    principal = principals[0] if len(principals) == 1 else iam.CompositePrincipal(*principals)
    conditioned = principal.with_conditions(conditions)
    return conditioned.with_session_tags() if TAG in actions else conditioned


def further(statements: Iterable[Statement]) -> list[iam.PolicyStatement]:
    """Return statements beyond the first, which a role's constructor cannot take."""
    return [iam.PolicyStatement.from_json(statement) for statement in statements]


def trust_conditions(
    tag_keys: Sequence[str], path_tags: Iterable[str], transitive: Sequence[str], *, inherited: Sequence[str] = ()
) -> Conditions:
    """
    Return what the trust policy demands of every mint.

    All tags present and not empty, no other tag, no path in a tag that becomes part of an object key, and
    no transitive tag but those asked for.

    Args:
        tag_keys: The declared tags.
        path_tags: Those that become part of an object key.
        transitive: Those that may be handed on.
        inherited: Tags that the minter's own session hands on, admitted and never demanded: whether STS counts them
            in `sts:TransitiveTagKeys` is not documented, so both are admitted.

    Source: service authorization reference: all four keys exist for AssumeRole and for TagSession.
    """
    if undeclared := [key for key in transitive if key not in tag_keys]:
        raise InvalidInputError(
            "a transitive tag is not declared",
            got=", ".join(f"`{key}`" for key in undeclared),
            expected=f"some of {', '.join(tag_keys)}",
            why="the trust policy admits declared tags only, so no session could carry it",
            fix="add it to tag_keys",
        )
    conditions: Conditions = {
        "StringLike": {f"aws:RequestTag/{key}": "?*" for key in tag_keys},
        # ForAllValues is true where the key is absent, hence the Null below.
        "ForAllValues:StringEquals": {"aws:TagKeys": [*tag_keys, *inherited]},
        "Null": {"aws:TagKeys": "false"},
    }
    # Negated, so true where the tag is absent: the StringLike above demands it.
    if slashless := {f"aws:RequestTag/{key}": list(PATH_VALUES) for key in path_tags}:
        conditions["StringNotLike"] = slashless
    if transitive or inherited:
        conditions["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"] = [*transitive, *inherited]
    # Without a Null where only inherited ones are admitted: none at all is as right there.
    if transitive or not inherited:
        conditions["Null"]["sts:TransitiveTagKeys"] = "false" if transitive else "true"
    return conditions


def pod_tags_beyond(tag_keys: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of EKS Pod Identity that are not declared themselves."""
    declared = {key.casefold() for key in tag_keys}
    return tuple(key for key in POD_IDENTITY_TAGS if key not in declared)


def brings_pod_tags(role: AnyRole, context: StackContext) -> bool:
    """
    Whether sessions of a role carry the transitive tags of EKS Pod Identity.

    Of an imported role it is not known.
    """
    if isinstance(role, ScopedComputeRole):
        return role.pods is not None and role.pods.pass_tags
    if not isinstance(role, iam.Role):
        return False
    return POD_SERVICE in json.dumps(context.stack.resolve(role.assume_role_policy))
