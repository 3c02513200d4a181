"""The only way to run without scoping, named so that a reviewer stops at it."""

import logging
import warnings
from typing import NoReturn

import boto3

from session_scoping.agent.errors import NotScopedError, UnsafeAmbientWarning
from session_scoping.agent.session.clients import Clients

logger = logging.getLogger(__name__)

_TEXT = "unsafe_ambient_session: clients sign with the process's own credentials and reach every tenant"


class UnsafeAmbientSession(Clients):
    """Has the methods of TaskSession and none of its limits. For local work only."""

    def __init__(self, region_name: str | None) -> None:
        super().__init__(boto3.Session(region_name=region_name))

    def verify(self) -> NoReturn:
        """Raise NotScopedError: there is nothing to prove."""
        raise NotScopedError(
            "the session is not scoped: got unsafe_ambient_session(), expected a TaskSession; "
            "its calls reach every tenant; fix: build a TaskSession"
        )


def unsafe_ambient_session(*, region_name: str | None = None) -> UnsafeAmbientSession:
    """
    Return a session that signs with whatever credentials the process has. Warns on every use.

    Args:
        region_name: Default Region. Default: what boto3 finds.
    """
    warnings.warn(_TEXT, UnsafeAmbientWarning, stacklevel=2)
    logger.warning(_TEXT)  # the warnings machinery shows one line of code only once
    return UnsafeAmbientSession(region_name)
