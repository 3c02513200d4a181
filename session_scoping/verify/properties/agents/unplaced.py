"""Roles and users that are neither sessions nor agent code, and might be: none of them may reach tenant data."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_TO
from session_scoping.verify.patterns.matching import action_matches
from session_scoping.verify.patterns.naming import is_account
from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.policies.actions import ASSUME, INVOKE, TAG_SESSION
from session_scoping.verify.policies.model import Deployment, Held, Role, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.agents.becoming import makes_sessions, mints, service_of
from session_scoping.verify.properties.agents.compute import RULE, prove_compute
from session_scoping.verify.properties.agents.compute_roles import ComputeRoles
from session_scoping.verify.properties.outside.external_principals import is_trusted
from session_scoping.verify.properties.sessions.derivation import tool_of
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options, SessionScope
from session_scoping.verify.scoping.selectors import named as names_it

_FOR_CALLERS = frozenset({"apigateway", "appsync", "credentials.iot", "iot", "rolesanywhere", "transfer"})
"""Services that answer, act for or give a role to callers whom IAM's policies do not name."""


def unplaced(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: ComputeRoles, options: Options
) -> Iterator[tuple[Role, str]]:
    """
    Yield the roles that no other property asks about although sessions or agents may act as them, each with the reason.

    Args:
        deployment: What the templates deploy.
        scoped: The session roles.
        compute: The roles agent code runs with.
        options: What the user says: roles named as trusted are left out.
    """
    placed = {item.role.id for item in scoped} | {role.id for role in compute.roles}
    minters = [role for role in deployment.principals if makes_sessions(role, scoped)]
    named = {
        text for item in scoped for s in item.role.trust if s.allow for kind, text in s.principals if kind == "AWS"
    }
    outside = {text for text in named if not is_account(text)}
    for role in deployment.roles.values():
        if role.id in placed or tool_of(role) is not None or _is_trusted(role, options):
            continue
        if why := _why(role, minters, outside, asked_for_agents=bool(options.compute_roles)):
            yield role, why
    for user in (
        user for user in deployment.users.values() if user.id not in placed and not _is_trusted(user, options)
    ):
        holds = (held for held in deployment.holds if held.user == user.id)
        if kept := next(
            (held.holder for held in holds if held.role is None or _may_see(compute, held, deployment)), None
        ):
            yield user, f"its access key is kept in {kept}, and who reads that is not looked at"


def _is_trusted(role: Role, options: Options) -> bool:
    return is_trusted(role.arn, options.trusted) or names_it(options.trusted, role.id, role.label)


def _may_see(compute: ComputeRoles, held: Held, deployment: Deployment) -> bool:
    """Whether agent code may call the service of the workload that has a key, which may answer with it."""
    services = {one.type.split("::")[1].lower() for one in deployment.workloads if one.id == held.holder}
    granted = [s for role in compute.roles for s in role.identity if s.allow]
    asked = {name.partition(":")[0].replace("-", "").lower() for s in granted for name in s.actions or ("*",)}
    return any(fnmatchcase(service, name) for service in services for name in asked)


def _why(role: Role, minters: Sequence[Role], outside: set[Text], *, asked_for_agents: bool) -> str | None:
    """Return why sessions or agent code may act as a role; None where nothing says so."""
    if key := next((key for key in (ATTRIBUTED_TO, BOUND_TO) if key in role.metadata), None):
        return f"its sessions are those of agents ({key}), and no tag tells them apart"
    if any(
        s.allow and not s.problem and covers_action(s, TAG_SESSION) and _of_callers(s.principals) for s in role.trust
    ):
        return "its trust admits sessions with tags, and neither it nor a policy of it asks for any"
    entering = [s for s in role.trust if s.allow and any(covers_action(s, action) for action in ASSUME)]
    if minter := next((one for one in minters if entering and mints(one, role)), None):
        return f"{minter.label}, which makes sessions, makes its sessions too, and no tag tells them apart"
    if minting := next((text for s in entering for _, text in s.principals if text in outside), None):
        return f"{show(minting)}, which makes sessions, makes its sessions too, and no tag tells them apart"
    if service := next((one for one in sorted(role.services) if service_of(one) in _FOR_CALLERS), None):
        return f"{service} acts with it for its own callers, and who they are is not looked at"
    named = [name for s in role.identity if s.allow for name in s.actions or () if name.lower().startswith("bedrock:")]
    models = any(action_matches(name, action) for name in named for action in INVOKE)
    if models and role not in minters and not asked_for_agents:
        return "it calls models, so agent code may run with it; --compute-role names the roles that run agents"
    return None


def _of_callers(principals: Sequence[tuple[str, object]]) -> bool:
    """Whether principals choose the tags they pass: services do not."""
    return any(kind != "Service" for kind, _ in principals)


def prove_unplaced(deployment: Deployment, role: Role, why: str, stores: list[Store], trusted: Sequence[str]) -> Result:
    """
    Prove that a role reaches no tenant data; UNKNOWN where it does, because whose it is then nobody said.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    found = prove_compute(deployment, role, stores, trusted=trusted)
    if found.status is Status.PROVED:
        return found
    detail = f"{found.detail}; {why}; --trusted {role.label.rpartition('/')[2]} says that it may"
    return Result(RULE, role.label, Status.UNKNOWN, detail, found.counterexample, location=role.id)
