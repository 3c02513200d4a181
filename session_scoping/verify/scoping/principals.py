"""Who reaches tenant data, by which statements, and the KMS keys that open it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from session_scoping.verify.patterns.matching import parsed, pattern_regex, readable, split_fields
from session_scoping.verify.patterns.naming import fields_may_agree
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, lit, plain
from session_scoping.verify.policies.actions import KEY_USE, acting_on
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action, grants_directly
from session_scoping.verify.scoping.infer import SessionScope, stores_of
from session_scoping.verify.scoping.stores import begins_with, with_copies

_PLACE = {
    "table": ("dynamodb", "table/"),
    "tables": ("dynamodb", "table/"),
    "bucket": ("s3", ""),
    "buckets": ("s3", ""),
    "secrets": ("secretsmanager", "secret:"),
    "parameters": ("ssm", "parameter/"),
}
"""Kind of store -> the service in its ARN, and what stands before its name there."""


@dataclass(frozen=True)
class Reach:
    """
    One table or bucket that a principal is allowed to reach, before any Deny and any condition.

    Attributes:
        resource: The table or bucket.
        by: The statements that allow it, as a counterexample names them.
    """

    resource: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Principal:
    """
    One who reaches tenant data, or might.

    Attributes:
        name: Its construct path, else its logical id.
        id: Stack and logical id.
        kind: `session`, `compute`, or `other`: a role that is neither, and is granted tenant data.
        reaches: What it is allowed to reach.
    """

    name: str
    id: str
    kind: str
    reaches: tuple[Reach, ...] = ()

    @property
    def by(self) -> tuple[str, ...]:
        """Every statement that lets it reach something, each once."""
        return tuple(dict.fromkeys(where for reach in self.reaches for where in reach.by))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        reaches = [{"resource": reach.resource, "by": list(reach.by)} for reach in self.reaches]
        return {"name": self.name, "id": self.id, "kind": self.kind, "reaches": reaches}


def principals_of(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: Iterable[Role]
) -> tuple[Principal, ...]:
    """Return the session roles, the compute roles, and every other role that is granted tenant data."""
    stores = with_copies(stores_of(scoped), deployment)
    kinds = {**{role.id: "compute" for role in compute}, **{item.role.id: "session" for item in scoped}}
    found = (
        Principal(role.label, role.id, kinds.get(role.id, "other"), tuple(_reached(role, stores)))
        for role in deployment.principals
    )
    return tuple(one for one in found if one.reaches or one.kind != "other")


def _reached(role: Role, stores: Iterable[Store]) -> Iterator[Reach]:
    grants = [(statement, _patterns(statement)) for statement in role.identity if statement.allow]
    for store in stores:
        own = [s.where for s, patterns in grants if touches(s, store) and _any_reaches(patterns, store)]
        of_store = [s.where for s in store.policy if s.allow and grants_directly(s, role) and touches(s, store)]
        if own or of_store:
            yield Reach(store.label, tuple(dict.fromkeys([*own, *of_store])))


def touches(statement: Statement, store: Store) -> bool:
    """Whether a statement speaks of an action that reaches what is in a table or bucket."""
    return any(
        covers_action(statement, action) for inside in (False, True) for action in acting_on(store.kind, inside=inside)
    )


def reaches(statement: Statement, store: Store) -> bool:
    """Whether a statement speaks of what is in this table or bucket."""
    return touches(statement, store) and _any_reaches(_patterns(statement), store)


def _patterns(statement: Statement) -> list[Pattern]:
    return readable(statement.named_resources, statement.variables)


def _any_reaches(patterns: Iterable[Pattern], store: Store) -> bool:
    return any(begins_with(p, store) or _names_all(p, store) or _matches_name(p, store) for p in patterns)


def _names_all(pattern: Pattern, store: Store) -> bool:
    """Whether a pattern covers every store of a kind: `*`, `arn:aws:s3:::*`, `...:table/*`."""
    fields, (service, head) = split_fields(pattern), _PLACE[store.kind]
    if len(fields) != 6:
        # An ARN that is only known at deploy time is that of one resource.
        return isinstance(next((part for part in pattern if not isinstance(part, str)), None), Wildcard)
    if fields[2] != (service,) and not any(isinstance(part, Wildcard) for part in fields[2]):
        return False
    path = [part for part in fields[5] if part != head]
    return path[:1] == [Wildcard("*")] and all(isinstance(part, str) and part[0] == "/" for part in path[1:2])


def _matches_name(pattern: Pattern, store: Store) -> bool:
    """Whether a pattern of names covers a store whose name is known, or something inside it."""
    fields, name = split_fields(pattern), plain(store.name)
    service, head = _PLACE[store.kind]
    if len(fields) != 6 or name is None or fields[2] != (service,):
        return False
    if any(isinstance(part, Token | Variable) for part in fields[5]):
        return False
    return any(re.fullmatch(pattern_regex(fields[5], {}), f"{head}{name}{end}") for end in ("", "/x"))


_ALL = lit("*")


def keys_in_use(deployment: Deployment, scoped: Sequence[SessionScope]) -> list[Store]:
    """
    Return the keys that may open tenant data.

    Those sessions are granted by their own policies or the key's, those their tables and buckets name, and the other
    replicas of all these. Of a replica whose primary is not in the templates, nothing tells that it is none of them.
    """
    keys = deployment.of_kind("key")
    roles = [item.role for item in scoped]
    granted = [text for role in roles for s in role.identity if _uses_keys(s) for text in s.resources or (_ALL,)]
    named = [text for store in stores_of(scoped) for text in store.encrypted_with]
    found = [
        key
        for key in keys
        if any(_may_be_granted(text, key) for text in granted)
        or any(_may_be_named(text, key) for text in named)
        or any(_uses_keys(s) and grants_directly(s, role) for s in key.policy for role in roles)
    ]
    materials = {_material(key) for key in found}
    elsewhere = {_material(key) for key in keys if roles} - {(key.arn,) for key in keys}
    return [key for key in keys if _material(key) in materials | elsewhere]


def _material(key: Store) -> tuple[Text, ...]:
    """Return what a key and its replicas have in common: each opens what the others close."""
    return key.encrypted_with or (key.arn,)


def _uses_keys(statement: Statement) -> bool:
    return statement.allow and any(covers_action(statement, action) for action in KEY_USE)


def _may_be_granted(text: Text, key: Store) -> bool:
    """Whether a resource pattern may cover a key, however partition, Region and account are spelled."""
    pattern = parsed(text, True, True)
    if isinstance(pattern, Unmodelled):
        return True
    ours, theirs = split_fields(pattern), split_fields(key.arn)
    if len(ours) != 6 or len(theirs) != 6:
        return _path_may_agree(pattern, key)
    places = ((1, theirs[1]), (2, lit("kms")), (3, theirs[3]), (4, theirs[4]))
    return all(fields_may_agree(ours[at], field) for at, field in places) and _path_may_agree(ours[5], key)


def _path_may_agree(path: Pattern, key: Store) -> bool:
    """Whether the end of a pattern may be a key's: it is no alias, and no other key of the templates."""
    first = path[0] if path else ""
    if isinstance(first, str) and not "key/".startswith(first[:4]):
        return False
    tokens = [part for part in path if isinstance(part, Token) and part.kind == "key"]
    return not tokens or key.name[0] in tokens


def _may_be_named(text: Text, key: Store) -> bool:
    """Whether what a store is encrypted with may be a key: its id or ARN, or an alias, of which nothing is known."""
    if (plain(text) or "").startswith("alias/"):
        return not (plain(text) or "").startswith("alias/aws/")
    tokens = [part for part in text if isinstance(part, Token) and part.kind == "key"]
    return not tokens or key.name[0] in tokens
