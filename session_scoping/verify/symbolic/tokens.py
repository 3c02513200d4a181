"""Text only known at deploy time as z3 strings, with what the naming rules of each service say of it."""

from functools import lru_cache

import z3

from session_scoping.verify.patterns.text import PARTITIONS, TYPED_IN, Token

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
