"""
Measure what a TaskSession adds to each boto3 call: `python -m benchmarks.call_cost`.

The same GetItem runs on a plain session and on a task session, without a network: a handler answers before
the request is sent, so that what is left is botocore's own work and ours.
"""

import os
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from session_scoping import SessionTags
from session_scoping.agent import CredentialSet, TaskSession

ROUNDS, CALLS = 40, 100


class _Body:
    def __init__(self) -> None:
        self.left = b"{}"

    def stream(self, **_: object) -> Any:
        yield self.left


def answer(request: Any, **_: object) -> AWSResponse:
    headers = HTTPHeaders.from_dict({"content-type": "application/x-amz-json-1.0"})
    return AWSResponse(request.url, 200, headers, _Body())


def client_of(session: Any) -> Any:
    client = session.client("dynamodb", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")
    client.meta.events.register("before-send.dynamodb", answer)
    return client


def per_call(client: Any) -> float:
    started = time.thread_time()
    for _ in range(CALLS):
        client.get_item(TableName="tasks", Key={"task_id": {"S": "T1"}})
    return (time.thread_time() - started) / CALLS * 1e6


def per_read(credentials: Any) -> float:
    started = time.thread_time()
    for _ in range(100_000):
        credentials.get_frozen_credentials()
    return (time.thread_time() - started) / 100_000 * 1e6


def main() -> None:
    os.environ.pop("AGENT_SESSION_ROLE_ARN", None)
    keys = CredentialSet("ASIAEXAMPLE", "secret", "token", datetime.now(UTC) + timedelta(hours=8))
    task = TaskSession(SessionTags(user_id="u", repo="r", task_id="T1"), credentials=lambda: keys)
    plain = boto3.Session("ASIAEXAMPLE", "secret", "token")
    plain_client, task_client = client_of(plain), client_of(task)
    per_call(plain_client), per_call(task_client)
    plain_times, task_times = [], []
    for _ in range(ROUNDS):
        plain_times.append(per_call(plain_client))
        task_times.append(per_call(task_client))
    differences = [ours - theirs for ours, theirs in zip(task_times, plain_times, strict=True)]
    print("| | median, microseconds |")
    print("|---|---|")
    print(f"| GetItem on a plain session | {statistics.median(plain_times):.0f} |")
    print(f"| GetItem on a TaskSession | {statistics.median(task_times):.0f} |")
    print(f"| difference, pairwise | {statistics.median(differences):.1f} |")
    print(f"| reading static credentials | {per_read(plain.get_credentials()):.2f} |")
    print(f"| reading task credentials | {per_read(task.boto3_session.get_credentials()):.2f} |")


if __name__ == "__main__":
    main()
