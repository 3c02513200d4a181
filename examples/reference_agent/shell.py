"""What the agent's shell writes about itself. On the compute role: no tenant data."""

import time

import boto3

from examples.reference_agent.settings import Settings


def log_exit_code(settings: Settings, stream: str, code: int) -> None:
    """Write the exit code of a command, never its text or output."""
    boto3.client("logs").put_log_events(
        logGroupName=settings.log_group,
        logStreamName=stream,
        logEvents=[{"timestamp": time.time_ns() // 1_000_000, "message": f"command ended with {code}"}],
    )
