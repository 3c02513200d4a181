"""The Deny that ends every chain at a session, and what is let through on purpose: tool roles, external tokens."""

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.aws.actions import patterns_of
from session_scoping.constructs.cdk.policy_series import PolicySeries, count_attached
from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, PolicySizer, too_large_message
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.session.guards import CHAINING, CHAINING_ACTIONS

# TagSession and SetSourceIdentity are asked for on the role that is assumed, so a tool role needs all three.
ONWARD_ACTIONS = ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")


class ChainingGuard:
    """
    The statement `Chaining` of one role.

    INVARIANT: an action that is taken out of it is denied by another statement for all but what was let through,
    and that statement is deployed first.

    Args:
        owner: The session role; `ToolsGuard` becomes its child.
        guards: The series that holds `Chaining`.
        role: The role itself.
        sizer: Measures documents.
    """

    def __init__(self, owner: Construct, guards: PolicySeries, role: iam.Role, sizer: PolicySizer) -> None:
        self._owner, self._guards, self._role, self._sizer = owner, guards, role, sizer
        self._denied: tuple[str, ...] = CHAINING_ACTIONS
        self._others: iam.PolicyStatement | None = None
        self._policy: iam.ManagedPolicy | None = None

    def let_through(self, role_arn: str) -> None:
        """Except one role: the session may become it, and still no other."""
        if self._others is not None:
            self._others.add_not_resources(role_arn)
            return
        self._others = iam.PolicyStatement(
            sid="DenyOtherRoles",
            effect=iam.Effect.DENY,
            actions=list(ONWARD_ACTIONS),
            not_resources=[role_arn],
        )
        count_attached([self._role])
        self._policy = iam.ManagedPolicy(self._owner, "ToolsGuard", statements=[self._others], roles=[self._role])
        self.hand_over(ONWARD_ACTIONS, [self._policy])

    def hand_over(self, actions: Sequence[str], successors: Sequence[iam.ManagedPolicy]) -> None:
        """Take actions out of `Chaining` once these policies of the same stack deny them."""
        self._denied = tuple(action for action in self._denied if action not in actions)
        self._guards.change(CHAINING, Action=patterns_of(self._denied))
        self._guards.follow(successors)

    def denies(self, action: str) -> bool:
        """Whether `Chaining` still denies an action, whatever its resource."""
        return action in self._denied

    def finished(self) -> Iterable[Check]:
        """Measure `ToolsGuard` as the finished tree renders it."""
        if self._policy is not None:
            yield Check(self._policy.document, self._errors)

    def _errors(self, document: object) -> Iterable[str]:
        if (size := self._sizer.document(document)) > MANAGED_POLICY_MAX:
            fix = "use fewer tool roles for one session role"
            yield too_large_message(f"policy `{self._owner.node.path}/ToolsGuard`", size, MANAGED_POLICY_MAX, fix)
