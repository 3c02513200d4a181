"""One attempt at a new set of credentials: ask, check, or say why not."""

from collections.abc import Callable
from typing import NamedTuple

from session_scoping.agent.clock import Clock, Mark
from session_scoping.agent.credential_set import CredentialSet, check_left
from session_scoping.agent.errors import Failure
from session_scoping.agent.failures import describe
from session_scoping.agent.quiet import sts_call_hidden


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
        with sts_call_hidden():
            credentials = CredentialSet.from_answer(fetch())
        lifetime = credentials.lifetime(now=asked_at.wall, longest=longest)
        check_left(lifetime - clock.since(asked_at))
    except Exception as error:
        return describe(error, source=source)
    return Answer(credentials, asked_at, lifetime)
