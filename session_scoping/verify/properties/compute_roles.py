"""Which roles agent code runs with: those the user names, else what templates can tell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from session_scoping.verify.infer import Options, Scoped
from session_scoping.verify.model import Estate, Role
from session_scoping.verify.naming import is_account, role_name_in
from session_scoping.verify.properties.outsiders import is_trusted, outsider_of
from session_scoping.verify.reach import AGENT_RUNTIMES, covers_action, may_be_role
from session_scoping.verify.stores import named
from session_scoping.verify.text import Text, Token, is_exact, lit, plain, show


@dataclass(frozen=True)
class ComputeRoles:
    """
    The roles agent code is taken to run with.

    Attributes:
        roles: They must not reach tenant data.
        perhaps_brokers: Ids of those that mint while other runtimes do not, so that they may be brokers.
        by_service: Ids of those that are taken for an agent's because of the service that assumes them alone.
        outside: Minters whose policies are not in the templates.
        escapes: Minters that a role may become which is denied to mint.
        notes: What was assumed.
    """

    roles: tuple[Role, ...]
    perhaps_brokers: frozenset[str] = frozenset()
    by_service: frozenset[str] = frozenset()
    outside: tuple[Text, ...] = ()
    escapes: tuple[Role, ...] = ()
    notes: tuple[str, ...] = ()


def find_compute_roles(estate: Estate, scoped: Sequence[Scoped], options: Options) -> ComputeRoles:
    """
    Return the roles agent code runs with.

    Without the user's word: who may mint, and the roles of agent runtimes; also what those may become. Where a role is
    denied to mint by name, it is a compute role, and whoever mints is a broker outside its reach: that is how
    `Minting.by_orchestrator` says it.
    """
    sessions = {item.role.id for item in scoped}
    others = [role for role in estate.roles.values() if role.id not in sessions]
    if options.compute_roles:
        given = tuple(role for role in others if named(options.compute_roles, role.id, role.label))
        note = (
            f"agent code runs with {', '.join(role.label for role in given)} only, as given, and what those may become"
        )
        become = with_reachable(list(given), others, scoped)
        return ComputeRoles(tuple(become), escapes=_escapes(given, become, scoped), notes=(note,))
    minters = [role for role in others if any(mints(role, item.role) for item in scoped)]
    runtimes = [role for role in others if scoped and any(map(_may_run_agents, role.services))]
    kept_out = [role for role in others if any(_denied_to_mint(role, item.role) for item in scoped)]
    outside = _outside_minters(estate, scoped)
    idle = [role for role in runtimes if role not in (*minters, *kept_out)]
    by_service = frozenset(role.id for role in idle)
    if kept_out:
        # Agent runtimes do mint as brokers, too; where one reaches tenant data, --compute-role has to say which it is.
        brokers = [role for role in minters if role not in (*kept_out, *runtimes)]
        perhaps = frozenset(role.id for role in minters if role in runtimes and role not in kept_out)
        found = _distinct([*kept_out, *runtimes])
        # A broker of one's own account is taken at the Deny's word; of another account nothing here says anything.
        strangers = tuple(
            text
            for text in outside
            if not _of_the_account(text, estate, scoped) and not is_trusted(text, options.trusted)
        )
        labels = [*(role.label for role in brokers), *(show(text) for text in outside if text not in strangers)]
        notes = tuple(f"{label} mints sessions and agent code does not run with it" for label in labels)
        roles = tuple(with_reachable(found, others, scoped))
        escapes = _escapes(kept_out, with_reachable(kept_out, others, scoped), scoped)
        return ComputeRoles(roles, perhaps, by_service, strangers, escapes, notes)
    notes = tuple(
        f"{role.label} may mint any session: code that reads its credentials is not contained" for role in minters
    )
    perhaps = frozenset(role.id for role in minters if idle and role not in runtimes)
    roles = tuple(with_reachable(_distinct([*minters, *runtimes]), others, scoped))
    return ComputeRoles(roles, perhaps, by_service, outside, notes=notes)


def _escapes(named: Sequence[Role], become: Sequence[Role], scoped: Sequence[Scoped]) -> tuple[Role, ...]:
    """Return the minters among what some roles may become, when one of them is denied to mint."""
    if not any(_denied_to_mint(role, item.role) for role in named for item in scoped):
        return ()
    others = [role for role in become if role.id not in {one.id for one in named}]
    return tuple(role for role in others if any(mints(role, item.role) for item in scoped))


def _may_run_agents(service: str) -> bool:
    # A service that is only known at deploy time begins with what stands for it.
    return service.startswith((*AGENT_RUNTIMES, "{"))


def _of_the_account(text: Text, estate: Estate, scoped: Sequence[Scoped]) -> bool:
    envs = {part.name.removeprefix("AWS::AccountId") for item in scoped for part in item.role.arn if _is_account(part)}
    outsiders = [outsider_of("AWS", text, estate, env) for env in envs]
    return all(outsider is None or outsider.of_the_account for outsider in outsiders)


def _is_account(part: str | Token) -> TypeGuard[Token]:
    return isinstance(part, Token) and part.kind == "account"


def mints(role: Role, session_role: Role) -> bool:
    """Whether a session role's trust policy names a role."""
    return any(
        statement.allow
        and any(kind == "AWS" and (text == role.arn or may_be_role(text, role)) for kind, text in statement.principals)
        for statement in session_role.trust
    )


