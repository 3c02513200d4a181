"""The broker's function: what it accepts, what it refuses and how it says so."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from session_scoping import SessionTags
from session_scoping.contract import environment
from session_scoping.contract.errors import FUNCTION_TIMEOUT_SECONDS, InvalidInputError
from session_scoping.contract.jws import UnverifiedToken
from session_scoping.contract.task_token import TaskToken
from session_scoping.lambdas.credential_broker import exchange
from session_scoping.lambdas.credential_broker import handler as handler_module
from session_scoping.lambdas.credential_broker.exchange import CONFIG
from session_scoping.orchestrator import TaskTokenSigner, revoke_tag, revoke_token
from tests.aws.broker.conftest import SETTINGS, TABLE, Broker, claims_at, signed, signed_claims
from tests.support.stand_in_aws import KEY_ARN, OTHER_KEY_ID, Call, StandInAws, Wire, refusal
from tests.support.stand_in_sts import ACCOUNT, ROLE_ARN, SECRET, TOKEN, Reply, StandInSts, error
from tests.support.task import LONG, TAGS, MovableClock

EXCHANGE = ["kms:Verify", "dynamodb:BatchGetItem"]
FIFTY = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def code(answer: dict[str, Any]) -> str:
    """Return the refusal's code; the whole answer must be one refusal."""
    assert set(answer) == {"error", "line"}
    assert set(answer["error"]) == {"code", "retryable", "message"}
    assert answer["line"]["code"] == answer["error"]["code"]
    return str(answer["error"]["code"])


def test_a_good_token_is_exchanged(broker: Broker, token: str, aws: StandInAws, sts: StandInSts) -> None:
    """The session has exactly the token's tags, name and source identity, and lasts an hour."""
    aws.calls.clear()
    answer = broker({"token": token})
    assert answer["Credentials"] == {
        "AccessKeyId": "ASIATASKKEY000000001",
        "SecretAccessKey": f"{SECRET}1",
        "SessionToken": f"{TOKEN}1",
        "Expiration": "2026-03-01T13:00:00Z",
    }
    assert answer["AssumedRoleUser"] == {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0042"}
    assert aws.actions() == EXCHANGE
    [request] = sts.requests
    assert request.tags == dict(TAGS)
    assert {name: value for name, value in request.form.items() if not name.startswith("Tags.")} == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE_ARN,
        "RoleSessionName": "task-0042",
        "SourceIdentity": "task-0042",
        "DurationSeconds": "3600",
    }


def test_a_decision_is_one_line_without_a_value(broker: Broker, token: str) -> None:
    """Operators see which token, how long it took and whether the start was cold; never what the token says."""
    jti = UnverifiedToken.parse(token).claims.token_id
    first, second = broker({"token": token})["line"], broker({"token": token})["line"]
    assert {**first, "duration_ms": 0} == {
        "event": "task_token",
        "request_id": "7c0a3b1e-0000-4000-8000-000000000001",
        "cold_start": True,
        "jti": jti,
        "verified": True,
        "code": "Issued",
        "duration_ms": 0,
    }
    assert (second["cold_start"], second["code"]) == (False, "Issued")
    assert first["duration_ms"] >= 0


def test_a_token_is_not_spent_by_its_first_use(broker: Broker, token: str, now: MovableClock) -> None:
    """Replay while it is valid is allowed, since the task refreshes with it; after its end it is not."""
    assert "Credentials" in broker({"token": token})
    now.move(minutes=118)
    assert "Credentials" in broker({"token": token})
    now.move(minutes=2)
    assert code(broker({"token": token})) == "TokenExpired"


@pytest.mark.parametrize(
    ("minutes_left", "seconds"), [(120, "3600"), (60, "3600"), (59, "3540"), (15, "900"), (2, "900")]
)
def test_a_session_ends_with_its_token(
    minutes_left: int, seconds: str, broker: Broker, token: str, now: MovableClock, sts: StandInSts
) -> None:
    """An hour at most, no longer than the token, but never less than the 900 seconds STS demands."""
    now.move(minutes=120 - minutes_left)
    broker({"token": token})
    assert sts.requests[0].form["DurationSeconds"] == seconds


