"""Where access keys and passwords of users are kept, and which workloads have them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from session_scoping.verify.deployment.workloads import texts, workload_types
from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.mentions import Mentions, marked, mentions
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, show
from session_scoping.verify.policies.model import Deployment, Held

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
    """Add to an deployment where keys and passwords of users are kept; after the workloads."""
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
