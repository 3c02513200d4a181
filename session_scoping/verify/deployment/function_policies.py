"""Policies of functions: whom they let invoke them, as Lambda makes them of permissions."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from session_scoping.verify.intrinsics import name_of, text_of
from session_scoping.verify.intrinsics.mentions import mentions
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Text, Unmodelled, plain, show
from session_scoping.verify.policies.model import Deployment, Statement
from session_scoping.verify.policies.statements import parse_policy

_CONDITIONS = {
    "SourceArn": ("ArnLike", "aws:SourceArn"),
    "SourceAccount": ("StringEquals", "aws:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
}
"""Properties of a permission -> operator and key of the condition that Lambda makes of it."""
_OWN_ACCOUNT = "elasticloadbalancing."
"""A load balancer calls functions of its own account only. Source: ELB guide, lambda-functions, "Limits"."""


def add_function_policies(scopes: Iterable[Scope], deployment: Deployment) -> None:
    """Add to the functions of a deployment their policies; after the workloads."""
    resources = [(scope, one, str(body.get("Type", ""))) for scope in scopes for one, body in scope.resources.items()]
    names: dict[str, Text] = {}
    for scope, logical_id, kind in resources:
        if kind == "AWS::Lambda::Function" and isinstance(name := name_of(logical_id, scope), tuple):
            names[f"{scope.name}.{logical_id}"] = name
    for scope, logical_id, kind in resources:
        if kind == "AWS::Lambda::Permission" and (statements := _permission(logical_id, scope)):
            meant = _functions(scope.properties(logical_id).get("FunctionName"), scope, names)
            deployment.workloads = [
                replace(one, policy=(*one.policy, *statements)) if one.id in meant else one
                for one in deployment.workloads
            ]


def _permission(logical_id: str, scope: Scope) -> tuple[Statement, ...]:
    """Return the statement that Lambda adds to a function's policy. Source: Lambda API, AddPermission."""
    properties = scope.properties(logical_id)
    principal = properties.get("Principal")
    text = text_of(principal, scope)
    said = "" if isinstance(text, Unmodelled) else show(text)
    if said.startswith(_OWN_ACCOUNT):
        return ()
    service = said.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazon.com")) or ".{AWS::URLSuffix" in said
    conditions: dict[str, dict[str, Any]] = {}
    for name, (operator, key) in _CONDITIONS.items():
        if name in properties:
            conditions.setdefault(operator, {})[key] = properties[name]
    statement = {
        "Effect": "Allow",
        "Principal": "*" if said == "*" else {"Service" if service else "AWS": principal},
        "Action": properties.get("Action"),
        "Resource": "*",
        "Condition": conditions,
    }
    where = f"{scope.name}.{logical_id}"
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, scope, where)


def _functions(value: Any, scope: Scope, names: dict[str, Text]) -> list[str]:
    """Return the ids of the functions that a permission may be for: those it refers to, else those it may name."""
    said = mentions(value, scope)
    behind = [scope.resources[one.rpartition(".")[2]] for one in said.ids]
    for resource in behind:
        if resource.get("Type") in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            properties = resource.get("Properties")
            return _functions(properties.get("FunctionName") if isinstance(properties, dict) else None, scope, names)
    if found := [one for one in names if said.of_resource(one)]:
        return found
    text = text_of(value, scope)
    literal = None if isinstance(text, Unmodelled) else plain(text)
    if literal is None:
        return list(names)
    named = literal.partition(":function:")[2] or literal
    return [one for one, name in names.items() if may_be_named((named.partition(":")[0],), name, one)]
