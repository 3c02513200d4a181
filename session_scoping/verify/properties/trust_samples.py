"""Values for tags that a trust policy lets in: as plain as its patterns allow."""

import re
from collections.abc import Iterator

from session_scoping.verify.patterns.matching import parsed, pattern_regex
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Wildcard
from session_scoping.verify.policies.model import Role
from session_scoping.verify.policies.statement_queries import REQUEST_TAG

_DEMANDING = {"stringlike", "stringequals"}


def fitting(role: Role, key: str, wanted: str) -> str:
    """
    Return a value for a tag: the one wanted, or one made after a pattern of the trust policy where that fits none.

    z3 takes long to make up a UUID after a pattern of its length, and gives up; filled with one letter it is at hand.

    Args:
        role: Whose trust policy.
        key: The tag, in lower case.
        wanted: The value, not empty; its last letter is the one to fill with.
    """
    patterns = list(_patterns(role, key))
    if not patterns or any(re.fullmatch(pattern_regex(p, {}), wanted, re.DOTALL) for p in patterns):
        return wanted
    letter = wanted[-1]
    # Another pattern for another letter: of tenants that are listed, two are two.
    chosen = patterns[ord(letter) % len(patterns)]
    return "".join(letter if isinstance(part, Wildcard) else str(part) for part in chosen)


def _patterns(role: Role, key: str) -> Iterator[Pattern]:
    """Yield what an Allow of the trust policy demands of a tag, as far as it is text and wildcards."""
    for statement in (s for s in role.trust if s.allow):
        for condition in statement.conditions:
            operator = condition.operator.lower()
            if condition.key.lower() != f"{REQUEST_TAG}{key}" or operator not in _DEMANDING:
                continue
            for value in condition.values:
                pattern = parsed(value, statement.variables, operator == "stringlike")
                if not isinstance(pattern, Unmodelled) and all(isinstance(part, str | Wildcard) for part in pattern):
                    yield pattern
