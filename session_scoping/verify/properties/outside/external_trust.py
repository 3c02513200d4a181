"""Trust policies that let somebody from outside become a role: by name, by a service, or by a token."""

import re
from collections.abc import Sequence
from dataclasses import replace

from session_scoping.verify.patterns.text import Text, Token, plain, show
from session_scoping.verify.policies.actions import ASSUME
from session_scoping.verify.policies.model import Condition, Deployment, Role, Statement, Store, Workload
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.agents.asking import acting_for
from session_scoping.verify.properties.agents.becoming import makes_sessions, runs_with
from session_scoping.verify.properties.agents.compute import prove_compute
from session_scoping.verify.properties.outside.external_access import RULE
from session_scoping.verify.properties.outside.external_callers import as_seen, strangers
from session_scoping.verify.properties.outside.external_principals import is_trusted, outsider_of, outsiders_of
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options, SessionScope
from session_scoping.verify.scoping.stores import named
from session_scoping.verify.symbolic.conditions import UnmodelledError

_Door = tuple[Status, str]


def door_of(role: Role, deployment: Deployment, trusted: Sequence[str]) -> _Door | None:
    """
    Return why somebody from outside may become a role, or invoke a function that runs with it, or None.

    Args:
        role: The role.
        deployment: What the templates deploy.
        trusted: Principals the user lets in: ARNs and account ids as the policy spells them; functions by their names.
    """
    entering = [s for s in role.trust if s.allow and any(covers_action(s, action) for action in ASSUME)]
    found = [door for s in entering if (door := _through(s, role, deployment, trusted))]
    for workload in runs_with(role, deployment):
        if workload.policy and not named(trusted, workload.id, workload.label):
            found += filter(None, (_to_function(s, workload, role, deployment, trusted) for s in workload.policy))
    return min(found, key=lambda door: door[0] is not Status.VIOLATED, default=None)


def _to_function(
    statement: Statement, workload: Workload, role: Role, deployment: Deployment, trusted: Sequence[str]
) -> _Door | None:
    """Return why a function's policy lets somebody from outside invoke it; what it does for them, it decides."""
    name = workload.label
    says = f"--trusted {name.rpartition('/')[2]} says that it decides itself what its caller may have"
    if statement.problem:
        return Status.UNKNOWN, f"who may invoke {name} cannot be read: {statement.problem}"
    left = tuple(pair for pair in statement.principals if not is_trusted(pair[1], trusted))
    if entering := _everybody(replace(statement, principals=left)):
        return Status.UNKNOWN, f"{entering[1].replace('become it', f'invoke {name}')}; {says}"
    for text, outsider in outsiders_of(statement, deployment, role.env):
        if not outsider.of_the_account and not is_trusted(text, trusted):
            return Status.UNKNOWN, f"{statement.where}: {outsider.what} may invoke {name}; {says}"
    return None


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
    door: _Door,
    role: Role,
    deployment: Deployment,
    scoped: Sequence[SessionScope],
    stores: Sequence[Store],
    options: Options,
) -> Result:
    """
    Prove that whoever comes in from outside neither makes sessions nor reaches tenant data.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    status, why = door
    for became in acting_for(role, deployment, scoped, options):
        if makes_sessions(became, scoped):
            detail = f"{why}, and {became.label} makes sessions with any tags"
            return Result(RULE, role.label, status, detail, location=role.id)
        result = prove_compute(deployment, became, list(stores))
        if result.status is not Status.PROVED:
            detail = f"{why}, and {result.detail}"
            return replace(result, rule=RULE, subject=role.label, status=status, detail=detail)
    return Result(RULE, role.label, Status.PROVED, "who comes in from outside reaches no tenant data", location=role.id)


CLAIMS = ("aud", "sub")


def unpinned(statement: Statement, provider: Text) -> tuple[Status, str] | None:
    """
    Return what is wrong with how a statement takes the tokens of a Federated principal, or None.

    Both claims must be equal to literals: an issuer signs for others too, and a subject of a pattern is anybody.

    Source:
        IAM reference_policies_iam-condition-keys, "Available keys for AWS OIDC federation": `<issuer>:aud`,
        `<issuer>:sub`.
    """
    issuer = _issuer(provider)
    if issuer is None:
        return Status.UNKNOWN, f"{statement.where}: {show(provider)} is no OIDC provider whose issuer is known here"
    for claim in CLAIMS:
        values = [v for c in statement.conditions if _compares(c, f"{issuer}:{claim}") for v in _exact(c)]
        if not values:
            detail = f"a token of {issuer} with any `{claim}` makes a session"
            return Status.VIOLATED, f"{statement.where}: {detail}"
        if any(plain(value) is None for value in values):
            return Status.UNKNOWN, f"{statement.where}: the `{claim}` that is trusted is only known at deploy time"
    return None


def lets_many_in(statement: Statement, provider: Text) -> tuple[Status, str] | None:
    """
    Return why a statement may take tokens of people its author does not know, or None.

    Unlike `unpinned` it takes a subject that begins with whose it is, such as `repo:org/name:*`: what stands behind is
    the owner's own. For roles that do not say whose session they make.
    """
    issuer = _issuer(provider)
    if issuer is None:
        return Status.UNKNOWN, f"{statement.where}: whom {show(provider)} lets in is not modelled"
    for claim in CLAIMS:
        key = f"{issuer}:{claim}"
        if not any(condition.key.lower() == key for condition in statement.conditions):
            return Status.VIOLATED, f"{statement.where}: a token of {issuer} with any `{claim}` lets somebody in"
        values = [value for c in statement.conditions if _compares(c, key) for value in c.values]
        texts = ["".join(map(_at_most, value)) for value in values]
        if not texts or not all(map(_says_whose, texts)):
            detail = f"tokens of {issuer} with many a `{claim}` let somebody in"
            return Status.UNKNOWN, f"{statement.where}: {detail}"
    return None


def _at_most(part: str | Token) -> str:
    """Return a part of a pattern; what may hold anything at deploy time may hold a wildcard."""
    return part if isinstance(part, str) else "*" if part.kind == "free" else "x"


def _says_whose(pattern: str) -> bool:
    """Whether a pattern has no wildcard, or only behind whole parts of a name, of which the second says whose it is."""
    head = re.split(r"[*?$]", pattern)[0]
    return bool(pattern) and (head == pattern or (head[-1:] in set(":/") and len(re.findall("[:/]", head)) > 1))


def _issuer(provider: Text) -> str | None:
    """Return host and path of the issuer, in the lower case condition keys are compared in."""
    last = provider[-1] if provider else ""
    if not isinstance(last, str) or "oidc-provider/" not in last:
        return None
    return last.partition("oidc-provider/")[2].lower() or None


def _compares(condition: Condition, key: str) -> bool:
    return condition.key.lower() == key and condition.operator.lower() in ("stringequals", "stringlike")


def _exact(condition: Condition) -> list[Text]:
    """Return the values; none when one of them is empty or a pattern, because values of one key are alternatives."""
    texts = ["".join(part for part in value if isinstance(part, str)) for value in condition.values]
    # A variable can stand for the claim itself.
    special = set("*?$") if condition.operator.lower() == "stringlike" else set("$")
    wild = any(special & set(text) for text in texts)
    return [] if wild or not all(condition.values) else list(condition.values)
