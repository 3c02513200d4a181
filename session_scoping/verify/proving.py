"""Every property of every session role and compute role, for all requests and all pairs of sessions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.deployment.collecting import collect
from session_scoping.verify.files.source import Source, scopes_of
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.options.stated import StatedOption, options_of, parameters_of
from session_scoping.verify.options.words import demand_declared, demand_known, left_out
from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.plan import plan
from session_scoping.verify.policies.model import Deployment, Statement
from session_scoping.verify.properties.agents.compute_roles import find_compute_roles
from session_scoping.verify.reports.report import Counterexample, Report, Result, Status
from session_scoping.verify.reports.rules import RULES
from session_scoping.verify.scoping.infer import Options
from session_scoping.verify.scoping.principals import principals_of
from session_scoping.verify.steps import Plan

ASSUMPTIONS = (
    "no policy outside these templates attaches to the roles in them",
    "tag values hold only what STS accepts, so neither `*` nor `?` nor `$`",
    "whoever may mint carries no transitive tag of its own under a declared key",
    "every account and Region partition of the same name is one account and Region",
    "a partition that is spelled out is the one the stacks deploy to: IAM refuses another",
    "organization policies, session policies and VPC endpoint policies only take away",
    "a generated resource name holds its logical id; two resources never share a name",
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """
    What is asked about: the templates as they were read, and what the user stated.

    Attributes:
        scopes: The stacks.
        deployment: What they deploy.
        stated: The user's words.
        options: Those that count, as the proof takes them.
    """

    scopes: list[Scope]
    deployment: Deployment
    stated: tuple[StatedOption, ...]
    options: Options


def read_subject(source: Source, stated: tuple[StatedOption, ...]) -> Subject:
    """
    Read templates for what the user stated.

    Raises:
        InvalidInputError: They cannot be read, or a parameter is stated that none of them declares.
    """
    scopes = scopes_of(source, parameters_of(stated))
    demand_declared(scopes, stated)
    return Subject(scopes, collect(scopes), stated, options_of(stated))


def prove(
    subject: Subject,
    progress: Progress | None = None,
    *,
    only: tuple[str, ...] = (),
    stop_at_first: bool = False,
) -> Report:
    """
    Prove every property of every session role; arguments as for `verify`.

    Raises:
        InvalidInputError: The user states a word that names nothing, or asks for a rule that there is not.

    Returns:
        Without a session role one result that is VACUOUS: there is nothing to prove.
    """
    _demand_rules(only)
    deployment, options = subject.deployment, subject.options
    planned = plan(deployment, options)
    demand_known(subject.scopes, deployment, planned.scoped, subject.stated)
    results = _results(planned, deployment, progress or (lambda _step: None), only, stop_at_first)
    notes = (*sorted(deployment.notes), *planned.notes, *left_out(deployment, planned.scoped, options))
    compute = find_compute_roles(deployment, planned.scoped, options).roles
    return Report(
        results,
        (*ASSUMPTIONS, *notes),
        principals_of(deployment, planned.scoped, compute),
        subject.stated,
        partial=_partial(len(planned.steps) - len(results), only),
        files={scope.name: scope.file for scope in subject.scopes if scope.file},
    )


def _demand_rules(only: Iterable[str]) -> None:
    known = [rule.id for rule in RULES]
    for rule in only:
        if rule not in known:
            raise InvalidInputError(
                f"there is no rule `{rule}`",
                got="it in `only`",
                expected=f"some of {', '.join(known)}",
                why="nothing would be asked under it",
                fix="take the id from the report",
            )


def _results(
    planned: Plan, deployment: Deployment, tell: Progress, only: tuple[str, ...], stop_at_first: bool
) -> tuple[Result, ...]:
    results: list[Result] = []
    for step in (step for step in planned.steps if not only or step.rule in only):
        tell(f"{step.rule}: {step.subject}")
        results.append(with_cause(_with_unread(step.run(), deployment), deployment))
        if stop_at_first and results[-1].status is not Status.PROVED:
            break
    return tuple(results)


def _partial(left: int, only: tuple[str, ...]) -> str:
    if not left:
        return ""
    asked = f"only {', '.join(only)} asked" if only else "stopped at the first property that fails"
    return f"{asked}; properties not asked: {left}"


def _with_unread(result: Result, deployment: Deployment) -> Result:
    """Say beside "nothing to prove" what was not read: the session roles may be there."""
    if result.rule != "session-roles" or not deployment.problems:
        return result
    return replace(result, detail=f"{result.detail}; not read: {'; '.join(deployment.problems)}")


MASKED = "no-masked-grants"
_LEADING_KEYS = "dynamodb:leadingkeys"
_TAG = "aws:principaltag/"


def with_cause(result: Result, deployment: Deployment) -> Result:
    """Return a result whose counterexample says what its statement lacks, where that is plain to see."""
    # Where a Deny stops it, the Deny is what is said first.
    found = result.counterexample if result.rule != MASKED else None
    statement = next((one for one in _statements(deployment) if found and one.where == found.decided_by), None)
    if found is None or statement is None:
        return result
    cause = next(_causes(statement, found), "")
    return replace(result, counterexample=replace(found, cause=cause)) if cause else result


def _statements(deployment: Deployment) -> Iterator[Statement]:
    for role in (*deployment.roles.values(), *deployment.users.values()):
        yield from (*role.statements, *role.trust)
    for store in deployment.stores.values():
        yield from store.policy


def _causes(statement: Statement, found: Counterexample) -> Iterator[str]:
    texts = [show(text).lower() for text in _texts(statement)]
    if not statement.variables and any("${" in text for text in texts):
        yield "the policy has no `Version` 2012-10-17, so that `${...}` is text"
    if found.victim and found.action.startswith("dynamodb:"):
        yield from _of_leading_keys(statement, found)
    yield from _of_tags(texts, found)


def _texts(statement: Statement) -> Iterator[Text]:
    yield from statement.resources or ()
    yield from (value for condition in statement.conditions for value in condition.values)


def _of_leading_keys(statement: Statement, found: Counterexample) -> Iterator[str]:
    tests = [one for one in statement.conditions if one.key.lower() == _LEADING_KEYS]
    operators = [test.operator.lower() for test in tests]
    if not tests:
        yield "the statement has no condition on `dynamodb:LeadingKeys`"
    elif not any(key.lower() == _LEADING_KEYS for key in found.context):
        if any(operator.startswith("forallvalues") for operator in operators) and "null" not in operators:
            yield "`ForAllValues` holds for a request without leading keys too: `Null` is missing"
        if any(operator.endswith("ifexists") for operator in operators):
            yield "`IfExists` holds for a request without leading keys too"
    elif all(operator.startswith("foranyvalue") for operator in operators if operator != "null"):
        yield "`ForAnyValue` asks for one own key among those of the request: `ForAllValues` asks for all"


def _of_tags(texts: list[str], found: Counterexample) -> Iterator[str]:
    """Yield what is wrong with the tags that tell the caller from the victim."""
    mine, theirs = ({key.lower(): value for key, value in tags.items()} for tags in (found.session, found.victim))
    names = {key.lower(): key for key in (*found.session, *found.victim)}
    used = [key for key in names if any(f"{_TAG}{key}" in text for text in texts)]
    for key in used:
        if "/" in mine.get(key, "") + theirs.get(key, ""):
            yield f"`{names[key]}` may hold a slash, and reach into a prefix below its own"
        if mine.get(key) == "":
            yield f"`{names[key]}` may be empty"
        if key not in mine and found.session:
            yield f"a session may lack `{names[key]}`"
        begins = mine.get(key, "") and theirs.get(key, "").startswith(mine[key]) and mine[key] != theirs[key]
        if begins and any(f"{_TAG}{key}}}*" in text for text in texts):
            yield f"nothing ends `{names[key]}` before the wildcard: `T1` matches `T10` too"
    differing = [names[key] for key in names if mine.get(key) != theirs.get(key)]
    if found.victim and differing and not {name.lower() for name in differing} & {*used}:
        yield f"`{'`, `'.join(sorted(differing))}`, in which the two sessions differ, is not in the statement"
