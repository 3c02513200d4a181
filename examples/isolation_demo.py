"""
Two tasks of two users, with real boto3, held against the reference stack's policies: `make demo`.

Nothing leaves the machine: moto answers for AWS, and every request is decided by the synthesized policies first.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from session_scoping.enforcement import EnforcedPolicies

REGION = "us-east-1"
TASKS = (
    {"user_id": "alice", "repo": "org/app", "task_id": "task-a"},
    {"user_id": "bob", "repo": "org/app", "task_id": "task-b"},
)


def main() -> int:
    """Run the demonstration and return 0 when every answer was the expected one."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "owner",
        "AWS_SECRET_ACCESS_KEY": "owner",
        "AWS_DEFAULT_REGION": REGION,
    }
    try:
        with EnforcedPolicies(_template(), region=REGION).installed() as policies:
            return _run(policies)
    finally:
        server.stop()


def _template() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CDK_VALIDATION": "false", "CDK_OUTDIR": folder}
        subprocess.run([sys.executable, "app.py"], check=True, env=environment, stderr=subprocess.DEVNULL)
        (file,) = Path(folder).glob("*.template.json")
        return json.loads(file.read_text(encoding="utf-8"))


def _run(policies: EnforcedPolicies) -> int:
    policies.deploy(boto3.Session(region_name=REGION))
    owner = boto3.resource("dynamodb").Table(policies.name("TaskTable"))
    for tags in TASKS:
        owner.put_item(Item={"task_id": tags["task_id"], "status": "RUNNING"})
    wrong = 0
    for tags, other in (TASKS, TASKS[::-1]):
        session = _session(policies, tags)
        _say(f"\n{tags['user_id']}, {tags['task_id']}")
        for what, attempt, allowed in _attempts(policies, session, tags, other):
            wrong += _try(what, attempt, allowed)
    _say(f"\n{len(policies.log)} IAM requests decided, {wrong} of the answers unexpected")
    return min(wrong, 1)


def _session(policies: EnforcedPolicies, tags: dict[str, str]) -> boto3.Session:
    with policies.as_role("EcsTaskRole"):
        keys = boto3.client("sts").assume_role(
            RoleArn=policies.arn("SessionRole"),
            RoleSessionName=tags["task_id"],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


_Attempt = tuple[str, Callable[[], object], bool]


def _attempts(
    policies: EnforcedPolicies, session: boto3.Session, tags: dict[str, str], other: dict[str, str]
) -> list[_Attempt]:
    table, approvals = policies.name("TaskTable"), policies.name("TaskApprovalsTable")
    traces = policies.name("TraceArtifactBucket")
    dynamodb, s3 = session.client("dynamodb"), session.client("s3")
    mine, theirs = tags["task_id"], other["task_id"]

    def approve(task: str) -> object:
        key = {"task_id": {"S": task}}
        put: Any = {"Put": {"TableName": approvals, "Item": {**key, "request_id": {"S": "r1"}}}}
        update: Any = {"Update": {"TableName": table, "Key": key, "UpdateExpression": "SET note = :n",
                                  "ExpressionAttributeValues": {":n": {"S": "waiting"}}}}  # fmt: skip
        return dynamodb.transact_write_items(TransactItems=[put, update])

    def upload(user: str, task: str) -> object:
        return s3.put_object(Bucket=traces, Key=f"traces/{user}/{task}.jsonl.gz", Body=b"{}")

    return [
        ("reads its own row", lambda: dynamodb.get_item(TableName=table, Key={"task_id": {"S": mine}}), True),
        ("asks for approval in one transaction", lambda: approve(mine), True),
        ("uploads its trace", lambda: upload(tags["user_id"], mine), True),
        ("reads the other's row", lambda: dynamodb.get_item(TableName=table, Key={"task_id": {"S": theirs}}), False),
        ("asks for approval for the other", lambda: approve(theirs), False),
        ("overwrites the other's trace", lambda: upload(other["user_id"], theirs), False),
        ("scans the table", lambda: dynamodb.scan(TableName=table), False),
        ("lists the bucket", lambda: s3.list_objects_v2(Bucket=traces), False),
    ]


def _try(what: str, attempt: Callable[[], object], allowed: bool) -> bool:
    """Return whether the answer was unexpected."""
    try:
        attempt()
    except ClientError as error:
        answer, passed = error.response["Error"]["Code"], False
    else:
        answer, passed = "done", True
    _say(f"  {'ok ' if passed == allowed else 'BAD'}  {what:40} {answer}")
    return passed != allowed


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
