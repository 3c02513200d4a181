"""Isolation from other roles: no session reaches a key of another role's session, or becomes one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import z3

from session_scoping.verify.patterns.naming import disjoint, suffix_after_arn
from session_scoping.verify.patterns.text import Pattern, Variable, lit
from session_scoping.verify.policies.actions import ASSUME, on_items
from session_scoping.verify.policies.model import Role, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import (
    Proof,
    deciding_statements,
    elements_needed,
    representative_actions,
)
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.derivation import role_keys, role_target, tool_of, tools_of
from session_scoping.verify.properties.sessions.isolation import (
    leading_patterns,
    may_hold,
    not_shared,
    object_patterns,
    prove_store,
)
from session_scoping.verify.properties.sessions.listing import below_paths
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import SessionScope, tags_in
from session_scoping.verify.scoping.stores import may_be_one_of
from session_scoping.verify.symbolic.access import resource_pattern
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.request_keys import Key, key_for
from session_scoping.verify.symbolic.strings import TRUE, Bool, conjunction, disjunction
from session_scoping.verify.symbolic.targets import store_target, where_granted


def neighbours_of(item: SessionScope, everybody: Sequence[SessionScope], store: Store) -> list[SessionScope]:
    """
    Return the session roles whose sessions have keys of their own in a store, other keys than this role's sessions.

    Where keys and trust are the same, what is proved of one role's sessions is proved of both. A role and its tools are
    left to `derivation`. Of several that are alike one is enough: fifty roles on one bucket are not 2,450 pairs.
    """
    found: dict[object, SessionScope] = {}
    for other in everybody:
        if other is item or store.id not in other.formats or of_one_family(item.role, other.role):
            continue
        if _likeness(other, store) != _likeness(item, store):
            found.setdefault(_likeness(other, store), other)
    return list(found.values())


def named_alike(
    item: SessionScope, everybody: Iterable[SessionScope], store: Store
) -> Iterator[tuple[SessionScope, Store]]:
    """
    Yield the stores that sessions have keys of their own in, and that may have a name made of this role's tags.

    A session whose tag gives that name is granted all of it. This role's own are looked at by themselves.
    """
    if not store.by_name:
        return
    for other in everybody:
        for one in (one for one in other.stores if not one.by_name and other.formats.get(one.id)):
            if one.id not in item.formats and may_be_one_of(one, store):
                yield other, one


def of_one_family(one: Role, two: Role) -> bool:
    """Whether two roles are one, or a session role and its tools, which are left to `derivation`."""
    return (tool_of(one) or one.arn) == (tool_of(two) or two.arn)


def _likeness(item: SessionScope, store: Store) -> object:
    admitted = frozenset(statement.conditions for statement in item.role.trust if statement.allow)
    return frozenset(item.formats[store.id]), admitted


def prove_beside(
    proof: Proof, neighbours: Sequence[Proof], store: Store, alike: tuple[SessionScope, Store] | None = None
) -> Result:
    """
    Prove isolation in a table or bucket: of a role's sessions from one another, and from those of its neighbours.

    Args:
        proof: The role.
        neighbours: The other roles with keys in it.
        store: The table or bucket.
        alike: One that may have a name made of this role's tags, and whose sessions have keys in it. Default: none.
    """
    result = prove_store(proof, store)
    if result.status is Status.PROVED and alike is not None:
        other, one = alike
        detail = f"a session whose tags make the name of {one.label} is granted all of it, and sessions of"
        return replace(
            result, status=Status.UNKNOWN, detail=f"{detail} {other.role.label} have keys of their own there"
        )
    if result.status is not Status.PROVED or not neighbours:
        return result
    reached = _reached(proof, store)
    for neighbour in neighbours:
        if reached is not None and all(disjoint(p, q) for p in reached for q in neighbour.scoped.formats[store.id]):
            continue
        if found := crossing_between(proof, neighbour, store):
            return replace(result, status=Status.VIOLATED, detail=found.summary, counterexample=found)
    return result


def _reached(proof: Proof, store: Store) -> list[Pattern] | None:
    """Return the object keys a role is granted in a bucket, as patterns; None where that is not plain to see."""
    found: list[Pattern] = []
    lookup = proof.call("A", proof.admission("A").session).lookup
    target = store_target(store, Key("any", frozenset(), 0), lookup)
    touching = (
        s for s in deciding_statements(proof.role, store) if any(covers_action(s, a) for a in on_items(store.kind))
    )
    grants = [statement for statement in touching if statement.allow]
    for statement in grants if store.kind != "table" else ():
        for text in statement.resources or (lit("*"),):
            pattern = resource_pattern(text, statement)
            left = suffix_after_arn(pattern, store)
            inner = store.inside(left) if left is not None else None
            if inner is not None:
                found.append(inner)
            elif not z3.is_false(target.match(pattern).over):
                return None
    return found if store.kind != "table" else None


def crossing_between(proof: Proof, neighbour: Proof, store: Store) -> Counterexample | None:
    """
    Look for a session that reaches a key of another role's session, and has not all the tags of that key.

    Args:
        proof: The role whose session asks.
        neighbour: The role whose session the key belongs to.
        store: The table or bucket both have keys in.

    Raises:
        UnmodelledError: There may be one, as far as an over-approximation can tell.
    """
    proof = below_paths(proof) if store.kind == "parameters" else proof
    statements = [*deciding_statements(proof.role, store), *neighbour.role.identity]
    a, b = proof.admission("A"), neighbour.admission("B")
    call, other = proof.call("A", a.session), neighbour.call("B", b.session)
    keys = list(_keys(proof, neighbour, store))
    if store.kind == "table":
        call.leading_keys = [(z3.Bool(f"A uses {i}") if i else TRUE, key) for i, key in enumerate(keys)]
    theirs = _theirs(neighbour, store, keys[0], a.session, b.session, other)
    place = where_granted(store, statements)
    inside = None if store.kind == "table" else keys[0]
    what = f"a session reaches what belongs to a session of {neighbour.role.label} in {store.label}"
    given = (a.formula, b.formula, theirs, *(key.domain() for key in keys))
    queries = (
        Query(
            call, action, store_target(place, inside, call.lookup), store.arn, what,
            (*given, not_shared(proof, store, keys[0], action, call)), inside,
            victim=b.session, policy=store.policy, sampled=False,
        )
        for action in representative_actions(deciding_statements(proof.role, store), on_items(store.kind))
    )  # fmt: skip
    return search(proof, queries)


def _keys(proof: Proof, neighbour: Proof, store: Store) -> Iterator[Key]:
    def holds(variable: Variable, character: str) -> bool:
        return any(may_hold(one)(variable, character) for one in (proof, neighbour))

    formats, shared = neighbour.scoped.formats[store.id], proof.scoped.shared_keys.get(store.id, [])
    if store.kind != "table":
        yield key_for(
            "key", [*object_patterns(deciding_statements(proof.role, store), proof, store), *formats, *shared], holds
        )
        return
    patterns = [*leading_patterns(deciding_statements(proof.role, store), proof, store), *formats, *shared]
    for index in range(elements_needed(deciding_statements(proof.role, store))):
        yield key_for(f"key{index}", patterns, holds)


def _theirs(neighbour: Proof, store: Store, key: Key, mine: Session, owner: Session, call: Call) -> Bool:
    """Return the formula that a key is the owner's, and that the caller differs from the owner in one of its tags."""
    ways: list[Bool] = []
    for pattern in neighbour.scoped.formats[store.id]:
        same = [_same(mine, owner, tag) for tag in sorted(tags_in(pattern))]
        ways.append(conjunction([key.match(pattern, call.lookup).over, z3.Not(conjunction(same))]))
    return disjunction(ways)


