"""Questions about roles that the CDK answers only by trying."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.errors import InvalidInputError


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


def demand_changeable(role: iam.IRole) -> None:
    """
    Refuse a role that would silently not get its permissions.

    Raises:
        InvalidInputError: The role is imported as immutable or belongs to another account.
    """
    if not accepts_policies(role):
        raise InvalidInputError(
            f"role `{role.node.path}` cannot be changed from this stack",
            got="a role imported as immutable, wrapped, or of another account",
            expected="a role of this app, or one imported with mutable=True from the stack's account",
            why="its own permission would be missing, and the agent would fail at its first call",
            fix="import it as mutable, or call admit_trust_only and hand the statement it prints to the owner",
        )


def demand_new(role: iam.IRole, known: Sequence[iam.IRole]) -> None:
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
