"""`no-chaining`: no session reaches another session's role, its own included."""

from collections.abc import Iterator, Sequence

from session_scoping.verify.policies.actions import ASSUME
from session_scoping.verify.policies.model import Role
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.derivation import role_keys, role_target, tools_of
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.symbolic.calls import Session

RULE = "no-chaining"


def prove_no_chaining(proof: Proof) -> Result:
    """
    Prove that a session can assume no role of the templates, by its own policies or by a trust policy alone.

    Its own tool roles are left to `derivation`, which proves how they are reached.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    tools = tools_of(proof.deployment, proof.role)
    if found := search(proof, _queries(proof, [one for one in proof.deployment.roles.values() if one not in tools])):
        return proof.result(RULE, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    detail = "no session can assume a role of these templates"
    if tools:
        detail += f" but its {len(tools)} tool role{'s' if len(tools) > 1 else ''}"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


def _queries(proof: Proof, roles: Sequence[Role]) -> Iterator[Query]:
    admission = proof.admission("A")
    for role in roles:
        child = Session("child", {**role_keys(role), **proof.scoped.spelling})
        call = proof.call("A", admission.session)
        call.minted = child
        target, given = role_target(role, proof.deployment, call.lookup), (child.domain(), admission.formula)
        for action in ASSUME:
            yield Query(call, action, target, role.arn, f"a session can assume {role.label}", given, sampled=False)