def test_transitive_tags_are_passed_on_when_they_are_declared(
    broker: Broker, signer: TaskTokenSigner, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token chooses among the keys the deployment allows."""
    token = signer.issue(TAGS, transitive=["task_id"])
    assert broker({"token": token})["line"]["check"] == "transitive"
    monkeypatch.setenv(environment.BROKER_TRANSITIVE_TAG_KEYS, "task_id, user_id")
    monkeypatch.setattr(handler_module, "_kept", None)
    assert "Credentials" in broker({"token": token})
    assert sts.requests[0].form["TransitiveTagKeys.member.1"] == "task_id"
    assert "TransitiveTagKeys.member.2" not in sts.requests[0].form


NOT_A_REQUEST: list[Any] = [None, [], "token", {}, {"token": None}, {"token": 1}, {"Token": "x"}, {"token": ""}]


@pytest.mark.parametrize("event", [*NOT_A_REQUEST, {"token": "a.b.c"}, {"token": "x" * 20_001}])
def test_a_request_without_a_token_is_malformed(event: object, broker: Broker, aws: StandInAws) -> None:
    """Whatever is sent gets an answer, and costs no call."""
    assert code(broker(event)) == "TokenMalformed"
    assert aws.calls == []


def test_a_request_with_more_than_a_token_is_malformed(broker: Broker, token: str) -> None:
    """Nothing but the token can steer the broker: no role, no tags, no duration."""
    assert code(broker({"token": token, "RoleArn": "arn:aws:iam::1:role/x"})) == "TokenMalformed"


HOUR = 3600
AT = int(MovableClock()().timestamp())
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "issuer": ({"iss": "https://evil.example.com"}, "TokenRefused", "issuer"),
    "a longer issuer": ({"iss": "https://tokens.example.com/agents/"}, "TokenRefused", "issuer"),
    "issuer in another case": ({"iss": "https://TOKENS.example.com/agents"}, "TokenRefused", "issuer"),
    "audience": ({"aud": "sts.amazonaws.com"}, "TokenRefused", "audience"),
    "subject": ({"sub": "agent-task-2"}, "TokenRefused", "subject"),
    "expired": ({"iat": AT - 2 * HOUR, "nbf": AT - 2 * HOUR, "exp": AT - 1}, "TokenExpired", "time"),
    "about to expire": ({"iat": AT - HOUR, "nbf": AT - HOUR, "exp": AT + 59}, "TokenExpired", "time"),
    "not yet valid": ({"nbf": AT + 61}, "TokenNotYetValid", "time"),
    "issued in the future": ({"iat": AT + 61, "nbf": AT + 61}, "TokenNotYetValid", "time"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_of_our_own_key_for_another_purpose_is_refused(
    name: str, broker: Broker, now: MovableClock, aws: StandInAws
) -> None:
    """A good signature does not help a token that is not for this broker or not for now; no call is made."""
    changes, expected, check = WRONG[name]
    answer = broker({"token": signed(TaskToken.from_claims(claims_at(now, **changes)))})
    assert (code(answer), answer["line"]["check"]) == (expected, check)
    assert aws.calls == []


def test_a_clock_that_is_a_minute_off_is_tolerated(broker: Broker, now: MovableClock) -> None:
    """The orchestrator's clock may run ahead by sixty seconds."""
    assert "Credentials" in broker({"token": signed(TaskToken.from_claims(claims_at(now, iat=AT + 60, nbf=AT + 60)))})


@pytest.mark.parametrize(
    "tags",
    [
        SessionTags(user_id="u", repo="r"),
        SessionTags(user_id="u", repo="r", task_id="t1", admin="yes"),
        SessionTags(user_id="u", repo="r", Task_id="t1"),
        SessionTags(user_id="u", Repo="r", task_id="t1"),
    ],
)
def test_the_tags_are_exactly_the_declared_ones(
    tags: SessionTags, broker: Broker, signer: TaskTokenSigner, sts: StandInSts
) -> None:
    """One missing, one more or one in another case is refused, although the orchestrator signed it."""
    answer = broker({"token": signer.issue(tags)})
    assert (code(answer), answer["line"]["check"]) == ("TokenRefused", "tags")
    assert sts.requests == []


def test_another_key_s_signature_is_refused(
    broker: Broker, now: MovableClock, aws: StandInAws, sts: StandInSts
) -> None:
    """Neither naming the other key nor naming ours helps: the first costs nothing, the second one kms:Verify."""
    claims = TaskToken.from_claims(claims_at(now))
    answer = broker({"token": signed(claims, OTHER_KEY_ID, kid=OTHER_KEY_ID)})
    assert (code(answer), answer["line"]["check"], aws.calls) == ("TokenRefused", "key", [])
    answer = broker({"token": signed(claims, OTHER_KEY_ID)})
    assert (code(answer), answer["line"]["check"]) == ("TokenRefused", "signature")
    assert aws.actions() == ["kms:Verify"]
    assert answer["line"]["verified"] is False
    assert sts.requests == []


@FIFTY
@given(position=st.floats(0, 1, exclude_max=True), character=st.sampled_from("ABab019_-.="))
def test_no_changed_token_is_exchanged(
    position: float, character: str, broker: Broker, token: str, sts: StandInSts
) -> None:
    """Wherever one character of a good token is changed, no session is made."""
    index = int(position * len(token))
    changed = token[:index] + character + token[index + 1 :]
    if changed == token:
        return
    before = len(sts.requests)
    assert code(broker({"token": changed})) in {"TokenMalformed", "TokenRefused"}
    assert len(sts.requests) == before


TAMPERED = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.sampled_from(["https://evil.example.com", "", None, 7]),
        "aud": st.sampled_from(["other", ["session-scoping"], None, ["session-scoping", "x"]]),
        "sub": st.sampled_from(["other", None]),
        "exp": st.sampled_from([AT - 1, AT + 59, AT + 43_201, True, 1e10, "1"]),
        "nbf": st.sampled_from([AT + 61, None, -1]),
        "jti": st.sampled_from(["", "x", "a b" * 9]),
    },
).filter(bool)


