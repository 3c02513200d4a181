"""Policy documents: sections of statements, packed in order under the quota of a managed policy."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, SPLIT, too_large_message
from session_scoping.constructs.cdk.stack_context import is_token
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.contract.errors import QuotaExceededError

Size = Callable[[Sequence[Statement]], int]
"""Measures statements as one document."""


@dataclass(frozen=True)
class Section:
    """
    A part of a policy that can be cut in pieces when it does not fit one document.

    Args:
        items: What the part is about, for example table ARNs. The cut falls between items.
        render: Statements for any run of the items. A cut part must mean the same as the whole one.
    """

    items: Sequence[Any]
    render: Callable[[Sequence[Any]], list[Statement]]

    @classmethod
    def whole(cls, *statements: Statement) -> "Section":
        """Return a section that is never cut."""
        return cls([None], lambda _: list(statements))

    @classmethod
    def by_resource(cls, statement: Statement) -> "Section":
        """Return a section that may be cut between the statement's resources."""
        return cls(statement["Resource"], lambda resources: [{**statement, "Resource": list(resources)}])


def tokens_in(sections: Iterable[Section]) -> Iterable[str]:
    """Return every string of the sections that is known only at deployment."""
    tokens: dict[str, None] = {}
    for section in sections:
        _collect_tokens(section.render(section.items), tokens)
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


def pack(sections: Iterable[Section], size: Size, what: str) -> list[list[Statement]]:
    """Fill documents in order, each up to the quota; a section is cut only where it has to be."""
    documents: list[list[Statement]] = [[]]
    for section in sections:
        rest = list(section.items)
        while rest:
            current = documents[-1]
            count = _fitting(section, rest, current, size)
            if count:
                current.extend(section.render(rest[:count]))
                rest = rest[count:]
            elif not current:
                alone = size(section.render(rest[:1]))
                raise QuotaExceededError(too_large_message(what, alone, MANAGED_POLICY_MAX, SPLIT))
            if rest:
                documents.append([])
    return [_with_unique_sids(document) for document in documents if document]


def _fitting(section: Section, items: Sequence[Any], document: list[Statement], size: Size) -> int:
    """Return how many more items fit; items never make a document smaller, so halving finds the largest number."""

    def with_first(count: int) -> int:
        return size(document + section.render(items[:count]))

    return bisect_right(range(1, len(items) + 1), MANAGED_POLICY_MAX, key=with_first)


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
