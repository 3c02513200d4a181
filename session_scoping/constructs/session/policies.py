"""The managed policies of one session role and of the roles around it."""

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import PolicySeries, check_attachments
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.compute.denies import AssumeRoleGuard, ComputeRoleDenies
from session_scoping.constructs.compute.role import AnyRole, ScopedComputeRole, policy_role
from session_scoping.constructs.session.chaining import ChainingGuard

_WILDCARD_REASON = (
    "The wildcard follows the session's own tags and a delimiter, so it covers one session's objects; a model's "
    "Regions are fenced by its inference profile."
)


class SessionPolicies:
    """
    Guards and Permissions of the role, Mint of its minters, ComputeGuards and AssumeRoleGuard of its compute roles.

    Args:
        owner: The session role; the policies are its children.
        context: Where it stands.
        sizer: Measures documents.
        role: The role itself.
        role_arn: Its ARN, which its owner has asked for already.
        compute_roles_mint: Whether compute roles mint; where they do not, they may become no role at all.
    """

    def __init__(
        self,
        owner: Construct,
        context: StackContext,
        sizer: PolicySizer,
        role: iam.Role,
        role_arn: str,
        *,
        compute_roles_mint: bool,
    ) -> None:
        self._owner, self._context, self._sizer, self._role = owner, context, sizer, role
        self._guards, self._permissions, self._mint = map(self.series, ("Guards", "Permissions", "Mint"))
        self._compute_denies = ComputeRoleDenies()
        self.chaining = ChainingGuard(owner, self._guards, role, sizer)
        self._roles_guard = AssumeRoleGuard(owner, role_arn, mints=compute_roles_mint)

    @property
    def denied_roles(self) -> Sequence[iam.IRole]:
        """The compute roles that are denied tenant data."""
        return self._compute_denies.roles

    def write_own(self, denied: Sequence[Section], allowed: Sequence[Section]) -> None:
        """
        Write the role's own policies, the guards first.

        Raises:
            QuotaExceededError: A document, or their number, exceeds a quota.
        """
        self._guards.write(denied, [self._role])
        self._permissions.write(allowed, [self._role])
        self._permissions.after(self._guards)
        check_attachments(self._owner, self._guards, self._permissions)

    def write_mint(self, sections: Sequence[Section], minters: Sequence[iam.IRole]) -> None:
        """Write what the minters need; by web identity there are none."""
        if minters:
            self._mint.write(sections, minters)

    def write_compute_denies(self, denied: Sequence[Section], allowed: Sequence[Section]) -> None:
        """Write what every compute role is denied, and what each needs to spend a token."""
        self._compute_denies.cover(self.series("ComputeGuards"), denied)
        if allowed:
            self._compute_denies.cover(self.series("Exchange"), allowed)

    def let_mint(self, minter: iam.IRole) -> None:
        """Give one more minter what it needs."""
        self._mint.attach([minter])

    def deny_compute_roles(self, roles: Sequence[AnyRole]) -> None:
        """Put all Denies for compute roles on these roles."""
        self._compute_denies.add([policy_role(role) for role in roles])
        self._roles_guard.limit([role for role in roles if isinstance(role, ScopedComputeRole)])

    def cover(self, series: PolicySeries, sections: Sequence[Section]) -> None:
        """Deny the compute roles more, in a series made elsewhere."""
        self._compute_denies.cover(series, sections)

    def finished(self) -> Iterable[Check]:
        """Return the checks of all these policies as the finished tree renders them."""
        for series in (self._guards, self._permissions, self._mint, *self._compute_denies.series):
            yield from series.finished()
        yield from self.chaining.finished()

    def series(self, base_id: str) -> PolicySeries:
        """Return a series of the owner's, not written yet."""
        return PolicySeries(self._owner, base_id, self._context, self._sizer, _WILDCARD_REASON)
