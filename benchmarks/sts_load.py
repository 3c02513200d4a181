"""
What tasks of eight hours ask of STS, with and without jitter: a simulation with a fixed seed.

Only refreshes that succeed are simulated: the question is whether the quota would be kept, not what happens beyond it.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from botocore.credentials import RefreshableCredentials

from benchmarks.report import Table
from session_scoping.agent.session.refresh import EARLY_SHARES
from session_scoping.agent.sources.assume_role import DURATION_SECONDS

QUOTA = 600  # requests per second, account and Region; source: STS endpoints and quotas
TASK_SECONDS = 8 * 3600
BOTOCORE_EARLY: int = vars(RefreshableCredentials)["_advisory_refresh_timeout"]
TASKS = 1_000_000
BARS = "▁▂▃▄▅▆▇█"

Age = Callable[[random.Random], float]


@dataclass(frozen=True)
class Load:
    """Requests per second over time, and how many in all."""

    per_second: list[int]
    calls: int
    tasks: int

    def peak(self, begin: int, end: int) -> float:
        """Return the busiest ten seconds: a quota is a bucket, one second says little."""
        return max(sum(self.per_second[at : at + 10]) / 10 for at in range(begin, end - 10))

    def picture(self) -> str:
        """Return the peak of every quarter of an hour as a bar; the highest is the quota, or more."""
        peaks = (self.peak(at, at + 900) for at in range(0, TASK_SECONDS, 900))
        return "".join(BARS[min(round(peak / QUOTA * 7), 7)] for peak in peaks)


def tables() -> Iterator[Table]:
    """Simulate tasks that start together, then tasks that come and go."""
    latest, earliest = (round(DURATION_SECONDS * share / 60) for share in EARLY_SHARES)
    ways: dict[str, Age] = {
        f"fixed, {BOTOCORE_EARLY // 60} minutes before expiry": lambda _: float(DURATION_SECONDS - BOTOCORE_EARLY),
        f"jittered, {earliest} to {latest} minutes": jittered_age,
    }
    rows = []
    for tasks in (TASKS // 10, TASKS):
        started = tasks // QUOTA + 1
        for way, age in ways.items():
            # All want to start now: STS itself spreads their first call.
            load = simulate((number / QUOTA for number in range(tasks)), age)
            peak, mean = load.peak(started, TASK_SECONDS), sum(load.per_second[started:]) / (TASK_SECONDS - started)
            rows.append((tasks, way, f"{peak:.0f}", f"{mean:.0f}", f"{load.calls / tasks:.1f}", load.picture()))
    columns = ("tasks", "refresh", "peak/s after the start", "mean/s", "AssumeRole per task", "peaks over eight hours")
    yield Table("sts", columns, rows)
    # One task ends as another starts: as many are running at any time.
    rolling = simulate((number * TASK_SECONDS * 10 / TASKS for number in range(TASKS // 5)), jittered_age)
    per_task = rolling.calls / rolling.tasks + 1  # verify() asks GetCallerIdentity once, of the same quota
    head = ("STS requests per task, its `verify()` among them", "tasks that one account and Region carries")
    yield Table("rolling", head, [(f"{per_task:.2f}", int(QUOTA * TASK_SECONDS / per_task))])


def jittered_age(chance: random.Random) -> float:
    """Return how old a set of credentials gets with this library."""
    return DURATION_SECONDS * (1 - chance.uniform(*EARLY_SHARES))


def simulate(starts: Iterable[float], age: Age) -> Load:
    """Count AssumeRole per second for tasks that call often; `age` is how old a set gets."""
    chance = random.Random(0)
    per_second = [0] * TASK_SECONDS
    calls = tasks = 0
    for start in starts:
        tasks += 1
        moment, end = start, start + TASK_SECONDS
        while moment < end:
            calls += 1
            if moment < TASK_SECONDS:
                per_second[int(moment)] += 1
            moment += age(chance)
    return Load(per_second, calls, tasks)
