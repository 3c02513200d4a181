"""Finds out what a template means to isolate: session roles, their tags, their tables, prefixes and keys."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from session_scoping.contract.key_formats import distinguishing_tags
from session_scoping.contract.tags import POD_IDENTITY_TAGS
from session_scoping.verify.patterns.matching import readable
from session_scoping.verify.patterns.naming import suffix_after_arn
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Variable, Wildcard, lit, parse_pattern, plain
from session_scoping.verify.policies.actions import KEYED, TAG_SESSION
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store, parse_shared_by
from session_scoping.verify.policies.statement_queries import (
    OTHER_TAG,
    PRINCIPAL_TAG,
    REQUEST_TAG,
    TAG_LISTS,
    covers_action,
    keys_used,
    patterns_of,
    uses_tags,
)
from session_scoping.verify.scoping.stores import begins_with, named, stores_of_role, with_copies


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
        session_policies: Session policies, as JSON, to hold against every session role. Default: none.
        trusted: Principals outside the templates that a policy of tenant data may name, as it spells them: an ARN or an
            account id. Default: none.
        shared_data: Tables and buckets, or keys in them (`Files:models/*`), that every session may read. Default: what
            their Metadata says.
        masked_grants: Whether a grant may reach too far as long as a Deny stops it. Default: it may not.
    """

    session_roles: tuple[str, ...] = ()
    compute_roles: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shared_by: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    session_policies: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    shared_data: tuple[str, ...] = ()
    masked_grants: bool = False


@dataclass
class SessionScope:
    """
    One session role and what it is taken to protect.

    Attributes:
        declared: Lower-case tag keys that every session must carry.
        spelling: Every tag key that matters, lower-case -> as policies write it.
        formats: Store id -> the keys that belong to one session, as patterns over its tags.
        identity: The tags that tell two sessions apart.
        shared_by: Sets of tags; sessions that agree in one of them are meant to share data.
        shared: Tables and buckets that every session may read, and none may change.
        shared_keys: Store id -> the keys in it of which that holds.
    """

    role: Role
    declared: tuple[str, ...]
    spelling: dict[str, str]
    stores: list[Store]
    formats: dict[str, list[Pattern]] = field(default_factory=dict)
    identity: frozenset[str] = frozenset()
    shared_by: frozenset[frozenset[str]] = frozenset()
    shared: tuple[Store, ...] = ()
    shared_keys: dict[str, list[Pattern]] = field(default_factory=dict)

    def spelled(self, tag: str) -> str:
        """Return a tag key as a reader knows it."""
        return self.spelling.get(tag, tag)

    def shares(self, pattern: Pattern) -> bool:
        """Whether a kind of key does not tell sessions apart, and that is declared."""
        tags = tags_in(pattern)
        return not self.identity <= tags and any(agreed <= tags for agreed in self.shared_by)


def find_session_roles(deployment: Deployment, options: Options) -> list[Role]:
    """Return the roles that are assumed with tags and use them."""
    roles = list(deployment.roles.values())
    if options.session_roles:
        return [role for role in roles if named(options.session_roles, role.id, role.label)]
    return [role for role in roles if uses_tags(role)]


def scope_of(role: Role, deployment: Deployment, options: Options) -> SessionScope:
    """Return what a session role is taken to protect."""
    spelling = _spellings(role, deployment)
    declared = tuple(tag.lower() for tag in options.tags) or _declared(role)
    for tag in options.tags:
        spelling.setdefault(tag.lower(), tag)
    found = stores_of_role(role, deployment, options.stores)
    shared = {store.id: _shared_keys(store, options.shared_data) for store in found}
    stores = [store for store in found if (Wildcard("*"),) not in shared[store.id]]
    scoped = SessionScope(role, declared, {**spelling, OTHER_TAG: OTHER_TAG}, stores)
    scoped.shared = tuple(store for store in found if store not in stores)
    scoped.shared_keys = {store.id: shared[store.id] for store in stores}
    scoped.shared_by = role.shared_by | {parse_shared_by(text) for text in options.shared_by if text.strip(" ,")}
    for store in stores:
        scoped.formats[store.id] = [_spelled(pattern, scoped) for pattern in formats_of(store, role, declared)]
    scoped.identity = _identity(scoped)
    _follow_copies(scoped, deployment)
    return scoped


