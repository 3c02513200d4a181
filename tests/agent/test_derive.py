"""What `TaskSession.derive` asks STS for, and what it refuses to ask."""

import json
import logging
from collections.abc import Callable

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import TaskCredentialsError, TaskSession
from session_scoping.agent.session import scoped
from session_scoping.agent.session.scoped import can_scope
from tests.support.stand_in_sts import ACCOUNT, ROLE_ARN, SECRET, TOKEN, Reply, Request, StandInSts, error
from tests.support.task import AMBIENT_KEY, TAGS, MovableClock, key_of

Make = Callable[..., TaskSession]
TOOL_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/SearchTool"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


@pytest.fixture(autouse=True)
def transitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session role hands all tags on."""
    monkeypatch.setenv("AGENT_SESSION_TRANSITIVE_TAG_KEYS", "user_id,repo,task_id")


@pytest.fixture
def denied(sts: StandInSts) -> None:
    """Let STS deny GetScopedCredentials, as a role without `narrowing` does."""
    sts.behave = lambda request: error("AccessDenied", 403) if request.action == "GetScopedCredentials" else None


def assumed(sts: StandInSts) -> list[Request]:
    """Return the AssumeRole requests."""
    return [request for request in sts.requests if request.action == "AssumeRole"]


def handed_on(request: Request) -> set[str]:
    """Return the transitive tag keys of a request."""
    return {value for name, value in request.form.items() if name.startswith("TransitiveTagKeys.member.")}


def test_deriving_makes_no_call(session: TaskSession, sts: StandInSts) -> None:
    """A derived session and its clients send nothing until they are used."""
    session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY).client("s3")
    assert sts.requests == []


def test_the_session_hands_its_tags_on(session: TaskSession, sts: StandInSts) -> None:
    """The session's own AssumeRole names every tag as transitive where the role says so."""
    key_of(session)
    [request] = sts.requests
    assert handed_on(request) == {"user_id", "repo", "task_id"}
    assert request.tags == dict(TAGS)


def test_nothing_is_handed_on_unless_declared(
    sts: StandInSts, monkeypatch: pytest.MonkeyPatch, make_session: Make
) -> None:
    """Without AGENT_SESSION_TRANSITIVE_TAG_KEYS no tag is transitive: the trust policy would refuse it."""
    monkeypatch.delenv("AGENT_SESSION_TRANSITIVE_TAG_KEYS")
    key_of(make_session())
    assert handed_on(sts.requests[0]) == set()


def test_an_undeclared_transitive_tag_is_refused(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag the task does not have cannot be handed on, and no call is made to find that out."""
    monkeypatch.setenv("AGENT_SESSION_TRANSITIVE_TAG_KEYS", "team")
    with pytest.raises(InvalidInputError, match="AGENT_SESSION_TRANSITIVE_TAG_KEYS"):
        make_session()


def test_a_tool_role_is_assumed_with_the_session_and_its_tags_are_not_sent_again(
    session: TaskSession, sts: StandInSts
) -> None:
    """The tool's AssumeRole is signed by the session, for 900 s, under the task's name, and inherits the tags."""
    tool = session.derive(tool_role_arn=TOOL_ARN)
    signed = key_of(tool)
    first, second = sts.requests
    assert (first.form["RoleArn"], second.form["RoleArn"]) == (ROLE_ARN, TOOL_ARN)
    assert first.signed_by == AMBIENT_KEY
    assert second.signed_by == key_of(session) != signed
    assert second.form["DurationSeconds"] == "900"
    assert second.form["RoleSessionName"] == "task-0042"
    assert second.tags == {}
    assert handed_on(second) == set()
    assert "Policy" not in second.form
    assert tool.tags == TAGS


def test_a_tool_session_proves_that_it_is_the_tools(session: TaskSession) -> None:
    """`verify` compares with the tool role, not with the session role."""
    arn = session.derive(tool_role_arn=TOOL_ARN).verify().arn
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/SearchTool/task-0042"


@pytest.mark.skipif(not can_scope(), reason="the installed botocore lacks GetScopedCredentials")
def test_a_policy_alone_narrows_the_session_itself(session: TaskSession, sts: StandInSts) -> None:
    """The session asks STS for less with its own credentials, for 900 s; nobody mints a second session."""
    key_of(session.derive(session_policy=POLICY))
    first, second = sts.requests
    assert (first.action, second.action) == ("AssumeRole", "GetScopedCredentials")
    assert second.signed_by == key_of(session)
    assert second.form["DurationSeconds"] == "900"
    assert json.loads(second.form["Policy"]) == json.loads(POLICY)


@pytest.mark.usefixtures("denied")
def test_a_policy_alone_is_sent_by_the_same_minter(session: TaskSession, sts: StandInSts) -> None:
    """Where STS denies that, the compute role assumes the same role anew, with the same tags and name, for 900 s."""
    narrowed = session.derive(session_policy=POLICY)
    key_of(narrowed)
    request = assumed(sts)[-1]
    assert request.signed_by == AMBIENT_KEY
    assert (request.form["RoleArn"], request.form["DurationSeconds"]) == (ROLE_ARN, "900")
    assert request.form["RoleSessionName"] == session.role_session_name
    assert request.tags == dict(TAGS)
    assert json.loads(request.form["Policy"]) == json.loads(POLICY)
    assert narrowed.verify().arn.endswith("assumed-role/AgentSession/task-0042")


@pytest.mark.usefixtures("denied")
def test_a_denial_is_remembered(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A role's sessions ask once; what is derived or refreshed later goes to the minter at once."""
    narrowed = session.derive(session_policy=POLICY)
    key_of(narrowed)
    clock.move(seconds=900)
    key_of(narrowed)
    key_of(session.derive(session_policy=POLICY))
    assert sts.count("GetScopedCredentials") <= 1


@pytest.mark.parametrize("code", ["Throttling", "ServiceUnavailable", "MalformedPolicyDocument", "ExpiredToken"])
@pytest.mark.skipif(not can_scope(), reason="the installed botocore lacks GetScopedCredentials")
def test_only_a_denial_leads_to_the_minter(code: str, session: TaskSession, sts: StandInSts) -> None:
    """What may pass, or would fail there too, is no reason to take the other way."""
    sts.behave = lambda request: error(code, 400) if request.action == "GetScopedCredentials" else None
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session.derive(session_policy=POLICY))
    assert caught.value.reason == code
    assert len(assumed(sts)) == 1


