"""`partition-isolation`, `object-isolation`, `name-isolation`: no session reaches what is another session's."""

from collections.abc import Callable, Iterator, Sequence

import z3

from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.naming import of_another_service, suffix_after_arn
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Variable
from session_scoping.verify.policies.actions import SERVICE, acting_on, on_items, only_reads
from session_scoping.verify.policies.model import Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import (
    Proof,
    deciding_statements,
    elements_needed,
    name_items,
    representative_actions,
)
from session_scoping.verify.properties.resource_tags import with_fixed_tags
from session_scoping.verify.properties.samples import sample_crossing
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.listing import below_paths
from session_scoping.verify.properties.sharing import doubt_about_sharing, show_pattern, unused_tags
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import tags_in
from session_scoping.verify.symbolic.access import Target, access
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import LEADING_KEYS, ResourceTagError
from session_scoping.verify.symbolic.request_keys import Key, key_for
from session_scoping.verify.symbolic.strings import TRUE, Bool, conjunction, disjunction, negation
from session_scoping.verify.symbolic.targets import store_target, where_granted
from session_scoping.verify.symbolic.trust import tag_may_hold, tag_width

PARTITION = "partition-isolation"
OBJECTS = "object-isolation"
NAMES = "name-isolation"


def rule_of(store: Store) -> str:
    """Return the rule that says to whom what is in a store belongs."""
    return {"table": PARTITION, "tables": PARTITION, "secrets": NAMES, "parameters": NAMES}.get(store.kind, OBJECTS)


def prove_store(proof: Proof, store: Store) -> Result:
    """Prove isolation in one table or bucket, or among the secrets or parameters that names tell apart."""
    proof = below_paths(proof) if store.kind == "parameters" else proof
    rule = rule_of(store)
    found = sample_crossing(proof, store, lambda pattern: _apart(proof, pattern))
    search = _partition if store.kind == "table" else _objects
    by_tags: tuple[str, ...] = ()
    try:
        status, detail, counterexample = (Status.VIOLATED, found.summary, found) if found else search(proof, store)
    except ResourceTagError as error:
        proof, by_tags = with_fixed_tags(proof, store, error)
        status, detail, counterexample = search(proof, store)
    if status is Status.PROVED and not proof.scoped.identity:
        status = Status.VACUOUS
        detail = "nothing tells two sessions apart: neither keys nor policies nor the trust speak of a tag"
    if status is Status.PROVED and (doubt := doubt_about_sharing(proof.scoped, store)):
        status, detail = Status.UNKNOWN, doubt
    return proof.result(
        rule,
        f"{proof.role.label} → {store.label}",
        status,
        detail,
        counterexample=counterexample,
        assumptions=(*_assumptions(proof, store), *by_tags),
    )


_Outcome = tuple[Status, str, Counterexample | None]


def object_patterns(statements: Sequence[Statement], proof: Proof, store: Store) -> list[Pattern]:
    """Return everything keys of the store may be compared with."""
    found: list[Pattern] = list(proof.scoped.formats[store.id])
    for statement in statements:
        if not any(covers_action(statement, action) for action in _actions_inside(store)):
            # Compared with no key; an id of another service in it would only coarsen how keys are cut.
            continue
        for text in (*(statement.resources or ()), *statement.not_resources):
            pattern = parsed(text, statement.variables, True)
            # What is of another service is compared with no key either: a table's name would coarsen the cutting too.
            if not isinstance(pattern, Unmodelled) and not of_another_service(pattern, SERVICE[store.kind]):
                found.append(_inner(pattern, store))
    return found


def _actions_inside(store: Store) -> tuple[str, ...]:
    """Return the actions on what is inside a bucket, or on all there is of tables and buckets that names tell apart."""
    return acting_on(store.kind, inside=True) if store.by_name else on_items(store.kind)


def _inner(pattern: Pattern, store: Store) -> Pattern:
    left = suffix_after_arn(pattern, store)
    if left is None:
        fields = split_fields(pattern)
        return _after_slash(fields[5], 1 if store.kind == "table" else 0) if len(fields) == 6 else ()
    return store.inside(left) or ()


def _after_slash(parts: Pattern, skip: int) -> Pattern:
    for index, part in enumerate(parts):
        if isinstance(part, str) and "/" in part:
            pieces = part.split("/")
            if len(pieces) - 1 > skip:
                return tuple(p for p in ("/".join(pieces[1 + skip :]), *parts[index + 1 :]) if p != "")
            skip -= len(pieces) - 1
    return ()


