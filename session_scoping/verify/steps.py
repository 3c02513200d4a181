"""A step of a proof: one property of one role, which can be run by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from session_scoping.verify.policies.model import Deployment, Role
from session_scoping.verify.properties.agents.compute import RULE as COMPUTE
from session_scoping.verify.properties.base import guarded
from session_scoping.verify.properties.sessions.masked_grants import RULE as MASKED
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.symbolic.conditions import UnmodelledError

_OF_COMPUTE = {COMPUTE, MASKED}
"""Properties that ask for tenant data alone: what other services let a role do besides does not count there."""


@dataclass(frozen=True)
class Step:
    """
    One property of one role, not proved yet.

    Attributes:
        run: Prove it. Never raises: what goes wrong is UNKNOWN.
        reads: Everything the outcome depends on: the same again gives the same outcome.
    """

    rule: str
    subject: str
    run: Callable[[], Result]
    reads: tuple[object, ...]


@dataclass(frozen=True)
class Plan:
    """
    Everything there is to prove.

    Attributes:
        steps: At least one. Without a session role it is VACUOUS: there is nothing to prove.
        notes: What was assumed to find them.
        scoped: The session roles and what each is taken to protect.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    scoped: tuple[SessionScope, ...]


def known(result: Result) -> Step:
    """Return the step of a result that is known before anything is asked."""
    return Step(result.rule, result.subject, lambda: result, (result,))


def step_of(
    deployment: Deployment,
    role: Role,
    rule: str,
    attempt: Callable[[], Result],
    reads: tuple[object, ...],
    subject: str | None = None,
) -> Step:
    """Return a step that asks for one property of a role; where two steps read the same, their answers are the same."""
    problems = [*deployment.problems, *role.problems, *(() if rule in _OF_COMPUTE else role.unmodelled_grants)]
    subject = role.label if subject is None else subject
    return Step(rule, subject, partial(run, attempt, rule, subject, role.id, problems), (*reads, problems))


def run(attempt: Callable[[], Result], rule: str, subject: str, location: str, problems: list[str]) -> Result:
    """Ask for a property; what is not modelled, goes wrong, or is not read becomes UNKNOWN."""

    def failed(status: Status, detail: str) -> Result:
        return Result(rule, subject, status, detail, location=location)

    def step() -> Result:
        result = attempt()
        if problems and result.status is Status.PROVED:
            raise UnmodelledError(problems[0])
        return result

    return guarded(step, failed)
