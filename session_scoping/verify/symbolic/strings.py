"""Policy patterns and deploy-time text as z3 strings and constraints on them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import z3

from session_scoping.verify.patterns.text import PARTITIONS, TYPED_IN, Pattern, Token, Variable, Wildcard

_CHARS = {
    "region": "abcdefghijklmnopqrstuvwxyz0123456789-",
    "account": "0123456789",
    "partition": "".join(sorted(set("".join(PARTITIONS)))),
    "table": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
    "bucket": "abcdefghijklmnopqrstuvwxyz0123456789.-",
    "role": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-",
    "key": "abcdef0123456789-mrk",
    "part": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-",
    "word": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-",
    "stack": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-",
    "function": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
}


_LAST = 0x2FFFF
"""z3's last character."""


def constant(text: str) -> z3.SeqRef:
    r"""
    Return text as a z3 string: to z3 `\u{31}` is an escape, to IAM it is six characters.

    Raises:
        ValueError: A character is beyond those of z3.
    """
    if any(ord(character) > _LAST for character in text):
        raise ValueError("a policy holds a character the solver does not know")
    return z3.StringVal(text.replace("\\", "\\u{5c}"))


def token_may_hold(token: Token, character: str) -> bool:
    """Whether the deploy-time text can hold a character. Source: the naming rules of each service."""
    return character in _CHARS.get(token.kind, character)


@lru_cache(maxsize=65536)
def token_constant(token: Token) -> z3.SeqRef:
    """Return the z3 string that stands for a token."""
    return z3.String(f"token {token.name}")


@lru_cache(maxsize=65536)
def token_domain(token: Token) -> z3.BoolRef:
    """Return what is known about a token's text."""
    constant = token_constant(token)
    if token.kind == "partition":
        return z3.Or(*(constant == z3.StringVal(name) for name in PARTITIONS))
    if token.kind == "account":
        return z3.InRe(constant, z3.Loop(_charset(_CHARS["account"]), 12, 12))
    if token.kind in _CHARS:
        some = z3.Star if token.kind in TYPED_IN else z3.Plus
        return z3.InRe(constant, some(_charset(_CHARS[token.kind])))
    return constant != z3.StringVal("")


@lru_cache(maxsize=64)
def _charset(characters: str) -> z3.ReRef:
    # As few ranges as there are: z3 takes seconds for a union of single characters.
    ranges: list[list[str]] = []
    for character in sorted(set(characters)):
        if ranges and ord(character) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = character
        else:
            ranges.append([character, character])
    parts = [z3.Range(first, last) for first, last in ranges]
    return parts[0] if len(parts) == 1 else z3.Union(*parts)


Bool: TypeAlias = "z3.BoolRef"
TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)


# z3 keeps one copy of each term, so that the same address is the same constant; its own functions ask four times.
def is_true(formula: Bool) -> bool:
    """Whether a formula is the constant."""
    return bool(formula.ast.value == TRUE.ast.value)


def is_false(formula: Bool) -> bool:
    """Whether a formula is the constant."""
    return bool(formula.ast.value == FALSE.ast.value)


@dataclass(frozen=True)
class Match:
    """
    Whether a pattern matches, as two formulas: `under` implies the truth, the truth implies `over`.

    Attributes:
        present: Whether all policy variables of the pattern have a value.
    """

    over: Bool
    under: Bool
    present: Bool = TRUE

    @staticmethod
    def exact(formula: Bool, present: Bool = TRUE) -> "Match":
        """Return a match known exactly."""
        return Match(formula, formula, present)


def either(matches: Iterable[Match]) -> Match:
    """Return the match of a list of patterns, any of which may match."""
    found = list(matches)
    return Match(
        disjunction([match.over for match in found]),
        disjunction([match.under for match in found]),
        conjunction([match.present for match in found]),
    )


def both(matches: Iterable[Match]) -> Match:
    """Return the match of the parts of one pattern, all of which must match."""
    found = list(matches)
    return Match(
        conjunction([match.over for match in found]),
        conjunction([match.under for match in found]),
        conjunction([match.present for match in found]),
    )


