"""Templates with loops: what each makes, where the values it goes over are known."""

from collections.abc import Iterator
from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.evaluating import items_of
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.text import Unmodelled, plain

EXTENSIONS = "AWS::LanguageExtensions"
"""The name of the transform that knows loops."""
_LOOP = "Fn::ForEach"
_COPIES_MAX = 2000
"""Copies that loops of one template make together: CloudFormation deploys 500 resources."""


def unrolled(scope: Scope) -> dict[str, Any]:
    """
    Return a scope's template with what its loops make in their place; one that cannot be followed stays.

    Source:
        CloudFormation guide, intrinsic-function-reference-foreach: the identifier is replaced as `${Identifier}`, as
        `&{Identifier}` without what is no letter or digit, and as `Ref`.
    """
    named = scope.template.get("Transform")
    if EXTENSIONS not in (named if isinstance(named, list) else [named]):
        return scope.template
    found: dict[str, Any] = _Unrolling(scope).of(scope.template)
    return found


def loops_left(value: Any) -> Iterator[str]:
    """Yield the names of the loops in a part of a template."""
    if isinstance(value, list):
        for one in value:
            yield from loops_left(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if str(key).startswith(_LOOP):
                yield str(key)
            yield from loops_left(one)


class _Unrolling:
    """One pass over a template; loops in loops included."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._copies = 0

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(one) for one in value]
        if not isinstance(value, dict):
            return value
        made: dict[str, Any] = {}
        for key, one in value.items():
            if not str(key).startswith(_LOOP):
                made[key] = self.of(one)
                continue
            copies = self._made_by(one)
            # CloudFormation refuses two of one name.
            made |= {key: one} if copies is None or set(copies) & (set(value) | set(made)) else copies
        return made

    def _made_by(self, loop: Any) -> dict[str, Any] | None:
        """Return what a loop makes; None where that is only known at deploy time, or it is no loop."""
        if not (isinstance(loop, list) and len(loop) == 3 and isinstance(loop[0], str) and isinstance(loop[2], dict)):
            return None
        items = items_of(loop[1], self._scope)
        if isinstance(items, Unmodelled) or loop[0].startswith(("Fn:", "AWS:")):
            return None
        made: dict[str, Any] = {}
        for item in items:
            text = item if isinstance(item, tuple) else text_of(item, self._scope)
            value = None if isinstance(text, Unmodelled) else plain(text)
            self._copies += 1
            if value is None or self._copies > _COPIES_MAX:
                return None
            copy = self.of(_filled(loop[2], loop[0], value))
            if set(copy) & set(made):
                return None
            made |= copy
        return made


def _filled(part: Any, name: str, value: str) -> Any:
    """Return a copy of a loop's body with the value in place of its identifier."""
    if isinstance(part, str):
        signs = "".join(sign for sign in value if sign.isascii() and sign.isalnum())
        return part.replace(f"${{{name}}}", value).replace(f"&{{{name}}}", signs)
    if isinstance(part, list):
        return [_filled(one, name, value) for one in part]
    if not isinstance(part, dict):
        return part
    if part == {"Ref": name}:
        return value
    return {_filled(key, name, value): _filled(one, name, value) for key, one in part.items()}
