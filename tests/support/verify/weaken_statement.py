"""Weakenings of one statement, whichever policy it stands in: each lets more through than the statement does."""

import copy
import json
from collections.abc import Callable, Iterator
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


def weakened(statement: Body, name: str, change: Callable[[Body], Any], kind: str = "") -> Weakening:
    """Apply a change to a copy."""
    changed = copy.deepcopy(statement)
    change(changed)
    return Weakening(name, changed, kind or name)


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
    return weakened(
        statement, f"drop {operator} {key}", lambda s: s["Condition"][operator].pop(key), f"drop a key of {operator}"
    )


def said_twice(statement: Body, operator: str, key: str) -> bool:
    """
    Whether a tag that must be present also stands as a variable in the leading key or resource.

    Without the tag the variable matches nothing, in the simulator also when the tag is empty, so dropping the
    condition opens nothing there. IAM's guide is silent on empty tags: the condition stays.
    """
    rest = json.dumps([statement.get("Resource"), statement["Condition"].get("ForAllValues:StringEquals")])
    return operator == "StringLike" and f"${{{key}}}" in rest


def _wider_values(statement: Body, operator: str, key: str) -> Iterator[Weakening]:
    if operator == "Null":
        return
    if "Not" in operator:
        yield from fewer_values(statement, operator, key)
        return

    def as_star(changed: Body) -> None:
        del changed["Condition"][operator][key]
        changed["Condition"].setdefault(operator.replace("Equals", "Like"), {})[key] = "*"

    yield weakened(statement, f"{operator} {key} as *", as_star, "a value as *")


def fewer_values(statement: Body, operator: str, key: str) -> Iterator[Weakening]:
    """Yield the statement without one of a condition's several values."""
    values = listed(statement["Condition"][operator][key])
    for value in values if len(values) > 1 else ():
        rest = [other for other in values if other != value]
        yield weakened(
            statement,
            f"{operator} {key} without {value}",
            lambda s, r=rest: s["Condition"][operator].update({key: r}),  # type: ignore[misc]
            f"{operator} without {value if 'Not' in operator else 'a value'}",
        )


def _wider_reach(statement: Body, world: World) -> Iterator[Weakening]:
    resources = listed(statement["Resource"])
    for index, resource in enumerate(resources):

        def replaced(name: str, new: Any, kind: str, at: int = index) -> Weakening:
            wider = [*resources[:at], new, *resources[at + 1 :]]
            return weakened(statement, f"resource {at} {name}", lambda s: s.update(Resource=wider), kind)

        if not world.fill(resource).endswith("*"):
            yield replaced("with * behind it", suffixed(resource, "*"), "a resource with * behind it")
        text = json.dumps(resource)
        for variable in sorted({part.split("}")[0] for part in text.split("${")[1:]}):
            wider = json.loads(text.replace(f"${{{variable}}}", "*"))
            yield replaced(f"with {variable} as *", wider, "a variable of a resource as *")
    service = listed(statement["Action"])[0].partition(":")[0]
    yield weakened(statement, f"{service}:*", lambda s: s.update(Action=f"{service}:*"), "every action")


def narrowed(statement: Body) -> Iterator[Weakening]:
    """Yield a Deny that is never met, or that denies less."""
    yield weakened(statement, "removed", lambda s: s.update(Condition=NEVER))
    for element in ("Resource", "Action"):
        values = listed(statement.get(element, []))
        for index, value in enumerate(values if len(values) > 1 else ()):
            rest = values[:index] + values[index + 1 :]
            yield weakened(
                statement,
                f"without {element} {json.dumps(value)}",
                lambda s, e=element, r=rest: s.update({e: r}),  # type: ignore[misc]
                f"without a value of {element}",
            )
    for element, added in (("NotAction", "dynamodb:DeleteItem"), ("NotResource", "*")):
        if element in statement:
            yield weakened(
                statement,
                f"{element} with {added}",
                lambda s, e=element, a=added: s.update({e: [*listed(s[e]), a]}),  # type: ignore[misc]
            )
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            yield from fewer_values(statement, operator, key)
        if operator.startswith("ForAnyValue:"):
            every = operator.replace("ForAnyValue:", "ForAllValues:")
            yield weakened(
                statement,
                "ForAllValues in place of ForAnyValue",
                lambda s, k=keys, e=every: s.update(Condition={e: k}),  # type: ignore[misc]
            )
