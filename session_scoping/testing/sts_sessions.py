"""Whose keys a request is signed with: the sessions STS has handed out while policies are enforced."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.revocations import ISSUE_TIME
from session_scoping.testing.signed_requests import form_tags
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.decision import Decision, PolicySet, Request, decide, session_policy_of
from session_scoping.verify.policies.model import Role, Statement

NOT_HELD = {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "GetFederationToken", "GetSessionToken"}
"""Operations of STS that hand out keys nobody's policies here are known to hold for."""


@dataclass(frozen=True)
class Caller:
    """
    Whose policies hold for a request.

    Attributes:
        role: The role.
        tags: Tags of its session.
        session_name: Name of its session.
        issued: When the session was made.
        transitive: Keys of the tags it hands on.
        source_identity: What it was made with, or the session before it. Default: none.
        policy: Statements of the session policy. Default: there is none.
    """

    role: Role
    tags: Mapping[str, str] = field(default_factory=dict)
    session_name: str = "ambient"
    issued: datetime = field(default_factory=lambda: datetime.now(UTC))
    transitive: frozenset[str] = frozenset()
    source_identity: str = ""
    policy: tuple[Statement, ...] | None = None

    def handed_on(self) -> dict[str, str]:
        """Return the tags that a session made by this one inherits."""
        return {key: value for key, value in self.tags.items() if key in self.transitive}

    def context(self, binding: Binding) -> dict[str, Any]:
        """Return the condition keys that the caller brings along."""
        # A tag of the session replaces the role's own, whatever the case of its key (IAM guide, session tags).
        own = {key.lower() for key in self.tags}
        role_tags = {key: binding.text(value) for key, value in self.role.tags.items() if key.lower() not in own}
        identity = {"aws:SourceIdentity": self.source_identity} if self.source_identity else {}
        return {
            **tag_context("aws:PrincipalTag/", {**role_tags, **self.tags}),
            **identity,
            "aws:PrincipalArn": binding.text(self.role.arn),
            ISSUE_TIME: self.issued.isoformat(),
        }

    def decide(self, request: Request, binding: Binding, policy: tuple[Statement, ...], *, trust: bool) -> Decision:
        """
        Return what IAM would say.

        Args:
            request: What is asked for.
            binding: Fills in deploy-time parts.
            policy: The policy on the resource.
            trust: Whether that is a role's trust policy, which has to allow too.
        """
        boundary = None if self.role.boundary is None else binding.statements(self.role.boundary)
        policies = PolicySet(
            binding.statements(self.role.identity), boundary, binding.statements(policy), resource_must_allow=trust
        )
        decision = decide(request, policies)
        if self.policy is None or not decision.allowed:
            return decision
        # A session policy limits what the role's policies grant, as a boundary does (IAM guide, session policies).
        return decide(request, PolicySet(policies.identity, self.policy, policies.resource, resource_must_allow=trust))


def refuse_not_held(operation: str) -> None:
    """Raise InvalidInputError for an operation of STS whose keys would be checked against no policy."""
    if operation not in NOT_HELD:
        return
    raise InvalidInputError(
        f"{operation} is not enforced here",
        got="a request for keys that no policy of the template is known to hold for",
        expected="AssumeRole of a role of the template",
        why="whatever is done with the keys would pass as if it had been allowed",
        fix="mint with AssumeRole in this test; `session-scoping verify` proves web identity",
    )


def session_made(form: Mapping[str, str], roles: Iterable[Role], binding: Binding, by: Caller | None) -> Caller:
    """
    Return the session that an AssumeRole request makes.

    Args:
        form: The request.
        roles: The roles of the templates.
        binding: Fills in deploy-time parts.
        by: Who asks. None is the owner of the account.

    Raises:
        InvalidInputError: The role is not in the templates, or the request names managed session policies, or one that
            is none.
    """
    role = next((role for role in roles if binding.text(role.arn) == form["RoleArn"]), None)
    if role is None:
        raise InvalidInputError(
            "a role that is not in the templates cannot be assumed here",
            got="an AssumeRole of another ARN",
            expected="the ARN of a role of the templates",
            why="no policies are known that would hold for its session",
            fix="pass the assembly that deploys the role, or policies.arn(<logical id>)",
        )
    if any(name.startswith("PolicyArns.") for name in form):
        raise InvalidInputError(
            "managed session policies are not enforced here",
            got="PolicyArns in an AssumeRole",
            expected="none, or Policy",
            why="what they take away would still be allowed",
            fix="pass the policy itself as Policy",
        )
    inherited = by.handed_on() if by else {}
    passed_on = {value for name, value in form.items() if name.startswith("TransitiveTagKeys.member.")}
    return Caller(
        role,
        {**form_tags(form), **inherited},
        form["RoleSessionName"],
        transitive=frozenset({*passed_on, *inherited}),
        source_identity=(by.source_identity if by else "") or form.get("SourceIdentity", ""),
        policy=session_policy_of(form["Policy"]) if form.get("Policy") else None,
    )
