"""A TaskSession that spends a token: at the broker over a real wire, or at STS as a web identity."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import NotScopedError, TaskCredentialsError, TaskSession
from session_scoping.agent.errors import _TRANSIENT
from session_scoping.agent.session.scoped import can_scope
from session_scoping.agent.sources.token_failures import REFUSALS
from session_scoping.contract.errors import RETRYABLE, RefusalCode
from session_scoping.orchestrator import TaskTokenSigner, revoke_tag
from tests.aws.broker.conftest import FUNCTION
from tests.support import ROOT
from tests.support.sdk_children import RUN
from tests.support.stand_in_aws import Call, StandInAws, Wire, refusal
from tests.support.stand_in_sts import ACCOUNT, ROLE_ARN, Reply, Request, StandInSts, error
from tests.support.task import AMBIENT_KEY, LONG, TAGS, MovableClock, key_of

OTHER = SessionTags(user_id="other", repo="o/r", task_id="task-9999")
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0042"
READ = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
Make = Callable[..., TaskSession]


@pytest.fixture
def token_file(token: str, tmp_path: Path) -> Path:
    """Write the token as an orchestrator does: a file of the agent's own user."""
    return write(tmp_path / "token", token)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file and give it a mode."""
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def brokered(token_file: Path, now: MovableClock) -> Make:
    """Return a maker of sessions that spend the token at the broker."""
    return lambda **options: TaskSession.from_token(
        **{"token": token_file, "broker": FUNCTION, "clock": now, **options}
    )


@pytest.fixture
def federated(token_file: Path, now: MovableClock) -> Make:
    """Return a maker of sessions that show the token to STS."""
    given: dict[str, Any] = {"token": token_file, "clock": now}
    return lambda **options: TaskSession.from_token(**{**given, **options})


def fails(session: TaskSession) -> TaskCredentialsError:
    """Return the error of the next use."""
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.__context__ is None
    return caught.value


def answer_with(aws: StandInAws, old: str, new: str) -> None:
    """Let the function answer about another session than the task's."""
    real = aws.function
    aws.function = lambda event, context: json.loads(json.dumps(real(event, context)).replace(old, new))


def test_a_web_identity_asks_once_for_each_attempt(federated: Make, sts: StandInSts) -> None:
    """The refresh makes five attempts at most: botocore sends none again, however STS fails."""
    sts.behave = lambda _: error("InternalFailure", 500)
    assert fails(federated()).reason == "InternalFailure"
    assert [request.action for request in sts.requests] == ["AssumeRoleWithWebIdentity"] * 5


def test_one_bad_answer_does_not_stop_a_web_identity(federated: Make, sts: StandInSts) -> None:
    """A failure that passes is survived at first use."""
    sts.behave = lambda _: error("InternalFailure", 500) if len(sts.requests) == 1 else None
    assert key_of(federated()).startswith("ASIATASKKEY")


def test_one_bad_answer_does_not_stop_a_brokered_session(brokered: Make, aws: StandInAws) -> None:
    """A throttled Invoke is survived at first use."""
    session = brokered()
    aws.calls.clear()
    aws.behave = lambda _: refusal("TooManyRequestsException", 429) if len(aws.calls) == 1 else None
    assert key_of(session).startswith("ASIATASKKEY")
    assert aws.actions().count("lambda:Invoke") == 2


