"""Shows for each planted bug which random deployment finds it; the test begins shortly before that."""

import argparse
import sys
from collections.abc import Iterable
from functools import cache

from tests.support.deployments.generator import random_deployment
from tests.support.deployments.planted_bugs import BUGS, planted
from tests.support.deployments.search import Crossing, attacked, verdict

AT_ONCE = 300
"""Requests on one deployment under one value of its condition."""


@cache
def _proved(seed: int) -> bool:
    return verdict(random_deployment(seed)).proved


def found_by(bug: str, seeds: Iterable[int]) -> tuple[int, Crossing] | None:
    """Return the first deployment that a bug makes PROVED although the simulator allows a crossing, with that."""
    for seed in seeds:
        deployment = random_deployment(seed)
        if _proved(seed):
            continue
        with planted(bug):
            proved = verdict(deployment).proved
        if proved and (crossings := attacked(deployment, AT_ONCE).crossings):
            return seed, crossings[0]
    return None


def main() -> int:
    """Return 1 when a bug is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, default=400, help="deployments to try for each bug")
    parser.add_argument("--only", default="", help="a word of the bugs to look at")
    given = parser.parse_args()
    missed = 0
    for bug in (bug for bug in BUGS if given.only in bug):
        found = found_by(bug, range(given.templates))
        missed += found is None
        print(f"{bug}: {found and found[0]} {found and found[1]}", flush=True)  # noqa: T201 - a command speaks
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
