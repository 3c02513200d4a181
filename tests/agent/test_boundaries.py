"""The agent half's limits from both sides, and how long it waits for whom."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from session_scoping import InvalidInputError
from session_scoping.agent import TaskCredentialsError, TaskSession
from session_scoping.agent.children.owner_file import OwnerFile
from session_scoping.agent.children.task_file import read_task_file, write_task_file
from session_scoping.agent.errors import AnswerRefusedError
from session_scoping.agent.session import pace, refresh_attempt
from session_scoping.agent.session.clock import Clock
from session_scoping.agent.session.credential_set import CredentialSet, check_left
from session_scoping.agent.sources import compute_role, credential_broker
from session_scoping.agent.sources.credential_broker import BrokeredRole
from session_scoping.agent.sources.token_source import TokenSource
from session_scoping.agent.sources.web_identity import check_duration
from session_scoping.agent.vault import tokens
from session_scoping.agent.vault.results import delegation_of
from session_scoping.contract.errors import FUNCTION_TIMEOUT_SECONDS
from session_scoping.contract.tags import SessionTags
from tests.agent.test_tokens import jwt
from tests.support.task import LONG, MovableClock, join_attempts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(**changes: Any) -> CredentialSet:
    """Read an answer of STS."""
    keys = {"AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", "Expiration": NOW}
    return CredentialSet.from_answer({**keys, **changes})


def named(function: str) -> BrokeredRole:
    """Return a role behind a broker of this name."""
    return BrokeredRole(
        function=function, tokens=TokenSource("token"), role=None, session_name="T1", region_name="eu-west-1"
    )


def function_arn(region: str = "eu-west-1", account: str = "111122223333") -> BrokeredRole:
    """Return a role behind a broker of this ARN."""
    return named(f"arn:aws:lambda:{region}:{account}:function:broker")


Make = Callable[[int], object]
LIMITS: dict[str, tuple[Make, int, int]] = {
    # STS API_AssumeRoleWithWebIdentity.
    "seconds of a web identity": (check_duration, 900, 43_200),
    # Lambda API_Invoke, FunctionName.
    "characters of a function's name": (lambda n: named("f" * n), 1, 64),
    "characters of a function's alias": (lambda n: named(f"f:{'a' * n}"), 1, 128),
    "characters of a function's Region": (lambda n: function_arn(region="r" * n), 1, 32),
    "digits of a function's account": (lambda n: function_arn(account="1" * n), 12, 12),
    "characters of a session token": (lambda n: answer(SessionToken="t" * n), 1, 16_384),
    "the year in which keys end": (lambda n: answer(Expiration=datetime(n, 1, 1, tzinfo=UTC)), 2000, 9000),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_kept_from_both_sides(name: str) -> None:
    """What just fits is taken, and one more or one less is refused."""
    make, least, most = LIMITS[name]
    assert make(least)
    assert make(most)
    for outside in (least - 1, most + 1):
        with pytest.raises((InvalidInputError, AnswerRefusedError)):
            make(outside)


def test_keys_sign_until_a_minute_before_their_end() -> None:
    """A minute is left for a slow call to arrive; not a second more is lost."""
    check_left(60.001)
    with pytest.raises(AnswerRefusedError):
        check_left(60.0)


@pytest.mark.parametrize("longest", [900.0, 3600.0])
def test_an_end_may_lie_five_minutes_too_far(longest: float) -> None:
    """SigV4 takes clocks five minutes off; the time beyond the longest is not used, and more is refused."""
    ends = NOW + timedelta(seconds=longest + 300)
    assert answer(Expiration=ends).lifetime(now=NOW, longest=longest) == longest
    with pytest.raises(AnswerRefusedError):
        answer(Expiration=ends + timedelta(seconds=1)).lifetime(now=NOW, longest=longest)


def test_a_file_of_64_kib_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    """Whatever is larger than a token or the tags of a task is no such file."""
    path = tmp_path / "file"
    path.touch(mode=0o600)
    file = OwnerFile(path, what="the file", maker="write less")
    path.write_bytes(b"x" * 262_144)
    assert len(file.read()) == 262_144
    path.write_bytes(b"x" * 262_145)
    with pytest.raises(InvalidInputError, match="256 KiB"):
        file.read()


def test_the_largest_tags_of_a_task_fit_its_file(tmp_path: Path) -> None:
    """As many and as long as STS takes, of the characters that take the most bytes."""
    wide = chr(0x20000)
    tags = SessionTags(**{f"{number:02}{wide * 126}": wide * 256 for number in range(50)})
    path = write_task_file(tmp_path / "task", tags)
    assert path.stat().st_size > 65_536
    assert read_task_file(path) == tags


def test_a_chain_of_actors_is_cut_at_sixteen() -> None:
    """Names of up to 256 characters are shown, of sixteen actors."""
    act: dict[str, Any] = {"sub": "n" * 257}
    for _ in range(20):
        act = {"sub": "n" * 256, "act": act}
    found = delegation_of(jwt(act=act, sub="n" * 257))
    assert found is not None
    assert (found.actors, found.subject) == (("n" * 256,) * 16, "?")


# --- how long it waits --------------------------------------------------------------------------------------------


def longest_call(config: Any) -> float:
    """Return the seconds a call may take before botocore gives it up: to connect, and to wait for an answer."""
    return float(config.connect_timeout + config.read_timeout)


@pytest.mark.parametrize("config", [compute_role.STS_CONFIG, credential_broker._CONFIG])
def test_one_request_is_made_for_each_attempt_and_ends_before_the_next_round(config: Config) -> None:
    """The refresh spaces attempts, so that botocore's own retries would multiply them."""
    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}  # type: ignore[attr-defined]
    assert longest_call(config) < pace.ATTEMPT_GAP_SECONDS
    assert refresh_attempt.DEADLINE_SECONDS == 10