@FIFTY
@given(changes=TAMPERED)
def test_no_token_with_wrong_claims_is_exchanged(
    changes: dict[str, Any], broker: Broker, now: MovableClock, sts: StandInSts, aws: StandInAws
) -> None:
    """Even signed by our own key, no combination of wrong claims makes a session or a paid call."""
    assert code(broker({"token": signed_claims(claims_at(now, **changes))})).startswith("Token")
    assert (sts.requests, aws.calls) == ([], [])


def test_a_revoked_token_is_refused_and_its_sibling_is_not(
    broker: Broker, signer: TaskTokenSigner, sts: StandInSts, now: MovableClock
) -> None:
    """One token is taken back, from the moment it is written."""
    one, other = signer.issue(TAGS), signer.issue(TAGS)
    assert "Credentials" in broker({"token": one})
    revoke_token(TABLE, UnverifiedToken.parse(one).claims.token_id, expires_at=int(now().timestamp()) + 28_800)
    answer = broker({"token": one})
    assert (code(answer), answer["error"]["retryable"]) == ("TokenRevoked", False)
    assert "Credentials" in broker({"token": other})
    assert sts.count() == 2


@pytest.mark.parametrize("key", ["user_id", "task_id", "repo"])
def test_every_token_of_a_revoked_tag_is_refused(key: str, broker: Broker, signer: TaskTokenSigner) -> None:
    """A user, a task or a repository is shut out, tokens issued later included; others are not."""
    revoke_tag(TABLE, key, TAGS[key])
    assert code(broker({"token": signer.issue(TAGS)})) == "TokenRevoked"
    others = SessionTags(user_id="other", repo="other/other", task_id="other")
    assert "Credentials" in broker({"token": signer.issue(others)})


