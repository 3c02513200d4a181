"""
Weaken every example in every way, and check each weakening with the prover and the independent simulator.

A weakening that opens an access, which a request the simulator newly allows shows, must not be PROVED. The guards are
removed first, so that they mask nothing; then the same is asked with the guards in place.

Run `make weakenings` (`ARGS="EXAMPLE ..."` for some): it counts the outcomes and fails on a
weakening that is missed.
"""

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from session_scoping.verify import Status
from tests.support.verify.examples import EXAMPLES
from tests.support.verify.judging import Base, Outcome, judge
from tests.support.verify.mutations import Mutation
from tests.support.verify.weakenings import weakenings

Job = tuple[Base, int]
"""One weakening of a base, by its number."""


@cache
def _weakenings_of(base: Base) -> list[Mutation]:
    return list(weakenings(base.template))


def run(job: Job) -> Outcome:
    """Judge one weakening in a worker process, which keeps what the next one needs again."""
    base, index = job
    return judge(base, _weakenings_of(base)[index])


def jobs(names: list[str], *, guards: bool) -> list[Job]:
    """Return every weakening of these examples."""
    # A base of its own for each job: one that was used holds its template, and would take it along to the worker.
    return [(Base(name, guards), index) for name in names for index in range(len(_weakenings_of(Base(name, guards))))]


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
        asked = jobs(names or list(EXAMPLES), guards=guards)
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
