"""`TaskSessions`: sessions kept between requests, each for one task's tags, in a bounded number for a bounded time."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import NoReturn, Self

from session_scoping.agent.session.credential_set import refuse_copy
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.task_session import TaskSession
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags


class TaskSessions:
    """
    Keeps the sessions of tasks that come back, so that not every request assumes the role anew.

    A session is found by all of its tags, compared exactly. Where there are too many, the one that was asked for
    longest ago goes; one that goes stays usable where it is in use, and is not handed out again. Threads may share it.

    **Not protected:** a session belongs to whom the tags name, so they must come from what has been authenticated, not
    from what a request says.

    Args:
        max: How many sessions are kept. Default: 128, of about one MiB each with three clients.
        ttl: Seconds after which a task gets a new session. Default: 3600.
        make: Makes the session of a task, such as `lambda tags: TaskSession(tags, credentials=partial(ask, tags))`.
            Default: `TaskSession`.
        clock: Returns seconds that never go back. Default: `time.monotonic`.

    Raises:
        InvalidInputError: `max` is no whole number above 0, or `ttl` no number above 0.
    """

    def __init__(
        self,
        *,
        max: int = 128,  # noqa: A002 - what a cache calls it
        ttl: float = 3600.0,
        make: Callable[[SessionTags], TaskSession] = TaskSession,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        _check_bounds(max, ttl)
        self._max, self._ttl, self._make, self._clock = max, ttl, make, clock
        self._lock = ForkSafeLock()
        self._kept: OrderedDict[SessionTags, _Place] = OrderedDict()
        self._closed = False

    def get(self, tags: SessionTags) -> TaskSession:
        """
        Return the task's session, a kept one or a new one. No call is made.

        Leaving a `with` block of it does not close it, for other requests may use it; `discard` does.

        Raises:
            InvalidInputError: `tags` are no SessionTags; `make` returned another task's session; this is closed; what
                `make` raises.
        """
        if not isinstance(tags, SessionTags):
            raise _not_tags(tags)
        while True:
            session = self._place(tags).session(tags, self._make)
            if session is not None:  # else discarded a moment ago
                return session

    def _place(self, tags: SessionTags) -> "_Place":
        with self._lock:
            if self._closed:
                raise _closed()
            place = self._kept.get(tags)
            if place is None or self._clock() - place.made_at >= self._ttl:
                place = self._kept[tags] = _Place(self._clock())
            self._kept.move_to_end(tags)
            while len(self._kept) > self._max:
                self._kept.popitem(last=False)
            return place

    def discard(self, tags: SessionTags) -> None:
        """Close the task's session, if one is kept: for when the task has ended."""
        with self._lock:
            place = self._kept.pop(tags, None)
        if place is not None:
            place.close()

    def close(self) -> None:
        """Close all kept sessions; none is handed out any more."""
        with self._lock:
            self._closed = True
            places = [*self._kept.values()]
            self._kept.clear()
        for place in places:
            place.close()

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"TaskSessions({len(self)} of {self._max})"

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Place:
    """One task's place, made before its session: only those who ask for the same task wait while it is made."""

    def __init__(self, made_at: float) -> None:
        self.made_at = made_at
        self._lock = ForkSafeLock()
        self._session: TaskSession | None = None
        self._closed = False

    def session(self, tags: SessionTags, make: Callable[[SessionTags], TaskSession]) -> TaskSession | None:
        with self._lock:
            if self._closed:
                return None
            if self._session is None or self._session.closed:
                made = make(tags)
                if not isinstance(made, TaskSession) or made.tags != tags:
                    raise _other_task(made)
                made.kept = True
                self._session = made
            return self._session

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._session is not None:
                self._session.close()


def _check_bounds(max: object, ttl: object) -> None:  # noqa: A002 - as above
    if type(max) is not int or max < 1:
        raise InvalidInputError(
            "max is no number of sessions",
            got=f"{max}" if type(max) is int else f"a {type(max).__name__}",
            expected="a whole number above 0",
            why="no session could be kept, or too many",
            fix="leave it out for 128",
        )
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not ttl > 0:
        raise InvalidInputError(
            "ttl is no time",
            got=f"{ttl}" if isinstance(ttl, int | float) else f"a {type(ttl).__name__}",
            expected="seconds, above 0",
            why="no session would be handed out twice, or one for ever",
            fix="leave it out for 3600",
        )


def _not_tags(tags: object) -> InvalidInputError:
    return InvalidInputError(
        "tags are not SessionTags",
        got=f"a {type(tags).__name__}",
        expected="SessionTags(user_id=..., repo=..., task_id=...)",
        why="a session is found by all of its task's tags",
        fix="wrap them",
    )


def _other_task(made: object) -> InvalidInputError:
    return InvalidInputError(
        "make returned what is no session of the task",
        got="a session with other tags" if isinstance(made, TaskSession) else f"a {type(made).__name__}",
        expected="a new TaskSession with the tags it was given",
        why="one task would work with another one's data",
        fix="pass the tags on to TaskSession",
    )


def _closed() -> InvalidInputError:
    return InvalidInputError(
        "the sessions are closed",
        got="a session asked for after close()",
        expected="an open TaskSessions",
        why="nobody would close the new session",
        fix="make a TaskSessions for as long as the service runs",
    )
