"""The resource policies that stand inside a table: its own, its stream's, and those of its replicas."""

from collections.abc import Iterator
from typing import Any

from session_scoping.verify.intrinsics import items_of
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.text import Unmodelled
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statements import parse_policy
from session_scoping.verify.policies.template_conditions import tied, variants

Policy = tuple[tuple[Statement, ...], str | None]
"""Statements, and why there may be others; None when all are known."""


def policies_within(properties: dict[str, Any], scope: Scope, where: str) -> Iterator[Policy]:
    """
    Yield the policies that are part of a table, each tied to the template conditions that decide over it.

    Args:
        properties: The table's.
        scope: The template it is in.
        where: What to call the table in reports.
    """
    for name, read in (("ResourcePolicy", _own), ("StreamSpecification", _of_stream), ("Replicas", _of_replicas)):
        value = properties.get(name)
        for chosen, given in variants(value, scope):
            for statements, problem in read(value, chosen, where):
                yield tied(statements, given), problem


def _own(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    body = _body(value, scope)
    if body is None:
        return
    if isinstance(body, Unmodelled) or "PolicyDocument" not in body:
        yield (), f"{where}: its resource policy is not understood"
    else:
        yield parse_policy(body["PolicyDocument"], scope, f"{where} resource policy"), None


def _of_stream(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    body = _body(value, scope)
    if isinstance(body, Unmodelled):
        yield (), f"{where}: its stream is not understood"
        return
    for statements, problem in _own((body or {}).get("ResourcePolicy"), scope, f"{where} stream"):
        # What it denies, it denies on the stream only.
        yield tuple(statement for statement in statements if statement.allow), problem


def _of_replicas(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    replicas = items_of(value, scope)
    alone = isinstance(replicas, list) and len(replicas) == 1
    for replica in [replicas] if isinstance(replicas, Unmodelled) else replicas:
        body = _body(replica, scope)
        if body is None or isinstance(body, Unmodelled):
            yield (), f"{where}: a replica is not understood"
            continue
        for statements, problem in _own(body.get("ResourcePolicy"), scope, f"{where} replica"):
            # What one replica's policy denies, another's does not.
            yield (statements if alone else tuple(s for s in statements if s.allow)), problem
        yield from _of_stream(body.get("ReplicaStreamSpecification"), scope, f"{where} replica")


def _body(value: Any, scope: Scope) -> dict[str, Any] | Unmodelled | None:
    """Return a property that is an object; None when it is left out."""
    chosen = choose(value, scope)
    if chosen is None or chosen is NO_VALUE:
        return None
    if isinstance(chosen, dict) and not intrinsic(chosen):
        return chosen
    return chosen if isinstance(chosen, Unmodelled) else Unmodelled("it is no object")
