"""Messages that people send to a running task. Through the session."""

from examples.reference_agent.settings import Settings
from session_scoping.agent import TaskSession


def take_nudges(session: TaskSession, settings: Settings) -> list[str]:
    """Return the texts of the messages that were not read yet, oldest first, and mark them read."""
    client = session.client("dynamodb")
    task_id = session.tags["task_id"]
    pages = client.get_paginator("query").paginate(
        TableName=settings.nudge_table,
        KeyConditionExpression="task_id = :task",
        FilterExpression="attribute_not_exists(read_by_agent)",
        ExpressionAttributeValues={":task": {"S": task_id}},
    )
    nudges = [item for page in pages for item in page["Items"]]
    for nudge in nudges:
        client.update_item(
            TableName=settings.nudge_table,
            Key={"task_id": {"S": task_id}, "nudge_id": nudge["nudge_id"]},
            UpdateExpression="SET read_by_agent = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )
    return [nudge["text"]["S"] for nudge in nudges]
