"""botocore's refreshable credentials with this library's windows, spacing and errors."""

import logging
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import SystemRandom
from typing import NamedTuple, NoReturn

from botocore.credentials import DeferredRefreshableCredentials, ReadOnlyCredentials

from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.session.clock import Clock, Mark
from session_scoping.agent.session.credential_set import MANDATORY_SECONDS, CredentialSet, refuse_copy
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.pace import ATTEMPT_GAP_SECONDS, Pace
from session_scoping.agent.session.refresh_attempt import (
    TOO_SLOW,
    Answer,
    OnRefresh,
    RefreshEvent,
    Round,
    attempt,
    drop_errors,
    event_of,
    in_background,
)

logger = logging.getLogger(__name__)

METHOD = "session-scoping"

EARLY_SHARES = (8 / 60, 16 / 60)
"""
Share of the lifetime left when refresh starts: drawn anew for each set, so that tasks started together part.

For one-hour credentials that is 16 to 8 minutes before expiry; botocore starts at 15. At 16, eight hours take eleven
sets at most: 11 * 44 minutes. Source for the width: benchmarks/README.md.
"""

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
CLOSED = Failure(
    "Closed", "a session that has been closed", "an open one", "make a new session, or close this one later"
)


class TaskCredentials(DeferredRefreshableCredentials):
    """
    Credentials of one task, fetched at first use and refreshed while the task runs.

    - More than the early share of the lifetime left: no work at all.
    - Then a thread of its own makes one attempt; every caller signs with the present set. A failure is logged.
    - From one minute before the end, and before the first set: callers wait for a round of up to five attempts, ten
      seconds at most, and get TaskCredentialsError when it fails. Only what may pass is tried again.

    At least 30 seconds pass between rounds, after a success as well: short-lived answers and a wrong clock cause
    no storm. All threads share a round; a forked child begins its own.

    botocore's own defaults are 15 and 10 minutes, and an attempt per call once the second has passed.

    Args:
        fetch: Returns a new set, or raises.
        source: Who `fetch` asks, for messages.
        longest: The most seconds a set can last. Longer ones are refused.
        clock: The time.
        account_id: Account of the session, for account-based endpoints. Default: unknown.
        draw: Returns the share of the lifetime left at which to refresh. Default: uniform in EARLY_SHARES.
        on_refresh: Gets a RefreshEvent for each attempt, once nobody waits. What it raises is dropped.
        after_success: Called after a set has been obtained, in the background. What it raises is dropped.
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
        on_refresh: OnRefresh | None = None,
        after_success: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(refresh_using=fetch, method=METHOD, time_fetcher=clock.now)
        self._ask = partial(attempt, fetch, source=source, longest=longest, clock=clock)
        self._clock = clock
        self._account = account_id
        self._draw = draw
        self._on_refresh = on_refresh
        self._after_success = after_success
        self._refresh_lock = ForkSafeLock()  # held for moments, never while a source is asked
        self._age: _Age | None = None
        self._current: CredentialSet | None = None
        self._failure: Failure | None = None
        self._closed = False
        self._begin_process()

    def _begin_process(self) -> None:
        self._process = os.getpid()
        self._pace = Pace(self._clock)
        self._rounds: list[Round] = []  # those under way, the newest last

    def close(self) -> None:
        """Refuse to sign from here on, whatever has been fetched or is being fetched."""
        self._closed = True

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    @property
    def timer(self) -> Clock:
        """The clock these credentials age by."""
        return self._clock

    @property
    def expires_at(self) -> datetime | None:
        """When the present set ends; None before the first one. Looking at it asks for nothing."""
        ends: datetime | None = self._expiry_time
        return ends

    def current(self) -> CredentialSet:
        """Return the set that signs now with its expiry, fetched or refreshed first where that is due; or raise."""
        self._refresh()
        assert self._current is not None  # noqa: S101 - `_refresh` has raised where there is none
        return self._current

    @property
    def seconds_left(self) -> float:
        """Seconds until the present set ends, by whichever clock says less; 0 when there is none."""
        return self._seconds_remaining()

    def _seconds_remaining(self) -> float:
        age = self._age
        return 0.0 if age is None else age.lifetime - self._clock.since(age.asked_at)

    def _fresh(self) -> bool:
        age = self._age
        return age is not None and age.lifetime - self._clock.since(age.asked_at) > age.early

    def _usable(self) -> bool:
        return self._seconds_remaining() > MANDATORY_SECONDS

    def _refresh(self) -> None:
        if self._closed:
            raise TaskCredentialsError(CLOSED)
        if self._fresh():
            return
        usable = self._usable()
        current, begun = self._current_round()
        if current and begun and not in_background(lambda: self._run(current, behind=True)):
            if usable:
                self._end(current, None)  # a later call tries again
            else:
                self._run(current, behind=False)
        if usable:
            return
        failure = current.wait(partial(self._hedge, current)) if current else self._failure
        if not self._usable():
            raise TaskCredentialsError(failure or _SPENT, retry_after=self._pace.seconds_to_next(len(self._rounds)))

    def _hedge(self, current: Round) -> None:
        if not in_background(lambda: self._run(current, behind=True)):
            self._end(current, TOO_SLOW)

    def _current_round(self) -> tuple[Round | None, bool]:
        """Return the round to wait for, if one is under way or due, and whether it has just been begun."""
        with self._refresh_lock:
            if self._process != os.getpid():
                self._begin_process()  # the parent's threads do not exist here
            if self._fresh():
                return None, False  # another thread was faster
            if self._rounds:
                if self._rounds[-1].seconds_left > 0:
                    return self._rounds[-1], False
                self._failure = TOO_SLOW
            attempts = self._pace.begin(len(self._rounds))
            if not attempts:
                return None, False
            self._rounds.append(Round(self._clock, attempts))
            return self._rounds[-1], True

    def _run(self, current: Round, *, behind: bool) -> None:
        failure: Failure | None = TOO_SLOW  # an interrupted round counts too
        events: list[RefreshEvent] = []
        try:
            while True:
                begun = self._clock.mark()
                failure = self._take(self._ask())
                events.append(event_of(failure, self._clock.since(begun)))
                # With a set to sign with there is no haste: the next call after the gap begins another round.
                if self._usable() or not current.may_try_again(failure):
                    break
        finally:
            self._end(current, failure)
        if self._on_refresh is not None:
            for event in events:
                drop_errors(partial(self._on_refresh, event))
        if behind and failure is None and self._after_success is not None:
            drop_errors(self._after_success)

    def _end(self, current: Round, failure: Failure | None) -> None:
        with self._refresh_lock:
            newest = current in self._rounds[-1:]  # a forked child forgets its parent's
            if current.end(failure) and newest:
                self._failure = failure
                tried_again = failure is not None and (failure.transient or failure.unreadable)
                self._pace.end(spent=tried_again and not self._usable())
            if current in self._rounds and not current.threads:
                self._rounds.remove(current)

    def _take(self, outcome: Answer | Failure) -> Failure | None:
        """Publish a new set, or say why there is none."""
        if isinstance(outcome, Answer):
            with self._refresh_lock:
                taken = not self._ends_sooner(outcome)
                if taken:
                    self._publish(outcome)
            if taken:
                logger.debug("task credentials obtained; they last %.0f seconds", outcome.lifetime)
                return None
            outcome = _SHORTER
        if self._usable() and not self._fresh():  # else another thread of the round has succeeded
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
        self._current = keys
        # Short-lived sets: leave room for a failed attempt and another one before the last minute.
        soon = MANDATORY_SECONDS + min(2 * ATTEMPT_GAP_SECONDS, (answer.lifetime - MANDATORY_SECONDS) / 2)
        early = max(soon, answer.lifetime * self._draw())
        self._age = _Age(answer.asked_at, answer.lifetime, early)
