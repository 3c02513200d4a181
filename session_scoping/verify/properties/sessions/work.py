"""`work-possible`: what the role grants can really be used, so that "deny everything" is no proof."""

import z3

from session_scoping.verify.policies.actions import on_items
from session_scoping.verify.policies.model import Store
from session_scoping.verify.properties.base import Proof, Witness, confirm, deciding_statements
from session_scoping.verify.properties.samples import sample_works
from session_scoping.verify.properties.sessions.isolation import leading_patterns, may_hold, object_patterns
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.symbolic.access import access
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, conjunction, key_for
from session_scoping.verify.symbolic.targets import store_target

RULE = "work-possible"


def prove_work_possible(proof: Proof) -> Result:
    """
    Show, for every table and bucket and every kind of key, one request of an admitted session that is allowed.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    if proof.role.boundary_problem:
        raise UnmodelledError(f"permissions boundary: {proof.role.boundary_problem}")
    checked = 0
    for store in proof.scoped.stores:
        formats = proof.scoped.formats[store.id]
        if not formats and store.id.startswith("any other"):
            continue
        checked += 1
        if not _possible(proof, store):
            detail = f"no session can use {store.label}: every grant is denied or can never apply"
            return proof.result(RULE, proof.role.label, Status.VACUOUS, detail)
    if not checked:
        return proof.result(RULE, proof.role.label, Status.VACUOUS, "the role grants no table and no bucket")
    return proof.result(RULE, proof.role.label, Status.PROVED, "each table and bucket can be used by its own session")


def _possible(proof: Proof, store: Store) -> bool:
    if sample_works(proof, store):
        return True
    admission = proof.admission("A")
    statements = deciding_statements(proof.role, store)
    doubtful = False
    for action in on_items(store.kind):
        call = proof.call("A", admission.session)
        if store.kind == "table":
            key = key_for("own", leading_patterns(statements, proof, store), may_hold(proof))
            call.leading_keys = [(TRUE, key)]
            target = store_target(store, None, call.lookup)
        else:
            key = key_for("own", object_patterns(statements, proof, store), may_hold(proof))
            target = store_target(store, key, call.lookup)
        reach = access(proof.role, call, action, target)
        if z3.is_false(reach):
            continue
        model = solve(conjunction([target.domain, call.domain(), reach, admission.formula]))
        if model is None:
            continue
        text = key.read(model)
        on_item, on_object = (
            Witness(action, store.arn, "", (text,)),
            Witness(action, store.arn, store.before_key + text),
        )
        witness = on_item if store.kind == "table" else on_object
        if confirm(proof, call, model, [witness], "", policy=store.policy):
            return True
        doubtful = True
    if doubtful:
        raise UnmodelledError(f"a use of {store.label} is possible only as far as an over-approximation can tell")
    return False
