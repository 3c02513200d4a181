"""Intrinsics that make text of other text."""

import json
import re
from typing import Any

from session_scoping.verify.intrinsics.evaluating import handles, items_of, mapped, text_of
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text, kind_of_choices, lit

_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


@handles("Fn::Sub")
def _sub(argument: Any, scope: Scope) -> Text | Unmodelled:
    template, values = (
        (argument[0], argument[1]) if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    )
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
        if name in values:
            found = text_of(values[name], scope)
        else:
            found = text_of({"Fn::GetAtt" if "." in name else "Ref": name}, scope)
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