def _shared_keys(store: Store, words: tuple[str, ...]) -> list[Pattern]:
    """Return the keys of a store that every session may read, as the user or its Metadata says; `*` for all."""
    parts = (word.partition(":") for word in words)
    stated = [keys or "*" for word, _, keys in parts if named([word], store.id, store.label)]
    patterns = (parse_pattern(lit(text), variables=False, wildcards=True) for text in (*store.shared, *stated))
    return [pattern for pattern in patterns if not isinstance(pattern, Unmodelled)]


def _follow_copies(scoped: SessionScope, deployment: Deployment) -> None:
    """A copy holds the objects of its source under the same keys, whoever is granted the copy, and by which keys."""
    for store in scoped.stores:
        own = scoped.formats[store.id]
        for copy in with_copies([store], deployment)[1:]:
            there = scoped.formats.setdefault(copy.id, [])
            there += [pattern for pattern in own if pattern not in there]


def _spelled(pattern: Pattern, scoped: SessionScope) -> Pattern:
    """Return a pattern whose tags a reader sees as they are written elsewhere."""
    return tuple(
        replace(part, spelling=PRINCIPAL_TAG + scoped.spelled(part.key.removeprefix(PRINCIPAL_TAG)))
        if isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG)
        else part
        for part in pattern
    )


def scope_without_tags(role: Role, deployment: Deployment, stores: list[Store]) -> SessionScope:
    """
    Return a role whose own sessions no policy isolates, such as a compute role.

    Services pass no session tags of the caller's choice: only the role's own tags count. Where its trust lets somebody
    pass tags, they may be any.
    """
    tagged = any(s.allow and (s.problem or covers_action(s, TAG_SESSION)) for s in role.trust)
    spelling = _spellings(role, deployment) if tagged else {}
    return SessionScope(role, (), {**spelling, OTHER_TAG: OTHER_TAG}, stores)


def stores_of(scoped: Iterable[SessionScope]) -> list[Store]:
    """Return every table and bucket that session roles are granted, each once."""
    return list({store.id: store for item in scoped for store in item.stores}.values())


def _spellings(role: Role, deployment: Deployment) -> dict[str, str]:
    found: dict[str, str] = {}
    own = [*role.identity, *(role.boundary or ()), *role.trust]
    others = [s for store in deployment.stores.values() for s in store.policy]
    # A trust policy may let the role's sessions in by their tags. What it asks of the session it makes is not theirs.
    others += [s for other in deployment.roles.values() if other is not role for s in other.trust]
    for statement in own:
        for name in (*tags_of_new_sessions(statement), *tags_of_callers(statement)):
            found.setdefault(name.lower(), name)
    for name in (name for statement in others for name in tags_of_callers(statement)):
        found.setdefault(name.lower(), name)
    # What the trust asks of a session is how its tags are written; condition keys and variables ignore case.
    found |= {name.lower(): name for s in role.trust for name in tags_of_new_sessions(s) if name.lower() in found}
    return {key: value for key, value in found.items() if key}


def tags_of_new_sessions(statement: Statement) -> Iterator[str]:
    """Yield the tag keys a statement asks of a session that is made."""
    for condition in statement.conditions:
        key = condition.key.lower()
        if key.startswith(REQUEST_TAG):
            yield condition.key[len(REQUEST_TAG) :]
        if key in TAG_LISTS and condition.operator.lower() != "null":
            for value in condition.values:
                name = "".join(part for part in value if isinstance(part, str))
                yield name.replace("*", "zz").replace("?", "z")


def tags_of_callers(statement: Statement) -> Iterator[str]:
    """Yield the tag keys a statement looks at in the session that calls."""
    for condition in statement.conditions:
        if condition.key.lower().startswith(PRINCIPAL_TAG):
            yield condition.key[len(PRINCIPAL_TAG) :]
    for part in (part for pattern in patterns_of(statement) for part in pattern):
        if isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG):
            yield part.spelling[len(PRINCIPAL_TAG) :]


