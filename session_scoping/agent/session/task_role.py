"""`TaskRole`: everything a TaskSession needs to know about where its credentials come from, and the two usual ways."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.agent.environment import check_declared, require_role
from session_scoping.agent.names import RoleArn, check_session_name, find_role_arn, session_name_for
from session_scoping.agent.session.credential_set import PROVIDER_LONGEST_SECONDS, CredentialSet, check_provider
from session_scoping.agent.sources.assume_role import DURATION_SECONDS, AssumeRole
from session_scoping.contract.names import check_source_identity
from session_scoping.contract.tags import SessionTags

CredentialProvider = Callable[[], CredentialSet | Mapping[str, Any]]
"""Called for each new set; returns it, or raises. It must bring its own timeout."""


@dataclass(frozen=True)
class TaskRole:
    """
    One task's way to credentials.

    Attributes:
        tags: The task's tags.
        role: The session role, or nothing where only a provider or a broker knows it.
        session_name: The role session name.
        fetch: Returns a new set of credentials, or raises.
        source: Who `fetch` asks, for messages.
        longest: The most seconds a set can last.
        learned: Returns the role the answers named, where no setting does. Default: nobody can tell.
        after_success: Called after each set that was obtained, while nobody waits. Default: nothing is done.
        layers: How many policies of GetScopedCredentials are on it.
        denied: Set when STS has denied GetScopedCredentials to the role's sessions.
    """

    tags: SessionTags
    role: RoleArn | None
    session_name: str
    fetch: Callable[[], object]
    source: str
    longest: float
    learned: Callable[[], RoleArn | None] | None = None
    after_success: Callable[[], object] | None = None
    layers: int = 0
    denied: Event = field(default_factory=Event)

    def known_role(self) -> RoleArn | None:
        """Return the session role, or the one that the answers have named so far."""
        return self.role or (self.learned() if self.learned else None)

    def narrowed(
        self,
        fetch: Callable[[], object],
        *,
        longest: float,
        layers: int,
        after_success: Callable[[], object] | None = None,
    ) -> "TaskRole":
        """Return a way to fewer rights of the same session, given by STS."""
        return replace(self, fetch=fetch, source="STS", longest=longest, layers=layers, after_success=after_success)


def minted_role(
    tags: SessionTags,
    *,
    role_arn: str | None,
    credentials: CredentialProvider | None,
    role_session_name: str | None,
    session_policy: str | None,
    source_identity: str | None,
    region_name: str | None,
) -> TaskRole:
    """Return the way to credentials of a task that names itself; `TaskSession` says what the arguments mean."""
    check_declared(tags)
    role = find_role_arn(role_arn)
    name = session_name_for(tags) if role_session_name is None else check_session_name(role_session_name)
    if credentials is not None:
        check_provider(credentials, session_policy=session_policy, source_identity=source_identity)
        return TaskRole(tags, role, name, credentials, "the credential provider", PROVIDER_LONGEST_SECONDS)
    role = require_role(role_arn)
    assume = AssumeRole(
        role=role,
        tags=tags,
        session_name=name,
        region_name=region_name,
        policy=None if session_policy is None else parse_session_policy(session_policy),
        source_identity=None if source_identity is None else check_source_identity(source_identity),
    )
    return TaskRole(tags, role, name, assume, "STS", DURATION_SECONDS, after_success=assume.learn_signer)
