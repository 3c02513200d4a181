"""The reasons a failure may have: what users branch on."""

import ast
import re
from pathlib import Path
from typing import Any, get_args

import botocore.parsers
import pytest
from botocore import exceptions as botocore_errors
from botocore.exceptions import (
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRegionError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOError,
    UnknownServiceError,
)
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from session_scoping.agent import errors, failures
from session_scoping.agent.errors import Reason
from session_scoping.agent.sources import token_failures
from session_scoping.agent.vault import errors as token_errors
from session_scoping.contract import boto_errors

ROOT = Path(__file__).parents[2]


def reasons_in_code() -> set[str]:
    """Return every literal reason that a Failure is made with, and every STS code that is passed on."""
    found = set[str](failures._FIXES)
    for path in (ROOT / "session_scoping" / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Failure", "_unforeseen"}:
                first = node.args[0]
                choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                found |= {str(choice.value) for choice in choices if isinstance(choice, ast.Constant)}
    return found


def documented() -> dict[str, str]:
    """Return what docs/agent.md says to do, by reason."""
    section = (ROOT / "docs" / "agent.md").read_text("utf-8").split("`TaskCredentialsError.reason`")[1].split("```")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return {name: row[3] for row in rows for name in re.findall("`([A-Za-z]+)`", row[1]) if name != "reason"}


def test_every_reason_is_documented() -> None:
    """The code, the type users may branch on, and the table in docs/agent.md name the same reasons."""
    assert set(get_args(Reason)) == reasons_in_code() == set(documented())


def test_what_passes_by_itself_is_what_the_table_says() -> None:
    """`transient` is true for the reasons after which, by the table, the next attempt or patience may help."""
    patient = {name for name, do in documented().items() if "next attempt comes by itself" in do or "patience" in do}
    assert patient == errors._TRANSIENT


def refusal(code: str, status: int = 400, request_id: str = "") -> ClientError:
    """Return what botocore raises when STS refuses."""
    metadata: Any = {"HTTPStatusCode": status, "RequestId": request_id}
    return ClientError({"Error": {"Code": code, "Message": "PLANTED"}, "ResponseMetadata": metadata}, "AssumeRole")


HINTS = {
    "trust policy of that admit the compute role": ["AccessDenied", "AccessDeniedException"],
    "look at the task role, profile or environment": [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "MissingAuthenticationToken",
    ],
    "set this machine's clock": ["SignatureDoesNotMatch", "RequestExpired", "IncompleteSignature"],
    "the issuer's key set": ["IDPCommunicationError", "IDPRejectedClaim", "InvalidIdentityToken"],
    "AGENT_CREDENTIAL_BROKER": ["ResourceNotFoundException"],
    "enable STS for this Region": ["RegionDisabledException"],
    "correct the session policy": ["MalformedPolicyDocument"],
    "shorten the session policy or the tag values": ["PackedPolicyTooLarge"],
    "check the tag values and the role": ["ValidationError"],
    "start fewer tasks at once": [
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    ],
    "AWS Health Dashboard": ["InternalFailure", "InternalError", "ServiceUnavailable"],
}


@pytest.mark.parametrize(("hint", "code"), [(hint, code) for hint, codes in HINTS.items() for code in codes])
def test_a_code_of_sts_is_a_reason_with_its_own_fix(hint: str, code: str) -> None:
    """What AWS calls the refusal is what users branch on, and the fix belongs to it."""
    found = failures.describe(refusal(code, 403), source="STS")
    assert (found.reason, found.got) == (code, f"{code} from STS (HTTP 403)")
    assert hint in found.fix


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, "Refused"),
        (299, "Refused"),
        (300, "Redirect"),
        (399, "Redirect"),
        (400, "Refused"),
        (499, "Refused"),
        (500, "ServerError"),
        ("500", "Refused"),
    ],
)
def test_a_code_nobody_knows_is_judged_by_its_status(status: Any, reason: str) -> None:
    """It is not shown: it is text that somebody else chose."""
    found = failures.describe(refusal("PLANTEDcode", status), source="STS")
    assert found.reason == reason
    assert found.got == f"an error from STS that this library does not know (HTTP {status})"


