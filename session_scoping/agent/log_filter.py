"""
Keep botocore's DEBUG output about our own STS calls out of every log.

At DEBUG botocore logs request parameters (the tags), the canonical request (the compute role's session token)
and the answer's body (the new secret key). The filter drops those records for our calls only: a context
variable says that one is under way, so that other clients of the process keep their DEBUG output.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OURS: ContextVar[bool] = ContextVar("session_scoping_sts_call", default=False)
_TALKATIVE = ("botocore", "boto3", "urllib3", "s3transfer")


class _DropOurDebug(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or not _OURS.get()


_FILTER = _DropOurDebug()


def _install() -> None:
    # A filter on a parent logger does not see its children's records, so each logger gets its own.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.split(".")[0] in _TALKATIVE:
            logger.addFilter(_FILTER)


@contextmanager
def sts_call_hidden() -> Iterator[None]:
    """Drop the DEBUG records botocore and urllib3 write in this thread or task while the block runs."""
    _install()
    token = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(token)
