"""Finds the tables and buckets a session role reaches, those that stand in no template included."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from session_scoping.contract.metadata import MINTING_BUCKETS, MINTING_TABLES, TOOL_OF
from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.naming import is_open, may_be_named, strip, suffix_after_arn
from session_scoping.verify.patterns.text import (
    Pattern,
    Text,
    Token,
    Unmodelled,
    Variable,
    Wildcard,
    join_text,
    lit,
    plain,
    show,
)
from session_scoping.verify.policies.actions import SERVICE, reading_or_writing
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import (
    covers_action,
    grants_directly,
    is_session_tag,
    token_minting_mode,
)
from session_scoping.verify.scoping.selectors import named as named

_TENANT_KINDS = ("table", "bucket")
_BY_NAME = {"table": "tables", "bucket": "buckets"}
# Kinds that are in no template under the names of sessions -> what stands before a name in an ARN.
_NAMED = {"secrets": "secret", "parameters": "parameter"}


def is_tenant_kind(store: Store) -> bool:
    """Whether a store is of a kind whose keys or names say whose data it holds; a Memory's requests say it."""
    return store.kind not in {"key", "memory"}


def stores_of_role(role: Role, deployment: Deployment, words: tuple[str, ...]) -> list[Store]:
    """Return the tables and buckets of a role's sessions: by the user's words, else those that it is granted."""
    granted = [deployment.doubted(store) for store in _granted(role, deployment)]
    if not words:
        return granted
    everything = {store.id: store for store in (*deployment.stores.values(), *granted)}
    return [store for store in everything.values() if is_tenant_kind(store) and named(words, store.id, store.label)]


def _granted(role: Role, deployment: Deployment) -> list[Store]:
    known = list(deployment.stores.values())
    found: dict[str, Store] = {}
    for statement in role.identity:
        # A tool is denied the data of its session that it is not given: naming it there gives it nothing.
        if not statement.allow and (statement.resources is None or TOOL_OF in role.metadata):
            continue
        for kind in _TENANT_KINDS:
            if not any(covers_action(statement, action) for action in reading_or_writing(kind)):
                continue
            for text in statement.named_resources:
                for store in _reached(text, kind, statement, known):
                    there = found.setdefault(store.id, store)
                    if store.by_name and store.arn == there.arn:
                        names = dict.fromkeys((*there.names, *store.names))
                        found[store.id] = replace(there, names=tuple(names))
                    elif store.by_name:  # named in another Region, account or partition: they are not kept apart
                        found[_another(kind).id] = _another(kind)
    for store in _named_data(role):
        earlier = found[store.id].names if store.id in found else ()
        found[store.id] = replace(store, names=tuple(dict.fromkeys((*earlier, *store.names))))
    for store in known:
        if is_tenant_kind(store) and any(grants_directly(s, role) for s in store.policy):
            found.setdefault(store.id, store)
    # What decides over tokens is no tenant data: `token-minting`, where it is asked, proves that no session reaches it.
    keys = (MINTING_TABLES, MINTING_BUCKETS) if token_minting_mode(role) else ()
    others = [arn for key in keys for arn in role.metadata.get(key, [])]
    return [store for store in found.values() if is_tenant_kind(store) and store.arn not in others]


def _named_data(role: Role) -> Iterator[Store]:
    """
    Yield the secrets and parameters that are a session's by their names, all of a kind as one store.

    A grant whose names hold no tag shows nothing of the kind: `allowed-actions` finds it.
    """
    for kind, head in _NAMED.items():
        for statement in role.identity:
            if not statement.allow or not any(covers_action(statement, one) for one in reading_or_writing(kind)):
                continue
            for text in statement.resources or ():
                pattern = parsed(text, statement.variables, True)
                fields = () if isinstance(pattern, Unmodelled) else split_fields(pattern)
                if len(fields) != 6 or fields[2] != (SERVICE[kind],):
                    continue
                arn = _join_fields((*fields[:5], (head,)))
                store = Store(kind, f"{kind} named by tags", f"{kind} named by tags", arn or (), ())
                left = strip(fields[5], (head,)) if arn is not None else None
                name = store.inside(left) if left is not None else None
                if name and any(is_session_tag(part) for part in name):
                    yield replace(store, names=(name,))


def with_copies(stores: Iterable[Store], deployment: Deployment) -> list[Store]:
    """
    Return stores with those of the templates that are tenant data as well.

    That is where what is in them is copied to, and each that has one of the names that tags make.
    """
    found = {store.id: store for store in stores}
    for store in [store for store in found.values() if store.by_name]:
        found |= {one.id: one for one in deployment.stores.values() if one.id not in found and _is_one_of(one, store)}
    left = list(found.values())
    while left:
        copies = left.pop().copies
        new = [store for store in deployment.stores.values() if store.arn in copies and store.id not in found]
        found |= {store.id: store for store in new}
        left += new
    return list(found.values())