def _same(one: Session, two: Session, tag: str) -> Bool:
    (here, mine), (there, theirs) = one.principal_tag(tag), two.principal_tag(tag)
    return conjunction([here, there, mine == theirs])


CHAINING = "no-chaining"


def prove_no_chaining(proof: Proof) -> Result:
    """
    Prove that a session can assume no role of the templates, by its own policies or by a trust policy alone.

    Its own tool roles are left to `derivation`, which proves how they are reached.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    tools = tools_of(proof.deployment, proof.role)
    if found := search(proof, _to_roles(proof, [one for one in proof.deployment.roles.values() if one not in tools])):
        return proof.result(CHAINING, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    detail = "no session can assume a role of these templates"
    if tools:
        detail += f" but its {len(tools)} tool role{'s' if len(tools) > 1 else ''}"
    return proof.result(CHAINING, proof.role.label, Status.PROVED, detail)


def _to_roles(proof: Proof, roles: Sequence[Role]) -> Iterator[Query]:
    admission = proof.admission("A")
    for role in roles:
        child = Session("child", {**role_keys(role), **proof.scoped.spelling})
        call = proof.call("A", admission.session)
        call.minted = child
        target, given = role_target(role, proof.deployment, call.lookup), (child.domain(), admission.formula)
        for action in ASSUME:
            yield Query(call, action, target, role.arn, f"a session can assume {role.label}", given, sampled=False)
