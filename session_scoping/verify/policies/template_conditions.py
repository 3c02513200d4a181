"""Statements under template conditions: once for each value of the conditions they depend on."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from session_scoping.verify.intrinsics.scope import Given, Scope, conditions_used, existence
from session_scoping.verify.policies.model import Statement

# More template conditions in one statement than this would mean more variants than anyone reads.
CHOICES_MAX = 6


def variants(value: Any, scope: Scope) -> Iterator[tuple[Scope, Given]]:
    """Yield the scope once per value of the template conditions that decide over a value, policy documents apart."""
    names = conditions_used(_without_documents(value))
    # Of more conditions than anybody reads none is chosen, and what depends on them is not modelled.
    yield from choices(names if len(names) <= CHOICES_MAX else set(), scope)


def tied(statements: tuple[Statement, ...], given: Given) -> tuple[Statement, ...]:
    """Return statements that count under some values of template conditions only."""
    return (
        tuple(replace(s, template_conditions=(*s.template_conditions, *given)) for s in statements)
        if given
        else statements
    )


def if_it_exists(statements: tuple[Statement, ...], logical_id: str, scope: Scope) -> tuple[Statement, ...]:
    """Tie statements to the template conditions of the resource that carries them."""
    return tied(statements, existence(logical_id, scope))


def choices(names: set[str], scope: Scope) -> Iterator[tuple[Scope, Given]]:
    """Yield the scope once per value of template conditions."""
    ordered = sorted(names)
    for values in product((True, False), repeat=len(ordered)):
        given = tuple(zip(ordered, values, strict=True))
        yield (
            replace(scope, choices={**scope.choices, **dict(given)}),
            tuple((f"{scope.name}.{name}", value) for name, value in given),
        )


def _without_documents(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_documents(item) for key, item in value.items() if key != "PolicyDocument"}
    return [_without_documents(item) for item in value] if isinstance(value, list) else value


def without_equal(statements: list[Statement]) -> tuple[Statement, ...]:
    """Keep one statement where all variants of a document agree on it, so that a report is not doubled."""
    by_body: dict[Statement, list[tuple[tuple[str, bool], ...]]] = {}
    variants = {statement.template_conditions for statement in statements}
    for statement in statements:
        by_body.setdefault(replace(statement, template_conditions=()), []).append(statement.template_conditions)
    found: list[Statement] = []
    for body, givens in by_body.items():
        same = set(givens) == variants
        found += [body] if same else [replace(body, template_conditions=given) for given in dict.fromkeys(givens)]
    return tuple(found)
