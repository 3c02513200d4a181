"""What a SessionBrokerRole's documents say: its trust, its callers' permission, its guards."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam

from session_scoping.aws.actions import patterns_of
from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, merge
from session_scoping.constructs.session.guards import CHAINING_ACTIONS
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.source_identity import ambiguous_pattern_of, pattern_of
from session_scoping.contract.tags import POD_IDENTITY_TAGS

ASSUME_ACTIONS = ("sts:AssumeRole", "sts:SetSourceIdentity")

_ISSUER = re.compile(r"[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?")


@dataclass(frozen=True)
class WebIdentity:
    """
    A caller with a token of an OpenID Connect issuer, such as a pod's service account on EKS (IRSA).

    The token must carry the claim `https://aws.amazon.com/source_identity`: AssumeRoleWithWebIdentity has no parameter
    for it. The token EKS projects into a pod has a fixed set of claims without it, so a plain IRSA token is denied
    here; an issuer of your own, or a token exchange, must add the claim.

    Args:
        issuer: The issuer's URL without `https://`, such as `oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE`. It becomes
            part of condition keys, so it must be known at synth.
        subject: The one `sub` admitted, such as `system:serviceaccount:agents:runtime`.
        audience: The one `aud` admitted. Default: `sts.amazonaws.com`.
        provider_arn: ARN of the IAM OIDC provider. Default: the one of this issuer in the role's account.

    Raises:
        InvalidInputError: The issuer, subject or audience is no single one.

    Source:
        IAM guide, id_credentials_temp_control-access_monitor; EKS guide, pod-configuration (token claims).
    """

    issuer: str
    subject: str
    audience: str = "sts.amazonaws.com"
    provider_arn: str | None = None

    def __post_init__(self) -> None:
        if not _ISSUER.fullmatch(self.issuer):
            raise InvalidInputError(
                "that is no issuer",
                got=f"`{self.issuer}`",
                expected="host and path of the issuer's URL, without `https://`, known at synth",
                why="a condition key with another spelling is never in a request, so nobody would be admitted",
                fix="pass the cluster's OIDC issuer as text",
            )
        for name, value in (("subject", self.subject), ("audience", self.audience)):
            if not value or has_wildcard(value) or ("$" in value and not is_token(value)):
                raise InvalidInputError(
                    f"the {name} of a web identity is not one {name}",
                    got=f"`{value}`",
                    expected="its exact text",
                    why="every service account it matches would speak for the tenant",
                    fix="name one, and add a WebIdentity for each further one",
                )

    def conditions(self) -> Conditions:
        """Return that the token is for this audience and from this subject."""
        return {"StringEquals": {f"{self.issuer}:aud": self.audience, f"{self.issuer}:sub": self.subject}}

    def provider_at(self, context: StackContext) -> str:
        """Return the ARN of the OIDC provider in the role's account."""
        return self.provider_arn or context.arn("iam", f"oidc-provider/{self.issuer}", region="")


def identified(tenant: str, key: str) -> Conditions:
    """
    Return that a request carries a source identity of this tenant.

    Args:
        tenant: The tenant.
        key: `sts:SourceIdentity` where it is being set, `aws:SourceIdentity` afterwards.
    """
    return {"StringLike": {key: pattern_of(tenant)}, "StringNotLike": {key: ambiguous_pattern_of(tenant)}}


