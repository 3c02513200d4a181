"""One attempt at a new set of credentials, a round of them that all callers share, and the threads they run in."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Literal, NamedTuple, TypeVar

from session_scoping.agent.errors import AnswerRefusedError, Failure, Reason
from session_scoping.agent.failures import describe
from session_scoping.agent.log_filter import sts_call_hidden
from session_scoping.agent.session.clock import Clock, Mark
from session_scoping.agent.session.credential_set import CredentialSet, check_left
from session_scoping.agent.session.pace import pause_after

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 10.0
"""
For one round of attempts as a whole. A socket's timeout starts anew with every byte: an answer that drips would hold
a task up for as long as it likes.
"""

SLOW_SECONDS = 6.0
"""An answer may come this late before a second request is sent; the first one to succeed wins."""

_T = TypeVar("_T")


class Answer(NamedTuple):
    """
    A checked set of credentials and its age.

    Attributes:
        credentials: The set.
        asked_at: The moment before it was asked for, from which its lifetime counts.
        lifetime: Seconds, from `asked_at`.
    """

    credentials: CredentialSet
    asked_at: Mark
    lifetime: float


class RefreshEvent(NamedTuple):
    """
    What `on_refresh` gets after each attempt at new credentials. It holds no key, no tag and no name.

    Attributes:
        outcome: `refreshed`, or `failed`.
        duration: Seconds the attempt took.
        reason: One of `TaskCredentialsError.reason`; None where it did not fail.
    """

    outcome: Literal["refreshed", "failed"]
    duration: float
    reason: Reason | None


OnRefresh = Callable[[RefreshEvent], object]
"""Called after each attempt at new credentials, once no caller waits. What it raises is dropped."""


class Round:
    """
    Attempts that are made for every caller: by one thread, and by a second one where the first gets no answer.

    Args:
        clock: The time.
        attempts: How many may be made.
    """

    def __init__(self, clock: Clock, attempts: int) -> None:
        self._attempts = attempts
        self._begun_attempts, self._failed_attempts = 1, 0
        self._clock = clock
        self._begun = clock.monotonic()  # how long a thread has waited: no step of the wall clock ends that
        self._failure: Failure | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._hedged = False
        self.threads = 1

    @property
    def seconds_left(self) -> float:
        """Seconds until nobody waits for it any more; negative after that."""
        return DEADLINE_SECONDS - (self._clock.monotonic() - self._begun)

    def may_try_again(self, failure: Failure | None) -> bool:
        """
        Wait for another attempt and return True, or False where none may follow this one.

        What may pass is tried again while attempts are left, an answer that cannot be read once.
        """
        with self._lock:
            self._failed_attempts += 1
            again = failure is not None and (failure.transient or (failure.unreadable and self._failed_attempts == 1))
            if self._done.is_set() or not again or self._begun_attempts >= self._attempts:
                return False
            if (pause := pause_after(self._failed_attempts)) >= self.seconds_left:
                return False
            self._begun_attempts += 1
        self._clock.sleep(pause)
        return True

    def end(self, failure: Failure | None) -> bool:
        """End the part of one thread; return whether the round has ended by that, and wake those who wait if so."""
        with self._lock:
            self.threads -= 1
            if self._done.is_set() or (failure is not None and self.threads):
                return False
            self._failure = failure
            self._done.set()
            return True

    def wait(self, hedge: Callable[[], object]) -> Failure | None:
        """
        Wait for its end, up to the deadline, and return why there is no new set.

        Args:
            hedge: Called once where there is no answer after six seconds and an attempt is left; it runs a second
                thread, and the first one to succeed ends the round.
        """
        left = self.seconds_left
        if not self._done.wait(max(0.0, min(left, left - DEADLINE_SECONDS + SLOW_SECONDS))) and self._may_hedge():
            hedge()
        return self._failure if self._done.wait(max(0.0, self.seconds_left)) else TOO_SLOW

    def _may_hedge(self) -> bool:
        with self._lock:
            if self._hedged or self._begun_attempts >= self._attempts or self.seconds_left <= 0:
                return False
            self._hedged = True
            self._begun_attempts += 1
            self.threads += 1
            return True


def attempt(fetch: Callable[[], object], *, source: str, longest: float, clock: Clock) -> Answer | Failure:
    """
    Ask once for a new set.

    Whatever `fetch` raises is dropped after it has been described: botocore's exceptions carry requests and
    answers, which hold tags and keys, and a chained exception would carry them into somebody's log.

    Args:
        fetch: Returns a new set, or raises.
        source: Who `fetch` asks, for messages.
        longest: The most seconds a set can last.
        clock: The time.
    """
    asked_at = clock.mark()
    try:
        with sts_call_hidden():
            credentials = CredentialSet.from_answer(fetch())
        lifetime = credentials.lifetime(now=asked_at.wall, longest=longest)
        check_left(lifetime - clock.since(asked_at))
    except Exception as error:
        return describe(error, source=source)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return describe(RuntimeError(), source=source)  # a provider that calls sys.exit()
    return Answer(credentials, asked_at, lifetime)


def in_background(work: Callable[[], object]) -> bool:
    """
    Run `work` in a thread of its own and with this thread's context; return whether one could be started.

    From an atexit handler none can, since Python 3.12, nor in a container that has as many as it may.
    """
    try:
        threading.Thread(target=copy_context().run, args=(work,), daemon=True, name="session-scoping").start()
    except RuntimeError:
        return False
    return True


def within_deadline(fetch: Callable[[], _T], seconds: float | None = None) -> _T:
    """
    Return what `fetch` returns, or raise what it raises, or AnswerRefusedError when it takes too long.

    It runs in a thread of its own, and in a second one where it is slow: the first to end decides. A thread
    that does not end in time is left behind; where none can be started, `fetch` runs in this one.

    Args:
        fetch: What to run.
        seconds: How long to wait. Default: DEADLINE_SECONDS.
    """
    outcomes: list[tuple[_T, None] | tuple[None, Exception]] = []
    done = threading.Event()

    def run() -> None:
        try:
            with sts_call_hidden():
                outcomes.append((fetch(), None))
        except BaseException as error:
            outcomes.append((None, error if isinstance(error, Exception) else RuntimeError()))
        finally:
            done.set()

    left = max(0.0, DEADLINE_SECONDS if seconds is None else seconds)
    if not in_background(run):
        run()
    if not done.wait(min(SLOW_SECONDS, left)) and left > SLOW_SECONDS and in_background(run):
        done.wait(left - SLOW_SECONDS)
    if not outcomes:
        raise AnswerRefusedError(TOO_SLOW)
    answer = outcomes[0]
    outcomes.clear()
    if answer[1] is not None:
        raise answer[1]
    return answer[0]


TOO_SLOW = Failure(
    "Timeout",
    "no complete answer in time",
    f"one within {DEADLINE_SECONDS:.0f} seconds",
    "look at the way to what answers; the next attempt comes by itself",
)


def event_of(failure: Failure | None, duration: float) -> RefreshEvent:
    """Return what `on_refresh` is told of an attempt that took so many seconds."""
    return RefreshEvent("refreshed" if failure is None else "failed", duration, failure and failure.reason)


def drop_errors(hook: Callable[[], object]) -> None:
    """Call what must not disturb a refresh. Its errors' text may hold anything, so that only the type is logged."""
    try:
        hook()
    except Exception as error:
        logger.warning("a hook of the refresh raised a %s", type(error).__name__)
