"""Lists of a part: a bucket's objects by their prefix, and parameters by their path."""

from dataclasses import replace

from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Text, Unmodelled, Variable, Wildcard, plain
from session_scoping.verify.policies.actions import BY_PATH
from session_scoping.verify.policies.model import Condition, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.scoping.infer import SessionScope, tags_in
from session_scoping.verify.symbolic.trust import tag_may_hold

# Source: service authorization reference, "Amazon S3": the actions with the condition key s3:prefix.
_LISTING = {"s3:listbucket", "s3:listbucketversions"}
_COMPARING = {"stringequals", "stringlike"}


def without_own_listing(proof: Proof) -> Proof:
    """
    Return the proof without the statements that list a session's own prefixes and nothing else.

    What is listed under a prefix lies inside it, and `object-isolation` proves that the prefix is one session's.
    """
    role = proof.role
    kept = tuple(statement for statement in role.identity if not _lists_its_own(statement, proof.scoped))
    return replace(proof, scoped=replace(proof.scoped, role=replace(role, identity=kept)), _admissions={}, samples=None)


def _lists_its_own(statement: Statement, scoped: SessionScope) -> bool:
    if not statement.allow or statement.problem or not statement.resources:
        return False
    if not statement.actions or not {action.lower() for action in statement.actions} <= _LISTING:
        return False
    buckets = [store for store in scoped.stores if store.kind == "bucket" and store.arn in statement.resources]
    if {store.arn for store in buckets} != set(statement.resources):
        return False
    return any(_names_own(condition, statement, buckets, scoped) for condition in statement.conditions)


def _names_own(condition: Condition, statement: Statement, buckets: list[Store], scoped: SessionScope) -> bool:
    # The key has one value: ForAnyValue compares that one, and does not hold without it; ForAllValues may.
    operator = condition.operator.lower().removeprefix("foranyvalue:")
    if operator.startswith("forallvalues:") and any(_demands(other) for other in statement.conditions):
        operator = operator.removeprefix("forallvalues:")
    if condition.key.lower() != "s3:prefix" or operator not in _COMPARING or not condition.values:
        return False
    patterns = [parsed(value, statement.variables, operator == "stringlike") for value in condition.values]
    return all(_is_below(pattern, bucket, scoped) for pattern in patterns for bucket in buckets)


def _demands(condition: Condition) -> bool:
    """Whether a condition asks for a prefix, whichever it is."""
    values = [plain(value) for value in condition.values]
    return condition.key.lower() == "s3:prefix" and condition.operator.lower() == "null" and values == ["false"]


def _is_below(pattern: Pattern | Unmodelled, bucket: Store, scoped: SessionScope) -> bool:
    """Whether a prefix begins with one that belongs to a session alone, up to a slash."""
    if isinstance(pattern, Unmodelled):
        return False
    if any(_begins(pattern, shared) for shared in scoped.shared_keys.get(bucket.id, ())):
        return True
    for own in (own for own in scoped.formats[bucket.id] if own[-1] == Wildcard("*")):
        *head, end = own[:-1]
        apart = scoped.identity <= tags_in(own) or scoped.shares(own)
        # `a/b` in a tag would lie below the prefix of `a`.
        apart = apart and not any(tag_may_hold(scoped.role, part, "/") for part in own if isinstance(part, Variable))
        if not (apart and head and isinstance(end, str) and end.endswith("/")):
            continue
        last = pattern[len(head)] if len(pattern) > len(head) else ""
        if list(pattern[: len(head)]) == head and isinstance(last, str) and last.startswith(end):
            return True
    return False


def _begins(pattern: Pattern, shared: Pattern) -> bool:
    """Whether a prefix lies within keys that every session may read."""
    first, open_end = (pattern[0] if pattern else ""), shared[1:] == (Wildcard("*"),)
    return open_end and isinstance(first, str) and isinstance(shared[0], str) and first.startswith(shared[0])


def below_paths(proof: Proof) -> Proof:
    """Return the proof of a role that may read what lies below each path it may list: a path answers with all of it."""
    role = proof.role
    below = tuple(
        replace(s, actions=(BY_PATH,), not_actions=(), resources=tuple(map(_below, s.resources)))
        for s in role.identity
        if s.allow and s.resources and covers_action(s, BY_PATH)
    )
    wider = replace(role, identity=(*role.identity, *below))
    return replace(proof, scoped=replace(proof.scoped, role=wider), _admissions={}, samples=None)


def _below(path: Text) -> Text:
    """Return what lies below a path; the root's has its slash already."""
    last = path[-1]
    return (*path[:-1], f"{last.rstrip('/')}/*") if isinstance(last, str) else (*path, "/*")
