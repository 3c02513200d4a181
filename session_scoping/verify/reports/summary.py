"""What a template says, in words: one story per session role."""

from collections.abc import Iterator

from session_scoping.contract.metadata import ATTRIBUTED_TO
from session_scoping.verify.files.source import Source
from session_scoping.verify.options.stated import StatedOption
from session_scoping.verify.patterns.matching import action_matches, parsed, readable, split_fields
from session_scoping.verify.patterns.naming import is_open, suffix_after_arn
from session_scoping.verify.patterns.text import Unmodelled, show
from session_scoping.verify.policies.actions import INVOKE, KEY_USE, KEYED, of_sessions, on_objects
from session_scoping.verify.policies.conditions import is_negated, split_operator
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.agents.compute_roles import ComputeRoles, find_compute_roles
from session_scoping.verify.properties.sessions.masked_grants import RULE as MASKED
from session_scoping.verify.properties.sharing import show_pattern
from session_scoping.verify.proving import Progress, prove, read_subject
from session_scoping.verify.reports.report import Labels, Report, Status
from session_scoping.verify.reports.role_story import BESIDES, EVERY_OBJECT, EVERY_PARTITION, Fact, Reach, RoleStory
from session_scoping.verify.reports.session_facts import facts_of, goes_on_to, makers_of, verb
from session_scoping.verify.scoping.infer import SessionScope, find_session_roles, scope_of, stores_of


def tell(
    source: Source, stated: tuple[StatedOption, ...], progress: Progress | None = None
) -> tuple[list[RoleStory], Report]:
    """
    Return a story for each session role, and the report that its verdict is from.

    Raises:
        InvalidInputError: The source cannot be read, or a word names nothing.
    """
    subject = read_subject(source, stated)
    deployment, options, report = subject.deployment, subject.options, prove(subject, progress)
    tagged = [scope_of(role, deployment, options) for role in find_session_roles(deployment, options)]
    compute = find_compute_roles(deployment, tagged, options)
    known = {item.role.id for item in tagged}
    attributed = [role for role in deployment.roles.values() if ATTRIBUTED_TO in role.metadata and role.id not in known]
    told = [*tagged, *(scope_of(role, deployment, options) for role in attributed)]
    stores = (*deployment.stores.values(), *stores_of(told))
    labels = Labels([*(role.label for role in deployment.roles.values()), *(store.label for store in stores)])
    return [_story(scoped, deployment, compute, report, labels) for scoped in told], report


def _story(
    scoped: SessionScope, deployment: Deployment, compute: ComputeRoles, report: Report, labels: Labels
) -> RoleStory:
    role = scoped.role
    makers, minting = makers_of(role, deployment, compute, labels)
    return RoleStory(
        labels.short(role.label),
        tuple(makers),
        minting,
        tuple(scoped.spelling[key] for key in scoped.declared),
        (*_reaches(scoped, labels), *goes_on_to(role, deployment, labels)),
        (*facts_of(role, deployment, labels), *_dead_grants(role, report, labels)),
        # Its data is open too where a compute role reaches it, or a store's own policy lets others in.
        _verdict(report, {role.id, *(store.id for store in scoped.stores), *(one.id for one in compute.roles)}),
    )


def _dead_grants(role: Role, report: Report, labels: Labels) -> Iterator[Fact]:
    """Yield what a role is granted to no effect, because a Deny stops it: the first grant that was found."""
    for result in report.results:
        if result.rule == MASKED and result.location == role.id and result.status is Status.VIOLATED:
            where = f" ({result.counterexample.decided_by})" if result.counterexample else ""
            yield Fact("dead", labels.within(f"{result.detail}{where}"))


def _verdict(report: Report, locations: set[str]) -> str:
    bad = [result for result in report.results if result.location in locations and result.status is not Status.PROVED]
    return "PROVED" if not bad else ", ".join(dict.fromkeys(f"{result.rule} {result.status.value}" for result in bad))


