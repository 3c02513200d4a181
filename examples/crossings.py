"""Every way one task of the reference stack could try to reach another's data, as calls of boto3."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from session_scoping import ARTIFACT_PREFIX, ATTACHMENT_PREFIX, TRACE_OBJECT, KeyFormat, SessionTags

SORT_KEYS = {"TaskTable": None, "TaskEventsTable": "event_id", "TaskApprovalsTable": "request_id",
             "TaskNudgesTable": "nudge_id"}  # fmt: skip
"""Logical id of each table, or the beginning of it -> its sort key."""

NameOf = Callable[[str], str]


@dataclass(frozen=True)
class Crossing:
    """
    One attempt.

    Attributes:
        place: Logical id of the table or bucket.
        what: What is tried there.
        attempt: Makes the call.
    """

    place: str
    what: str
    attempt: Callable[[], object]


def row_key(table: str, task_id: str) -> dict[str, Any]:
    """Return the key of a task's first row in a table."""
    sort_key = SORT_KEYS[table]
    return {"task_id": {"S": task_id}} | ({sort_key: {"S": "1"}} if sort_key else {})


def object_keys(tags: Mapping[str, str]) -> dict[str, str]:
    """Return an object of each kind that belongs to a task: name of the kind -> key."""
    own = SessionTags(**tags)
    formats = {"trace": TRACE_OBJECT, "artifact": ARTIFACT_PREFIX, "attachment": ATTACHMENT_PREFIX}
    tails = {"trace": "", "artifact": "result.md", "attachment": "1/notes.txt"}
    return {kind: KeyFormat.object_key(text, own).fill(own) + tails[kind] for kind, text in formats.items()}


BUCKETS = {"trace": "TraceArtifactBucket", "artifact": "TraceArtifactBucket", "attachment": "AttachmentsBucket"}


def crossings(
    session: boto3.Session, name_of: NameOf, mine: Mapping[str, str], theirs: Mapping[str, str]
) -> list[Crossing]:
    """
    Return every attempt of a session on another task's rows and objects.

    Args:
        session: A session of the task.
        name_of: Physical name of a table or bucket.
        mine: Tags of the session.
        theirs: Tags of the other task.
    """
    found = [one for table in SORT_KEYS for one in _rows(session, name_of, table, mine["task_id"], theirs["task_id"])]
    found += _mixed(session, name_of, mine["task_id"], theirs["task_id"])
    own = object_keys(mine)
    readable = {"Bucket": name_of(BUCKETS["attachment"]), "Key": own["attachment"]}
    for kind, key in object_keys(theirs).items():
        place = {"Bucket": name_of(BUCKETS[kind]), "Key": key}
        found += _objects(session, BUCKETS[kind], kind, place, own[kind], readable)
    for bucket in dict.fromkeys(BUCKETS.values()):
        found += _lists(session, name_of(bucket), bucket)
    return found


def _rows(session: boto3.Session, name_of: NameOf, table: str, mine: str, theirs: str) -> list[Crossing]:
    client: Any = session.client("dynamodb")
    name, key, own = name_of(table), row_key(table, theirs), row_key(table, mine)
    stolen = {**key, "status": {"S": "stolen"}}
    select = f"SELECT * FROM \"{name}\" WHERE task_id = '{theirs}'"  # noqa: S608 - an attack is the point
    partition: Any = {"KeyConditionExpression": "task_id = :t", "ExpressionAttributeValues": {":t": {"S": theirs}}}
    change = {"UpdateExpression": "SET note = :n", "ExpressionAttributeValues": {":n": {"S": "stolen"}}}
    return [
        Crossing(table, "get", lambda: client.get_item(TableName=name, Key=key)),
        Crossing(table, "put", lambda: client.put_item(TableName=name, Item=stolen)),
        Crossing(table, "update", lambda: client.update_item(TableName=name, Key=key, **change)),
        Crossing(table, "delete", lambda: client.delete_item(TableName=name, Key=key)),
        Crossing(table, "query", lambda: client.query(TableName=name, **partition)),
        Crossing(table, "scan", lambda: client.scan(TableName=name)),
        Crossing(table, "PartiQL", lambda: client.execute_statement(Statement=select)),
        Crossing(table, "batch-get", lambda: client.batch_get_item(RequestItems={name: {"Keys": [own, key]}})),
        Crossing(table, "batch-write", lambda: client.batch_write_item(
            RequestItems={name: [{"PutRequest": {"Item": own}}, {"PutRequest": {"Item": stolen}}]})),
        Crossing(table, "batch-delete", lambda: client.batch_write_item(
            RequestItems={name: [{"DeleteRequest": {"Key": key}}]})),
        Crossing(table, "transact-get", lambda: client.transact_get_items(
            TransactItems=[{"Get": {"TableName": name, "Key": one}} for one in (own, key)])),
        Crossing(table, "transact-write", lambda: client.transact_write_items(
            TransactItems=[{"Put": {"TableName": name, "Item": one}} for one in (own, stolen)])),
        Crossing(table, "transact-check", lambda: client.transact_write_items(
            TransactItems=[{"Put": {"TableName": name, "Item": own}}, {"ConditionCheck": {
                "TableName": name, "Key": key, "ConditionExpression": "attribute_exists(task_id)"}}])),
    ]  # fmt: skip


