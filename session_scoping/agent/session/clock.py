"""Time as the refresh sees it: a wall clock that may be set wrongly, and a monotonic one that may stop."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from session_scoping.contract.errors import InvalidInputError


def utc_now() -> datetime:
    """Return the time of day, aware, in UTC."""
    return datetime.now(UTC)


class Mark(NamedTuple):
    """One moment on both clocks."""

    wall: datetime
    monotonic: float


class Clock:
    """
    Measures age as the larger of two answers, so that no step of either clock makes credentials look younger.

    The wall clock can be set back by an operator or by NTP; the monotonic clock stands still while a virtual
    machine is suspended. Neither alone can be trusted with an expiry.

    Args:
        now: Returns the time of day as an aware datetime. Default: the system's clock.
        monotonic: Returns seconds that never go back. Default: `time.monotonic`.
        sleep: Waits that many seconds. Default: `time.sleep`.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if now().tzinfo is None:
            raise InvalidInputError(
                "the clock returns a naive datetime",
                got="a time without a zone",
                expected="an aware datetime, such as datetime.now(UTC)",
                why="an expiry compared with the wrong zone is hours off",
                fix="pass a clock that returns aware datetimes",
            )
        self.now = now
        self.sleep = sleep
        self.monotonic = monotonic

    def mark(self) -> Mark:
        """Return this moment."""
        return Mark(self.now(), self.monotonic())

    def since(self, mark: Mark) -> float:
        """Return the seconds that have passed since the mark, by whichever clock says more."""
        return max((self.now() - mark.wall).total_seconds(), self.monotonic() - mark.monotonic)
