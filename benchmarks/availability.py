"""
What a failing STS costs a task: TaskSession and plain botocore, each on a stand-in STS with the same faults.

Pauses are real. Only the expiry of keys follows a clock that is set forward, so that nobody waits for an hour.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import mean, median
from typing import Any, NamedTuple

import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
from botocore.loaders import Loader

from benchmarks.report import Table
from session_scoping import SessionTags
from session_scoping.agent import TaskSession
from tests.support.stand_in_sts import ROLE_ARN, Reply, StandInSts, error, running_sts

THREADS, LATE_SECONDS = 10, 5.0
FEW, MANY = 100, 400
Make = Callable[[Callable[[], datetime]], Any]
_loader = Loader()


class Use(NamedTuple):
    """One look at credentials: how long it took, and whether there were any."""

    seconds: float
    failed: bool


class Clock:
    """The machine's clock, set forward by what a scenario says."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.ahead


def plain(now: Callable[[], datetime]) -> Any:
    """Return botocore's own refreshable credentials of a role, with its default retries."""
    session = botocore.session.Session()
    session.register_component("data_loader", _loader)
    extra = {"RoleSessionName": "task", "DurationSeconds": 3600}
    signer = Credentials("AKIA", "secret")

    def fetch() -> Any:
        # A new one each time: it keeps the last answer, by the machine's clock.
        return AssumeRoleCredentialFetcher(session.create_client, signer, ROLE_ARN, extra).fetch_credentials()

    return DeferredRefreshableCredentials(fetch, "assume-role", now)


def task(now: Callable[[], datetime]) -> Any:
    """Return a task session's credentials."""
    return TaskSession(SessionTags(task_id="task"), clock=now).boto3_session.get_credentials()


SIDES: tuple[Make, ...] = (plain, task)


def tables() -> Iterator[Table]:
    """Measure both sides scenario by scenario."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="AKIA",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="eu-west-1",
        AGENT_SESSION_ROLE_ARN=ROLE_ARN,
    )
    os.environ.pop("AGENT_SESSION_TAG_KEYS", None)
    rows = [
        row
        for scenario in (one_bad_answer, errors_at(0.05, MANY), errors_at(0.5, FEW), late_answer, outage)
        for row in zip(*(scenario(side) for side in SIDES), strict=True)
    ]
    yield Table(
        "availability",
        ("", "plain botocore", "TaskSession"),
        [(ours[0], theirs[1], ours[1]) for theirs, ours in rows],
    )


Rows = list[tuple[str, str]]


def use(credentials: Any) -> Use:
    """Ask for keys once."""
    begin = time.monotonic()
    try:
        credentials.get_frozen_credentials()
    except Exception:
        return Use(time.monotonic() - begin, failed=True)
    return Use(time.monotonic() - begin, failed=False)


def serving(run: Callable[[StandInSts], Rows]) -> Rows:
    """Run a scenario on a stand-in of its own."""
    with running_sts() as sts:
        os.environ["AWS_ENDPOINT_URL_STS"] = sts.url
        return run(sts)


def one_bad_answer(side: Make) -> Rows:
    """A single 503 at the first use of each of ten tasks."""

    def run(sts: StandInSts) -> Rows:
        uses = []
        for _ in range(10):
            sts.requests.clear()
            sts.behave = lambda _: Reply("", 503) if len(sts.requests) == 1 else None
            uses.append(use(side(Clock())))
        title = "one 503 at first use, 10 tasks"
        return [
            (f"{title}: failed", str(sum(one.failed for one in uses))),
            (f"{title}: seconds until there are keys, median", f"{median(one.seconds for one in uses):.2f}"),
        ]

    return serving(run)


def errors_at(share: float, tasks: int) -> Callable[[Make], Rows]:
    """Return a scenario in which STS fails at random at the first use of many tasks."""

    def scenario(side: Make) -> Rows:
        chance, throttled = random.Random(7), error("Throttling", 400)

        def run(sts: StandInSts) -> Rows:
            sts.behave = lambda _: throttled if chance.random() < share else None
            with ThreadPoolExecutor(THREADS) as pool:
                uses = list(pool.map(lambda _: use(side(Clock())), range(tasks)))
            title = f"{share:.0%} errors, {tasks} first uses"
            return [
                (f"{title}: failed", str(sum(one.failed for one in uses))),
                (f"{title}: seconds, mean", f"{mean(one.seconds for one in uses):.2f}"),
            ]

        return serving(run)

    return scenario


def late_answer(side: Make) -> Rows:
    """STS answers seconds late while the keys have a quarter of an hour left."""

    def run(sts: StandInSts) -> Rows:
        clock = Clock()
        credentials = side(clock)
        use(credentials)
        clock.ahead = timedelta(minutes=46)
        sts.behave = lambda request: Reply(sts.assumed(request).body, delay=LATE_SECONDS)
        slowest = max(use(credentials).seconds for _ in range(50))
        title = f"STS answers {LATE_SECONDS:.0f} s late, the keys have 14 minutes left: slowest of 50 calls, seconds"
        return [(title, f"{slowest:.3f}")]

    return serving(run)


def outage(side: Make) -> Rows:
    """STS is away from 14 minutes before the keys end until one minute before."""

    def run(sts: StandInSts) -> Rows:
        clock = Clock()
        credentials = side(clock)
        use(credentials)
        sts.behave = lambda _: Reply("", 503)
        uses = []
        for minute in range(46, 59):
            clock.ahead = timedelta(minutes=minute)
            uses.append(use(credentials))
        title = "STS is away for 13 minutes, the keys last one longer; a call a minute"
        return [
            (f"{title}: failed of {len(uses)}", str(sum(one.failed for one in uses))),
            (f"{title}: slowest, seconds", f"{max(one.seconds for one in uses):.3f}"),
        ]

    return serving(run)
