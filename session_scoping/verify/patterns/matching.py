"""Matches concrete strings against policy patterns: actions, resources, principals."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, parse_pattern

Values = Mapping[str, Sequence[str]]
"""Condition key in lower case -> its values in the request; a missing key is not in the request."""


class Many(tuple[str, ...]):
    """The values of a key that came as a list: set operators are for these."""

    __slots__ = ()


@lru_cache(maxsize=65536)
def _action_regex(pattern: str) -> re.Pattern[str]:
    return re.compile(_translate((pattern,)), re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=65536)
def action_matches(pattern: str, action: str) -> bool:
    """Whether an action pattern covers an action. Service and action ignore case."""
    return _action_regex(pattern).fullmatch(action) is not None


def _translate(parts: Sequence[str]) -> str:
    symbols = {"*": ".*", "?": "."}
    return "".join(symbols.get(character, re.escape(character)) for character in "".join(parts))


@lru_cache(maxsize=65536)
def parsed(text: Text, variables: bool, wildcards: bool) -> Pattern | Unmodelled:
    """Parse a policy string once."""
    return parse_pattern(text, variables=variables, wildcards=wildcards)


def readable(texts: Iterable[Text], variables: bool = True, wildcards: bool = True) -> list[Pattern]:
    """Return the patterns of those policy strings that can be parsed."""
    found = (parsed(text, variables, wildcards) for text in texts)
    return [pattern for pattern in found if not isinstance(pattern, Unmodelled)]


class MissingVariableError(Exception):
    """A pattern holds a policy variable that the request does not carry."""


def pattern_regex(pattern: Pattern, context: Values) -> str:
    """
    Return the regular expression of a pattern whose variables are filled from a request.

    Raises:
        MissingVariableError: A variable without default is not in the request, or has several values.
    """
    pieces: list[str] = []
    for part in pattern:
        if isinstance(part, Wildcard):
            pieces.append(".*" if part.symbol == "*" else ".")
        elif isinstance(part, Variable):
            values = context.get(part.key, ())
            if len(values) == 1:
                pieces.append(re.escape(values[0]))
            elif part.default is not None and not values:
                pieces.append(re.escape(part.default))
            else:
                raise MissingVariableError(part.key)
        elif isinstance(part, Token):
            raise TypeError(f"decide needs concrete text, got the deploy-time value {part.name}")
        else:
            pieces.append(re.escape(part))
    return "".join(pieces)


def text_matches(text: Text, value: str, context: Values, *, variables: bool, wildcards: bool = True) -> bool:
    """
    Whether a policy string matches a value of the request.

    Raises:
        MissingVariableError: As `pattern_regex`.
    """
    pattern = parsed(text, variables, wildcards)
    if isinstance(pattern, Unmodelled):
        raise TypeError(pattern.reason)
    if len(pattern) == 1 and isinstance(pattern[0], str):
        return pattern[0] == value
    return re.fullmatch(pattern_regex(pattern, context), value, re.DOTALL) is not None


def arn_matches(text: Text, value: str, context: Values, *, variables: bool) -> bool:
    """
    Whether an ARN pattern matches an ARN, field by field.

    Raises:
        TypeError: The text is no pattern IAM reads.

    Source:
        IAM reference_policies_elements_condition_operators, ARN operators: each of the six fields is
        compared on its own.
    """
    pattern = parsed(text, variables, True)
    if isinstance(pattern, Unmodelled):
        raise TypeError(pattern.reason)
    theirs = value.split(":", 5)
    ours = split_fields(pattern)
    if len(ours) != 6 or len(theirs) != 6:
        return False
    return all(
        re.fullmatch(pattern_regex(field, context), piece, re.DOTALL) is not None
        for field, piece in zip(ours, theirs, strict=True)
    )


@lru_cache(maxsize=65536)
def split_fields(pattern: Pattern) -> tuple[Pattern, ...]:
    """Split a pattern at its first five literal colons, as ARNs are."""
    fields: list[list[str | Token | Variable | Wildcard]] = [[]]
    for part in pattern:
        if not isinstance(part, str):
            fields[-1].append(part)
            continue
        pieces = part.split(":", 6 - len(fields)) if len(fields) < 6 else [part]
        for index, piece in enumerate(pieces):
            if index:
                fields.append([])
            if piece:
                fields[-1].append(piece)
    return tuple(tuple(field) for field in fields)
