"""A resource entry of a grant as the target of a call: some resource it covers, whatever others say of it."""

from session_scoping.aws.actions import action as tabled
from session_scoping.verify.patterns.matching import split_fields
from session_scoping.verify.patterns.naming import beginning, covers, disjoint, is_open
from session_scoping.verify.patterns.text import Pattern, Text, Token, Variable, Wildcard
from session_scoping.verify.symbolic.access import Target
from session_scoping.verify.symbolic.strings import Lookup, Match, concat, match_string
from session_scoping.verify.symbolic.targets import ALWAYS, MAYBE, NEVER

_STAND_IN = "zz"


def entry_arn(pattern: Pattern) -> Text:
    """Return one ARN a pattern covers, wildcards filled in; a variable becomes a token the model does not know."""
    if is_open(pattern):
        return ("arn:aws:zz:us-east-1:111122223333:zz",)
    parts: list[str | Token] = []
    for part in pattern:
        if isinstance(part, Wildcard):
            parts.append(_STAND_IN if part.symbol == "*" else "z")
        elif isinstance(part, Variable):
            parts.append(Token(f"${{{part.key}}}", "variable"))
        else:
            parts.append(part)
    return tuple(parts)


def entry_target(pattern: Pattern, lookup: Lookup) -> Target:
    """Return what a resource pattern covers, as the target of a call."""
    exact = not any(isinstance(part, Wildcard) for part in pattern)

    def match(other: Pattern) -> Match:
        if is_open(other) or other == pattern:
            return ALWAYS
        if covers(other, pattern):
            return ALWAYS
        if disjoint(other, pattern):
            return NEVER
        if exact:
            value, _ = concat(pattern, lookup)
            return match_string(other, value, lookup)
        return MAYBE

    return Target(match)


def may_be_access_point(pattern: Pattern) -> bool:
    """Whether a pattern of six fields may name an access point, or something behind one; a bucket's has no account."""
    fields = split_fields(pattern)
    if len(fields) != 6 or not fields[4] or not fields[5]:
        return False
    if fields[2] != ("s3",) and not any(isinstance(part, Wildcard) for part in fields[2]):
        return False
    head = fields[5][0] if isinstance(fields[5][0], str) else ""
    name = "accesspoint"
    return head.startswith(name) or (name.startswith(head) and fields[5] != (head,))


def may_name(pattern: Pattern, action: str) -> bool:
    """
    Whether a resource entry may name something an action acts on: one of its resource types, or `*` where it has none.

    Source: IAM guide, reference_policies_elements_resource: an action without resource types needs `*`.
    """
    found = tabled(action)
    fields = split_fields(pattern)
    if found is None or len(fields) != 6 or any(isinstance(part, Wildcard) for part in fields[0]):
        return True
    return any(_may_be_of(fields, resource.arn) for resource in found.resources)


def _may_be_of(fields: tuple[Pattern, ...], arn: str) -> bool:
    """Whether the fields of an entry may be those of an ARN with placeholders, as far as their beginnings tell."""
    theirs = arn.split(":", 5)
    if len(theirs) != 6:
        return True
    for at in (3, 4):
        # A bucket's ARN has neither Region nor account, an access point's has both; `*` stands for nothing as well.
        fits = bool(fields[at]) if theirs[at] else all(part == Wildcard("*") for part in fields[at])
        if not fits:
            return False
    for at in (2, 5):
        ours = fields[at]
        mine = beginning(ours)
        other = theirs[at].partition("${")[0]
        shared = min(len(mine), len(other))
        if mine[:shared] != other[:shared] or (ours == (mine,) and not mine.startswith(other)):
            return False
    return True