def _reaches(scoped: SessionScope, labels: Labels) -> list[Reach]:
    found: dict[tuple[str, str], dict[str, None]] = {}
    for statement in (s for s in scoped.role.identity if s.allow and not s.problem):
        for store in scoped.stores:
            for scope in _scopes(statement, store):
                wanted = of_sessions(store.kind)
                actions = [verb(action) for action in wanted if covers_action(statement, action)]
                if actions:
                    found.setdefault((labels.short(store.label), scope), {}).update(dict.fromkeys(actions))
        for place, names in (("Bedrock models", INVOKE), ("keys", KEY_USE)):
            used = [verb(action) for action in names if covers_action(statement, action)]
            if used and statement.actions is not None and "*" not in statement.actions:
                for scope in _names(statement):
                    found.setdefault((place, scope), {}).update(dict.fromkeys(used))
    for statement in (s for s in scoped.role.identity if s.allow):
        for scope, others in _besides(statement):
            found.setdefault((BESIDES, scope), {}).update(dict.fromkeys(others))
    models = {scope for place, scope in found if place == "Bedrock models"}
    # `us.anthropic.x` is the profile of `anthropic.x`: the model behind a profile is not another thing to reach.
    behind = {name.partition(".")[2] for name in models}
    return [
        Reach(tuple(actions), place, scope)
        for (place, scope), actions in found.items()
        if not (place == "Bedrock models" and scope in behind)
    ]


def _besides(statement: Statement) -> Iterator[tuple[str, list[str]]]:
    """Yield what a statement allows that the other rows do not tell: where, and the actions as they are written."""
    if statement.problem:
        yield statement.problem, ["what cannot be read"]
        return
    if statement.actions is None:
        others = [f"all but {', '.join(statement.not_actions)}"]
    else:
        others = [action for action in statement.actions if not _is_told(action)]
    where = (
        ", ".join(map(show, statement.resources or ())) or f"all but {', '.join(map(show, statement.not_resources))}"
    )
    if others or statement.resources is None:
        yield where, others or [*(statement.actions or ())]


_BY_NAME = (*of_sessions("secrets"), *of_sessions("parameters"))


def _is_told(action: str) -> bool:
    """Whether a row of its own says what an action reaches; what a session goes on to is told elsewhere."""
    listed = {one.lower() for one in (*KEYED, *on_objects(), *_BY_NAME, *INVOKE, *KEY_USE)}
    covered = any(action_matches(action, one) for one in listed) and action.lower().startswith(("kms:", "bedrock:"))
    return covered or action.lower() in listed or action.lower().startswith(("sts:", "bedrock-agentcore:"))


def _scopes(statement: Statement, store: Store) -> list[str]:
    found: list[str] = []
    for pattern in readable(statement.resources or (), statement.variables):
        left = suffix_after_arn(pattern, store)
        if left is None and not is_open(pattern):
            continue
        if store.kind == "table":
            found.append(f"{'index or stream: ' if left else ''}{_leading_keys(statement)}")
        else:
            found.append(show_pattern(store.inside(left) or left) if left else EVERY_OBJECT)
    return found


def _leading_keys(statement: Statement) -> str:
    for condition in statement.conditions:
        if condition.key.lower() == "dynamodb:leadingkeys" and condition.operator.lower() != "null":
            shown = map(show_pattern, readable(condition.values, statement.variables, False))
            negated = is_negated(split_operator(condition.operator)[1])
            return f"partition {'other than' if negated else '='} {' or '.join(shown)}"
    return EVERY_PARTITION


def _names(statement: Statement) -> list[str]:
    found: list[str] = []
    for text in statement.resources or ():
        pattern = parsed(text, statement.variables, True)
        if isinstance(pattern, Unmodelled):
            continue
        fields = split_fields(pattern)
        kind = show_pattern(fields[5]).strip("`") if len(fields) == 6 else show(text)
        found.append(kind.removeprefix("inference-profile/").removeprefix("foundation-model/"))
    return list(dict.fromkeys(found))
