"""What `TaskSession.scoped` asks STS for, what it refuses to ask, and how long what it gets may sign."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import TaskCredentialsError, TaskSession
from session_scoping.agent.session import scoped as module
from tests.support.stand_in_sts import ACCOUNT, SECRET, TOKEN, Reply, Request, StandInSts, error
from tests.support.task import AMBIENT_KEY, TAGS, MovableClock, key_of

Make = Callable[..., TaskSession]
Change = Callable[[StandInSts, Request], Reply]
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
TOOL_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/SearchTool"
KNOWN = module.can_scope()

pytestmark = pytest.mark.skipif(not KNOWN, reason="the installed botocore lacks GetScopedCredentials")


def asked(sts: StandInSts) -> list[Request]:
    """Return the GetScopedCredentials requests."""
    return [request for request in sts.requests if request.action == "GetScopedCredentials"]


def test_narrowing_makes_no_call(session: TaskSession, sts: StandInSts) -> None:
    """A narrowed session and its clients send nothing until they are used."""
    session.scoped(policy=POLICY, seconds=300, description="reads one object").client("s3")
    assert sts.requests == []


def test_the_session_signs_for_itself(session: TaskSession, sts: StandInSts) -> None:
    """The session's own credentials sign; policy, duration and description arrive; the new key is used, tags stay."""
    narrow = session.scoped(policy=POLICY, seconds=300, description="reads one object")
    signed = key_of(narrow)
    [request] = asked(sts)
    assert request.signed_by == key_of(session) not in (AMBIENT_KEY, signed)
    assert json.loads(request.form["Policy"]) == json.loads(POLICY)
    assert request.form["DurationSeconds"] == "300"
    assert request.form["ScopedSessionDescription"] == "reads one object"
    assert set(request.form) == {"Action", "Version", "Policy", "DurationSeconds", "ScopedSessionDescription"}
    assert (narrow.tags, narrow.role_session_name) == (TAGS, session.role_session_name)
    assert narrow.verify() == session.verify()


@pytest.mark.parametrize("policy", [json.loads(POLICY), f"  {POLICY}\n"], ids=["a mapping", "white space"])
def test_a_policy_is_sent_compact(session: TaskSession, sts: StandInSts, policy: str | Mapping[str, Any]) -> None:
    """A policy may be a mapping, and its white space does not count."""
    key_of(session.scoped(policy=policy))
    assert asked(sts)[0].form["Policy"] == json.dumps(json.loads(POLICY), separators=(",", ":"))
    assert "DurationSeconds" not in asked(sts)[0].form


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing is narrowed"),
        ({"description": "why"}, "nothing is narrowed"),
        ({"policy": ""}, "not an IAM policy"),
        ({"policy": "{}"}, "not an IAM policy"),
        ({"policy": {}}, "not an IAM policy"),
        ({"policy": {"Version": "2012-10-17", "Statement": {STATEMENT["Effect"]}}}, "not an IAM policy"),
        ({"policy": 7}, "not an IAM policy"),
        ({"policy": POLICY.replace('"*"', f'"arn:aws:s3:::{"x" * 2048}"')}, "too long"),
        ({"policy": POLICY, "seconds": 119}, "seconds"),
        ({"policy": POLICY, "seconds": 0}, "seconds"),
        ({"policy": POLICY, "seconds": -300}, "seconds"),
        ({"policy": POLICY, "seconds": 129_601}, "seconds"),
        ({"policy": POLICY, "seconds": 300.0}, "seconds"),
        ({"policy": POLICY, "seconds": True}, "seconds"),
        ({"policy": POLICY, "description": "x"}, "description"),
        ({"policy": POLICY, "description": "x" * 257}, "description"),
        ({"policy": POLICY, "description": "\u0416\u0416"}, "description"),
        ({"policy": POLICY, "description": "a\x00b"}, "description"),
        ({"policy": POLICY, "description": b"why"}, "description"),
    ],
)
def test_bad_input_is_refused_before_any_call(
    options: dict[str, Any], message: str, session: TaskSession, sts: StandInSts
) -> None:
    """What STS would refuse, or what narrows nothing, is an error at once."""
    with pytest.raises(InvalidInputError, match=message):
        session.scoped(**options)
    assert sts.requests == []


def policy_of(length: int) -> str:
    """Return a policy of exactly that many characters."""
    empty = POLICY.replace(" ", "").replace('"*"', '""')
    return empty.replace('""', f'"{"x" * (length - len(empty))}"')


def test_two_thousand_and_forty_eight_characters_fit(session: TaskSession, sts: StandInSts) -> None:
    """The limit itself is allowed, and one character more is not."""
    key_of(session.scoped(policy=policy_of(2048)))
    assert len(asked(sts)[0].form["Policy"]) == 2048
    with pytest.raises(InvalidInputError, match="too long"):
        session.scoped(policy=policy_of(2049))


