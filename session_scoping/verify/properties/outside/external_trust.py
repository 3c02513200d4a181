"""Whose trust policies let somebody from outside in, and what that somebody would have then."""

from collections.abc import Sequence
from dataclasses import replace

from session_scoping.verify.policies.actions import ASSUME
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.agents.becoming import makes_sessions, with_reachable
from session_scoping.verify.properties.agents.compute import prove_compute
from session_scoping.verify.properties.outside.external_callers import as_seen, strangers
from session_scoping.verify.properties.outside.external_principals import is_trusted, outsider_of
from session_scoping.verify.properties.outside.federation import lets_many_in
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.symbolic.conditions import UnmodelledError

_Door = tuple[Status, str]


def door_of(role: Role, deployment: Deployment, trusted: Sequence[str]) -> _Door | None:
    """
    Return why somebody from outside may become a role, or None.

    Args:
        role: The role.
        deployment: What the templates deploy.
        trusted: Principals the user lets in: ARNs and account ids as the policy spells them.
    """
    entering = [s for s in role.trust if s.allow and any(covers_action(s, action) for action in ASSUME)]
    found = [door for s in entering if (door := _through(s, role, deployment, trusted))]
    return min(found, key=lambda door: door[0] is not Status.VIOLATED, default=None)


def _through(statement: Statement, role: Role, deployment: Deployment, trusted: Sequence[str]) -> _Door | None:
    if statement.problem:
        return Status.UNKNOWN, f"who may become it cannot be read: {statement.problem}"
    if statement.not_principal:
        return Status.UNKNOWN, f"{statement.where}: NotPrincipal is not modelled"
    for kind, text in statement.principals:
        if is_trusted(text, trusted):
            continue
        if kind == "*" and (door := _everybody(statement)):
            return door
        if kind == "Federated" and (door := lets_many_in(statement, text)):
            return door[0], f"{door[1]}; --trusted says it may"
        outsider = outsider_of(kind, text, deployment, role.env) if kind == "AWS" else None
        if outsider and not outsider.of_the_account:
            return Status.UNKNOWN, f"{statement.where}: {outsider.what} may become it; --trusted says that it may"
    return None


def _everybody(statement: Statement) -> _Door | None:
    """Return whether conditions keep out whom the principal does not."""
    try:
        for stranger in strangers((statement,)):
            for left in as_seen((statement,), stranger):
                status = Status.UNKNOWN if left.conditions else Status.VIOLATED
                return status, f"{statement.where}: {stranger.who} may become it"
    except UnmodelledError as error:
        return Status.UNKNOWN, str(error)
    return None


def prove_door(
    door: _Door, role: Role, deployment: Deployment, scoped: Sequence[SessionScope], stores: Sequence[Store], rule: str
) -> Result:
    """
    Prove that whoever comes in from outside neither makes sessions nor reaches tenant data.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    status, why = door
    sessions = {item.role.id for item in scoped}
    others = [other for other in deployment.roles.values() if other.id not in sessions]
    for became in with_reachable([role], others, scoped, deployment):
        if makes_sessions(became, scoped):
            detail = f"{why}, and {became.label} makes sessions with any tags"
            return Result(rule, role.label, status, detail, location=role.id)
        result = prove_compute(deployment, became, list(stores))
        if result.status is not Status.PROVED:
            detail = f"{why}, and {result.detail}"
            return replace(result, rule=rule, subject=role.label, status=status, detail=detail)
    return Result(rule, role.label, Status.PROVED, "who comes in from outside reaches no tenant data", location=role.id)
