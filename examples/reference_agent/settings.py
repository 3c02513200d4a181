"""Where the agent's tables, buckets and services are, from the container's environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """
    Names of the resources the stack made.

    Attributes:
        task_table: Table of tasks, key `task_id`.
        event_table: Table of progress events, key `task_id` and `event_id`.
        approval_table: Table of approval requests, key `task_id` and `request_id`.
        nudge_table: Table of messages to a running task, key `task_id` and `nudge_id`.
        trace_bucket: Bucket of traces.
        attachment_bucket: Bucket of attachments.
        log_group: CloudWatch log group of the agent itself.
        secret_id: Secret that holds the repository token. Default: empty, no token is read.
        memory_id: AgentCore Memory. Default: empty, nothing is remembered.
    """

    task_table: str
    event_table: str
    approval_table: str
    nudge_table: str
    trace_bucket: str
    attachment_bucket: str
    log_group: str
    secret_id: str = ""
    memory_id: str = ""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings; a missing name is a KeyError at start, not a failure in the middle of a task."""
        return cls(
            task_table=os.environ["TASK_TABLE_NAME"],
            event_table=os.environ["TASK_EVENTS_TABLE_NAME"],
            approval_table=os.environ["TASK_APPROVALS_TABLE_NAME"],
            nudge_table=os.environ["TASK_NUDGES_TABLE_NAME"],
            trace_bucket=os.environ["TRACE_BUCKET_NAME"],
            attachment_bucket=os.environ["ATTACHMENT_BUCKET_NAME"],
            log_group=os.environ["AGENT_LOG_GROUP_NAME"],
            secret_id=os.environ.get("REPOSITORY_SECRET_ID", ""),
            memory_id=os.environ.get("AGENT_MEMORY_ID", ""),
        )