def test_three_policies_apply_and_a_fourth_is_refused_before_the_call(session: TaskSession, sts: StandInSts) -> None:
    """Each layer is signed by the one before; a shorter time adds none; the fourth policy is not sent."""
    first = session.scoped(policy=POLICY)
    second = first.scoped(policy=POLICY).scoped(seconds=600)
    third = second.scoped(policy=POLICY)
    key_of(third)
    assert len(asked(sts)) == 4
    signers = [request.signed_by for request in asked(sts)]
    assert signers == [key_of(session), key_of(first), signers[2], key_of(second)]
    with pytest.raises(InvalidInputError, match="at most 3"):
        third.scoped(policy=POLICY)
    with pytest.raises(InvalidInputError, match="at most 3"):
        third.derive(session_policy=POLICY)
    third.scoped(seconds=300)
    assert len(asked(sts)) == 4


def test_a_tool_begins_anew(session: TaskSession, sts: StandInSts) -> None:
    """A tool's role is another session: what its parent was narrowed by is not counted on it, and it signs itself."""
    narrow = session.scoped(policy=POLICY).scoped(policy=POLICY).scoped(policy=POLICY)
    tool = narrow.derive(tool_role_arn=TOOL_ARN)
    key_of(tool.scoped(policy=POLICY))
    assert asked(sts)[-1].signed_by == key_of(tool)


def test_it_never_lasts_longer_than_its_parent(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """A duration beyond the parent's end is not asked for: STS would refuse it, and the parent's end is the limit."""
    key_of(session)
    clock.move(seconds=1000)
    narrow = session.scoped(policy=POLICY, seconds=3600)
    key_of(narrow)
    assert "DurationSeconds" not in asked(sts)[-1].form
    key_of(session.scoped(seconds=3600))
    assert asked(sts)[-1].form["DurationSeconds"] == "2600"


def test_a_lying_sts_makes_nothing_last_longer(session: TaskSession, sts: StandInSts, clock: MovableClock) -> None:
    """Whatever expiry an answer claims, the credentials sign no longer than the parent's did."""

    def behave(request: Request) -> Reply | None:
        return sts.scoped(request, lasts=30_000) if request.action == "GetScopedCredentials" else None

    sts.behave = behave
    narrow = session.scoped(policy=POLICY)
    first = key_of(narrow)
    sts.behave = lambda _: error("ServiceUnavailable", 503)
    clock.move(seconds=3600 - 61)
    assert key_of(narrow) == first
    clock.move(seconds=2)
    with pytest.raises(TaskCredentialsError):
        key_of(narrow)


def test_a_clock_that_is_set_back_makes_nothing_last_longer(
    session: TaskSession, sts: StandInSts, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent's own age is what counts, not what is left by this machine's time of day."""
    key_of(session)
    clock.move(seconds=1500)
    at = clock()
    monkeypatch.setattr(sts, "now", lambda: at)
    clock.move(seconds=-1400)
    monkeypatch.setattr(session._credentials.timer, "monotonic", at.timestamp)
    key_of(session.scoped(seconds=3600))
    assert int(asked(sts)[-1].form["DurationSeconds"]) <= 2100


def test_it_refreshes_from_its_parent_for_eight_hours(
    session: TaskSession, sts: StandInSts, clock: MovableClock
) -> None:
    """Every minute of eight hours the narrowed session signs, with keys that have not expired, in few calls."""
    narrow = session.scoped(policy=POLICY)
    for _ in range(480):
        assert sts.serve(key_of(narrow)).status == 200
        clock.move(seconds=60)
    assert sts.count() <= 16
    assert len(asked(sts)) <= 60
    assert {request.signed_by for request in asked(sts)} <= {f"ASIATASKKEY{n:09d}" for n in range(1, 99)}


def test_a_providers_session_narrows_itself(sts: StandInSts, make_session: Make) -> None:
    """Whoever mints the session's credentials, they sign; the provider is not asked for a policy."""
    frozen = make_session().boto3_session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]
    given = {
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "SessionToken": frozen.token,
        "Expiration": "2026-03-01T12:30:00+00:00",
    }
    brokered = make_session(credentials=lambda: given)
    for narrow in (brokered.scoped(policy=POLICY), brokered.derive(session_policy=POLICY)):
        key_of(narrow)
        assert asked(sts)[-1].signed_by == frozen.access_key
        assert sts.count() == 1


def test_a_shorter_expiry_that_a_provider_gives_counts(make_session: Make, clock: MovableClock) -> None:
    """A provider may say less than the keys last: the narrowed session ends with what it said."""
    frozen = make_session().boto3_session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]
    given = {
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "SessionToken": frozen.token,
        "Expiration": "2026-03-01T12:30:00+00:00",
    }
    narrow = make_session(credentials=lambda: given).scoped(policy=POLICY)
    key_of(narrow)
    clock.move(minutes=29, seconds=1)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(narrow)
    assert caught.value.reason == "Expired"


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_role_that_does_not_admit_it_is_named(code: str, session: TaskSession, sts: StandInSts) -> None:
    """The error says which construct's switch admits it; nothing else signs."""
    sts.behave = lambda request: error(code, 403) if request.action == "GetScopedCredentials" else None
    with pytest.raises(TaskCredentialsError, match=r"SessionRole\(narrowing=True\)") as caught:
        key_of(session.scoped(policy=POLICY))
    assert caught.value.reason == code
    assert not caught.value.transient
    assert sts.count() == 1


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("InsufficientSessionLifetime", "NTP"),
        ("InvalidSubjectCredentials", "narrowed from"),
        ("ExpiredToken", "narrowed from"),
        ("MalformedPolicyDocument", "correct the policy"),
        ("PackedPolicyTooLarge", "shorten the policy"),
    ],
)
def test_refusals_are_explained(code: str, hint: str, session: TaskSession, sts: StandInSts) -> None:
    """What the reader does next is about the narrowed session, not about the compute role."""
    sts.behave = lambda request: error(code, 400) if request.action == "GetScopedCredentials" else None
    with pytest.raises(TaskCredentialsError, match=hint) as caught:
        key_of(session.scoped(policy=POLICY))
    assert caught.value.reason == code


