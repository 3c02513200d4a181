"""Finds out what a template means to isolate: session roles, their tags, their tables, prefixes and keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from session_scoping.layout import telling_apart
from session_scoping.promises import COMPUTE_ROLES, MINTING_BUCKETS, MINTING_TABLES
from session_scoping.verify.actions import KEYED, OBJECT, PARTIQL, UNKEYED
from session_scoping.verify.matching import parsed, split_fields
from session_scoping.verify.model import Estate, Role, Statement, Store, parse_shared_by
from session_scoping.verify.reach import (
    OTHER_TAG,
    PRINCIPAL_TAG,
    REQUEST_TAG,
    TAG_LISTS,
    covers_action,
    keys_used,
    may_be_role,
    patterns_of,
    uses_tags,
)
from session_scoping.verify.symbolic.targets import is_open, strip
from session_scoping.verify.text import (
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

_MODELLED_STORE = {"table": (*KEYED, *PARTIQL, *UNKEYED), "bucket": OBJECT}


@dataclass(frozen=True)
class Options:
    """
    What the user says instead of having it inferred.

    Attributes:
        session_roles: Logical ids, paths or parts of them. Default: roles that use session tags.
        compute_roles: Roles that must not reach tenant data. Default: who may mint, and agent runtimes.
        stores: Tables and buckets that hold tenant data. Default: those a session role is granted.
        tags: Tag keys every session must carry. Default: those the role's policies use.
        shared_by: By which tags sessions may share data, such as `user_id` or `repo,user_id`. Default: what the role's
            Metadata says.
        allow: Further action patterns a session role may hold. Default: none.
    """

    session_roles: tuple[str, ...] = ()
    compute_roles: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shared_by: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()


@dataclass
class Scoped:
    """
    One session role and what it is taken to protect.

    Attributes:
        declared: Lower-case tag keys that every session must carry.
        spelling: Every tag key that matters, lower-case -> as policies write it.
        formats: Store id -> the keys that belong to one session, as patterns over its tags.
        identity: The tags that tell two sessions apart.
        shared_by: Sets of tags; sessions that agree in one of them are meant to share data.
    """

    role: Role
    declared: tuple[str, ...]
    spelling: dict[str, str]
    stores: list[Store]
    formats: dict[str, list[Pattern]] = field(default_factory=dict)
    identity: frozenset[str] = frozenset()
    shared_by: frozenset[frozenset[str]] = frozenset()
    notes: list[str] = field(default_factory=list)

    def shares(self, pattern: Pattern) -> bool:
        """Whether a kind of key does not tell sessions apart, and that is declared."""
        tags = tags_in(pattern)
        return not self.identity <= tags and any(agreed <= tags for agreed in self.shared_by)


def named(texts: Iterable[str], identifier: str, label: str) -> bool:
    """Whether one of the user's words names a resource: its logical id, its path, or the end of either."""
    return any(
        identifier == text or label == text or identifier.endswith((f".{text}", f"/{text}")) or text in label.split("/")
        for text in texts
    )


def find_session_roles(estate: Estate, options: Options) -> list[Role]:
    """Return the roles that are assumed with tags and use them."""
    roles = list(estate.roles.values())
    if options.session_roles:
        return [role for role in roles if named(options.session_roles, role.id, role.label)]
    return [role for role in roles if uses_tags(role)]


def scope_of(role: Role, estate: Estate, options: Options) -> Scoped:
    """Return what a session role is taken to protect."""
    spelling = _spellings(role, estate)
    declared = tuple(tag.lower() for tag in options.tags) or _declared(role)
    for tag in options.tags:
        spelling.setdefault(tag.lower(), tag)
    stores = _stores(role, estate, options)
    scoped = Scoped(role, declared, {**spelling, OTHER_TAG: OTHER_TAG}, stores)
    scoped.shared_by = role.shared_by | {parse_shared_by(text) for text in options.shared_by if text.strip(" ,")}
    for store in stores:
        scoped.formats[store.id] = _formats(store, role, scoped)
    scoped.identity = _identity(scoped)
    return scoped


def _spellings(role: Role, estate: Estate) -> dict[str, str]:
    found: dict[str, str] = {}
    statements = [*role.identity, *(role.boundary or ()), *role.trust]
    statements += [s for store in estate.stores.values() for s in store.policy]
    for statement in statements:
        for condition in statement.conditions:
            key = condition.key.lower()
            for prefix in (PRINCIPAL_TAG, REQUEST_TAG):
                if key.startswith(prefix):
                    found.setdefault(key.removeprefix(prefix), condition.key[len(prefix) :])
            if key in TAG_LISTS and condition.operator.lower() != "null":
                for value in condition.values:
                    name = "".join(part for part in value if isinstance(part, str)).replace("*", "zz").replace("?", "z")
                    found.setdefault(name.lower(), name)
        for pattern in patterns_of(statement):
            for part in pattern:
                if isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG):
                    name = part.key.removeprefix(PRINCIPAL_TAG)
                    found.setdefault(name, name)
    return {key: value for key, value in found.items() if key}


def _declared(role: Role) -> tuple[str, ...]:
    """Return the tags the role's own policies rest on, and those its trust asks for."""
    found = [key.removeprefix(PRINCIPAL_TAG) for key in keys_used(role.identity) if key.startswith(PRINCIPAL_TAG)]
    for statement in role.trust:
        for condition in statement.conditions:
            key = condition.key.lower()
            if key.startswith(REQUEST_TAG):
                found.append(key.removeprefix(REQUEST_TAG))
            elif key == "aws:tagkeys" and condition.operator.lower() != "null":
                found += [str(plain(value)).lower() for value in condition.values if plain(value)]
    return tuple(sorted({key for key in found if key and "*" not in key and "?" not in key}))


