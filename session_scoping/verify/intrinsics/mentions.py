"""What a part of a template speaks of: the resources it refers to, and its text as it is deployed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.scope import Scope, intrinsic, parts_of
from session_scoping.verify.patterns.naming import is_generated
from session_scoping.verify.patterns.text import Text, Unmodelled, plain
from session_scoping.verify.policies.model import Role, Store

ANYTHING = "\ufffc"
"""Stands in the text behind a value that may be anything."""
_NAME = r"[\w+=,.@-]"


@dataclass(frozen=True)
class Mentions:
    """
    What a part of a template speaks of.

    Attributes:
        ids: Stack and logical id of each resource that it refers to.
        text: What it is when it is deployed, as JSON; a deploy-time value as `{name}`.
    """

    ids: frozenset[str]
    text: str

    @property
    def is_open(self) -> bool:
        """Whether a value in it may be anything."""
        return ANYTHING in self.text

    @property
    def may_name_anything(self) -> bool:
        """Whether a whole text in it may be anything, a name or an ARN too."""
        return re.search(rf'"\{{[^"{{}}]*\}}{ANYTHING}"', self.text) is not None

    def of(self, one: Role | Store) -> bool:
        """Whether it speaks of a role, of a policy attached to one, or of a store."""
        if one.id in self.ids or self._names(one.name, one.id):
            return True
        attached = {statement.where.partition("[")[0] for statement in one.identity} if isinstance(one, Role) else ()
        return any(policy in self.ids or f"{{{policy}}}" in self.text for policy in attached)

    def of_resource(self, identifier: str) -> bool:
        """Whether it refers to a resource, of this stack or another, by stack and logical id."""
        return identifier in self.ids or f"{{{identifier}." in self.text or f"{{{identifier}}}" in self.text

    def of_name(self, name: str) -> bool:
        """Whether a name stands in its text, not as a part of a longer one."""
        return re.search(f"(?<!{_NAME}){re.escape(name)}(?!{_NAME})", self.text) is not None

    def _may_spell(self, name: str) -> bool:
        """Whether a text of which a part is only known at deploy time may be a name, or end in it."""
        for text in re.findall(rf'"([^"]*{ANYTHING}[^"]*)"', self.text):
            last = re.split("[:/]", text)[-1]
            pieces = re.split(r"\{[^{}]*\}" + f"{ANYTHING}?", last)
            if any(pieces) and re.fullmatch(".*".join(map(re.escape, pieces)), name):
                return True
        return False

    def _names(self, name: Text, identifier: str) -> bool:
        literal = plain(name)
        if literal is not None:
            return self.of_name(literal) or self._may_spell(literal)
        if marked(name) in self.text:
            return True
        # CloudFormation makes names of the logical id and random characters; people copy them from the console.
        made = re.escape(identifier.rpartition(".")[2][:20].lower())
        is_like = re.search(rf"-{made}[a-z0-9]*-[a-z0-9]{{8,}}", self.text.lower())
        return is_generated(name, identifier) and is_like is not None


def mentions(value: Any, scope: Scope) -> Mentions:
    """Return what a part of a template speaks of."""
    return Mentions(frozenset(references(value, scope)), _deployed(value, scope))


def marked(text: Text) -> str:
    """Return a text with its deploy-time values as `{name}`, and a mark behind one that may be anything."""
    return "".join(
        part if isinstance(part, str) else f"{{{part.name}}}" + (ANYTHING if part.kind == "free" else "")
        for part in text
    )


def references(value: Any, scope: Scope) -> Iterator[str]:
    """Yield stack and logical id of each resource of this stack that a part of a template refers to."""
    for call in filter(None, map(intrinsic, parts_of(value))):
        yield from (f"{scope.name}.{name}" for name in _named_by(*call) if name in scope.resources)


def _named_by(name: str, argument: Any) -> list[str]:
    first = argument[0] if isinstance(argument, list) and argument else argument
    if name == "Ref" and isinstance(argument, str):
        return [argument]
    if name == "Fn::GetAtt":
        return [str(first).partition(".")[0]]
    return re.findall(r"\$\{(\w+)[.}]", first) if name == "Fn::Sub" and isinstance(first, str) else []


def _deployed(value: Any, scope: Scope) -> str:
    if intrinsic(value) or isinstance(value, str):
        text = text_of(value, scope)
        if not isinstance(text, Unmodelled):
            return json.dumps(marked(text), ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_deployed(item, scope)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_deployed(item, scope) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
