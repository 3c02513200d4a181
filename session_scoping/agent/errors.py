"""What the agent half raises and warns with. No message carries a secret, a user id or a repository."""

from math import ceil
from typing import Literal, NamedTuple

from botocore.exceptions import BotoCoreError

from session_scoping.contract.errors import RETRYABLE, SessionScopingError

WHY_NOT_SENT = "no other credentials may sign this task's calls, so nothing was sent"


Reason = Literal[
    # STS refused: its own codes.
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "IncompleteSignature",
    "InternalError",
    "InternalFailure",
    "InsufficientSessionLifetime",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidSubjectCredentials",
    "MalformedPolicyDocument",
    "MissingAuthenticationToken",
    "PackedPolicyTooLarge",
    "RegionDisabledException",
    "RequestExpired",
    "RequestLimitExceeded",
    "ResourceNotFoundException",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
    "ValidationError",
    # STS refused with a code that is not one of these, by status.
    "Redirect",
    "Refused",
    "ServerError",
    # The credential broker refused: its own codes. `BrokerFailed`: its function crashed or timed out.
    "BrokerFailed",
    "Misconfigured",
    "Throttled",
    "TokenExpired",
    "TokenMalformed",
    "TokenNotYetValid",
    "TokenRefused",
    "TokenRevoked",
    "Unavailable",
    # No answer came.
    "NoConnection",
    "Timeout",
    # The answer breaks a rule of ours.
    "Expired",
    "Malformed",
    "TooFar",
    "WrongRole",
    # Nothing was asked.
    "BadEndpoint",
    "BadProfile",
    "BadRequest",
    "Closed",
    "NoRegion",
    "NoSourceCredentials",
    "SourceChanged",
    "SourceRotated",
    "TokenChanged",
    "TokenUnreadable",
    # Your provider or botocore raised something else.
    "Provider",
    "Unexpected",
]
"""Every value of `TaskCredentialsError.reason`. docs/agent.md says what happened and what to do."""

_TRANSIENT: frozenset[Reason] = frozenset(
    {
        "BrokerFailed",
        "IDPCommunicationError",
        "InternalError",
        "InternalFailure",
        # A key set that was out of reach looks like this too. Source: AWS SDK for Go, stscreds, which retries it.
        "InvalidIdentityToken",
        "NoConnection",
        "RequestLimitExceeded",
        "ServerError",
        "ServiceUnavailable",
        "SourceRotated",
        "Throttling",
        "ThrottlingException",
        "Timeout",
        "TooManyRequestsException",
        *RETRYABLE,
    }
)


class Failure(NamedTuple):
    """
    One failed attempt, described without quoting anything that came over the wire.

    Attributes:
        reason: One word to branch on.
        got: What came back.
        expected: What should have come back.
        fix: What the reader does next.
        passing: Whether it may pass where the reason does not say so. Default: the reason decides.
    """

    reason: Reason
    got: str
    expected: str
    fix: str
    passing: bool = False

    @property
    def transient(self) -> bool:
        """Whether the same attempt may succeed later with nothing changed."""
        return self.passing or self.reason in _TRANSIENT

    @property
    def unreadable(self) -> bool:
        """Whether the answer could not be read. One may be an accident; two say that something else answers."""
        return self.reason == "Malformed"


class TaskCredentialsError(SessionScopingError, BotoCoreError):
    """
    There are no credentials for this task, so the call that needed them was not sent; or `verify()` got no answer.

    It is a BotoCoreError too, for libraries that handle what a client raises before anything was sent.

    Attributes:
        reason: One word to branch on: one of `Reason`, which lists them all.
        transient: Whether the same attempt may succeed later with nothing changed.
        retry_after: Seconds until a call may ask again; calls before that raise at once. 0 where the next call may.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        fault: str = "task credentials could not be obtained",
        why: str = WHY_NOT_SENT,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__()  # which sets botocore's attributes, and a text that says nothing
        pause = f"; calls raise at once until the next attempt, in {ceil(retry_after)} seconds" if retry_after else ""
        self.args = (f"{fault}: got {failure.got}, expected {failure.expected}; {why}{pause}; fix: {failure.fix}",)
        self.reason = failure.reason
        self.transient = failure.transient
        self.retry_after = retry_after


class NotScopedError(SessionScopingError):
    """
    `verify()` got another identity than the task's own, or has none to compare with; do not start the task.

    No BotoCoreError: code that tolerates a failed call must not tolerate this.
    """


class UnsafeAmbientWarning(UserWarning):
    """An unscoped session was made: it reaches whatever the process's own credentials reach."""


class AnswerRefusedError(Exception):
    """An answer broke a rule of ours. Never leaves the package: it becomes a TaskCredentialsError."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure
