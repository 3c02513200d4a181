"""`work-possible`: what the role grants can really be used, so that "deny everything" is no proof."""

from session_scoping.verify.policies.actions import on_items
from session_scoping.verify.policies.model import Store
from session_scoping.verify.properties.base import Proof, deciding_statements
from session_scoping.verify.properties.memory import memories_of
from session_scoping.verify.properties.samples import sample_works
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.isolation import leading_patterns, may_hold, object_patterns
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import key_for
from session_scoping.verify.symbolic.strings import TRUE
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
    # Whether a Memory can be used, `memory-isolation` says.
    if not checked and not memories_of(proof.role, proof.deployment):
        return proof.result(RULE, proof.role.label, Status.VACUOUS, "the role grants no table and no bucket")
    return proof.result(RULE, proof.role.label, Status.PROVED, "each table and bucket can be used by its own session")


def _possible(proof: Proof, store: Store) -> bool:
    if sample_works(proof, store):
        return True
    admission = proof.admission("A")
    statements = deciding_statements(proof.role, store)
    queries = []
    for action in on_items(store.kind):
        call = proof.call("A", admission.session)
        if store.kind == "table":
            key = key_for("own", leading_patterns(statements, proof, store), may_hold(proof))
            call.leading_keys = [(TRUE, key)]
            target = store_target(store, None, call.lookup)
        else:
            key = key_for("own", object_patterns(statements, proof, store), may_hold(proof))
            target = store_target(store, key, call.lookup)
        given = (target.domain, admission.formula)
        inside = None if store.kind == "table" else key
        what = f"{action} is possible on {store.label}"
        queries.append(Query(call, action, target, store.arn, what, given, inside, sampled=False, wanted=True))
    return search(proof, queries) is not None
