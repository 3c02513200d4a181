"""How each resource type of CloudFormation is read: the reviewed classification, and the careful answer besides it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data" / "resource_types.toml"
_GROUPS = ("read", "harmless", "calls", "copies", "doubt")


@dataclass(frozen=True)
class Reading:
    """
    How a resource type is read.

    Attributes:
        group: `read` (by a reader of its own), `harmless`, `calls` (AWS APIs, which it names), `copies` (what tables
            and buckets hold), or `doubt`: what its properties name is UNKNOWN.
        to: Properties that say where data is copied.
        names: Whether what it names is UNKNOWN besides the calls.
    """

    group: str
    to: tuple[str, ...] = ()
    names: bool = False
    listed: bool = True


@cache
def reviewed() -> dict[str, Any]:
    """Return the classification as it stands in the file."""
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


@cache
def _by_type() -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    for group in _GROUPS:
        for entry in reviewed()[group]:
            reading = Reading(group, tuple(entry.get("to", ())), bool(entry.get("names")))
            found |= dict.fromkeys(entry["types"].split(), reading)
    return found


def reading_of(kind: str) -> Reading:
    """Return how a resource type is read; one that nobody has listed, with doubt."""
    service = kind.rpartition("::")[0]
    return _by_type().get(kind) or _by_type().get(f"{service}::*") or Reading("doubt", listed=False)


@cache
def _named(group: str) -> frozenset[str]:
    return frozenset(kind for entry in reviewed()[group] for kind in entry["types"].split())


def is_policy(kind: str) -> bool:
    """Whether a resource of this type is itself a statement of a policy."""
    return kind in _named("policies")


def policies_give_data(kind: str) -> bool:
    """Whether a policy in a resource of this type may give rows or objects of a tenant, or change a role."""
    statements = {kind for entry in reviewed()["policies"] if not entry["data"] for kind in entry["types"].split()}
    return kind not in _named("no-data") | statements


def only_takes_away(kind: str) -> bool:
    """Whether the policies in resources of this type grant nothing."""
    return kind in _named("takes-away")
