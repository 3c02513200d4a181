"""`make soundness`: attacks random deployments with the independent simulator, and fails where one is PROVED."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.deployments.design import Deployment
from tests.support.deployments.generator import random_deployment
from tests.support.deployments.search import Crossing, attacked, verdict

_ON_PROVED, _ON_OTHERS = 300, 40
"""Requests on one deployment under one value of its condition; those on what is not PROVED show that attacks work."""


@dataclass
class Tally:
    """
    What a run came to.

    Attributes:
        templates: Deployments attacked.
        proved: Those the verifier proves.
        broken: Those in which the simulator allows a crossing.
        requests: Requests on data that is not the caller's.
        on_proved: Those of them on deployments that are PROVED.
        false_proved: Deployments that are PROVED in spite of a crossing, with one.
    """

    templates: int = 0
    proved: int = 0
    broken: int = 0
    on_proved: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    crossings: Counter[str] = field(default_factory=Counter)
    false_proved: list[tuple[Deployment, Crossing]] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self.asked.total()

    def add(self, deployment: Deployment) -> None:
        """Attack one more deployment, and ask the verifier about it."""
        proved = verdict(deployment).proved
        found = attacked(deployment, _ON_PROVED if proved else _ON_OTHERS)
        self.templates += 1
        self.proved += proved
        self.broken += bool(found.crossings)
        self.on_proved += found.asked.total() if proved else 0
        self.asked += found.asked
        self.crossings.update(one.attack.kind for one in found.crossings)
        if proved and found.crossings:
            self.false_proved.append((deployment, found.crossings[0]))

    def __str__(self) -> str:
        share = 100 * self.proved // max(self.templates, 1)
        return (
            f"{self.templates} templates, {share} % PROVED; {self.requests} requests, {self.on_proved} on PROVED ones; "
            f"{self.crossings.total()} crossings in {self.broken} templates; false PROVED: {len(self.false_proved)}"
        )


def run(requests: int, seed: int, told: Callable[[Tally], None] = lambda _: None) -> Tally:
    """
    Attack deployments until so many requests are made.

    Args:
        requests: At least so many.
        seed: Of the first deployment; the next has the next.
        told: Is handed the tally after each deployment.
    """
    tally = Tally()
    while tally.requests < requests:
        tally.add(random_deployment(seed + tally.templates))
        told(tally)
    return tally


class _Screen:
    """Prints the tally every few seconds, and writes each deployment that is falsely PROVED to a file."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._next, self._written = directory, 0.0, 0

    def show(self, tally: Tally) -> None:
        """Print and write what is new."""
        for deployment, crossing in tally.false_proved[self._written :]:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = self._directory / f"seed-{deployment.seed}.json"
            file.write_text(json.dumps(deployment.template, indent=2))
            _say(f"FALSE PROVED: seed {deployment.seed}, masked_grants={deployment.masked}: {crossing}\n  {file}")
        self._written = len(tally.false_proved)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 5
            _say(str(tally))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command speaks


def main() -> int:
    """Return 1 when a deployment with a crossing is PROVED."""
    parser = argparse.ArgumentParser(prog="make soundness", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="requests to make; default: enough for a night")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first deployment")
    parser.add_argument(
        "--failures", type=Path, default=Path(".soundness"), help="where templates that fail are written"
    )
    given = parser.parse_args()
    tally = run(given.requests, given.seed, _Screen(given.failures).show)
    for kind, count in sorted(tally.asked.items()):
        _say(f"  {kind}: {count} requests, {tally.crossings[kind]} crossings")
    _say(str(tally))
    return bool(tally.false_proved)


if __name__ == "__main__":
    sys.exit(main())
