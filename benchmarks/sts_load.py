"""
Simulate what eight-hour tasks ask of STS, with and without jitter: `python -m benchmarks.sts_load`.

Writes `sts_load.svg` and prints the tables of README.md. Only refreshes that succeed are simulated: the
question is whether the quota would be kept, not what happens beyond it.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chart import Panel, Series, draw
from session_scoping.agent.session.refresh import EARLY_SHARES
from session_scoping.agent.sources.assume_role import DURATION_SECONDS

QUOTA = 600  # requests per second, account and Region; source: STS endpoints and quotas
TASK_SECONDS = 8 * 3600
BOTOCORE_EARLY = 15 * 60  # botocore.credentials._DEFAULT_ADVISORY_REFRESH_TIMEOUT


@dataclass(frozen=True)
class Load:
    """Requests per second over time, and how many in all."""

    per_second: list[int]
    calls: int
    tasks: int

    def peak_after(self, second: int) -> float:
        """Return the busiest ten seconds: a quota is a bucket, one second says little."""
        return max(sum(self.per_second[at : at + 10]) / 10 for at in range(second, len(self.per_second) - 10))

    def per_minute(self) -> list[float]:
        return [sum(self.per_second[at : at + 60]) / 60 for at in range(0, len(self.per_second), 60)]


def fixed_age(_: random.Random) -> float:
    return float(DURATION_SECONDS - BOTOCORE_EARLY)


def jittered_age(chance: random.Random) -> float:
    return DURATION_SECONDS * (1 - chance.uniform(*EARLY_SHARES))


def simulate(starts: Iterator[float], age: Callable[[random.Random], float], *, seconds: int) -> Load:
    """Count AssumeRole per second for tasks that call often; `age` is how old a set gets."""
    chance = random.Random(0)
    per_second = [0] * seconds
    calls = tasks = 0
    for start in starts:
        tasks += 1
        moment, end = start, start + TASK_SECONDS
        while moment < end:
            calls += 1
            if moment < seconds:
                per_second[int(moment)] += 1
            moment += age(chance)
    return Load(per_second, calls, tasks)


def as_fast_as_sts_lets(tasks: int) -> Iterator[float]:
    """Start times of tasks that all want to start now: STS itself spreads their first call."""
    return (number / QUOTA for number in range(tasks))


def rolling(tasks: int) -> Iterator[float]:
    """Start times when one task ends as another starts, `tasks` of them running at any time."""
    return (number * TASK_SECONDS / tasks for number in range(tasks * 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--svg", type=Path, default=Path(__file__).with_name("sts_load.svg"))
    arguments = parser.parse_args()
    panels = []
    print(
        "| tasks started together | refresh | peak requests/s (busiest 10 s) | mean requests/s | AssumeRole per task |"
    )
    print("|---|---|---|---|---|")
    for tasks in (arguments.tasks // 10, arguments.tasks):
        series = []
        started = tasks // QUOTA + 1
        for name, age in (
            ("fixed, 15 min before expiry", fixed_age),
            ("jittered, 30 to 15 min", jittered_age),
        ):
            load = simulate(as_fast_as_sts_lets(tasks), age, seconds=TASK_SECONDS)
            mean = sum(load.per_second[started:]) / (TASK_SECONDS - started)
            print(f"| {tasks:,} | {name} | {load.peak_after(started):.0f} | {mean:.0f} | {load.calls / tasks:.1f} |")
            series.append(Series(name, load.per_minute()))
        panels.append(Panel(f"{tasks:,} tasks that all start at once", series))
    draw(arguments.svg, panels, limit=QUOTA, limit_name="STS quota, 600/s")
    print_capacity(arguments.tasks)


def print_capacity(tasks: int) -> None:
    """Print how many tasks fit the quota when they come and go evenly, each proving its identity once."""
    load = simulate(rolling(tasks // 10), jittered_age, seconds=TASK_SECONDS * 2)
    per_task = load.calls / load.tasks + 1  # verify() asks GetCallerIdentity once, of the same quota
    print(f"\nrolling tasks: {per_task:.2f} STS requests per task of eight hours")
    print(f"one account and Region carries {int(QUOTA * TASK_SECONDS / per_task):,} such tasks at {QUOTA}/s")


if __name__ == "__main__":
    main()
