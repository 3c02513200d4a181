"""The agent. Its tools take the task's id from the model, as careless tools do: IAM decides what they reach."""

import os
from typing import Any

from strands import Agent, tool
from strands.models import BedrockModel, Model

from session_scoping.agent import TaskSession


def task_agent(session: TaskSession, model: Model | None = None) -> Agent:
    """
    Return an agent for one task.

    Args:
        session: The task's session. Model and tools are signed with it; nothing here uses the container's credentials.
        model: Default: a model of Bedrock.
    """
    bedrock = model or BedrockModel(boto_session=session.boto3_session, model_id="us.amazon.nova-pro-v1:0")
    return Agent(model=bedrock, tools=task_tools(session), callback_handler=None)


def task_tools(session: TaskSession) -> list[Any]:
    """Return the tools of one task: made anew for each, so that none keeps another task's session."""
    table = session.resource("dynamodb").Table(os.environ["TASK_TABLE"])

    @tool
    def read_task(task_id: str) -> str:
        """Read what a task is about."""
        return str(table.get_item(Key={"task_id": task_id})["Item"]["text"])

    @tool
    def set_status(task_id: str, status: str) -> str:
        """Set the status of a task."""
        table.update_item(
            Key={"task_id": task_id},
            UpdateExpression="SET #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": status},
        )
        return f"{task_id} is {status}"

    return [read_task, set_status]
