"""The compute role's keys over eight hours: files that rotate, and keys of others in their place."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials

from session_scoping.agent import TaskCredentialsError, TaskSession
from tests.agent.conftest import assumed_compute_role
from tests.support.stand_in_sts import ACCOUNT, Reply, Request, StandInSts, error
from tests.support.task import LONG, TAGS, MovableClock, key_of

Make = Callable[..., TaskSession]
Write = Callable[[str], None]
COMPUTE = f"arn:aws:sts::{ACCOUNT}:assumed-role/Compute/i-1"


@pytest.fixture
def keys_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """Return a writer of the shared credentials file, from which alone the compute role's keys come."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    def write(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\naws_session_token = t\n")

    return write


class Rotation:
    """An STS at which one key of the compute role is valid, and each belongs to somebody."""

    def __init__(self, sts: StandInSts, code: str = "ExpiredToken") -> None:
        self.valid = "ASIAFIRST"
        self.owners: dict[str, str] = {}
        self.code = code
        self._sts = sts
        sts.behave = self.answer

    def answer(self, request: Request) -> Reply | None:
        """Refuse the compute role's old keys, and say whose the others are."""
        if request.signed_by.startswith("ASIATASKKEY"):
            return None
        if request.signed_by != self.valid:
            return error(self.code, 403)
        if request.action == "GetCallerIdentity":
            return self._sts.identity(request, arn=self.owners.get(request.signed_by, COMPUTE))
        return None


def test_a_session_that_is_not_used_has_no_session_of_the_compute_role(
    make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what signs costs memory and time: of a hundred sessions that are held, most call nothing at once."""
    made: list[object] = []
    monkeypatch.setattr("session_scoping.agent.sources.compute_role.share_models", made.append)
    session = make_session()
    session.client("dynamodb")
    assert made == []
    key_of(session)
    assert len(made) == 1


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_eight_hours_on_a_file_that_rotates(
    code: str, keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock
) -> None:
    """Keys that rotate every hour under the same role never cost the task a call, and no old key signs twice."""
    rotation = Rotation(sts, code)
    keys_file(rotation.valid)
    session = make_session()
    for minute in range(8 * 60):
        if minute % 60 == 20:
            rotation.valid = f"ASIAHOUR{minute // 60}"
            rotation.owners[rotation.valid] = COMPUTE.replace("i-1", f"i-{minute}")
            keys_file(rotation.valid)
        assert key_of(session).startswith("ASIATASKKEY")
        clock.move(minutes=1)
    refused = [r for r in sts.requests if r.action == "AssumeRole" and r.signed_by != rotation.valid]
    assert 11 <= sts.count() <= 26
    assert len({r.signed_by for r in refused}) >= 7


def test_a_rotation_while_the_task_slept_costs_one_pause(
    keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock
) -> None:
    """With no keys left, the call that meets the rotated file is served by the next attempt of its round."""
    rotation = Rotation(sts)
    keys_file(rotation.valid)
    session = make_session()
    key_of(session)
    clock.move(hours=3)
    rotation.valid = "ASIASECOND"
    keys_file(rotation.valid)
    assert key_of(session) == "ASIATASKKEY000000002"
    signers = [(request.action, request.signed_by) for request in sts.requests]
    assert signers == [
        ("AssumeRole", "ASIAFIRST"),
        ("GetCallerIdentity", "ASIAFIRST"),
        ("AssumeRole", "ASIAFIRST"),
        ("GetCallerIdentity", "ASIASECOND"),
        ("AssumeRole", "ASIASECOND"),
    ]


@pytest.mark.parametrize(
    "owner",
    [
        "arn:aws:sts::999999999999:assumed-role/Compute/i-1",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Other/i-1",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Compute2/i-1",
        f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/Compute/i-1",
        f"arn:aws:iam::{ACCOUNT}:user/Compute",
        f"arn:aws:iam::{ACCOUNT}:root",
    ],
)
def test_keys_of_another_account_or_role_never_sign(
    owner: str, keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock
) -> None:
    """The task fails closed, whoever the file belongs to now, and goes on when it is the same role's again."""
    rotation = Rotation(sts)
    keys_file(rotation.valid)
    session = make_session()
    key_of(session)
    clock.move(hours=2)
    rotation.valid = "ASIAFOREIGN"
    rotation.owners["ASIAFOREIGN"] = owner
    keys_file(rotation.valid)
    for _ in range(5):
        with pytest.raises(TaskCredentialsError) as caught:
            key_of(session)
        assert (caught.value.reason, caught.value.transient) == ("SourceChanged", False)
        clock.move(seconds=31)
    assert not [r for r in sts.requests if r.signed_by == "ASIAFOREIGN" and r.action == "AssumeRole"]
    rotation.valid = "ASIATHIRD"
    keys_file(rotation.valid)
    clock.move(seconds=150)
    assert key_of(session).startswith("ASIATASKKEY")


def test_who_the_keys_belong_to_must_be_known(
    keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock
) -> None:
    """Where STS never said whose the first keys were, no others follow them."""
    rotation = Rotation(sts)
    keys_file(rotation.valid)
    sts.behave = lambda request: error("Throttling", 400) if request.action == "GetCallerIdentity" else None
    session = make_session()
    key_of(session)
    sts.behave = rotation.answer
    clock.move(hours=2)
    rotation.valid = "ASIASECOND"
    keys_file(rotation.valid)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "ExpiredToken"
    assert "ASIASECOND" not in {request.signed_by for request in sts.requests}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (error("Throttling", 400), "Throttling"),
        (Reply("<html>"), "Malformed"),
        (error("ExpiredToken", 403), "ExpiredToken"),
    ],
)
def test_new_keys_wait_until_sts_says_whose_they_are(
    reply: Reply, reason: str, keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock
) -> None:
    """An STS that fails or lies when it is asked for the owner leaves the old keys in place."""
    rotation = Rotation(sts)
    keys_file(rotation.valid)
    session = make_session()
    key_of(session)
    clock.move(hours=2)
    rotation.valid = "ASIASECOND"
    keys_file(rotation.valid)
    sts.behave = lambda r: reply if r.action == "GetCallerIdentity" else rotation.answer(r)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == reason
    assert not [r for r in sts.requests if r.signed_by == "ASIASECOND" and r.action == "AssumeRole"]
    sts.behave = rotation.answer
    clock.move(seconds=150)
    assert key_of(session).startswith("ASIATASKKEY")