def conjunction(formulas: Sequence[Bool]) -> Bool:
    """Return the conjunction, simplified where a constant decides it."""
    kept = [formula for formula in formulas if not is_true(formula)]
    if any(is_false(formula) for formula in kept):
        return FALSE
    return TRUE if not kept else kept[0] if len(kept) == 1 else z3.And(*kept)


def disjunction(formulas: Sequence[Bool]) -> Bool:
    """Return the disjunction, simplified where a constant decides it."""
    kept = [formula for formula in formulas if not is_false(formula)]
    if any(is_true(formula) for formula in kept):
        return TRUE
    return FALSE if not kept else kept[0] if len(kept) == 1 else z3.Or(*kept)


def negation(formula: Bool) -> Bool:
    """Return the negation, simplified for constants."""
    if is_true(formula):
        return FALSE
    return TRUE if is_false(formula) else z3.Not(formula)


Lookup = Callable[[Variable], tuple[Bool, z3.SeqRef]]
"""Policy variable -> whether it has a value, and the value."""


def concat(parts: Pattern, lookup: Lookup) -> tuple[z3.SeqRef, Bool]:
    """Return wildcard-free parts as one string, and whether its variables all have a value."""
    terms: list[z3.SeqRef] = []
    present: list[Bool] = []
    for part in parts:
        if isinstance(part, str):
            terms.append(constant(part))
        elif isinstance(part, Token):
            terms.append(token_constant(part))
        elif isinstance(part, Variable):
            has, value = lookup(part)
            present.append(has)
            terms.append(value)
    joined = z3.StringVal("") if not terms else terms[0] if len(terms) == 1 else z3.Concat(*terms)
    return joined, conjunction(present)


def as_regex(parts: Pattern) -> z3.ReRef:
    """Return a pattern of literals and wildcards as a z3 regular expression."""
    any_one = z3.AllChar(z3.ReSort(z3.StringSort()))
    pieces = [
        z3.Re(constant(part)) if isinstance(part, str) else z3.Star(any_one) if part == Wildcard("*") else any_one
        for part in parts
    ]
    return z3.Re(z3.StringVal("")) if not pieces else pieces[0] if len(pieces) == 1 else z3.Concat(*pieces)


def head_of(parts: Pattern) -> Pattern:
    """Return the parts before the first wildcard."""
    index = next((i for i, part in enumerate(parts) if isinstance(part, Wildcard)), len(parts))
    return parts[:index]


def match_string(parts: Pattern, value: z3.SeqRef, lookup: Lookup) -> Match:
    """Match a pattern against one plain z3 string."""
    head = head_of(parts)
    joined, present = concat(head, lookup)
    tail = parts[len(head) :]
    if not tail:
        return Match.exact(conjunction([present, value == joined]), present)
    if all(part == Wildcard("*") for part in tail):
        prefix = TRUE if not head else z3.PrefixOf(joined, value)
        return Match.exact(conjunction([present, prefix]), present)
    if all(isinstance(part, str | Wildcard) for part in parts):
        return Match.exact(_special(parts, value))
    prefix = TRUE if not head else z3.PrefixOf(joined, value)
    return Match(conjunction([present, prefix]), FALSE, present)


def _special(parts: Pattern, value: z3.SeqRef) -> Bool:
    """The shapes trust policies use most, in the form z3 answers fastest."""
    star = Wildcard("*")
    if sorted(str(part) for part in parts) == sorted([str(Wildcard("?")), str(star)]):
        return value != z3.StringVal("")
    if len(parts) == 3 and parts[0] == star and parts[2] == star and isinstance(parts[1], str):
        return z3.Contains(value, constant(parts[1]))
    return z3.InRe(value, as_regex(parts))


def string_value(model: z3.ModelRef, term: z3.SeqRef) -> str:
    """Return the string a model gives to a term."""
    value = model.eval(term, model_completion=True)
    # z3 spells other than ASCII characters as `\\u{2040}`.
    text = str(value.as_string())
    return re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found[1], 16)), text)
