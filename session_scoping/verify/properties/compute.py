"""`compute-isolation`: a role the agent's code runs with reaches no tenant data and changes no role."""

from collections.abc import Iterator

import z3

from session_scoping.verify.actions import BUCKET, ESCALATION, FUTURE, KEYED, OBJECT, OBJECT_ADMIN, PARTIQL, UNKEYED
from session_scoping.verify.infer import Options, Scoped, find_session_roles, named
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.properties.base import Proof, Witness, classes, confirm
from session_scoping.verify.properties.entries import entry_arn, entry_target
from session_scoping.verify.properties.samples import sample_attempt
from session_scoping.verify.reach import OTHER_TAG, covers_action, may_be_role
from session_scoping.verify.report import Counterexample, Result, Status
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.policies import Target, allowed, resource_pattern
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Key
from session_scoping.verify.symbolic.targets import store_target
from session_scoping.verify.text import Text, lit

RULE = "compute-isolation"
_RUNTIMES = ("bedrock-agentcore.amazonaws.com", "ecs-tasks.amazonaws.com")
_TABLE = (*KEYED, *PARTIQL, *UNKEYED, FUTURE[0])
_OBJECT = (*OBJECT, *OBJECT_ADMIN, FUTURE[1])


def find_compute_roles(estate: Estate, scoped: list[Scoped], options: Options) -> tuple[list[Role], list[str]]:
    """
    Return the roles that agent code runs with, and what was assumed to find them.

    Those the user names; else the roles session trust policies name, and the roles of agent runtimes. Where an
    agent runtime's role may not mint, whoever may is a broker outside the agent's reach and is left out. A role
    that a compute role may assume counts as one.
    """
    sessions = {item.role.id for item in scoped}
    others = [role for role in estate.roles.values() if role.id not in sessions]
    if options.compute_roles:
        return [role for role in others if named(options.compute_roles, role.id, role.label)], []
    minters = [role for role in others if any(mints(role, item.role) for item in scoped)]
    runtimes = [role for role in others if scoped and role.services & set(_RUNTIMES)]
    if runtimes and not any(role in minters for role in runtimes):
        notes = [f"{role.label} mints sessions and agent code does not run with it" for role in minters]
        return _with_assumable(runtimes, others), notes
    notes = [f"{role.label} may mint any session: code that reads its credentials is not contained" for role in minters]
    return _with_assumable([*minters, *(role for role in runtimes if role not in minters)], others), notes


def _with_assumable(found: list[Role], others: list[Role]) -> list[Role]:
    """Add the roles whose trust policies name a compute role, or its account when the role may assume roles."""
    found = list(found)
    for role in found:
        assumes = any(s.allow and not s.problem and covers_action(s, "sts:AssumeRole") for s in role.identity)
        for other in others:
            if other not in found and (mints(role, other) or (assumes and _trusts_account(other))):
                found.append(other)
    return found


def _trusts_account(role: Role) -> bool:
    texts = [text for s in role.trust if s.allow for kind, text in s.principals if kind == "AWS"]
    return any("".join(part for part in text if isinstance(part, str)).endswith(":root") for text in texts)


def outside_minters(estate: Estate, scoped: list[Scoped]) -> list[Text]:
    """Return the principals of session trust policies whose policies are not in the templates."""
    found: list[Text] = []
    for statement in (s for item in scoped for s in item.role.trust if s.allow):
        for kind, text in statement.principals:
            known = any(text == role.arn or may_be_role(text, role) for role in estate.roles.values())
            if kind == "AWS" and not known and text not in found:
                found.append(text)
    return found


def mints(role: Role, session_role: Role) -> bool:
    """Whether a session role's trust policy names a role."""
    return any(
        statement.allow
        and any(kind == "AWS" and (text == role.arn or may_be_role(text, role)) for kind, text in statement.principals)
        for statement in session_role.trust
    )


def prove_compute(estate: Estate, role: Role, stores: list[Store]) -> Result:
    """Prove that a compute role reaches none of the stores and cannot change what any role may do."""
    scoped = Scoped(role, (), {OTHER_TAG: OTHER_TAG}, stores)
    proof = Proof(estate, scoped)
    if role.problems:
        raise UnmodelledError(role.problems[0])
    for action, target, arn, suffix, what in _attempts(proof):
        found = _try(proof, action, target, arn, suffix, what)
        if found:
            return proof.result(RULE, role.label, Status.VIOLATED, what, counterexample=found)
    count = len(stores)
    return proof.result(RULE, role.label, Status.PROVED, f"reaches none of the {count} tenant tables and buckets")


def _attempts(proof: Proof) -> Iterator[tuple[str, Target, Text, str, str]]:
    lookup = _call(proof).lookup
    broken = next((s.problem for s in proof.role.identity if s.problem), None)
    if broken:
        raise UnmodelledError(broken)
    granting = {
        kind: any(s.allow and any(covers_action(s, action) for action in actions) for s in proof.role.identity)
        for kind, actions in (("table", _TABLE), ("bucket", (*BUCKET, *_OBJECT)))
    }
    for store in proof.scoped.stores:
        if not (granting.get(store.kind) or any(s.allow for s in store.policy) or store.problems):
            # Neither its own policies nor the store's grant anything of the kind.
            continue
        statements = [*proof.role.identity, *store.policy]
        inside = Key(f"inside {store.id}", frozenset(), 0)
        direct, deeper = (_TABLE, _TABLE) if store.kind == "table" else (BUCKET, _OBJECT)
        for action in classes(statements, direct):
            yield action, store_target(store, None, lookup), store.arn, "", f"{action} is allowed on {store.label}"
        for action in classes(statements, deeper):
            what = f"{action} is allowed inside {store.label}"
            yield action, store_target(store, inside, lookup), store.arn, "/", what
    for statement in proof.role.identity:
        if not statement.allow or statement.problem:
            continue
        for action in ESCALATION:
            if covers_action(statement, action):
                for text in statement.resources if statement.resources is not None else (lit("*"),):
                    pattern = resource_pattern(text, statement)
                    arn = entry_arn(pattern)
                    yield action, entry_target(pattern, lookup), arn, "", f"{action} is allowed"


def _call(proof: Proof) -> Call:
    # Which tags a compute role's own session carries is not known here: leave them all open.
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
    policy = target.store.policy if target.store else ()
    found = confirm(proof, call, model, [Witness(action, arn, end, keys)], what, policy=policy)
    if found is None:
        raise UnmodelledError(f"{what}, as far as an over-approximation can tell; `decide` does not confirm it")
    return found


def session_roles(estate: Estate, options: Options) -> list[Role]:
    """Return the session roles of an estate."""
    return find_session_roles(estate, options)
