"""Checks what the user stated against the templates: a word that names nothing is refused, what is left out is told."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.intrinsics.scope import Scope, parts_of
from session_scoping.verify.options.stated import StatedOption
from session_scoping.verify.policies.action_samples import meet
from session_scoping.verify.policies.model import Deployment, Handed, Role, Statement, Store, Workload, parse_shared_by
from session_scoping.verify.properties.outside.external_principals import is_trusted
from session_scoping.verify.scoping.infer import (
    Options,
    SessionScope,
    find_session_roles,
    stores_of,
    tags_of_callers,
    tags_of_new_sessions,
)
from session_scoping.verify.scoping.selectors import named
from session_scoping.verify.scoping.stores import is_tenant_kind, stores_of_role


def demand_known(
    scopes: Sequence[Scope], deployment: Deployment, scoped: Sequence[SessionScope], stated: Iterable[StatedOption]
) -> None:
    """
    Refuse a word of the user's that names nothing: what it was meant to say would be lost silently.

    Where something in the templates is not read, words that may stand there are taken: it makes all UNKNOWN anyway.

    Raises:
        InvalidInputError: One names nothing.
    """
    sessions = {item.role.id for item in scoped}
    others = [role for role in deployment.roles.values() if role.id not in sessions]
    for word in (word for word in stated if not word.expired):
        if word.option == "compute_roles" and _names_one(word.value, deployment.roles.values()):
            _demand_another_role(word, others)
        elif word.option == "trusted" and _is_written(word.value, scopes):
            continue  # whatever it stands in: a backup's copy, a policy of another service
        elif word.option in _CHECKS:
            expected, is_known = _CHECKS[word.option]
            if not is_known(word.value, deployment, scoped):
                raise _names_nothing(word, expected)


def demand_declared(scopes: Iterable[Scope], stated: Iterable[StatedOption]) -> None:
    """
    Refuse the value of a parameter that no template declares.

    Raises:
        InvalidInputError: There is one.
    """
    declared = {name for scope in scopes if "/" not in scope.name for name in scope.section("Parameters")}
    for word in stated:
        if word.option == "parameters" and word.value.partition("=")[0] not in declared:
            raise _names_nothing(word, "a parameter that one of them declares")


def _names_nothing(word: StatedOption, expected: str) -> InvalidInputError:
    value = word.value.partition("=")[0] if word.option == "parameters" else word.value
    return InvalidInputError(
        f"`{value}` names nothing in these templates",
        got=f"it in `{word.place}`",
        expected=expected,
        why="what it was meant to say would be left out of the proof silently",
        fix="look it up in the template and the report, or leave it out",
    )


def _demand_another_role(word: StatedOption, others: Sequence[Role]) -> None:
    """Session roles are never compute roles: a word that names them alone would leave compute-isolation no role."""
    if not _names_one(word.value, others):
        raise InvalidInputError(
            f"`{word.value}` names session roles only",
            got=f"it in `{word.place}`",
            expected="a role that agent code runs with before it has a session",
            why="no role would be held to compute-isolation",
            fix="name that role, or say which roles are session roles",
        )


def _names_one(word: str, known: Iterable[Role | Store | Workload | Handed]) -> bool:
    return any(named([word], item.id, item.label) for item in known)


def _is_role(word: str, deployment: Deployment, _scoped: Sequence[SessionScope]) -> bool:
    return _names_one(word, deployment.roles.values())


def _is_store(word: str, deployment: Deployment, scoped: Sequence[SessionScope]) -> bool:
    return _names_one(
        word, [store for store in (*deployment.stores.values(), *stores_of(scoped)) if is_tenant_kind(store)]
    )


def _is_shared(word: str, _estate: Deployment, scoped: Sequence[SessionScope]) -> bool:
    """Whether sessions are granted a table or bucket that a word names before its colon."""
    stores = [store for item in scoped for store in (*item.stores, *item.shared)]
    return _names_one(word.partition(":")[0], stores)


def _is_spoken_of(word: str, deployment: Deployment, _scoped: Sequence[SessionScope]) -> bool:
    """Whether a policy, a trust policy, a partition key or a role's own tags speak of a tag key."""
    spoken = {tag.lower() for s in _statements(deployment) for tag in (*tags_of_callers(s), *tags_of_new_sessions(s))}
    spoken |= {store.partition_key.lower() for store in deployment.stores.values() if store.partition_key}
    spoken |= {tag for role in deployment.roles.values() for tag in role.tags}
    return word.lower() in spoken or bool(deployment.problems)


