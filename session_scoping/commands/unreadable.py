"""Answers that cannot be read: what a proxy, a captive portal or a wrong endpoint sends in AWS's place."""

from collections.abc import Iterator
from contextlib import contextmanager

from session_scoping.contract.boto_errors import kind_of
from session_scoping.contract.errors import SessionScopingError

NOT_VALIDATED = "nothing is validated"
"""What an answer that cannot be read means to `validate`."""


class UnreadableAnswerError(SessionScopingError):
    """What answered in AWS's place sent something that cannot be read, or the endpoint is no address."""


@contextmanager
def reading(operation: str, *, consequence: str = "nothing is known to have changed") -> Iterator[None]:
    """
    Turn what botocore, and the reading of its answer, raise on nonsense into one sentence; let all else pass.

    The block holds the call and the reading of the fields it returned, and nothing else: a fault of ours in it would be
    reported as one of the answer.

    Args:
        operation: The operation that is called.
        consequence: What its failure means to the user.

    Raises:
        UnreadableAnswerError: The answer cannot be read.
    """
    try:
        yield
    except SessionScopingError:
        raise
    except Exception as error:
        if kind_of(error) not in ("unparsed", "unreadable"):
            raise
        # The type alone: the text may quote what came over the wire.
        raise UnreadableAnswerError(
            f"the answer to {operation} cannot be read: got {type(error).__name__} on reading it, expected AWS's; "
            f"{consequence}; fix: look at what answers there: a proxy, or AWS_ENDPOINT_URL and its like"
        ) from None


def text_of(value: object) -> str:
    """Return a field that must be text, or raise TypeError, which `reading` turns into its sentence."""
    if not isinstance(value, str):
        raise TypeError
    return value