def _mixed(session: boto3.Session, name_of: NameOf, mine: str, theirs: str) -> list[Crossing]:
    """The approvals transaction with one half in another task's partition, either way, and the index by user."""
    client: Any = session.client("dynamodb")

    def approve(approval_of: str, task: str) -> object:
        put = {"TableName": name_of("TaskApprovalsTable"), "Item": row_key("TaskApprovalsTable", approval_of)}
        update = {
            "TableName": name_of("TaskTable"), "Key": row_key("TaskTable", task),
            "UpdateExpression": "SET note = :n", "ExpressionAttributeValues": {":n": {"S": "waiting"}},
        }  # fmt: skip
        return client.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])

    return [
        Crossing("TaskApprovalsTable", "approve-for-other", lambda: approve(theirs, mine)),
        Crossing("TaskTable", "hold-other", lambda: approve(mine, theirs)),
        Crossing("TaskTable", "index", lambda: client.query(
            TableName=name_of("TaskTable"), IndexName="StatusIndex", KeyConditionExpression="#s = :s",
            ExpressionAttributeNames={"#s": "status"}, ExpressionAttributeValues={":s": {"S": "RUNNING"}})),
    ]  # fmt: skip


def _objects(
    session: boto3.Session, bucket: str, kind: str, theirs: dict[str, str], own: str, readable: dict[str, str]
) -> list[Crossing]:
    client: Any = session.client("s3")
    upload = {**theirs, "UploadId": "upload"}
    attempts: dict[str, Callable[[], object]] = {
        "get": lambda: client.get_object(**theirs),
        "head": lambda: client.head_object(**theirs),
        "tags": lambda: client.get_object_tagging(**theirs),
        "put": lambda: client.put_object(**theirs, Body=b"stolen"),
        "multipart": lambda: client.create_multipart_upload(**theirs),
        "upload-part": lambda: client.upload_part(**upload, PartNumber=1, Body=b"stolen"),
        "list-parts": lambda: client.list_parts(**upload),
        "abort-upload": lambda: client.abort_multipart_upload(**upload),
        "copy-from": lambda: client.copy_object(Bucket=theirs["Bucket"], Key=own, CopySource=theirs),
        "copy-to": lambda: client.copy_object(**theirs, CopySource=readable),
        "delete": lambda: client.delete_object(**theirs),
        "delete-many": lambda: client.delete_objects(
            Bucket=theirs["Bucket"], Delete={"Objects": [{"Key": own}, {"Key": theirs["Key"]}]}
        ),
    }
    return [Crossing(bucket, f"{what} {kind}", attempt) for what, attempt in attempts.items()]


def _lists(session: boto3.Session, bucket: str, place: str) -> list[Crossing]:
    client: Any = session.client("s3")
    return [
        Crossing(place, "list", lambda: client.list_objects_v2(Bucket=bucket)),
        Crossing(place, "list-versions", lambda: client.list_object_versions(Bucket=bucket)),
        Crossing(place, "list-uploads", lambda: client.list_multipart_uploads(Bucket=bucket)),
    ]
