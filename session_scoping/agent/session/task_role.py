"""`TaskRole`: everything a TaskSession needs to know about where its credentials come from."""

from collections.abc import Callable
from typing import NamedTuple

from session_scoping.agent.names import RoleArn
from session_scoping.contract.tags import SessionTags


class TaskRole(NamedTuple):
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
    """

    tags: SessionTags
    role: RoleArn | None
    session_name: str
    fetch: Callable[[], object]
    source: str
    longest: float
    learned: Callable[[], RoleArn | None] | None = None
    after_success: Callable[[], object] | None = None
