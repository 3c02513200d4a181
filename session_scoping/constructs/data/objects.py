"""Tenant objects: which keys of which bucket a session reaches, and the guards around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import aws_cdk as cdk

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, asked_once, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, tags_present
from session_scoping.constructs.data.access import (
    LIST_OBJECTS,
    OBJECT_ACCESS,
    actions_for,
    as_words,
    require_attribute,
)
from session_scoping.constructs.data.bucket_names import deny_buckets
from session_scoping.contract import key_formats
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat

Reach = Literal["task", "user"]


@dataclass(frozen=True)
class TenantObjects:
    """
    Objects of one bucket that belong to a session, and what it may do with them.

    Args:
        bucket: The bucket, created here or imported.
        keys: Key formats: a prefix when it ends in `/`, else one exact key. Every format names a session tag.
        access: Access words, see `access.OBJECT_ACCESS`. `list` names the objects under these prefixes, to a request
            that asks for such a prefix.
        encryption_key: Customer-managed key of the bucket. Default: the key found on the bucket.
    """

    bucket: cdk.aws_s3.IBucket
    keys: Sequence[str]
    access: str | Sequence[str]
    encryption_key: cdk.aws_kms.IKey | None = None

    def __post_init__(self) -> None:
        require_attribute(
            self.bucket, "bucket_arn", what="a tenant bucket", example='Bucket.from_bucket_name(self, "Data", "data")'
        )
        for name in ("keys", "access"):
            object.__setattr__(self, name, as_words(getattr(self, name), name))

    @classmethod
    def traces(cls, bucket: cdk.aws_s3.IBucket, *, reach: Reach = "task") -> TenantObjects:
        """Return put access to the session's traces; `reach="user"` lets it write to all tasks of its user."""
        own = (key_formats.TRACE_OBJECT, key_formats.TRACE_PREFIX)
        keys = _by_reach(reach, {"task": own, "user": (key_formats.USER_TRACE_PREFIX,)})
        return cls(bucket, keys, ("put", "multipart"))

    @classmethod
    def attachments(cls, bucket: cdk.aws_s3.IBucket, *, reach: Reach = "task") -> TenantObjects:
        """Return read access to the session's attachments; `reach="user"` opens all tasks of its user."""
        own = (key_formats.ATTACHMENT_PREFIX,)
        keys = _by_reach(reach, {"task": own, "user": (key_formats.USER_ATTACHMENT_PREFIX,)})
        return cls(bucket, keys, ("get", "get-version"))

    @classmethod
    def artifacts(cls, bucket: cdk.aws_s3.IBucket) -> TenantObjects:
        """Return put access to the task's artifacts."""
        return cls(bucket, (key_formats.ARTIFACT_PREFIX,), "put")

    @classmethod
    def payload(cls, bucket: cdk.aws_s3.IBucket) -> TenantObjects:
        """Return read access to the task's own payload object."""
        return cls(bucket, (key_formats.PAYLOAD_OBJECT,), "get")

    def bind(self, tag_keys: Sequence[str], bucket: BucketFacts) -> BoundObjects:
        """
        Check the entry against the tag keys and what was read of its bucket.

        Raises:
            InvalidInputError: Unknown access word, no key format, a format that cannot isolate, or a `list` of an
                exact key.
        """
        if isinstance(self.keys, str) or not self.keys:
            raise InvalidInputError(
                "the object key formats are not a list",
                got=f"`{self.keys}`" if self.keys else "none",
                expected='a sequence of formats, such as ["artifacts/{task_id}/"]',
                why="without a format there is nothing to allow",
                fix="pass a list, or leave the bucket out",
            )
        formats = tuple(KeyFormat.object_key(key, tag_keys) for key in self.keys)
        key = self.encryption_key or bucket.encryption_key
        actions = actions_for(self.access, OBJECT_ACCESS, "tenant objects")
        lists = LIST_OBJECTS in actions
        if lists and (exact := [one.text for one in formats if not one.is_prefix]):
            raise InvalidInputError(
                "`list` is given for an exact object key",
                got=", ".join(f"`{text}`" for text in exact),
                expected="prefixes, which end in `/`",
                why="S3 lists every key that begins with the text, so task `T1` would see the keys of task `T10`",
                fix="give the exact keys an entry of their own, without `list`",
            )
        return BoundObjects(
            bucket_arn=bucket.arn,
            arns=tuple(_object_arn(bucket.arn, key_format) for key_format in formats),
            formats=formats,
            actions=tuple(action for action in actions if action != LIST_OBJECTS),
            lists=lists,
            kms_key_arn=key.key_arn if key else None,
            bucket_key=self._may_use_bucket_key() if key else False,
            account=bucket.account,
            home=bucket.home,
        )

    def _may_use_bucket_key(self) -> bool:
        """Whether S3 may name the bucket instead of the object to KMS; an imported bucket may."""
        resource: Any = self.bucket.node.default_child
        if not isinstance(resource, cdk.aws_s3.CfnBucket):
            return True
        encryption = self.bucket.stack.resolve(resource.bucket_encryption) or {}
        rules = encryption.get("serverSideEncryptionConfiguration", [])
        return any(rule.get("bucketKeyEnabled") for rule in rules)


