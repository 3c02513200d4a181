"""Custom resources: what they are handed, and what their function may do with it."""

import re
from typing import Any

from session_scoping.aws.actions import covers_unlisted, matching
from session_scoping.aws.effects import Effect, judgement
from session_scoping.verify.deployment.api_calls import CHANGES
from session_scoping.verify.intrinsics.mentions import references
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Deployment, Role, Statement

_CUSTOM = "AWS::CloudFormation::CustomResource"
# Everything a function changes roles, tables, buckets and keys by, or hands on to another function.
_SERVICES = ("cloudformation", "dynamodb", "iam", "kms", "lambda", "s3", "states", "sts")
_KINDS = ("iam:role", "iam:policy", "dynamodb:table", "s3:bucket", "s3:object", "kms:key", "lambda:function")
# Keys and texts of a policy, in whatever letter case, JSON text within a string too.
_POLICY = re.compile(
    r'"\w*(?<!removal)(?<!deletion)(?<!retention)(?<!replace)polic(?:y|ies)\w*\\*"\s*:|"\w*statements?\\*"\s*:'
    r"|arn:[^:\"]*:iam::[^:\"]*:policy/",
    re.IGNORECASE,
)
_LETS_IN = re.compile("principal|grant|shar(?:e|ing)|public|acl|replic|export|copy|copies|backup|mirror", re.IGNORECASE)
_EFFECT = re.compile(r'"effect\\*"\s*:|\ballow\b', re.IGNORECASE)
_ACTION = re.compile(r'"(?:not_?)?actions?\\*"\s*:', re.IGNORECASE)


def is_custom(kind: str) -> bool:
    """Whether a resource type is somebody's own, whose function or handler decides what it does."""
    return not kind.startswith("AWS::") or kind == _CUSTOM


def without_token(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a custom resource is given; the function that takes it is none of what it is about."""
    return {name: item for name, item in properties.items() if name != "ServiceToken"}


def hands_on_policy(text: str) -> bool:
    """Whether a text holds a policy, statements of one, or names one."""
    return _POLICY.search(text) is not None or bool(_EFFECT.search(text) and _ACTION.search(text))


def hands_on_data(kind: str, text: str, account: str) -> bool:
    """Whether a type or what it is given speaks of letting somebody in, of a copy, or of another account."""
    others = set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) - {account}
    return bool(others) or _LETS_IN.search(f"{kind} {text}") is not None


def may_change_nothing(logical_id: str, scope: Scope, deployment: Deployment) -> bool:
    """Whether a custom resource's function stands in the template, with a role that may change and copy nothing."""
    functions = list(references(scope.properties(logical_id).get("ServiceToken"), scope))
    if len(functions) != 1:
        return False
    function = functions[0].rpartition(".")[2]
    if scope.resources[function].get("Type") != "AWS::Lambda::Function":
        return False
    roles = [deployment.roles.get(one) for one in references(scope.properties(function).get("Role"), scope)]
    return len(roles) == 1 and roles[0] is not None and _changes_nothing(roles[0])


def _changes_nothing(role: Role) -> bool:
    return not role.problems and not any(_changes(one) for one in role.identity if one.allow)


def _changes(statement: Statement) -> bool:
    if statement.problem or statement.actions is None:
        return True
    return any(_is_change(pattern) for pattern in statement.actions)


def _is_change(pattern: str) -> bool:
    if covers_unlisted(pattern) and (pattern.startswith("*") or pattern.partition(":")[0].lower() in _SERVICES):
        return True
    wanted = CHANGES | {Effect.ASK}
    return any(judgement(one.name).on(kind) & wanted for one in matching(pattern, _SERVICES) for kind in _KINDS)
