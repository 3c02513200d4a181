"""What a session may and may not do."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tests.support import cases
from tests.support.matrix import KEYED, PATH_TAGS, TABLES, TAGS, UNKEYED, Case, siblings
from tests.support.matrix.models import model_misses, model_needs
from tests.support.world import ACCOUNT, World


def session_cases(world: World) -> Iterator[Case]:
    """Yield what a session may and may not do."""
    wanted = [*_table_needs(world), *_object_needs(world), *model_needs("SessionRole", TAGS)]
    yield from wanted
    yield from siblings(wanted)
    yield from _untagged(_distinct_needs(wanted))
    yield from _table_misses(world)
    yield from _object_misses(world)
    yield from model_misses("SessionRole", TAGS)
    yield from _other_names(world)
    yield from _chaining(world)


def _distinct_needs(wanted: Iterable[Case]) -> Iterator[Case]:
    """Yield one need per action and statement: what differs only in a repeated key or a Region asks nothing new."""
    seen = set()
    for case in wanted:
        kind = case.resource.split("/")[0].replace("us-west-2", "us-east-1"), case.resource.split("/")[1:3]
        if (mark := (case.action, str(kind), bool(case.context))) not in seen:
            seen.add(mark)
            yield case


def _table(world: World, name: str) -> str:
    return world.arn(name, "AWS::DynamoDB::Table")


def _row(world: World, table: str, action: str, keys: list[str] | None, *, allowed: bool, note: str = "") -> Case:
    context = {"dynamodb:LeadingKeys": keys} if keys is not None else {}
    arn = _table(world, table)
    return Case(f"{action} on {table} {note or keys}", "SessionRole", f"dynamodb:{action}", arn, allowed, context)


def _table_needs(world: World) -> Iterator[Case]:
    for table, actions in TABLES.items():
        for action in sorted(actions):
            yield _row(world, table, action, ["T1"], allowed=True)
            yield _row(world, table, action, ["T1", "T1"], allowed=True)


def _table_misses(world: World) -> Iterator[Case]:
    for table, actions in TABLES.items():
        arn = _table(world, table)
        for action in sorted(actions):
            for keys in (["T2"], ["T10"], ["T"], ["t1"], ["T1", "T2"], ["u1"], ["T*"], None):
                yield _row(world, table, action, keys, allowed=False)
            elsewhere = arn.replace("us-east-1", "us-west-2")
            foreign = _row(world, table, action, ["T2"], allowed=False, note="in a replica Region")
            yield replace(foreign, resource=elsewhere)
        for action in KEYED:
            if action not in actions:
                yield _row(world, table, action, ["T1"], allowed=False)
        for action in UNKEYED:
            yield _row(world, table, action, None, allowed=False)
        for index in ("UserStatusIndex", "StatusIndex"):
            for action, key in (("Query", "T1"), ("Query", "u1"), ("PartiQLSelect", "T1")):
                case = _row(world, table, action, [key], allowed=False, note=f"{index} {key}")
                yield replace(case, resource=f"{arn}/index/{index}")
        scan = _row(world, table, "Scan", None, allowed=False, note="through an index")
        yield replace(scan, resource=f"{arn}/index/UserStatusIndex")
        for action in ("GetRecords", "GetShardIterator", "DescribeStream"):
            case = _row(world, table, action, None, allowed=False, note="stream")
            yield replace(case, resource=f"{arn}/stream/2026-01-01T00:00:00.000")
        backup = _row(world, table, "DescribeBackup", None, allowed=False, note="backup")
        yield replace(backup, resource=f"{arn}/backup/01489602797149-73d8d5bc")


def _bucket(world: World, name: str) -> str:
    return world.arn(name, "AWS::S3::Bucket")


def _object(name: str, action: str, arn: str, *, allowed: bool, guarded: bool = True, **context: Any) -> Case:
    full = {"aws:ResourceAccount": ACCOUNT, **context}
    return Case(f"{action} {name}", "SessionRole", f"s3:{action}", arn, allowed, full, guarded=guarded)


def _object_needs(world: World) -> Iterator[Case]:
    traces, attachments = _bucket(world, "TraceArtifactBucket"), _bucket(world, "AttachmentsBucket")
    for key in ("traces/u1/T1.jsonl.gz", "traces/u1/T1/part-1.gz", "traces/u1/T1/a/b"):
        for action in ("PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
            yield _object(key, action, f"{traces}/{key}", allowed=True)
    yield _object("artifact", "PutObject", f"{traces}/artifacts/T1/result.md", allowed=True)
    for action in ("GetObject", "GetObjectVersion"):
        yield _object("attachment", action, f"{attachments}/attachments/u1/T1/a1/file.pdf", allowed=True)


def _object_misses(world: World) -> Iterator[Case]:
    traces, attachments = _bucket(world, "TraceArtifactBucket"), _bucket(world, "AttachmentsBucket")
    foreign_keys = [
        "traces/u2/T2.jsonl.gz",
        "traces/u2/T1.jsonl.gz",
        "traces/u1/T2.jsonl.gz",
        "traces/u1/T10.jsonl.gz",
        "traces/u1/T1.jsonl.gz.bak",
        "traces/u1/T1",
        "traces/u1/T1.evil",
        "traces/u1/T10/x",
        "traces/u2/T2/x",
        "traces/u10/T1/x",
        "traces/u1T1/x",
        "traces/U1/T1/x",
        "artifacts/T2/result.md",
        "artifacts/T10/x",
        "artifacts/T1",
        "attachments/u1/T1/a/f",
        "x",
    ]
    for key in foreign_keys:
        for action in ("PutObject", "AbortMultipartUpload", "GetObject", "DeleteObject"):
            yield _object(key, action, f"{traces}/{key}", allowed=False)
    for key in (
        "attachments/u2/T2/a/f",
        "attachments/u2/T1/a/f",
        "attachments/u1/T2/a/f",
        "attachments/u1/T10/a/f",
        "attachments/u1/T1",
    ):
        for action in ("GetObject", "GetObjectVersion", "PutObject"):
            yield _object(key, action, f"{attachments}/{key}", allowed=False)
    own = f"{traces}/traces/u1/T1/part-1.gz"
    for action in ("GetObject", "DeleteObject", "PutObjectAcl"):
        # The guards part sessions from one another, not a session from its own objects.
        yield _object("own trace", action, own, allowed=False, guarded=False)
    yield _object("own artifact", "GetObject", f"{traces}/artifacts/T1/result.md", allowed=False, guarded=False)
    yield _object("own attachment", "PutObject", f"{attachments}/attachments/u1/T1/a/f", allowed=False, guarded=False)
    for bucket in (traces, attachments):
        for action in ("ListBucket", "ListBucketVersions", "PutBucketPolicy", "DeleteBucket"):
            yield _object(bucket, action, bucket, allowed=False)
    yield _object("another bucket", "GetObject", "arn:aws:s3:::payroll/attachments/u1/T1/x", allowed=False)
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side/object/attachments/u1/T1/a/f"
    yield _object("access point", "GetObject", point, allowed=False)
    lambda_point = f"arn:aws:s3-object-lambda:us-east-1:{ACCOUNT}:accesspoint/side"
    yield Case("through Object Lambda", "SessionRole", "s3-object-lambda:GetObject", lambda_point, allowed=False)
    taken = {"aws:ResourceAccount": "999999999999"}
    foreign: dict[str, Any] = {
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:999999999999:key/k"
    }
    # The Allows cannot tell: a bucket's name says nothing about its account, and a put's header is no part of the key.
    for case in _object_needs(world):
        yield replace(case, name=f"{case.name} in a taken-over bucket", context=taken, allowed=False, guard_only=True)
        if case.action == "s3:PutObject":
            keyed = replace(case, context={**case.context, **foreign}, allowed=False, guard_only=True)
            yield replace(keyed, name=f"{case.name} with a foreign key")


def _untagged(wanted: Iterable[Case]) -> Iterator[Case]:
    for case in wanted:
        for key in TAGS:
            for how, value in (("without", None), ("with an empty", "")):
                tags = {name: text for name, text in case.tags.items() if name != key}
                tags |= {key: value} if value is not None else {}
                name = f"{case.name} {how} {key}"
                # An Allow demands the tags its keys use; that every tag is there, the trust policy and a guard demand.
                wrong = replace(case, name=name, tags=tags, allowed=False, guard_only=not _uses(case, key))
                yield wrong
                if value is not None:
                    yield replace(moved(wrong, key, value), name=f"{name}, where that leads")
        unused = not any(_uses(case, key) for key in TAGS)
        yield replace(case, name=f"{case.name} without tags", tags={}, allowed=False, guard_only=unused)


def _uses(case: Case, key: str) -> bool:
    """Whether a tag's value is part of what the case asks for."""
    if rows := case.context.get("dynamodb:LeadingKeys"):
        return TAGS[key] in rows
    return any(part.split(".")[0] == TAGS[key] for part in case.resource.split("/"))