def _stores(role: Role, estate: Estate, options: Options) -> list[Store]:
    known = list(estate.stores.values())
    found: dict[str, Store] = {}
    for statement in role.identity:
        if not statement.allow and statement.resources is None:
            continue
        for kind, actions in _MODELLED_STORE.items():
            if not any(covers_action(statement, action) for action in actions):
                continue
            for text in statement.resources if statement.resources is not None else (lit("*"),):
                for store in _reached(text, kind, statement, known):
                    found.setdefault(store.id, store)
    for store in known:
        if store.kind in _MODELLED_STORE and any(_grants_directly(s, role) for s in store.policy):
            found.setdefault(store.id, store)
    if options.stores:
        chosen = [store for store in known if named(options.stores, store.id, store.label)]
        return list({store.id: store for store in chosen}.values())
    # What decides over tokens is no tenant data: `token-minting` proves that no session reaches it at all.
    others = [arn for key in (MINTING_TABLES, MINTING_BUCKETS) for arn in listed_promise(role, key)]
    return [store for store in found.values() if store.kind in _MODELLED_STORE and store.arn not in others]


def listed_promise(role: Role, key: str) -> list[Text]:
    """Return the texts of a role's Metadata under a key, those that are understood."""
    found = role.promises.get(key)
    return [text for text in found if isinstance(text, tuple)] if isinstance(found, list) else []


def promised_compute_roles(roles: Iterable[Role]) -> list[Text]:
    """Return the ARNs of the compute roles session roles are fenced from, as their Metadata says."""
    return [arn for role in roles for arn in listed_promise(role, COMPUTE_ROLES)]


def _grants_directly(statement: Statement, role: Role) -> bool:
    if not statement.allow or statement.problem:
        return bool(statement.problem)
    return any(
        kind == "*" or (kind == "AWS" and (text == role.arn or may_be_role(text, role)))
        for kind, text in statement.principals
    )


def _reached(text: Text, kind: str, statement: Statement, known: list[Store]) -> list[Store]:
    """Return the stores a resource pattern names; a store of its own for one that is not in the templates."""
    pattern = parsed(text, statement.variables, True)
    if isinstance(pattern, Unmodelled):
        return []
    stores = [store for store in known if store.kind == kind]
    exact = [store for store in stores if _begins_with(pattern, store)]
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
    name = _name_field(fields[5], kind)
    if name is None:
        return []
    if any(isinstance(part, Wildcard | Variable) for part in name):
        return [*stores, _another(kind)]
    arn = _join_fields((*fields[:5], ("table/", *name) if kind == "table" else name))
    return [_foreign(kind, arn)] if arn is not None else [*stores, _another(kind)]


def _begins_with(pattern: Pattern, store: Store) -> bool:
    left = strip(pattern, store.arn)
    return left is not None and (not left or (isinstance(left[0], str) and left[0].startswith("/")) or is_open(left))


def _name_field(path: Pattern, kind: str) -> Pattern | None:
    parts = list(path)
    if kind == "table":
        if not parts or not isinstance(parts[0], str) or not parts[0].startswith("table/"):
            return (Wildcard("*"),) if parts and isinstance(parts[0], Wildcard) else None
        parts[0] = parts[0].removeprefix("table/")
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


def _formats(store: Store, role: Role, scoped: Scoped) -> list[Pattern]:
    if store.kind == "table":
        if store.partition_key and store.partition_key.lower() in scoped.declared:
            return [(Variable(f"{PRINCIPAL_TAG}{store.partition_key.lower()}"),)]
        granted = _leading_keys(store, role, allow=True)
        return granted or _leading_keys(store, role, allow=False)
    found: list[Pattern] = []
    for statement in role.identity:
        texts = statement.resources if statement.resources is not None and statement.allow else ()
        texts = statement.not_resources if not statement.allow and statement.not_resources else texts or ()
        for text in texts:
            pattern = parsed(text, True, True)
            if isinstance(pattern, Unmodelled):
                continue
            left = strip(pattern, store.arn)
            if left and isinstance(left[0], str) and left[0].startswith("/") and tags_in(left):
                found.append(tuple(part for part in (left[0][1:], *left[1:]) if part != ""))
    return list(dict.fromkeys(found))


def _leading_keys(store: Store, role: Role, *, allow: bool) -> list[Pattern]:
    found: list[Pattern] = []
    for statement in role.identity:
        if statement.allow != allow or not any(covers_action(statement, action) for action in KEYED):
            continue
        resources = [parsed(text, True, True) for text in statement.resources or ()]
        near = [
            p
            for p in resources
            if not isinstance(p, Unmodelled) and (_begins_with(p, store) or any(isinstance(x, Wildcard) for x in p))
        ]
        if not near and statement.resources is not None:
            continue
        for condition in statement.conditions:
            if condition.key.lower() == "dynamodb:leadingkeys":
                patterns = [parsed(value, True, "like" in condition.operator.lower()) for value in condition.values]
                found += [p for p in patterns if not isinstance(p, Unmodelled) and tags_in(p)]
    return list(dict.fromkeys(found))


def tags_in(pattern: Pattern) -> frozenset[str]:
    """Return the tag keys a pattern is made of."""
    return frozenset(
        part.key.removeprefix(PRINCIPAL_TAG)
        for part in pattern
        if isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG)
    )


def _identity(scoped: Scoped) -> frozenset[str]:
    """Return the tags that tell two sessions apart; without any key, every declared tag."""
    keys = [(store.kind, tags_in(p)) for store in scoped.stores for p in scoped.formats[store.id]]
    rows, objects = ([tags for kind, tags in keys if kind == wanted] for wanted in ("table", "bucket"))
    return telling_apart(rows, objects) or frozenset(scoped.declared)
