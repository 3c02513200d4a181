"""One attempt at a new set of credentials: ask, check, or say why not."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import NamedTuple, TypeVar

from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.agent.failures import describe
from session_scoping.agent.log_filter import sts_call_hidden
from session_scoping.agent.session.clock import Clock, Mark
from session_scoping.agent.session.credential_set import CredentialSet, check_left

DEADLINE_SECONDS = 20.0
"""
For one attempt as a whole. A socket's timeout starts anew with every byte: an answer that drips would hold a
task up for as long as it likes.
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
        credentials = CredentialSet.from_answer(within_deadline(fetch))
        lifetime = credentials.lifetime(now=asked_at.wall, longest=longest)
        check_left(lifetime - clock.since(asked_at))
    except Exception as error:
        return describe(error, source=source)
    return Answer(credentials, asked_at, lifetime)


def within_deadline(fetch: Callable[[], _T]) -> _T:
    """
    Return what `fetch` returns, or raise what it raises, or AnswerRefusedError when it takes too long.

    It runs in a thread of its own, which is left behind when it does not end in time.
    """
    outcome: list[tuple[_T, None] | tuple[None, Exception]] = []

    def run() -> None:
        try:
            with sts_call_hidden():
                outcome.append((fetch(), None))
        except BaseException as error:
            outcome.append((None, error if isinstance(error, Exception) else RuntimeError()))

    worker = threading.Thread(target=copy_context().run, args=(run,), daemon=True, name="session-scoping")
    worker.start()
    worker.join(DEADLINE_SECONDS)
    if not outcome:
        raise AnswerRefusedError(_TOO_SLOW)
    answer = outcome.pop()
    if answer[1] is not None:
        raise answer[1]
    return answer[0]


_TOO_SLOW = Failure(
    "Timeout",
    "no complete answer in time",
    f"one within {DEADLINE_SECONDS:.0f} seconds",
    "look at the way to what answers; the next attempt comes by itself",
)
