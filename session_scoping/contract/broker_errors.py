"""
The broker's refusals: stable codes, which of them may pass by themselves, and the shape of an answer.

Standard library only: the broker writes what the agent half reads.
"""

from typing import Literal

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