def leading_patterns(statements: Sequence[Statement], proof: Proof, store: Store) -> list[Pattern]:
    """Return everything partition keys of the store may be compared with."""
    found: list[Pattern] = list(proof.scoped.formats[store.id])
    for statement in statements:
        for condition in statement.conditions:
            if condition.key.lower() == LEADING_KEYS:
                patterns = [
                    parsed(v, statement.variables, "like" in condition.operator.lower()) for v in condition.values
                ]
                found += [pattern for pattern in patterns if not isinstance(pattern, Unmodelled)]
    return found


def may_hold(proof: Proof) -> Callable[[Variable, str], bool]:
    """Return whether a policy variable's value may hold a character, for sessions of a role."""
    return lambda variable, character: tag_may_hold(proof.role, variable, character, proof.inherited())


def own_key(proof: Proof, name: str, patterns: Sequence[Pattern]) -> Key:
    """Return a key of a request, fine enough for what the policies of a role compare it with."""
    return key_for(name, patterns, may_hold(proof), lambda variable: tag_width(proof.role, variable, proof.inherited()))


def _partition(proof: Proof, store: Store) -> _Outcome:
    statements = deciding_statements(proof.role, store)
    place = where_granted(store, statements)
    a, b = proof.admission("A"), proof.admission("B")
    actions = representative_actions(statements, on_items("table"))
    bare = proof.call("A bare", a.session)
    target = store_target(place, None, bare.lookup)
    given = (a.formula, *_taken_by_another(proof, store, actions))
    what = f"is allowed on {store.label} without a leading key, so on every partition"
    unkeyed = (
        Query(bare, action, target, place.arn, f"{action} {what}", given, policy=store.policy, keyed=False)
        for action in actions
    )
    if found := search(proof, unkeyed):
        return Status.VIOLATED, found.summary, found
    patterns = [*leading_patterns(statements, proof, store), *proof.scoped.shared_keys.get(store.id, [])]
    keys = [own_key(proof, f"key{i}", patterns) for i in range(elements_needed(statements))]
    call, other = proof.call("A", a.session), proof.call("B", b.session)
    call.leading_keys = [(z3.Bool(f"A uses {i}") if i else TRUE, key) for i, key in enumerate(keys)]
    other.leading_keys = [(TRUE, keys[0])]
    theirs = _belongs(proof, store, keys[0], b.session, other)
    shared = _reached_too(proof, b.session, other, actions, store_target(place, None, other.lookup), keys[0], store)
    crossing = disjunction([theirs(a.session), shared(a.session)])
    what = f"a session reaches the partition of another session in {store.label}"
    given = (other.domain(), a.formula, b.formula, crossing)
    queries = (
        Query(
            call, action, store_target(place, None, call.lookup), place.arn, what,
            (*given, not_shared(proof, store, keys[0], action, call)),
            victim=b.session, policy=store.policy, sampled=False,
        )
        for action in actions
    )  # fmt: skip
    if found := search(proof, queries):
        return Status.VIOLATED, what, found
    return Status.PROVED, f"only partitions {_formats(proof, store)}", None


def _taken_by_another(proof: Proof, store: Store, actions: Sequence[str]) -> Iterator[Bool]:
    """Yield, where its tags say whose a table is, the formula that another session reaches it, by whatever key."""
    if proof.same_resource:
        a, b = proof.admission("A"), proof.admission("B")
        statements = deciding_statements(proof.role, store)
        other = proof.call("B bare", b.session)
        name_items(other, statements)
        target = store_target(where_granted(store, statements), None, other.lookup)
        reach = disjunction([access(proof.role, other, action, target) for action in actions])
        yield conjunction(
            [b.formula, other.domain(), reach, a.session.differs(b.session, sorted(proof.scoped.identity))]
        )


def _objects(proof: Proof, store: Store) -> _Outcome:
    statements = deciding_statements(proof.role, store)
    a, b = proof.admission("A"), proof.admission("B")
    actions = representative_actions(statements, _actions_inside(store))
    shared_keys = proof.scoped.shared_keys.get(store.id, [])
    key = own_key(proof, "key", [*object_patterns(statements, proof, store), *shared_keys])
    # Source: Secrets Manager guide, whats-in-a-secret: the ARN ends in six random characters.
    key.random_end = 6 if store.kind == "secrets" else 0
    call, other = proof.call("A", a.session), proof.call("B", b.session)
    target = store_target(store, key, call.lookup)
    theirs = _belongs(proof, store, key, b.session, other)
    shared = _reached_too(proof, b.session, other, actions, store_target(store, key, other.lookup), key, store)
    crossing = disjunction([theirs(a.session), shared(a.session)])
    kind = "name" if rule_of(store) == NAMES else "object"
    what = f"a session reaches {'a' if kind == 'name' else 'an'} {kind} of another session in {store.label}"
    given = (other.domain(), a.formula, b.formula, crossing)
    queries = (
        Query(
            call, action, target, store.arn, what, (*given, not_shared(proof, store, key, action, call)), key,
            victim=b.session, sampled=False,
        )
        for action in actions
    )  # fmt: skip
    if found := search(proof, queries):
        return Status.VIOLATED, what, found
    return Status.PROVED, f"only {kind}s {_formats(proof, store)}", None


