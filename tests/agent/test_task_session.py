"""What a TaskSession accepts, and what its clients sign with."""

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from session_scoping import InvalidInputError, SessionScopingError, SessionTags
from session_scoping.agent import (
    CredentialSet,
    NotScopedError,
    RefreshEvent,
    TaskCredentialsError,
    TaskSession,
    UnsafeAmbientWarning,
    unsafe_ambient_session,
)
from session_scoping.agent.session import refresh_attempt
from tests.agent.conftest import assumed_compute_role
from tests.support.stand_in_sts import ACCOUNT, ROLE_ARN, Reply, Request, StandInSts, error
from tests.support.task import AMBIENT_KEY, LONG, TAGS, MovableClock, key_of

Make = Callable[..., TaskSession]


def test_construction_makes_no_call(make_session: Make, sts: StandInSts) -> None:
    """Building a session, a client and a resource sends nothing."""
    session = make_session()
    session.client("s3")
    session.resource("dynamodb")
    assert sts.requests == []


def test_first_use_assumes_the_role_with_the_tags(session: TaskSession, sts: StandInSts) -> None:
    """The one AssumeRole asks for an hour, carries every tag unchanged and the task id as session name."""
    assert key_of(session).startswith("ASIATASKKEY")
    [request] = sts.requests
    assert request.form["RoleArn"] == ROLE_ARN
    assert request.form["RoleSessionName"] == "task-0042"
    assert request.form["DurationSeconds"] == "3600"
    assert request.tags == dict(TAGS)
    assert "Policy" not in request.form
    assert request.signed_by == AMBIENT_KEY


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "  ",
        "arn:aws:iam::123456789012:user/x",
        "arn:aws:iam::12345:role/x",
        "arn:aws:iam::123456789012:role/",
        f"{ROLE_ARN} ",
        f"{ROLE_ARN}\n",
        "${Token[TOKEN.42]}",
        "nonsense",
    ],
)
def test_bad_role_arn_is_refused(
    arn: str, sts: StandInSts, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank or malformed ARN is an error at construction, from the argument and from the environment."""
    with pytest.raises(InvalidInputError, match="role_arn"):
        make_session(role_arn=arn)
    monkeypatch.setenv("AGENT_SESSION_ROLE_ARN", arn)
    with pytest.raises(ValueError, match="AGENT_SESSION_ROLE_ARN"):
        make_session()
    assert sts.requests == []


def test_missing_role_is_an_error(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a role nothing falls back to the process's own credentials."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    with pytest.raises(InvalidInputError, match="no session role"):
        make_session()


@pytest.mark.parametrize(
    ("declared", "accepted"),
    [
        ("user_id,repo,task_id", True),
        (" task_id , repo, user_id ", True),
        ("user_id,task_id", False),
        ("user_id,repo,task_id,team", False),
        ("User_id,repo,task_id", False),
        ("", False),
        ("user_id,,task_id", False),
    ],
)
def test_tags_must_be_the_declared_ones(
    declared: str, accepted: bool, make_session: Make, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AGENT_SESSION_TAG_KEYS is checked before any call, in both directions and with case."""
    monkeypatch.setenv("AGENT_SESSION_TAG_KEYS", declared)
    if accepted:
        make_session()
    else:
        with pytest.raises(InvalidInputError):
            make_session()
    assert sts.requests == []


def test_a_plain_mapping_is_no_tags(make_session: Make) -> None:
    """Tags reach STS as SessionTags only, so that they were checked."""
    with pytest.raises(InvalidInputError, match="SessionTags"):
        make_session({"task_id": "x"})


@pytest.mark.parametrize(
    "keys",
    [
        {"aws_access_key_id": AMBIENT_KEY, "aws_secret_access_key": "x"},
        {"aws_session_token": "x"},
    ],
)
def test_a_client_takes_no_keys(keys: dict[str, str], session: TaskSession) -> None:
    """Credentials as arguments are refused on every way to a client."""
    for make in (session.client, session.resource, session.boto3_session.client):
        with pytest.raises(InvalidInputError, match="given credentials"):
            make("s3", **keys)  # type: ignore[call-overload]


def test_keys_by_position_and_by_setter_are_refused(session: TaskSession) -> None:
    """Botocore's other doors for keys are closed as well."""
    botocore_session = session.boto3_session._session
    with pytest.raises(InvalidInputError):
        botocore_session.create_client("s3", None, None, True, None, None, AMBIENT_KEY, "secret")
    with pytest.raises(InvalidInputError):
        botocore_session.set_credentials(AMBIENT_KEY, "secret")


def test_client_options_pass_through(session: TaskSession) -> None:
    """Region and configuration are the caller's."""
    client = session.client("s3", region_name="eu-central-1", config=Config(read_timeout=7))
    assert client.meta.region_name == "eu-central-1"
    config: Any = client.meta.config  # the stubs know no options of it
    assert config.read_timeout == 7
    assert session.client("s3", "eu-central-1").meta.region_name == "eu-central-1"


def test_a_client_without_a_region_is_our_error(
    monkeypatch: pytest.MonkeyPatch, make_session: Make, sts: StandInSts
) -> None:
    """On every way to a client, a missing Region is reported as every other failure is, and nothing is sent."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    session = make_session()
    for make in (session.client, session.resource, session.boto3_session.client):
        with pytest.raises(TaskCredentialsError, match="AWS_REGION") as caught:
            make("dynamodb")
        assert caught.value.reason == "NoRegion"
    assert sts.requests == []


def test_aws_region_is_read(monkeypatch: pytest.MonkeyPatch, make_session: Make, sts: StandInSts) -> None:
    """AWS_REGION alone is enough, for the clients and for STS."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "ap-southeast-2")
    session = make_session()
    assert session.client("dynamodb").meta.region_name == "ap-southeast-2"
    assert key_of(session)
    assert sts.count() == 1


@pytest.mark.parametrize("setting", ["", "legacy", "regional"])
def test_sts_is_the_region_s_own(setting: str, session: TaskSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """AssumeRole goes to the Region's STS unless an endpoint is set, whatever the legacy setting says."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    if setting:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", setting)
    assert sts_urls(session, monkeypatch) == ["https://sts.eu-west-1.amazonaws.com/"]


@pytest.mark.parametrize("setting", ["legacy", "regional", "garbage"])
def test_identity_is_asked_where_the_role_is_assumed(
    setting: str, make_session: Make, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GetCallerIdentity goes to the Region's STS too: a network may let nothing else through."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", setting)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # one of those that "legacy" sends to the global endpoint
    session = make_session(credentials=lambda: given_by_a_broker(clock))
    assert sts_urls(session, monkeypatch, use=session.verify) == ["https://sts.us-east-1.amazonaws.com/"]


def sts_urls(
    session: TaskSession, monkeypatch: pytest.MonkeyPatch, *, use: Callable[[], object] | None = None
) -> list[str]:
    """Return where AssumeRole, or another use of STS, would go, without sending it."""
    urls: list[str] = []

    def send(_: object, request: AWSPreparedRequest) -> None:
        urls.append(str(request.url))
        raise EndpointConnectionError(endpoint_url=str(request.url))

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)
    with pytest.raises(TaskCredentialsError, match="no connection"):
        key_of(session) if use is None else use()
    return sorted(set(urls))


@pytest.mark.parametrize(
    ("argument", "default_region", "region", "expected"),
    [
        ("us-east-2", "us-west-2", "us-east-1", "us-east-2"),
        (None, "us-west-2", "us-east-1", "us-west-2"),
        (None, None, "us-east-1", "us-east-1"),
        (None, None, None, "eu-west-1"),
    ],
)
def test_clients_and_sts_share_one_region(
    argument: str | None,
    default_region: str | None,
    region: str | None,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make_session: Make,
) -> None:
    """The argument, AWS_DEFAULT_REGION, AWS_REGION and the profile count in this order, for both."""
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    for name, value in (("AWS_DEFAULT_REGION", default_region), ("AWS_REGION", region)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    session = make_session(region_name=argument)
    assert session.client("dynamodb").meta.region_name == expected
    assert sts_urls(session, monkeypatch) == [f"https://sts.{expected}.amazonaws.com/"]


def test_default_session_is_untouched(session: TaskSession) -> None:
    """boto3's module-wide session is not made or changed."""
    before = boto3.DEFAULT_SESSION
    key_of(session)
    assert boto3.DEFAULT_SESSION is before
    ambient = boto3.Session().get_credentials()
    assert ambient is not None
    assert ambient.access_key == AMBIENT_KEY


def test_a_bearer_token_of_the_environment_does_not_sign(monkeypatch: pytest.MonkeyPatch, session: TaskSession) -> None:
    """AWS_BEARER_TOKEN_BEDROCK, which botocore prefers, is passed over: model calls are the task's."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ambient-bearer")
    client = session.client("bedrock-runtime", endpoint_url="http://127.0.0.1:9")
    seen: list[str] = []
    client.meta.events.register(
        "before-send.bedrock-runtime", lambda request, **_: seen.append(str(request.headers["Authorization"]))
    )
    with pytest.raises(Exception, match="Could not connect"):
        client.invoke_model(modelId="m", body=b"{}")
    assert seen
    assert all("ASIATASKKEY" in header for header in seen)
    inner: Any = session.boto3_session._session
    assert inner.get_component("token_provider").load_token() is None


def test_two_sessions_do_not_touch(make_session: Make, sts: StandInSts) -> None:
    """Two tasks in one process have their own roles, names, tags and keys."""
    one = make_session(SessionTags(user_id="u1", repo="r", task_id="task-one"))
    two = make_session(SessionTags(user_id="u2", repo="r", task_id="task-two"))
    assert key_of(one) != key_of(two)
    assert [request.tags["task_id"] for request in sts.requests] == ["task-one", "task-two"]
    assert key_of(one) == "ASIATASKKEY000000001"


def test_copying_and_pickling_are_refused(session: TaskSession) -> None:
    """Credentials do not travel by pickle or copy."""
    for refuse in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="build a TaskSession"):
            refuse(session)
        with pytest.raises(TypeError, match="build a TaskSession"):
            refuse(session.boto3_session.get_credentials())
        with pytest.raises(TypeError, match="build a TaskSession"):
            refuse(CredentialSet("ASIA", "secret", "token", datetime.now(UTC)))


def test_a_failure_is_one_of_botocore_s_too(session: TaskSession, sts: StandInSts) -> None:
    """Code around a client that expects botocore's errors gets ours; a foreign identity is never among them."""
    sts.behave = lambda _: error("AccessDenied", 403)
    with pytest.raises(BotoCoreError, match="AccessDenied") as caught:
        session.client("s3").list_buckets()
    assert isinstance(caught.value, SessionScopingError)
    assert not issubclass(NotScopedError, BotoCoreError)


def test_the_end_of_the_present_keys_is_shown(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """`expires_at` is what STS said, makes no call, and follows a refresh."""
    assert session.expires_at is None
    assert sts.requests == []
    key_of(session)
    assert session.expires_at == clock() + timedelta(hours=1)
    clock.move(minutes=53)
    key_of(session)
    assert session.expires_at == clock() + timedelta(hours=1)


def test_on_refresh_gets_each_attempt_and_no_value(sts: StandInSts, make_session: Make) -> None:
    """Outcome, duration and reason of every attempt arrive in order; derived sessions report too."""
    events: list[RefreshEvent] = []
    session = make_session(on_refresh=events.append)
    sts.behave = lambda _: error("Throttling", 400) if len(sts.requests) < 3 else None
    key_of(session)
    assert [(event.outcome, event.reason) for event in events] == [
        ("failed", "Throttling"),
        ("failed", "Throttling"),
        ("refreshed", None),
    ]
    assert all(event.duration >= 0 for event in events)
    sts.behave = lambda _: None
    key_of(session.derive(tool_role_arn=ROLE_ARN))
    assert len(events) == 4


def test_a_hook_cannot_disturb_a_refresh(make_session: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It may raise, and may use the session it is told about; what it raises is not shown."""

    def hook(event: RefreshEvent) -> None:
        credentials: Any = held[0].boto3_session.get_credentials()
        key_seen.append(credentials.get_frozen_credentials().access_key)
        raise RuntimeError(f"PLANTED {event}")

    key_seen: list[str] = []
    held: list[TaskSession] = [make_session(on_refresh=hook)]
    assert key_of(held[0]) == "ASIATASKKEY000000001"
    assert key_seen == ["ASIATASKKEY000000001"]
    assert "RuntimeError" in caplog.text
    assert "PLANTED" not in caplog.text


def test_without_threads_a_caller_asks_by_itself(
    session: TaskSession, sts: StandInSts, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from an atexit handler since Python 3.12: a task without keys gets some, one with keys goes on."""
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "session-scoping":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert key_of(session) == "ASIATASKKEY000000001"
    clock.move(minutes=53)
    assert key_of(session) == "ASIATASKKEY000000001"
    assert sts.count() == 1
    clock.move(minutes=14)
    assert key_of(session) == "ASIATASKKEY000000002"
    assert session.verify().account == ACCOUNT


AT_EXIT = """
import atexit, datetime
from session_scoping.agent import CredentialSet, SessionTags, TaskSession
ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
session = TaskSession(SessionTags(task_id="T1"), credentials=lambda: CredentialSet("ASIALAST", "s", "t", ends))
atexit.register(lambda: print(session.boto3_session.get_credentials().get_frozen_credentials().access_key))
"""


def test_the_last_call_of_a_process_is_signed() -> None:
    """An atexit handler that closes something in AWS gets its keys on every supported Python."""
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ASIALAST\n", "")


def test_errors_survive_a_process_pool(session: TaskSession, sts: StandInSts) -> None:
    """An error that is pickled in a worker arrives as itself."""
    sts.behave = lambda _: error("Throttling", 400)
    with pytest.raises(TaskCredentialsError) as refused:
        key_of(session)
    with pytest.raises(InvalidInputError) as invalid:
        SessionTags(task_id="")
    for caught in (refused.value, invalid.value, NotScopedError("x")):
        copied = pickle.loads(pickle.dumps(caught))
        assert type(copied) is type(caught)
        assert str(copied) == str(caught)
        assert vars(copied) == vars(caught)
    assert pickle.loads(pickle.dumps(refused.value)).transient


def test_verify_proves_role_and_session_name(session: TaskSession, sts: StandInSts) -> None:
    """One AssumeRole, then GetCallerIdentity signed with its answer; the role's path is not in the ARN."""
    identity = session.verify()
    assert identity.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0042"
    assert [request.action for request in sts.requests] == ["AssumeRole", "GetCallerIdentity"]
    assert sts.requests[1].signed_by == "ASIATASKKEY000000001"


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Compute/task-0042", "another role"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0043", "another session name"),
        ("arn:aws:sts::999999999999:assumed-role/AgentSession/task-0042", "another account"),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/AgentSession/task-0042", "another account or partition"),
        (f"arn:aws:iam::{ACCOUNT}:user/AgentSession", "no role session"),
    ],
)
def test_verify_refuses_another_identity(arn: str, said: str, session: TaskSession, sts: StandInSts) -> None:
    """An identity that differs in any part is not scoped."""
    sts.behave = lambda request: sts.identity(request, arn=arn) if request.action == "GetCallerIdentity" else None
    with pytest.raises(NotScopedError, match=said):
        session.verify()


@pytest.mark.parametrize(
    "reply", [error("AccessDenied", 403), Reply("<html/>"), Reply("{}"), Reply("", 302), Reply("x", 500)]
)
def test_verify_refuses_an_unreadable_identity(reply: Reply, session: TaskSession, sts: StandInSts) -> None:
    """What cannot be read proves nothing, and does not claim that another identity was seen."""
    sts.behave = lambda request: reply if request.action == "GetCallerIdentity" else None
    with pytest.raises(TaskCredentialsError, match="not proven") as caught:
        session.verify()
    assert "sts:AssumeRole" not in str(caught.value)
    assert "other tenants" not in str(caught.value)


def test_verify_does_not_wait_for_a_dripping_identity(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An identity that comes byte by byte proves nothing, and does not hold the start up."""
    key_of(session)
    monkeypatch.setattr(refresh_attempt, "DEADLINE_SECONDS", 0.3)
    sts.behave = lambda _: Reply("x" * 900, drip=0.1)
    with pytest.raises(TaskCredentialsError, match="in time") as caught:
        session.verify()
    assert caught.value.transient


def test_verify_survives_one_identity_request_that_hangs(
    session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second GetCallerIdentity is sent beside one that gets no answer."""
    key_of(session)
    monkeypatch.setattr(refresh_attempt, "SLOW_SECONDS", 0.1)
    go_on = threading.Event()

    def behave(_: Request) -> None:
        assert sts.count("GetCallerIdentity") > 1 or go_on.wait(LONG)

    sts.behave = behave
    assert session.verify().account == ACCOUNT
    go_on.set()
    assert sts.count("GetCallerIdentity") == 2


@pytest.mark.parametrize("raised", [SystemExit("PLANTED"), asyncio.CancelledError("PLANTED"), ValueError()])
def test_a_provider_may_raise_anything(
    raised: BaseException, make_session: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever a provider raises is one TaskCredentialsError, and nothing is printed."""

    def provider() -> CredentialSet:
        raise raised

    with pytest.raises(TaskCredentialsError) as caught:
        key_of(make_session(credentials=provider))
    assert caught.value.reason == "Provider"
    assert capfd.readouterr() == ("", "")


def test_verify_without_credentials_says_why(session: TaskSession, sts: StandInSts) -> None:
    """A refused AssumeRole is reported as such, with its reason to branch on."""
    sts.behave = lambda _: error("AccessDenied", 403)
    with pytest.raises(TaskCredentialsError, match="sts:TagSession") as caught:
        session.verify()
    assert caught.value.reason == "AccessDenied"
    assert sts.count("GetCallerIdentity") == 0


def given_by_a_broker(clock: MovableClock) -> dict[str, object]:
    """Return a broker's answer in STS's spelling."""
    from datetime import timedelta

    return {
        "AccessKeyId": "ASIAFROMBROKER00001",
        "SecretAccessKey": "broker-secret",
        "SessionToken": "broker-token",
        "Expiration": (clock() + timedelta(hours=1)).isoformat(),
    }


def test_a_provider_needs_no_role(
    make_session: Make, clock: MovableClock, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a provider nothing is assumed, and the provider is asked again for every refresh."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    asked: list[int] = []

    def provider() -> dict[str, object]:
        asked.append(1)
        return given_by_a_broker(clock)

    session = make_session(credentials=provider)
    assert asked == []
    assert key_of(session) == "ASIAFROMBROKER00001"
    clock.move(minutes=53)
    key_of(session)
    assert len(asked) == 2
    assert sts.requests == []


@pytest.mark.parametrize(
    "change",
    [
        {"AccessKeyId": None},
        {"SecretAccessKey": ""},
        {"SessionToken": None},
        {"SessionToken": "two\nlines"},
        {"Expiration": None},
        {"Expiration": "tomorrow"},
        {"Expiration": "2026-03-01T13:00:00"},
        {"Expiration": "2026-03-01T12:00:59+00:00"},
        {"Expiration": "2020-01-01T00:00:00+00:00"},
        {"Expiration": "2026-03-02T01:00:00+00:00"},
        {"Expiration": "9999-12-31T23:59:59+00:00"},
    ],
)
def test_a_provider_s_odd_answer_is_refused(change: dict[str, object], make_session: Make, clock: MovableClock) -> None:
    """Missing keys, and an expiry that is missing, naive, past, too soon or too far, are failures."""
    session = make_session(credentials=lambda: {**given_by_a_broker(clock), **change})
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    assert caught.value.reason in {"Malformed", "Expired", "TooFar"}


@pytest.mark.parametrize("answer", [None, 7, "text", [], object()])
def test_a_provider_s_answer_of_another_shape_is_refused(answer: object, make_session: Make) -> None:
    """Anything but a credential set or a mapping is a failure, never the ambient chain."""
    with pytest.raises(TaskCredentialsError, match=type(answer).__name__):
        key_of(make_session(credentials=lambda: answer))


def test_a_failing_provider_keeps_its_text(make_session: Make) -> None:
    """A provider's own exception is named by type: its text may hold a token."""

    def provider() -> CredentialSet:
        raise ConnectionError("token=PLANTEDtoken")

    with pytest.raises(TaskCredentialsError, match="ConnectionError") as caught:
        key_of(make_session(credentials=provider))
    assert "PLANTED" not in str(caught.value)


def test_a_provider_s_client_error_is_not_from_sts(make_session: Make) -> None:
    """A broker that calls AWS may fail with botocore's error: the trust policy is not what to look at."""

    def provider() -> CredentialSet:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "PLANTED"}}, "Invoke")

    with pytest.raises(TaskCredentialsError, match="a ClientError from the credential provider") as caught:
        key_of(make_session(credentials=provider))
    assert caught.value.reason == "Provider"
    assert "STS" not in str(caught.value)
    assert "PLANTED" not in str(caught.value)


