"""One template with what is needed to evaluate its intrinsics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from session_scoping.verify.patterns.text import Unmodelled

NO_VALUE = object()

Given = tuple[tuple[str, bool], ...]
"""Template conditions, each with the value it has."""


@dataclass
class Scope:
    """
    One template with what is needed to evaluate its intrinsics.

    Attributes:
        name: Name of the stack, which no other has; prefixes its tokens.
        template: The parsed template.
        exports: What the stacks read export, all of them.
        stack_outputs: Their outputs, named `stack.output`.
        arguments: Parameter name -> value expression and scope, for a nested stack or from the user.
        children: Logical id of a nested stack -> its scope.
        env: Name of the account and Region the stack deploys to; stacks with the same name share them.
        stack_name: Name it is deployed under, where that is another one.
        deployed_as: Name it is deployed under where that is known for certain; empty where it is not.
        account: Id of the account it deploys to; empty where the template leaves it open.
        region: Name of the Region it deploys to; empty where the template leaves it open.
        given: Template conditions under which it exists: those of a nested stack, and of the stacks around it.
        notes: Assumptions made on the way.
        choices: Template conditions of this template -> the value each is taken to have.
        active: Ids of the intrinsic calls that are being evaluated, each of which may not lead to itself.
        deployed: Whether it is a template; a policy document by itself keeps the partition it is written for.
        naming: The parameters that stand in names of resources; None until they are looked for.
        file: Where the template was read; None for one that was passed.
        tags: Lists of tags that CloudFormation puts on every resource, each with the scope it is evaluated in (None for
            this one). Of two tags with one key the first counts.
    """

    name: str
    template: dict[str, Any]
    exports: tuple["Output", ...] = ()
    stack_outputs: tuple["Output", ...] = ()
    arguments: "dict[str, tuple[Any, Scope | None]]" = field(default_factory=dict)
    children: "dict[str, Scope]" = field(default_factory=dict)
    env: str = ""
    stack_name: str = ""
    deployed_as: str = ""
    account: str = ""
    region: str = ""
    given: Given = ()
    notes: set[str] = field(default_factory=set)
    choices: Mapping[str, bool] = field(default_factory=dict)
    active: set[int] = field(default_factory=set)
    deployed: bool = True
    naming: frozenset[str] | None = None
    file: Path | None = None
    tags: "tuple[tuple[Any, Scope | None], ...]" = ()

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the template, such as `Outputs`; empty when it is missing or malformed."""
        found = self.template.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Logical id -> resource; anything that is not a resource is left out."""
        return {key: value for key, value in self.section("Resources").items() if isinstance(value, dict)}

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's properties; empty when it has none."""
        found = self.resources.get(logical_id, {}).get("Properties")
        return found if isinstance(found, dict) else {}

    def label(self, logical_id: str) -> str:
        """Return what a reader knows a resource by: its path in the construct tree, else its logical id."""
        metadata = self.resources[logical_id].get("Metadata")
        path = metadata.get("aws:cdk:path") if isinstance(metadata, dict) else None
        return str(path).removesuffix("/Resource") if path else f"{self.name}/{logical_id}"


@dataclass(frozen=True)
class Output:
    """A value that another stack may ask for by name, and the stack it is evaluated in."""

    name: str
    value: Any
    owner: Scope


def existence(logical_id: str, scope: Scope) -> Given:
    """Return the template conditions under which a resource exists, those of the nested stacks it is in included."""
    resource = scope.resources[logical_id]
    if "Condition" not in resource:
        return scope.given
    return (*scope.given, (f"{scope.name}.{resource['Condition']}", True))


def intrinsic(value: Any) -> tuple[str, Any] | None:
    """Return the name and argument of an intrinsic call, or None for an ordinary value."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        if name in {"Ref", "Condition"} or str(name).startswith("Fn::"):
            return str(name), argument
    return None


def choose(value: Any, scope: Scope) -> Any:
    """Resolve Fn::If by the scope's choices, and turn AWS::NoValue into `NO_VALUE`."""
    call = intrinsic(value)
    if call == ("Ref", "AWS::NoValue"):
        return NO_VALUE
    if call and call[0] == "Fn::If":
        argument = call[1]
        if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
            return Unmodelled(f"{scope.name}: a malformed Fn::If")
        if argument[0] not in scope.choices:
            return Unmodelled(f"{scope.name}: it depends on the template condition {argument[0]}")
        return choose(argument[1] if scope.choices[argument[0]] else argument[2], scope)
    return value


def parts_of(value: Any) -> Iterator[Any]:
    """Yield a part of a template, and everything inside it, in order."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts_of(item)


def conditions_used(value: Any) -> set[str]:
    """Return the names of the conditions that Fn::If asks for anywhere in a value."""
    arguments = (part.get("Fn::If") for part in parts_of(value) if isinstance(part, dict))
    return {one[0] for one in arguments if isinstance(one, list) and one and isinstance(one[0], str)}
