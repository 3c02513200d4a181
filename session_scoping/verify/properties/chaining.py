"""`no-chaining`: no session reaches another session's role, its own included."""

import z3

from session_scoping.verify.actions import ASSUME
from session_scoping.verify.model import Store
from session_scoping.verify.properties.base import Proof, Witness, confirm
from session_scoping.verify.report import Result, Status
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.policies import allowed
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.targets import other_target

RULE = "no-chaining"


def prove_no_chaining(proof: Proof) -> Result:
    """Prove that a session can assume no role of the templates, by its own policies or by a trust policy alone."""
    admission = proof.admission("A")
    for role in proof.estate.roles.values():
        call = proof.call("A", admission.session)
        target = other_target(role.arn, call.lookup)
        # A trust policy is the role's resource policy: one that names the session needs no identity policy.
        target.store = Store("role", role.id, role.label, role.arn, role.name, policy=role.trust)
        for action in ASSUME:
            reach = allowed(proof.role, call, action, target)
            if z3.is_false(reach):
                continue
            model = solve(target.domain, reach, admission.formula)
            if model is None:
                continue
            summary = f"a session can assume {role.label}"
            found = confirm(proof, call, model, [Witness(action, role.arn)], summary, policy=role.trust)
            if found is None:
                raise UnmodelledError(f"{summary}, as far as an over-approximation can tell")
            return proof.result(RULE, proof.role.label, Status.VIOLATED, summary, counterexample=found)
    return proof.result(RULE, proof.role.label, Status.PROVED, "no session can assume a role of these templates")
