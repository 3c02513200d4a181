"""
A task's session for aiobotocore and aioboto3 (extra `[aio]`).

The public door of the async half. aiobotocore is loaded on first use of a name.
"""

from typing import TYPE_CHECKING, Any

from session_scoping.contract.doors import door
from session_scoping.contract.errors import MissingExtraError

if TYPE_CHECKING:
    from session_scoping.agent.aio.session import AioTaskSession as AioTaskSession

_load, __dir__, __all__ = door(__name__, {"session_scoping.agent.aio.session": ("AioTaskSession",)})


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if error.name not in {"aiobotocore", "boto3", "botocore"}:
            raise
        raise MissingExtraError(
            f"session_scoping.agent.aio.{name} needs aiobotocore: got an environment without {error.name}, "
            "expected the aio extra; no session can be made; fix: pip install 'session-scoping[aio]'"
        ) from None
