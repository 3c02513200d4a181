"""Who may become whom: one graph over roles, by what they may assume, hand to a service, or run their code as."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from session_scoping.aws.effects import Effect, judgement
from session_scoping.aws.table import service
from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.naming import disjoint, is_account, role_name_in
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, is_exact, lit, plain
from session_scoping.verify.policies.actions import BECOMING, all_covered, changes_principals, gains_nothing
from session_scoping.verify.policies.model import Deployment, Role, Statement, Workload
from session_scoping.verify.policies.statement_queries import covers_action, may_be_role
from session_scoping.verify.scoping.infer import SessionScope


def mints(role: Role, session_role: Role) -> bool:
    """Whether a role's trust policy names another role, whatever Denies say."""
    return any(
        statement.allow
        and any(kind == "AWS" and (text == role.arn or may_be_role(text, role)) for kind, text in statement.principals)
        for statement in session_role.trust
    )


def makes_sessions(role: Role, scoped: Iterable[SessionScope]) -> bool:
    """Whether a role may make sessions of one of the session roles."""
    return any(mints(role, item.role) for item in scoped)


def with_reachable(
    found: Iterable[Role], others: Sequence[Role], scoped: Sequence[SessionScope], deployment: Deployment
) -> list[Role]:
    """
    Add the roles and users that some roles may become, and those that these may become in turn.

    Who mints is left out of what a role may hand on: `compute-isolation` fails on that.

    Args:
        found: Where to begin.
        others: The roles to look among.
        scoped: The session roles.
        deployment: What the templates deploy.
    """
    reached = list(found)
    ids = {role.id for role in reached}
    minters = {role.id for role in others if makes_sessions(role, scoped)}
    for role in reached:
        candidates = [other for other in others if _may_become(role, other, minters, deployment)]
        for other in (*candidates, *_keys_at_hand(role, deployment)):
            if other.id not in ids:
                reached.append(other)
                ids.add(other.id)
    return reached


def _may_become(role: Role, other: Role, minters: set[str], deployment: Deployment) -> bool:
    passed = other.arn in _handed_on(role) and other.id not in minters
    assumed = mints(role, other) or _lets_in(other, _may_assume(role, other)) or _takes_the_same_token(role, other)
    return passed or assumed or _runs_code_as(role, other, deployment)


def _keys_at_hand(role: Role, deployment: Deployment) -> list[Role]:
    """Return the users whose access keys what runs with a role is handed."""
    mine = [held.user for held in deployment.holds if held.role is not None and _is_of(held.role, role)]
    return [user for user in deployment.users.values() if user.id in mine]


def _is_of(text: Text, role: Role) -> bool:
    """Whether a role that something runs with is, or may be, this one."""
    return text in (role.arn, role.name) or may_be_role(text, role)


def runs_with(role: Role, deployment: Deployment) -> list[Workload]:
    """Return what runs with a role, or may."""
    return [workload for workload in deployment.workloads if _is_of(workload.role, role)]


def refers_to(text: Text, identifier: str) -> bool:
    """Whether a text is, or holds, an attribute of a resource, by its stack and logical id."""
    names = [part.name for part in text if isinstance(part, Token)]
    return any(name == identifier or name.startswith(f"{identifier}.") for name in names)


def may_name(statement: Statement, workload: Workload, deployment: Deployment) -> bool:
    """Whether a statement may name something that runs: it refers to it, or to nothing else that runs."""
    others = {one.id for one in deployment.workloads} - {workload.id}
    texts = statement.resources if statement.resources is not None else (lit("*"),)
    return any(refers_to(text, workload.id) or not any(_is_only(text, one) for one in others) for text in texts)


def _is_only(text: Text, identifier: str) -> bool:
    """Whether a text is a resource, or what lies in it, and no other whose name goes on behind it."""
    at = next((i for i, part in enumerate(text) if isinstance(part, Token) and refers_to((part,), identifier)), None)
    after = "" if at is None else text[at + 1] if at + 1 < len(text) else ":"
    return at is not None and isinstance(after, str) and after[:1] in {":", "/"}


def _grants(role: Role, action: str) -> Iterator[Statement]:
    return (s for s in role.identity if s.allow and not s.problem and covers_action(s, action))


def _may_assume(role: Role, other: Role) -> bool:
    """Whether a role's own policies may let it assume another."""
    texts = [text for statement in _grants(role, "sts:AssumeRole") for text in statement.resources or (lit("*"),)]
    return any(not is_exact(text) or role_name_in(text) is None or may_be_role(text, other) for text in texts)


