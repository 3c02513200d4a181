"""What every half of the library raises, in one message form; the codes the credential broker refuses with."""

from typing import Any, Literal


class SessionScopingError(Exception):
    """Base of every error this library raises on purpose. Errors survive pickling, as process pools need."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[SessionScopingError], args: tuple[Any, ...], state: dict[str, Any]) -> SessionScopingError:
    """Make an error from its parts; its `__init__` may want other ones."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidInputError(SessionScopingError, ValueError):
    """
    A value was refused before it could reach AWS, STS or a template.

    The message is one line: what is wrong, what was got, what is expected, why it matters, the fix.
    It never carries a tag value or a secret, so that it can be logged.

    Args:
        fault: What is wrong, with the name of the argument.
        got: What was given. Never a tag value: give its length instead.
        expected: What would have been accepted.
        why: What goes wrong when such a value is let through.
        fix: What the reader does next.
    """

    def __init__(self, fault: str, *, got: str, expected: str, why: str, fix: str) -> None:
        super().__init__(f"{fault}: got {got}, expected {expected}; {why}; fix: {fix}")


class QuotaExceededError(SessionScopingError, ValueError):
    """A policy, a trust document or a role would exceed an IAM quota as rendered; the message says what to split."""


class MissingExtraError(SessionScopingError, ImportError):
    """A part of the library was imported whose optional dependencies are not installed."""


RefusalCode = Literal[
    "TokenMalformed",
    "TokenRefused",
    "TokenExpired",
    "TokenNotYetValid",
    "TokenRevoked",
    "Throttled",
    "Unavailable",
    "Misconfigured",
]
"""Every value of `error.code` in the broker's answer. docs/task-tokens.md says what each one means."""

RETRYABLE: frozenset[RefusalCode] = frozenset({"TokenNotYetValid", "Throttled", "Unavailable"})
"""Refusals after which the same token may be accepted later with nothing changed."""

FUNCTION_TIMEOUT_SECONDS = 15
"""
Timeout of the broker's function. The agent waits one second longer; an attempt of its own ends after 20.

The handler refuses with `Unavailable` before it would be cut off.
"""