@dataclass(frozen=True)
class TrustTerms:
    """
    What one SessionBrokerRole requires of its callers.

    Attributes:
        tenant: Whose sessions they are.
        restrictions: What else every statement demands.
        pod_identity: Whether callers bring the transitive tags of EKS Pod Identity.
    """

    tenant: str
    restrictions: Conditions
    pod_identity: bool

    def role_statements(self, arns: Sequence[str]) -> list[iam.PolicyStatement]:
        """Return the statements for roles: assuming with a source identity, and by name the tags of pods."""
        principals: list[iam.IPrincipal] = [iam.ArnPrincipal(arn) for arn in arns]
        statements = [_trust(ASSUME_ACTIONS, principals, self._identified())]
        if self.pod_identity:
            # Of its own: sts:SourceIdentity is no key of TagSession. Source: service authorization reference.
            statements.append(_trust(["sts:TagSession"], principals, merge(pod_tags(), self.restrictions)))
        return statements

    def web_statements(self, caller: WebIdentity, context: StackContext) -> list[iam.PolicyStatement]:
        """Return the statements for a web identity; aud and sub are no keys of SetSourceIdentity."""
        principals: list[iam.IPrincipal] = [iam.FederatedPrincipal(caller.provider_at(context))]
        named = merge(self._identified(), caller.conditions())
        return [
            _trust(["sts:AssumeRoleWithWebIdentity"], principals, named),
            _trust(["sts:SetSourceIdentity"], principals, self._identified()),
        ]

    def caller_statements(self, role_arn: str) -> list[Statement]:
        """Return what a caller's own policy needs."""
        statements = [
            allow("AssumeWithSourceIdentity", ASSUME_ACTIONS, [role_arn], identified(self.tenant, "sts:SourceIdentity"))
        ]
        if self.pod_identity:
            statements.append(allow("PassPodTags", ["sts:TagSession"], [role_arn], pod_tags()))
        return statements

    def _identified(self) -> Conditions:
        return merge(identified(self.tenant, "sts:SourceIdentity"), self.restrictions)


def pod_tags() -> Conditions:
    """Return that a session is given no tags but those of a pod. ForAllValues is true without any, hence the Null."""
    return {"ForAllValues:StringEquals": {"aws:TagKeys": list(POD_IDENTITY_TAGS)}, "Null": {"aws:TagKeys": "false"}}


def _trust(actions: Sequence[str], principals: Sequence[iam.IPrincipal], terms: Conditions) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), principals=list(principals), conditions=terms)


def guard_sections(tenant: str, chain_arns: Sequence[str], *, pod_identity: bool) -> list[Section]:
    """
    Return the Denies: everything without a source identity of the tenant, and every way to other credentials.

    Negated, so true where there is no source identity: it holds when a colleague's trust statement admits a session
    without one, and when an Allow of everything is added.
    """
    everything = {"Action": ["*"], "Resource": ["*"]}
    missing: Conditions = {"StringNotLike": {"aws:SourceIdentity": pattern_of(tenant)}}
    ambiguous: Conditions = {"StringLike": {"aws:SourceIdentity": ambiguous_pattern_of(tenant)}}
    denied = [deny("DenyUnattributed", everything, missing), deny("DenyAmbiguous", everything, ambiguous)]
    onward = _onward(pod_identity) if chain_arns else ()
    others = [action for action in CHAINING_ACTIONS if action not in onward]
    denied.append(deny("DenyChaining", {"Action": patterns_of(others), "Resource": ["*"]}))
    if chain_arns:
        denied.append(deny("DenyOtherRoles", {"Action": onward, "NotResource": list(chain_arns)}))
    return [Section.whole(statement) for statement in denied]


def chain_sections(tenant: str, chain_arns: Sequence[str], *, pod_identity: bool) -> list[Section]:
    """Return the Allows for the roles a session may go on to: its source identity goes with it."""
    if not chain_arns:
        return []
    terms = identified(tenant, "aws:SourceIdentity")
    return [Section.by_resource(allow("ChainTo", _onward(pod_identity), chain_arns, terms))]


def chain_trust(tenant: str, role_arn: str, *, pod_identity: bool) -> Iterable[iam.PolicyStatement]:
    """Return what the trust policy of a role further on needs; the identity is set by now, so the key is aws:."""
    principals: list[iam.IPrincipal] = [iam.ArnPrincipal(role_arn)]
    yield _trust(_onward(pod_identity), principals, identified(tenant, "aws:SourceIdentity"))


def _onward(pod_identity: bool) -> Sequence[str]:
    # A pod's tags are transitive: they come along, and the role further on must let itself be tagged.
    return (*ASSUME_ACTIONS, "sts:TagSession") if pod_identity else ASSUME_ACTIONS
