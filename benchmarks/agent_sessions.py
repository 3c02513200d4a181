"""
Many sessions with three clients each in one process, `python -m benchmarks.agent_sessions SIDE COUNT TRACED`, as JSON.

What each session after the first adds. There is no network: a session's clients are made, not used.
INVARIANT: on the plain side nothing of this package is imported.
"""

import gc
import json
import os
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import boto3

SERVICES = ("bedrock-runtime", "dynamodb", "s3")


def make(side: str, number: int) -> Any:
    if side == "plain":
        return boto3.Session("ASIAEXAMPLE", "secret", "token")
    from session_scoping import SessionTags
    from session_scoping.agent import TaskSession

    role = "arn:aws:iam::123456789012:role/AgentSession"
    return TaskSession(SessionTags(user_id="u", repo="r", task_id=f"T{number}"), role_arn=role)


def resident_mib() -> float:
    """Return the memory that is resident now. Source: proc(5), /proc/pid/statm."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def main(side: str, count: int, traced: bool) -> None:
    os.environ.pop("AGENT_SESSION_ROLE_ARN", None)
    kept: list[Any] = []

    def one(number: int) -> None:
        session = make(side, number)
        kept.append((session, [session.client(name, region_name="eu-west-1") for name in SERVICES]))

    if traced:
        tracemalloc.start()
    one(0)
    gc.collect()
    resident, allocated = resident_mib(), tracemalloc.get_traced_memory()[0]
    begin = time.process_time()
    for number in range(1, count + 1):
        one(number)
    milliseconds = (time.process_time() - begin) * 1000 / count
    gc.collect()
    report = {
        "ms": milliseconds,
        "mib": (resident_mib() - resident) / count,
        "traced_mib": (tracemalloc.get_traced_memory()[0] - allocated) / count / 1024**2 if traced else None,
        "uses_package": "session_scoping" in sys.modules,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "traced")
