"""What runs with which role, and what it is given."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.mentions import mentions
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, show
from session_scoping.verify.policies.model import Deployment, Role, Workload
from session_scoping.verify.policies.statement_queries import may_be_role
from session_scoping.verify.policies.template_conditions import variants

_DATA = Path(__file__).parent / "data" / "workloads.toml"


@cache
def workload_types() -> dict[str, dict[str, Any]]:
    """Return the types of what runs with a role, each with where its properties say so."""
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def add_workloads(scopes: Iterable[Scope], deployment: Deployment) -> None:
    """Add to a deployment what runs with which role, and whom policies of functions let invoke them."""
    scopes = list(scopes)
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            if row := workload_types().get(str(resource.get("Type", ""))):
                deployment.workloads += _workloads(logical_id, row, scope)
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            if resource.get("Type") == "AWS::Lambda::Permission":
                _add_permission(scope.properties(logical_id), scope, deployment)


def _add_permission(properties: dict[str, Any], scope: Scope, deployment: Deployment) -> None:
    """Note on a function whom its policy lets invoke it; on every one where the template does not say on which."""
    named, callers = mentions(properties.get("FunctionName"), scope), tuple(texts(properties.get("Principal"), scope))
    known = [one for one in deployment.workloads if named.of_resource(one.id)]
    for at, one in enumerate(deployment.workloads):
        if one in known or (not known and one.service == "lambda"):
            deployment.workloads[at] = replace(one, open_to=(*one.open_to, *callers))


def runs_as(role: Role, text: Text) -> bool:
    """Whether a role that something runs with is, or may be, this one."""
    return text in (role.arn, role.name) or may_be_role(text, role)


def without_own_role(value: Any) -> Any:
    """Return properties without the role that a rule, a schedule or a state machine itself acts with."""
    if isinstance(value, list):
        return [without_own_role(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: item for name, item in value.items() if name != "RoleArn"}
    own = {name: without_own_role(item) for name, item in kept.items() if name in {"Target", "Targets"}}
    return {**kept, **own}


def _workloads(logical_id: str, row: dict[str, Any], scope: Scope) -> Iterator[Workload]:
    properties = scope.properties(logical_id)
    where, kind = f"{scope.name}.{logical_id}", str(scope.resources[logical_id]["Type"])
    environment = tuple(
        text
        for path in row.get("environment", ())
        for value in _at(path.split("."), properties)
        for text in texts(value, scope)
    )
    named = [value for path in row["role"] for value in _at(path.split("."), properties)]
    for role in dict.fromkeys(text for value in named for text in texts(value, scope)):
        found = _behind_profile(role, scope) if row.get("profile") else [role]
        for one in found:
            yield Workload(where, scope.label(logical_id), kind, row["service"], one, environment)


def _at(path: list[str], value: Any) -> Iterator[Any]:
    """Yield what stands at a path; an Fn::If on the way is looked into on both sides."""
    call = intrinsic(value)
    if call and call[0] == "Fn::If" and isinstance(call[1], list):
        for side in call[1][1:]:
            yield from _at(path, side)
    elif not path:
        if value is not None:
            yield value
    elif path[0] == "*" and not call:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _at(path[1:], item)
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(path[1:], value[path[0]])


def texts(value: Any, scope: Scope) -> Iterator[Text]:
    """Yield a value under each choice of the template's conditions; one that is not understood may be anything."""
    for chosen, _ in variants(value, scope):
        picked = choose(value, chosen)
        if picked is NO_VALUE:
            continue
        text = text_of(picked, chosen)
        yield (Token(f"{scope.name} {text.reason}", "free"),) if isinstance(text, Unmodelled) else text


def _behind_profile(profile: Text, scope: Scope) -> list[Text]:
    """Return the roles of an instance profile; the profile itself where it is not in the template."""
    said = show(profile)
    for logical_id, resource in scope.resources.items():
        if resource.get("Type") != "AWS::IAM::InstanceProfile":
            continue
        name = scope.properties(logical_id).get("InstanceProfileName")
        named = text_of(name, scope) if name is not None else ()
        if f"{{{scope.name}.{logical_id}" in said or (isinstance(named, tuple) and named and show(named) in said):
            roles = scope.properties(logical_id).get("Roles", [])
            return [text for value in _at(["*"], roles) for text in texts(value, scope)]
    return [profile]