def test_a_parent_without_credentials_is_the_cause(session: TaskSession, sts: StandInSts) -> None:
    """Without the parent's credentials nothing is asked, and no other credentials sign."""
    sts.behave = lambda _: error("AccessDenied", 403)
    with pytest.raises(TaskCredentialsError, match="derived from") as caught:
        key_of(session.scoped(policy=POLICY))
    assert caught.value.reason == "AccessDenied"
    assert asked(sts) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda sts, request: sts.scoped(request, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Compute/i-1"),
        lambda sts, request: sts.scoped(request, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/other-task"),
        lambda sts, request: sts.scoped(request, count=0),
        lambda sts, request: Reply(sts.scoped(request).body.replace("ASIATASKKEY000000002", request.signed_by)),
        lambda sts, request: Reply(sts.scoped(request).body.replace("SessionInfo", "Nobody")),
    ],
    ids=["another role", "another task", "policy not applied", "the parent's own key", "nobody"],
)
def test_an_answer_about_something_else_is_refused(change: Change, session: TaskSession, sts: StandInSts) -> None:
    """Credentials that may not be this session's, narrowed, sign nothing."""
    sts.behave = lambda request: change(sts, request) if request.action == "GetScopedCredentials" else None
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session.scoped(policy=POLICY))
    assert caught.value.reason == "WrongRole"


@pytest.mark.parametrize("region", ["aws-global", "eu-west-1"])
def test_the_global_endpoint_is_not_asked(
    region: str, make_session: Make, monkeypatch: pytest.MonkeyPatch, sts: StandInSts
) -> None:
    """GetScopedCredentials goes to a Region's endpoint; where a setting leads to the global one nothing is sent."""
    session = make_session(region_name=region)
    key_of(session)
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    if region == "aws-global":
        monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.amazonaws.com")
    with pytest.raises(TaskCredentialsError, match="global") as caught:
        key_of(session.scoped(policy=POLICY))
    assert caught.value.reason == "BadEndpoint"
    assert asked(sts) == []


def test_an_old_botocore_is_named(session: TaskSession, sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where botocore lacks the call the error says so and what to install; `derive` goes on by its other way."""
    monkeypatch.setattr(module, "_OPERATION", "GetNothing")
    with pytest.raises(InvalidInputError, match=r"botocore.*1\.44\.7"):
        session.scoped(policy=POLICY)
    key_of(session.derive(session_policy=POLICY))
    assert [request.action for request in sts.requests] == ["AssumeRole"]


def test_nothing_secret_is_said(session: TaskSession, sts: StandInSts, caplog: pytest.LogCaptureFixture) -> None:
    """No log line, repr or error of a narrowed session holds a key, a token, a tag value or its description."""
    caplog.set_level(logging.DEBUG)
    narrow = session.scoped(policy=POLICY, description="planted-description")
    key_of(narrow)
    sts.behave = lambda _: error("ValidationError", 400, "planted-user-7")
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session.scoped(policy=POLICY))
    with pytest.raises(InvalidInputError) as refused:
        session.scoped(policy=POLICY, description="planted-description" * 20)
    text = caplog.text + repr(narrow) + str(caught.value) + str(refused.value)
    for planted in (SECRET, TOKEN, "planted-user-7", "planted-org", "planted-description"):
        assert planted not in text


def test_each_task_narrows_its_own_session(make_session: Make, sts: StandInSts) -> None:
    """Two tasks' narrowed sessions are signed for by their own sessions only."""
    tasks = [make_session(SessionTags(user_id="u", repo="r", task_id=f"task-{n}")) for n in range(2)]
    for task in tasks:
        key_of(task.scoped(policy=POLICY))
    assert [request.signed_by for request in asked(sts)] == [key_of(task) for task in tasks]