def test_keys_that_had_ended_before_the_start_may_be_anybody_s(
    keys_file: Write, make_session: Make, sts: StandInSts
) -> None:
    """A task that has obtained nothing yet starts with what the file holds now, as a new process would."""
    rotation = Rotation(sts)
    keys_file("ASIAOLD")
    session = make_session()
    with pytest.raises(TaskCredentialsError, match="ExpiredToken"):
        key_of(session)
    keys_file(rotation.valid)
    session._credentials.timer.sleep(30)
    assert key_of(session).startswith("ASIATASKKEY")


def test_a_file_that_is_gone_leaves_the_reason(
    keys_file: Write, make_session: Make, sts: StandInSts, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of another source further down the chain do not take the place of the file's."""
    rotation = Rotation(sts)
    keys_file(rotation.valid)
    session = make_session()
    key_of(session)
    clock.move(hours=2)
    rotation.valid = "ASIACONTAINERROLE001"
    rotation.owners[rotation.valid] = f"arn:aws:sts::{ACCOUNT}:assumed-role/Container/t"
    Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).unlink()
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "ExpiredToken"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", sts.url)
    clock.move(seconds=30)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "SourceChanged"
    assert not [r for r in sts.requests if r.signed_by == rotation.valid and r.action == "AssumeRole"]


def test_keys_of_the_environment_are_not_asked_for_their_owner(session: TaskSession, sts: StandInSts) -> None:
    """What cannot rotate costs no request: a container's task role does not either."""
    key_of(session)
    assert [request.action for request in sts.requests] == ["AssumeRole"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_the_compute_role_s_keys_are_renewed_does_not_hang(
    sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What botocore locks, held by a thread that the child does not have, holds the child up for no moment."""
    assumed_compute_role(by_profile=True, folder=tmp_path, monkeypatch=monkeypatch)
    session = TaskSession(TAGS)  # on the machine's clock, as botocore's own keys are
    asked, go_on = threading.Event(), threading.Event()

    def behave(_: Request) -> None:
        asked.set()
        if not go_on.is_set():
            go_on.wait(LONG)

    sts.behave = behave
    credentials: Any = session.boto3_session.get_credentials()
    waiting = threading.Thread(target=credentials.get_frozen_credentials)
    waiting.start()
    assert asked.wait(LONG)
    source = session._task.fetch._compute._session.get_credentials()  # type: ignore[attr-defined]
    assert isinstance(source, RefreshableCredentials)
    assert source._refresh_lock.locked()  # type: ignore[attr-defined]
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(LONG)  # ends a child that hangs
        try:
            code = 0 if key_of(session).startswith("ASIATASKKEY") else 1
        finally:
            os._exit(code)  # whatever happened: the child must not go on with the tests
    go_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    waiting.join(LONG)
    assert session.expires_at is not None
