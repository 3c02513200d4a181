"""
One boto3 client in a process of its own, `python -m benchmarks.agent_client plain` or `task`: what it costs, as JSON.

There is no network: a handler answers before a request is sent, so that what is left is botocore's work and ours.
INVARIANT: on the plain side nothing of this package is imported.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from benchmarks.process import peak_mib

ROUNDS, CALLS, READS = 20, 50, 10_000


class _Body:
    def stream(self, **_: object) -> Iterator[bytes]:
        yield b"{}"


def answer(request: Any, **_: object) -> Any:
    headers = HTTPHeaders.from_dict({"content-type": "application/x-amz-json-1.0"})
    return AWSResponse(request.url, 200, headers, _Body())


def task_session() -> Any:
    from datetime import UTC, datetime, timedelta

    from session_scoping import SessionTags
    from session_scoping.agent import CredentialSet, TaskSession

    keys = CredentialSet("ASIAEXAMPLE", "secret", "token", datetime.now(UTC) + timedelta(hours=8))
    return TaskSession(SessionTags(user_id="u", repo="r", task_id="T1"), credentials=lambda: keys)


def microseconds(times: int, work: Callable[[], object]) -> float:
    """Return what one piece of work takes in the fastest round: the one that others disturbed least."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        for _ in range(times):
            work()
        rounds.append((time.thread_time() - begin) / times * 1e6)
    return min(rounds)


def main(side: str) -> None:
    os.environ.pop("AGENT_SESSION_ROLE_ARN", None)
    session: Any = task_session() if side == "task" else boto3.Session("ASIAEXAMPLE", "secret", "token")
    client = session.client("dynamodb", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")
    started = time.process_time() * 1000
    client.meta.events.register("before-send.dynamodb", answer)
    get_item = microseconds(CALLS, lambda: client.get_item(TableName="tasks", Key={"task_id": {"S": "T1"}}))
    credentials = (session.boto3_session if side == "task" else session).get_credentials()
    read = microseconds(READS, credentials.get_frozen_credentials)
    uses_package = "session_scoping" in sys.modules
    report = {"start": started, "mib": peak_mib(), "get_item": get_item, "read": read, "uses_package": uses_package}
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
