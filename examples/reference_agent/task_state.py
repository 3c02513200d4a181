"""The task's own row, and the approvals that hold it up. Both through the session."""

import uuid
from datetime import UTC, datetime
from typing import Any

from examples.reference_agent.settings import Settings
from session_scoping.agent import TaskSession


def read_task(session: TaskSession, settings: Settings, task_id: str | None = None) -> dict[str, Any]:
    """
    Return the task's row.

    Args:
        session: The task's session.
        settings: Resource names.
        task_id: The row to read. Default: the session's own; IAM denies any other.
    """
    table = _tasks(session, settings)
    key = {"task_id": task_id or session.tags["task_id"]}
    return dict(table.get_item(Key=key, ConsistentRead=True).get("Item", {}))


def set_status(session: TaskSession, settings: Settings, status: str) -> None:
    """Move the task to another status; the row must exist."""
    _tasks(session, settings).update_item(
        Key={"task_id": session.tags["task_id"]},
        UpdateExpression="SET #status = :status, updated_at = :now",
        ConditionExpression="attribute_exists(task_id)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status, ":now": datetime.now(UTC).isoformat()},
    )


def _tasks(session: TaskSession, settings: Settings) -> Any:
    return session.resource("dynamodb").Table(settings.task_table)


def request_approval(session: TaskSession, settings: Settings, question: str) -> str:
    """
    Ask a person, and hold the task until there is an answer: two tables, one transaction.

    Both rows have the session's task_id as partition key, so the one leading-key condition covers them.

    Returns:
        The id of the request.
    """
    task_id, request_id = session.tags["task_id"], uuid.uuid4().hex
    session.client("dynamodb").transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": settings.approval_table,
                    "Item": {
                        "task_id": {"S": task_id},
                        "request_id": {"S": request_id},
                        "question": {"S": question},
                        "status": {"S": "PENDING"},
                    },
                    "ConditionExpression": "attribute_not_exists(request_id)",
                }
            },
            {
                "Update": {
                    "TableName": settings.task_table,
                    "Key": {"task_id": {"S": task_id}},
                    "UpdateExpression": "SET #status = :waiting, approval_id = :request",
                    "ConditionExpression": "#status = :running",
                    "ExpressionAttributeNames": {"#status": "status"},
                    "ExpressionAttributeValues": {
                        ":waiting": {"S": "AWAITING_APPROVAL"},
                        ":running": {"S": "RUNNING"},
                        ":request": {"S": request_id},
                    },
                }
            },
        ]
    )
    return request_id