def _other_names(world: World) -> Iterator[Case]:
    """Yield requests beyond the tables a session was given: by an own key too, and by what hangs below any table."""
    listed = _table(world, "TaskTable")
    for table in (listed.replace("TaskTable", "Unlisted"), listed.replace(ACCOUNT, "999999999999")):
        for action in KEYED:
            context = {"dynamodb:LeadingKeys": ["T1"]}
            yield Case(f"{action} on an unlisted table", "SessionRole", f"dynamodb:{action}", table, False, context)
        for action in UNKEYED:
            yield Case(f"{action} on an unlisted table", "SessionRole", f"dynamodb:{action}", table, False)
        index = f"{table}/index/ByTask"
        yield Case("Query an unlisted index", "SessionRole", "dynamodb:Query", index, False, context)
    yield Case("list tables", "SessionRole", "dynamodb:ListTables", "*", allowed=False)
    own = f"{_bucket(world, 'TraceArtifactBucket')}/traces/u1/T1/part-1.gz"
    sealed: dict[str, Any] = {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}
    put = _object("own trace with a key of its own", "PutObject", own, allowed=False, **sealed)
    yield replace(put, guard_only=True)
    foreign: dict[str, Any] = {
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:999999999999:key/k"
    }
    yield _object("own trace to a foreign key", "UpdateObjectEncryption", own, allowed=False, **foreign)


