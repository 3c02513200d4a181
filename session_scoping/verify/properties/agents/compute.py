"""`compute-isolation`: a role the agent's code runs with reaches no tenant data and changes no role."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import z3

from session_scoping.verify.patterns.naming import is_open
from session_scoping.verify.patterns.text import Pattern, Text, Token, lit
from session_scoping.verify.policies.action_samples import further, limits_of, unlisted
from session_scoping.verify.policies.actions import (
    SERVICE,
    acting_on,
    all_covered,
    changes_principals,
    reaches_whatever_is_named,
)
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import (
    Proof,
    Witness,
    confirm,
    deciding_statements,
    name_items,
    representative_actions,
)
from session_scoping.verify.properties.grant_targets import entry_arn, entry_target, may_be_access_point, may_name
from session_scoping.verify.properties.memory import kept_in
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.listing import below_paths
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import scope_without_tags
from session_scoping.verify.symbolic.access import Target, access, resource_pattern
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Match, concat, conjunction, match_string, string_value, token_domain
from session_scoping.verify.symbolic.targets import ALWAYS, store_target, where_granted

RULE = "compute-isolation"


def prove_compute(
    deployment: Deployment,
    role: Role,
    stores: list[Store],
    *,
    perhaps_broker: bool = False,
    judged: Collection[Text] = (),
    trusted: Sequence[str] = (),
) -> Result:
    """
    Prove that a compute role reaches none of the stores and cannot change what any role may do.

    Args:
        deployment: What the templates deploy.
        role: The role.
        stores: Tables and buckets with tenant data.
        perhaps_broker: Whether the templates leave open that agent code runs with it. Then what it reaches is
            UNKNOWN, because a broker may hold tenant data.
        judged: ARNs of all compute roles. Who hands one of them to a service gains nothing that is not looked at.
            Default: no role may be handed on.
        trusted: Roles outside the templates that it may assume, by their ARNs. Default: none.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    proof = Proof(deployment, scope_without_tags(role, deployment, stores))
    if role.problems:
        raise UnmodelledError(role.problems[0])
    # What is read by a path is all below it.
    proof = below_paths(proof) if any(store.kind == "parameters" for store in stores) else proof
    queries = (one for one in _queries(proof) if one.action != "iam:PassRole" or one.arn not in judged)
    if found := search(proof, queries):
        if perhaps_broker:
            unsaid = "and whether agent code runs with it is not said; --compute-role says it"
            raise UnmodelledError(f"{found.summary}, {unsaid}")
        return proof.result(RULE, role.label, Status.VIOLATED, found.summary, counterexample=found)
    if beyond := _assumed_outside(proof, trusted):
        return proof.result(RULE, role.label, Status.UNKNOWN, beyond.summary, counterexample=beyond)
    detail = f"reaches none of the {len(stores)} tenant tables and buckets" if stores else "changes no role"
    return proof.result(RULE, role.label, Status.PROVED, detail)


def _queries(proof: Proof) -> Iterator[Query]:
    broken = next((s.problem for s in proof.role.identity if s.problem), None)
    if broken:
        raise UnmodelledError(broken)
    for store in proof.scoped.stores:
        yield from _on_store(proof, store)
    kinds = {store.kind for store in proof.scoped.stores}
    for statement in (s for s in proof.role.identity if s.allow):
        yield from _anywhere(proof, statement, kinds)
    yield from _on_memories(proof)


def _on_store(proof: Proof, store: Store) -> Iterator[Query]:
    statements = deciding_statements(proof.role, store)
    more = further(statements, limits_of(proof.role), SERVICE[store.kind])
    direct, deeper = ((*acting_on(store.kind, inside=inside), *more) for inside in (False, True))
    if not (store.problems or any(s.allow and covers_action(s, a) for s in statements for a in (*direct, *deeper))):
        # Neither its own policies nor the store's grant anything of the kind.
        return
    place = where_granted(store, statements)
    inside = Key(f"inside {store.id}", frozenset(), 0)
    for action in representative_actions(statements, direct):
        call = _call(proof, statements)
        target = store_target(place, None, call.lookup)
        yield Query(call, action, target, place.arn, f"{action} is allowed on {store.label}")
    # What acts on a table acts on its indexes, where one is named.
    for action in representative_actions(statements, (*direct, *deeper) if store.kind == "table" else deeper):
        call = _call(proof, statements)
        target = store_target(place, inside, call.lookup)
        yield Query(call, action, target, place.arn, f"{action} is allowed inside {store.label}", inside=inside)