def _by_reach(reach: str, keys: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if reach not in keys:
        raise InvalidInputError(
            "unknown reach of an object prefix",
            got=f"`{reach}`",
            expected=" or ".join(f"`{known}`" for known in keys),
            why="it decides whether a session reaches its task's objects or all of its user's",
            fix='leave it out for reach="task"',
        )
    return keys[reach]


def _object_arn(bucket_arn: str, key_format: KeyFormat) -> str:
    return f"{bucket_arn}/{key_format.policy_variables()}{'*' if key_format.is_prefix else ''}"


@dataclass(frozen=True)
class BucketFacts:
    """
    What the statements need of a bucket.

    Attributes:
        arn: Its ARN, perhaps a CDK token.
        encryption_key: The customer-managed key found on it, if any.
        account: The account that owns it, where that is known.
        home: Its stack if it is made in this app.
    """

    arn: str
    encryption_key: cdk.aws_kms.IKey | None
    account: str | None
    home: StackContext | None

    @classmethod
    def of(cls, bucket: cdk.aws_s3.IBucket) -> BucketFacts:
        """Read a bucket from the CDK."""
        # A bucket made in this app belongs to its stack's account; reading `env` takes a trip for each of its fields.
        home = StackContext.of(bucket) if isinstance(bucket, cdk.aws_s3.Bucket) else None
        account = home.account if home else bucket.env.account
        arn, key = asked_once(bucket, "bucket_arn"), asked_once(bucket, "encryption_key")
        return cls(arn, key, None if is_token(account) else account, home)


@dataclass(frozen=True)
class BoundObjects:
    """
    Tenant objects as the statements need them: plain strings, some of them CDK tokens.

    Attributes:
        actions: What a session may do with the objects themselves.
        lists: Whether it may list them.
    """

    bucket_arn: str
    arns: tuple[str, ...]
    formats: tuple[KeyFormat, ...]
    actions: tuple[str, ...]
    lists: bool
    kms_key_arn: str | None
    bucket_key: bool
    account: str | None
    home: StackContext | None

    @property
    def key_contexts(self) -> tuple[str, ...]:
        """What S3 names to KMS: the object, or with Bucket Keys the bucket (S3 guide, bucket-key)."""
        return (self.bucket_arn, *self.arns) if self.bucket_key else self.arns


def allow_sections(objects: Sequence[BoundObjects]) -> list[Section]:
    """Return the Allows, one statement for all keys with the same actions and tags."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for entry in (entry for entry in objects if entry.actions):
        groups.setdefault((entry.actions, _tags_of([entry])), []).extend(entry.arns)
    return [
        Section.by_resource(allow(f"Objects{number}", actions, arns, tags_present(tags)))
        for number, ((actions, tags), arns) in enumerate(groups.items(), 1)
    ]


def _tags_of(objects: Sequence[BoundObjects]) -> tuple[str, ...]:
    """Return the tags that their keys use."""
    return tuple(dict.fromkeys(tag for entry in objects for key_format in entry.formats for tag in key_format.tags))


def guard_sections(objects: Sequence[BoundObjects], others: Sequence[str], context: StackContext) -> list[Section]:
    """
    Return the Denies that hold when somebody later allows `s3:*`.

    IAM cannot say "these buckets, but not these prefixes", so everything in S3 is closed except the session's
    own keys and what `others` names: in a Deny with NotResource, a bucket nobody thought of is closed too, and so is
    every other name of a bucket: an access point, an access grant, Object Lambda.

    Where nothing else is excepted, the Denies that a condition decides name no resource.
    """
    if not objects:
        return []
    own = [arn for entry in objects for arn in entry.arns]
    listed = dict.fromkeys(entry.bucket_arn for entry in objects if entry.lists)
    outside = deny("OtherObjects", {"Action": ["s3:*", "s3-object-lambda:*"], "NotResource": [*own, *listed, *others]})
    # A deleted bucket's name can be taken by another account.
    accounts = list(dict.fromkeys([context.account, *(entry.account for entry in objects if entry.account)]))
    foreign: Conditions = {
        "StringNotEquals": {"aws:ResourceAccount": accounts if len(accounts) > 1 else accounts[0]},
        "Null": {"aws:ResourceAccount": "false"},
    }
    buckets = [*dict.fromkeys([*(f"{entry.bucket_arn}/*" for entry in objects), *listed])]
    elsewhere = deny("OtherAccounts", {"Action": ["s3:*"], "Resource": buckets if others else ["*"]}, foreign)
    return [Section.whole(outside, elsewhere, *_encryption_guards(objects, own if others else ["*"]))]


def _encryption_guards(objects: Sequence[BoundObjects], resources: Sequence[str]) -> list[Statement]:
    """
    Deny what encrypts an object with a key the platform cannot read with; a put that names none is not touched.

    By whichever action: the conditions are on headers, which PutObject and UpdateObjectEncryption carry.
    Source: service authorization reference, list_amazons3.
    """
    scope = {"Action": ["s3:*"], "Resource": resources}
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    named: Conditions = {"Null": {header: "false"}}
    if known := list(dict.fromkeys(entry.kms_key_arn for entry in objects if entry.kms_key_arn)):
        named["StringNotEquals"] = {header: known}
    # SSE-C: S3 keeps no copy of the caller's key (S3 guide, ServerSideEncryptionCustomerKeys).
    by_caller: Conditions = {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
    return [deny("ForeignKeys", scope, named), deny("CallerKeys", scope, by_caller)]


def compute_guard_sections(objects: Sequence[BoundObjects], context: StackContext) -> list[Section]:
    """Return the Denies for the compute roles: nothing in a bucket with tenant objects, by whichever name."""
    buckets = list(dict.fromkeys(entry.bucket_arn for entry in objects))
    return [Section.by_resource(deny_buckets("DenyTenantBuckets", buckets, context))] if buckets else []


def key_sections(objects: Sequence[BoundObjects], context: StackContext) -> list[Section]:
    """
    Return the Allows on the buckets' customer-managed keys, only as S3 asks for them and only for these keys.

    A multipart upload needs Decrypt as well as GenerateDataKey (S3 guide, mpuoverview). With Bucket Keys the context
    is the bucket, so KMS then parts no prefixes; the S3 statements do.
    """
    sections = []
    for sid, marker, actions in (
        ("DecryptObjects", "s3:Get", ["kms:Decrypt"]),
        ("EncryptObjects", "s3:Put", ["kms:Decrypt", "kms:GenerateDataKey"]),
    ):
        entries = [entry for entry in objects if entry.kms_key_arn and any(a.startswith(marker) for a in entry.actions)]
        if not entries:
            continue
        contexts = dict.fromkeys(context for entry in entries for context in entry.key_contexts)
        keys = list(dict.fromkeys(cast(str, entry.kms_key_arn) for entry in entries))
        conditions: Conditions = {
            "StringEquals": {"kms:ViaService": context.via_service("s3", keys)},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": list(contexts)},
        }
        tagged = tags_present(_tags_of(entries))["StringLike"]
        conditions["StringLike"] |= tagged
        sections.append(Section.whole(allow(sid, actions, keys, conditions)))
    return sections