@pytest.mark.usefixtures("denied")
def test_the_parent_keeps_what_it_had(session: TaskSession, sts: StandInSts) -> None:
    """Deriving changes nothing about the session it starts from."""
    key_of(session.derive(session_policy=POLICY))
    key_of(session)
    [own] = [request for request in assumed(sts) if "Policy" not in request.form]
    assert own.form["DurationSeconds"] == "3600"


@pytest.mark.usefixtures("denied")
@pytest.mark.parametrize("at_once", [True, False])
def test_a_tool_role_under_a_policy(session: TaskSession, sts: StandInSts, at_once: bool) -> None:
    """Both together narrow the tool's role, whether in one step or in two."""
    if at_once:
        both = session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY)
    else:
        both = session.derive(tool_role_arn=TOOL_ARN).derive(session_policy=POLICY)
    key_of(both)
    request = sts.requests[-1]
    assert request.form["RoleArn"] == TOOL_ARN
    assert json.loads(request.form["Policy"]) == json.loads(POLICY)
    assert request.tags == {}
    assert request.signed_by == key_of(session)


def test_a_second_policy_is_refused_because_it_would_replace_the_first(
    session: TaskSession, make_session: Make, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AssumeRole takes one session policy: a second one could only widen what the first one narrowed."""
    monkeypatch.setattr(scoped, "_OPERATION", "GetNothing")
    for narrowed in (
        session.derive(session_policy=POLICY),
        session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY),
        make_session(session_policy=POLICY),
    ):
        with pytest.raises(InvalidInputError, match="replace the first"):
            narrowed.derive(session_policy=POLICY)
    assert sts.requests == []


@pytest.mark.usefixtures("denied")
@pytest.mark.skipif(not can_scope(), reason="the installed botocore lacks GetScopedCredentials")
def test_a_second_policy_is_never_sent_to_the_minter(session: TaskSession, make_session: Make, sts: StandInSts) -> None:
    """Where the role does not admit narrowing, a second policy fails: the minter could only replace the first."""
    for narrowed in (
        session.derive(session_policy=POLICY),
        session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY),
        make_session(session_policy=POLICY),
    ):
        key_of(narrowed)
        before = len(assumed(sts))
        with pytest.raises(TaskCredentialsError, match="narrowing=True"):
            key_of(narrowed.derive(session_policy=POLICY))
        assert len(assumed(sts)) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing is derived"),
        ({"role_session_name": "x-1"}, "nothing is derived"),
        ({"session_policy": POLICY, "role_session_name": "x-1"}, "nothing is derived"),
        ({"tool_role_arn": "SearchTool"}, "tool_role_arn"),
        ({"tool_role_arn": ""}, "tool_role_arn"),
        ({"tool_role_arn": TOOL_ARN, "role_session_name": "x"}, "role_session_name"),
        ({"tool_role_arn": TOOL_ARN, "session_policy": "{}"}, "not an IAM policy"),
        ({"session_policy": POLICY.replace('"*"', f'"arn:aws:s3:::{"x" * 2048}"')}, "too long"),
    ],
)
def test_bad_input_is_refused_before_any_call(
    options: dict[str, str], message: str, session: TaskSession, sts: StandInSts
) -> None:
    """What STS would refuse, or what derives nothing, is an error at once."""
    with pytest.raises(InvalidInputError, match=message):
        session.derive(**options)
    assert sts.requests == []


def test_a_provider_mints_no_policy_but_a_tool_role_works(
    sts: StandInSts, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the session's credentials come from, they sign for a tool; only AssumeRole takes a policy."""
    monkeypatch.setattr(scoped, "_OPERATION", "GetNothing")
    minted = make_session()
    frozen = minted.boto3_session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]
    given = {
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "SessionToken": frozen.token,
        "Expiration": "2026-03-01T13:00:00+00:00",
    }
    brokered = make_session(credentials=lambda: given)
    with pytest.raises(InvalidInputError, match="somebody else mints"):
        brokered.derive(session_policy=POLICY)
    key_of(brokered.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY))
    assert sts.requests[-1].signed_by == frozen.access_key


