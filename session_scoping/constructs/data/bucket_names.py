"""A bucket under every name that S3 has for it."""

from collections.abc import Sequence

from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Statement, deny

_ACTIONS = ("s3:*", "s3-object-lambda:*")


def deny_buckets(sid: str, bucket_arns: Sequence[str], context: StackContext) -> Statement:
    """
    Return the Deny of everything in buckets, and of what reaches them by another ARN.

    An access point is another name for its bucket, an access grant hands out another role's credentials for a prefix,
    and Object Lambda answers with a bucket's objects. None of their ARNs says which bucket that is, and a principal
    that may do anything in S3 could make one: all of them are denied.

    Source: service authorization reference, list_amazons3 and list_amazons3objectlambda (resource types).

    Args:
        sid: The statement's Sid.
        bucket_arns: The buckets, each with its objects.
        context: The statement's stack.
    """
    whole = [arn for bucket in bucket_arns for arn in (bucket, f"{bucket}/*")]
    names = ("s3:*:*:accesspoint/*", "s3:*:*:access-grants/*", "s3-object-lambda:*:*:accesspoint/*")
    return deny(sid, {"Action": _ACTIONS, "Resource": [*whole, *(f"arn:{context.partition}:{name}" for name in names)]})
