"""Text whose deploy-time parts stay symbolic: literal characters and named tokens, side by side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

PARTITIONS = ("aws", "aws-cn", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-us-gov")
"""Source: botocore's partitions.json (`tests/verify/test_names.py` compares them)."""


@dataclass(frozen=True)
class Token:
    """
    A piece of text CloudFormation fills in at deploy time.

    Attributes:
        name: Unique within one verification, such as `App.Table` or `AWS::Region`.
        kind: What the text can look like, which limits how it can be matched: `table`, `bucket`, `role`, `key`,
            `function`, `region`, `account`, `partition`, `stack`, `part` (of a name), `chosen` (one of several names),
            `plain` (anything without wildcards, as AWS makes it), `word` (letters such as names have, as somebody chose
            them), `text` (anything without wildcards, chosen as well), or `free` (anything at all).
        why: Why nothing more is known of it, for a reader. Default: nobody needs to be told.
    """

    name: str
    kind: str
    why: str = field(default="", compare=False)


Text = tuple[str | Token, ...]


TYPED_IN = frozenset({"free", "part", "text", "word"})
"""Kinds of tokens that may be empty."""
OPEN = frozenset({"free", "plain", "text", "word"})
"""Kinds of tokens that may be the name of any resource."""


@dataclass(frozen=True)
class Unmodelled:
    """A construct nothing is known about. Whatever depends on it is UNKNOWN."""

    reason: str


def join_text(*pieces: Text) -> Text:
    """Return the pieces as one text with neighbouring literals merged and empty ones dropped."""
    parts: list[str | Token] = []
    for piece in pieces:
        for part in piece:
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            elif part != "":
                parts.append(part)
    return tuple(parts)


def lit(text: str) -> Text:
    """Return literal text."""
    return (text,) if text else ()


def kind_of_choices(values: Sequence[object]) -> str:
    """Return the kind of a token that holds one of some values: `word`, `text`, or `free` where one has a wildcard."""
    if not all(isinstance(value, str) and value and not set(value) & set("*?$") for value in values):
        return "free"
    return "word" if all(re.fullmatch(r"[\w+=,.@-]+", str(value), re.ASCII) for value in values) else "text"


def plain(text: Text) -> str | None:
    """Return the text as a string, or None when a part of it is only known at deploy time."""
    return "".join(str(part) for part in text) if all(isinstance(part, str) for part in text) else None


def is_exact(text: Text) -> bool:
    """Whether a text names one thing: it has no wildcard and no policy variable, and cannot get one at deploy time."""
    return not any(set(part) & set("*?$") if isinstance(part, str) else part.kind == "free" for part in text)


def show(text: Text) -> str:
    """Return the text for a reader: a token as `{name}`."""
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in text)


def never_equal(one: Text, two: Text) -> bool:
    """
    Whether two texts can never be equal, as far as their shapes tell: they differ in a literal at an end they share.

    `b-{account}-rows` and `b-{account}-files` are apart, whatever the account is.
    """
    one, two = _without_common_head(one, two)
    one, two = map(_reversed, _without_common_head(_reversed(one), _reversed(two)))
    if not one or not two:
        # A token stands for at least one character, unless it is what somebody types in.
        return any(isinstance(part, str) or part.kind not in TYPED_IN for part in (*one, *two))
    ends = ((one[0], two[0], 0), (one[-1], two[-1], -1))
    return any(isinstance(a, str) and isinstance(b, str) and a[at] != b[at] for a, b, at in ends)


def _reversed(text: Text) -> Text:
    return tuple(part[::-1] if isinstance(part, str) else part for part in text[::-1])


def _without_common_head(one: Text, two: Text) -> tuple[Text, Text]:
    left, right = list(one), list(two)
    while left and right:
        a, b = left[0], right[0]
        if isinstance(a, str) and isinstance(b, str):
            shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            if not shared:
                break
            left[0:1] = [a[shared:]] if a[shared:] else []
            right[0:1] = [b[shared:]] if b[shared:] else []
        elif a == b:
            left.pop(0)
            right.pop(0)
        else:
            break
    return tuple(left), tuple(right)


# What CDK appends to a logical id to make it unique.
_HASH = re.compile(r"(?<=[A-Za-z0-9])[0-9A-F]{8}$")


def without_hash(name: str) -> str:
    """Return a logical id as people write it in code."""
    return _HASH.sub("", name)


@dataclass(frozen=True)
class Variable:
    """
    A policy variable such as `${aws:PrincipalTag/task_id}`.

    Attributes:
        key: The condition key it stands for, in lower case, because condition key names ignore case.
        default: Its default text, or None when it has none.
        spelling: The condition key as the policy has it, for a reader. Default: as `key`.
    """

    key: str
    default: str | None = None
    spelling: str = field(default="", compare=False)


@dataclass(frozen=True)
class Wildcard:
    """`*` or `?` of a pattern."""

    symbol: str


Part = str | Token | Variable | Wildcard
Pattern = tuple[Part, ...]

# The syntax of a variable with a default: IAM reference_policies_variables, "Specifying default values".
_SYNTAX = re.compile(r"\$\{([^{}]*)\}|([*?])")
_DEFAULT = re.compile(r"^\s*([^,]+?)\s*,\s*'(.*)'\s*$")


def parse_pattern(text: Text, *, variables: bool, wildcards: bool) -> Pattern | Unmodelled:
    """
    Split a policy string into literals, tokens, variables (Version 2012-10-17) and wildcards (not with StringEquals).

    Source:
        IAM reference_policies_variables: `${*}`, `${?}` and `${$}` stand for the characters themselves.
    """
    parts: list[Part] = []
    for piece in text:
        if isinstance(piece, Token):
            if _open_variable(parts):
                return Unmodelled(f"the name of a policy variable holds the deploy-time value {piece.name}")
            parts.append(piece)
            continue
        position = 0
        for match in _SYNTAX.finditer(piece):
            parts.append(piece[position : match.start()])
            position = match.end()
            parts.append(_symbol(match, variables=variables, wildcards=wildcards))
        parts.append(piece[position:])
    return _merge(parts)


def _open_variable(parts: list[Part]) -> bool:
    literal = "".join(part for part in parts if isinstance(part, str))
    return "${" in literal and "}" not in literal.rpartition("${")[2]


def _symbol(match: re.Match[str], *, variables: bool, wildcards: bool) -> Part:
    if match[2]:
        return Wildcard(match[2]) if wildcards else match[2]
    if not variables:
        # Without Version 2012-10-17 the text is literal, and a `*` inside it is still a wildcard.
        return match[0]
    if match[1] in {"*", "?", "$"}:
        return match[1]
    if default := _DEFAULT.match(match[1]):
        return Variable(default[1].lower(), default[2], default[1])
    return Variable(match[1].strip().lower(), None, match[1].strip())


def _merge(parts: list[Part]) -> Pattern:
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)
