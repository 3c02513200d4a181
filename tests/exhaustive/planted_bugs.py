"""Shows which random deployment finds each planted bug first; the tests begin there."""

import argparse
import sys

from tests.support.deployments.generator import random_deployment
from tests.support.deployments.planted_bugs import BUGS, planted
from tests.support.deployments.search import Crossing, attacked, verdict

_AT_ONCE = 300
"""Requests on one deployment under one value of its condition."""


def crossing_in(seed: int) -> Crossing | None:
    """Return a crossing in the deployment of a seed, if the verifier does not prove that deployment."""
    deployment = random_deployment(seed)
    if verdict(deployment).proved:
        return None
    return next(iter(attacked(deployment, _AT_ONCE).crossings), None)


def hidden_by(bug: str, seed: int) -> bool:
    """Whether a bug makes the verifier prove the deployment of a seed."""
    with planted(bug):
        return verdict(random_deployment(seed)).proved


def main() -> int:
    """Return 1 when a bug is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, default=1000, help="deployments to try")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first deployment")
    parser.add_argument("--only", default="", help="a word of the bugs to look at")
    given = parser.parse_args()
    left = [bug for bug in BUGS if given.only in bug]
    for seed in range(given.seed, given.seed + given.templates):
        found = [bug for bug in left if hidden_by(bug, seed)] if left and (crossing := crossing_in(seed)) else []
        for bug in found:
            left.remove(bug)
            _say(f'    "{bug}": {seed},  # {crossing}')
    _say("".join(f"not found: {bug}\n" for bug in left) or "all found")
    return int(bool(left))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command speaks


if __name__ == "__main__":
    sys.exit(main())
