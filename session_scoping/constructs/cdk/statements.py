"""Policy statements as plain data, in the shape IAM reads, and the conditions that several of them share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Statement = dict[str, Any]
Conditions = dict[str, dict[str, Any]]


def allow(sid: str, actions: Sequence[str], resources: Sequence[str], *conditions: Conditions) -> Statement:
    """Return an Allow statement that demands all the conditions."""
    return _statement(sid, "Allow", {"Action": list(actions), "Resource": list(resources)}, conditions)


def deny(sid: str, scope: Mapping[str, Sequence[str]], *conditions: Conditions) -> Statement:
    """Return a Deny statement; `scope` is its Action or NotAction and its Resource or NotResource."""
    return _statement(sid, "Deny", {key: list(values) for key, values in scope.items()}, conditions)


def _statement(sid: str, effect: str, scope: Mapping[str, Any], conditions: Iterable[Conditions]) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": effect, **scope}
    if merged := merge(*conditions):
        statement["Condition"] = merged
    return statement


def merge(*blocks: Conditions) -> Conditions:
    """Return one condition block that demands all of the blocks; an operator holds a key once."""
    merged: Conditions = {}
    for block in blocks:
        for operator, keys in block.items():
            target = merged.setdefault(operator, {})
            # INVARIANT: a silently replaced condition would widen an Allow.
            if clash := target.keys() & keys.keys():
                raise AssertionError(f"condition keys given twice: {clash}")
            target.update(keys)
    return merged


def tags_present(tag_keys: Iterable[str]) -> Conditions:
    """Every tag is there and not empty: an empty tag value is legal to STS."""
    return {"StringLike": {f"aws:PrincipalTag/{key}": "?*" for key in tag_keys}}


def alnum(text: str) -> str:
    """Return the text with everything taken out that a Sid may not hold."""
    return "".join(character for character in text if character.isascii() and character.isalnum())
