"""
The agent half (extra `[agent]`): boto3 only, never the CDK.

The public door. Names load on first use, so that `session_scoping.agent.audit` also runs without boto3.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.errors import MissingExtraError

if TYPE_CHECKING:
    from session_scoping.agent.ambient import UnsafeAmbientSession as UnsafeAmbientSession
    from session_scoping.agent.ambient import unsafe_ambient_session as unsafe_ambient_session
    from session_scoping.agent.credential_set import CredentialSet as CredentialSet
    from session_scoping.agent.errors import NotScopedError as NotScopedError
    from session_scoping.agent.errors import TaskCredentialsError as TaskCredentialsError
    from session_scoping.agent.errors import UnsafeAmbientWarning as UnsafeAmbientWarning
    from session_scoping.agent.identity import Identity as Identity
    from session_scoping.agent.names import session_name_for as session_name_for
    from session_scoping.agent.session import CredentialProvider as CredentialProvider
    from session_scoping.agent.session import TaskSession as TaskSession
    from session_scoping.agent.task_file import read_task_file as read_task_file
    from session_scoping.agent.task_file import write_task_file as write_task_file
    from session_scoping.tags import SessionTags as SessionTags

_HOMES = {
    "CredentialProvider": "session_scoping.agent.session",
    "CredentialSet": "session_scoping.agent.credential_set",
    "Identity": "session_scoping.agent.identity",
    "NotScopedError": "session_scoping.agent.errors",
    "SessionTags": "session_scoping.tags",
    "TaskCredentialsError": "session_scoping.agent.errors",
    "TaskSession": "session_scoping.agent.session",
    "UnsafeAmbientSession": "session_scoping.agent.ambient",
    "UnsafeAmbientWarning": "session_scoping.agent.errors",
    "read_task_file": "session_scoping.agent.task_file",
    "session_name_for": "session_scoping.agent.names",
    "unsafe_ambient_session": "session_scoping.agent.ambient",
    "write_task_file": "session_scoping.agent.task_file",
}

__all__ = [
    "CredentialProvider",
    "CredentialSet",
    "Identity",
    "NotScopedError",
    "SessionTags",
    "TaskCredentialsError",
    "TaskSession",
    "UnsafeAmbientSession",
    "UnsafeAmbientWarning",
    "read_task_file",
    "session_name_for",
    "unsafe_ambient_session",
    "write_task_file",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in {"boto3", "botocore"}:
            raise
        raise MissingExtraError(
            f"session_scoping.agent.{name} needs boto3: got an environment without {error.name}, "
            "expected the agent extra; no session can be made; fix: pip install 'session-scoping[agent]'"
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
