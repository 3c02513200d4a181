"""
The agent half (extra `[agent]`): boto3 only, never the CDK.

The public door. Names load on first use, so that `session_scoping.agent.audit` also runs without boto3.
"""

from typing import TYPE_CHECKING, Any

from session_scoping.contract.doors import door
from session_scoping.contract.errors import MissingExtraError

if TYPE_CHECKING:
    from session_scoping.agent.children.endpoint import child_environment as child_environment
    from session_scoping.agent.children.task_file import read_task_file as read_task_file
    from session_scoping.agent.children.task_file import write_task_file as write_task_file
    from session_scoping.agent.errors import NotScopedError as NotScopedError
    from session_scoping.agent.errors import TaskCredentialsError as TaskCredentialsError
    from session_scoping.agent.errors import UnsafeAmbientWarning as UnsafeAmbientWarning
    from session_scoping.agent.names import session_name_for as session_name_for
    from session_scoping.agent.session.ambient import UnsafeAmbientSession as UnsafeAmbientSession
    from session_scoping.agent.session.ambient import unsafe_ambient_session as unsafe_ambient_session
    from session_scoping.agent.session.credential_set import CredentialSet as CredentialSet
    from session_scoping.agent.session.identity import Identity as Identity
    from session_scoping.agent.session.refresh_attempt import RefreshEvent as RefreshEvent
    from session_scoping.agent.session.task_role import CredentialProvider as CredentialProvider
    from session_scoping.agent.session.task_session import TaskSession as TaskSession
    from session_scoping.agent.session.task_sessions import TaskSessions as TaskSessions
    from session_scoping.agent.vault.errors import TokenUnavailableError as TokenUnavailableError
    from session_scoping.agent.vault.results import ConsentNeeded as ConsentNeeded
    from session_scoping.agent.vault.results import Delegation as Delegation
    from session_scoping.agent.vault.results import Token as Token
    from session_scoping.agent.vault.tokens import Integration as Integration
    from session_scoping.agent.vault.tokens import SecretFallback as SecretFallback
    from session_scoping.agent.vault.tokens import complete_consent as complete_consent
    from session_scoping.agent.vault.tokens import resolve_token as resolve_token
    from session_scoping.agent.vault.workload_token import workload_token_from as workload_token_from
    from session_scoping.contract.tags import SessionTags as SessionTags

_load, __dir__, __all__ = door(
    __name__,
    {
        "session_scoping.agent.children.endpoint": ("child_environment",),
        "session_scoping.agent.children.task_file": (
            "read_task_file",
            "write_task_file",
        ),
        "session_scoping.agent.errors": (
            "NotScopedError",
            "TaskCredentialsError",
            "UnsafeAmbientWarning",
        ),
        "session_scoping.agent.names": ("session_name_for",),
        "session_scoping.agent.session.ambient": (
            "UnsafeAmbientSession",
            "unsafe_ambient_session",
        ),
        "session_scoping.agent.session.credential_set": ("CredentialSet",),
        "session_scoping.agent.session.identity": ("Identity",),
        "session_scoping.agent.session.refresh_attempt": ("RefreshEvent",),
        "session_scoping.agent.session.task_role": ("CredentialProvider",),
        "session_scoping.agent.session.task_session": ("TaskSession",),
        "session_scoping.agent.session.task_sessions": ("TaskSessions",),
        "session_scoping.agent.vault.errors": ("TokenUnavailableError",),
        "session_scoping.agent.vault.results": (
            "ConsentNeeded",
            "Delegation",
            "Token",
        ),
        "session_scoping.agent.vault.tokens": (
            "Integration",
            "SecretFallback",
            "complete_consent",
            "resolve_token",
        ),
        "session_scoping.agent.vault.workload_token": ("workload_token_from",),
        "session_scoping.contract.tags": ("SessionTags",),
    },
)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if error.name not in {"boto3", "botocore"}:
            raise
        raise MissingExtraError(
            f"session_scoping.agent.{name} needs boto3: got an environment without {error.name}, "
            "expected the agent extra; no session can be made; fix: pip install 'session-scoping[agent]'"
        ) from None
