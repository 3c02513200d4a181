"""What runs with which role, what it is given, and which credentials of users it has."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.mentions import Mentions, marked, mentions
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.matching import pattern_regex
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Part, Text, Token, Unmodelled, Wildcard, show
from session_scoping.verify.policies.model import Deployment, Handed, Held, Role, Store, Workload
from session_scoping.verify.policies.statement_queries import may_be_role
from session_scoping.verify.policies.template_conditions import variants

_DATA = Path(__file__).parent / "data" / "workloads.toml"


@cache
def workload_types() -> dict[str, dict[str, Any]]:
    """Return the types of what runs with a role, each with where its properties say so."""
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def add_workloads(scopes: Iterable[Scope], deployment: Deployment) -> None:
    """Add to a deployment what runs with which role."""
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            if row := workload_types().get(str(resource.get("Type", ""))):
                deployment.workloads += _workloads(logical_id, row, scope)
                _notice_resolved(logical_id, scope, deployment)


# Source: CloudFormation guide, dynamic-references.
_RESOLVED = re.compile(
    r"\{\{resolve:(?:secretsmanager|ssm|ssm-secure):(?:arn:[^}]*?:(?:secret:|parameter))?/?([^:}\"]+)"
)


def _notice_resolved(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    """Note which secrets and parameters stand in what a workload is given, as CloudFormation fills them in."""
    names = _RESOLVED.findall(json.dumps(scope.properties(logical_id), default=str))
    if names:
        where = f"{scope.name}.{logical_id}"

        def touches(store: Store) -> bool:
            # Behind a secret's name stand a hyphen and six random characters.
            ends = ("", "-AbCdEf") if store.kind == "secrets" else ("",)
            called = [re.sub(r"\$\{[^}]*\}", "x", name) + end for name in names for end in ends]
            shapes = [pattern_regex(tuple(map(_any_tag, one)), {}) for one in store.names]
            named = store.kind in {"secrets", "parameters"}
            return named and any(re.fullmatch(shape, one) for shape in shapes for one in called)

        deployment.handed.append(Handed(where, scope.label(logical_id), touches, frozenset({where})))


def _any_tag(part: Part) -> Part:
    return part if isinstance(part, str | Wildcard) else Wildcard("*")


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
    """Yield what is at a path; an Fn::If on the way is looked into on both sides."""
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


# Where people put a key that a workload reads later.
_KEPT = {"AWS::SecretsManager::Secret", "AWS::SSM::Parameter"}
_HANDS_ON = {"events", "scheduler"}
"""What is given to a rule or a schedule is for its targets, not for the role that it calls them with."""


@dataclass(frozen=True)
class _Credential:
    """
    What signs as a user, and how a template speaks of it.

    Attributes:
        user: Id of the user; as it is written for a user that no template makes.
        values: Stack and name of each resource or parameter that it is an attribute of, or is made from.
        literal: The text itself, where the template spells it out.
    """

    user: str
    values: frozenset[str] = frozenset()
    literal: str = ""

    def is_in(self, said: Mentions) -> bool:
        """Whether a part of a template speaks of it."""
        if any(map(said.of_resource, self.values)):
            return True
        return bool(self.literal) and _bare(self.literal) in _bare(said.text)


def _bare(text: str) -> str:
    """Return a text without what JSON within JSON puts before its quotes."""
    return text.replace("\\", "")


def add_credentials(scopes: Sequence[Scope], deployment: Deployment) -> None:
    """Add to a deployment where keys and passwords of users are kept; after the workloads."""
    known = [one for scope in scopes for one in _credentials(scope, deployment)]
    if not known:
        return
    kept = [one for scope in scopes for one in _kept(scope, known)]
    for scope in scopes:
        deployment.holds += _in_resources(scope, [*known, *kept], known, deployment)
        deployment.holds += _in_outputs(scope, known)
    deployment.holds += [
        Held(name, None, one.user) for one in known for name in sorted(one.values) if "{{resolve:" in name
    ]


def _credentials(scope: Scope, deployment: Deployment) -> Iterator[_Credential]:
    """Yield the access keys and passwords of a stack."""
    for logical_id, resource in scope.resources.items():
        properties, where = scope.properties(logical_id), f"{scope.name}.{logical_id}"
        if resource.get("Type") == "AWS::IAM::AccessKey":
            for user in _users(properties.get("UserName", ""), scope, deployment):
                yield _Credential(user, frozenset({where}))
        elif resource.get("Type") == "AWS::IAM::User" and (profile := properties.get("LoginProfile")) is not None:
            password = profile.get("Password") if isinstance(profile, dict) else profile
            for text in texts(password, scope):
                yield _password(where, text)


def _users(value: Any, scope: Scope, deployment: Deployment) -> list[str]:
    """Return the ids of the users that a name may mean; as it is written, where it is none of theirs."""
    name = text_of(value, scope)
    if isinstance(name, Unmodelled):
        return list(deployment.users) or [name.reason]
    return [user.id for user in deployment.users.values() if may_be_named(name, user.name, user.id)] or [show(name)]


def _password(user: str, text: Text) -> _Credential:
    """Return a password; whoever has one of the values that it is made from counts as having all of it."""
    made_from = frozenset(part.name for part in text if isinstance(part, Token) and not part.name.startswith("AWS::"))
    return _Credential(user, made_from, "" if made_from else marked(text))


def _kept(scope: Scope, known: Iterable[_Credential]) -> Iterator[_Credential]:
    """Yield the secrets and parameters that keep a credential, as what whoever reads them has."""
    for logical_id, resource in scope.resources.items():
        if str(resource.get("Type")) in _KEPT:
            said = mentions(scope.properties(logical_id), scope)
            yield from (
                _Credential(one.user, frozenset({f"{scope.name}.{logical_id}"})) for one in known if one.is_in(said)
            )


def _in_resources(
    scope: Scope, handed: Iterable[_Credential], known: Iterable[_Credential], deployment: Deployment
) -> Iterator[Held]:
    """
    Yield the resources of a stack that have a credential.

    What runs code has it for its own role. Anything else, and Metadata, is read by whoever may read the resource.
    """
    for logical_id, resource in scope.resources.items():
        kind, where = resource.get("Type"), f"{scope.name}.{logical_id}"
        if not isinstance(kind, str):
            continue
        properties = {key: value for key, value in scope.properties(logical_id).items() if key != "LoginProfile"}
        own, shown = mentions(properties, scope), mentions(resource.get("Metadata"), scope)
        row = workload_types().get(kind)
        roles = [one.role for one in deployment.workloads if one.id == where]
        for one in handed if row else ():
            if one.is_in(own) or one.is_in(shown):
                yield from (Held(where, role, one.user) for role in roles)
        runs_code = bool(roles) and row is not None and "environment" in row and row["service"] not in _HANDS_ON
        for one in known:
            source = where in one.values and kind != "AWS::IAM::AccessKey"
            if source or (not runs_code and one.is_in(own)) or one.is_in(shown):
                yield Held(where, None, one.user)


def _in_outputs(scope: Scope, known: Iterable[_Credential]) -> Iterator[Held]:
    """Yield the outputs of a stack that show a credential to whoever may describe the stack."""
    for name, output in scope.section("Outputs").items():
        said = mentions(output, scope)
        yield from (Held(f"{scope.name}.Outputs.{name}", None, one.user) for one in known if one.is_in(said))
