"""Evaluates text and lists of a template: each intrinsic that makes text of other text, by its handler."""

import json
import re
from collections.abc import Callable
from typing import Any

from session_scoping.verify.intrinsics.parameters import is_list, is_stored
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text, kind_of_choices, lit, plain

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
        if call and call[0] == "Ref" and is_list(scope.section("Parameters").get(str(call[1]))):
            return _list_parameter(str(call[1]), scope)
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
    default: list[Any] = []
    if isinstance(argument, list) and len(argument) == 4 and isinstance(argument[3], dict):
        # Source: CloudFormation guide, intrinsic-function-reference-findinmap-enhancements.
        default, argument = [argument[3].get("DefaultValue")], argument[:3]
    if not (isinstance(argument, list) and len(argument) == 3) or default == [None]:
        return Unmodelled(f"{scope.name}: a malformed Fn::FindInMap")
    found: list[Any] = [scope.section("Mappings")]
    exact = True
    for item in argument:
        key = text_of(item, scope)
        if isinstance(key, Unmodelled):
            return key
        name = plain(key)
        exact = exact and name is not None
        levels = [level for level in found if isinstance(level, dict)]
        found = [value for level in levels for at, value in level.items() if name is None or str(at) == name]
    found += [] if found and exact else default
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


def _list_parameter(name: str, scope: Scope) -> list[Any] | Unmodelled:
    """Return what is given for a parameter that holds several values, separated by commas."""
    if name not in scope.arguments or is_stored(scope.section("Parameters").get(name)):
        return Unmodelled(f"{scope.name}: the list parameter {name} is only known at deploy time")
    value, outer = scope.arguments[name]
    call = intrinsic(value)
    if isinstance(value, list) or (call and call[0] in {"Ref", "Fn::Split"}):
        items = items_of(value, outer or scope)
        if isinstance(items, Unmodelled) or value != items:
            return items
        texts = [item if isinstance(item, tuple) else text_of(item, outer or scope) for item in items]
        return next((text for text in texts if isinstance(text, Unmodelled)), texts)
    pieces = _split([",", value], outer or scope)
    # Source: CloudFormation guide, CommaDelimitedList: each member is trimmed of spaces.
    return pieces if isinstance(pieces, Unmodelled) else [_trimmed(piece) for piece in pieces]


def _trimmed(text: Text) -> Text:
    parts = list(text)
    if parts and isinstance(parts[0], str):
        parts[0] = parts[0].lstrip()
    if parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip()
    return tuple(part for part in parts if part != "")


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
    return separator in set(":/|,") and token.kind in {
        "table", "bucket", "role", "key", "region", "account", "partition",
    }  # fmt: skip


_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


@handles("Fn::Sub")
def _sub(argument: Any, scope: Scope) -> Text | Unmodelled:
    template, values = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(template, str) or not isinstance(values, dict):
        return Unmodelled(f"{scope.name}: a malformed Fn::Sub")
    pieces: list[Text] = []
    position = 0
    for match in _SUB.finditer(template):
        pieces.append(lit(template[position : match.start()]))
        position = match.end()
        name = match[2].strip()
        if match[1]:
            # `${!x}` is CloudFormation's way to write the text `${x}`, which IAM then reads as a variable.
            pieces.append(lit(f"${{{match[2]}}}"))
            continue
        found = text_of(values.get(name, {"Fn::GetAtt" if "." in name else "Ref": name}), scope)
        if isinstance(found, Unmodelled):
            return found
        pieces.append(found)
    return join_text(*pieces, lit(template[position:]))


@handles("Fn::Join")
def _join(argument: Any, scope: Scope) -> Text | Unmodelled:
    if not (isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str)):
        return Unmodelled(f"{scope.name}: a malformed Fn::Join")
    split = intrinsic(argument[1])
    if split and split[0] == "Fn::Split" and isinstance(split[1], list) and split[1][:1] == argument[:1]:
        # Split and joined by the same characters: the text itself, whatever it holds.
        return text_of(split[1][1], scope) if len(split[1]) == 2 else Unmodelled(f"{scope.name}: a malformed Fn::Split")
    items = items_of(argument[1], scope)
    if isinstance(items, Unmodelled):
        return items
    pieces: list[Text] = []
    for item in items:
        found = item if isinstance(item, tuple) else text_of(item, scope)
        if isinstance(found, Unmodelled):
            return found
        pieces += [lit(argument[0]), found] if pieces else [found]
    return join_text(*pieces)


@handles("Fn::Select")
def _select(argument: Any, scope: Scope) -> Text | Unmodelled:
    if not (isinstance(argument, list) and len(argument) == 2):
        return Unmodelled(f"{scope.name}: a malformed Fn::Select")
    items = items_of(argument[1], scope)
    if isinstance(items, Unmodelled):
        return items
    # Python takes more characters for digits than CloudFormation does, and no list has 10,000 items.
    index = int(argument[0]) if re.fullmatch("[0-9]{1,4}", str(argument[0])) else -1
    if not 0 <= index < len(items):
        return Unmodelled(f"{scope.name}: Fn::Select outside its list")
    item = items[index]
    return item if isinstance(item, tuple) else text_of(item, scope)


@handles("Fn::If")
def _if(argument: Any, scope: Scope) -> Text | Unmodelled:
    chosen = choose({"Fn::If": argument}, scope)
    if isinstance(chosen, Unmodelled):
        return chosen
    return Unmodelled(f"{scope.name}: AWS::NoValue inside text") if chosen is NO_VALUE else text_of(chosen, scope)


@handles("Fn::FindInMap")
def _find_in_map(argument: Any, scope: Scope) -> Text | Unmodelled:
    values = mapped(argument, scope)
    if isinstance(values, Unmodelled):
        return values
    if all(value == values[0] for value in values):
        return text_of(values[0], scope)
    kind = kind_of_choices(values)
    if kind == "free":
        return Unmodelled(
            f"{scope.name}: an Fn::FindInMap that depends on where the stack deploys, and may hold a wildcard"
        )
    return (Token(f"{scope.name}.{json.dumps(argument, sort_keys=True)}", kind),)


@handles("Fn::Length")
def _length(argument: Any, scope: Scope) -> Text | Unmodelled:
    """The number of items of a list, which the transform AWS::LanguageExtensions adds."""
    items = items_of(argument, scope)
    return items if isinstance(items, Unmodelled) else lit(str(len(items)))