@pytest.mark.skipif(not can_scope(), reason="the installed botocore lacks GetScopedCredentials")
@pytest.mark.parametrize(("way", "role_known"), [("brokered", True), ("brokered", False), ("federated", True)])
def test_a_tokens_session_narrows_itself(
    way: str, role_known: bool, request: pytest.FixtureRequest, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a token opened signs for less of itself; neither the token nor the compute role is spent on it."""
    if not role_known:
        monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    make: Make = request.getfixturevalue(way)
    session = make()
    key_of(session)
    before = len(sts.requests)
    for narrow in (session.scoped(policy=READ, seconds=300), session.derive(session_policy=READ)):
        key_of(narrow)
        assert narrow.verify().arn == ARN
    asked = [one for one in sts.requests[before:] if one.action != "GetCallerIdentity"]
    assert [(one.action, one.signed_by) for one in asked] == [("GetScopedCredentials", key_of(session))] * 2
    sts.behave = lambda one: error("AccessDenied", 403) if one.action == "GetScopedCredentials" else None
    failure = fails(session.derive(session_policy=READ))
    assert failure.reason == "AccessDenied"
    assert "SessionRole(narrowing=True)" in str(failure)


@pytest.mark.skipif(not can_scope(), reason="the installed botocore lacks GetScopedCredentials")
def test_another_roles_answer_is_refused_where_the_broker_named_the_role(
    brokered: Make, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a role in the settings the role that the broker's answer named is what counts."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    other = f"arn:aws:sts::{ACCOUNT}:assumed-role/Other/task-0042"
    sts.behave = lambda one: sts.scoped(one, arn=other) if one.action == "GetScopedCredentials" else None
    assert fails(brokered().scoped(policy=READ)).reason == "WrongRole"


@pytest.mark.parametrize(
    ("code", "owner", "reason"),
    [
        ("ExpiredTokenException", "Compute/i-2", None),
        ("UnrecognizedClientException", "Compute/i-2", None),
        ("UnrecognizedClientException", "Other/i-1", "SourceChanged"),
    ],
)
def test_a_rotated_credentials_file_invokes_the_broker_again(
    code: str,
    owner: str,
    reason: str | None,
    brokered: Make,
    aws: StandInAws,
    sts: StandInSts,
    now: MovableClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New keys of the same role take the place of those that ended; another role's do not."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    content = "[default]\naws_access_key_id = {}\naws_secret_access_key = x\n"
    file.write_text(content.format("ASIAFIRST"))
    session = brokered()
    key_of(session)
    file.write_text(content.format("ASIASECOND"))
    refused = ("lambda:Invoke", "ASIAFIRST")
    aws.behave = lambda call: refusal(code, 403) if (call.action, call.signed_by) == refused else None
    arn = f"arn:aws:sts::123456789012:assumed-role/{owner}"
    sts.behave = lambda request: sts.identity(request, arn=arn) if request.signed_by == "ASIASECOND" else None
    now.move(minutes=61)
    aws.calls.clear()
    if reason is None:
        assert key_of(session) == "ASIATASKKEY000000002"
    else:
        assert fails(session).reason == reason
        assert {call.signed_by for call in aws.calls if call.action == "lambda:Invoke"} == {"ASIAFIRST"}


# --- the broker -------------------------------------------------------------------------------------------------------


def test_a_token_becomes_the_task_s_session(brokered: Make, aws: StandInAws, sts: StandInSts) -> None:
    """Tags and name are the token's; the compute role signs Invoke and nothing else of ours."""
    aws.calls.clear()
    session = brokered()
    assert (aws.calls, sts.requests) == ([], [])
    assert (session.tags, session.role_session_name) == (TAGS, "task-0042")
    assert session.verify().arn == ARN
    assert aws.actions() == ["lambda:Invoke", "kms:Verify", "dynamodb:BatchGetItem"]
    assert aws.calls[0].signed_by == AMBIENT_KEY
    assert set(aws.calls[0].body) == {"token"}
    assert [request.action for request in sts.requests] == ["AssumeRole", "GetCallerIdentity"]
    assert sts.requests[1].signed_by.startswith("ASIATASKKEY")


def test_it_refreshes_with_the_token_until_that_ends(brokered: Make, now: MovableClock) -> None:
    """After the token's end the present credentials last until theirs, then calls raise with the one-line fix."""
    session = brokered()
    keys = {key_of(session)}
    for _ in range(2):
        now.move(minutes=53)
        keys |= {key_of(session), key_of(session)}  # the call that begins an early refresh signs with the old ones
    assert len(keys) == 3
    now.move(minutes=28)
    caught = fails(session)
    assert (caught.reason, caught.transient) == ("TokenExpired", False)
    assert "let the orchestrator issue a new token" in str(caught)
    assert "\n" not in str(caught)


def test_a_renewed_token_is_used(brokered: Make, now: MovableClock, token_file: Path, signer: TaskTokenSigner) -> None:
    """The file is read anew for each set, so that a task may go on with a second token."""
    session = brokered()
    key_of(session)
    now.move(hours=3)
    write(token_file, signer.issue(TAGS) + "\n")
    assert key_of(session) == "ASIATASKKEY000000002"


@pytest.mark.parametrize(
    "change", [lambda signer: signer.issue(OTHER), lambda signer: signer.issue(TAGS, source_identity="another")]
)
def test_a_token_of_another_task_is_not_used(
    change: Callable[[TaskTokenSigner], str],
    brokered: Make,
    now: MovableClock,
    token_file: Path,
    signer: TaskTokenSigner,
    sts: StandInSts,
) -> None:
    """A session never becomes another task's, nor changes its source identity, whatever is in the file."""
    session = brokered()
    key_of(session)
    now.move(hours=2)
    write(token_file, change(signer))
    assert fails(session).reason == "TokenChanged"
    assert sts.count() == 1


def test_a_function_may_give_the_token(brokered: Make, token: str) -> None:
    """It is called for the tags, and again for every set."""
    asked: list[int] = []

    def give() -> str:
        asked.append(1)
        return token

    session = brokered(token=give)
    assert key_of(session)
    assert len(asked) == 2


def test_the_environment_names_file_and_broker(
    token_file: Path, now: MovableClock, aws: StandInAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the constructs set on the container is enough."""
    monkeypatch.setenv("AGENT_TASK_TOKEN_FILE", str(token_file))
    monkeypatch.setenv("AGENT_CREDENTIAL_BROKER", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{FUNCTION}:live")
    monkeypatch.setenv("AGENT_SESSION_TAG_KEYS", "user_id,repo,task_id")
    assert TaskSession.from_token(clock=now).verify().arn == ARN
    assert "lambda:Invoke" in aws.actions()


def test_undeclared_tags_are_refused_before_any_call(
    brokered: Make, aws: StandInAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token for another deployment's tags is noticed at the start."""
    monkeypatch.setenv("AGENT_SESSION_TAG_KEYS", "tenant_id")
    aws.calls.clear()
    with pytest.raises(InvalidInputError, match="demands"):
        brokered()
    assert aws.calls == []


def test_without_the_role_the_first_answer_names_it(
    brokered: Make, aws: StandInAws, sts: StandInSts, now: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that does not know the role compares it with what the broker said, which never changes."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    session = brokered()
    assert session.verify().arn == ARN
    answer_with(aws, "AgentSession/", "Another/")
    now.move(hours=1)
    assert fails(session).reason == "WrongRole"
    other = brokered()
    with pytest.raises(NotScopedError, match="another role"):
        other.verify()
    answer_with(aws, "/task-0042", "/task-0043")
    assert fails(brokered()).reason == "WrongRole"
    assert sts.count("GetCallerIdentity") == 2


@pytest.mark.parametrize("code", get_args(RefusalCode))
def test_each_refusal_is_a_reason_of_its_own(code: RefusalCode, brokered: Make, aws: StandInAws) -> None:
    """The broker's code is the agent's reason, and both say alike whether to try again."""
    session = brokered()
    aws.function = lambda *_: {"error": {"code": code, "retryable": True, "message": "PLANTED"}}
    caught = fails(session)
    assert (caught.reason, caught.transient) == (code, code in RETRYABLE)
    assert "PLANTED" not in str(caught)


def test_codes_reasons_and_retries_agree() -> None:
    """The two halves agree: every code has a failure of its own name and of its own kind."""
    assert {code: failure.reason for code, failure in REFUSALS.items()} == {
        code: code for code in get_args(RefusalCode)
    }
    assert {code for code in get_args(RefusalCode) if code in _TRANSIENT} == RETRYABLE


def test_a_revoked_task_stops_when_its_credentials_end(brokered: Make, now: MovableClock) -> None:
    """Revocation stops the next exchange; what was handed out before lasts its hour, which the docs say."""
    session = brokered()
    first = key_of(session)
    revoke_tag("Revocations", "task_id", TAGS["task_id"])
    now.move(minutes=50)
    assert key_of(session) == first
    now.move(minutes=10)
    caught = fails(session)
    assert (caught.reason, caught.transient) == ("TokenRevoked", False)


WIRES: dict[str, tuple[Wire, str, bool]] = {
    "throttled": (refusal("TooManyRequestsException", 429), "TooManyRequestsException", True),
    "not allowed": (refusal("AccessDeniedException", 403), "AccessDeniedException", False),
    "no function": (refusal("ResourceNotFoundException", 404), "ResourceNotFoundException", False),
    "lambda is down": (refusal("ServiceException", 500), "ServerError", True),
    "timed out": (Wire('{"errorMessage": "PLANTED Task timed out"}', function_error="Unhandled"), "BrokerFailed", True),
    "no JSON": (Wire("PLANTED"), "Malformed", False),
    "a list": (Wire("[]"), "Malformed", False),
    "nothing": (Wire(""), "Malformed", False),
    "null": (Wire("null"), "Malformed", False),
    "endless": (Wire(json.dumps({"x": "y" * 70_000})), "Malformed", False),
    "an error that is text": (Wire('{"error": "PLANTED"}'), "Malformed", False),
    "a code of another release": (Wire('{"error": {"code": "PLANTED"}}'), "Malformed", False),
    "a code that is a list": (Wire('{"error": {"code": []}}'), "Malformed", False),
    "no session": (Wire('{"Credentials": {}}'), "WrongRole", False),
    "no keys": (Wire(json.dumps({"AssumedRoleUser": {"Arn": ARN}})), "Malformed", False),
    "keys twice": (Wire('{"AssumedRoleUser": {}, "AssumedRoleUser": {}}'), "Malformed", False),
}


@pytest.mark.parametrize("name", WIRES)
def test_a_fault_on_the_way_to_the_broker_has_a_reason(name: str, brokered: Make, aws: StandInAws) -> None:
    """Throttling, a crash and nonsense are different reasons, nothing is quoted; what may pass is tried five times."""
    wire, reason, transient = WIRES[name]
    session = brokered()
    aws.behave = lambda call: wire if call.action == "lambda:Invoke" else None
    caught = fails(session)
    assert aws.actions().count("lambda:Invoke") == (5 if transient else 2 if reason == "Malformed" else 1)
    assert (caught.reason, caught.transient) == (reason, transient)
    assert "PLANTED" not in str(caught)
    assert "STS" not in str(caught)


@pytest.mark.parametrize(("size", "reason"), [(65_536, "WrongRole"), (65_537, "Malformed")])
def test_an_answer_of_64_kib_is_read(size: int, reason: str, brokered: Make, aws: StandInAws) -> None:
    """One byte more is no answer of the broker, whatever it says."""
    session = brokered()
    frame = json.dumps({"x": ""})
    wire = Wire(frame.replace('""', f'"{"y" * (size - len(frame))}"'))
    aws.behave = lambda call: wire if call.action == "lambda:Invoke" else None
    assert fails(session).reason == reason


def test_credentials_of_another_session_are_refused(brokered: Make, aws: StandInAws) -> None:
    """A function that is not the broker cannot make this task sign as another one."""
    answer_with(aws, "/task-0042", "/task-0043")
    assert fails(brokered()).reason == "WrongRole"


def test_a_cold_start_is_waited_for(brokered: Make, aws: StandInAws) -> None:
    """The first exchange may take its seconds."""
    real = aws.behave
    aws.behave = lambda call: real(call) if call.action != "lambda:Invoke" else slow(aws, call)
    assert key_of(brokered()).startswith("ASIATASKKEY")


def slow(aws: StandInAws, call: Call) -> Wire:
    """Answer Invoke after two seconds."""
    return Wire(json.dumps(aws.function(call.body, _Context())), delay=2)


class _Context:
    aws_request_id = "r"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000


def test_patience_waits_for_a_throttled_broker(brokered: Make, aws: StandInAws, now: MovableClock) -> None:
    """verify() goes on while the broker is throttled, and stops at once when the token is refused."""
    began = now()
    throttled = refusal("ThrottlingException", 400)
    aws.behave = lambda call: (
        throttled if call.action == "kms:Verify" and now() < began + timedelta(seconds=60) else None
    )
    assert brokered().verify(patience_seconds=600).arn == ARN
    ended = now()
    assert ended - began < timedelta(seconds=110)
    revoke_tag("Revocations", "task_id", TAGS["task_id"])
    with pytest.raises(TaskCredentialsError, match="revoked"):
        brokered().verify(patience_seconds=600)
    assert now() == ended


@pytest.mark.parametrize("name", ["", "two words", "arn:aws:iam::1:role/x", "f" * 65, "f?x=1"])
def test_a_broker_that_cannot_be_one_is_refused(name: str, brokered: Make) -> None:
    """A blank or malformed name is an error at construction, and no way back to the compute role's own credentials."""
    with pytest.raises(InvalidInputError, match="credential broker"):
        brokered(broker=name)


# --- the token --------------------------------------------------------------------------------------------------------


UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "missing": lambda path: path.with_name("missing"),
    "readable by others": lambda path: write(path, path.read_text(), 0o644),
    "a link": lambda path: linked(path),
    "a directory": lambda path: path.parent,
    "huge": lambda path: write(path, "x" * 270_000),
}


def linked(path: Path) -> Path:
    """Return a symbolic link to a file."""
    link = path.with_name("link")
    link.symlink_to(path)
    return link


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_others_could_change_is_no_token(kind: str, token_file: Path, brokered: Make) -> None:
    """At construction and at refresh, the same checks as for the task file."""
    with pytest.raises(TaskCredentialsError, match="token file") as caught:
        brokered(token=UNREADABLE[kind](token_file))
    assert (caught.value.reason, caught.value.transient) == ("TokenUnreadable", False)
    assert caught.value.__context__ is None


def test_a_file_that_disappears_stops_the_refresh(brokered: Make, token_file: Path, now: MovableClock) -> None:
    """There is no fallback to the token that was read before."""
    session = brokered()
    key_of(session)
    token_file.unlink()
    now.move(hours=1)
    assert fails(session).reason == "TokenUnreadable"


@pytest.mark.parametrize("text", ["", "PLANTED", "é"])
def test_a_file_without_a_token_is_malformed(text: str, token_file: Path, brokered: Make) -> None:
    """What it holds instead is not shown."""
    write(token_file, text)
    with pytest.raises(TaskCredentialsError) as caught:
        brokered()
    assert caught.value.reason == "TokenMalformed"
    assert "PLANTED" not in str(caught.value)


@pytest.mark.parametrize("given", [lambda: 7, lambda: None, lambda: 1 / 0, lambda: int("PLANTED")])
def test_a_function_that_gives_no_token_is_unreadable(given: Callable[[], Any], brokered: Make) -> None:
    """Only the type of what it raised or returned is shown."""
    with pytest.raises(TaskCredentialsError) as caught:
        brokered(token=given)
    assert caught.value.reason == "TokenUnreadable"
    assert "PLANTED" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("given", ["", 7, b"x"])
def test_what_is_neither_path_nor_function_is_refused(given: Any, brokered: Make) -> None:
    """There is no token, and no session."""
    with pytest.raises(InvalidInputError, match=f"no task token: got a {type(given).__name__},"):
        brokered(token=given)


def test_the_token_itself_is_no_argument(brokered: Make, token: str) -> None:
    """A token in place of its path is recognized and not shown."""
    with pytest.raises(InvalidInputError, match="the token itself") as caught:
        brokered(token=token)
    assert token[:20] not in str(caught.value)


def test_no_token_at_all_is_an_error(now: MovableClock, aws: StandInAws) -> None:
    """Without a token nothing falls back to the compute role's own credentials."""
    with pytest.raises(InvalidInputError, match="got no token and no AGENT_TASK_TOKEN_FILE,"):
        TaskSession.from_token(broker=FUNCTION, clock=now)
    assert aws.calls == []


# --- web identity -----------------------------------------------------------------------------------------------------


def test_a_web_identity_is_assumed_without_a_signature(
    federated: Make, token: str, sts: StandInSts, aws: StandInAws
) -> None:
    """The token is the proof: no key signs, no tag or source identity is a parameter, the broker is not asked."""
    aws.calls.clear()
    session = federated()
    assert session.verify().arn == ARN
    request = sts.requests[0]
    assert request.form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE_ARN,
        "RoleSessionName": "task-0042",
        "WebIdentityToken": token,
        "DurationSeconds": "3600",
    }
    assert request.signed_by == ""
    assert aws.calls == []


def test_a_web_identity_needs_no_compute_role(federated: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works where the process has no credentials, and never looks for any."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    def looked_up(*_: object) -> None:
        raise AssertionError("credentials were looked up")

    monkeypatch.setattr("botocore.credentials.EnvProvider.load", looked_up)
    assert key_of(federated())


@pytest.mark.parametrize(
    ("duration", "left", "seconds"),
    [(3600, 7200, 3600), (43_200, 7200, 7200), (900, 7200, 900), (43_200, 1000, 1000), (3600, 100, 900)],
)
def test_a_web_identity_lasts_as_long_as_asked_and_as_the_token(
    duration: int, left: int, seconds: int, federated: Make, now: MovableClock, sts: StandInSts
) -> None:
    """Up to twelve hours, within the token's life, and never less than the 900 seconds STS demands."""
    session = federated(duration_seconds=duration)
    now.move(seconds=7200 - left)
    key_of(session)
    assert sts.requests[0].form["DurationSeconds"] == str(seconds)


def test_a_long_web_identity_is_kept(
    federated: Make, now: MovableClock, sts: StandInSts, signer: TaskTokenSigner, token_file: Path
) -> None:
    """Credentials of eight hours are not refused for being longer than a chained session's."""
    write(token_file, signer.issue(TAGS, lifetime=timedelta(hours=10)))
    session = federated(duration_seconds=28_800)
    first = key_of(session)
    now.move(hours=3, minutes=50)
    assert key_of(session) == first
    assert sts.count("AssumeRoleWithWebIdentity") == 1


@pytest.mark.parametrize("duration", [899, 43_201, 3600.0, True, "3600"])
def test_a_length_sts_would_refuse_is_refused(duration: Any, federated: Make) -> None:
    """The range is the API's."""
    with pytest.raises(InvalidInputError, match="duration_seconds"):
        federated(duration_seconds=duration)


def test_an_expired_web_identity_is_not_sent(federated: Make, now: MovableClock, sts: StandInSts) -> None:
    """The token stays here once it is of no use."""
    session = federated()
    now.move(hours=2)
    caught = fails(session)
    assert (caught.reason, caught.transient) == ("TokenExpired", False)
    assert sts.requests == []


IDENTITY_FAULTS: dict[str, tuple[Callable[[StandInSts, Request], Reply], str, bool]] = {
    "IDPCommunicationError": (lambda *_: error("IDPCommunicationError", 400, "PLANTED"), "issuer", True),
    "InvalidIdentityToken": (lambda *_: error("InvalidIdentityToken", 400, "PLANTED"), "key set", True),
    "IDPRejectedClaim": (lambda *_: error("IDPRejectedClaim", 403, "PLANTED"), "audience", False),
    "ExpiredTokenException": (lambda *_: error("ExpiredTokenException", 400, "PLANTED"), "new token", False),
    "AccessDenied": (lambda *_: error("AccessDenied", 403, "PLANTED"), "trust policy", False),
    "Throttling": (lambda *_: error("Throttling", 400, "PLANTED"), "quota", True),
    "Malformed": (lambda *_: Reply("PLANTED"), "endpoint", False),
    "Redirect": (lambda *_: Reply("", 302), "endpoint", False),
    "WrongRole": (lambda sts, request: sts.assumed(request, arn=ARN.replace("0042", "0043")), "endpoint", False),
}


@pytest.mark.parametrize("reason", IDENTITY_FAULTS)
def test_a_web_identity_sts_refuses_says_what_to_do(reason: str, federated: Make, sts: StandInSts) -> None:
    """The fixes speak of the token and its issuer, not of the compute role."""
    make, fix, transient = IDENTITY_FAULTS[reason]
    session = federated()
    sts.behave = lambda request: make(sts, request)
    caught = fails(session)
    assert (caught.reason, caught.transient) == (reason, transient)
    assert fix in str(caught).partition("fix: ")[2]
    assert "compute role" not in str(caught)
    assert "PLANTED" not in str(caught)


def test_a_web_identity_needs_a_role(federated: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is neither a broker nor a role: nothing could be assumed."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    with pytest.raises(InvalidInputError, match="no session role"):
        federated()


# --- children ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", [None, FUNCTION])
def test_a_command_runs_with_the_session_of_a_token(
    broker: str | None, signer: TaskTokenSigner, now: MovableClock, sts: StandInSts, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The parent spends the token, at STS or the broker; the command gets credentials and not the token."""
    now.time = datetime.now(UTC)  # the command's own clock
    file = write(tmp_path / "token", signer.issue(TAGS))
    monkeypatch.setenv("AGENT_TASK_TOKEN_FILE", str(file))
    if broker:
        monkeypatch.setenv("AGENT_CREDENTIAL_BROKER", broker)
    script = "import boto3, os; print(boto3.Session().get_credentials().access_key, *os.environ)"
    command = [*RUN, "--task-token-file", str(file), "--", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    key, *names = done.stdout.split()
    assert key == "ASIATASKKEY000000001"
    assert not {"AGENT_TASK_TOKEN_FILE", "AGENT_CREDENTIAL_BROKER"} & {*names}
    assert [request.action for request in sts.requests] == ["AssumeRole" if broker else "AssumeRoleWithWebIdentity"]