def _handed_on(role: Role) -> set[Text]:
    """Return the ARNs a role may pass to a service, as its policies spell them."""
    return {text for statement in _grants(role, "iam:PassRole") for text in statement.resources or ()}


def _lets_in(role: Role, assumes: bool) -> bool:
    """Whether a role's trust policy lets in callers of its account whom it does not name."""
    pairs = [pair for s in role.trust if s.allow and covers_action(s, "sts:AssumeRole") for pair in s.principals]
    # Everybody is named by `*`, so that nobody of the account needs a policy of his own besides.
    return any(kind == "*" or (assumes and kind == "AWS" and _is_its_account(text, role)) for kind, text in pairs)


def _takes_the_same_token(role: Role, other: Role) -> bool:
    """Whether a role's trust policy may take the web identity token that code with another role has."""
    return any(
        _same_provider(mine, theirs) and _may_be_equal(subjects_of(mine), subjects_of(theirs))
        for mine in _of_tokens(role)
        for theirs in _of_tokens(other)
    )


def _of_tokens(role: Role) -> list[Statement]:
    entering = (s for s in role.trust if s.allow and covers_action(s, "sts:AssumeRoleWithWebIdentity"))
    return [s for s in entering if any(kind == "Federated" for kind, _ in s.principals)]


def _same_provider(one: Statement, two: Statement) -> bool:
    mine, theirs = ({text for kind, text in s.principals if kind == "Federated"} for s in (one, two))
    return bool(mine & theirs) or any(plain(text) is None for text in mine | theirs)


def subjects_of(statement: Statement) -> list[Pattern]:
    """Return the subjects of tokens that a statement takes, as patterns; none where it takes any."""
    found = [
        c for c in statement.conditions if c.key.lower().endswith(":sub") and not c.operator.lower().startswith("null")
    ]
    values = [(value, "like" in c.operator.lower()) for c in found for value in c.values]
    patterns = [parsed(value, statement.variables, wild) for value, wild in values]
    return [pattern for pattern in patterns if not isinstance(pattern, Unmodelled)]


def _may_be_equal(one: list[Pattern], two: list[Pattern]) -> bool:
    if not one or not two:
        return True
    return any(not _differ(mine, theirs) for mine in one for theirs in two)


def _differ(one: Pattern, two: Pattern) -> bool:
    exact = all(isinstance(part, str) for part in (*one, *two))
    return one != two if exact else disjoint(one, two)


def _is_its_account(text: Text, role: Role) -> bool:
    written = "".join(re.findall(r"\d{12}", plain(text) or ""))
    return is_account(text) and (not written or not role.account or written == role.account)


def _runs_code_as(role: Role, other: Role, deployment: Deployment) -> bool:
    """Whether a role may change or start what runs with another: a function, a task, a build, a machine."""
    known = runs_with(other, deployment)
    for statement in (s for s in role.identity if s.allow and not s.problem):
        wanted = _run_by(statement)
        anyone = ANY_SERVICE in wanted and other.services
        if not anyone and not any(service_of(one) in wanted or one.startswith("{") for one in other.services):
            continue
        if not known or any(may_name(statement, workload, deployment) for workload in known):
            return True
    return False


def service_of(principal: str) -> str:
    """Return a service principal without its domain and Region: `states.us-east-1.amazonaws.com` is `states`."""
    return re.sub(r"(\.[a-z]{2}(-[a-z]+)+-\d+)?\.amazonaws\.com(\.cn)?$", "", principal)


def _run_by(statement: Statement) -> frozenset[str]:
    return _principals_run_by(statement.actions, statement.not_actions)


ANY_SERVICE = "*"
"""Stands for the services that a wildcard covers and that have no table."""


@cache
def _principals_run_by(actions: tuple[str, ...] | None, not_actions: tuple[str, ...]) -> frozenset[str]:
    """Return the service principals, in short, whose roles some actions let their caller run code as."""
    tabled = {
        principal
        for name in all_covered(actions, not_actions)
        if Effect.BECOME in judgement(name).effects and name not in BECOMING and not changes_principals(name)
        for principal in service(name.partition(":")[0]).roles
    }
    return frozenset(tabled | {principal for pattern in actions or ("*",) for principal in _of_untabled(pattern)})


def _of_untabled(pattern: str) -> tuple[str, ...]:
    """Return whose roles an action of a service without a table may run code as: nobody has judged its actions."""
    prefix = pattern.partition(":")[0].lower()
    if set(prefix) & set("*?"):
        return (ANY_SERVICE,)
    return () if service(prefix).tabled or gains_nothing(pattern) else service(prefix).roles
