"""Which roles agent code runs with: those the user names, else what templates can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from session_scoping.verify.patterns.text import Text, Token, show
from session_scoping.verify.policies.model import Deployment, Role
from session_scoping.verify.policies.statement_queries import AGENT_RUNTIMES, covers_action, may_be_role
from session_scoping.verify.properties.agents.becoming import makes_sessions, mints, subjects_of, with_reachable
from session_scoping.verify.properties.outside.external_principals import is_trusted, outsider_of
from session_scoping.verify.scoping.infer import Options, SessionScope
from session_scoping.verify.scoping.stores import named


@dataclass(frozen=True)
class ComputeRoles:
    """
    The roles agent code is taken to run with.

    Attributes:
        roles: They must not reach tenant data.
        perhaps_brokers: Ids of those that mint while other runtimes do not, so that they may be brokers.
        by_service: Ids of those that are taken for an agent's because of the service that assumes them alone.
        outside: Minters whose policies are not in the templates.
        escapes: Minters that a role may become while another role mints for agents.
        beside: Minters that may run agents while another role mints for them, so that agent code may choose the tags.
        notes: What was assumed.
    """

    roles: tuple[Role, ...]
    perhaps_brokers: frozenset[str] = frozenset()
    by_service: frozenset[str] = frozenset()
    outside: tuple[Text, ...] = ()
    escapes: tuple[Role, ...] = ()
    beside: tuple[Role, ...] = ()
    notes: tuple[str, ...] = ()


def find_compute_roles(deployment: Deployment, scoped: Sequence[SessionScope], options: Options) -> ComputeRoles:
    """
    Return the roles agent code runs with.

    Without the user's word: who may mint, and the roles of agent runtimes; also what those may become. Where a role is
    denied to mint by name, it is a compute role, and whoever mints is a broker outside its reach: that is how
    `Minting.by_orchestrator` says it.
    """
    sessions = {item.role.id for item in scoped}
    others = [role for role in deployment.principals if role.id not in sessions]
    if options.compute_roles:
        given = tuple(role for role in others if named(options.compute_roles, role.id, role.label))
        note = (
            f"agent code runs with {', '.join(role.label for role in given)} only, as given, and what those may become"
        )
        become = with_reachable(list(given), others, scoped, deployment)
        return ComputeRoles(tuple(become), escapes=_escapes(given, become, scoped), notes=(note,))
    minters = [role for role in others if makes_sessions(role, scoped)]
    runtimes = [role for role in others if scoped and (any(map(_may_run_agents, role.services)) or _is_a_pod_s(role))]
    kept_out = [role for role in others if any(_denied_to_mint(role, item.role) for item in scoped)]
    outside = tuple(t for t in _outside_minters(deployment, scoped) if not is_trusted(t, options.trusted))
    idle = [role for role in runtimes if role not in (*minters, *kept_out)]
    by_service = frozenset(role.id for role in idle)
    if kept_out:
        # Agent runtimes do mint as brokers, too; where one reaches tenant data, --compute-role has to say which it is.
        brokers = [role for role in minters if role not in (*kept_out, *runtimes)]
        perhaps = frozenset(role.id for role in minters if role in runtimes and role not in kept_out)
        found = _distinct([*kept_out, *runtimes])
        # A broker of one's own account is taken at the Deny's word; of another account nothing here says anything.
        strangers = tuple(text for text in outside if not _of_the_account(text, deployment, scoped))
        labels = [*(role.label for role in brokers), *(show(text) for text in outside if text not in strangers)]
        notes = tuple(f"{label} mints sessions and agent code does not run with it" for label in labels)
        roles = tuple(with_reachable(found, others, scoped, deployment))
        escapes = _escapes(found, roles, scoped)
        beside = tuple(role for role in minters if role in runtimes or role in kept_out)
        beside = tuple(role for role in beside if not _surely_denied(role, scoped))
        return ComputeRoles(roles, perhaps, by_service, strangers, escapes, beside, notes)
    notes = tuple(
        f"{role.label} may mint any session: code that reads its credentials is not contained" for role in minters
    )
    perhaps = frozenset(role.id for role in minters if idle and role not in runtimes)
    roles = tuple(with_reachable(_distinct([*minters, *runtimes]), others, scoped, deployment))
    # A Deny that does not always hold says whom it was meant to keep out, where somebody else mints.
    meant = [role for role in minters if any(_denied_to_mint(role, one.role, always=False) for one in scoped)]
    beside = tuple(meant) if len(minters) > len(meant) or outside else ()
    return ComputeRoles(roles, perhaps, by_service, outside, beside=beside, notes=notes)


def _escapes(named: Sequence[Role], become: Sequence[Role], scoped: Sequence[SessionScope]) -> tuple[Role, ...]:
    """Return the minters among what some roles may become, when one of them is denied to mint."""
    if not any(_denied_to_mint(role, item.role) for role in named for item in scoped):
        return ()
    others = [role for role in become if role.id not in {one.id for one in named}]
    return tuple(role for role in others if makes_sessions(role, scoped))


def _is_a_pod_s(role: Role) -> bool:
    """Whether pods take a role with their service account's token."""
    subjects = (pattern for s in role.trust if s.allow for pattern in subjects_of(s) if pattern)
    return any(isinstance(first, str) and first.startswith("system:serviceaccount:") for first, *_ in subjects)


def _may_run_agents(service: str) -> bool:
    # A service that is only known at deploy time begins with what stands for it.
    return service.startswith((*AGENT_RUNTIMES, "{"))


def _of_the_account(text: Text, deployment: Deployment, scoped: Sequence[SessionScope]) -> bool:
    envs = {part.name.removeprefix("AWS::AccountId") for item in scoped for part in item.role.arn if _is_account(part)}
    outsiders = [outsider_of("AWS", text, deployment, env) for env in envs]
    return all(outsider is None or outsider.of_the_account for outsider in outsiders)


def _is_account(part: str | Token) -> TypeGuard[Token]:
    return isinstance(part, Token) and part.kind == "account"


def _surely_denied(role: Role, scoped: Sequence[SessionScope]) -> bool:
    """Whether a role can make no session of those that name it."""
    return all(_denied_to_mint(role, item.role) for item in scoped if mints(role, item.role))


def _denied_to_mint(role: Role, session_role: Role, *, always: bool = True) -> bool:
    """
    Whether a role carries a Deny on assuming this very session role; one on everything is some other guardrail.

    Args:
        role: The role.
        session_role: The session role.
        always: Whether the Deny has to hold whatever the request. Default: it has to.
    """
    return any(
        not statement.allow
        and not (always and (statement.conditions or statement.template_conditions))
        and covers_action(statement, "sts:AssumeRole")
        and session_role.arn in (statement.resources or ())
        for statement in role.identity
    )


def _distinct(roles: list[Role]) -> list[Role]:
    return list({role.id: role for role in roles}.values())


def _outside_minters(deployment: Deployment, scoped: Sequence[SessionScope]) -> tuple[Text, ...]:
    """Return the principals of session trust policies whose policies are not in the templates."""
    found: list[Text] = []
    for statement in (s for item in scoped for s in item.role.trust if s.allow):
        for kind, text in statement.principals:
            known = any(text == role.arn or may_be_role(text, role) for role in deployment.principals)
            if kind == "AWS" and not known and text not in found:
                found.append(text)
    return tuple(found)
