"""Refresh over eight hours, by many threads, and under faults on the wire."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import nan
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from session_scoping import SessionTags
from session_scoping.agent import TaskCredentialsError, TaskSession
from session_scoping.agent.errors import Failure
from session_scoping.agent.session import refresh_attempt
from session_scoping.agent.session.clock import Clock
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.session.refresh import TaskCredentials
from session_scoping.agent.session.refresh_attempt import Round, attempt
from session_scoping.agent.sources.compute_role import STS_CONFIG
from tests.support.stand_in_sts import (
    ACCOUNT,
    SECRET,
    TOKEN,
    Reply,
    Request,
    StandInSts,
    assume_role_xml,
    assumed_arn,
    error,
)
from tests.support.task import AMBIENT_KEY, LONG, TAGS, MovableClock, join_attempts, key_of

Make = Callable[..., TaskSession]
GOOD_ARN = assumed_arn("arn:aws:iam::123456789012:role/app/AgentSession", "task-0042")
IN_AN_HOUR = "2026-03-01T13:00:00Z"
GOOD = assume_role_xml("ASIAGOOD", IN_AN_HOUR, GOOD_ARN)

FAULTS: dict[str, tuple[Reply, str]] = {
    "refused": (error("AccessDenied", 403), "AccessDenied"),
    "throttled": (error("Throttling", 400), "Throttling"),
    "unknown code": (error("Whatever", 400), "Refused"),
    "server error": (error("InternalFailure", 500), "InternalFailure"),
    "bare 503": (Reply("", 503), "ServerError"),
    "html 500": (Reply("<html>no", 500), "ServerError"),
    "text 502": (Reply("Bad Gateway", 502), "ServerError"),
    "json 503": (Reply('{"message": null}', 503), "ServerError"),
    "bare 429": (Reply("", 429), "Throttling"),
    "html 429": (Reply("<!DOCTYPE html><html>slow", 429), "Throttling"),
    "bare 408": (Reply("", 408), "Timeout"),
    "text 404": (Reply("no", 404), "Malformed"),
    "throttled elsewhere": (error("RequestThrottled", 400), "Throttling"),
    "too late elsewhere": (error("RequestTimeout", 400), "Timeout"),
    "expired source": (error("ExpiredToken", 403), "ExpiredToken"),
    "redirect": (Reply("", 302, {"Location": "http://127.0.0.1:9/"}), "Redirect"),
    "moved": (Reply("", 301), "Redirect"),
    "redirect of the method": (Reply("", 307, {"Location": "http://127.0.0.1:9/"}), "Redirect"),
    "redirect with a page": (Reply("moved <a>", 302), "Redirect"),
    "truncated": (Reply(GOOD[: len(GOOD) // 2]), "Malformed"),
    "cut off": (Reply(GOOD, drop=True), "NoConnection"),
    "empty": (Reply(""), "Malformed"),
    "html": (Reply("<html><body>captive portal</body></html>"), "Malformed"),
    "json": (Reply('{"Credentials": {}}'), "Malformed"),
    "200 with an error": (Reply(error("AccessDenied", 403).body), "Malformed"),
    "expired": (Reply(assume_role_xml("ASIAOLD", "2026-03-01T11:59:00Z", GOOD_ARN)), "Expired"),
    "about to expire": (Reply(assume_role_xml("ASIAOLD", "2026-03-01T12:01:00Z", GOOD_ARN)), "Expired"),
    "too far": (Reply(assume_role_xml("ASIAFAR", "2026-03-01T13:06:00Z", GOOD_ARN)), "TooFar"),
    "absurdly far": (Reply(assume_role_xml("ASIAFAR", "9999-12-31T23:59:59Z", GOOD_ARN)), "Malformed"),
    "no date": (Reply(assume_role_xml("ASIAX", "soon", GOOD_ARN)), "Malformed"),
    "another role": (
        Reply(assume_role_xml("ASIAX", IN_AN_HOUR, GOOD_ARN.replace("Agent", "Other"))),
        "WrongRole",
    ),
    "another session": (Reply(assume_role_xml("ASIAX", IN_AN_HOUR, GOOD_ARN + "3")), "WrongRole"),
    "no key": (Reply(assume_role_xml("", IN_AN_HOUR, GOOD_ARN)), "Malformed"),
    "no secret": (Reply(GOOD.replace(f"<SecretAccessKey>{SECRET}</SecretAccessKey>", "")), "Malformed"),
    "no role": (Reply(GOOD.replace(f"<Arn>{GOOD_ARN}</Arn>", "")), "WrongRole"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_at_first_use_raises(
    fault: str, session: TaskSession, sts: StandInSts, clock: MovableClock
) -> None:
    """An odd answer is a failure with a reason: five requests if it may pass, two if it cannot be read, or one."""
    reply, reason = FAULTS[fault]
    sts.behave = lambda _: reply
    for _ in range(5):
        with pytest.raises(TaskCredentialsError) as caught:
            key_of(session)
        assert caught.value.reason == reason
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    assert sts.count() == (5 if caught.value.transient else 2 if reason == "Malformed" else 1)
    sts.behave = lambda _: None
    clock.move(seconds=30)
    assert key_of(session).startswith("ASIATASKKEY")


@pytest.mark.parametrize("fault", ["throttled", "text 502", "bare 429", "bare 408", "truncated", "html", "no key"])
def test_one_bad_answer_at_first_use_is_no_outage(fault: str, session: TaskSession, sts: StandInSts) -> None:
    """What passes at once costs a task one more request, whether or not the answer could be read."""
    answers = [FAULTS[fault][0]]
    sts.behave = lambda _: answers.pop() if answers else None
    assert key_of(session).startswith("ASIATASKKEY")
    assert sts.count() == 2


@pytest.mark.parametrize("fault", ["refused", "another role", "too far"])
def test_a_readable_answer_that_breaks_a_rule_is_not_asked_for_again(
    fault: str, session: TaskSession, sts: StandInSts
) -> None:
    """A refusal or a lie stays one: only what nobody could read may be an accident."""
    answers = [FAULTS[fault][0]]
    sts.behave = lambda _: answers.pop() if answers else None
    with pytest.raises(TaskCredentialsError):
        key_of(session)
    assert sts.count() == 1


@pytest.mark.parametrize(
    "fault", ["refused", "throttled", "bare 503", "truncated", "expired", "too far", "another role"]
)
def test_a_fault_is_tolerated_until_a_minute_before_expiry(
    fault: str, session: TaskSession, sts: StandInSts, clock: MovableClock
) -> None:
    """The present set signs up to 60 seconds before its end; then every call raises; attempts have a gap."""
    first = key_of(session)
    reply = FAULTS[fault][0]
    # An expiry that is wrong at noon may be right later: keep it wrong at every hour.
    lasts = {"expired": -60, "too far": 4000}.get(fault)
    attempts: list[datetime] = []

    def behave(request: Request) -> Reply:
        attempts.append(clock())
        return reply if lasts is None else sts.assumed(request, lasts=lasts)

    sts.behave = behave
    for _ in range(3539 // 29):
        clock.move(seconds=29)
        assert key_of(session) == first
    clock.time = datetime(2026, 3, 1, 12, 59, 0, tzinfo=UTC)
    early = len(attempts)
    for _ in range(20):
        with pytest.raises(TaskCredentialsError):
            key_of(session)
        clock.move(seconds=9)
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert early > 5
    assert len(attempts) > early
    # When there is no set left: one round of one, two (an answer that cannot be read) or five.
    assert sum(gap < timedelta(seconds=30) for gap in gaps) in {0, 1, 4}
    assert all(gap >= timedelta(seconds=30) for gap in gaps[: early - 1])
    sts.behave = lambda _: None
    clock.move(seconds=30)
    assert key_of(session) not in {first, AMBIENT_KEY}


def test_after_expiry_a_real_client_raises_ours(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A boto3 call without credentials raises TaskCredentialsError itself, and reaches no service."""
    client = session.client("dynamodb", endpoint_url="http://127.0.0.1:9")
    key_of(session)
    sts.behave = lambda _: error("ServiceUnavailable", 503)
    clock.move(hours=2)
    for _ in range(3):
        with pytest.raises(TaskCredentialsError, match="ServiceUnavailable"):
            client.list_tables()


