"""The managed policies of one session role and of the roles around it."""

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import PolicySeries, check_attachments
from session_scoping.constructs.cdk.policy_sizes import Ruler
from session_scoping.constructs.cdk.stack_context import Site
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.compute.denies import ComputeFence, RolesGuard
from session_scoping.constructs.compute.role import AnyRole, ScopedComputeRole, underlying
from session_scoping.constructs.session.chaining import ChainingGuard

_WILDCARD_REASON = (
    "The wildcard follows the session's own tags and a delimiter, so it covers one session's objects; a model's "
    "Regions are fenced by its inference profile."
)


class SessionPolicies:
    """
    Guards and Permissions of the role, Mint of its minters, ComputeGuards and RolesGuard of its compute roles.

    Args:
        owner: The session role; the policies are its children.
        site: Where it stands.
        ruler: Measures documents.
        role: The role itself.
        role_arn: Its ARN, which its owner has asked for already.
        compute_roles_mint: Whether compute roles mint; where they do not, they may become no role at all.
    """

    def __init__(
        self, owner: Construct, site: Site, ruler: Ruler, role: iam.Role, role_arn: str, *, compute_roles_mint: bool
    ) -> None:
        self._owner, self._site, self._ruler, self._role = owner, site, ruler, role
        self._guards, self._permissions, self._mint = map(self.series, ("Guards", "Permissions", "Mint"))
        self._fence = ComputeFence()
        self.chaining = ChainingGuard(owner, self._guards, role, ruler)
        self._roles_guard = RolesGuard(owner, role_arn, mints=compute_roles_mint)

    @property
    def fenced(self) -> Sequence[iam.IRole]:
        """The compute roles that are denied tenant data."""
        return self._fence.roles

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

    def write_fence(self, denied: Sequence[Section], allowed: Sequence[Section]) -> None:
        """Write what every compute role is denied, and what each needs to spend a token."""
        self._fence.cover(self.series("ComputeGuards"), denied)
        if allowed:
            self._fence.cover(self.series("Exchange"), allowed)

    def let_mint(self, minter: iam.IRole) -> None:
        """Give one more minter what it needs."""
        self._mint.attach([minter])

    def fence_in(self, roles: Sequence[AnyRole]) -> None:
        """Put all Denies for compute roles on these roles."""
        self._fence.add([underlying(role) for role in roles])
        self._roles_guard.limit([role for role in roles if isinstance(role, ScopedComputeRole)])

    def cover(self, series: PolicySeries, sections: Sequence[Section]) -> None:
        """Deny the compute roles more, in a series made elsewhere."""
        self._fence.cover(series, sections)

    def finished(self) -> Iterable[Check]:
        """Return the checks of all these policies as the finished tree renders them."""
        for series in (self._guards, self._permissions, self._mint, *self._fence.series):
            yield from series.finished()
        yield from self.chaining.finished()

    def series(self, base_id: str) -> PolicySeries:
        """Return a series of the owner's, not written yet."""
        return PolicySeries(self._owner, base_id, self._site, self._ruler, _WILDCARD_REASON)
