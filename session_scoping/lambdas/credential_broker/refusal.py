"""`RefusedError`: why the broker gives no credentials, without anything the token or AWS said."""

import re
from typing import Any

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from session_scoping.contract.broker_errors import RETRYABLE, RefusalCode

_MESSAGES: dict[RefusalCode, str] = {
    "TokenMalformed": "the request holds no task token in the expected form",
    "TokenRefused": "the task token is not one this broker accepts",
    "TokenExpired": "the task token has expired, or is about to",
    "TokenNotYetValid": "the task token is not valid yet by the broker's clock",
    "TokenRevoked": "the task token, or one of its tags, has been revoked",
    "Throttled": "AWS throttles the broker",
    "Unavailable": "AWS did not answer the broker in time, or with a fault of its own",
    "Misconfigured": "the broker is not set up correctly",
}

_THROTTLING = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What AWS refuses because of what the token says. Source: KMS API_Verify, STS API_AssumeRole (Errors).
_TOKEN_S_FAULT = frozenset({"KMSInvalidSignatureException", "PackedPolicyTooLarge"})


class RefusedError(Exception):
    """
    No credentials.

    Args:
        code: The stable code the caller branches on.
        check: One word for operators: what was looked at when it was refused.
        cause: The name of an AWS error code or an exception type, for operators. Default: none.
    """

    def __init__(self, code: RefusalCode, check: str, cause: str = "") -> None:
        super().__init__(code, check)
        self.code = code
        self.check = check
        self.cause = cause

    def answer(self) -> dict[str, Any]:
        """Return the function's answer."""
        return {"error": {"code": self.code, "retryable": self.code in RETRYABLE, "message": _MESSAGES[self.code]}}


def refusal_of(error: Exception, check: str) -> RefusedError:
    """
    Return the refusal for whatever a call raised.

    Args:
        error: What it raised. Its text is dropped: it may quote tags or tokens.
        check: What the call was for.
    """
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, botocore_errors.ClientError):
        return _of_answer(error.response, check)
    cause = type(error).__name__
    lost = isinstance(error, (botocore_errors.HTTPClientError, botocore_errors.ConnectionError, ResponseParserError))
    if isinstance(error, botocore_errors.BotoCoreError) and not lost:
        return RefusedError("Misconfigured", check, cause)
    return RefusedError("Unavailable", check, cause)


def _of_answer(response: Any, check: str) -> RefusedError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    cause = code if re.fullmatch("[A-Za-z]{1,64}", code) else f"HTTP{status}"
    if code in _THROTTLING or status == 429:
        return RefusedError("Throttled", check, cause)
    if code in _TOKEN_S_FAULT:
        return RefusedError("TokenRefused", check, cause)
    if not isinstance(status, int) or status >= 500 or status < 400:
        return RefusedError("Unavailable", check, cause)
    return RefusedError("Misconfigured", check, cause)
