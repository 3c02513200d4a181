"""The Denies that keep compute roles away from tenant data, whichever comes first, the role or the data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import PolicySeries, count_attached, mark_own
from session_scoping.constructs.cdk.stack_context import asked_once, has_wildcard, is_token
from session_scoping.constructs.session.guards import ROLE_ACTIONS
from session_scoping.contract.errors import InvalidInputError

_ROLE_ARN = re.compile(r"arn:[^:*?]+:iam::\d{12}:role/[^:*?]+")
_KEPT_AS = "_session_scoping_roles_guards"


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


class AssumeRoleGuard:
    """
    The Deny that keeps a compute role from becoming any role but the session roles it mints for.

    It is in the session role's stack: under the compute role it would make the two stacks depend on each
    other. A compute role has one such guard, from the first session role it meets; later ones are excepted there.
    Whatever the role is: a `ScopedComputeRole`, a role that exists, or the same role under two imports.

    Args:
        scope: The session role.
        session_role_arn: Its ARN.
        mints: Whether the compute roles mint; where an orchestrator or token does, they become no role but `others`.
        others: ARNs of further roles that the compute roles of this session role must still assume.
    """

    def __init__(self, scope: Construct, session_role_arn: str, *, mints: bool, others: Sequence[str] = ()) -> None:
        self._scope, self._arn, self._mints, self._others = scope, session_role_arn, mints, tuple(others)
        self._excepted: list[str] = []
        self._statement: iam.PolicyStatement | None = None
        self._policy: iam.ManagedPolicy | None = None

    def restrict(self, roles: Iterable[iam.IRole]) -> None:
        """
        Put the guard on compute roles.

        Raises:
            InvalidInputError: A role mints for this session role, and an orchestrator or token mints for another one;
                or it must assume a role that the guard it carries does not leave out.
        """
        new, known = [], [(role, GuardedRole.of(role)) for role in roles]
        for role, guarded in known:
            if guarded.guard is None:
                guarded.guard = self
                new.append(role)
            elif guarded.guard._mints != self._mints:
                _refuse_mixed_minting(role)
            elif not set(self._others) <= set(guarded.guard._others):
                _refuse_late_others(role, guarded.guard._scope)
            elif self._mints:
                guarded.guard._except(self._arn)
        if new:
            self._attach(new)
        for role, guarded in known:
            guarded.settle(role)

    def let_become(self, role: iam.IRole, role_arns: Iterable[str]) -> None:
        """
        Leave further roles out of the Deny.

        Raises:
            InvalidInputError: A broker mints for the role.
        """
        for role_arn in role_arns:
            if role_arn in self._others:
                continue
            if not self._mints:
                _refuse_becoming(role)
            self._except(role_arn)

    def _attach(self, roles: Sequence[iam.IRole]) -> None:
        count_attached(roles)
        if self._policy is not None:
            for role in roles:
                self._policy.attach_to_role(role)
            return
        self._excepted = [*([self._arn] if self._mints else []), *self._others]
        self._statement = iam.PolicyStatement(
            sid="DenyOtherRoles",
            effect=iam.Effect.DENY,
            actions=list(ROLE_ACTIONS),
            resources=None if self._excepted else ["*"],
            not_resources=self._excepted or None,
        )
        self._policy = iam.ManagedPolicy(self._scope, "RolesGuard", statements=[self._statement], roles=list(roles))
        mark_own(self._policy)

    def _except(self, role_arn: str) -> None:
        if self._statement is not None and role_arn not in self._excepted:
            self._excepted.append(role_arn)
            self._statement.add_not_resources(role_arn)


@dataclass
class GuardedRole:
    """
    What is known of one role of the account, whichever session roles and imports speak of it.

    Attributes:
        others: ARNs of roles it becomes by a trust that names it.
        guard: The guard it carries.
    """

    others: list[str] = field(default_factory=list)
    guard: AssumeRoleGuard | None = None

    @classmethod
    def of(cls, role: iam.IRole) -> GuardedRole:
        """Return what is known of a role; that of an import is kept on the app, by account and name."""
        if isinstance(role, iam.Role):
            holder, key = vars(role), ""
        else:
            arn: str = asked_once(role, "role_arn")
            holder, key = vars(role.node.root), arn.partition(":iam::")[2] or arn
        found: GuardedRole = holder.setdefault(_KEPT_AS, {}).setdefault(key, cls())
        return found

    def let_become(self, role: iam.IRole, role_arn: str) -> None:
        """
        Let it assume one role more; the Deny on all others leaves it out.

        Raises:
            InvalidInputError: A broker mints for it.
        """
        self.others.append(role_arn)
        self.settle(role)

    def settle(self, role: iam.IRole) -> None:
        """Tell its guard, once there is one."""
        if self.guard is not None:
            self.guard.let_become(role, self.others)


def assumed_arns(roles: Sequence[iam.IRole | str], minters: Sequence[iam.IRole]) -> tuple[str, ...]:
    """
    Return the ARNs of roles that compute roles must still assume.

    Raises:
        InvalidInputError: One is no ARN of one role, or may mint.
    """
    arns = tuple(role if isinstance(role, str) else asked_once(role, "role_arn") for role in roles)
    forbidden = [asked_once(role, "role_arn") for role in minters] if arns else []
    for arn in arns:
        exact = not has_wildcard(arn) and (is_token(arn) or _ROLE_ARN.fullmatch(arn))
        if not exact or arn in forbidden:
            raise InvalidInputError(
                "`may_assume` would open more than one role that mints nothing",
                got="the minter's role" if exact else "a wildcard, or text that is no role's ARN",
                expected="roles, or their exact ARNs, none of which mints the sessions",
                why="what a compute role may become, a hijacked agent becomes",
                fix="name each role, and leave the minter out",
            )
    return arns


def _refuse_mixed_minting(role: iam.IRole) -> NoReturn:
    raise InvalidInputError(
        f"compute role `{role.node.path}` would mint for one session role and not for another",
        got="minting by compute roles and by an orchestrator or token",
        expected="one way of minting for all session roles of a compute role",
        why="what it may mint itself, a hijacked agent may mint",
        fix="let the orchestrator mint for both, or use two compute roles",
    )


def _refuse_late_others(role: iam.IRole, first: Construct) -> NoReturn:
    raise InvalidInputError(
        f"compute role `{role.node.path}` may assume roles that its guard does not leave out",
        got=f"may_assume with roles that session role `{first.node.path}` does not name",
        expected="every role it must assume in may_assume of the session role that is made first",
        why="one guard serves several compute roles, and each exception holds for all of them",
        fix=f"name them in the Minting of `{first.node.path}`",
    )


def _refuse_becoming(role: iam.IRole) -> NoReturn:
    raise InvalidInputError(
        f"compute role `{role.node.path}` would assume another role",
        got="a compute role whose sessions an orchestrator or token mints",
        expected="a role that runs no agent code, such as the dispatcher's",
        why="where compute roles do not mint, agent code may become no role that is not named",
        fix="let the broker or the dispatcher assume it and hand its credentials on, or name it in the Minting's "
        "may_assume",
    )
