"""`attribution`: no session without a source identity of its tenant, and no request of one with another."""

import z3

from session_scoping.contract.metadata import ATTRIBUTED_TO
from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.promises import breaking_mint, breaking_request, term_match
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.metadata_context import promise
from session_scoping.verify.symbolic.access import Target
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Bool, Match
from session_scoping.verify.symbolic.trust import permits

RULE = "attribution"


def prove_attribution(proof: Proof) -> Result:
    """
    Prove that a role's sessions carry the source identity its Metadata promises, and act with no other.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    role = proof.role
    identity = promise(role, ATTRIBUTED_TO)
    if identity is None:
        raise UnmodelledError(f"the promise {ATTRIBUTED_TO} is only known at deploy time")
    unnamed = f"a session can be made without a source identity of the form {show(identity)}"
    found = breaking_mint(proof, lambda call, _: _missing(call, "sts:sourceidentity", identity), unnamed)
    if found is None:
        acting = f"a session can act without a source identity of the form {show(identity)}"
        found = breaking_request(proof, lambda call, _: _missing(call, "aws:sourceidentity", identity), acting)
    if found is not None:
        return proof.result(RULE, role.label, Status.VIOLATED, found.summary, counterexample=found)
    if not _possible(proof):
        detail = "the trust policy lets nobody set a source identity, so no session can be made"
        return proof.result(RULE, role.label, Status.VACUOUS, detail)
    return proof.result(RULE, role.label, Status.PROVED, f"every session is made, and acts, as {show(identity)}")


def _missing(call: Call, key: str, identity: Text) -> Bool:
    there, value = call.single(key)
    return z3.Or(z3.Not(there), z3.Not(term_match(identity, value, wildcards=True)))


def _possible(proof: Proof) -> bool:
    admission = proof.admission("A")
    target = Target(lambda _: Match.exact(TRUE))
    setting = permits(proof.role, admission.call, "sts:SetSourceIdentity", target)
    return solve(admission.formula, setting) is not None
