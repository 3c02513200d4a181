"""What the agent half raises and warns with. No message carries a secret, a user id or a repository."""

from typing import NamedTuple

from session_scoping.errors import SessionScopingError

WHY_NOT_SENT = "no other credentials may sign this task's calls, so nothing was sent"


_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "NoConnection",
        "RequestLimitExceeded",
        "ServerError",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "Timeout",
        "TooManyRequestsException",
    }
)


class Failure(NamedTuple):
    """
    One failed attempt, described without quoting anything that came over the wire.

    Attributes:
        reason: One word to branch on, such as `AccessDenied` or `Timeout`.
        got: What came back.
        expected: What should have come back.
        fix: What the reader does next.
    """

    reason: str
    got: str
    expected: str
    fix: str

    @property
    def transient(self) -> bool:
        """Whether the same attempt may succeed later with nothing changed."""
        return self.reason in _TRANSIENT


class TaskCredentialsError(SessionScopingError):
    """
    There are no credentials for this task, so the call that needed them was not sent; or `verify()` got no answer.

    Attributes:
        reason: One word to branch on: an STS error code (`AccessDenied`, `Throttling`, ...), or `Timeout`,
            `NoConnection`, `Malformed`, `Expired`, `TooFar`, `WrongRole`, `NoSourceCredentials`, `Provider`.
        transient: Whether the same attempt may succeed later with nothing changed.
    """

    def __init__(
        self, failure: Failure, *, fault: str = "task credentials could not be obtained", why: str = WHY_NOT_SENT
    ) -> None:
        super().__init__(f"{fault}: got {failure.got}, expected {failure.expected}; {why}; fix: {failure.fix}")
        self.reason = failure.reason
        self.transient = failure.transient


class NotScopedError(SessionScopingError):
    """`verify()` got another identity than the task's own, or has none to compare with; do not start the task."""


class UnsafeAmbientWarning(UserWarning):
    """An unscoped session was made: it reaches whatever the process's own credentials reach."""


class AnswerRefusedError(Exception):
    """An answer broke a rule of ours. Never leaves the package: it becomes a TaskCredentialsError."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure
