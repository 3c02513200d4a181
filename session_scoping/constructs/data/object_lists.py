"""Lists of a session's own objects: `s3:ListBucket` under the prefixes that are the session's."""

from collections.abc import Sequence

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.statements import Conditions, allow, deny, tags_present
from session_scoping.constructs.data.access import LIST_OBJECTS
from session_scoping.constructs.data.objects import BoundObjects
from session_scoping.contract.key_formats import KeyFormat


def allow_sections(objects: Sequence[BoundObjects]) -> list[Section]:
    """
    Return the Allows, one for each bucket: a prefix is compared by a condition, so it says nothing of the bucket.

    A positive operator does not hold where the request has no prefix, and none of ours matches an empty one.
    Source: S3 guide, amazon-s3-policy-keys; service authorization reference, list_amazons3.
    """
    statements = []
    for bucket, formats in _listed(objects).items():
        own: Conditions = {"StringLike": {"s3:prefix": _prefixes(formats)}}
        used = dict.fromkeys(tag for key_format in formats for tag in key_format.tags)
        statements.append(allow("ListObjects", [LIST_OBJECTS], [bucket], own, tags_present(used)))
    return [Section.whole(statement) for statement in statements]


def guard_sections(objects: Sequence[BoundObjects]) -> list[Section]:
    """Return the Denies of all else on the buckets that are listed; a negated operator holds without a prefix too."""
    listed = _listed(objects)
    if not listed:
        return []
    statements = [deny("OtherBucketActions", {"NotAction": [LIST_OBJECTS], "Resource": [*listed]})]
    for bucket, formats in listed.items():
        foreign: Conditions = {"StringNotLike": {"s3:prefix": _prefixes(formats)}}
        statements.append(deny("OtherLists", {"Action": [LIST_OBJECTS], "Resource": [bucket]}, foreign))
    return [Section.whole(statement) for statement in statements]


def _listed(objects: Sequence[BoundObjects]) -> dict[str, list[KeyFormat]]:
    """Return the buckets that are listed, each with the formats of the prefixes that may be asked for."""
    found: dict[str, list[KeyFormat]] = {}
    for entry in (entry for entry in objects if entry.lists):
        found.setdefault(entry.bucket_arn, []).extend(entry.formats)
    return found


def _prefixes(formats: Sequence[KeyFormat]) -> list[str]:
    return [*dict.fromkeys(f"{key_format.policy_variables()}*" for key_format in formats)]
