"""`compute-isolation`: a role the agent's code runs with reaches no tenant data and changes no role."""

from collections.abc import Collection, Iterator

import z3

from session_scoping.verify.actions import (
    BUCKET,
    ESCALATION,
    FUTURE,
    KEYED,
    OBJECT,
    OBJECT_ADMIN,
    PARTIQL,
    ROUNDABOUT,
    UNKEYED,
)
from session_scoping.verify.infer import scope_without_tags
from session_scoping.verify.matching import split_fields
from session_scoping.verify.model import Estate, Role, Statement, Store
from session_scoping.verify.properties.base import Proof, Witness, classes, confirm, relevant
from session_scoping.verify.properties.entries import entry_arn, entry_target, may_be_access_point
from session_scoping.verify.properties.samples import sample_attempt
from session_scoping.verify.reach import covers_action
from session_scoping.verify.report import Counterexample, Result, Status
from session_scoping.verify.representatives import further, limits_of
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.policies import Target, allowed, resource_pattern
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Key
from session_scoping.verify.symbolic.targets import store_target, where_granted
from session_scoping.verify.text import Pattern, Text, Wildcard, lit

RULE = "compute-isolation"
_TABLE = (*KEYED, *PARTIQL, *UNKEYED, FUTURE[0])
_OBJECT = (*OBJECT, *OBJECT_ADMIN, FUTURE[1])


def prove_compute(
    estate: Estate, role: Role, stores: list[Store], *, perhaps_broker: bool = False, judged: Collection[Text] = ()
) -> Result:
    """
    Prove that a compute role reaches none of the stores and cannot change what any role may do.

    Args:
        estate: What the templates deploy.
        role: The role.
        stores: Tables and buckets with tenant data.
        perhaps_broker: Whether the templates leave open that agent code runs with it. Then what it reaches is
            UNKNOWN, because a broker may hold tenant data.
        judged: ARNs of all compute roles. Who hands one of them to a service gains nothing that is not looked at.
            Default: no role may be handed on.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    proof = Proof(estate, scope_without_tags(role, estate, stores))
    if role.problems:
        raise UnmodelledError(role.problems[0])
    for action, target, arn, suffix, what in _attempts(proof):
        if action == "iam:PassRole" and arn in judged:
            continue
        found = _try(proof, action, target, arn, suffix, what)
        if found and perhaps_broker:
            raise UnmodelledError(f"{what}, and whether agent code runs with it is not said; --compute-role says it")
        if found:
            return proof.result(RULE, role.label, Status.VIOLATED, what, counterexample=found)
    detail = f"reaches none of the {len(stores)} tenant tables and buckets" if stores else "changes no role"
    return proof.result(RULE, role.label, Status.PROVED, detail)


def _attempts(proof: Proof) -> Iterator[tuple[str, Target, Text, str, str]]:
    lookup = _call(proof).lookup
    broken = next((s.problem for s in proof.role.identity if s.problem), None)
    if broken:
        raise UnmodelledError(broken)
    for store in proof.scoped.stores:
        statements = relevant(proof.role, store)
        direct, deeper = _actions_on(store, statements, limits_of(proof.role))
        if not (store.problems or any(s.allow and covers_action(s, a) for s in statements for a in (*direct, *deeper))):
            # Neither its own policies nor the store's grant anything of the kind.
            continue
        place = where_granted(store, statements)
        inside = Key(f"inside {store.id}", frozenset(), 0)
        for action in classes(statements, direct):
            yield action, store_target(place, None, lookup), place.arn, "", f"{action} is allowed on {store.label}"
        for action in classes(statements, deeper):
            what = f"{action} is allowed inside {store.label}"
            yield action, store_target(place, inside, lookup), place.arn, "/", what
    buckets = any(store.kind == "bucket" for store in proof.scoped.stores)
    asked = (*ESCALATION, *ROUNDABOUT, *OBJECT)
    for statement in (s for s in proof.role.identity if s.allow and any(covers_action(s, action) for action in asked)):
        for text in statement.resources if statement.resources is not None else (lit("*"),):
            pattern = resource_pattern(text, statement)
            target, arn = entry_target(pattern, lookup), entry_arn(pattern)
            changing = (*ESCALATION, *(ROUNDABOUT if _names_no_bucket(pattern) and buckets else ()))
            for action in (action for action in changing if covers_action(statement, action)):
                yield action, target, arn, "", f"{action} is allowed"
            if may_be_access_point(pattern) and buckets:
                for action in (action for action in OBJECT if covers_action(statement, action)):
                    yield action, target, arn, "", f"{action} is allowed through an access point, whatever its bucket"


def _actions_on(
    store: Store, statements: list[Statement], limits: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what may be done to a table or bucket and to what is in it, with what statements spell out besides."""
    if store.kind == "table":
        return ((*_TABLE, *further(statements, limits, "dynamodb")),) * 2
    more = further(statements, limits, "s3")
    return (*BUCKET, *more), (*_OBJECT, *more)


def _names_no_bucket(pattern: Pattern) -> bool:
    """Whether a resource may be something of an account's in S3, which a bucket and its objects are not."""
    fields = split_fields(pattern)
    if len(fields) < 6:
        return any(isinstance(part, Wildcard) for part in pattern)
    return bool(fields[4]) and (fields[2] == ("s3",) or any(isinstance(part, Wildcard) for part in fields[2]))


def _call(proof: Proof) -> Call:
    session = Session("compute", proof.scoped.spelling, proof.role.tags)
    call = proof.call("compute", session)
    call.leading_keys = [(z3.Bool("compute names a key"), Key("compute key", frozenset(), 0))]
    return call


def _try(proof: Proof, action: str, target: Target, arn: Text, suffix: str, what: str) -> Counterexample | None:
    call = _call(proof)
    reach = allowed(proof.role, call, action, target)
    if z3.is_false(reach):
        return None
    found = sample_attempt(proof, action, arn, bool(suffix), target.store, what)
    if found:
        return found
    model = solve(target.domain, call.domain(), TRUE, reach)
    if model is None:
        return None
    there, key = call.leading_keys[0]
    keys = (key.read(model),) if z3.is_true(model.eval(there, model_completion=True)) else ()
    inside = Key(f"inside {target.store.id}", frozenset(), 0) if target.store and suffix else None
    end = suffix + (inside.read(model) if inside else "")
    found = confirm(proof, call, model, [Witness(action, arn, end, keys)], what, policy=_policy(target))
    if found is None:
        raise UnmodelledError(f"{what}, as far as an over-approximation can tell; `decide` does not confirm it")
    return found


def _policy(target: Target) -> tuple[Statement, ...]:
    return target.store.policy if target.store else ()
