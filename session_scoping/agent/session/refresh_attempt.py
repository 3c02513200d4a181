"""One attempt at a new set of credentials, a round of them that all callers share, and the threads they run in."""

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

DEADLINE_SECONDS = 20.0
"""
For one round of attempts as a whole. A socket's timeout starts anew with every byte: an answer that drips would hold
a task up for as long as it likes.
"""


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
    Attempts that one thread makes for every caller.

    Args:
        clock: The time.
        attempts: How many may be made.
    """

    def __init__(self, clock: Clock, attempts: int) -> None:
        self._attempts = attempts
        self._made = 0
        self._clock = clock
        self._begun = clock.monotonic()  # how long a thread has waited: no step of the wall clock ends that
        self._failure: Failure | None = None
        self._done = threading.Event()

    @property
    def seconds_left(self) -> float:
        """Seconds until nobody waits for it any more; negative after that."""
        return DEADLINE_SECONDS - (self._clock.monotonic() - self._begun)

    def may_try_again(self, failure: Failure | None) -> bool:
        """
        Wait for another attempt and return True, or False where none may follow this one.

        What may pass is tried again while attempts are left, an answer that cannot be read once.
        """
        self._made += 1
        again = failure is not None and (failure.transient or (failure.unreadable and self._made == 1))
        if not again or self._made >= self._attempts:
            return False
        if (pause := pause_after(self._made)) >= self.seconds_left:
            return False
        self._clock.sleep(pause)
        return True

    def end(self, failure: Failure | None) -> None:
        """Wake those who wait."""
        self._failure = failure
        self._done.set()

    def wait(self) -> Failure | None:
        """Wait for its end, up to the deadline, and return why there is no new set."""
        return self._failure if self._done.wait(max(0.0, self.seconds_left)) else TOO_SLOW


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


def within_deadline(fetch: Callable[[], _T]) -> _T:
    """
    Return what `fetch` returns, or raise what it raises, or AnswerRefusedError when it takes too long.

    It runs in a thread of its own, which is left behind when it does not end in time; where no thread can be
    started, in this one.
    """
    outcome: list[tuple[_T, None] | tuple[None, Exception]] = []
    done = threading.Event()

    def run() -> None:
        try:
            with sts_call_hidden():
                outcome.append((fetch(), None))
        except BaseException as error:
            outcome.append((None, error if isinstance(error, Exception) else RuntimeError()))
        finally:
            done.set()

    if not in_background(run):
        run()
    done.wait(DEADLINE_SECONDS)
    if not outcome:
        raise AnswerRefusedError(TOO_SLOW)
    answer = outcome.pop()
    if answer[1] is not None:
        raise answer[1]
    return answer[0]


TOO_SLOW = Failure(
    "Timeout",
    "no complete answer in time",
    f"one within {DEADLINE_SECONDS:.0f} seconds",
    "look at the way to what answers; the next attempt comes by itself",
)