def not_shared(proof: Proof, store: Store, key: Key, action: str, call: Call) -> Bool:
    """Return the formula that a key is none that every session may read, where an action does no more than read."""
    shared = proof.scoped.shared_keys.get(store.id, [])
    if not shared or not only_reads(action):
        return TRUE
    return conjunction([negation(key.match(pattern, call.lookup).under) for pattern in shared])


def _belongs(proof: Proof, store: Store, key: Key, owner: Session, call: Call) -> Callable[[Session], Bool]:
    """Return, for a caller, the formula that the key is one of the owner's and the two are different sessions."""

    def formula(caller: Session) -> Bool:
        ways: list[Bool] = []
        for pattern in proof.scoped.formats[store.id]:
            tags = _apart(proof, pattern)
            ways.append(conjunction([key.match(pattern, call.lookup).over, caller.differs(owner, sorted(tags))]))
        return disjunction(ways)

    return formula


def _apart(proof: Proof, pattern: Pattern) -> frozenset[str]:
    """Return the tags by which sessions are told apart for a kind of key."""
    tags = tags_in(pattern)
    return tags if proof.scoped.shares(pattern) else tags | proof.scoped.identity


def _reached_too(
    proof: Proof, owner: Session, other: Call, actions: Sequence[str], target: Target, key: Key, store: Store
) -> Callable[[Session], Bool]:
    """Return, for a caller, the formula that another session reaches the same key."""
    reach = disjunction([access(proof.role, other, action, target) for action in actions])
    meant = [p for p in proof.scoped.formats[store.id] if proof.scoped.shares(p)]
    not_meant = conjunction([negation(key.match(pattern, other.lookup).under) for pattern in meant])

    def formula(caller: Session) -> Bool:
        return conjunction([reach, not_meant, caller.differs(owner, sorted(proof.scoped.identity))])

    return formula


def _formats(proof: Proof, store: Store) -> str:
    found = proof.scoped.formats[store.id]
    return ", ".join(show_pattern(pattern) for pattern in found) or "of its own"


def prove_shared(proof: Proof, store: Store) -> Result:
    """
    Prove that sessions change nothing in a table or bucket that all of them may read.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    rule = rule_of(store)
    subject = f"{proof.role.label} → {store.label}"
    if found := search(proof, _changes(proof, store)):
        return proof.result(rule, subject, Status.VIOLATED, found.summary, counterexample=found)
    return proof.result(rule, subject, Status.PROVED, "shared as stated: sessions read it and change nothing")


def _changes(proof: Proof, store: Store) -> Iterator[Query]:
    statements, admission = deciding_statements(proof.role, store), proof.admission("A")
    for deep in (False, True):
        inside = Key(f"inside {store.id}", frozenset(), 0) if deep else None
        changing = [action for action in acting_on(store.kind, inside=deep) if not only_reads(action)]
        for action in representative_actions(statements, changing):
            call = proof.call("A", admission.session)
            name_items(call, statements)
            what = f"every session may read {store.label}, and {action} changes it for all"
            target = store_target(store, inside, call.lookup)
            yield Query(call, action, target, store.arn, what, (admission.formula,), inside)


def _assumptions(proof: Proof, store: Store) -> tuple[str, ...]:
    found = []
    identity = ", ".join(proof.scoped.spelled(tag) for tag in sorted(proof.scoped.identity)) or "nothing"
    found.append(f"two sessions are different when they differ in {identity}")
    if unused := [proof.scoped.spelling[tag] for tag in unused_tags(proof.scoped)]:
        found.append(f"sessions that differ in {', '.join(unused)} alone may share data: no key has it")
    if store.kind == "table" and store.partition_key:
        found.append(f"the partition key of {store.label} is {store.partition_key}")
    for pattern in proof.scoped.formats[store.id]:
        if proof.scoped.shares(pattern):
            found.append(f"sharing {show_pattern(pattern)} between sessions is declared")
    return tuple(found)
