"""The trust policy of a session role: who may mint, and what every mint must carry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.statements import Conditions, Statement, merge
from session_scoping.constructs.minting.minting import MINT_ACTIONS, Minting
from session_scoping.constructs.session.guards import PATH_VALUES
from session_scoping.contract.errors import InvalidInputError

ASSUME, TAG, SET_SOURCE_IDENTITY = "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"
FEDERATE = "sts:AssumeRoleWithWebIdentity"


@dataclass(frozen=True)
class Trust:
    """
    What the trust policy of one session role demands.

    Attributes:
        minting: Who may mint.
        tags: What it demands of the tags.
        restrictions: What it requires in addition, of every statement.
    """

    minting: Minting
    tags: Conditions
    restrictions: Conditions

    def __post_init__(self) -> None:
        bound = any(key.startswith("aws:SourceVpc") for keys in self.restrictions.values() for key in keys)
        if self.minting.credential_broker and bound:
            raise InvalidInputError(
                "a workload binding denies the credential broker",
                got="a session role bound to a VPC, minted by a function that runs in none",
                expected="web identity, where the agent itself calls STS from its VPC",
                why="the binding narrows the mint as well, so no token would ever be exchanged",
                fix="use Minting.by_web_identity, or leave the binding out",
            )

    def statements(self, minter_arns: Sequence[Any]) -> list[Statement]:
        """
        Return the statements that trust these minters, or the token's issuer.

        In token modes each action has its own, because it has its own condition keys: a condition on a key that an
        action does not have would deny it.

        Source:
            Service authorization reference, list_awssecuritytokenservice: `sts:SourceIdentity` exists for
            AssumeRole, AssumeRoleWithWebIdentity and SetSourceIdentity, not for TagSession; an OIDC provider's keys
            (IAM reference_policies_iam-condition-keys) for AssumeRoleWithWebIdentity.
        """
        if not self.minting.by_token:
            return [_allow(MINT_ACTIONS, {"AWS": list(minter_arns)}, self.tags, self.restrictions)]
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


def trust_conditions(tag_keys: Sequence[str], path_tags: Iterable[str], transitive: Sequence[str]) -> Conditions:
    """
    Return what the trust policy demands of every mint.

    All tags present and not empty, no other tag, no path in a tag that becomes part of an object key, and
    no transitive tag but those asked for.

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
        "ForAllValues:StringEquals": {"aws:TagKeys": list(tag_keys)},
        "Null": {"aws:TagKeys": "false"},
    }
    # Negated, so true where the tag is absent: the StringLike above demands it.
    if slashless := {f"aws:RequestTag/{key}": list(PATH_VALUES) for key in path_tags}:
        conditions["StringNotLike"] = slashless
    if transitive:
        conditions["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"] = list(transitive)
    conditions["Null"]["sts:TransitiveTagKeys"] = "false" if transitive else "true"
    return conditions
