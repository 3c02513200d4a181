"""One task, its session and what surrounds it: the compute role's keys, a stand-in STS, a clock that a test moves."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path

import boto3
import botocore.loaders
import pytest
from botocore.config import Config

from session_scoping import SessionTags
from session_scoping.agent import TaskSession
from session_scoping.agent.session.clock import Clock
from session_scoping.testing.moto_server import empty, moto_server
from tests.support.stand_in_sts import ROLE_ARN, StandInSts, running_sts

AMBIENT_KEY = "AKIAAMBIENTCOMPUTE01"
AMBIENT_SECRET = "PLANTEDambientSecret"
TAGS = SessionTags(user_id="planted-user-7", repo="planted-org/planted-repo", task_id="task-0042")
LONG = 60
"""Seconds within which what a test waits for happens on any machine, however busy."""


class MovableClock:
    """A wall clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time it is set to."""
        return self.time

    def move(self, **amount: float) -> None:
        """Move the clock by a timedelta's keywords."""
        self.time += timedelta(**amount)


@pytest.fixture(scope="session", autouse=True)
def service_models() -> Iterator[None]:
    """Let all botocore sessions read the service models from one loader: to parse them anew costs more than a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(autouse=True)
def own_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `boto3.client` know nothing of the keys and the Region of the test before."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="session")
def moto_of_the_run() -> Iterator[str]:
    """Run a moto server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def moto_url(moto_of_the_run: str) -> str:
    """Return the address of a moto server that holds nothing, whatever a test before left there."""
    empty(moto_of_the_run)
    return moto_of_the_run


@pytest.fixture(autouse=True)
def ambient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Give the process the compute role's keys, and keep this machine's own AWS settings out."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AGENT_SESSION_")) or name.upper() in {"HTTP_PROXY", "HTTPS_PROXY"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", AMBIENT_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AMBIENT_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AGENT_SESSION_ROLE_ARN", ROLE_ARN)
    yield
    # An attempt that outlived its deadline would ask the next test's STS: botocore reads the endpoint late.
    join_attempts()


def join_attempts() -> None:
    """Wait for the attempts that were left behind."""
    for thread in threading.enumerate():
        if thread.name == "session-scoping":
            thread.join(LONG)


def patiently(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    """Let the calls under a configuration, given by its full name, wait as long as a busy machine needs."""
    module, _, name = config.rpartition(".")
    found: Config = getattr(import_module(module), name)
    monkeypatch.setattr(config, found.merge(Config(connect_timeout=LONG, read_timeout=LONG)))


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInSts]:
    """Run a stand-in STS and point botocore at it; however busy the machine, no answer comes too late."""
    for module in ("sources.assume_role", "sources.compute_role", "session.identity", "sources.web_identity"):
        patiently(monkeypatch, f"session_scoping.agent.{module}.STS_CONFIG")
    monkeypatch.setattr("session_scoping.agent.session.refresh_attempt.DEADLINE_SECONDS", 2 * LONG)
    monkeypatch.setattr("session_scoping.agent.session.refresh_attempt.SLOW_SECONDS", 2 * LONG)
    with running_sts() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield server


@pytest.fixture
def clock(sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Return a clock that sessions and STS share; nothing ages but by it, whatever the machine's own clocks say."""
    movable = MovableClock()
    sts.now = movable
    monkeypatch.setattr(
        "session_scoping.agent.session.task_session.Clock",
        lambda now: Clock(now, lambda: now().timestamp(), lambda seconds: movable.move(seconds=seconds)),
    )
    return movable


@pytest.fixture
def make_session(clock: MovableClock) -> Callable[..., TaskSession]:
    """Return a maker of sessions on the movable clock."""

    def make(tags: SessionTags = TAGS, **options: object) -> TaskSession:
        return TaskSession(tags, clock=clock, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def session(make_session: Callable[..., TaskSession]) -> TaskSession:
    """Return the session of one task."""
    return make_session()


def key_of(session: TaskSession) -> str:
    """Return the access key that would sign now, as botocore's signers ask for it, and let a refresh behind it end."""
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    try:
        return str(credentials.get_frozen_credentials().access_key)
    finally:
        join_attempts()


class Everything(logging.Handler):
    """Keeps every record as the text a log file would hold, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[tuple[str, int, str]] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append((record.name, record.levelno, self.format(record)))


@pytest.fixture
def logs() -> Iterator[Everything]:
    """Collect every log record of every library at every level."""
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
