"""The task's trace, through the session, and the agent's own log lines, on the compute role."""

import gzip
import json
import time
from collections.abc import Iterable, Mapping

import boto3

from examples.reference_agent.settings import Settings
from session_scoping import TRACE_OBJECT, KeyFormat
from session_scoping.agent import TaskSession


def upload_trace(session: TaskSession, settings: Settings, spans: Iterable[Mapping[str, object]]) -> str:
    """Upload the trace as one compressed object and return its key."""
    key = KeyFormat.object_key(TRACE_OBJECT, session.tags).fill(session.tags)
    lines = "".join(json.dumps(dict(span)) + "\n" for span in spans)
    session.client("s3").put_object(
        Bucket=settings.trace_bucket,
        Key=key,
        Body=gzip.compress(lines.encode()),
        ContentType="application/gzip",
    )
    return key


def open_log_stream(settings: Settings, stream: str) -> None:
    """Make the log stream of this container."""
    logs = boto3.client("logs")
    try:
        logs.create_log_stream(logGroupName=settings.log_group, logStreamName=stream)
    except logs.exceptions.ResourceAlreadyExistsException:
        return


def log_metric(settings: Settings, stream: str, name: str, value: float) -> None:
    """Write one metric as a structured log line."""
    boto3.client("logs").put_log_events(
        logGroupName=settings.log_group,
        logStreamName=stream,
        logEvents=[{"timestamp": time.time_ns() // 1_000_000, "message": json.dumps({name: value})}],
    )
