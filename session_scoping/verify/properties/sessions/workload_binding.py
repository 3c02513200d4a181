"""`workload-binding`: no session is made, and no request of one allowed, outside the VPC; AWS's own calls excepted."""

import z3

from session_scoping.contract.metadata import BOUND_REGION, BOUND_TO, PINNED_BY
from session_scoping.verify.patterns.text import Text, plain, show
from session_scoping.verify.policies.actions import INVOKE
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.promises import breaking_mint, breaking_request, term_match
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.metadata_context import promise
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.strings import Bool, conjunction

RULE = "workload-binding"


def prove_workload_binding(proof: Proof) -> Result:
    """
    Prove that a role's sessions are made and used in the VPC and Region its Metadata promises.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    vpc, region = promise(proof.role, BOUND_TO), promise(proof.role, BOUND_REGION)
    if vpc is None or region is None:
        raise UnmodelledError(f"the promise {BOUND_TO} or {BOUND_REGION} is only known at deploy time")
    found = _found(proof, vpc, region)
    if found is not None:
        return proof.result(RULE, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    detail = f"sessions are made and used in {show(vpc)}, {show(region)} only, but for calls AWS makes for them"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


def _found(proof: Proof, vpc: Text, region: Text) -> Counterexample | None:
    def away(call: Call, key: str, text: Text) -> Bool:
        there, value = call.single(key)
        return z3.Or(z3.Not(there), z3.Not(term_match(text, value, wildcards=False)))

    def outside(call: Call, _action: str) -> Bool:
        return away(call, "aws:sourcevpc", vpc)

    def abroad(call: Call, _action: str) -> Bool:
        return away(call, "aws:requestedregion", region)

    def abroad_but_inference(call: Call, action: str) -> Bool:
        # Cross-Region inference is authorized where it is routed to.
        return z3.And(abroad(call, action), _direct(call), z3.BoolVal(action not in INVOKE))

    return (
        breaking_mint(proof, outside, "a session can be made from outside the VPC")
        or breaking_mint(proof, abroad, "a session can be made in another Region")
        or breaking_request(
            proof,
            lambda call, action: z3.And(outside(call, action), _direct(call)),
            "a session can be used from outside the VPC",
        )
        or breaking_request(proof, abroad_but_inference, "a session can be used in another Region")
        or _unpinned(proof)
    )


def _unpinned(proof: Proof) -> Counterexample | None:
    text = promise(proof.role, PINNED_BY)
    if text is None and PINNED_BY not in proof.role.metadata:
        return None
    tag = plain(text or ())
    if not tag:
        raise UnmodelledError(f"the promise {PINNED_BY} is only known at deploy time")

    def elsewhere(call: Call, _action: str) -> Bool:
        pinned, address = call.single(f"aws:principaltag/{tag.lower()}")
        there, caller = call.single("aws:vpcsourceip")
        right = conjunction([pinned, address != z3.StringVal(""), there, caller == address])
        return z3.And(z3.Not(right), _direct(call))

    return breaking_request(proof, elsewhere, f"a session can be used from another address than its {tag}")


def _direct(call: Call) -> Bool:
    """Whether the session calls by itself: AWS says so, or says nothing."""
    there, value = call.single("aws:viaawsservice")
    return z3.Or(z3.Not(there), value == z3.StringVal("false"))
