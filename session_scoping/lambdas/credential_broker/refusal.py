"""`RefusedError`: why the broker gives no credentials, without anything the token or AWS said."""

import re
from typing import Any

from botocore.exceptions import BotoCoreError

from session_scoping.contract.boto_errors import Answer, kind_of
from session_scoping.contract.errors import RETRYABLE, RefusalCode

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
    kind, cause = kind_of(error), type(error).__name__
    if kind == "answer":
        return _of_answer(Answer.of(error), check)
    if isinstance(error, BotoCoreError) and kind not in ("no-connection", "timeout"):
        return RefusedError("Misconfigured", check, cause)
    return RefusedError("Unavailable", check, cause)


def _of_answer(answer: Answer, check: str) -> RefusedError:
    cause = answer.code if re.fullmatch("[A-Za-z]{1,64}", answer.code) else f"HTTP{answer.status}"
    if answer.code in _THROTTLING or answer.status == 429:
        return RefusedError("Throttled", check, cause)
    if answer.code in _TOKEN_S_FAULT:
        return RefusedError("TokenRefused", check, cause)
    return RefusedError("Misconfigured" if answer.family == 4 else "Unavailable", check, cause)