def _on_memories(proof: Proof) -> Iterator[Query]:
    """Yield what is done with a Memory in which sessions have events and records of their own."""
    others = [role for role in proof.deployment.roles.values() if role.id != proof.role.id]
    for memory in kept_in(proof.deployment, others):
        for query in _on_store(proof, memory):
            yield replace(query, what=f"{query.what}, where sessions keep what is their own")


def _anywhere(proof: Proof, statement: Statement, kinds: set[str]) -> Iterator[Query]:
    """Yield what a grant lets a role do to principals, or to tenant data that the statement does not have to name."""
    covered = [*all_covered(statement.actions, statement.not_actions), *unlisted(statement, limits_of(proof.role))]
    changing = [action for action in covered if changes_principals(action)]
    reaching = [action for action in covered if any(reaches_whatever_is_named(action, kind) for kind in kinds)]
    wanted = representative_actions(proof.role.statements, changing) + representative_actions(
        proof.role.statements, reaching
    )
    objects = [action for action in acting_on("bucket", inside=True) if covers_action(statement, action)]
    if not wanted and not objects:
        return
    for text in statement.resources if statement.resources is not None else (lit("*"),):
        pattern = resource_pattern(text, statement)
        arn = entry_arn(pattern)
        for action in (action for action in dict.fromkeys(wanted) if may_name(pattern, action)):
            call = _call(proof, proof.role.statements)
            yield Query(call, action, entry_target(pattern, call.lookup), arn, f"{action} is allowed")
        if may_be_access_point(pattern) and kinds & {"bucket", "buckets"}:
            for action in representative_actions(proof.role.statements, objects):
                what = f"{action} is allowed through an access point, whatever its bucket"
                call = _call(proof, proof.role.statements)
                yield Query(call, action, entry_target(pattern, call.lookup), arn, what)


def _assumed_outside(proof: Proof, trusted: Sequence[str]) -> Counterexample | None:
    """Look for a role that is not in the templates and that it may assume: nobody here knows what that one may do."""
    if not any(s.allow and covers_action(s, _ASSUME) for s in proof.role.identity):
        return None
    call = _call(proof, ())
    value = z3.String("a role outside")
    known = [concat(role.arn, call.lookup)[0] for role in proof.deployment.roles.values()]
    named = [z3.StringVal(text) for text in trusted]
    tokens = {part for role in proof.deployment.roles.values() for part in role.arn if isinstance(part, Token)}
    others = [value != one for one in (*known, *named)]
    ordered = sorted(tokens, key=lambda token: token.name)
    domain = conjunction([z3.InRe(value, _ROLE_ARN), *others, *map(token_domain, ordered)])

    def match(pattern: Pattern) -> Match:
        return ALWAYS if is_open(pattern) else match_string(pattern, value, call.lookup)

    reach = access(proof.role, call, _ASSUME, Target(match))
    if z3.is_false(reach):
        return None
    ordinary = z3.StringVal("arn:aws:iam::111122223333:role/any-other-role")
    model = solve(domain, call.domain(), reach, value == ordinary) or solve(domain, call.domain(), reach)
    if model is None:
        return None
    arn = string_value(model, value)
    what = f"it may assume {arn}, which is not in these templates: what that role may do is not known"
    summary = f"{what}; --trusted {arn} says it reaches no tenant data"
    return confirm(proof, call, model, [Witness(_ASSUME, (arn,))], summary) or Counterexample(summary)


_ASSUME = "sts:AssumeRole"
_SIGN = z3.Union(z3.Range("a", "z"), z3.Range("A", "Z"), z3.Range("0", "9"), z3.Re("-"), z3.Re("_"), z3.Re("/"))
_ROLE_ARN = z3.Concat(z3.Re("arn:aws:iam::"), z3.Loop(z3.Range("0", "9"), 12, 12), z3.Re(":role/"), z3.Plus(_SIGN))


def _call(proof: Proof, statements: Sequence[Statement]) -> Call:
    session = Session("compute", proof.scoped.spelling, proof.role.tags)
    call = proof.call("compute", session)
    name_items(call, statements)
    return call
