"""What is said of a session role: its makers, its tags, what it reaches. Printing it loads no solver."""

from dataclasses import dataclass

EVERY_PARTITION, EVERY_OBJECT = "every partition", "every object"
BESIDES = "besides, on"
"""The place of what is allowed beyond items, objects, models and keys: its scope is the resource as it is written."""
UNLIMITED = frozenset({EVERY_PARTITION, EVERY_OBJECT})
"""Scopes of a session that reaches all there is."""


@dataclass(frozen=True)
class Reach:
    """One kind of access of one role: the actions, and on what."""

    actions: tuple[str, ...]
    store: str
    scope: str


@dataclass(frozen=True)
class Maker:
    """One who may make sessions: a caption for it, and whether agent code chooses the tags that way."""

    name: str
    caption: str
    is_open: bool = False


@dataclass(frozen=True)
class Fact:
    """One thing sessions are held to: its kind (`identity`, `tool of`, `bound to`, `revoked`), and the rest of it."""

    kind: str
    text: str


@dataclass(frozen=True)
class RoleStory:
    """
    What is said of a session role.

    Attributes:
        name: The role.
        minters: Who may make its sessions.
        minting: How they are made, in a line.
        tags: The tags a session must carry.
        reaches: What a session may do.
        facts: What else its sessions are held to.
        verdict: `PROVED`, or the properties that are not.
    """

    name: str
    minters: tuple[Maker, ...]
    minting: str
    tags: tuple[str, ...]
    reaches: tuple[Reach, ...]
    facts: tuple[Fact, ...]
    verdict: str

    def grouped(self) -> dict[tuple[str, tuple[str, ...]], list[str]]:
        """Return where the same actions are allowed in one store: store and actions -> scopes, without code marks."""
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for reach in self.reaches:
            found.setdefault((reach.store, reach.actions), []).append(reach.scope.replace("`", ""))
        return found