def _is_carried(word: str, deployment: Deployment, scoped: Sequence[SessionScope]) -> bool:
    """Whether sessions carry every tag of a set by which they share data."""
    tags = parse_shared_by(word)
    return bool(tags) and (
        bool(deployment.problems) or any(tags <= {*item.declared, *item.spelling} for item in scoped)
    )


def _is_granted(word: str, deployment: Deployment, scoped: Sequence[SessionScope]) -> bool:
    """Whether a grant to a session role, or to one whose Metadata promises something, covers an action."""
    promising = [role for role in deployment.roles.values() if role.metadata]
    holders = {role.id: role for role in (*(item.role for item in scoped), *promising)}.values()
    grants = [s for role in holders for s in role.identity if s.allow]
    grants += [s for store in deployment.stores.values() for s in store.policy if s.allow]
    unread = deployment.problems or any(role.problems or role.unmodelled_grants for role in holders)
    return bool(unread) or any(s.problem or s.actions is None or any(meet(word, a) for a in s.actions) for s in grants)


def _is_let_in(word: str, deployment: Deployment, _scoped: Sequence[SessionScope]) -> bool:
    """Whether a trust policy, a policy of a resource or a copy names a principal."""
    asked = [s for role in deployment.roles.values() for s in role.trust]
    asked += [s for store in deployment.stores.values() for s in store.policy]
    names = [text for s in asked for _, text in s.principals]
    names += [text for s in asked for condition in s.conditions for text in condition.values]
    names += [text for store in deployment.stores.values() for text in store.copies]
    unread = deployment.problems or any(statement.problem for statement in asked)
    ours: list[Role | Store | Workload | Handed] = [*deployment.principals, *deployment.workloads, *deployment.handed]
    return bool(unread) or any(is_trusted(text, [word]) for text in names) or _names_one(word, ours)


def _is_written(word: str, scopes: Sequence[Scope]) -> bool:
    """Whether a word stands in a text of the templates, alone or as a field of an ARN."""
    found = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
    return any(found.search(text) for one in scopes for text in parts_of(one.template) if isinstance(text, str))


def _statements(deployment: Deployment) -> Iterator[Statement]:
    for role in deployment.roles.values():
        yield from (*role.statements, *role.trust)
    for store in deployment.stores.values():
        yield from store.policy


_RESOURCE = "a logical id, a construct path, or the end of either"
_CHECKS: dict[str, tuple[str, Callable[[str, Deployment, Sequence[SessionScope]], bool]]] = {
    "session_roles": (_RESOURCE, _is_role),
    "compute_roles": (_RESOURCE, _is_role),
    "stores": (_RESOURCE, _is_store),
    "tags": ("a tag key that a policy, a trust policy or a partition key speaks of", _is_spoken_of),
    "shared_by": ("tag keys that the sessions of one session role carry", _is_carried),
    "allow": ("an action, or a pattern of actions, that a grant to a session role covers", _is_granted),
    "shared_data": ("a table or bucket that sessions are granted, with or without `:` and keys in it", _is_shared),
    "trusted": ("a principal that a trust policy, a resource's policy or a copy names, spelled as there", _is_let_in),
}


def left_out(deployment: Deployment, scoped: Sequence[SessionScope], options: Options) -> Iterator[str]:
    """Yield what the user's words replaced: session roles and stores that would have been proved without them."""
    if options.session_roles:
        given = [item.role.label for item in scoped]
        inferred = [role.label for role in find_session_roles(deployment, Options())]
        yield from _replaced("session roles", given, inferred)
    if options.stores:
        given = [store.label for store in stores_of(scoped)]
        inferred = [store.label for item in scoped for store in stores_of_role(item.role, deployment, ())]
        yield from _replaced("stores", given, inferred)


def _replaced(kind: str, given: Sequence[str], inferred: Sequence[str]) -> Iterator[str]:
    missing = [label for label in dict.fromkeys(inferred) if label not in given]
    if missing:
        yield f"only these {kind}, as given: {', '.join(given)}; left out: {', '.join(missing)}"
