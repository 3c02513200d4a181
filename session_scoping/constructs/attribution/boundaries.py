"""Whether a role's permissions boundary would take away what it is given here."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.cdk.synth_checks import Check

WARN_UNKNOWN_BOUNDARY = "session-scoping:boundary-not-known"


def boundary_checks(role: iam.IRole, actions: Sequence[str]) -> Iterable[Check]:
    """
    Check that a role's permissions boundary leaves it these actions.

    NOT PROTECTED: a boundary put on by an aspect (`PermissionsBoundary.of`) is no property of the role, so it is not
    seen here. A boundary whose document is not in this app is warned of.
    """
    arn = _boundary_of(role)
    if arn is None:
        return
    policy = next((one for one in _managed_policies(role) if one.managed_policy_arn == arn), None)
    if policy is None:
        cdk.Validations.of(role).add_warning(
            WARN_UNKNOWN_BOUNDARY,
            f"the permissions boundary of role `{role.node.path}` is not in this app: whether it allows "
            f"{', '.join(actions)} cannot be seen here. Without them the role assumes no session.",
        )
        return
    yield Check(cdk.Stack.of(policy).resolve(policy.document), partial(_errors, role, policy, actions))


def _boundary_of(role: iam.IRole) -> str | None:
    resource = role.node.default_child if isinstance(role, iam.Role) else None
    found = properties_of(cast(cdk.CfnResource, resource)).get("permissionsBoundary") if resource else None
    return str(found) if found else None


def _managed_policies(role: iam.IRole) -> Iterable[iam.ManagedPolicy]:
    return (node for node in role.node.root.node.find_all() if isinstance(node, iam.ManagedPolicy))


def _errors(role: iam.IRole, policy: iam.ManagedPolicy, actions: Sequence[str], document: Any) -> Iterable[str]:
    for action in actions:
        if reason := _taken_away(document["Statement"], action):
            yield (
                f"the permissions boundary `{policy.node.path}` takes {action} away from role `{role.node.path}`: got "
                f"{reason}, expected a statement that allows it; the role could assume no session with a source "
                f"identity; fix: allow {action} in the boundary"
            )


def _taken_away(statements: Iterable[dict[str, Any]], action: str) -> str | None:
    """Return why an action is surely denied. Conditions and narrower resources are taken to leave it."""
    allowed = False
    for statement in statements:
        if not _covers(statement, action):
            continue
        if statement["Effect"] == "Allow":
            allowed = True
        elif not statement.get("Condition") and _listed(statement.get("Resource")) == ["*"]:
            return "a Deny of it"
    return None if allowed else "no Allow of it"


def _covers(statement: dict[str, Any], action: str) -> bool:
    name = "Action" if "Action" in statement else "NotAction"
    hit = any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in _listed(statement[name]))
    return hit == (name == "Action")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
