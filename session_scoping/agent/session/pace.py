"""When attempts may be made: five within a deadline, then one in thirty seconds."""

from random import SystemRandom

from session_scoping.agent.session.clock import Clock, Mark

ATTEMPTS_MAX = 5
"""Attempts of one round. botocore makes three in its standard mode and five in its legacy mode."""

ATTEMPT_GAP_SECONDS = 30.0
"""At least this long between two rounds, however often callers ask and whatever the last one returned."""

# One bad answer is asked again almost at once; the longer pauses outlast a failover of STS. Together they take 4 to 8.5
# seconds, so that the five attempts are made within ten.
_PAUSES = (0.02, 0.4, 1.6, 6.4)

_random = SystemRandom()  # not seeded, so that forked workers draw different numbers


def pause_after(attempts: int) -> float:
    """Return the seconds to wait after so many failed attempts: 0.02, 0.4, 1.6 or 6.4, or down to half of that."""
    return _PAUSES[attempts - 1] * _random.uniform(0.5, 1)


class Pace:
    """
    How many attempts may be made now.

    A round has up to five attempts. The next one comes 30 seconds later or more; where five did not suffice it has
    one attempt, until one succeeds or for 150 seconds nothing has been asked for. Each round that hangs beyond the
    first doubles the time: a source that never answers holds ten threads after eight hours, and is always asked again.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: Mark | None = None
        self._spent = False

    def begin(self, hanging: int = 0) -> int:
        """Begin a round, while so many others hang, and return how many attempts it has; 0 where none may begin yet."""
        if self.seconds_to_next(hanging) > 0:
            return 0
        attempts = (
            1 if self._spent and (hanging or self._rested() < ATTEMPTS_MAX * ATTEMPT_GAP_SECONDS) else ATTEMPTS_MAX
        )
        self._last, self._spent = self._clock.mark(), True  # until its end says otherwise: it may never come
        return attempts

    def end(self, *, spent: bool) -> None:
        """End the round; `spent` where its attempts did not suffice."""
        self._last, self._spent = self._clock.mark(), spent

    def seconds_to_next(self, hanging: int = 0) -> float:
        """Return the seconds until a round may begin, while so many others hang; 0 where it may now."""
        return max(0.0, ATTEMPT_GAP_SECONDS * (1 << max(0, hanging - 1)) - self._rested())

    def _rested(self) -> float:
        return float("inf") if self._last is None else self._clock.since(self._last)
