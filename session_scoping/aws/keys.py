"""
Condition keys: which a request of an action carries, with how many values, and who sets them.

Sources: AWS Service Authorization Reference for services' keys; IAM User Guide, reference_policies_condition-keys, for
global ones.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from session_scoping.aws.actions import Action, action
from session_scoping.aws.table import read, service


class Setter(StrEnum):
    """Who says what value a key has."""

    IDENTITY = "identity"
    """AWS, from the principal itself."""
    SESSION = "session"
    """The principal that made the session; AWS attests it."""
    RESOURCE = "resource"
    """AWS, from the resource."""
    NETWORK = "network"
    """AWS, from where and when the request or its token was made."""
    SERVICE = "service"
    """An AWS service that acts on somebody's behalf, or AWS about such a call."""
    CALLER = "caller"
    """The caller, freely."""


class Presence(StrEnum):
    """Whether a request carries a key."""

    ALWAYS = "always"
    """In every request that a principal of an account signs."""
    OPTIONAL = "optional"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """A condition key. Names ignore case."""

    name: str
    """As AWS writes it; a placeholder names a family: `aws:RequestTag/${TagKey}`, `s3:ExistingObjectTag/<key>`."""
    type: str
    """String, ARN, Bool, Date, Numeric or IPAddress, of each value."""
    many: bool
    """Whether a request may carry several values: set operators are for these."""
    set_by: Setter
    presence: Presence

    def matches(self, key: str) -> bool:
        """Whether a policy's key is this one, or of its family."""
        return _family(self.name).fullmatch(key) is not None


@cache
def _family(name: str) -> re.Pattern[str]:
    parts = re.split(r"\$\{[^}]*\}|<[^>]*>", name)
    return re.compile(".+".join(map(re.escape, parts)), re.IGNORECASE | re.DOTALL)


@cache
def global_keys() -> tuple[ConditionKey, ...]:
    """Return the keys of no one service. Tag keys are optional here; `condition_keys` knows them by action."""
    return tuple(
        _key(name, kind, Setter(set_by), Presence.ALWAYS if presence == "always" else Presence.OPTIONAL)
        for name, (kind, set_by, presence) in read("keys")["globals"].items()
    )


@cache
def condition_keys(name: str) -> tuple[ConditionKey, ...]:
    """
    Return every key that a request of an action may carry: its own, its resource types', and the global ones.

    A key that AWS defines for the service and lists at no action (`dynamodb:FirstPartitionKeyValues`) may be in any of
    its requests. Where the table does not say what an action carries, these are the global keys.
    """
    found = action(name)
    if found is None or not _known(found):
        return global_keys()
    everywhere = {name for name, (_, _, presence) in read("keys")["globals"].items() if presence != "listed"}
    types = read(found.service)["keys"]
    own = tuple(_service_key(key, types[key]) for key in sorted(_listed(found) - everywhere))
    return own + tuple(key for key in global_keys() if key.name in everywhere)


@cache
def _types(key: str) -> tuple[str, ...]:
    """Return the types of the keys that AWS defines and that a policy's key is, or is of the family of."""
    found = tuple(kind for name, (kind, _, _) in read("keys")["globals"].items() if _family(name).fullmatch(key))
    prefix = key.split(":")[0].lower()
    own = read(prefix)["keys"] if service(prefix).tabled else {}
    return found or tuple(kind for name, kind in own.items() if _family(name).fullmatch(key))


def is_defined(key: str) -> bool:
    """Whether AWS defines a key, global or of a service in the table: a misspelled one may mean anything."""
    return bool(_types(key))


def is_list(key: str) -> bool:
    """Whether a key may have several values in some request, whatever the action: set operators are for these."""
    return any(kind.startswith("ArrayOf") for kind in _types(key))


@lru_cache(maxsize=65536)
def carried(name: str, key: str) -> ConditionKey:
    """
    Return a key as the requests of an action carry it; every pair has an answer.

    A key that the action cannot carry has the presence NEVER. Where the table does not say what it carries, a key that
    is no global one is optional, may have several values and is set by the caller.
    """
    for known in condition_keys(name):
        if known.matches(key):
            return known
    found = action(name)
    presence = Presence.NEVER if found is not None and _known(found) else Presence.OPTIONAL
    return ConditionKey(key, "String", True, Setter.CALLER, presence)


def _known(found: Action) -> bool:
    return _row(found)[3] is not None


def _row(found: Action) -> list[Any]:
    row: list[Any] = read(found.service)["actions"][found.name.split(":", 1)[1]]
    return row


def _listed(found: Action) -> set[str]:
    content = read(found.service)
    _, required, optional, place, _ = _row(found)
    listed = set(content["key_sets"][place])
    for name in (*required, *optional):
        listed.update(content["resources"][name][2])
    return listed | _unlisted(found.service)


@cache
def _unlisted(prefix: str) -> frozenset[str]:
    content = read(prefix)
    listed = {key for keys in content["key_sets"] for key in keys}
    listed.update(key for _, _, keys in content["resources"].values() for key in keys)
    return frozenset(content["keys"]) - listed


def _service_key(name: str, kind: str) -> ConditionKey:
    keys = read("keys")
    if name in keys["globals"]:
        kind, set_by, _ = keys["globals"][name]
        return _key(name, kind, Setter(set_by), Presence.OPTIONAL)
    return _key(name, kind, Setter(keys["set_by"].get(name, "caller")), Presence.OPTIONAL)


def _key(name: str, kind: str, set_by: Setter, presence: Presence) -> ConditionKey:
    return ConditionKey(name, kind.removeprefix("ArrayOf"), kind.startswith("ArrayOf"), set_by, presence)