@pytest.mark.parametrize(
    ("request_id", "shown"),
    [
        ("01234567-89ab-cdef-0123-456789ABCDEF", True),
        ("0123456-89ab-cdef-0123-456789abcdef", False),
        ("012345678-89ab-cdef-0123-456789abcdef", False),
        ("01234567-89ab-cdef-456789abcdef", False),
        ("01234567-89ab-cdef-0123-4567-456789abcdef", False),
        ("01234567-89a-cdef-0123-456789abcdef", False),
        ("01234567-89abc-cdef-0123-456789abcdef", False),
        ("01234567-89ab-cdef-0123-456789abcde", False),
        ("01234567-89ab-cdef-0123-456789abcdef0", False),
        ("PLANTED tenant", False),
    ],
)
def test_a_request_id_is_shown_when_it_looks_like_one(request_id: str, shown: bool) -> None:
    """It leads to the request in CloudTrail; any other text could be anybody's."""
    error = refusal("AccessDeniedException", 403, request_id)
    for text in (failures.describe(error, source="STS").got, str(token_errors.describe(error, "no token"))):
        assert (f"request {request_id}" in text) == shown


INVOKE_HINTS = {
    "let the compute role call lambda:InvokeFunction": ["AccessDenied", "AccessDeniedException"],
    "raise the broker's concurrency": [
        "TooManyRequestsException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "Throttling",
    ],
    "AGENT_CREDENTIAL_BROKER": ["ResourceNotFoundException"],
    "enable Lambda for this Region": ["RegionDisabledException"],
}


@pytest.mark.parametrize(("hint", "code"), [(hint, code) for hint, codes in INVOKE_HINTS.items() for code in codes])
def test_a_code_of_lambda_has_the_broker_s_fix(hint: str, code: str) -> None:
    """The caller of the broker is not sent to look at STS."""
    found = token_failures.of_invoke(refusal(code, 429))
    assert (found.reason, found.got) == (code, f"{code} from Lambda (HTTP 429)")
    assert hint in found.fix
    assert "STS" not in str(found)


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (ResponseParserError(), "Malformed", "AWS_ENDPOINT_URL_LAMBDA"),
        (ValueError("Invalid endpoint: x"), "BadEndpoint", "AWS_ENDPOINT_URL_LAMBDA"),
        (ParamValidationError(report="x"), "BadRequest", "AGENT_CREDENTIAL_BROKER"),
        (NoCredentialsError(), "NoSourceCredentials", "give the container a role"),
        (errors.AnswerRefusedError(token_failures.BROKER_FAILED), "BrokerFailed", "broker's log"),
    ],
)
def test_a_fault_on_the_way_to_lambda_has_the_broker_s_fix(error: Exception, reason: str, hint: str) -> None:
    """It names the setting that leads to the broker."""
    found = token_failures.of_invoke(error)
    assert found.reason == reason
    assert hint in found.fix
    assert found.expected == "new credentials from the credential broker" or reason == "BadRequest"


IDENTITY_HINTS = {
    "trust policy admit the token's provider": ["AccessDenied", "AccessDeniedException"],
    "let the orchestrator issue a new token": ["ExpiredToken", "ExpiredTokenException"],
    "discovery document and key set": ["IDPCommunicationError"],
    "the OIDC provider in IAM know the token's issuer": ["IDPRejectedClaim"],
    "issuer's key set, which STS must reach": ["InvalidIdentityToken"],
    "shorten the tag values": ["PackedPolicyTooLarge"],
    "than the role's MaxSessionDuration": ["ValidationError"],
    "raise the account's STS quota": ["Throttling"],
}


@pytest.mark.parametrize(("hint", "code"), [(hint, code) for hint, codes in IDENTITY_HINTS.items() for code in codes])
def test_a_code_about_a_web_identity_has_the_token_s_fix(hint: str, code: str) -> None:
    """Nobody signed, so that no compute role can be at fault."""
    found = token_failures.of_web_identity(refusal(code))
    assert found.reason == code
    assert hint in found.fix
    assert "compute role" not in found.fix


def test_every_class_the_classifier_names_is_one_of_botocore_s() -> None:
    """It knows them by name alone: a misspelled or renamed one would fall through to `other`."""
    known = vars(botocore_errors) | vars(botocore.parsers)
    assert all(issubclass(known[name], Exception) for name in boto_errors._KINDS)


