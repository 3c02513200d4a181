"""A lock that a forked child finds open, even if a thread of the parent held it."""

import os
import threading
from types import TracebackType
from weakref import WeakSet


class ForkSafeLock:
    """A `threading.Lock`, replaced in a forked child, where the thread that may hold it does not exist."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _alive.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, as `threading.Lock.acquire` does."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def renew(self) -> None:
        """Forget the thread that holds the lock."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


_alive: WeakSet[ForkSafeLock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_alive):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
