"""Evaluates text and lists of a template; each intrinsic that gives text has a handler in another module."""

from collections.abc import Callable
from typing import Any

from session_scoping.verify.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.text import Text, Token, Unmodelled, join_text, lit, plain

Handler = Callable[[Any, Scope], Text | Unmodelled]
HANDLERS: dict[str, Handler] = {}
"""Name of an intrinsic -> what evaluates its argument. `intrinsics` imports the modules that fill it."""


def handles(name: str) -> Callable[[Handler], Handler]:
    """Make a function the handler of an intrinsic."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def text_of(value: Any, scope: Scope) -> Text | Unmodelled:
    """Return one string of a template as symbolic text."""
    if isinstance(value, bool):
        return lit(str(value).lower())
    if isinstance(value, str | int | float):
        return _looked_up(lit(str(value)), scope)
    if isinstance(value, Unmodelled):
        return value
    call = intrinsic(value)
    if call is None:
        return Unmodelled(f"{scope.name}: expected text, got {type(value).__name__}")
    name, argument = call
    handler = HANDLERS.get(name)
    if handler is None:
        return Unmodelled(f"{scope.name}: the intrinsic {name} is not understood")
    if id(value) in scope.active:
        return Unmodelled(f"{scope.name}: an {name} that leads back to itself")
    scope.active.add(id(value))
    try:
        found = handler(argument, scope)
    finally:
        scope.active.discard(id(value))
    return found if isinstance(found, Unmodelled) else _looked_up(found, scope)


def _looked_up(text: Text, scope: Scope) -> Text:
    """
    Return text that CloudFormation looks up elsewhere as a token that may hold anything.

    Source:
        CloudFormation guide, dynamic-references: `{{resolve:service-name:reference-key}}`.
    """
    literal = "".join(part if isinstance(part, str) else "?" for part in text)
    return (Token(f"{scope.name}.{literal}", "free"),) if "{{resolve:" in literal else text


def items_of(value: Any, scope: Scope) -> list[Any] | Unmodelled:
    """Return a list of a template (a scalar is a list of one), with Fn::If chosen and NoValue dropped."""
    chosen = choose(value, scope)
    if chosen is NO_VALUE or chosen is None:
        return []
    if isinstance(chosen, Unmodelled):
        return chosen
    if not isinstance(chosen, list):
        call = intrinsic(chosen)
        if call and call[0] == "Fn::Split":
            return _split(call[1], scope)
        if call and call[0] == "Fn::FindInMap":
            return _mapped_list(call[1], chosen, scope)
        if call and call[0] == "Ref" and isinstance(call[1], str) and _is_list_parameter(call[1], scope):
            return Unmodelled(f"{scope.name}: the list parameter {call[1]} is only known at deploy time")
        return [chosen]
    found: list[Any] = []
    for item in chosen:
        picked = choose(item, scope)
        if isinstance(picked, Unmodelled):
            return picked
        if picked is not NO_VALUE:
            found.extend(picked) if isinstance(picked, list) else found.append(picked)
    return found


def mapped(argument: Any, scope: Scope) -> list[Any] | Unmodelled:
    """Return what an Fn::FindInMap may yield: all of a level, where a key is only known at deploy time."""
    if not (isinstance(argument, list) and len(argument) == 3):
        return Unmodelled(f"{scope.name}: a malformed Fn::FindInMap")
    found: list[Any] = [scope.section("Mappings")]
    for item in argument:
        key = text_of(item, scope)
        if isinstance(key, Unmodelled):
            return key
        name = plain(key)
        levels = [level for level in found if isinstance(level, dict)]
        found = [value for level in levels for at, value in level.items() if name is None or str(at) == name]
    return found or Unmodelled(f"{scope.name}: an Fn::FindInMap that finds nothing")


def _mapped_list(argument: Any, call: Any, scope: Scope) -> list[Any] | Unmodelled:
    values = mapped(argument, scope)
    if isinstance(values, Unmodelled):
        return values
    if not any(isinstance(value, list) for value in values):
        return [call]
    if any(value != values[0] for value in values):
        return Unmodelled(f"{scope.name}: an Fn::FindInMap whose list depends on where the stack deploys")
    return list(values[0])


def _is_list_parameter(name: str, scope: Scope) -> bool:
    declared = scope.section("Parameters").get(name)
    kind = str(declared.get("Type", "")) if isinstance(declared, dict) else ""
    return kind.startswith("List<") or kind == "CommaDelimitedList"


def _split(argument: Any, scope: Scope) -> list[Any] | Unmodelled:
    if not (isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str) and argument[0]):
        return Unmodelled(f"{scope.name}: a malformed Fn::Split")
    source = text_of(argument[1], scope)
    if isinstance(source, Unmodelled):
        return source
    if any(isinstance(part, Token) and not _never_holds(part, argument[0]) for part in source):
        return Unmodelled(f"{scope.name}: Fn::Split of a value that is only known at deploy time")
    pieces: list[Text] = [()]
    for part in source:
        if isinstance(part, Token):
            pieces[-1] = join_text(pieces[-1], (part,))
            continue
        first, *rest = part.split(argument[0])
        pieces[-1] = join_text(pieces[-1], lit(first))
        pieces += [lit(piece) for piece in rest]
    return list(pieces)


def _never_holds(token: Token, separator: str) -> bool:
    return token.kind in {"table", "bucket", "role", "key", "region", "account", "partition"} and separator in {
        ":",
        "/",
        "|",
        ",",
    }
