"""Whether object key formats, and patterns excepted from their guard, isolate sessions."""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct

from session_scoping.constructs.cdk.documents import flatten
from session_scoping.constructs.cdk.stack_context import TOKEN, StackContext, has_wildcard, is_token
from session_scoping.constructs.data.objects import BoundObjects
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat


def check_disjoint(objects: Sequence[BoundObjects], context: StackContext) -> None:
    """
    Refuse two formats in one bucket that meet under different sessions.

    Example: together with `traces/{user_id}/`, a format `{task_id}/` would give the task called `traces` everything.

    Raises:
        InvalidInputError: Two formats can name the same key for different sessions.
    """
    for (one, formats), (other, others) in _pairs_of_one_bucket(objects, context):
        pairs = combinations(formats, 2) if one is other else product(formats, others)
        for mine, theirs in pairs:
            if may_meet(mine, theirs):
                raise InvalidInputError(
                    f"object key formats `{mine.text}` and `{theirs.text}` can name the same key",
                    got="both in one bucket",
                    expected="formats that differ in literal text, or use the same tags at the same place",
                    why="a session whose tag equals the other format's text would reach other sessions' objects",
                    fix="put a literal segment such as `payloads/` first, or use two buckets",
                )


_Entry = tuple[BoundObjects, tuple[KeyFormat, ...]]


def _pairs_of_one_bucket(objects: Sequence[BoundObjects], context: StackContext) -> Iterable[tuple[_Entry, _Entry]]:
    for one, other in combinations_with_replacement(objects, 2):
        if one is other or _is_one_bucket(one, other, context):
            yield (one, one.formats), (other, other.formats)


def _is_one_bucket(one: BoundObjects, other: BoundObjects, context: StackContext) -> bool:
    """Whether two entries name one bucket, perhaps under two imports, which spell its ARN differently."""
    if one.bucket_arn == other.bucket_arn:
        return True
    if one.home and other.home:  # both are made in this app, each once
        return False
    return not _bucket_names(one.bucket_arn, context).isdisjoint(_bucket_names(other.bucket_arn, context))


def _bucket_names(arn: str, context: StackContext) -> set[str]:
    """Return what the bucket in an ARN is called: as this ARN spells it, and by the name it was given, if any."""
    names = {_spelled(arn, context).partition("/")[0]}
    for target in _references(arn):
        home = StackContext.of(target)
        if given := home.stack.resolve(getattr(target, "bucket_name", None)):
            names.add(_written(given, home))
    return names


def _spelled(arn: str, context: StackContext) -> str:
    """Return what follows `:::` in an ARN as CloudFormation resolves it, with `<id>` for a resource's name."""
    context.resolve([arn])
    return _written(context.resolved_value(arn), context).rpartition(":::")[2]


def _written(resolved: Any, context: StackContext) -> str:
    match resolved:
        case {"Fn::Sub": [str(template), dict(names)]}:
            text = _NAMED.sub(lambda found: flatten(names.get(found[1], found[0])), template)
        case other:
            text = flatten(other)
    text = _OWN_ARN.sub(r":::<\1>", text.replace("${", "<").replace("}", ">"))
    for pseudo, value in (("<AWS::AccountId>", context.account), ("<AWS::Region>", context.region)):
        text = text if is_token(value) else text.replace(pseudo, value)
    return text


_NAMED = re.compile(r"\$\{(\w+)\}")
_OWN_ARN = re.compile(r"^<(\w+)\.Arn>")


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


def check_others(patterns: Sequence[str], objects: Sequence[BoundObjects], context: StackContext) -> tuple[str, ...]:
    """
    Return the patterns that are excepted from the guard, or refuse those that would void it.

    They are compared by what they resolve to: a joined ARN names the bucket that its parts name.

    Raises:
        InvalidInputError: Text in place of a list, no object of one named bucket (an access point is another name of
            a bucket nobody can tell), or a pattern that can meet tenant objects.
    """
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    for pattern in given:
        spelled = _spelled(pattern, context)
        bucket, slash, key = spelled.partition("/")
        first = key.partition("/")[0]
        is_bucket = pattern.startswith(("arn:", TOKEN)) and not spelled.startswith("arn:") and not _is_other(pattern)
        named = is_bucket and slash and bucket and not _varies(bucket)
        names = _bucket_names(pattern, context)
        heads = [
            key_format.text.partition("/")[0]
            for entry in objects
            if not names.isdisjoint(_bucket_names(entry.bucket_arn, context)) and not _is_elsewhere(pattern, entry)
            for key_format in entry.formats
        ]
        # A value that only the deployment knows may be a tenant's prefix.
        meets = any("{" in head or head == first or has_wildcard(first) or "<" in first for head in heads)
        if isinstance(patterns, str) or not named or meets:
            raise InvalidInputError(
                "other_objects would open more than other objects",
                got="one text in place of a list" if isinstance(patterns, str) else f"`{pattern}`",
                expected="ARN patterns of one named bucket each, outside the tenant prefixes",
                why="the guard that closes the rest of S3 would not hold for tenant objects",
                fix='name the bucket and a prefix, such as ["arn:aws:s3:::shared-docs/*"]',
            )
    return given


def _varies(text: str) -> bool:
    """Whether a part of a pattern has a wildcard or a policy variable; `<id>` is a resource's name."""
    return has_wildcard(text) or "<aws:" in text


def _references(text: str) -> list[IConstruct]:
    """Return the resources that a string's own tokens refer to; none for a token made of several."""
    tokens = cdk.Tokenization.reverse_string(text).tokens if is_token(text) else []
    return [token.target for token in tokens if isinstance(token, cdk.Reference) and cdk.Reference.is_reference(token)]


def _is_elsewhere(pattern: str, entry: BoundObjects) -> bool:
    """Whether a pattern names a bucket of another stack than an entry's, whose logical id may be the same."""
    targets = _references(pattern)
    return bool(targets) and entry.home is not None and all(StackContext.of(one) is not entry.home for one in targets)


def _is_other(pattern: str) -> bool:
    """Whether a pattern is made of the ARN of something else, such as an access point's."""
    kinds = (getattr(one, "cfn_resource_type", "AWS::S3::Bucket") for one in _references(pattern))
    return any(kind != "AWS::S3::Bucket" for kind in kinds)