def test_the_broker_is_given_a_second_more_than_its_function_has() -> None:
    """A function that is cut off at its timeout has answered by then."""
    assert credential_broker._CONFIG.read_timeout == FUNCTION_TIMEOUT_SECONDS + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("attempts", "longest"), [(1, 0.02), (2, 0.4), (3, 1.6), (4, 6.4)])
def test_a_pause_is_half_of_its_longest_or_more(attempts: int, longest: float) -> None:
    """Five attempts fit into ten seconds, and tasks that failed together do not ask again together."""
    drawn = [pace.pause_after(attempts) for _ in range(200)]
    assert longest / 2 <= min(drawn) < longest * 0.6
    assert longest * 0.9 < max(drawn) <= longest


def test_attempts_are_five_and_then_one_in_thirty_seconds() -> None:
    """A round that did not suffice is followed by single attempts; a success or a long rest allows five again."""
    clock = MovableClock()
    tempo = pace.Pace(Clock(clock, lambda: 0.0))
    assert tempo.begin() == 5
    tempo.end(spent=True)
    clock.move(seconds=29.9)
    assert tempo.begin() == 0
    clock.move(seconds=0.1)
    assert tempo.begin() == 1
    tempo.end(spent=True)
    clock.move(seconds=149.9)
    assert tempo.begin() == 1
    clock.move(seconds=150)
    assert tempo.begin() == 5
    tempo.end(spent=False)
    clock.move(seconds=30)
    assert tempo.begin() == 5


@pytest.mark.parametrize(("hanging", "gap"), [(0, 30), (1, 30), (2, 60), (3, 120), (10, 15_360)])
def test_each_round_that_hangs_beyond_the_first_doubles_the_gap(hanging: int, gap: int) -> None:
    """A second before the gap has passed nothing may begin; then one attempt."""
    clock = MovableClock()
    tempo = pace.Pace(Clock(clock, lambda: 0.0))
    tempo.begin()
    clock.move(seconds=gap - 1)
    assert (tempo.begin(hanging), tempo.seconds_to_next(hanging)) == (0, 1)
    clock.move(seconds=1)
    assert tempo.begin(hanging) == (1 if hanging or gap < 150 else 5)


def test_a_source_that_hangs_for_ever_is_asked_less_and_less_but_always_again(
    make_session: Callable[..., TaskSession], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight hours of calls leave ten threads behind; what answers again is used, though no thread has ended."""
    hang, answers = threading.Event(), threading.Event()
    monkeypatch.setattr(refresh_attempt, "DEADLINE_SECONDS", 0.02)

    def provider() -> CredentialSet:
        assert answers.is_set() or hang.wait(LONG)
        return CredentialSet("ASIANOW", "secret", "token", clock() + timedelta(hours=1))

    session = make_session(credentials=provider)
    credentials: Any = session.boto3_session.get_credentials()
    before, reasons = threading.active_count(), set()
    for _ in range(8 * 60):
        with pytest.raises(TaskCredentialsError) as caught:
            credentials.get_frozen_credentials()
        reasons.add(caught.value.reason)
        clock.move(minutes=1)
    left_behind = threading.active_count() - before
    answers.set()
    clock.move(seconds=caught.value.retry_after + 1)
    found = key_of_patient(credentials)
    hang.set()
    join_attempts()
    assert reasons == {"Timeout"}
    assert 8 <= left_behind <= 11
    assert found == "ASIANOW"


def key_of_patient(credentials: Any) -> str:
    """Return the key of a round that has as long as a busy machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh_attempt, "DEADLINE_SECONDS", LONG)
        return str(credentials.get_frozen_credentials().access_key)


def test_the_vault_is_asked_up_to_three_times() -> None:
    """Nothing spaces these calls, so that botocore does."""
    assert tokens._config().retries == {"mode": "standard", "total_max_attempts": 3}
