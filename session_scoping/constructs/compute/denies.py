"""The Denies that keep compute roles away from tenant data, whichever comes first, the role or the data."""

from collections.abc import Iterable, Sequence
from typing import NoReturn, Protocol

from aws_cdk import aws_iam as iam
from constructs import Construct, Node

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import PolicySeries, count_attached
from session_scoping.constructs.session.guards import ROLE_ACTIONS
from session_scoping.contract.errors import InvalidInputError


class ComputeRoleDenies:
    """
    Policies for all compute roles of one session role.

    INVARIANT: every role added meets every part covered, in either order. A policy is written only once there is
    a role to attach it to.
    """

    def __init__(self) -> None:
        self._roles: list[iam.IRole] = []
        self._parts: list[tuple[PolicySeries, Sequence[Section]]] = []

    @property
    def roles(self) -> Sequence[iam.IRole]:
        """The compute roles added so far."""
        return self._roles

    @property
    def sections(self) -> list[Section]:
        """What is put on them."""
        return [section for _, sections in self._parts for section in sections]

    @property
    def series(self) -> list[PolicySeries]:
        """The policies written so far."""
        return [series for series, _ in self._parts]

    def cover(self, series: PolicySeries, sections: Sequence[Section]) -> None:
        """Put these Denies on all compute roles, present and future."""
        self._parts.append((series, sections))
        if self._roles:
            series.write(sections, self._roles)

    def add(self, roles: Sequence[iam.IRole]) -> None:
        """Put all Denies on these roles too."""
        first = not self._roles
        self._roles.extend(roles)
        for series, sections in self._parts:
            if first and roles:
                series.write(sections, roles)
            else:
                series.attach(roles)


class GuardedRole(Protocol):
    """What the guard needs of a `ScopedComputeRole`, which keeps it."""

    roles_guard: "AssumeRoleGuard | None"

    @property
    def node(self) -> Node:
        """Where the role stands."""

    @property
    def policy_role(self) -> iam.Role:
        """The role as it accepts policies."""

    @property
    def other_roles(self) -> Sequence[str]:
        """ARNs of roles it may assume in addition to the session roles it mints for."""


class AssumeRoleGuard:
    """
    The Deny that keeps a compute role from becoming any role but the session roles it mints for.

    It stands in the session role's stack: under the compute role it would make the two stacks depend on each
    other. A compute role has one such guard, from the first session role it meets; later ones are excepted there.

    Args:
        scope: The session role.
        session_role_arn: Its ARN.
        mints: Whether the compute roles mint; where an orchestrator or token does, they may become no role at all.
    """

    def __init__(self, scope: Construct, session_role_arn: str, *, mints: bool) -> None:
        self._scope, self._arn, self._mints = scope, session_role_arn, mints
        self._statement: iam.PolicyStatement | None = None
        self._policy: iam.ManagedPolicy | None = None

    def restrict(self, roles: Iterable[GuardedRole]) -> None:
        """
        Put the guard on compute roles.

        Raises:
            InvalidInputError: A role mints for this session role, and an orchestrator or token mints for another one.
        """
        roles, new = list(roles), []
        for role in roles:
            if role.roles_guard is None:
                role.roles_guard = self
                new.append(role.policy_role)
            elif role.roles_guard._mints != self._mints:
                _refuse_mixed_minting(role)
            elif self._mints:
                role.roles_guard._except(self._arn)
        if new:
            self._attach(new)
        for role in roles:
            self.let_become(role, role.other_roles)

    def let_become(self, role: GuardedRole, role_arns: Sequence[str]) -> None:
        """
        Leave further roles out of the Deny.

        Raises:
            InvalidInputError: A broker mints for the role.
        """
        if role_arns and not self._mints:
            _refuse_becoming(role)
        for role_arn in role_arns:
            self._except(role_arn)

    def _attach(self, roles: Sequence[iam.IRole]) -> None:
        count_attached(roles)
        if self._policy is not None:
            for role in roles:
                self._policy.attach_to_role(role)
            return
        self._statement = iam.PolicyStatement(
            sid="DenyOtherRoles",
            effect=iam.Effect.DENY,
            actions=list(ROLE_ACTIONS),
            resources=None if self._mints else ["*"],
            not_resources=[self._arn] if self._mints else None,
        )
        self._policy = iam.ManagedPolicy(self._scope, "RolesGuard", statements=[self._statement], roles=list(roles))

    def _except(self, session_role_arn: str) -> None:
        if self._statement is not None:
            self._statement.add_not_resources(session_role_arn)


def _refuse_mixed_minting(role: GuardedRole) -> NoReturn:
    raise InvalidInputError(
        f"compute role `{role.node.path}` would mint for one session role and not for another",
        got="minting by compute roles and by an orchestrator or token",
        expected="one way of minting for all session roles of a compute role",
        why="what it may mint itself, a hijacked agent may mint",
        fix="let the orchestrator mint for both, or use two compute roles",
    )


def _refuse_becoming(role: GuardedRole) -> NoReturn:
    raise InvalidInputError(
        f"compute role `{role.node.path}` would assume another role",
        got="a compute role whose sessions an orchestrator or token mints",
        expected="a role that runs no agent code, such as the dispatcher's",
        why="where compute roles do not mint, agent code may become no role at all",
        fix="let the broker or the dispatcher assume it and hand its credentials on",
    )
