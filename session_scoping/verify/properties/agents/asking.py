"""What agent code may ask to act for it: a function it invokes answers with what its own role reaches."""

from collections.abc import Iterator, Sequence
from functools import cache

from session_scoping.aws.effects import Effect, judgement
from session_scoping.contract.metadata import MINTING_FUNCTIONS
from session_scoping.verify.deployment.workloads import runs_as
from session_scoping.verify.patterns.text import Text, Token, show
from session_scoping.verify.policies.actions import all_covered
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store, Workload
from session_scoping.verify.policies.statement_queries import token_minting_mode
from session_scoping.verify.properties.agents.becoming import (
    makes_sessions,
    may_name,
    refers_to,
    runs_with,
    with_reachable,
)
from session_scoping.verify.properties.agents.compute import RULE, prove_compute
from session_scoping.verify.properties.agents.token_minting import signs_tokens
from session_scoping.verify.properties.outside.external_principals import is_trusted
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options, SessionScope
from session_scoping.verify.scoping.stores import named

_AGENTS = "bedrock-agentcore"
"""The service whose workloads are agent code themselves."""
_PRINCIPALS = {"execute-api": "apigateway"}
"""Services whose actions ask workloads of another one."""
_BY_EVENT = {"events", "cloudwatch"}
"""Services that start functions by an event, which is not followed."""


def asked(
    role: Role, deployment: Deployment, scoped: Sequence[SessionScope], options: Options
) -> Iterator[tuple[Workload, Role]]:
    """
    Yield what a role may invoke and what each runs with, functions that make sessions for tokens left out.

    It may invoke what its own policies let it, a function whose policy names it, and one that admits a service which
    calls it for the role.

    Args:
        role: A role agent code runs with, or one that acts for one.
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
            directly = (
                service in _asks(s.actions, s.not_actions) and may_name(s, workload, deployment) for s in grants
            )
            if any(directly) or any(_admits(s, role, grants) for s in workload.policy if s.allow):
                yield workload, other


def _admits(statement: Statement, role: Role, grants: Sequence[Statement]) -> bool:
    """Whether a statement of a function's policy admits a role, or a service that calls the function for it."""
    for kind, text in statement.principals:
        if kind == "*" or (kind == "AWS" and runs_as(role, text)):
            return True
        service = show(text).partition(".")[0]
        if kind == "Service" and any(_calls(service, s, statement) for s in grants):
            return True
    return False


def _calls(service: str, grant: Statement, statement: Statement) -> bool:
    """Whether a grant lets its caller ask something of a service that a function's policy may admit."""
    if service not in _asks(grant.actions, grant.not_actions, changing=service in _BY_EVENT):
        return False
    sources = [text for c in statement.conditions if c.key.lower() == "aws:sourcearn" for text in c.values]
    theirs = set().union(*map(_resources_in, sources))
    ours = [_resources_in(text) for text in grant.resources or ((),)]
    # The ARNs by which an API is called and calls begin alike; those of an agent and of its alias do not.
    return service != "apigateway" or not theirs or any(not one or one & theirs for one in ours)


def _resources_in(text: Text) -> set[str]:
    """Return the resources of the templates that a text refers to, by stack and logical id."""
    names = [part.name for part in text if isinstance(part, Token) and not part.name.startswith("AWS::")]
    return {".".join(name.split(".")[:2]) for name in names}


def acting_for(role: Role, deployment: Deployment, scoped: Sequence[SessionScope], options: Options) -> list[Role]:
    """
    Return a role, those that it may become, and those that what they may invoke runs with, and so on.

    What an event starts is not followed.
    """
    sessions = {item.role.id for item in scoped}
    others = [one for one in deployment.roles.values() if one.id not in sessions]
    found = with_reachable([role], others, scoped, deployment)
    for one in found:
        for workload, other in asked(one, deployment, scoped, options):
            if workload.service not in _BY_EVENT:
                known = {each.id for each in found}
                more = with_reachable([other], others, scoped, deployment)
                found += [each for each in more if each.id not in known]
    return found


def _minting_functions(role: Role) -> list[Text]:
    found = role.metadata.get(MINTING_FUNCTIONS, []) if token_minting_mode(role) else []
    return [text for text in (found if isinstance(found, list) else [found]) if isinstance(text, tuple)]


@cache
def _asks(actions: tuple[str, ...] | None, not_actions: tuple[str, ...], *, changing: bool = False) -> frozenset[str]:
    """Return the services whose workloads some actions make act on what their caller sends, or on what he changes."""
    wanted = {Effect.ASK, Effect.BECOME} if changing else {Effect.ASK}
    names = all_covered(actions, not_actions)
    services = {name.partition(":")[0] for name in names if wanted <= judgement(name).effects}
    return frozenset(_PRINCIPALS.get(service, service) for service in services)


def prove_asked(
    deployment: Deployment,
    workload: Workload,
    role: Role,
    caller: Role,
    scoped: Sequence[SessionScope],
    stores: list[Store],
    options: Options,
) -> Result:
    """
    Prove that what agent code may invoke neither makes sessions nor reaches tenant data; UNKNOWN where it does.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    trusting = f"--trusted {workload.label.rpartition('/')[2]} says that it acts for its caller's own task only"
    may = f"{caller.label} may invoke {workload.label}"
    follow = workload.service not in _BY_EVENT
    for other in acting_for(role, deployment, scoped, options) if follow else [role]:
        if makes_sessions(other, scoped) or signs_tokens(other, deployment, scoped):
            detail = f"{may}, by which {other.label} makes sessions with any tags; {trusting}"
            return Result(RULE, caller.label, Status.UNKNOWN, detail, location=caller.id)
        found = prove_compute(deployment, other, stores)
        if found.status is not Status.PROVED:
            runs = "which runs" if other is role else "by which something runs"
            detail = f"{may}, {runs} with {other.label}: {found.detail}; {trusting}"
            return Result(RULE, caller.label, Status.UNKNOWN, detail, found.counterexample, location=caller.id)
    return Result(RULE, caller.label, Status.PROVED, f"{may}, which reaches no tenant data", location=caller.id)


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