def test_a_provider_excludes_a_session_policy(make_session: Make) -> None:
    """A policy that nobody would send is an error, not silence."""
    with pytest.raises(InvalidInputError, match="session_policy"):
        make_session(credentials=dict, session_policy="{}")
    with pytest.raises(InvalidInputError, match="not callable"):
        make_session(credentials={"AccessKeyId": "x"})


def test_verify_of_a_provider_needs_a_role(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a role to compare with, a broker's session is not proven."""
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    with pytest.raises(NotScopedError, match="role_arn"):
        make_session(credentials=dict).verify()


def test_unsafe_session_warns_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """The unscoped way has an ugly name, and says so on every use."""
    for _ in range(2):
        with pytest.warns(UnsafeAmbientWarning, match="every tenant"):
            session = unsafe_ambient_session()
    assert len([record for record in caplog.records if "every tenant" in record.message]) == 2
    credentials = session.boto3_session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == AMBIENT_KEY
    assert session.client("s3", region_name="eu-north-1").meta.region_name == "eu-north-1"
    assert session.resource("dynamodb").meta.client.meta.region_name == "eu-west-1"
    with pytest.raises(NotScopedError):
        session.verify()
    with pytest.warns(UnsafeAmbientWarning):
        assert unsafe_ambient_session(region_name="us-east-2").client("s3").meta.region_name == "us-east-2"


def test_a_profile_that_does_not_exist_is_an_error(
    monkeypatch: pytest.MonkeyPatch, make_session: Make, sts: StandInSts
) -> None:
    """A wrong AWS_PROFILE is reported and nothing is sent."""
    monkeypatch.setenv("AWS_PROFILE", "garbage")
    with pytest.raises(InvalidInputError, match="AWS_PROFILE"):
        make_session()
    assert sts.requests == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("AWS_ENDPOINT_URL_STS", "not a url", "BadEndpoint"), ("AWS_DEFAULT_REGION", "no region", "NoRegion")],
)
def test_a_bad_endpoint_is_not_an_answer(
    name: str, value: str, reason: str, make_session: Make, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that makes no address is named as one: nothing was sent, so nothing answered."""
    monkeypatch.setenv(name, value)
    with pytest.raises(TaskCredentialsError, match=name.removeprefix("AWS_DEFAULT_")) as caught:
        key_of(make_session())
    assert caught.value.reason == reason
    assert sts.requests == []


@pytest.mark.parametrize(
    "section",
    ["sso_session = missing\nsso_account_id = 1\nsso_role_name = r", "role_arn = x\nsource_profile = missing"],
)
def test_a_broken_profile_is_named(
    section: str, make_session: Make, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that lacks something is the profile's fault."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text(f"[default]\n{section}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(make_session())
    assert caught.value.reason == "BadProfile"
    assert sts.requests == []


def test_without_a_compute_role_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, make_session: Make, sts: StandInSts
) -> None:
    """No credentials to sign AssumeRole with is an error that names them."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(make_session())
    assert caught.value.reason == "NoSourceCredentials"
    assert sts.requests == []


@pytest.mark.parametrize("by_profile", [False, True])
def test_the_compute_role_s_own_calls_are_not_retried(
    by_profile: bool, make_session: Make, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the compute role is itself assumed, a broken STS gets one request per attempt, whatever is set."""
    assumed_compute_role(by_profile=by_profile, folder=tmp_path, monkeypatch=monkeypatch)
    sts.behave = lambda _: error("InternalFailure", 500)
    session = make_session()
    for _ in range(3):
        with pytest.raises(TaskCredentialsError) as caught:
            key_of(session)
        assert caught.value.reason == "InternalFailure"
    action = "AssumeRole" if by_profile else "AssumeRoleWithWebIdentity"
    assert [request.action for request in sts.requests] == [action] * 5


def test_a_compute_role_near_its_end_is_asked_for_once(
    sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In botocore's last 15 minutes of the compute role's keys, one attempt still renews them once."""
    assumed_compute_role(by_profile=False, folder=tmp_path, monkeypatch=monkeypatch)

    def behave(request: Request) -> Reply | None:
        if request.action == "AssumeRole":
            return None
        return Reply(sts.assumed(request, lasts=800).body.replace("AssumeRoleRes", f"{request.action}Res"))

    sts.behave = behave
    assert key_of(TaskSession(TAGS)).startswith("ASIATASKKEY")
    assert [request.action for request in sts.requests] == ["AssumeRoleWithWebIdentity", "AssumeRole"]


def test_keys_in_a_profile_do_not_sign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_session: Make, sts: StandInSts
) -> None:
    """Keys in the shared credentials file sign AssumeRole at most."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAPROFILE000000001\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert key_of(make_session()).startswith("ASIATASKKEY")
    assert sts.count() == 1
    assert {request.signed_by for request in sts.requests} == {"AKIAPROFILE000000001"}


def test_a_session_policy_is_sent(make_session: Make, sts: StandInSts) -> None:
    """A policy narrows the session on every AssumeRole, without its white space."""
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    key_of(make_session(session_policy=policy))
    [request] = sts.requests
    assert request.form["Policy"] == policy.replace(" ", "")


def test_requests_for_identity_are_the_only_others(session: TaskSession, sts: StandInSts) -> None:
    """verify() twice asks for one set of credentials."""
    seen: list[Request] = sts.requests
    session.verify()
    session.verify()
    assert [request.action for request in seen] == ["AssumeRole", "GetCallerIdentity", "GetCallerIdentity"]
