"""Holds changed examples against the prover and the independent simulator."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from session_scoping.verify import Status
from tests.support.verify.examples import Example, example
from tests.support.verify.mutations import Mutation, Template, without_guards
from tests.support.verify.rewritings import rewritings
from tests.support.verify.weakenings import one_of_each_kind, weakenings
from tests.support.verify.witness import Witnesses

# Not PROVED, whether or not the simulator can show what they open: it fills variables in every version, gives a
# variable with a default its value where the trust makes the default unreachable, and refuses unknown operators.
NEVER_PROVED = ("a variable default", "policy: no Version", "policy: old Version", "unknown operator", "given later")

Part = tuple[int, int]
"""(n, m): every m-th change, from the n-th on. (0, 1) is the whole."""


@dataclass(frozen=True)
class Base:
    """An example as it is weakened: with its guards, or without them, so that they mask nothing."""

    name: str
    guards: bool

    def __str__(self) -> str:
        return f"{self.name} {'guarded' if self.guards else 'bare'}"

    @cached_property
    def example(self) -> Example:
        """The example."""
        return example(self.name)

    @cached_property
    def template(self) -> Template:
        """The template that is changed."""
        return self.example.template if self.guards else without_guards(self.example.template)


@cache
def witnesses_of(base: Base) -> Witnesses:
    """Return who looks for requests that a weakening opens, and remembers what the base allows."""
    return Witnesses(base.template)


@dataclass(frozen=True)
class Outcome:
    """
    What became of one weakening.

    Attributes:
        witness: A request the simulator newly allows; None when none was found.
        status: The first status other than PROVED, or PROVED; None when the prover was not asked.
    """

    example: str
    mutation: str
    witness: str | None
    status: Status | None
    detail: str = ""
    never_proved: bool = False

    @property
    def missed(self) -> bool:
        """Whether the prover calls PROVED what is not."""
        return self.status is Status.PROVED and (self.witness is not None or self.never_proved)


def first_failure(of: Example, template: Template, *, guards: bool = False) -> tuple[Status, str]:
    """Return a status other than PROVED with its reason: one property that fails is enough."""
    # What a guard masks is found soonest by the property about just that.
    for only in ("no-masked-grants", ()) if guards else ((),):
        for result in of.report(template, only=only, stop_at_first=True).failures():
            return result.status, f"{result.rule}: {result.detail}"
    return Status.PROVED, ""


def judge(base: Base, mutation: Mutation, *, closed: bool = True) -> Outcome:
    """
    Look for a witness, then ask the prover.

    Args:
        base: What was weakened.
        mutation: The weakening.
        closed: Whether to ask the prover about a weakening that opens nothing as well, which may stay PROVED.
    """
    witness = witnesses_of(base).opened_by(mutation)
    never = any(kind in mutation.kind for kind in NEVER_PROVED)
    if not (closed or witness or never):
        return Outcome(base.name, mutation.name, None, None)
    status, detail = first_failure(base.example, mutation.template, guards=base.guards)
    return Outcome(base.name, mutation.name, witness, status, detail, never)


def judged(base: Base, part: Part) -> list[Outcome]:
    """Judge one weakening of each kind, of the kinds of a part."""
    mutations = one_of_each_kind(list(weakenings(base.template)))
    return [judge(base, mutation, closed=False) for mutation in _part_of(mutations, part)]


def proved_defaults(base: Base, part: Part) -> list[str]:
    """Return the policy variables with a default, of a part of all, that pass."""
    defaults = [mutation for mutation in weakenings(base.template) if "a variable default" in mutation.kind]
    assert defaults
    chosen = _part_of(defaults, part)
    judged_ones = ((one, first_failure(base.example, one.template, guards=base.guards)) for one in chosen)
    return [one.name for one, (status, _) in judged_ones if status is Status.PROVED]


def failed_rewritings(base: Base, part: Part) -> list[tuple[str, list[str]]]:
    """Return the harmless rewritings, of a part of all, that are not PROVED, with the reasons."""
    return [
        (mutation.name, [result.detail for result in report.failures()])
        for mutation in _part_of(list(rewritings(base.template)), part)
        if not (report := base.example.report(mutation.template)).proved
    ]


def _part_of(mutations: Sequence[Mutation], part: Part) -> Sequence[Mutation]:
    first, step = part
    return mutations[first::step]
