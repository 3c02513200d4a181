"""ScopedRole: what SessionRole, ToolScopedRole and SessionBrokerRole have in common, and their arguments' checks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import GuardedPolicies, PolicySeries, check_attachments
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import run_as
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.synth_checks import Check, SynthChecks
from session_scoping.constructs.data.memory import TenantMemory
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.named_data import TenantParameters, TenantSecrets
from session_scoping.constructs.data.objects import TenantObjects
from session_scoping.constructs.data.tables import TenantTable
from session_scoping.constructs.minting.minting import Minting
from session_scoping.constructs.restrictions.restriction import Restriction
from session_scoping.contract.errors import InvalidInputError

WILDCARD_REASON = (
    "The wildcard follows the session's own tags and a delimiter, so it covers one session's objects; a model's "
    "Regions are limited by its inference profile."
)

_KINDS: Mapping[str, tuple[Any, str]] = {
    "minting": (Minting, "Minting.by_compute_roles(...), or another of its builders"),
    "models": (Models | None, "Models.profile(...), or another of its builders"),
    "tables": (TenantTable, "a sequence of TenantTable(table, access=...)"),
    "objects": (TenantObjects, "a sequence of TenantObjects"),
    "secrets": (TenantSecrets, "a sequence of TenantSecrets"),
    "memories": (TenantMemory, "a sequence of TenantMemory"),
    "parameters": (TenantParameters, "a sequence of TenantParameters"),
    "restrictions": (Restriction, "a sequence of restrictions, such as a WorkloadBinding or a Revocation"),
}


@jsii.implements(iam.IRole)
class ScopedRole(Construct):
    """
    A role that is assumed under conditions only, with its guards and its permissions.

    A subclass makes the role, then writes its policies; at synth `_checks` is asked what the finished tree shows.

    It takes no grants itself: the members of `iam.IRole` that the CDK asks of a grantee are there to say so.
    """

    _wildcard_reason = WILDCARD_REASON

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._context = StackContext.of(scope)
        self._sizer = PolicySizer.at(self._context)
        self._handed_out = False
        self._own = GuardedPolicies(self, self._context, self._sizer, self._wildcard_reason)

    @property
    def role(self) -> iam.Role:
        """The role. Grants added to it stay inside the guards."""
        self._handed_out = True
        return self._role

    @property
    def role_arn(self) -> str:
        """ARN of the role."""
        self._handed_out = True
        return self._role_arn

    @property
    def role_name(self) -> str:
        """Name of the role."""
        return self._role.role_name

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """
        Refuse a grant, which would open a whole resource to every session.

        Raises:
            InvalidInputError: Always.
        """
        raise self._takes_no_grants()

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        """
        Refuse to be the principal of a statement.

        Raises:
            InvalidInputError: Always.
        """
        raise self._takes_no_grants()

    def add_to_principal_policy(self, _statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """
        Refuse a statement.

        Raises:
            InvalidInputError: Always.
        """
        raise self._takes_no_grants()

    def _takes_no_grants(self) -> InvalidInputError:
        return InvalidInputError(
            f"role `{self.node.path}` is no grantee",
            got=f"a grant to a {type(self).__name__}",
            expected="its arguments, such as tables=[TenantTable(...)], to say what a session reaches",
            why="a grant opens the whole table or bucket, not one session's part",
            fix="name the data in the arguments; a resource without tenant data is granted to its `.role`",
        )

    def _make_role(
        self, assumed_by: iam.IPrincipal, further: Sequence[iam.PolicyStatement] = (), **options: Any
    ) -> None:
        """Make the role; `further` are the trust statements beyond the one that its constructor takes."""
        # The least IAM takes, and role chaining is capped there whatever is set (STS API_AssumeRole).
        options["max_session_duration"] = options.get("max_session_duration") or cdk.Duration.hours(1)
        self._role = iam.Role(self, "Role", assumed_by=assumed_by, **options)
        self._role_arn = self._role.role_arn
        if further:
            self._trust_policy.add_statements(*further)

    def _write_own(self, denied: Sequence[Section], allowed: Sequence[Section]) -> None:
        """
        Write guards and permissions of the role itself.

        Raises:
            QuotaExceededError: A document, or their number, exceeds a quota.
        """
        self._own.write(denied, allowed, [self._role])
        check_attachments(self, self._own.policies)
        SynthChecks.of(self._context).add(self._checks)

    @property
    def _trust_policy(self) -> iam.PolicyDocument:
        return cast(iam.PolicyDocument, self._role.assume_role_policy)

    def _series(self, base_id: str) -> PolicySeries:
        """Return a series for roles around this one, not written yet."""
        return PolicySeries(self, base_id, self._context, self._sizer, self._wildcard_reason)

    def _checks(self) -> Iterable[Check]:
        """Return the checks of the role's own policies, and of who runs under the role, in the finished tree."""
        if self._handed_out:  # the tree is large, and nothing can run under a role that nobody was given
            yield Check(None, lambda _: self._workloads())
        yield from self._own.finished()

    def _workloads(self) -> Iterable[str]:
        for user in run_as(self._role, SynthChecks.of(self._context).tree, self._context):
            yield (
                f"role `{self.node.path}` is the role of `{user}`: got a role that is assumed with conditions, "
                "expected the workload's own role; no service can assume it, so the workload would not start; fix: "
                "pass a ScopedComputeRole there, and the session role's `environment` to the container"
            )


def check_kinds(**arguments: Sequence[object]) -> None:
    """Refuse what would fail as an attribute error deep inside: a bare table, model ids in place of Models."""
    for name, values in arguments.items():
        kind, expected = _KINDS[name]
        if wrong := [value for value in values if not isinstance(value, kind)]:
            raise InvalidInputError(
                f"`{name}` is not what a SessionRole takes",
                got=f"a {type(wrong[0]).__name__}",
                expected=expected,
                why="what it opens, and to whom, would be a guess",
                fix=f"see the docstring of `{name}`",
            )


def as_tuple(values: Any) -> tuple[Any, ...]:
    """Return the values as a tuple: a generator would be empty when it is read the second time."""
    return tuple(values) if isinstance(values, Iterable) else (values,)
