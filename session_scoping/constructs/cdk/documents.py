"""Policy documents: sections of statements, packed in order under the quota of a managed policy."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, SPLIT, too_large_message
from session_scoping.constructs.cdk.stack_context import is_token
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.contract.errors import QuotaExceededError

Size = Callable[[Sequence[Statement]], int]
"""Measures what statements add to a document: each its own characters and a comma."""


@dataclass(frozen=True)
class Section:
    """
    A part of a policy that can be cut in pieces when it does not fit one document.

    Args:
        items: What the part is about, for example table ARNs. The cut falls between items.
        render: Statements for any run of the items. A cut part must mean the same as the whole one.
        otherwise: Statements for a section that must not be cut and is larger than a document. Default: that is an
            error.
    """

    items: Sequence[Any]
    render: Callable[[Sequence[Any]], list[Statement]]
    otherwise: Sequence[Statement] | None = None

    @classmethod
    def whole(cls, *statements: Statement, otherwise: Sequence[Statement] | None = None) -> "Section":
        """Return a section that is never cut."""
        return cls([None], lambda _: list(statements), otherwise)

    @classmethod
    def by_resource(cls, statement: Statement) -> "Section":
        """Return a section that may be cut between the statement's resources."""
        return cls(statement["Resource"], lambda resources: [{**statement, "Resource": list(resources)}])


def tokens_in(sections: Iterable[Section]) -> Iterable[str]:
    """Return every string of the sections that is known only at deployment."""
    tokens: dict[str, None] = {}
    for section in sections:
        _collect_tokens([*section.render(section.items), *(section.otherwise or ())], tokens)
    return tokens


def document_of(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return the statements as a document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _collect_tokens(value: Any, tokens: dict[str, None]) -> None:
    if isinstance(value, str):
        if is_token(value):
            tokens[value] = None
    elif isinstance(value, dict):
        for part in value.values():
            _collect_tokens(part, tokens)
    elif isinstance(value, list):
        for part in value:
            _collect_tokens(part, tokens)


def substitute(value: Any, resolved: Mapping[str, Any]) -> Any:
    """Return the value with every string that was resolved in its resolved form."""
    if isinstance(value, str):
        return resolved.get(value, value)
    if isinstance(value, dict):
        return {key: substitute(part, resolved) for key, part in value.items()}
    if isinstance(value, list):
        return [substitute(part, resolved) for part in value]
    return value


# What is around the statements, less the comma that the last of them goes without.
_AROUND = len(json.dumps(document_of([]), separators=(",", ":"))) - 1


def pack(sections: Iterable[Section], size: Size, what: str) -> list[list[Statement]]:
    """Fill documents in order, each up to the quota; a section is cut only where it has to be."""
    documents: list[list[Statement]] = [[]]
    room = MANAGED_POLICY_MAX - _AROUND
    for given in sections:
        section = _that_fits(given, size)
        rest = list(section.items)
        while rest:
            count = _fitting(section, rest, room, size)
            part = section.render(rest[: count or 1])
            if count:
                documents[-1].extend(part)
                room -= size(part)
                rest = rest[count:]
            elif not documents[-1]:
                alone = _AROUND + size(part)
                raise QuotaExceededError(too_large_message(what, alone, MANAGED_POLICY_MAX, SPLIT))
            if rest:
                documents.append([])
                room = MANAGED_POLICY_MAX - _AROUND
    return [_with_unique_sids(document) for document in documents if document]


def _that_fits(section: Section, size: Size) -> Section:
    """Return the section, or what takes its place where it is larger than a document."""
    if section.otherwise is None or size(section.render(section.items)) <= MANAGED_POLICY_MAX - _AROUND:
        return section
    return Section([None] if section.otherwise else [], lambda _: list(section.otherwise or ()))


def _fitting(section: Section, items: Sequence[Any], room: int, size: Size) -> int:
    """Return how many items fit; items never make a document smaller, so halving finds the largest number."""
    return bisect_right(range(1, len(items) + 1), room, key=lambda count: size(section.render(items[:count])))


def _with_unique_sids(document: list[Statement]) -> list[Statement]:
    """Number repeated Sids: two tag keys may differ only in characters a Sid cannot hold."""
    seen: set[str] = set()
    for statement in document:
        sid, number = statement["Sid"], 1
        while statement["Sid"] in seen:
            number += 1
            statement["Sid"] = f"{sid}x{number}"
        seen.add(statement["Sid"])
    return document


def flatten(value: Any) -> str:
    """Write a resolved ARN the way cdk-nag writes it into a finding's id."""
    if isinstance(value, str):
        return value.replace("${", "<").replace("}", ">")
    match value:
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(map(flatten, parts))
        case {"Fn::GetAtt": [target, attribute]}:
            return f"<{flatten(target)}.{flatten(attribute)}>"
        case {"Ref": target}:
            return f"<{flatten(target)}>"
        case {"Fn::ImportValue": imported}:
            return flatten(imported)
        case {"Fn::Sub": template}:
            return flatten(template)
    return json.dumps(value, separators=(",", ":"))
