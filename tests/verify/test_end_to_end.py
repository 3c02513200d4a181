# ruff: noqa: E501 - tables of cases
"""Real boto3 against a moto server, held against the synthesized policies: own work succeeds, crossing is denied."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from session_scoping.enforcement import Enforce, EnforcedPolicies

pytest_plugins = ["session_scoping.enforcement"]

REGION = "us-east-1"
ALICE = {"user_id": "alice", "repo": "org/app", "task_id": "task-a"}
BOB = {"user_id": "bob", "repo": "org/app", "task_id": "task-b"}


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """Run a moto server on a free loopback port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def policies(
    compute_template: dict[str, Any], enforced_policies: Enforce, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EnforcedPolicies]:
    """The reference stack, deployed to moto, with its policies enforced."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "ambient",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    enforced: EnforcedPolicies = enforced_policies(compute_template, region=REGION)
    owner = boto3.Session(region_name=REGION)
    enforced.deploy(owner)
    for tags in (ALICE, BOB):
        task = tags["task_id"]
        owner.resource("dynamodb").Table(enforced.name("TaskTable")).put_item(
            Item={"task_id": task, "status": "RUNNING", "secret": tags["user_id"]}
        )
        key = f"attachments/{tags['user_id']}/{task}/1/notes.txt"
        owner.client("s3").put_object(Bucket=enforced.name("AttachmentsBucket"), Key=key, Body=task.encode())
    yield enforced
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")).close()


def session_of(policies: EnforcedPolicies, tags: dict[str, str]) -> boto3.Session:
    """Mint a session as the ECS task does."""
    with policies.as_role("EcsTaskRole"):
        keys = boto3.client("sts").assume_role(
            RoleArn=policies.arn("SessionRole"),
            RoleSessionName=tags.get("task_id") or "nobody",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


def do_all_work(policies: EnforcedPolicies, session: boto3.Session, tags: dict[str, str]) -> None:
    """Do everything the agent does in a task."""
    task = tags["task_id"]
    resource, client, s3 = session.resource("dynamodb"), session.client("dynamodb"), session.client("s3")
    tasks = resource.Table(policies.name("TaskTable"))
    assert tasks.get_item(Key={"task_id": task})["Item"]["secret"] == tags["user_id"]
    resource.Table(policies.name("TaskEventsTable")).put_item(Item={"task_id": task, "event_id": "1"})
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": policies.name("TaskApprovalsTable"), "Item": {"task_id": {"S": task}, "request_id": {"S": "r"}}}},
            {"Update": {
                "TableName": tasks.name, "Key": {"task_id": {"S": task}}, "UpdateExpression": "SET #s = :w",
                "ExpressionAttributeNames": {"#s": "status"}, "ExpressionAttributeValues": {":w": {"S": "WAITING"}},
            }},
        ]
    )  # fmt: skip
    nudges = resource.Table(policies.name("TaskNudgesTable"))
    nudges.query(KeyConditionExpression=Key("task_id").eq(task))
    s3.put_object(
        Bucket=policies.name("TraceArtifactBucket"),
        Key=f"traces/{tags['user_id']}/{task}.jsonl.gz",
        Body=gzip.compress(b"{}"),
    )
    attachment = f"attachments/{tags['user_id']}/{task}/1/notes.txt"
    found = s3.get_object(Bucket=policies.name("AttachmentsBucket"), Key=attachment)
    assert found["Body"].read() == task.encode()


def test_two_tasks_do_their_own_work(policies: EnforcedPolicies) -> None:
    """Reading, the approvals transaction, nudges, attachments and the trace upload all succeed for both users."""
    for tags in (ALICE, BOB):
        do_all_work(policies, session_of(policies, tags), tags)
    assert {decided.decision.reason for decided in policies.log} == {"allow"}


Attempt = Callable[[EnforcedPolicies, boto3.Session], object]


def _table(name: str, call: str, **arguments: Any) -> Attempt:
    return lambda policies, session: getattr(session.client("dynamodb"), call)(
        TableName=policies.name(name), **arguments
    )


def _s3(bucket: str, call: str, **arguments: Any) -> Attempt:
    return lambda policies, session: getattr(session.client("s3"), call)(Bucket=policies.name(bucket), **arguments)


BOBS_KEY = {"task_id": {"S": "task-b"}}
CROSSINGS: dict[str, Attempt] = {
    "get": _table("TaskTable", "get_item", Key=BOBS_KEY),
    "put": _table("TaskTable", "put_item", Item={**BOBS_KEY, "status": {"S": "stolen"}}),
    "delete": _table("TaskTable", "delete_item", Key=BOBS_KEY),
    "update": _table("TaskTable", "update_item", Key=BOBS_KEY, UpdateExpression="REMOVE secret"),
    "scan": _table("TaskTable", "scan"),
    "describe": _table("TaskTable", "describe_table"),
    "query nudges": _table(
        "TaskNudgesTable", "query", KeyConditionExpression="task_id = :t", ExpressionAttributeValues={":t": {"S": "task-b"}}
    ),
    "event": _table("TaskEventsTable", "put_item", Item={**BOBS_KEY, "event_id": {"S": "1"}}),
    "batch with one foreign key": lambda policies, session: session.client("dynamodb").batch_get_item(
        RequestItems={policies.name("TaskTable"): {"Keys": [{"task_id": {"S": "task-a"}}, BOBS_KEY]}}
    ),
    "PartiQL": lambda policies, session: session.client("dynamodb").execute_statement(
        Statement=f'SELECT * FROM "{policies.name("TaskTable")}"'
    ),
    "transaction with one foreign item": lambda policies, session: session.client("dynamodb").transact_write_items(
        TransactItems=[
            {"Put": {"TableName": policies.name("TaskTable"), "Item": {"task_id": {"S": "task-a"}}}},
            {"Put": {"TableName": policies.name("TaskTable"), "Item": {**BOBS_KEY, "status": {"S": "stolen"}}}},
        ]
    ),
    "attachment": _s3("AttachmentsBucket", "get_object", Key="attachments/bob/task-b/1/notes.txt"),
    "attachment by HEAD": _s3("AttachmentsBucket", "head_object", Key="attachments/bob/task-b/1/notes.txt"),
    "trace": _s3("TraceArtifactBucket", "put_object", Key="traces/bob/task-b.jsonl.gz", Body=b"x"),
    "trace of one's own other task": _s3("TraceArtifactBucket", "put_object", Key="traces/alice/task-c/x", Body=b"x"),
    "list": _s3("AttachmentsBucket", "list_objects_v2"),
    "copy": lambda policies, session: session.client("s3").copy_object(
        Bucket=policies.name("TraceArtifactBucket"), Key="traces/alice/task-a/x",
        CopySource={"Bucket": policies.name("AttachmentsBucket"), "Key": "attachments/bob/task-b/1/notes.txt"},
    ),
    "another session": lambda policies, session: session.client("sts").assume_role(
        RoleArn=policies.arn("SessionRole"), RoleSessionName="bob",
        Tags=[{"Key": key, "Value": value} for key, value in BOB.items()],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CROSSINGS)
def test_every_crossing_is_denied_and_leaves_the_other_tenants_data_alone(
    name: str, policies: EnforcedPolicies
) -> None:
    """Alice's session gets AccessDenied, and Bob's row and objects are what they were."""
    before = _bobs_data(policies)
    with pytest.raises(ClientError) as denied:
        CROSSINGS[name](policies, session_of(policies, ALICE))
    assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert denied.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}
    assert _bobs_data(policies) == before


def _bobs_data(policies: EnforcedPolicies) -> object:
    owner = boto3.Session(region_name=REGION)
    rows = owner.client("dynamodb").scan(TableName=policies.name("TaskTable"))["Items"]
    objects = owner.client("s3").list_objects_v2(Bucket=policies.name("TraceArtifactBucket")).get("Contents", [])
    return [row for row in rows if row["task_id"]["S"] == "task-b"], [item["Key"] for item in objects]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"user_id": "alice", "repo": "r"},
        {**ALICE, "task_id": ""},
        {**ALICE, "user_id": "a/b"},
        {**ALICE, "extra": "x"},
    ],
)
def test_a_session_with_wrong_tags_cannot_be_made(tags: dict[str, str], policies: EnforcedPolicies) -> None:
    """Untagged, incomplete, empty, path-like and additional tags are refused by the trust policy."""
    with pytest.raises(ClientError, match="AccessDenied"):
        session_of(policies, tags)


def test_the_compute_role_itself_reaches_no_row(policies: EnforcedPolicies) -> None:
    """Code that forgets the session and uses ambient credentials is denied."""
    with policies.as_role("EcsTaskRole"), pytest.raises(ClientError, match="AccessDenied"):
        boto3.client("dynamodb").get_item(TableName=policies.name("TaskTable"), Key={"task_id": {"S": "task-a"}})
