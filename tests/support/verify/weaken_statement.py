"""Weakenings of one statement, whichever policy it stands in: each lets more through than the statement does."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.verify.mutations import Body, listed, suffixed
from tests.support.world import World

NEVER = {"StringEquals": {"aws:PrincipalAccount": "never"}}


@dataclass(frozen=True)
class Weakening:
    """
    A weakened statement.

    Attributes:
        name: What was weakened.
        kind: The same for every place it can be weakened in.
    """

    name: str
    statement: Body
    kind: str


def weakened(statement: Body, name: str, kind: str = "", **elements: Any) -> Weakening:
    """Return the statement with elements replaced; None takes one away."""
    changed = {**copy.deepcopy(statement), **elements}
    return Weakening(name, {key: value for key, value in changed.items() if value is not None}, kind or name)


def condition(statement: Body, operator: str, keys: Body | None) -> Body:
    """Return the conditions with those of one operator replaced; None takes them away."""
    changed = {**copy.deepcopy(statement["Condition"]), operator: keys}
    return {name: block for name, block in changed.items() if block is not None}


def renamed(statement: Body, old: str, new: str) -> Body:
    """Return the conditions of one operator under another, merged with those that stand there."""
    block = statement["Condition"]
    return {**condition(statement, old, None), new: {**block.get(new, {}), **block[old]}}


def widened(statement: Body, world: World, *, trust: bool = False) -> Iterator[Weakening]:
    """Yield an Allow with a condition or value fewer, or with more actions or resources."""
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            if not said_twice(statement, operator, key):
                yield without_key(statement, operator, key)
                yield from _wider_values(statement, operator, key)
    if not trust:
        yield from _wider_reach(statement, world)


def without_key(statement: Body, operator: str, key: str) -> Weakening:
    """Drop one key of a condition."""
    rest = _without(statement["Condition"][operator], key)
    name, kind = f"drop {operator} {key}", f"drop a key of {operator}"
    return weakened(statement, name, kind, Condition=condition(statement, operator, rest))


def said_twice(statement: Body, operator: str, key: str) -> bool:
    """
    Whether a tag that must be present also stands as a variable in the leading key or resource.

    Without the tag the variable matches nothing, in the simulator also when the tag is empty, so dropping the
    condition opens nothing there. IAM's guide is silent on empty tags: the condition stays.
    """
    rest = json.dumps([statement.get("Resource"), statement["Condition"].get("ForAllValues:StringEquals")])
    return operator == "StringLike" and f"${{{key}}}" in rest


def _without(keys: Body, dropped: str) -> Body:
    return {key: value for key, value in keys.items() if key != dropped}


def _wider_values(statement: Body, operator: str, key: str) -> Iterator[Weakening]:
    if operator == "Null":
        return
    if "Not" in operator:
        yield from fewer_values(statement, operator, key)
        return
    block = condition(statement, operator, _without(statement["Condition"][operator], key))
    loose = operator.replace("Equals", "Like")
    block[loose] = {**block.get(loose, {}), key: "*"}
    yield weakened(statement, f"{operator} {key} as *", "a value as *", Condition=block)


def fewer_values(statement: Body, operator: str, key: str) -> Iterator[Weakening]:
    """Yield the statement without one of a condition's several values."""
    keys = statement["Condition"][operator]
    for value, rest in _one_fewer(keys[key]):
        name, kind = f"{operator} {key} without {value}", value if "Not" in operator else "a value"
        block = condition(statement, operator, {**keys, key: rest})
        yield weakened(statement, name, f"{operator} without {kind}", Condition=block)


def _one_fewer(values: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each of several values with the others."""
    if isinstance(values, list) and len(values) > 1:
        for index, value in enumerate(values):
            yield value, values[:index] + values[index + 1 :]


def _wider_reach(statement: Body, world: World) -> Iterator[Weakening]:
    resources = listed(statement["Resource"])
    for index, resource in enumerate(resources):
        before, after = resources[:index], resources[index + 1 :]
        if not world.fill(resource).endswith("*"):
            name, kind = f"resource {index} with * behind it", "a resource with * behind it"
            yield weakened(statement, name, kind, Resource=[*before, suffixed(resource, "*"), *after])
        text = json.dumps(resource)
        for variable in sorted({part.split("}")[0] for part in text.split("${")[1:]}):
            name, kind = f"resource {index} with {variable} as *", "a variable of a resource as *"
            wider = json.loads(text.replace(f"${{{variable}}}", "*"))
            yield weakened(statement, name, kind, Resource=[*before, wider, *after])
    every = f"{listed(statement['Action'])[0].partition(':')[0]}:*"
    yield weakened(statement, every, "every action", Action=every)


def narrowed(statement: Body) -> Iterator[Weakening]:
    """Yield a Deny that is never met, or that denies less."""
    yield weakened(statement, "removed", Condition=NEVER)
    fewer: list[tuple[str, Body]] = [
        (f"without {element} {json.dumps(value)}", {element: rest})
        for element in ("Resource", "Action")
        for value, rest in _one_fewer(statement.get(element))
    ]
    more: list[tuple[str, Body]] = [
        (f"{element} with {added}", {element: [*listed(statement[element]), added]})
        for element, added in (("NotAction", "dynamodb:DeleteItem"), ("NotResource", "*"))
        if element in statement
    ]
    for name, elements in (*fewer, *more):
        yield weakened(statement, name, **elements)
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            yield from fewer_values(statement, operator, key)
        if operator.startswith("ForAnyValue:"):
            every = {operator.replace("ForAnyValue:", "ForAllValues:"): keys}
            yield weakened(statement, "ForAllValues in place of ForAnyValue", Condition=every)
