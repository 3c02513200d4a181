"""A task's credentials as aiobotocore asks for them: awaited, fetched in one thread for all that wait."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import NoReturn, TypeVar

from aiobotocore.credentials import AioDeferredRefreshableCredentials
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from session_scoping.agent.errors import TaskCredentialsError
from session_scoping.agent.session.credential_set import MANDATORY_SECONDS, refuse_copy
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.refresh import METHOD

SURE_SECONDS = int(MANDATORY_SECONDS) + 5
"""With more time left than this, looking at the credentials never waits: a moment later they still sign."""

_T = TypeVar("_T")


class AioTaskCredentials(AioDeferredRefreshableCredentials):
    """
    One task's credentials, for a client that awaits them.

    They are those of the task's TaskSession: both refresh them together, by its rules. While they are valid the event
    loop reads them itself. A caller that must wait for new ones waits for a thread, one for all of all event loops.

    Args:
        credentials: Those of the TaskSession.
    """

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__(credentials.get_frozen_credentials, METHOD)
        self._credentials = credentials
        self._lock = ForkSafeLock()
        self._fetching: tuple[int, Future[ReadOnlyCredentials]] | None = None

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Return whether fewer seconds are left, or there are no credentials yet."""
        return bool(self._credentials.refresh_needed(refresh_in))

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return one consistent set of keys, or raise TaskCredentialsError."""
        if not self.refresh_needed(SURE_SECONDS):
            return self._credentials.get_frozen_credentials()
        try:
            # The thread goes on when a caller is cancelled: others wait for it.
            return await asyncio.wrap_future(self._fetched())
        except TaskCredentialsError as error:
            # All that wait share the exception: without this, each would add its own frames for the others to print.
            raise error.with_traceback(None) from None

    def _fetched(self) -> Future[ReadOnlyCredentials]:
        with self._lock:
            # In a forked child the thread does not exist.
            if self._fetching is None or self._fetching[0] != os.getpid() or self._fetching[1].done():
                self._fetching = (os.getpid(), in_thread(self._credentials.get_frozen_credentials))
            return self._fetching[1]

    async def get_access_key(self) -> str | None:
        """Return the access key id."""
        return (await self.get_frozen_credentials()).access_key

    async def get_secret_key(self) -> str | None:
        """Return the secret key."""
        return (await self.get_frozen_credentials()).secret_key

    async def get_token(self) -> str | None:
        """Return the session token."""
        return (await self.get_frozen_credentials()).token

    async def get_account_id(self) -> str | None:
        """Return the account, for account-based endpoints."""
        account: str | None = (await self.get_frozen_credentials()).account_id
        return account


def in_thread(function: Callable[[], _T]) -> Future[_T]:
    """
    Return what a function will return or raise, run in a thread of its own that no exit waits for.

    The event loop's own executor would lend a place of its few to a call that hangs, and wait for it at its end.
    """
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()  # so that a cancelled caller does not cancel it for the others

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    worker = threading.Thread(target=copy_context().run, args=(run,), daemon=True, name="session-scoping-aio")
    try:
        worker.start()
    except RuntimeError:  # the interpreter is ending: no thread starts, and no other task waits for this one
        run()
    return future