def _chaining(world: World) -> Iterator[Case]:
    targets = {"itself": world.role("SessionRole").arn, "another role": f"arn:aws:iam::{ACCOUNT}:role/admin"}
    for name, arn in targets.items():
        for action in ("AssumeRole", "TagSession", "SetSourceIdentity", "SetContext"):
            yield Case(f"{action} on {name}", "SessionRole", f"sts:{action}", arn, allowed=False)
    for action in ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"):
        yield Case(action, "SessionRole", f"sts:{action}", targets["another role"], allowed=False)
    root = f"arn:aws:iam::{ACCOUNT}:root"
    yield Case("AssumeRoot", "SessionRole", "sts:AssumeRoot", root, allowed=False)
    for action in (
        "GetFederationToken",
        "GetSessionToken",
        "GetWebIdentityToken",
        "TagGetWebIdentityToken",
        "GetDelegatedAccessToken",
    ):
        yield Case(action, "SessionRole", f"sts:{action}", "*", allowed=False)
    paths = [row["value"] for row in cases("path_values") if row["leads_out"]]
    for key in PATH_TAGS:
        for value in paths:
            tags = {**TAGS, key: value}
            for case in _distinct_needs([*_table_needs(world), *_object_needs(world)]):
                yield replace(
                    moved(case, key, value), name=f"{case.name} with {key} {value!r}", tags=tags, guard_only=True
                )


def moved(case: Case, key: str, value: str) -> Case:
    """Return the case as the session with another tag value would ask it: the resource follows the tag."""
    context = {
        name: [value if part == TAGS[key] else part for part in parts] if name == "dynamodb:LeadingKeys" else parts
        for name, parts in case.context.items()
    }
    resource = case.resource.replace(f"/{TAGS[key]}/", f"/{value}/").replace(f"/{TAGS[key]}.", f"/{value}.")
    return replace(case, context=context, resource=resource, allowed=False)