def test_a_tag_s_revocation_is_for_that_key_alone(broker: Broker, signer: TaskTokenSigner) -> None:
    """Keys and values cannot be mixed up in the list: `#` can be in neither."""
    revoke_tag(TABLE, "repo", TAGS["task_id"])
    assert "Credentials" in broker({"token": signer.issue(TAGS)})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("task", "T1", "no token carries"),
        ("TASK_ID", "T1", "no token carries"),
        ("tenant_id", "T1", "no token carries"),
        ("", "T1", "no token carries"),
        ("task_id", "", "0 characters"),
        ("task_id", "T*", "a character STS refuses"),
        ("task_id", "a/b", "step out"),
    ],
)
def test_a_revocation_that_no_token_can_match_is_refused(
    key: str, value: str, says: str, broker: Broker, signer: TaskTokenSigner
) -> None:
    """A misspelt key, or a value no session can carry, would look like a revocation and revoke nobody."""
    with pytest.raises(InvalidInputError, match=says) as caught:
        revoke_tag(TABLE, key, value)
    assert str(caught.value).count("\n") == 0
    with pytest.raises(InvalidInputError, match="token_id"):
        revoke_token(TABLE, "", expires_at=2_000_000_000)
    assert "Credentials" in broker({"token": signer.issue(TAGS)})


@pytest.mark.usefixtures("broker")
def test_the_session_role_s_own_keys_are_taken() -> None:
    """A role with other tags is named by them; what the default holds is then refused."""
    revoke_tag(TABLE, "tenant_id", "acme", tag_keys=["tenant_id"])
    with pytest.raises(InvalidInputError, match="expected one of tenant_id"):
        revoke_tag(TABLE, "task_id", "T1", tag_keys=["tenant_id"])


def test_a_revocation_that_is_over_is_refused(broker: Broker, signer: TaskTokenSigner, now: MovableClock) -> None:
    """A time pasted from a page would revoke nothing, and nobody would notice."""
    with pytest.raises(InvalidInputError, match="has passed") as caught:
        revoke_tag(TABLE, "task_id", TAGS["task_id"], expires_at=int(now().timestamp()))
    assert str(caught.value).count("\n") == 0
    assert "Credentials" in broker({"token": signer.issue(TAGS)})


def test_a_revocation_ends_when_it_says(broker: Broker, signer: TaskTokenSigner, now: MovableClock) -> None:
    """DynamoDB deletes expired items days later: one that is past does not count, one without an end does."""
    revoke_tag(TABLE, "task_id", TAGS["task_id"], expires_at=int(now().timestamp()) + 100)
    token = signer.issue(TAGS)
    assert code(broker({"token": token})) == "TokenRevoked"
    now.move(seconds=101)
    assert "Credentials" in broker({"token": token})


@pytest.mark.parametrize("expires_at", [{"S": "soon"}, {"NULL": True}, {"N": "99999999999"}])
def test_an_end_that_cannot_be_read_is_none(
    expires_at: dict[str, Any], broker: Broker, token: str, dynamodb: Any
) -> None:
    """An item somebody wrote by hand revokes until it is deleted."""
    item = {"id": {"S": f"tag#user_id#{TAGS['user_id']}"}, "expires_at": expires_at}
    dynamodb.put_item(TableName=TABLE, Item=item)
    assert code(broker({"token": token})) == "TokenRevoked"


def test_the_list_is_read_consistently_and_completely(broker: Broker, token: str, aws: StandInAws) -> None:
    """One request asks for the token and for each of its tags."""
    aws.calls.clear()
    broker({"token": token})
    asked = aws.calls[1].body["RequestItems"][TABLE]
    assert asked["ConsistentRead"] is True
    assert [key["id"]["S"].split("#")[:2] for key in asked["Keys"]] == [
        ["token", UnverifiedToken.parse(token).claims.token_id],
        ["tag", "user_id"],
        ["tag", "repo"],
        ["tag", "task_id"],
    ]


def on(action: str, wire: Wire) -> Callable[[Call], Wire | None]:
    """Return a behaviour that gives one answer to one operation."""
    return lambda call: wire if call.action == action else None