BY_TYPE: dict[str, list[Exception]] = {
    "Timeout": [ConnectTimeoutError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")],
    "NoRegion": [NoRegionError(), InvalidRegionError(region_name="no region!")],
    "Malformed": [ResponseParserError(), KeyError("x"), ValueError("x"), TypeError("x"), AttributeError("x")],
    "BadEndpoint": [ValueError("Invalid endpoint: x")],
    "NoSourceCredentials": [
        NoCredentialsError(),
        PartialCredentialsError(provider="x", cred_var="y"),
        CredentialRetrievalError(provider="x", error_msg="y"),
        MetadataRetrievalError(error_msg="x"),
        SSOError(),
    ],
    "BadProfile": [
        ProfileNotFound(profile="x"),
        ConfigNotFound(path="x"),
        ConfigParseError(path="x"),
        InvalidConfigError(error_msg="x"),
    ],
    "NoConnection": [HTTPClientError(error="x"), EndpointConnectionError(endpoint_url="x", error="y")],
    "BadRequest": [ParamValidationError(report="x")],
    "Unexpected": [RuntimeError("PLANTED"), AssertionError("Invalid endpoint: x")],
}


@pytest.mark.parametrize(("reason", "error"), [(name, error) for name, errors in BY_TYPE.items() for error in errors])
def test_what_botocore_raises_has_a_reason(reason: str, error: Exception) -> None:
    """Each kind of failure on this side differs from an answer of STS, and none is quoted."""
    found = failures.describe(error, source="STS")
    assert found.reason == reason
    assert "PLANTED" not in str(found)
    assert failures.describe(error, source="the credential provider").reason == "Provider"


def test_every_code_that_botocore_tries_again_may_pass() -> None:
    """Where plain botocore would try again a task does too, whatever name the throttle or timeout has."""
    throttles, passing = vars(ThrottledRetryableChecker), vars(TransientRetryableChecker)
    codes = {*throttles["_THROTTLED_ERROR_CODES"], *passing["_TRANSIENT_ERROR_CODES"]}
    assert {code for code in codes if not failures.describe(refusal(code), source="STS").transient} == set()


class PassingError(Exception):
    """What a provider raises that knows its failure will pass."""

    transient = True


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (ReadTimeoutError(endpoint_url="x"), True),
        (EndpointConnectionError(endpoint_url="x", error="y"), True),
        (refusal("Throttling"), True),
        (refusal("PLANTEDcode", 503), True),
        (PassingError(), True),
        (refusal("AccessDenied", 403), False),
        (refusal("PLANTEDcode", 400), False),
        (PermissionError(), False),
        (RuntimeError(), False),
        (KeyError("x"), False),
        (errors.TaskCredentialsError(errors.Failure("Throttling", "g", "e", "f")), True),
        (errors.TaskCredentialsError(errors.Failure("AccessDenied", "g", "e", "f")), False),
    ],
)
def test_a_provider_s_failure_may_pass(error: Exception, passes: bool) -> None:
    """A broken connection is tried again as it is at STS; what nobody can judge is lasting."""
    found = failures.describe(error, source="the credential provider")
    assert (found.reason, found.transient) == ("Provider", passes)


TOKEN_ERRORS: dict[str, list[Exception]] = {
    "Timeout": [ConnectTimeoutError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")],
    "NoRegion": [NoRegionError()],
    "OldBoto3": [UnknownServiceError(service_name="x", known_service_names=[])],
    "NoConnection": [HTTPClientError(error="x"), EndpointConnectionError(endpoint_url="x", error="y")],
    "Malformed": [
        ResponseParserError(),
        KeyError("x"),
        ValueError("x"),
        TypeError("x"),
        AttributeError("x"),
        ParamValidationError(report="x"),
    ],
    "Unexpected": [RuntimeError("PLANTED")],
    "Refused": [refusal("PLANTEDcode", 499)],
    "ServerError": [refusal("PLANTEDcode", 500)],
    **{
        code: [refusal(code, 403)]
        for code in (
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ThrottlingException",
            "UnauthorizedException",
            "ValidationException",
        )
    },
}


@pytest.mark.parametrize(
    ("reason", "error"), [(name, error) for name, errors in TOKEN_ERRORS.items() for error in errors]
)
def test_what_boto3_raises_for_a_token_has_a_reason(reason: str, error: Exception) -> None:
    """A token's failures have the same kinds, in reasons of their own."""
    found = token_errors.describe(error, "no token could be had")
    assert found.reason == reason
    assert found.transient == (reason in {"Timeout", "NoConnection", "ServerError", "ThrottlingException"})
    assert "PLANTED" not in str(found)


def test_no_credentials_of_the_task_leave_a_token_as_transient_as_they_are() -> None:
    """The caller may wait for what will pass, and not for what will not."""
    cases: list[tuple[Reason, bool]] = [("Throttling", True), ("AccessDenied", False)]
    for reason, transient in cases:
        error = errors.TaskCredentialsError(errors.Failure(reason, "g", "e", "f"))
        found = token_errors.describe(error, "w")
        assert (found.reason, found.transient) == ("TaskCredentials", transient)
        assert f"`{reason}`" in str(found)
