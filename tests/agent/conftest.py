"""Fixtures: ambient credentials that must never sign, a stand-in STS, a clock that a test moves."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_scoping import SessionTags
from session_scoping.agent import TaskSession
from tests.support.stand_in_sts import ROLE_ARN, StandInSts, running_sts

AMBIENT_KEY = "AKIAAMBIENTCOMPUTE01"
AMBIENT_SECRET = "PLANTEDambientSecret"
TAGS = SessionTags(user_id="planted-user-7", repo="planted-org/planted-repo", task_id="task-0042")


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
    for left_behind in threading.enumerate():
        if left_behind.name == "session-scoping":
            left_behind.join(60)


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInSts]:
    """Run a stand-in STS and point botocore at it."""
    with running_sts() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield server


@pytest.fixture
def clock(sts: StandInSts) -> MovableClock:
    """Return a clock that the session and STS share."""
    movable = MovableClock()
    sts.now = movable
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
    """Return the access key that would sign now, as botocore's signers ask for it."""
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    return str(credentials.get_frozen_credentials().access_key)


def assumed_compute_role(*, by_profile: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the compute role one that STS gives, by a profile or by a web identity, with retries asked for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    role = "arn:aws:iam::123456789012:role/Compute"
    if by_profile:
        file = folder / "config"
        file.write_text(
            f"[default]\nrole_arn = {role}\nsource_profile = base\n"
            f"[profile base]\naws_access_key_id = {AMBIENT_KEY}\naws_secret_access_key = {AMBIENT_SECRET}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    else:
        (folder / "token").write_text("web-identity-token")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", role)
