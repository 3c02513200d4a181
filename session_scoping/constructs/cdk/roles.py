"""Questions about roles that the CDK answers only by trying."""

from collections.abc import Sequence
from functools import cache

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.stack_context import (
    StackContext,
    asked_once,
    has_wildcard,
    is_token,
    properties_of,
)
from session_scoping.constructs.cdk.synth_checks import FinishedTree
from session_scoping.contract.errors import InvalidInputError


def accepts_policies(role: iam.IRole) -> bool:
    """
    Whether a policy attached to the role will be rendered.

    A role imported with `mutable=False`, wrapped by `without_policy_updates()`, or from another account accepts
    every call and renders nothing. The CDK exposes no property for it, so a policy in an app of its own is tried.
    """
    if isinstance(role, iam.Role):
        return True
    scratch = cdk.Stack(cdk.App(), "Probe")
    probe = iam.Policy(scratch, "Policy")
    role.attach_inline_policy(probe)
    resource = probe.node.default_child
    return bool(scratch.resolve(resource.roles)) if isinstance(resource, iam.CfnPolicy) else False


def require_changeable(role: iam.IRole, context: StackContext) -> None:
    """
    Refuse a role that would silently not get its permissions.

    Raises:
        InvalidInputError: The role is imported as immutable or belongs to another account.
    """
    if _of_another_account(role, context) or not accepts_policies(role):
        raise InvalidInputError(
            f"role `{role.node.path}` cannot be changed from this stack",
            got="a role imported as immutable, wrapped, or of another account",
            expected="a role of this app, or one imported with mutable=True from the stack's account",
            why="its own permission would be missing, and the agent would fail at its first call",
            fix="import it as mutable, or call admit_trust_only and hand the statement it prints to the owner",
        )


def _of_another_account(role: iam.IRole, context: StackContext) -> bool:
    """Whether a policy made here would be attached to a role of the same name in the wrong account."""
    if is_token(context.account):
        return False
    account = role.principal_account
    return account is not None and not is_token(account) and account != context.account


def require_new(role: iam.IRole, known: Sequence[iam.IRole]) -> None:
    """
    Refuse a role that is admitted already.

    Raises:
        InvalidInputError: The same role object, or the same literal ARN.
    """
    if any(role is other or role.role_arn == other.role_arn for other in known):
        raise InvalidInputError(
            f"role `{role.node.path}` is admitted already",
            got="the same role twice",
            expected="each minter once",
            why="a repeated minter usually hides a missing one",
            fix="admit it once",
        )


def require_one_duty(role: iam.IRole, others: Sequence[iam.IRole]) -> None:
    """
    Refuse a role that would be broker and compute role at once.

    Raises:
        InvalidInputError: The same role object, or the same literal ARN.
    """
    if any(role is other or role.role_arn == other.role_arn for other in others):
        raise InvalidInputError(
            f"role `{role.node.path}` would be an orchestrator and a compute role of one session role",
            got="the same role as both",
            expected="minters that run no agent code",
            why="minting is denied to compute roles where they do not mint, so nobody could mint with it",
            fix="use two roles, or Minting.by_compute_roles",
        )


def require_exact(role: iam.IRole) -> None:
    """
    Refuse a role whose ARN is a pattern.

    Raises:
        InvalidInputError: The ARN holds a wildcard.
    """
    if has_wildcard(role.role_arn):
        raise InvalidInputError(
            f"role `{role.node.path}` is not one role",
            got="an ARN with a wildcard",
            expected="the exact ARN of one role",
            why="a principal that can make a role of a fitting name could mint",
            fix="name the role",
        )


def require_distinct(roles: Sequence[iam.IRole], arns: Sequence[str]) -> None:
    """
    Refuse one role under two imports.

    Args:
        roles: Minters, and where an orchestrator mints the compute roles.
        arns: Their ARNs, in the same order: each is asked for once.

    Raises:
        InvalidInputError: Two of them have the same literal ARN, or the same token.
    """
    seen: set[str] = set()
    for role, arn in zip(roles, arns, strict=True):
        if arn in seen:
            raise InvalidInputError(
                f"role `{role.node.path}` is named twice among the minters and compute roles",
                got="the same ARN under two imports",
                expected="different roles",
                why="an orchestrator that is a compute role protects nothing, and a repeated role hides a missing one",
                fix="name each role once",
            )
        seen.add(arn)


def arn_by_name(context: StackContext, role_name: str | None, path: str | None) -> str | None:
    """Return the ARN spelled from a known name: it needs no reference, so it cannot close a cycle of stacks."""
    if role_name is None or is_token(role_name):
        return None
    return context.arn("iam", f"role{path or '/'}{role_name}", region="")


def arn_for_containers(arn: str, role: iam.Role, compute_roles: Sequence[object], context: StackContext) -> str:
    """Return a session role's ARN for the containers of these compute roles, which may be another stack's."""
    inner = [getattr(one, "policy_role", one) for one in compute_roles]
    made = [asked_once(one, "stack") for one in inner if isinstance(one, iam.Role)]
    needed = [stack for stack in made if stack is not context.stack]
    if arn.startswith("arn:") or not needed:
        return arn
    return cdk.Lazy.uncached_string(_ArnForContainers(role, arn, needed))


@jsii.implements(cdk.IStringProducer)
class _ArnForContainers:
    """
    Says at synth where the ARN would make two stacks a cycle.

    The CDK's own error names the two stacks and not the argument that helps.

    Args:
        role: The session role's own.
        role_arn: Its ARN, a reference to its stack.
        needed: Other stacks that the role's stack refers to: its compute roles'.
    """

    def __init__(self, role: iam.Role, role_arn: str, needed: Sequence[cdk.Stack]) -> None:
        self._role, self._role_arn, self._needed = role, role_arn, needed

    def produce(self, context: cdk.IResolveContext) -> str:
        """
        Return the ARN.

        Raises:
            InvalidInputError: It is asked for in a stack that the role's stack refers to.
        """
        stack = cdk.Stack.of(context.scope)
        if any(stack is one for one in self._needed):
            path = self._role.node.path.removesuffix("/Role")
            raise InvalidInputError(
                f"`{context.scope.node.path}` needs the ARN of session role `{path}`",
                got="a container in a compute role's stack, and in another one a session role without a name",
                expected="role_name= on the SessionRole",
                why="each stack would refer to the other, and CloudFormation deploys no cycle",
                fix='pass role_name="...", from which `environment` spells the ARN without a reference',
            )
        return self._role_arn


def run_as(role: iam.Role, tree: FinishedTree, context: StackContext) -> list[str]:
    """Return the path of each resource that a service runs under a role: a task, a function, a runtime."""
    own = role.role_arn
    found = [
        (one, value)
        for one in tree.constructs
        if isinstance(one, cdk.CfnResource) and _takes_role(type(one))
        for value in properties_of(one).values()
        if isinstance(value, str) and is_token(value)
    ]
    if not found:
        return []
    # In a dict each, because a list loses what resolves to nothing.
    (ours, *theirs) = context.stack.resolve([{"arn": value} for value in (own, *(value for _, value in found))])
    # A reference of the same form may be another stack's role of the same path; a Lazy has no form of its own.
    return [
        one.node.path
        for (one, value), resolved in zip(found, theirs, strict=True)
        if value == own or (resolved == ours and not cdk.Reference.is_reference(cdk.Tokenization.reverse(value)))
    ]


@cache
def _takes_role(kind: type) -> bool:
    return any(name == "role" or name.endswith(("_role", "role_arn")) for name in dir(kind))
