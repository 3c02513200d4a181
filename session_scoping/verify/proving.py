"""`prove`: every property of every session role and compute role, for all requests and all pairs of sessions."""

from collections.abc import Callable, Sequence
from pathlib import Path

from session_scoping.errors import InvalidInputError
from session_scoping.verify.collecting import collect
from session_scoping.verify.infer import Options, Scoped, stores_of
from session_scoping.verify.model import Estate
from session_scoping.verify.plan import plan
from session_scoping.verify.report import Report, Result
from session_scoping.verify.stores import named
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
        InvalidInputError: The user names a role, table or bucket that is not there.

    Returns:
        At least one result. Without a session role it is VACUOUS: there is nothing to prove.
    """
    options = options or Options()
    tell = progress or (lambda _step: None)
    planned = plan(estate, options)
    _demand_known(estate, planned.scoped, options)
    results: list[Result] = []
    for step in planned.steps:
        tell(f"{step.rule}: {step.subject}")
        results.append(step.run())
    return Report(tuple(results), (*ASSUMPTIONS, *sorted(estate.notes), *planned.notes))


def _demand_known(estate: Estate, scoped: Sequence[Scoped], options: Options) -> None:
    """
    Refuse a word of the user's that names nothing: what it was meant to add to the proof would be left out silently.

    Raises:
        InvalidInputError: A session role, compute role, table or bucket is named that is not there.
    """
    roles = [(role.id, role.label) for role in estate.roles.values()]
    stores = [(store.id, store.label) for store in (*estate.stores.values(), *stores_of(scoped))]
    for option, words, known in (
        ("session_roles", options.session_roles, roles),
        ("compute_roles", options.compute_roles, roles),
        ("stores", options.stores, stores),
    ):
        for word in words:
            if not any(named([word], *item) for item in known):
                raise InvalidInputError(
                    f"`{word}` names nothing in these templates",
                    got=f"it in `{option}`",
                    expected="a logical id, a construct path, or the end of either",
                    why="what it was meant to cover would be left out of the proof silently",
                    fix="look the id up in the template, or leave the option out",
                )
