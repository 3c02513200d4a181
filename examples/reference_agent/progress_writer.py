"""Progress events that people watch. Through the session; append only."""

import time
import uuid

from examples.reference_agent.settings import Settings
from session_scoping.agent import TaskSession


class ProgressWriter:
    """Appends events to one task. Safe to share between threads, as boto3 clients are."""

    def __init__(self, session: TaskSession, settings: Settings) -> None:
        self._client = session.client("dynamodb")
        self._table = settings.event_table
        self._task_id = session.tags["task_id"]

    def write(self, kind: str, text: str) -> str:
        """Append one event and return its id, which sorts by time."""
        event_id = f"{time.time_ns() // 1_000_000:013d}-{uuid.uuid4().hex}"
        self._client.put_item(
            TableName=self._table,
            Item={
                "task_id": {"S": self._task_id},
                "event_id": {"S": event_id},
                "kind": {"S": kind},
                "text": {"S": text},
            },
        )
        return event_id