def _declared(role: Role) -> tuple[str, ...]:
    """Return the tags the role's own policies rest on, and those its trust asks for."""
    found = [key.removeprefix(PRINCIPAL_TAG) for key in keys_used(role.identity) if key.startswith(PRINCIPAL_TAG)]
    for statement in role.trust:
        for condition in statement.conditions:
            key = condition.key.lower()
            if key.startswith(REQUEST_TAG):
                found.append(key.removeprefix(REQUEST_TAG))
            elif key == "aws:tagkeys" and condition.operator.lower() != "null":
                admitted = [str(plain(value)).lower() for value in condition.values if plain(value)]
                # What a pod's own session hands on may come along, and no policy rests on it.
                found += [tag for tag in admitted if tag not in POD_IDENTITY_TAGS]
    return tuple(sorted({key for key in found if key and "*" not in key and "?" not in key}))


def _identity(scoped: SessionScope) -> frozenset[str]:
    """Return the tags that tell two sessions apart; without any key, every declared tag."""
    keys = [(store.kind, tags_in(p)) for store in scoped.stores for p in scoped.formats[store.id]]
    rows, objects = ([tags for kind, tags in keys if kind == wanted] for wanted in ("table", "bucket"))
    return distinguishing_tags(rows, objects) or frozenset(scoped.declared)


def formats_of(store: Store, role: Role, declared: tuple[str, ...]) -> list[Pattern]:
    """
    Return the keys of a store that belong to one session, as patterns over its tags.

    A table whose partition key is called like a declared tag is keyed on it; else what the role is granted says.
    """
    if store.kind == "table":
        if store.partition_key and store.partition_key.lower() in declared:
            return [(Variable(f"{PRINCIPAL_TAG}{store.partition_key.lower()}"),)]
        granted = _leading_keys(store, role, allow=True)
        return granted or _leading_keys(store, role, allow=False)
    granted = _inner_keys(store, role, allow=True)
    # What a Deny leaves open says more where it names a tag that no grant does, and nothing where it names fewer.
    left_open = [p for p in _inner_keys(store, role, allow=False) if not any(tags_in(p) <= tags_in(q) for q in granted)]
    return list(dict.fromkeys([*granted, *left_open]))


def _inner_keys(store: Store, role: Role, *, allow: bool) -> list[Pattern]:
    """Return the keys that Allows name, or that Denies except."""
    found: list[Pattern] = []
    for statement in (s for s in role.identity if s.allow == allow):
        for pattern in readable((statement.resources or ()) if allow else statement.not_resources):
            left = suffix_after_arn(pattern, store)
            inner = store.inside(left) if left is not None else None
            if inner is not None and tags_in(inner):
                found.append(inner)
                if store.kind in {"tables", "buckets"} and not isinstance(inner[-1], Wildcard):
                    found.append((*inner, "/", Wildcard("*")))  # what lies in a table or bucket is its owner's too
    return found


def _leading_keys(store: Store, role: Role, *, allow: bool) -> list[Pattern]:
    found: list[Pattern] = []
    for statement in role.identity:
        if statement.allow != allow or not any(covers_action(statement, action) for action in KEYED):
            continue
        named = readable(statement.named_resources)
        if not any(begins_with(p, store) or any(isinstance(part, Wildcard) for part in p) for p in named):
            continue
        for condition in statement.conditions:
            if condition.key.lower() == "dynamodb:leadingkeys":
                patterns = readable(condition.values, True, "like" in condition.operator.lower())
                found += [pattern for pattern in patterns if tags_in(pattern)]
    return list(dict.fromkeys(found))


def tags_in(pattern: Pattern) -> frozenset[str]:
    """Return the tag keys a pattern is made of."""
    return frozenset(
        part.key.removeprefix(PRINCIPAL_TAG)
        for part in pattern
        if isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG)
    )
