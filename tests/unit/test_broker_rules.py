"""What the credential broker decides without a call: a token's time and addressee, and what a fault means."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from session_scoping import SessionTags, orchestrator
from session_scoping.contract import environment
from session_scoping.contract.jws import UnverifiedToken
from session_scoping.contract.names import RoleArn
from session_scoping.contract.task_token import TaskToken
from session_scoping.lambdas.credential_broker import exchange
from session_scoping.lambdas.credential_broker.checks import check_claims
from session_scoping.lambdas.credential_broker.handler import _require_time
from session_scoping.lambdas.credential_broker.refusal import _MESSAGES, RefusedError, refusal_of
from session_scoping.lambdas.credential_broker.settings import Settings
from session_scoping.lambdas.key_set import handler as key_set

NOW = 1_000_000
TOKEN = UnverifiedToken(
    TaskToken.for_task(
        SessionTags(user_id="u", task_id="T1"),
        issuer="https://issuer.example.com",
        audience="broker",
        transitive_tag_keys=("task_id",),
        issued_at=NOW,
        expires_at=NOW + 3600,
    ),
    key_id="key",
    digest=b"",
    signature=b"",
)
SETTINGS = Settings(
    key_arn="arn",
    key_id="key",
    issuer="https://issuer.example.com",
    audience="broker",
    subject="agent-task",
    role=RoleArn.parse("arn:aws:iam::111122223333:role/Session", where="the role"),
    tag_keys=frozenset({"user_id", "task_id"}),
    transitive_tag_keys=frozenset({"user_id", "task_id"}),
    table="table",
)


def refused(token: UnverifiedToken, now: float, settings: Settings = SETTINGS) -> tuple[str, str] | None:
    """Return the code and the check by which a token is refused."""
    try:
        check_claims(token, settings, now)
    except RefusedError as error:
        return error.code, error.check
    return None


def test_a_token_counts_from_a_minute_early_to_a_minute_before_its_end() -> None:
    """The orchestrator's clock may run a minute ahead; what has less than a minute left opens nothing."""
    assert refused(TOKEN, NOW - 60) is None
    assert refused(TOKEN, NOW - 60.5) == ("TokenNotYetValid", "time")
    assert refused(TOKEN, NOW + 3600 - 60) is None
    assert refused(TOKEN, NOW + 3600 - 59.5) == ("TokenExpired", "time")


@pytest.mark.parametrize("name", ["issued_at", "not_before"])
def test_the_later_of_both_beginnings_counts(name: str) -> None:
    """A token is not valid before `nbf`, nor before it was issued."""
    later: dict[str, Any] = {name: NOW + 100}
    assert refused(replace(TOKEN, claims=replace(TOKEN.claims, **later)), NOW) == ("TokenNotYetValid", "time")


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("key", {"key_id": "other"}),
        ("issuer", {"issuer": "https://other.example.com"}),
        ("audience", {"audience": "other"}),
        ("subject", {"subject": "other"}),
        ("tags", {"tag_keys": frozenset({"user_id"})}),
        ("tags", {"tag_keys": frozenset({"user_id", "task_id", "repo"})}),
        ("transitive", {"transitive_tag_keys": frozenset({"user_id"})}),
    ],
)
def test_a_token_for_another_broker_is_refused_by_name(check: str, change: dict[str, Any]) -> None:
    """The log line says which check failed."""
    assert refused(TOKEN, NOW, replace(SETTINGS, **change)) == ("TokenRefused", check)


@pytest.mark.parametrize(
    ("change", "cause"), [({environment.BROKER_AUDIENCE: ""}, "InvalidInputError"), ({"left": "out"}, "KeyError")]
)
def test_a_broker_without_its_settings_says_that_its_environment_is_wrong(change: dict[str, str], cause: str) -> None:
    """The log line names the environment, and the kind of the error in place of its text."""
    whole = {
        environment.BROKER_SIGNING_KEY_ARN: f"arn:aws:kms:eu-west-1:111122223333:key/mrk-{'a' * 32}",
        environment.BROKER_TAG_KEYS: "task_id",
        environment.BROKER_REVOCATION_TABLE: "table",
        environment.BROKER_ISSUER: SETTINGS.issuer,
        environment.BROKER_AUDIENCE: SETTINGS.audience,
        environment.BROKER_SUBJECT: SETTINGS.subject,
        environment.BROKER_SESSION_ROLE_ARN: SETTINGS.role.text,
    }
    assert Settings.read(whole).table == "table"
    wrong = {**whole, **change} if "left" not in change else {}
    with pytest.raises(RefusedError) as caught:
        Settings.read(wrong)
    assert (caught.value.code, caught.value.check, caught.value.cause) == ("Misconfigured", "environment", cause)


