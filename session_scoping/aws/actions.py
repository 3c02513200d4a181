"""
The actions of AWS's services: access level, resource types, and which a policy's pattern covers.

Source: AWS Service Authorization Reference, by way of the data that `data_source` names.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from session_scoping.aws.table import read, service, tabled_services


class Level(StrEnum):
    """AWS's own word for what an action does. It decides nothing alone: AWS calls `s3:GetDataAccess` reading."""

    LIST = "List"
    READ = "Read"
    WRITE = "Write"
    TAGGING = "Tagging"
    PERMISSIONS = "Permissions management"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource, as an action's statement names it."""

    kind: str
    """`dynamodb:table`; `iam:role` for STS's actions too: the service is the one in the ARN."""
    arn: str
    """`arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}`."""
    required: bool
    """Whether AWS marks it as required. Where AWS marks several (`stream` and `table`), one may be enough."""


@dataclass(frozen=True, slots=True)
class Action:
    """An action in the table. Without resource types a statement names it on `*` only."""

    name: str
    level: Level
    resources: tuple[ResourceType, ...]

    @property
    def service(self) -> str:
        """The prefix: `dynamodb`."""
        return self.name.split(":")[0]


def resource_types(prefix: str) -> tuple[ResourceType, ...]:
    """Return every resource type of a tabled service."""
    return tuple(ResourceType(kind, arn, False) for kind, arn, _ in read(prefix)["resources"].values())


@cache
def actions_of(prefix: str) -> tuple[Action, ...]:
    """Return the actions of a tabled service, by name."""
    content = read(prefix)

    def types(names: Iterable[str], required: bool) -> tuple[ResourceType, ...]:
        found = (content["resources"][name] for name in names)
        return tuple(ResourceType(kind, arn, required) for kind, arn, _ in found)

    return tuple(
        Action(f"{prefix}:{name}", Level(level), types(required, True) + types(optional, False))
        for name, (level, required, optional, _, _) in content["actions"].items()
    )


@cache
def _by_lower_name(prefix: str) -> dict[str, Action]:
    return {item.name.lower(): item for item in actions_of(prefix)}


def action(name: str) -> Action | None:
    """Return an action by name, whatever its case; None when the table lacks it."""
    prefix = name.split(":")[0].lower()
    return _by_lower_name(prefix).get(name.lower()) if service(prefix).tabled else None


@lru_cache(maxsize=65536)
def matching(pattern: str, services: tuple[str, ...] | None = None) -> tuple[Action, ...]:
    """
    Return the tabled actions that a policy's pattern covers.

    Args:
        pattern: `dynamodb:Get*`, `*`, `s3:PutObject`; `*` and `?` are wildcards, case does not matter.
        services: Look at these only; what is not asked for is not read from disk.
    """
    head = re.split(r"[*?:]", pattern.lower(), maxsplit=1)[0]
    named = ":" in pattern and len(head) == pattern.index(":")
    looked_at = tabled_services() if services is None else services
    fits = _regex(pattern).fullmatch
    return tuple(
        item
        for prefix in looked_at
        if (prefix == head if named else prefix.startswith(head))
        for item in actions_of(prefix)
        if fits(item.name)
    )


def patterns_of(names: Iterable[str]) -> tuple[str, ...]:
    """
    Return the shortest patterns that cover these actions of one service, and no other action in the table.

    For a Deny: an action that AWS adds under such a beginning is denied as well.

    Args:
        names: Tabled actions, such as `sts:AssumeRole`.
    """
    wanted = dict.fromkeys(names)
    found: dict[str, None] = {}
    for name in wanted:
        others = [item.name for item in actions_of(name.split(":")[0]) if item.name not in wanted]
        lengths = range(name.index(":") + 2, len(name))
        beginnings = (name[:length] for length in lengths)
        chosen = next((text for text in beginnings if not any(other.startswith(text) for other in others)), None)
        found[f"{chosen}*" if chosen else name] = None
    return tuple(found)


def covers_unlisted(pattern: str) -> bool:
    """
    Whether a pattern covers actions of a service whatever they are called: `*`, `s3:*`.

    Actions that AWS adds after `data_date` are covered by these alone. A pattern with a beginning (`s3:Get*`)
    means the actions in the table; a report says the table's date.
    """
    return pattern.split(":", 1)[-1].strip("*") == ""


def _regex(pattern: str) -> re.Pattern[str]:
    symbols = {"*": ".*", "?": "."}
    return re.compile("".join(symbols.get(part, re.escape(part)) for part in pattern), re.IGNORECASE)
