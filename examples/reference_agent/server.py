"""What the container writes when a task starts and when it fails. On the compute role: no tenant data."""

import time

import boto3

from examples.reference_agent.settings import Settings


def log_started(settings: Settings, stream: str) -> None:
    """Write that a task started."""
    boto3.client("logs").put_log_events(
        logGroupName=settings.log_group,
        logStreamName=stream,
        logEvents=[{"timestamp": time.time_ns() // 1_000_000, "message": "task started"}],
    )


def log_failed(settings: Settings, stream: str, error: Exception) -> None:
    """Write what kind of error ended a task; its text may hold tenant data."""
    boto3.client("logs").put_log_events(
        logGroupName=settings.log_group,
        logStreamName=stream,
        logEvents=[{"timestamp": time.time_ns() // 1_000_000, "message": f"task failed: {type(error).__name__}"}],
    )