class Context:
    """An invocation with this much time left."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        """Return it."""
        return self._milliseconds


def test_a_call_starts_only_where_it_can_end_in_time() -> None:
    """Two attempts of two and a half seconds, and up to a second between them, are six seconds."""
    config: Any = exchange.CONFIG
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) + 1 == exchange.LONGEST_CALL_SECONDS == 6
    _require_time(Context(6000), "assume")
    with pytest.raises(RefusedError):
        _require_time(Context(5999), "assume")


@pytest.mark.parametrize(
    ("config", "attempts"), [(exchange.CONFIG, 2), (orchestrator._CONFIG, 3), (key_set._CONFIG, 4)]
)
def test_calls_that_nothing_else_repeats_are_repeated(config: Any, attempts: int) -> None:
    """Nobody asks again for a function or an orchestrator: botocore does, in its standard mode."""
    assert config.retries == {"total_max_attempts": attempts, "mode": "standard"}


def fault(code: str, status: Any = 400) -> ClientError:
    """Return what botocore raises for an error code."""
    answer: Any = {"Error": {"Code": code, "Message": "PLANTED"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Call")


FAULTS: dict[str, list[Exception]] = {
    "Throttled": [
        fault("LimitExceededException"),
        fault("ProvisionedThroughputExceededException"),
        fault("RequestLimitExceeded"),
        fault("Throttling"),
        fault("ThrottlingException"),
        fault("TooManyRequestsException"),
        fault("Whatever", 429),
    ],
    "TokenRefused": [fault("KMSInvalidSignatureException"), fault("PackedPolicyTooLarge")],
    "Unavailable": [
        fault("Whatever", 500),
        fault("Whatever", 399),
        fault("Whatever", "400"),
        ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
        HTTPClientError(error="x"),
        EndpointConnectionError(endpoint_url="x", error="y"),
        ResponseParserError(),
        RuntimeError("PLANTED"),
    ],
    "Misconfigured": [
        fault("AccessDenied", 403),
        fault("Whatever", 400),
        fault("Whatever", 499),
        NoCredentialsError(),
        ParamValidationError(report="x"),
    ],
}


@pytest.mark.parametrize(("code", "error"), [(code, error) for code, errors in FAULTS.items() for error in errors])
def test_a_fault_of_aws_has_one_code(code: str, error: Exception) -> None:
    """Callers branch on it, and whether to ask again goes with it; AWS's text does not."""
    found = refusal_of(error, "assume")
    assert (found.code, found.check) == (code, "assume")
    answer = found.answer()["error"]
    assert answer == {"code": code, "retryable": code in {"Throttled", "Unavailable"}, "message": _MESSAGES[found.code]}
    assert "PLANTED" not in str((answer, found.cause))


def test_a_refusal_of_ours_is_kept() -> None:
    """Only a token that is not valid yet, throttling and an outage pass by themselves."""
    passing = set()
    for code in _MESSAGES:
        mine = RefusedError(code, "time")
        assert refusal_of(mine, "assume") is mine
        passing |= {code} if mine.answer()["error"]["retryable"] else set()
    assert passing == {"TokenNotYetValid", "Throttled", "Unavailable"}


@pytest.mark.parametrize(
    ("code", "cause"), [("A" * 64, "A" * 64), ("A" * 65, "HTTP400"), ("", "HTTP400"), ("u1/T1", "HTTP400")]
)
def test_the_cause_is_a_word_or_a_status(code: str, cause: str) -> None:
    """Operators see AWS's code; text that is none could hold anything."""
    assert refusal_of(fault(code), "assume").cause == cause
