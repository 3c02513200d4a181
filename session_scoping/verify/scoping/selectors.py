"""The one rule by which a user's word names a resource of the templates."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.patterns.text import without_hash

_T = TypeVar("_T")

_ID, _END, _WITHIN = range(3)
"""How near a word is to a resource's name; a lower number is nearer."""


def _nearness(word: str, identifier: str, label: str) -> int | None:
    names = (identifier, without_hash(identifier), label, without_hash(label))
    if word in names or any(name.endswith(f".{word}") for name in names):
        return _ID
    if any(name.endswith((f"/{word}", f":{word}")) for name in names):
        return _END
    return _WITHIN if word in label.split("/") else None


def named(words: Iterable[str], identifier: str, label: str) -> bool:
    """
    Whether one of the user's words names a resource, by its stack and logical id or its construct path.

    A word is a logical id, with or without the hash that CDK puts behind it, a construct path, the end of one, or a
    construct on the way to the resource.
    """
    return any(_nearness(word, identifier, label) is not None for word in words)


def the_one(word: str, items: Mapping[str, tuple[str, _T]], kinds: str) -> _T:
    """
    Return the one resource that a word names; an exact id comes before the end of a path, that before the middle.

    Items have their stack and logical id as key, and their construct path before what is returned.

    Raises:
        InvalidInputError: It names none, or more than one equally well.
    """
    near = {key: found for key, (label, _) in items.items() if (found := _nearness(word, key, label)) is not None}
    nearest = [key for key, found in near.items() if found == min(near.values())]
    if len(nearest) == 1:
        return items[nearest[0]][1]
    raise InvalidInputError(
        f"`{word}` names no single resource",
        got=f"{len(nearest)} that match: {', '.join(sorted(nearest))}" if nearest else "none that matches",
        expected=f"the logical id or the construct path of one {kinds}",
        why="another resource would be taken",
        fix="give the whole logical id, or the path",
    )
