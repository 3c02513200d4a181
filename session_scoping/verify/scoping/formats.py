"""Finds out what keys of a table or bucket belong to one session."""

from session_scoping.verify.patterns.arns import suffix_after_arn
from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Variable, Wildcard
from session_scoping.verify.policies.actions import KEYED
from session_scoping.verify.policies.model import Role, Store
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.scoping.stores import begins_with


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
        for text in (statement.resources or ()) if allow else statement.not_resources:
            pattern = parsed(text, True, True)
            left = None if isinstance(pattern, Unmodelled) else suffix_after_arn(pattern, store)
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
        resources = [parsed(text, True, True) for text in statement.resources or ()]
        near = [
            p
            for p in resources
            if not isinstance(p, Unmodelled) and (begins_with(p, store) or any(isinstance(x, Wildcard) for x in p))
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
