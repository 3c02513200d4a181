"""Whether object key formats, and patterns excepted from their guard, isolate sessions."""

from collections.abc import Sequence
from itertools import combinations

from session_scoping.constructs.cdk.stack_context import TOKEN, has_wildcard
from session_scoping.constructs.data.objects import BoundObjects
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat


def check_disjoint(objects: Sequence[BoundObjects]) -> None:
    """
    Refuse two formats in one bucket that meet under different sessions.

    Example: together with `traces/{user_id}/`, a format `{task_id}/` would give the task called `traces` everything.

    Raises:
        InvalidInputError: Two formats can name the same key for different sessions.
    """
    by_bucket: dict[str, list[KeyFormat]] = {}
    for entry in objects:
        # Two imports of one bucket spell its ARN differently, but not its name.
        by_bucket.setdefault(entry.bucket_arn.rpartition(":::")[2], []).extend(entry.formats)
    for formats in by_bucket.values():
        for one, other in combinations(formats, 2):
            if may_meet(one, other):
                raise InvalidInputError(
                    f"object key formats `{one.text}` and `{other.text}` can name the same key",
                    got="both in one bucket",
                    expected="formats that differ in literal text, or use the same tags at the same place",
                    why="a session whose tag equals the other format's text would reach other sessions' objects",
                    fix="put a literal segment such as `payloads/` first, or use two buckets",
                )


def may_meet(one: KeyFormat, other: KeyFormat) -> bool:
    """Whether some key fits both formats although the sessions' tags differ."""
    mine, theirs = (key_format.text.removesuffix("/").split("/") for key_format in (one, other))
    # An exact format fits keys of its own depth, a prefix only deeper ones.
    if not one.is_prefix and not other.is_prefix and len(mine) != len(theirs):
        return False
    if one.is_prefix != other.is_prefix:
        exact, prefix = (theirs, mine) if one.is_prefix else (mine, theirs)
        if len(exact) <= len(prefix):
            return False
    pairs = list(zip(mine, theirs, strict=False))
    nested_on_purpose = all(a == b for a, b in pairs)
    return not nested_on_purpose and all(a == b or "{" in a or "{" in b for a, b in pairs)


def check_others(patterns: Sequence[str], objects: Sequence[BoundObjects]) -> tuple[str, ...]:
    """
    Return the patterns that are excepted from the guard, or refuse those that would void it.

    Raises:
        InvalidInputError: Text in place of a list, no object of one named bucket, or a pattern that can meet
            tenant objects.
    """
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    for pattern in given:
        bucket, slash, key = pattern.rpartition(":::")[2].partition("/")
        first = key.partition("/")[0]
        named = pattern.startswith(("arn:", TOKEN)) and slash and bucket and not has_wildcard(bucket)
        heads = [
            key_format.text.partition("/")[0]
            for entry in objects
            if entry.bucket_arn.rpartition(":::")[2] == bucket
            for key_format in entry.formats
        ]
        meets = any("{" in head or head == first or has_wildcard(first) for head in heads)
        if isinstance(patterns, str) or not named or meets:
            raise InvalidInputError(
                "other_objects would open more than other objects",
                got="one text in place of a list" if isinstance(patterns, str) else f"`{pattern}`",
                expected="ARN patterns of one named bucket each, outside the tenant prefixes",
                why="the guard that closes the rest of S3 would not hold for tenant objects",
                fix='name the bucket and a prefix, such as ["arn:aws:s3:::shared-docs/*"]',
            )
    return given
