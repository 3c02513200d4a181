"""What the value of a template's parameter may hold, by its type, its AllowedValues and its AllowedPattern."""

import re
import warnings
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from session_scoping.verify.patterns.text import kind_of_choices

_ALL = frozenset(map(chr, range(128)))
_OTHERS = "\u00e9"
"""Stands for every character beyond ASCII."""
_ANY = _ALL | {_OTHERS}
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-")
_WILD = frozenset("*?$")
# From the least that is known to the most.
_KINDS = ("free", "text", "word")
# Types whose values AWS makes: ids, numbers and names without wildcards. Names of key pairs and security groups are
# somebody's, and may hold any character. Source: CloudFormation guide, "AWS-specific parameter types".
_MADE = re.compile(r"Number|AWS::EC2::\w+::Id|AWS::EC2::AvailabilityZone::Name|AWS::Route53::HostedZone::Id")


def is_list(declared: Any) -> bool:
    """Whether a parameter holds several values."""
    kind = _type(declared)
    return kind.startswith("List<") or kind == "CommaDelimitedList" or "Value<List<" in kind or "Value<Comma" in kind


def is_stored(declared: Any) -> bool:
    """Whether a parameter's value is looked up in the parameter store by what is given for it."""
    return _type(declared).startswith("AWS::SSM::Parameter::Value")


def kind_of(declared: Any) -> str:
    """Return the kind of a token for a parameter's value: `word`, `text`, or `free` where it may hold a wildcard."""
    if not isinstance(declared, dict):
        return "free"
    kind = re.sub(r"^AWS::SSM::Parameter::Value<(.*)>$", r"\1", _type(declared))
    kind = re.sub(r"^List<(.*)>$", r"\1", kind)
    if _MADE.fullmatch(kind):
        return "word"
    if is_stored(declared):
        # Patterns and choices are about the name in the store, not about what is found there.
        return "free"
    allowed, pattern = declared.get("AllowedValues"), declared.get("AllowedPattern")
    kinds = [kind_of_choices(allowed)] if isinstance(allowed, list) and allowed else []
    kinds += [kind_of_pattern(pattern)] if isinstance(pattern, str) else []
    return max(kinds, key=_KINDS.index, default="free")


def _type(declared: Any) -> str:
    return str(declared.get("Type", "")) if isinstance(declared, dict) else ""


@lru_cache(maxsize=1024)
def kind_of_pattern(pattern: str) -> str:
    """
    Return the kind of a token for a text that a regular expression matches.

    Source:
        CloudFormation guide, parameters-section-syntax: the pattern must match the entire value.
    """
    found = _characters(pattern)
    if found <= _WORD:
        return "word"
    return "free" if found & _WILD else "text"


def _characters(pattern: str) -> frozenset[str]:
    """Return the characters that a match may hold; all of them where Java may read the pattern in another way."""
    in_class = re.search(r"\[[^\]]*?(?:\[|&&)", re.sub(r"\\.", "", pattern))
    if in_class or re.search(r"\(\?[a-zA-Z-]*[xuUL]", pattern):
        return _ANY
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _of_sequence(parser.parse(pattern, re.ASCII))
    except (re.error, Warning, OverflowError, RecursionError, _OddError):
        return _ANY


class _OddError(Exception):
    """A part of a regular expression that nobody has thought of."""


def _of_sequence(parsed: Any) -> frozenset[str]:
    return frozenset[str]().union(*(_of_part(name, argument) for name, argument in parsed))


def _of_part(name: Any, argument: Any) -> frozenset[str]:
    if name in (sre.AT, sre.ASSERT, sre.ASSERT_NOT, sre.GROUPREF):
        # Takes no character, or repeats what is counted elsewhere.
        return frozenset()
    if name is sre.LITERAL:
        return _of_code(argument)
    if name is sre.NOT_LITERAL:
        return _ANY - (_of_code(argument) & _ALL)
    if name is sre.ANY:
        return _ANY
    if name is sre.IN:
        return _of_class(argument)
    if name is sre.BRANCH:
        return frozenset[str]().union(*map(_of_sequence, argument[1]))
    if name is sre.SUBPATTERN:
        return _of_sequence(argument[3])
    if name in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _of_sequence(argument[2])
    if name is sre.ATOMIC_GROUP:
        return _of_sequence(argument)
    raise _OddError


def _of_class(parts: Any) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    negated = False
    for name, argument in parts:
        if name is sre.NEGATE:
            negated = True
        elif name is sre.LITERAL:
            found |= _of_code(argument)
        elif name is sre.RANGE:
            found |= {char for char in _ALL if argument[0] <= ord(char) <= argument[1]}
            found |= {_OTHERS} if argument[1] >= len(_ALL) else set()
        elif name is sre.CATEGORY:
            found |= _of_category(argument)
        else:
            raise _OddError
    # Of the characters beyond ASCII some are never in a class: a negated one may hold them.
    return (_ANY - (found - {_OTHERS})) if negated else found


def _of_category(name: Any) -> frozenset[str]:
    digits = frozenset("0123456789")
    spaces = frozenset(" \t\n\r\f\v")
    letters = digits | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    known = {
        sre.CATEGORY_DIGIT: digits, sre.CATEGORY_NOT_DIGIT: _ANY - digits,
        sre.CATEGORY_SPACE: spaces, sre.CATEGORY_NOT_SPACE: _ANY - spaces,
        sre.CATEGORY_WORD: letters, sre.CATEGORY_NOT_WORD: _ANY - letters,
    }  # fmt: skip
    if name not in known:
        raise _OddError
    return known[name]


def _of_code(code: int) -> frozenset[str]:
    char = chr(code) if code < len(_ALL) else _OTHERS
    # Whatever the pattern says of letter case.
    return frozenset({char, char.lower(), char.upper()}) if char in _ALL else frozenset({_OTHERS})
