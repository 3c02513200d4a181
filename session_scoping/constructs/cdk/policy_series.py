"""Managed policies in numbered series: attached, ordered, counted, and acknowledged to cdk-nag."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section, document_of, flatten, pack, substitute, tokens_in
from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, SPLIT, PolicySizer, too_large_message
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.contract.errors import QuotaExceededError

# Source: IAM reference_iam-quotas. Two are left for the role's owner.
ATTACHED_POLICIES_MAX = 10
ATTACHED_POLICIES_LEFT_FREE = 2

_COUNT = "_session_scoping_attached"
_OWN = "_session_scoping_own"


class PolicySeries:
    """
    A growing series of managed policies under one construct: `Guards`, `Guards2`, `Guards3`.

    INVARIANT: a policy's id depends on its place in the series alone, so that more tables or models never rename
    one that is deployed.

    Args:
        scope: Parent of the policies.
        base_id: Id of the first policy.
        context: Stack of the scope.
        sizer: Measures the documents.
        reason: Why the wildcards in the Allows are as narrow as they can be, for cdk-nag's audit record.
    """

    def __init__(
        self, scope: Construct, base_id: str, context: StackContext, sizer: PolicySizer, reason: str = ""
    ) -> None:
        self._scope, self._base_id, self._context, self._sizer = scope, base_id, context, sizer
        self._reason = reason
        self._written: list[tuple[iam.ManagedPolicy, iam.PolicyDocument, list[Statement]]] = []
        self._acknowledged: list[list[str]] = []
        self._places: dict[str, tuple[int, int]] = {}

    @property
    def policies(self) -> list[iam.ManagedPolicy]:
        """The policies written so far."""
        return [policy for policy, _, _ in self._written]

    def write(self, sections: Iterable[Section], roles: Sequence[iam.IRole]) -> None:
        """
        Write the sections, in order, as managed policies attached to the roles.

        Raises:
            QuotaExceededError: One piece alone is larger than a managed policy may be, or a role has too many.
        """
        sections = list(sections)
        self._context.resolve(tokens_in(sections))
        resolved = self._context.resolved

        def size(statements: Sequence[Statement]) -> int:
            return sum(self._sizer.document(substitute(statement, resolved)) + 1 for statement in statements)

        for statements in pack(sections, size, f"policy `{self._base_id}`"):
            number = len(self._written) + 1
            document = iam.PolicyDocument.from_json(document_of(statements))
            policy = iam.ManagedPolicy(
                self._scope,
                self._base_id + (str(number) if number > 1 else ""),
                document=document,
                roles=list(roles),
            )
            mark_own(policy)
            count_attached(roles)
            self._written.append((policy, document, statements))
            self._acknowledged.append([])
            self._places |= {statement["Sid"]: (number - 1, place) for place, statement in enumerate(statements)}
            self._acknowledge(number - 1, substitute(statements, resolved))

    def attach(self, roles: Sequence[iam.IRole]) -> None:
        """Attach the policies written so far to more roles."""
        for policy in self.policies:
            count_attached(roles)
            for role in roles:
                policy.attach_to_role(role)

    def holds(self, sid: str) -> bool:
        """Whether a statement is written: one that does not fit a document may be left out."""
        return sid in self._places

    def change(self, sid: str, **elements: Sequence[str]) -> bool:
        """
        Say other actions or resources in a statement that is written already; the CDK takes no statement back.

        Returns:
            Whether that was done: not where the document would exceed its quota.
        """
        number, place = self._places[sid]
        policy, _, statements = self._written[number]
        changed = [{**one, **elements} if at == place else one for at, one in enumerate(statements)]
        if self._size(changed) > MANAGED_POLICY_MAX:
            return False
        self._written[number] = (policy, self._written[number][1], changed)
        resource = cast(cdk.CfnResource, policy.node.default_child)
        for name, values in elements.items():
            resource.add_property_override(f"PolicyDocument.Statement.{place}.{name}", list(values))
        return True

    def _size(self, statements: Sequence[Statement]) -> int:
        self._context.resolve(tokens_in([Section.whole(*statements)]))
        return self._sizer.document(substitute(document_of(statements), self._context.resolved))

    def follow(self, earlier: Sequence[iam.ManagedPolicy]) -> None:
        """Deploy these policies after others of the same stack."""
        for policy in self.policies if earlier else ():
            policy.node.add_dependency(*earlier)

    def finished(self) -> Iterable[Check]:
        """
        Return the checks of the policies as the finished tree renders them.

        Others can change a logical id or add a reference between stacks after this series was written: sizes are
        measured again, and findings under new ids are acknowledged.
        """
        for place, (_, document, _) in enumerate(self._written):
            yield Check(document, partial(self._recheck, place))

    def _recheck(self, place: int, document: Any) -> Iterable[str]:
        if (size := self._sizer.document(document)) > MANAGED_POLICY_MAX:
            path = self._written[place][0].node.path
            yield too_large_message(f"policy `{path}`", size, MANAGED_POLICY_MAX, SPLIT)
        self._acknowledge(place, document["Statement"])

    def _acknowledge(self, place: int, statements: Sequence[Statement]) -> None:
        """Acknowledge the wildcards of one policy, unless the same ones are acknowledged already."""
        ids = wildcard_findings(statements)
        if ids != self._acknowledged[place]:
            self._acknowledged[place] = ids
            acknowledgments = [cdk.Acknowledgment(id=id_, reason=self._reason) for id_ in ids]
            # On the policy itself: on the construct it would also cover what others attach to the role.
            cdk.Validations.of(self._written[place][0]).acknowledge(*acknowledgments)


class GuardedPolicies:
    """The series of one construct: `Permissions`, and `Guards`, Denies that are deployed first and hold in any case."""

    def __init__(self, scope: Construct, context: StackContext, sizer: PolicySizer, reason: str = "") -> None:
        self.guards = PolicySeries(scope, "Guards", context, sizer, reason)
        self.permissions = PolicySeries(scope, "Permissions", context, sizer, reason)

    @property
    def policies(self) -> list[iam.ManagedPolicy]:
        """The policies written so far, guards first."""
        return [*self.guards.policies, *self.permissions.policies]

    def write(self, denied: Iterable[Section], allowed: Iterable[Section], roles: Sequence[iam.IRole]) -> None:
        """Write both, attached to the roles."""
        self.guards.write(denied, roles)
        self.permissions.write(allowed, roles)
        self.permissions.follow(self.guards.policies)

    def attach(self, roles: Sequence[iam.IRole]) -> None:
        """Attach the policies written so far to more roles."""
        self.guards.attach(roles)
        self.permissions.attach(roles)

    def finished(self) -> Iterable[Check]:
        """Return the checks of both series as the finished tree renders them."""
        yield from self.guards.finished()
        yield from self.permissions.finished()


def count_attached(roles: Iterable[iam.IRole]) -> None:
    """
    Count one more policy on these roles, whichever construct attaches it.

    Raises:
        QuotaExceededError: A role has more of ours than IAM attaches.
    """
    for role in roles:
        count = vars(role)[_COUNT] = vars(role).get(_COUNT, 0) + 1
        if count > ATTACHED_POLICIES_MAX:
            raise QuotaExceededError(
                f"role `{role.node.path}` is given too many managed policies: got {count}, expected at most "
                f"{ATTACHED_POLICIES_MAX} from all session roles and table policies together; IAM attaches no more; "
                "fix: use one session role for several tables, or a compute role for each session role"
            )


def mark_own(policy: iam.ManagedPolicy) -> None:
    """Remember that this library wrote a policy, whatever roles it is for."""
    vars(policy)[_OWN] = True


def is_own(construct: object) -> bool:
    """Whether a construct is a policy that this library wrote."""
    return isinstance(construct, iam.ManagedPolicy) and _OWN in vars(construct)


def check_attachments(owner: Construct, policies: Sequence[iam.ManagedPolicy]) -> None:
    """
    Keep two of a role's ten managed policies for its owner.

    Raises:
        QuotaExceededError: There are more than eight.
    """
    count, most = len(policies), ATTACHED_POLICIES_MAX - ATTACHED_POLICIES_LEFT_FREE
    if count > most:
        raise QuotaExceededError(
            f"role `{owner.node.path}` needs too many managed policies: got {count}, expected at most {most}; IAM "
            f"attaches {ATTACHED_POLICIES_MAX}, and {ATTACHED_POLICIES_LEFT_FREE} are kept free; fix: {SPLIT}"
        )


def wildcard_findings(statements: Sequence[Statement]) -> list[str]:
    """
    Return the ids under which cdk-nag reports the wildcard resources in Allows.

    They are computed from the resolved statements: they hold logical ids, and cdk-nag matches exactly.
    """
    ids = {
        f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]"
        for statement in statements
        if statement["Effect"] == "Allow"
        for resource in map(flatten, _listed(statement["Resource"]))
        if "*" in resource
    }
    return sorted(ids)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
