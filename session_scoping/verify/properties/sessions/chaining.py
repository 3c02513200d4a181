"""`no-chaining`: no session reaches another session's role, its own included."""

import z3

from session_scoping.verify.patterns.text import plain
from session_scoping.verify.policies.actions import ASSUME
from session_scoping.verify.policies.model import Role
from session_scoping.verify.policies.statement_queries import REQUEST_TAG
from session_scoping.verify.properties.base import Proof, Witness, confirm
from session_scoping.verify.properties.sessions.derivation import role_target, tools_of
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.symbolic.access import access
from session_scoping.verify.symbolic.calls import Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve

RULE = "no-chaining"


def role_keys(role: Role) -> dict[str, str]:
    """Return the tag keys a trust policy speaks of."""
    found: dict[str, str] = {}
    for condition in (condition for statement in role.trust for condition in statement.conditions):
        if condition.key.lower().startswith(REQUEST_TAG):
            name = condition.key[len(REQUEST_TAG) :]
            found[name.lower()] = name
        elif condition.key.lower() in {"aws:tagkeys", "sts:transitivetagkeys"} and condition.operator.lower() != "null":
            names = [plain(value) for value in condition.values]
            found |= {name.lower(): name for name in names if name and "*" not in name}
    return found


def prove_no_chaining(proof: Proof) -> Result:
    """
    Prove that a session can assume no role of the templates, by its own policies or by a trust policy alone.

    Its own tool roles are left to `derivation`, which proves how they are reached.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    admission = proof.admission("A")
    tools = tools_of(proof.deployment, proof.role)
    for role in (role for role in proof.deployment.roles.values() if role not in tools):
        child = Session("child", {**role_keys(role), **proof.scoped.spelling})
        call = proof.call("A", admission.session)
        call.minted = child
        target = role_target(role, proof.deployment, call.lookup)
        for action in ASSUME:
            reach = access(proof.role, call, action, target)
            if z3.is_false(reach):
                continue
            model = solve(target.domain, child.domain(), reach, admission.formula)
            if model is None:
                continue
            summary = f"a session can assume {role.label}"
            found = confirm(proof, call, model, [Witness(action, role.arn)], summary, policy=role.trust)
            if found is None:
                raise UnmodelledError(f"{summary}, as far as an over-approximation can tell")
            return proof.result(RULE, proof.role.label, Status.VIOLATED, summary, counterexample=found)
    detail = "no session can assume a role of these templates"
    if tools:
        detail += f" but its {len(tools)} tool role{'s' if len(tools) > 1 else ''}"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)