UNREADABLE = {
    "throttled": (refusal("ProvisionedThroughputExceededException", 400), "Throttled"),
    "denied": (refusal("AccessDeniedException", 400), "Misconfigured"),
    "gone": (refusal("ResourceNotFoundException", 400), "Misconfigured"),
    "broken": (refusal("InternalServerError", 500), "Unavailable"),
    "incomplete": (
        Wire(json.dumps({"Responses": {TABLE: []}, "UnprocessedKeys": {TABLE: {"Keys": [{"id": {"S": "x"}}]}}})),
        "Throttled",
    ),
    "empty": (Wire("{}"), "Unavailable"),
    "no JSON": (Wire("<html>"), "Unavailable"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_list_that_cannot_be_read_refuses(
    name: str, broker: Broker, token: str, aws: StandInAws, sts: StandInSts
) -> None:
    """It fails closed: no session is made unless the whole list was read."""
    wire, expected = UNREADABLE[name]
    aws.behave = on("dynamodb:BatchGetItem", wire)
    answer = broker({"token": token})
    assert (code(answer), answer["line"]["check"]) == (expected, "revocation")
    assert sts.requests == []


KMS_FAULTS = {
    "throttled": (refusal("ThrottlingException", 400), "Throttled", True),
    "slow": (refusal("DependencyTimeoutException", 500), "Unavailable", True),
    "internal": (refusal("KMSInternalException", 500), "Unavailable", True),
    "denied": (refusal("AccessDeniedException", 400), "Misconfigured", False),
    "disabled": (refusal("DisabledException", 400), "Misconfigured", False),
    "deleted": (refusal("KMSInvalidStateException", 400), "Misconfigured", False),
    "unknown": (refusal("PLANTED-code", 418), "Misconfigured", False),
    "says no": (Wire(json.dumps({"KeyId": KEY_ARN, "SignatureValid": False})), "TokenRefused", False),
    "says maybe": (Wire(json.dumps({"KeyId": KEY_ARN})), "TokenRefused", False),
    "another key": (Wire(json.dumps({"KeyId": KEY_ARN[:-1] + "6", "SignatureValid": True})), "TokenRefused", False),
    "redirect": (Wire("", 302), "Unavailable", True),
}


@pytest.mark.parametrize("name", KMS_FAULTS)
def test_a_signature_that_is_not_verified_refuses(
    name: str, broker: Broker, token: str, aws: StandInAws, sts: StandInSts
) -> None:
    """Whatever KMS answers but a plain yes for our key, no session is made; the cause is in the log line."""
    wire, expected, retryable = KMS_FAULTS[name]
    aws.calls.clear()
    aws.behave = on("kms:Verify", wire)
    answer = broker({"token": token})
    assert (code(answer), answer["error"]["retryable"], answer["line"]["check"]) == (expected, retryable, "signature")
    assert set(aws.actions()) == {"kms:Verify"}
    assert sts.requests == []
    assert "PLANTED" not in str(answer)


STS_FAULTS: dict[str, tuple[Callable[[StandInSts, Any], Reply], str, bool]] = {
    "throttled": (lambda *_: error("Throttling", 400), "Throttled", True),
    "down": (lambda *_: error("ServiceUnavailable", 503), "Unavailable", True),
    "denied": (lambda *_: error("AccessDenied", 403, "PLANTED"), "Misconfigured", False),
    "disabled": (lambda *_: error("RegionDisabledException", 403), "Misconfigured", False),
    "packed": (lambda *_: error("PackedPolicyTooLarge", 400), "TokenRefused", False),
    "truncated": (lambda *_: Reply("<AssumeRoleResponse><Credentials>PLANTED"), "Unavailable", True),
    "dropped": (lambda sts, request: Reply(sts.assumed(request).body, drop=True), "Unavailable", True),
    "another session": (
        lambda sts, request: sts.assumed(request, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/task-0043"),
        "Unavailable",
        True,
    ),
    "no keys": (
        lambda sts, request: Reply(sts.assumed(request).body.replace("SecretAccessKey", "Nothing")),
        "Unavailable",
        True,
    ),
}


@pytest.mark.parametrize("name", STS_FAULTS)
def test_a_fault_of_sts_has_a_defined_answer(name: str, broker: Broker, token: str, sts: StandInSts) -> None:
    """Each fault is one refusal that says whether to try again, and quotes nothing."""
    make, expected, retryable = STS_FAULTS[name]
    sts.behave = lambda request: make(sts, request)
    answer = broker({"token": token})
    assert (code(answer), answer["error"]["retryable"], answer["line"]["check"]) == (expected, retryable, "assume")
    assert "PLANTED" not in str(answer)


def test_a_call_that_hangs_is_cut_off(
    broker: Broker, token: str, aws: StandInAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call has a deadline of its own, well inside the function's."""
    # To connect to a busy machine may take longer than to connect to AWS; what is cut off here is the answer.
    monkeypatch.setattr(exchange, "CONFIG", CONFIG.merge(Config(connect_timeout=LONG)))
    given: Any = CONFIG
    attempts, arrived = given.retries["total_max_attempts"], threading.Semaphore(0)

    def behave(call: Call) -> Wire | None:
        if call.action != "kms:Verify":
            return None
        arrived.release()
        return Wire("{}", delay=LONG)

    aws.behave = behave
    answer = broker({"token": token})
    assert (code(answer), answer["line"]["cause"]) == ("Unavailable", "ReadTimeoutError")
    assert answer["line"]["duration_ms"] < 1000 * FUNCTION_TIMEOUT_SECONDS
    assert all(arrived.acquire(timeout=LONG) for _ in range(attempts))
    assert aws.actions().count("kms:Verify") == attempts
    # On a machine with nothing else to do: each attempt waits for both, and a second at most lies between two.
    assert attempts * (given.connect_timeout + given.read_timeout) + attempts - 1 <= exchange.LONGEST_CALL_SECONDS <= 6


def test_it_refuses_before_it_would_be_cut_off(broker: Broker, token: str, aws: StandInAws) -> None:
    """A function that runs out of time answers nothing, so it does not begin what it may not end."""
    aws.calls.clear()
    answer = broker({"token": token}, milliseconds=5000)
    assert (code(answer), answer["error"]["retryable"], answer["line"]["cause"]) == ("Unavailable", True, "NoTimeLeft")
    assert aws.calls == []


# Any text may be a table's name.
MISSET = [(name, value) for name in SETTINGS for value in (None, "", "a\tb") if "TABLE" not in name or not value]


@pytest.mark.parametrize(("name", "value"), MISSET)
def test_a_missing_setting_refuses_everything(
    name: str, value: str | None, broker: Broker, token: str, aws: StandInAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No check has a default: a function that was set up badly exchanges nothing, and says so."""
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    aws.calls.clear()
    answer = broker({"token": token})
    assert (code(answer), answer["error"]["retryable"]) == ("Misconfigured", False)
    assert aws.calls == []


def test_an_error_nobody_foresaw_is_an_answer(broker: Broker, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime never prints a traceback: it could hold the token."""

    def broken(*_: object) -> None:
        raise RuntimeError("PLANTED")

    monkeypatch.setattr(handler_module, "check_claims", broken)
    answer = broker({"token": token})
    assert (code(answer), answer["line"]["cause"]) == ("Unavailable", "RuntimeError")
    assert "PLANTED" not in str(answer)


def test_the_libraries_stay_quiet_at_debug(broker: Broker, token: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever log level the function is given, botocore prints no request and no answer."""
    caplog.set_level(logging.DEBUG)
    answer = broker({"token": token})
    said = caplog.text + json.dumps(answer["line"])
    assert "Credentials" in answer
    for secret in (token, token.split(".")[1], token.split(".")[2], SECRET, TOKEN, TAGS["user_id"], TAGS["repo"]):
        assert secret not in said


@pytest.mark.parametrize("name", ["issuer", "audience", "expired"])
def test_a_refusal_holds_nothing_of_the_token(
    name: str, broker: Broker, now: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the caller nor the log learns more than the code and the check's name."""
    caplog.set_level(logging.DEBUG)
    answer = broker({"token": signed(TaskToken.from_claims(claims_at(now, **WRONG[name][0])))})
    said = caplog.text + json.dumps(answer)
    assert "planted" not in said
    assert "evil" not in said