def _denied_to_mint(role: Role, session_role: Role) -> bool:
    """Whether a role carries a Deny on assuming this very session role; one on everything is some other guardrail."""
    return any(
        not statement.allow
        and not statement.conditions
        and covers_action(statement, "sts:AssumeRole")
        and session_role.arn in (statement.resources or ())
        for statement in role.identity
    )


def _distinct(roles: list[Role]) -> list[Role]:
    return list({role.id: role for role in roles}.values())


def with_reachable(found: list[Role], others: list[Role], scoped: Sequence[Scoped]) -> list[Role]:
    """
    Add the roles a compute role may become: what it may assume, and what it may hand to a service by name.

    Who mints is left out of what it may hand on: `compute-isolation` fails on that.
    """
    found, ids = list(found), {role.id for role in found}
    minters = {role.id for role in others if any(mints(role, item.role) for item in scoped)}
    for role in found:
        handed = _handed_on(role)
        for other in (other for other in others if other.id not in ids):
            passed = other.arn in handed and other.id not in minters
            if passed or mints(role, other) or _lets_in(other, _may_assume(role, other)):
                found.append(other)
                ids.add(other.id)
    return found


def _may_assume(role: Role, other: Role) -> bool:
    """Whether a role's own policies may let it assume another."""
    grants = (s for s in role.identity if s.allow and not s.problem and covers_action(s, "sts:AssumeRole"))
    texts = [text for statement in grants for text in statement.resources or (lit("*"),)]
    return any(not is_exact(text) or role_name_in(text) is None or may_be_role(text, other) for text in texts)


def _is_its_account(text: Text, role: Role) -> bool:
    written = "".join(re.findall(r"\d{12}", plain(text) or ""))
    return is_account(text) and (not written or not role.account or written == role.account)


def _handed_on(role: Role) -> set[Text]:
    """Return the ARNs a role may pass to a service, as its policies spell them."""
    grants = (s for s in role.identity if s.allow and not s.problem and covers_action(s, "iam:PassRole"))
    return {text for statement in grants for text in statement.resources or ()}


def _lets_in(role: Role, assumes: bool) -> bool:
    """Whether a role's trust policy lets in callers of its account whom it does not name."""
    pairs = [pair for s in role.trust if s.allow and covers_action(s, "sts:AssumeRole") for pair in s.principals]
    # Everybody is named by `*`, so that nobody of the account needs a policy of his own besides.
    return any(kind == "*" or (assumes and kind == "AWS" and _is_its_account(text, role)) for kind, text in pairs)


def _outside_minters(estate: Estate, scoped: Sequence[Scoped]) -> tuple[Text, ...]:
    """Return the principals of session trust policies whose policies are not in the templates."""
    found: list[Text] = []
    for statement in (s for item in scoped for s in item.role.trust if s.allow):
        for kind, text in statement.principals:
            known = any(text == role.arn or may_be_role(text, role) for role in estate.roles.values())
            if kind == "AWS" and not known and text not in found:
                found.append(text)
    return tuple(found)