def test_a_slow_sts_is_a_timeout(session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come in time is a failure that may pass."""
    short = STS_CONFIG.merge(Config(read_timeout=0.2))
    monkeypatch.setattr("session_scoping.agent.sources.assume_role.STS_CONFIG", short)
    asked = threading.Event()

    def behave(_: Request) -> Reply:
        asked.set()
        return Reply(GOOD, delay=LONG)

    sts.behave = behave
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "Timeout"
    assert asked.wait(LONG)  # a busy machine's STS may read the request after the agent has given it up
    assert sts.count() <= 5


def test_a_dripping_answer_is_a_timeout(session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes byte by byte outlives every socket timeout, but not the attempt's deadline."""
    monkeypatch.setattr(refresh_attempt, "DEADLINE_SECONDS", 0.3)
    sts.behave = lambda _: Reply(GOOD, drip=0.005)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "Timeout"


def test_one_request_that_hangs_is_no_outage(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second request is sent where the first gets no answer, once for all threads; how the first ends is no news."""
    monkeypatch.setattr(refresh_attempt, "SLOW_SECONDS", 0.1)
    go_on = threading.Event()

    def behave(_: Request) -> Reply | None:
        return error("InternalFailure", 500) if sts.count() == 1 and go_on.wait(LONG) else None

    sts.behave = behave
    credentials: Any = session.boto3_session.get_credentials()
    with ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(lambda _: credentials.get_frozen_credentials().access_key, range(20)))
    go_on.set()
    join_attempts()
    assert keys == {key_of(session)} == {"ASIATASKKEY000000001"}
    assert (sts.count(), caplog.messages) == (2, [])


def test_a_slow_answer_is_waited_for_beside_the_second_request(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An STS that is slow each time, or refuses the second request, costs no more than the time of its first answer."""
    monkeypatch.setattr(refresh_attempt, "SLOW_SECONDS", 0.1)
    refused = threading.Event()

    def behave(_: Request) -> Reply | None:
        if sts.count() == 1:
            assert refused.wait(LONG)
            return None
        refused.set()
        return error("AccessDenied", 403)

    sts.behave = behave
    assert key_of(session) == "ASIATASKKEY000000001"
    assert sts.count() == 2


def test_a_request_that_hangs_beside_another_ends_at_the_deadline(
    session: TaskSession, sts: StandInSts, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both hang callers raise at the deadline; the next round is one request, which is not doubled."""
    monkeypatch.setattr(refresh_attempt, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(refresh_attempt, "DEADLINE_SECONDS", 0.2)
    go_on = threading.Event()
    sts.behave = lambda _: error("AccessDenied", 403) if go_on.wait(LONG) else None
    credentials: Any = session.boto3_session.get_credentials()
    for _ in range(2):
        with pytest.raises(TaskCredentialsError, match="next attempt, in") as caught:
            credentials.get_frozen_credentials()
        assert caught.value.reason == "Timeout"
        clock.move(seconds=30)
    go_on.set()
    join_attempts()
    assert sts.count() == 3


def test_a_failed_round_says_when_the_next_attempt_is(
    session: TaskSession, clock: MovableClock, sts: StandInSts
) -> None:
    """Thirty seconds after the round for its callers, less for those who come later; then a call asks again."""
    sts.behave = lambda _: error("AccessDenied", 403)
    for left in (30, 18):
        with pytest.raises(TaskCredentialsError, match=f"until the next attempt, in {left} seconds") as caught:
            key_of(session)
        assert caught.value.retry_after == left
        clock.move(seconds=12)
    clock.move(seconds=6)
    sts.behave = lambda _: None
    assert key_of(session).startswith("ASIATASKKEY")


def sleeps(session: TaskSession, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets every pause of a session on the movable clock."""
    timer, pauses = session._credentials.timer, list[float]()
    sleep = timer.sleep

    def noted(seconds: float) -> None:
        pauses.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(timer, "sleep", noted)
    return pauses


def test_patience_outlasts_a_throttled_start(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verify() goes on while STS throttles: five attempts, then one for each pause of 30 seconds or more."""
    pauses = sleeps(session, monkeypatch)
    sts.behave = lambda _: error("Throttling", 400) if sum(pause >= 30 for pause in pauses) < 3 else None
    assert session.verify(patience_seconds=300).account == ACCOUNT
    actions = [request.action for request in sts.requests]
    assert actions == ["AssumeRole"] * 8 + ["GetCallerIdentity"]
    assert [pause >= 30 for pause in pauses] == [False] * 4 + [True] * 3


@pytest.mark.parametrize("patience", [0, 20])
@pytest.mark.parametrize("action", ["AssumeRole", "GetCallerIdentity"])
@pytest.mark.parametrize("reply", [error("Throttling", 400), Reply("", 503), Reply(GOOD, drop=True)])
def test_one_bad_answer_is_no_outage(
    reply: Reply,
    action: str,
    patience: float,
    session: TaskSession,
    sts: StandInSts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The start of a task survives a failure that passes, with one short pause."""
    pauses = sleeps(session, monkeypatch)
    sts.behave = lambda request: reply if request.action == action and not pauses else None
    assert session.verify(patience_seconds=patience).account == ACCOUNT
    assert len(pauses) == 1
    assert 0.01 <= pauses[0] <= 0.02


@pytest.mark.parametrize("reply", [error("Throttling", 400), error("ServiceUnavailable", 503), Reply("", 500)])
def test_patience_is_for_the_identity_too(
    reply: Reply, session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passing failure of GetCallerIdentity is waited out; the role is not assumed again."""
    pauses = sleeps(session, monkeypatch)
    sts.behave = lambda request: reply if request.action == "GetCallerIdentity" and len(pauses) < 6 else None
    assert session.verify(patience_seconds=300).account == ACCOUNT
    assert [request.action for request in sts.requests] == ["AssumeRole"] + ["GetCallerIdentity"] * 7


def test_patience_ends(
    session: TaskSession, sts: StandInSts, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When STS stays broken, verify() raises within its patience and one round, and says that it may come back."""
    started, pauses = clock(), sleeps(session, monkeypatch)
    sts.behave = lambda request: Reply("", 500) if request.action == "GetCallerIdentity" else None
    with pytest.raises(TaskCredentialsError) as caught:
        session.verify(patience_seconds=100)
    assert caught.value.transient
    assert 1 <= sum(pause >= 30 for pause in pauses) <= 3
    assert (clock() - started).total_seconds() <= 110


@pytest.mark.parametrize(
    ("code", "patience", "requests"),
    [("Throttling", 0, 5), ("Throttling", 20, 5), ("Throttling", nan, 5), ("AccessDenied", 300, 1)],
)
def test_patience_is_asked_for_and_not_wasted(
    code: str,
    patience: float,
    requests: int,
    session: TaskSession,
    sts: StandInSts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without patience for one more round, and for a lasting refusal, verify() raises at once."""
    pauses = sleeps(session, monkeypatch)
    sts.behave = lambda _: error(code, 400)
    with pytest.raises(TaskCredentialsError):
        session.verify(patience_seconds=patience)
    assert sts.count() == requests
    assert all(pause < 30 for pause in pauses)


def test_nobody_listening_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An STS that cannot be reached is an error, and the ambient keys do not stand in."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(TaskSession(TAGS))
    assert caught.value.reason == "NoConnection"


def next_key_of(session: TaskSession) -> str:
    """Return the access key after an early refresh, if one is due: the call that begins it signs with the old one."""
    key_of(session)
    return key_of(session)


def test_eight_hours_of_work(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A task that calls DynamoDB every minute re-assumes with the same tags and never sees ExpiredToken."""
    client = session.client("dynamodb", endpoint_url=sts.url)
    for _ in range(8 * 60):
        client.get_item(TableName="tasks", Key={"task_id": {"S": "task-0042"}})
        join_attempts()
        clock.move(minutes=1)
    assert len(sts.served) == 8 * 60
    assert 10 <= sts.count() <= 11
    assert sts.count() - len(set(sts.served)) <= 1  # the last call may begin a refresh
    assert AMBIENT_KEY not in sts.served
    assert all(request.tags == dict(TAGS) for request in sts.requests)
    assert {request.form["RoleSessionName"] for request in sts.requests} == {"task-0042"}
    assert {request.signed_by for request in sts.requests} == {AMBIENT_KEY}


def test_a_pause_longer_than_the_credentials(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A task that sleeps past the expiry gets a new set, not an expired one."""
    first = key_of(session)
    clock.move(hours=5)
    assert key_of(session) != first
    assert sts.count() == 2


def test_refresh_times_differ_between_sessions(make_session: Make, clock: MovableClock) -> None:
    """Tasks started together refresh at different times: when 16 to 8 minutes of the hour are left."""
    sessions = [make_session(SessionTags(user_id="u", repo="r", task_id=f"task-{number}")) for number in range(24)]
    first = [key_of(session) for session in sessions]
    clock.move(minutes=43, seconds=59)
    assert [next_key_of(session) for session in sessions] == first
    clock.move(minutes=4)
    refreshed = sum(next_key_of(session) != key for session, key in zip(sessions, first, strict=True))
    assert 0 < refreshed < len(sessions)
    clock.move(minutes=4, seconds=1)
    assert all(next_key_of(session) != key for session, key in zip(sessions, first, strict=True))


@pytest.mark.parametrize("step", [timedelta(0), timedelta(minutes=53), timedelta(hours=3)])
def test_twenty_threads_make_one_refresh(
    step: timedelta, session: TaskSession, sts: StandInSts, clock: MovableClock
) -> None:
    """However many threads ask at once, one AssumeRole is sent, and nobody sees parts of two sets."""
    if step:
        key_of(session)
    clock.time += step
    before = sts.count()
    sts.behave = lambda request: Reply(sts.assumed(request).body, delay=0.05)
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    barrier = threading.Barrier(20)

    def read(_: int) -> set[str]:
        barrier.wait()
        found = set()
        for _ in range(50):
            frozen = credentials.get_frozen_credentials()
            key, secret, token = str(frozen.access_key), str(frozen.secret_key), str(frozen.token)
            found.add(f"{int(key[-9:])}/{secret.removeprefix(SECRET)}")
            assert token.removeprefix(TOKEN) == secret.removeprefix(SECRET)
        return found

    with ThreadPoolExecutor(20) as pool:
        seen = set().union(*pool.map(read, range(20)))
    join_attempts()
    assert all(one.split("/")[0] == one.split("/")[1] for one in seen)
    assert sts.count() == before + 1


def test_twenty_threads_share_one_failure(session: TaskSession, sts: StandInSts) -> None:
    """When the one round fails, all waiting threads raise; none tries again behind it."""
    sts.behave = lambda _: Reply(error("Throttling", 400).body, 400, delay=0.05)
    barrier = threading.Barrier(20)

    def use(_: int) -> bool:
        barrier.wait()
        with pytest.raises(TaskCredentialsError):
            key_of(session)
        return True

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(use, range(20)))
    assert sts.count() == 5


def test_early_refresh_holds_nobody_up(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """While STS hangs and the present set has seven minutes left, every thread signs with it at once."""
    first = key_of(session)
    clock.move(minutes=53)
    asked, go_on = threading.Event(), threading.Event()

    def behave(_: object) -> None:
        asked.set()
        assert go_on.wait(LONG)

    sts.behave = behave
    credentials: Any = session.boto3_session.get_credentials()
    with ThreadPoolExecutor(20) as pool:
        keys = list(pool.map(lambda _: credentials.get_frozen_credentials().access_key, range(100)))
    assert set(keys) == {first}
    assert asked.wait(LONG)
    go_on.set()
    assert key_of(session) == first or sts.count() == 2
    assert key_of(session) != first
    assert sts.count() == 2


def test_asyncio_tasks_have_their_own_sessions(make_session: Make, sts: StandInSts) -> None:
    """Sessions used from asyncio tasks stay separate, in worker threads as boto3 needs."""

    async def work(number: int) -> str:
        session = make_session(SessionTags(user_id="u", repo="r", task_id=f"task-{number}"))
        arn = (await asyncio.to_thread(session.verify)).arn
        await asyncio.sleep(0)
        return arn

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(work(number) for number in range(8)))

    arns = asyncio.run(all_of_them())
    assert [arn.rsplit("/", 1)[1] for arn in arns] == [f"task-{number}" for number in range(8)]
    assert sts.count() == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_during_a_refresh_does_not_hang(clock: MovableClock) -> None:
    """A child forked while a thread of the parent refreshes gets credentials by itself."""
    asked, go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    def provider() -> CredentialSet:
        if os.getpid() == parent:
            asked.set()
            assert go_on.wait(LONG)
        return CredentialSet("ASIA", "secret", "token", clock() + timedelta(hours=1))

    session = TaskSession(TAGS, credentials=provider, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(key_of, session)
        assert asked.wait(LONG)
        child = os.fork()
        if child == 0:
            code = 1
            signal.alarm(LONG)  # ends a child that hangs
            try:
                code = 0 if key_of(session) == "ASIA" else 1
            finally:
                os._exit(code)  # whatever happened: the child must not go on with the tests
        try:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            go_on.set()
        assert refreshing.result() == "ASIA"


class TwoClocks:
    """A wall clock and a monotonic clock that a test moves independently."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, tzinfo=UTC)
        self.monotonic = 0.0

    def make(self, answers: list[int]) -> TaskCredentials:
        """Return credentials on these clocks, with one-hour sets, noting each fetch."""

        def fetch() -> CredentialSet:
            answers.append(1)
            return CredentialSet("ASIA", "secret", "token", self.wall + timedelta(hours=1))

        return TaskCredentials(
            fetch,
            source="STS",
            longest=3600,
            clock=Clock(lambda: self.wall, lambda: self.monotonic),
            draw=lambda: 0.25,
        )


@pytest.mark.parametrize(
    ("wall", "monotonic", "fetches"),
    [
        (timedelta(minutes=44), 44 * 60, 1),
        (timedelta(minutes=46), 46 * 60, 2),
        (timedelta(hours=-5), 46 * 60, 2),
        (timedelta(hours=5), 0, 2),
        (timedelta(hours=-5), 60, 1),
    ],
)
def test_no_step_of_a_clock_makes_credentials_younger(wall: timedelta, monotonic: float, fetches: int) -> None:
    """A wall clock set back, or a monotonic clock that stood still, does not hide an expiry."""
    clocks, answers = TwoClocks(), list[int]()
    credentials = clocks.make(answers)
    credentials.get_frozen_credentials()
    clocks.wall += wall
    clocks.monotonic += monotonic
    credentials.get_frozen_credentials()
    assert len(answers) == fetches


def test_time_spent_waiting_counts(clock: MovableClock) -> None:
    """A set that took longer to arrive than it lasts is refused, whatever its expiry says."""

    def provider() -> CredentialSet:
        clock.move(minutes=59, seconds=30)
        return CredentialSet("ASIA", "secret", "token", clock() + timedelta(seconds=30))

    outcome = attempt(provider, source="STS", longest=3600, clock=Clock(clock, lambda: 0.0))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "Expired"


def test_a_clock_a_little_slow_does_not_stretch_the_hour(
    session: TaskSession, sts: StandInSts, clock: MovableClock
) -> None:
    """Within the tolerated skew a set is still used for one hour at most."""
    sts.behave = lambda request: sts.assumed(request, lasts=3600 + 290)
    key_of(session)
    sts.behave = lambda _: error("InternalFailure", 500)
    clock.move(seconds=3541)
    with pytest.raises(TaskCredentialsError):
        key_of(session)


def test_short_lived_sets_are_used_for_a_quarter_at_least(
    clock: MovableClock, sts: StandInSts, session: TaskSession
) -> None:
    """Fifteen-minute credentials do not lead to a refresh on every call."""
    sts.behave = lambda request: sts.assumed(request, lasts=900)
    key_of(session)
    for _ in range(22):
        clock.move(seconds=10)
        key_of(session)
    assert sts.count() == 1


@pytest.mark.parametrize("lasts", [100, 120, 240])
def test_the_shortest_sets_refresh_before_their_last_minute(
    lasts: int, clock: MovableClock, sts: StandInSts, session: TaskSession
) -> None:
    """Even a set of a minute or two is replaced while it still signs, so that one fault is tolerated."""
    sts.behave = lambda request: sts.assumed(request, lasts=lasts)
    first = key_of(session)
    sts.behave = lambda _: error("InternalFailure", 500)
    clock.move(seconds=(lasts - 60) * 0.9)
    assert key_of(session) == first
    assert sts.count() == 2


def use_every_second(session: TaskSession, clock: MovableClock, seconds: int) -> int:
    """Ask for a key each second, as a busy task does, and return how often there was one."""
    signed = 0
    for _ in range(seconds):
        try:
            key_of(session)
            signed += 1
        except TaskCredentialsError as failure:
            assert failure.reason == "Expired"  # noqa: PT017 - or there was a key
        clock.move(seconds=1)
    return signed


@pytest.mark.parametrize(
    ("lasts", "asked", "signed"), [(61, 20, 20), (65, 20, 100), (75, 20, 300), (90, 20, 600), (120, 20, 600)]
)
def test_short_lived_answers_cause_no_storm(
    lasts: int, asked: int, signed: int, clock: MovableClock, sts: StandInSts, session: TaskSession
) -> None:
    """Ten minutes of calls ask at most every 30 seconds; a set of under 90 seconds ends before the next attempt."""
    sts.behave = lambda request: sts.assumed(request, lasts=lasts)
    assert use_every_second(session, clock, 600) == signed
    assert sts.count() == asked


def test_a_clock_an_hour_fast_causes_no_storm(clock: MovableClock, sts: StandInSts, session: TaskSession) -> None:
    """Honest one-hour answers look short-lived to it, and are asked for no more often."""
    sts.behave = lambda request: sts.assumed(request, lasts=3600 - 3535)
    use_every_second(session, clock, 120)
    assert sts.count() == 4


def test_a_broker_that_gives_the_same_set_is_not_stormed(make_session: Make, clock: MovableClock) -> None:
    """The present set over again is no failure; it is asked for at most every 30 seconds, to its end and after."""
    ends = clock() + timedelta(hours=1)
    asked: list[datetime] = []

    def provider() -> CredentialSet:
        asked.append(clock())
        return CredentialSet("ASIA", "secret", "token", ends)

    assert use_every_second(make_session(credentials=provider), clock, 3700) == 3540
    assert min(later - earlier for earlier, later in pairwise(asked)) >= timedelta(seconds=30)


def test_twenty_threads_share_one_spent_set(clock: MovableClock, sts: StandInSts, session: TaskSession) -> None:
    """A set that ended before the next attempt is due raises in every thread, and none asks."""
    sts.behave = lambda request: sts.assumed(request, lasts=70)
    key_of(session)
    clock.move(seconds=29)

    def use(_: int) -> None:
        with pytest.raises(TaskCredentialsError, match="less than 90 seconds"):
            key_of(session)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(use, range(20)))
    assert sts.count() == 1
    clock.move(seconds=1)
    assert key_of(session) == "ASIATASKKEY000000002"


def test_ctrl_c_while_waiting_makes_no_second_request(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round goes on in its own thread, and the next call gets what it brings."""

    def interrupted(_: Round, __: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Round, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            key_of(session)
    assert key_of(session).startswith("ASIATASKKEY")
    assert sts.count() == 1


def test_a_set_that_ends_sooner_does_not_replace_the_present_one(
    clock: MovableClock, sts: StandInSts, session: TaskSession
) -> None:
    """An answer from the past cannot shorten what is left of the present set; an equal one is fine."""
    first = key_of(session)
    clock.move(minutes=53)
    sts.behave = lambda request: sts.assumed(request, lasts=120)
    assert next_key_of(session) == first
    clock.move(minutes=1)
    sts.behave = lambda request: sts.assumed(request, lasts=6 * 60)
    assert next_key_of(session) == "ASIATASKKEY000000003"


def test_the_time_an_answer_takes_is_part_of_its_lifetime(make_session: Make, clock: MovableClock) -> None:
    """A set that took three minutes to come and ends before the present one does not replace it."""
    first_ends = clock() + timedelta(minutes=60)

    def provider() -> CredentialSet:
        if clock() < first_ends - timedelta(minutes=30):
            return CredentialSet("FIRST", "secret", "token", first_ends)
        clock.move(minutes=3)
        return CredentialSet("SECOND", "secret", "token", first_ends - timedelta(seconds=10))

    session = make_session(credentials=provider)
    assert key_of(session) == "FIRST"
    clock.move(minutes=53)
    assert key_of(session) == "FIRST"
    assert clock() == first_ends - timedelta(minutes=4)
    assert key_of(session) == "FIRST"


def test_an_answer_with_the_compute_role_s_own_key_is_refused(session: TaskSession, sts: StandInSts) -> None:
    """Whatever else the answer says, the ambient key never becomes the task's."""
    sts.behave = lambda _: Reply(assume_role_xml(AMBIENT_KEY, IN_AN_HOUR, GOOD_ARN))
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason == "WrongRole"


def test_threads_make_their_first_clients_at_once(session: TaskSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads may ask one session for clients together: botocore, which is not made for that, makes one by one."""
    start, meeting, create = threading.Barrier(8), threading.Barrier(2), botocore.session.Session.create_client
    met: list[int] = []

    def watched(*args: Any, **options: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            met.append(meeting.wait(0.3))
        return create(*args, **options)

    def make(_: int) -> str:
        start.wait()
        return str(session.client("sqs").meta.service_model.service_name)

    monkeypatch.setattr(botocore.session.Session, "create_client", watched)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(make, range(8))) == {"sqs"}
    assert met == []


def test_account_is_the_role_s(session: TaskSession) -> None:
    """Account-based endpoints get the role's account."""
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    assert credentials.get_frozen_credentials().account_id == ACCOUNT