def test_short_credentials_cause_no_storm(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A tool that calls every ten seconds for an hour asks for its 900 seconds at most nine times, at least five."""
    tool = session.derive(tool_role_arn=TOOL_ARN)
    for _ in range(360):
        key_of(tool)
        clock.move(seconds=10)
    asked = sum(request.form.get("RoleArn") == TOOL_ARN for request in sts.requests)
    assert 5 <= asked <= 9
    assert sts.count() - asked <= 3


def test_a_parent_without_credentials_is_named_as_the_cause(session: TaskSession, sts: StandInSts) -> None:
    """The derived session says that the session it comes from has none, and why."""
    sts.behave = lambda _: error("Throttling", 400)
    with pytest.raises(TaskCredentialsError, match="derived from") as caught:
        key_of(session.derive(tool_role_arn=TOOL_ARN))
    assert caught.value.reason == "Throttling"
    assert caught.value.transient


@pytest.mark.parametrize(
    ("code", "hint"), [("AccessDenied", "ToolScopedRole"), ("PackedPolicyTooLarge", "packs both together")]
)
def test_refusals_of_the_tool_role_are_explained(code: str, hint: str, session: TaskSession, sts: StandInSts) -> None:
    """What the reader does next is about the tool, not about the compute role."""

    def behave(request: Request) -> Reply | None:
        return error(code, 403, "User: planted-user-7") if request.form.get("RoleArn") == TOOL_ARN else None

    sts.behave = behave
    with pytest.raises(TaskCredentialsError, match=hint) as caught:
        key_of(session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY))
    assert caught.value.reason == code


def test_the_answer_must_be_about_the_tool(session: TaskSession, sts: StandInSts) -> None:
    """An answer for the session role in place of the tool role is refused: it would reach more."""

    def behave(request: Request) -> Reply | None:
        if request.form.get("RoleArn") != TOOL_ARN:
            return None
        return sts.assumed(request, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0042")

    sts.behave = behave
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session.derive(tool_role_arn=TOOL_ARN))
    assert caught.value.reason == "WrongRole"


def test_nothing_secret_is_said(session: TaskSession, sts: StandInSts, caplog: pytest.LogCaptureFixture) -> None:
    """No log line and no repr of a derived session holds a key, a token or a tag value."""
    caplog.set_level(logging.DEBUG)
    tool = session.derive(tool_role_arn=TOOL_ARN, session_policy=POLICY)
    key_of(tool)
    sts.behave = lambda _: error("ValidationError", 400, "planted-user-7")
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session.derive(tool_role_arn=TOOL_ARN))
    text = caplog.text + repr(tool) + str(caught.value)
    for planted in (SECRET, TOKEN, "planted-user-7", "planted-org"):
        assert planted not in text


def test_an_id_that_is_no_name_gets_the_name_all_its_sessions_have(make_session: Make, sts: StandInSts) -> None:
    """A longer id is named by its digest, as the session is; a tool role that pins the name then refuses it."""
    tags = SessionTags(user_id="u", repo="r", task_id="t" * 80)
    session = make_session(tags)
    key_of(session.derive(tool_role_arn=TOOL_ARN))
    assert sts.requests[1].form["RoleSessionName"] == session.role_session_name
