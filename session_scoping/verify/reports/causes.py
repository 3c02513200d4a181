"""Why a statement lets a request through that it should not: the mistake to look for first, in words."""

from collections.abc import Iterator
from dataclasses import replace

from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.policies.model import Deployment, Statement
from session_scoping.verify.reports.report import Counterexample, Result

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
