"""botocore's refreshable credentials with this library's windows, spacing and errors."""

import logging
from collections.abc import Callable
from random import SystemRandom
from typing import Any, NamedTuple, NoReturn

from botocore.credentials import DeferredRefreshableCredentials, ReadOnlyCredentials

from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.session.clock import Clock, Mark
from session_scoping.agent.session.credential_set import MANDATORY_SECONDS
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.refresh_attempt import DEADLINE_SECONDS, Answer, attempt

logger = logging.getLogger(__name__)

METHOD = "session-scoping"

EARLY_SHARES = (0.25, 0.5)
"""
Share of the lifetime left when refresh starts: drawn anew for each set, so that tasks started together part.

For one-hour credentials that is 30 to 15 minutes before expiry; botocore starts at 15. Source for the width:
benchmarks/README.md.
"""

ATTEMPT_GAP_SECONDS = 30.0
"""At least this long between two attempts, however often callers ask and whatever the first attempt returned."""

_LOCK_SECONDS = DEADLINE_SECONDS + 5
"""How long a call without valid credentials waits for the thread that is fetching them."""

_random = SystemRandom()  # not seeded, so that forked workers draw different numbers


class FrozenTaskCredentials(ReadOnlyCredentials):
    """One consistent set of keys, as botocore's signers take it. The repr hides the keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "FrozenTaskCredentials(…)"

    __str__ = __repr__


class _Age(NamedTuple):
    """How old a set is and how long it lasts, replaced as one object."""

    asked_at: Mark
    lifetime: float
    early: float


_SAME_SECONDS = 5.0
"""Expiries this close are the same: they are given in whole seconds, and an answer takes time to come."""

_SHORTER = Failure(
    "Expired",
    "credentials that end before the present ones",
    "ones that last longer",
    "look at what answers; the present credentials stay in use",
)
_SPENT = Failure(
    "Expired",
    f"credentials that had less than {MANDATORY_SECONDS + ATTEMPT_GAP_SECONDS:.0f} seconds left when they came",
    "ones that last until the next attempt",
    "set this machine's clock (NTP) if it runs ahead, otherwise look at what answers; the next attempt comes by itself",
)
_STUCK = Failure(
    "Timeout",
    "no answer while another thread was asking",
    f"one within {_LOCK_SECONDS:.0f} seconds",
    "try again",
)


class TaskCredentials(DeferredRefreshableCredentials):
    """
    Credentials of one task, fetched at first use and refreshed while the task runs.

    - More than the early share of the lifetime left: no work at all.
    - Then one thread tries, the others sign on. A failure is logged and tolerated.
    - From one minute before the end, and before the first set: every call raises TaskCredentialsError until
      an attempt succeeds.

    At least 30 seconds pass between attempts, after a success as well: short-lived answers and a wrong clock cause
    no storm.

    botocore's own defaults are 15 and 10 minutes, and an attempt per call once the second has passed.

    Args:
        fetch: Returns a new set, or raises.
        source: Who `fetch` asks, for messages.
        longest: The most seconds a set can last. Longer ones are refused.
        clock: The time.
        account_id: Account of the session, for account-based endpoints. Default: unknown.
        draw: Returns the share of the lifetime left at which to refresh. Default: uniform in EARLY_SHARES.
    """

    def __init__(
        self,
        fetch: Callable[[], object],
        *,
        source: str,
        longest: float,
        clock: Clock,
        account_id: str | None = None,
        draw: Callable[[], float] = lambda: _random.uniform(*EARLY_SHARES),
    ) -> None:
        super().__init__(refresh_using=fetch, method=METHOD, time_fetcher=clock.now)
        self._fetch = fetch
        self._source = source
        self._longest = longest
        self._clock = clock
        self._account = account_id
        self._draw = draw
        self._refresh_lock = ForkSafeLock()
        self._age: _Age | None = None
        self._failure: Failure | None = None
        self._attempted_at: Mark | None = None

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    @property
    def timer(self) -> Clock:
        """The clock these credentials age by."""
        return self._clock

    def _seconds_remaining(self) -> float:
        age = self._age
        return 0.0 if age is None else age.lifetime - self._clock.since(age.asked_at)

    def _fresh(self) -> bool:
        age = self._age
        return age is not None and age.lifetime - self._clock.since(age.asked_at) > age.early

    def _usable(self) -> bool:
        return self._seconds_remaining() > MANDATORY_SECONDS

    def _refresh(self) -> None:
        if self._fresh():
            return
        if self._usable():
            if self._may_try() and self._refresh_lock.acquire(blocking=False):
                self._refresh_and_release()
        elif self._refresh_lock.acquire(timeout=_LOCK_SECONDS):
            self._refresh_and_release()
        else:
            raise TaskCredentialsError(_STUCK)

    def _refresh_and_release(self) -> None:
        try:
            if self._fresh():
                return  # another thread was faster
            if self._may_try():
                try:
                    self._failure = self._attempt()
                finally:
                    self._attempted_at = self._clock.mark()  # an interrupted one counts too
            failure = self._failure
        finally:
            self._refresh_lock.release()
        if not self._usable():
            raise TaskCredentialsError(failure or _SPENT)

    def _may_try(self) -> bool:
        attempted_at = self._attempted_at
        return attempted_at is None or self._clock.since(attempted_at) >= ATTEMPT_GAP_SECONDS

    def _attempt(self) -> Failure | None:
        """Publish a new set, or say why there is none."""
        outcome = attempt(self._fetch, source=self._source, longest=self._longest, clock=self._clock)
        if isinstance(outcome, Answer) and self._ends_sooner(outcome):
            outcome = _SHORTER
        if isinstance(outcome, Answer):
            self._publish(outcome)
            return None
        if self._usable():
            logger.warning(
                "task credentials not refreshed: got %s; the present ones last %.0f more seconds; fix: %s",
                outcome.got,
                self._seconds_remaining(),
                outcome.fix,
            )
        return outcome

    def _ends_sooner(self, answer: Answer) -> bool:
        """Whether the present set would outlive the new one; a provider may well give the same set again."""
        left = answer.lifetime - self._clock.since(answer.asked_at)
        return left + _SAME_SECONDS < self._seconds_remaining()

    def _publish(self, answer: Answer) -> None:
        keys = answer.credentials
        frozen = FrozenTaskCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token, self._account)
        # The names botocore's own properties and `refresh_needed` read.
        self._access_key, self._secret_key, self._token = frozen.access_key, frozen.secret_key, frozen.token
        self._account_id = frozen.account_id
        self._expiry_time = keys.expiration
        # INVARIANT: the set is one object; a reader sees the old one or the new one. Its age comes last, so
        # that no old set passes for fresh.
        self._frozen_credentials = frozen
        # Short-lived sets: leave room for a failed attempt and another one before the last minute.
        soon = MANDATORY_SECONDS + min(2 * ATTEMPT_GAP_SECONDS, (answer.lifetime - MANDATORY_SECONDS) / 2)
        early = max(soon, answer.lifetime * self._draw())
        self._age = _Age(answer.asked_at, answer.lifetime, early)
        logger.debug("task credentials obtained; they last %.0f seconds", answer.lifetime)


def refuse_copy(value: Any) -> NoReturn:
    """Refuse to pickle or copy an object that holds credentials."""
    raise TypeError(
        f"a {type(value).__name__} cannot be pickled or copied: it holds credentials, which must not travel; "
        "fix: send the task's tags and build a TaskSession where they arrive"
    )
