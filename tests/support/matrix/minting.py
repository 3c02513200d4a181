"""Requests for a session: the right ones, and everything that is nearly right."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import cases
from tests.support.matrix import PATH_TAGS, TAGS, Case
from tests.support.world import World


def tagged(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the context of a request that passes these tags."""
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**context, "aws:TagKeys": list(tags)} if tags else context


@dataclass(frozen=True)
class MintRequest:
    """
    A request for a session, by any principal.

    Attributes:
        allowed: Whether the trust policy admits it.
        more: Context in addition to the tags. A value of None takes a key away.
    """

    name: str
    tags: Mapping[str, str]
    allowed: bool = False
    more: Mapping[str, Any] | None = None

    @property
    def context(self) -> dict[str, Any]:
        """What IAM receives."""
        full = {**tagged(self.tags), **(self.more or {})}
        return {key: value for key, value in full.items() if value is not None}


def mint_requests() -> Iterator[MintRequest]:
    """Yield the right requests and the near misses, for every way of minting alike."""
    yield MintRequest("the declared tags", TAGS, allowed=True)
    yield MintRequest("its tag keys hidden", TAGS, more={"aws:TagKeys": None})
    yield MintRequest("no tags", {})
    yield MintRequest("an extra tag", {**TAGS, "admin": "yes"})
    yield MintRequest("a transitive tag", TAGS, more={"sts:TransitiveTagKeys": ["task_id"]})
    for key in TAGS:
        others = {name: value for name, value in TAGS.items() if name != key}
        yield MintRequest(f"no {key}", others)
        yield MintRequest(f"an empty {key}", {**TAGS, key: ""})
        yield MintRequest(f"{key} in capitals", {**others, key.upper(): TAGS[key]})
    for row in cases("path_values"):
        for key in PATH_TAGS:
            yield MintRequest(f"{key} {row['value']!r}", {**TAGS, key: row["value"]}, allowed=not row["leads_out"])


def mint_cases(world: World, role: str, *, allowed: bool) -> Iterator[Case]:
    """Yield each request as this role makes it, which may mint or may not."""
    arn = world.role("SessionRole").arn
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for one in mint_requests():
            right = allowed and one.allowed
            yield Case(f"{action} with {one.name}", role, action, arn, right, one.context, {}, target="SessionRole")
