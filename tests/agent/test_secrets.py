"""Nothing that identifies a tenant, and no key, in any text the package makes."""

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from session_scoping import SessionScopingError
from session_scoping.agent import CredentialSet, SessionTags, TaskCredentialsError, TaskSession
from tests.support.stand_in_sts import SECRET, TOKEN, Reply, StandInSts, error
from tests.support.task import AMBIENT_SECRET, TAGS, Everything, MovableClock, join_attempts, key_of

Make = Callable[..., TaskSession]
FORBIDDEN = (SECRET, TOKEN, AMBIENT_SECRET, TAGS["user_id"], TAGS["repo"], "PLANTED", "planted")
ECHO = f"{SECRET} {TOKEN} {TAGS['user_id']} {TAGS['repo']}"


def leaks(text: str) -> list[str]:
    """Return the forbidden words a text holds."""
    return [word for word in FORBIDDEN if word in text]


ANSWERS: dict[str, Callable[[StandInSts], Reply | None]] = {
    "good": lambda _: None,
    "refused": lambda _: error("AccessDenied", 403, ECHO),
    "refused with a telling code": lambda _: error(TAGS["user_id"], 400, ECHO),
    "truncated": lambda _: Reply(f"<AssumeRoleResponse><Credentials>{ECHO}"),
    "html": lambda _: Reply(f"<html>{ECHO}</html>", 500),
    "another role": lambda _: Reply(
        f"<R><AssumeRoleResult><AssumedRoleUser><Arn>{ECHO}</Arn></AssumedRoleUser></AssumeRoleResult></R>"
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_log_holds_a_secret_or_a_tenant(
    answer: str, make_session: Make, sts: StandInSts, clock: MovableClock, logs: Everything
) -> None:
    """At DEBUG of everything, over success, refusal and refresh, no record of an STS call says too much."""
    session = make_session()
    logging.getLogger("botocore.parsers")  # exists, as does every other logger a client needs
    for _ in range(2):
        sts.behave = lambda _: ANSWERS[answer](sts)
        with suppress(SessionScopingError):
            session.verify()
        sts.behave = lambda _: None
        clock.move(minutes=31)
        key_of(session)
        clock.move(minutes=50)
    assert logs.lines
    assert [line for line in logs.lines if leaks(line[2])] == []


def test_no_log_holds_the_compute_role_s_token_while_its_owner_is_learnt(
    make_session: Make, sts: StandInSts, logs: Everything, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """GetCallerIdentity for keys of a file is asked after the refresh, and is as quiet at DEBUG as that."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id=ASIAFILE\naws_secret_access_key=x\naws_session_token=PLANTED\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    key_of(make_session())
    join_attempts()
    assert sts.count("GetCallerIdentity") == 1
    assert [line for line in logs.lines if leaks(line[2])] == []


def test_debug_output_of_other_clients_stays(session: TaskSession, logs: Everything) -> None:
    """Only our STS calls are quiet: a debugging engineer still sees their own."""
    import boto3

    session.verify()
    before = len(logs.lines)
    boto3.client("sts").get_caller_identity()
    new = [line for line in logs.lines[before:] if line[0] == "botocore.parsers"]
    assert any("GetCallerIdentityResult" in line[2] for line in new)


@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "good"])
def test_no_traceback_holds_a_secret_or_a_tenant(answer: str, session: TaskSession, sts: StandInSts) -> None:
    """An exception's text, its whole chain and the local variables of our frames say nothing."""
    sts.behave = lambda _: ANSWERS[answer](sts)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "session_scoping" in frame.filename]
    assert ours
    assert leaks("".join(str(frame.locals) for frame in ours)) == []
    assert leaks("".join(traceback.format_exception(caught.value))) == []
    assert caught.value.__context__ is None


def test_no_repr_holds_a_secret_or_a_tenant(session: TaskSession, clock: MovableClock) -> None:
    """Printing any object we hand out is safe."""
    key_of(session)
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    given = CredentialSet("PLANTED", SECRET, TOKEN, clock())
    for value in (session, session.boto3_session, credentials, frozen, given, TAGS, session.client("s3")):
        assert leaks(f"{value!r} {value!s} {[value]}") == []


def test_the_refused_value_of_a_tag_is_not_shown() -> None:
    """A tag that breaks a rule is described by its length and key."""
    with pytest.raises(ValueError, match="task_id") as caught:
        SessionTags(task_id="planted/planted")
    assert leaks(str(caught.value)) == []


def test_a_warning_about_a_broken_sts_is_logged(
    session: TaskSession, sts: StandInSts, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """While a broken STS is tolerated, one warning per attempt says what is wrong and for how long."""
    key_of(session)
    sts.behave = lambda _: error("Throttling", 400)
    clock.move(minutes=53)
    key_of(session)
    key_of(session)
    [record] = [record for record in caplog.records if record.name.startswith("session_scoping")]
    assert record.levelno == logging.WARNING
    assert "Throttling" in record.getMessage()
    assert "420 more seconds" in record.getMessage()
