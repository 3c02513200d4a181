"""ARNs as patterns: which is everything, which cover another, what of one is left behind another. Works without z3."""

import re

from session_scoping.verify.patterns.matching import split_fields
from session_scoping.verify.patterns.naming import fields_may_agree
from session_scoping.verify.patterns.text import Pattern, Text, Token, Variable, Wildcard
from session_scoping.verify.policies.model import Store


def is_open(pattern: Pattern) -> bool:
    """Whether a pattern is `*` and so matches everything."""
    return bool(pattern) and all(part == Wildcard("*") for part in pattern)


def strip(pattern: Pattern, text: Text) -> Pattern | None:
    """Return what is left of a pattern after exactly `text`, or None when it does not begin with it."""
    rest = list(pattern)
    for part in text:
        if not rest:
            return None
        if isinstance(part, Token):
            if rest[0] != part:
                return None
            rest.pop(0)
            continue
        if not isinstance(rest[0], str) or not rest[0].startswith(part):
            return None
        remainder = rest[0][len(part) :]
        rest[0:1] = [remainder] if remainder else []
    return tuple(rest)


def suffix_after_arn(pattern: Pattern, store: Store) -> Pattern | None:
    """
    Return what follows a store's ARN in a pattern that may mean this store, however partition, Region and account are
    spelled; None when it means another one.
    """
    left = strip(pattern, store.arn)
    ours, theirs = split_fields(pattern), split_fields(store.arn)
    if left is not None or len(ours) != 6 or len(theirs) != 6:
        return left
    if ours[2] != theirs[2] or not all(fields_may_agree(ours[i], theirs[i]) for i in (1, 3, 4)):
        return None
    return strip(ours[5], theirs[5])  # type: ignore[arg-type]


def of_another_service(pattern: Pattern, service: str) -> bool:
    """
    Whether a pattern matches no ARN of a service, whatever is filled in: it spells another one out.

    A wildcard before the service, or a value that may hold a colon, could reach past it.
    """
    fields = split_fields(pattern)
    if len(fields) != 6 or fields[0] != ("arn",):
        return False
    here = all(isinstance(part, str) or (isinstance(part, Token) and part.kind == "partition") for part in fields[1])
    return here and len(fields[2]) == 1 and isinstance(fields[2][0], str) and fields[2][0] != service


_WILD = {"*": "\ue000", "?": "\ue001"}


def _render(pattern: Pattern) -> str:
    """Return a pattern as text in which wildcards and variables are characters of their own."""
    pieces: list[str] = []
    for part in pattern:
        if isinstance(part, Wildcard):
            pieces.append(_WILD[part.symbol])
        elif isinstance(part, Variable):
            pieces.append(f"\ue002{part.key}\ue003")
        elif isinstance(part, Token):
            pieces.append(f"\ue004{part.name}\ue005")
        else:
            pieces.append(part)
    return "".join(pieces)


def covers(wide: Pattern, narrow: Pattern) -> bool:
    """Whether everything `narrow` matches is matched by `wide`, as far as the shapes tell."""
    pieces: list[str] = []
    for part in wide:
        if isinstance(part, Wildcard):
            pieces.append(".*" if part.symbol == "*" else "[^\ue000-\ue005]")
        else:
            pieces.append(re.escape(_render((part,))))
    return re.fullmatch("".join(pieces), _render(narrow), re.DOTALL) is not None


def disjoint(one: Pattern, two: Pattern) -> bool:
    """Whether two patterns surely have no ARN in common, because their literal beginnings or ends differ."""
    head = min(len(beginning(one)), len(beginning(two)))
    tail = min(len(_end(one)), len(_end(two)))
    if beginning(one)[:head] != beginning(two)[:head]:
        return True
    return tail > 0 and _end(one)[-tail:] != _end(two)[-tail:]


def beginning(pattern: Pattern) -> str:
    """Return the literal text a pattern begins with."""
    return pattern[0] if pattern and isinstance(pattern[0], str) else ""


def _end(pattern: Pattern) -> str:
    return pattern[-1] if pattern and isinstance(pattern[-1], str) else ""
