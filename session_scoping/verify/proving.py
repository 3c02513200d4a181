"""`prove`: every property of every session role and compute role, for all requests and all pairs of sessions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from session_scoping.verify.collecting import collect
from session_scoping.verify.infer import Options, Scoped, find_session_roles, scope_of
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.properties.allowed_actions import RULE as ACTIONS
from session_scoping.verify.properties.allowed_actions import prove_allowed_actions
from session_scoping.verify.properties.base import Proof, guarded
from session_scoping.verify.properties.chaining import RULE as CHAINING
from session_scoping.verify.properties.chaining import prove_no_chaining
from session_scoping.verify.properties.compute import RULE as COMPUTE
from session_scoping.verify.properties.compute import find_compute_roles, outside_minters, prove_compute
from session_scoping.verify.properties.isolation import OBJECTS, PARTITION, prove_store
from session_scoping.verify.properties.session_tags import RULE as TAGS
from session_scoping.verify.properties.session_tags import prove_session_tags
from session_scoping.verify.properties.work import RULE as WORK
from session_scoping.verify.properties.work import prove_work_possible
from session_scoping.verify.report import Report, Result, Status
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.template import load
from session_scoping.verify.text import show

ASSUMPTIONS = (
    "no policy outside these templates attaches to the roles in them",
    "tag values hold only what STS accepts, so neither `*` nor `?` nor `$`",
    "whoever may mint carries no transitive tag of its own under a declared key",
    "every account and Region partition of the same name is one account and Region",
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

    Returns:
        At least one result. Without a session role it is VACUOUS: there is nothing to prove.
    """
    tell = progress or (lambda _step: None)
    planned, notes = plan(estate, options)
    results: list[Result] = []
    for step in planned:
        tell(f"{step.rule}: {step.subject}")
        results.append(step.run())
    return Report(tuple(results), (*ASSUMPTIONS, *sorted(estate.notes), *notes))


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


def plan(estate: Estate, options: Options | None = None) -> tuple[list[Step], list[str]]:
    """Return every property to prove, and what was assumed to find them; one failure is enough for some callers."""
    options = options or Options()
    scoped = [scope_of(role, estate, options) for role in find_session_roles(estate, options)]
    compute, notes = find_compute_roles(estate, scoped, options)
    stores = list({store.id: store for item in scoped for store in item.stores}.values())
    steps = [step for item in scoped for step in _session_steps(estate, item, options)]
    if not scoped:
        detail = "no role is assumed with session tags, so there is nothing to prove"
        steps.append(_known(Result("session-roles", "the templates", Status.VACUOUS, detail)))
    for role in compute:
        steps.append(
            _step(estate, role, COMPUTE, role.label, partial(prove_compute, estate, role, stores), (role, stores))
        )
    for text in () if options.compute_roles else outside_minters(estate, scoped):
        detail = "it may mint sessions, and whether it holds tenant data itself is not in these templates"
        steps.append(_known(Result(COMPUTE, show(text), Status.UNKNOWN, detail)))
    return steps, notes


def _known(result: Result) -> Step:
    return Step(result.rule, result.subject, lambda: result, (result,))


def _step(
    estate: Estate, role: Role, rule: str, subject: str, attempt: Callable[[], Result], reads: tuple[object, ...]
) -> Step:
    problems = [*estate.problems, *role.problems]
    return Step(rule, subject, partial(_run, attempt, rule, subject, role, problems), (*reads, problems))


def _session_steps(estate: Estate, item: Scoped, options: Options) -> Iterator[Step]:
    proof = Proof(estate, item, options.allow)
    label = item.role.label
    trusts = [(role.id, role.label, role.arn, role.trust) for role in estate.roles.values()]
    on_stores = [
        (
            PARTITION if store.kind == "table" else OBJECTS,
            f"{label} → {store.label}",
            partial(prove_store, proof, store),
        )
        for store in item.stores
    ]
    for rule, subject, attempt in (
        (TAGS, label, partial(prove_session_tags, proof)),
        *on_stores,
        (ACTIONS, label, partial(prove_allowed_actions, proof)),
        (CHAINING, label, partial(prove_no_chaining, proof)),
        (WORK, label, partial(prove_work_possible, proof)),
    ):
        yield _step(estate, item.role, rule, subject, attempt, (item, trusts, estate.of_kind("key")))


def _run(attempt: Callable[[], Result], rule: str, subject: str, role: Role, problems: list[str]) -> Result:
    def failed(status: Status, detail: str) -> Result:
        return Result(rule, subject, status, detail, location=role.id)

    def step() -> Result:
        result = attempt()
        if problems and result.status is Status.PROVED:
            raise UnmodelledError(problems[0])
        return result

    return guarded(step, failed)


def stores_of(scoped: list[Scoped]) -> list[Store]:
    """Return every table and bucket that session roles are granted, each once."""
    return list({store.id: store for item in scoped for store in item.stores}.values())