def _reached(text: Text, kind: str, statement: Statement, known: list[Store]) -> list[Store]:
    """Return the stores a resource pattern names; a store of its own for one that is not in the templates."""
    pattern = parsed(text, statement.variables, True)
    if isinstance(pattern, Unmodelled):
        return []
    stores = [store for store in known if store.kind == kind]
    exact = [store for store in stores if begins_with(pattern, store)]
    if exact:
        return exact
    if not statement.allow:
        return []
    fields = split_fields(pattern)
    if is_open(pattern) or (len(fields) < 6 and any(isinstance(part, Wildcard) for part in pattern)):
        return [*stores, _another(kind)]
    if len(fields) < 6:
        return [_foreign(kind, text)] if len(text) == 1 and isinstance(text[0], Token) else []
    service = "dynamodb" if kind == "table" else "s3"
    if fields[2] != (service,) and not any(isinstance(part, Wildcard) for part in fields[2]):
        return []
    # An access point's ARN has a Region and an account, a bucket's has neither.
    place = (*fields[3], *fields[4])
    if kind == "bucket" and place and not any(isinstance(part, Wildcard) for part in place):
        return []
    name = _name_field(fields[5], kind)
    if name is None:
        return []
    if name and all(is_session_tag(part) for part in name if isinstance(part, Wildcard | Variable)):
        free = tuple(Token("a tag", "free") if isinstance(part, Variable) else part for part in name)
        if free != name:
            # Of one whose name is spelled out, the name says whose it is, as of all that is in no template.
            unnamed = [store for store in stores if plain(store.name) is None]
            whose = [store for store in unnamed if may_be_named(free, store.name, store.id)]  # type: ignore[arg-type]
            return [*whose, _named_by_tags(kind, fields)]
    if any(isinstance(part, Wildcard | Variable) for part in name):
        return [*stores, _another(kind)]
    arn = _join_fields((*fields[:5], ("table/", *name) if kind == "table" else name))
    if arn is None:
        return [*stores, _another(kind)]
    written = tuple(part for part in name if isinstance(part, str | Token))
    return [*(store for store in stores if may_be_named(written, store.name, store.id)), _foreign(kind, arn)]


def begins_with(pattern: Pattern, store: Store) -> bool:
    """Whether a resource pattern names a store, or something inside it."""
    left = suffix_after_arn(pattern, store)
    return left is not None and (not left or store.inside(left) is not None or is_open(left))


def _name_field(path: Pattern, kind: str) -> Pattern | None:
    parts = list(path)
    if kind == "table":
        head = parts[0] if parts and isinstance(parts[0], str) else ""
        if not head.startswith("table/"):
            # A wildcard or variable before the slash may stand for the rest of `table/` and for any name.
            is_whole = len(parts) == (1 if head else 0)
            return None if is_whole or not "table/".startswith(head) else (Wildcard("*"),)
        parts[0] = head.removeprefix("table/")
    found: list[str | Token | Variable | Wildcard] = []
    for part in parts:
        if isinstance(part, str) and "/" in part:
            found.append(part.partition("/")[0])
            break
        found.append(part)
    return tuple(part for part in found if part != "")


def _join_fields(fields: tuple[Pattern, ...]) -> Text | None:
    pieces: list[Text] = []
    for index, item in enumerate(fields):
        pieces.append(lit(":") if index else ())
        if any(isinstance(part, Variable) for part in item):
            return None
        # A wildcard Region or account stands for the one the stack deploys to.
        pieces.append(tuple(Token("any", "plain") if isinstance(p, Wildcard) else p for p in item))  # type: ignore[misc]
    return join_text(*pieces)


def _foreign(kind: str, arn: Text) -> Store:
    fields = split_fields(arn)
    path = fields[5] if len(fields) == 6 else arn
    name = strip(path, ("table/",)) if kind == "table" else path
    return Store(kind, show(arn), show(arn), arn, name or path)  # type: ignore[arg-type]


def _named_by_tags(kind: str, fields: tuple[Pattern, ...]) -> Store:
    """Return the tables or buckets whose names hold tags, as one: which of them it is, the name says."""
    arn = _join_fields((*fields[:5], ("table",) if kind == "table" else ()))
    left = None if arn is None else strip(fields[5], ("table",)) if kind == "table" else fields[5]
    by_name = _BY_NAME[kind]
    store = Store(by_name, f"{by_name} named by tags", f"{by_name} named by tags", arn or (), ())
    name = store.inside(left) if left is not None else None
    return replace(store, names=(name,)) if name else _another(kind)


def may_be_one_of(store: Store, named_by_tags: Store) -> bool:
    """Whether a table or bucket has, or may have, a name that tags make."""
    open_name = plain(store.name) is None
    return _BY_NAME.get(store.kind) == named_by_tags.kind and (open_name or _is_one_of(store, named_by_tags))


def _is_one_of(store: Store, named_by_tags: Store) -> bool:
    """Whether a table or bucket whose name is spelled out has one that tags make."""
    name = plain(store.name)
    if name is None or _BY_NAME.get(store.kind) != named_by_tags.kind:
        return False
    for pattern in named_by_tags.names:
        shape = "".join(re.escape(part) if isinstance(part, str) else ".+" for part in pattern)
        if re.match(shape.partition("/")[0], name):
            return True
    return False


def _another(kind: str) -> Store:
    token = Token(f"another {kind}", kind)
    partition, region, account = (
        Token("AWS::Partition", "partition"),
        Token("AWS::Region", "region"),
        Token("AWS::AccountId", "account"),
    )
    if kind == "table":
        arn: Text = ("arn:", partition, ":dynamodb:", region, ":", account, ":table/", token)
    else:
        arn = ("arn:", partition, ":s3:::", token)
    return Store(kind, f"any other {kind}", f"any other {kind}", arn, (token,))
