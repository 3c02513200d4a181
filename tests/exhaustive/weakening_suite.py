"""
Weaken every example in every way, and hold each weakening against the prover and the independent simulator.

A weakening that opens an access, which a request the simulator newly allows shows, must not be PROVED. The guards are
removed first, so that they mask nothing; then the same is asked with the guards in place.

Run `make weakenings` (`ARGS="EXAMPLE ..."` for some): it counts the outcomes and fails on a
weakening that is missed.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from session_scoping.verify.infer import Options
from session_scoping.verify.plan import plan
from session_scoping.verify.properties.masked import RULE as MASKED
from session_scoping.verify.report import Status
from tests.support.verify.examples import EXAMPLES, Example, example
from tests.support.verify.mutations import Mutation, Template, without_guards
from tests.support.verify.weakenings import weakenings
from tests.support.verify.witness import Witnesses

# Not PROVED, whether or not the simulator can show what they open: it fills variables in every version, gives a
# variable with a default its value where the trust makes the default unreachable, and refuses unknown operators.
NEVER_PROVED = ("a variable default", "policy: no Version", "policy: old Version", "unknown operator", "given later")


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


_PROVED: set[str] = set()


def first_failure(of: Example, template: Template) -> tuple[Status, str]:
    """Return a status other than PROVED with its reason: one property that fails is enough."""
    estate = of.estate(template)
    # What a guard masks is found soonest by the property about just that; without guards it asks everything twice.
    guards = any(not statement.allow for role in estate.roles.values() for statement in role.identity)
    for step in sorted(plan(estate, Options()).steps, key=lambda step: (step.rule == MASKED) != guards):
        # Most weakenings leave most of what a property reads as it was: do not prove it again.
        reads = sha256(repr((step.rule, step.subject, step.reads)).encode()).hexdigest()
        if reads in _PROVED:
            continue
        result = step.run()
        if result.status is Status.PROVED:
            _PROVED.add(reads)
        if result.status is not Status.PROVED:
            return result.status, f"{result.rule}: {result.detail}"
    return Status.PROVED, ""


def judge(of: Example, mutation: Mutation, witnesses: Witnesses, *, closed: bool = True) -> Outcome:
    """
    Look for a witness, then ask the prover.

    Args:
        of: The example.
        mutation: The weakening.
        witnesses: Who looks for a request it opens.
        closed: Whether to ask the prover about a weakening that opens nothing as well, which may stay PROVED.
    """
    witness = witnesses.opened_by(mutation)
    never = any(kind in mutation.kind for kind in NEVER_PROVED)
    if not (closed or witness or never):
        return Outcome(of.name, mutation.name, None, None)
    status, detail = first_failure(of, mutation.template)
    return Outcome(of.name, mutation.name, witness, status, detail, never)


@dataclass(frozen=True)
class Job:
    """One weakening of one example, by its number."""

    of: Example
    guards: bool
    index: int

    def base(self) -> Template:
        """Return the template that is weakened."""
        return self.of.template if self.guards else without_guards(self.of.template)


_prepared: dict[tuple[str, bool], tuple[list[Mutation], Witnesses]] = {}


def run(job: Job) -> Outcome:
    """Judge one weakening in a worker process, which keeps what the next one needs again."""
    key = (job.of.name, job.guards)
    if key not in _prepared:
        base = job.base()
        _prepared.clear()
        _prepared[key] = list(weakenings(base)), Witnesses(base)
    mutations, witnesses = _prepared[key]
    return judge(job.of, mutations[job.index], witnesses)


def jobs(names: list[str], *, guards: bool) -> Iterator[Job]:
    """Yield every weakening of these examples."""
    for name in names:
        of = example(name)
        count = sum(1 for _ in weakenings(Job(of, guards, 0).base()))
        yield from (Job(of, guards, index) for index in range(count))


def table(outcomes: list[Outcome]) -> str:
    """Return the counts for a terminal."""
    lines = ["| Example | Weakenings | Open | VIOLATED | UNKNOWN | VACUOUS | missed | Open nothing | still PROVED |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(outcome.example for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.example == name]
        opening = Counter(outcome.status for outcome in mine if outcome.witness)
        closed = [outcome for outcome in mine if not outcome.witness]
        proved = sum(outcome.status is Status.PROVED for outcome in closed)
        counts = (len(mine), opening.total(), *(opening[s] for s in (Status.VIOLATED, Status.UNKNOWN, Status.VACUOUS)),
                  sum(outcome.missed for outcome in mine), len(closed), proved)  # fmt: skip
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main(names: list[str]) -> int:
    """Judge every weakening, without guards and with them; return 1 if any is missed."""
    missed: list[Outcome] = []
    for guards in (False, True):
        asked = list(jobs(names or list(EXAMPLES), guards=guards))
        outcomes: list[Outcome] = []
        with ProcessPoolExecutor() as pool:
            for outcome in pool.map(run, asked, chunksize=8):
                outcomes.append(outcome)
                if sys.stderr.isatty() or len(outcomes) % 100 == 0:
                    end = "" if sys.stderr.isatty() else "\n"
                    sys.stderr.write(f"\r{len(outcomes)} of {len(asked)} weakenings judged{end}")
        sys.stdout.write(f"\n{'With' if guards else 'Without'} the guards\n\n{table(outcomes)}\n")
        missed += [outcome for outcome in outcomes if outcome.missed]
    for outcome in missed:
        sys.stdout.write(f"missed: {outcome.example}: {outcome.mutation}: {outcome.witness or 'never to be PROVED'}\n")
    sys.stdout.write(f"{len(missed)} weakenings missed\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
