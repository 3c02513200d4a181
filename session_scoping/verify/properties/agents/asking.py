"""What agent code may ask to act for it: a function it invokes answers with what its own role reaches."""

from collections.abc import Iterator, Sequence
from functools import cache

from session_scoping.aws.effects import Effect, judgement
from session_scoping.contract.metadata import MINTING_FUNCTIONS
from session_scoping.verify.deployment.workloads import runs_as
from session_scoping.verify.patterns.text import Text, plain
from session_scoping.verify.policies.actions import all_covered
from session_scoping.verify.policies.model import Deployment, Role, Store, Workload
from session_scoping.verify.policies.statement_queries import token_minting_mode
from session_scoping.verify.properties.agents.becoming import makes_sessions, may_name, refers_to, runs_with
from session_scoping.verify.properties.agents.compute import RULE, prove_compute
from session_scoping.verify.properties.outside.external_principals import is_trusted
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options, SessionScope
from session_scoping.verify.scoping.stores import named

_AGENTS = "bedrock-agentcore"
"""The service whose workloads are agent code themselves."""
_PRINCIPALS = {"execute-api": "apigateway"}
"""Services whose actions ask workloads of another one."""


def asked(
    role: Role, deployment: Deployment, scoped: Sequence[SessionScope], options: Options
) -> Iterator[tuple[Workload, Role]]:
    """
    Yield what a role may invoke and what each runs with, functions that make sessions for tokens left out.

    Args:
        role: A role agent code runs with.
        deployment: What the templates deploy.
        scoped: The session roles.
        options: What the user says: workloads named as trusted are left out.
    """
    grants = [s for s in role.identity if s.allow and not s.problem and _asks(s.actions, s.not_actions)]
    brokers = [text for item in scoped for text in _minting_functions(item.role)]
    for other in (one for one in deployment.roles.values() if one.id != role.id):
        for workload in runs_with(other, deployment):
            told = is_trusted(workload.role, options.trusted) or named(options.trusted, workload.id, workload.label)
            service = workload.service.partition(".")[0]
            if told or service == _AGENTS or any(refers_to(text, workload.id) for text in brokers):
                continue
            granted = any(
                service in _asks(s.actions, s.not_actions) and may_name(s, workload, deployment) for s in grants
            )
            if granted or any(plain(text) == "*" or runs_as(role, text) for text in workload.open_to):
                yield workload, other


def _minting_functions(role: Role) -> list[Text]:
    found = role.metadata.get(MINTING_FUNCTIONS, []) if token_minting_mode(role) else []
    return [text for text in (found if isinstance(found, list) else [found]) if isinstance(text, tuple)]


@cache
def _asks(actions: tuple[str, ...] | None, not_actions: tuple[str, ...]) -> frozenset[str]:
    """Return the services whose workloads some actions make act on what their caller sends."""
    names = all_covered(actions, not_actions)
    services = {name.partition(":")[0] for name in names if Effect.ASK in judgement(name).effects}
    return frozenset(_PRINCIPALS.get(service, service) for service in services)


def prove_asked(
    deployment: Deployment,
    workload: Workload,
    role: Role,
    caller: Role,
    scoped: Sequence[SessionScope],
    stores: list[Store],
) -> Result:
    """
    Prove that what agent code may invoke neither makes sessions nor reaches tenant data; UNKNOWN where it does.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    trusting = f"--trusted {workload.label.rpartition('/')[2]} says that it acts for its caller's own task only"
    may = f"{caller.label} may invoke {workload.label}"
    if makes_sessions(role, scoped):
        detail = f"{may}, which makes sessions with any tags; {trusting}"
        return Result(RULE, caller.label, Status.UNKNOWN, detail, location=caller.id)
    found = prove_compute(deployment, role, stores)
    if found.status is Status.PROVED:
        return Result(RULE, caller.label, Status.PROVED, f"{may}, which reaches no tenant data", location=caller.id)
    detail = f"{may}, which runs with {role.label}: {found.detail}; {trusting}"
    return Result(RULE, caller.label, Status.UNKNOWN, detail, found.counterexample, location=caller.id)


def handed_to(role: Role, deployment: Deployment, stores: Sequence[Store], options: Options) -> Iterator[Result]:
    """
    Yield what hands tenant data to what runs with a role, each UNKNOWN: whose it is then nobody says.

    Args:
        role: A role agent code runs with.
        deployment: What the templates deploy.
        stores: The tables, buckets and keys with tenant data.
        options: What the user says: what is named as trusted is left out.
    """
    running = {workload.id for workload in runs_with(role, deployment)}
    for one in deployment.handed:
        if not running & one.workloads or named(options.trusted, one.id, one.label):
            continue
        if store := next((store for store in stores if one.touches(store)), None):
            name = one.label.rpartition("/")[2]
            detail = f"{one.label} hands it what it reads of {store.label}; --trusted {name} says that it may"
            yield Result(RULE, role.label, Status.UNKNOWN, detail, location=role.id)
