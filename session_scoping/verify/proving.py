"""`prove`: every property of every session role and compute role, for all requests and all pairs of sessions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from session_scoping.verify.collecting import collect
from session_scoping.verify.given import demand_known, left_out
from session_scoping.verify.infer import Options
from session_scoping.verify.model import Estate
from session_scoping.verify.plan import plan
from session_scoping.verify.report import Report, Result
from session_scoping.verify.template import load

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


def prove_path(path: Path, options: Options | None = None, progress: Progress | None = None) -> Report:
    """
    Prove a template or a cdk.out directory.

    Raises:
        InvalidInputError: The path cannot be read.
    """
    return prove(collect(load(path)), options, progress)


def prove(estate: Estate, options: Options | None = None, progress: Progress | None = None) -> Report:
    """
    Prove every property of every session role.

    Args:
        estate: What the templates deploy.
        options: What the user says. Default: everything is inferred.
        progress: Told the name of each step. Default: nobody is told.

    Raises:
        InvalidInputError: The user names a role, table or bucket that is not there, or a session role as a compute
            role.

    Returns:
        At least one result. Without a session role it is VACUOUS: there is nothing to prove.
    """
    options = options or Options()
    tell = progress or (lambda _step: None)
    planned = plan(estate, options)
    demand_known(estate, planned.scoped, options)
    results: list[Result] = []
    for step in planned.steps:
        tell(f"{step.rule}: {step.subject}")
        results.append(_with_unread(step.run(), estate))
    notes = (*sorted(estate.notes), *planned.notes, *left_out(estate, planned.scoped, options))
    return Report(tuple(results), (*ASSUMPTIONS, *notes))


def _with_unread(result: Result, estate: Estate) -> Result:
    """Say beside "nothing to prove" what was not read: the session roles may be there."""
    if result.rule != "session-roles" or not estate.problems:
        return result
    return replace(result, detail=f"{result.detail}; not read: {'; '.join(estate.problems)}")
