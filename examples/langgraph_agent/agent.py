"""The agent: a graph for one task. Its tools take the task's id from the model: IAM decides what they reach."""

import os
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from session_scoping.agent import TaskSession

Ask = Callable[[list[Any]], AIMessage]


def task_graph(session: TaskSession, ask: Ask) -> Any:
    """
    Return a graph for one task.

    Args:
        session: The task's session. The tools keep it; it is never part of the graph's state, which is copied.
        ask: Answers a conversation, as `ChatBedrockConverse(...).bind_tools(task_tools(session)).invoke` does
            (docs/your-library.md has its two clients).
    """
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [ask(state["messages"])]})
    graph.add_node("tools", ToolNode(task_tools(session), handle_tool_errors=told))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile()


def told(error: ClientError) -> str:
    """Return what the model is told of a call that AWS denied; its text would name roles and tables."""
    return str(error.response["Error"]["Code"])


def task_tools(session: TaskSession) -> list[StructuredTool]:
    """Return the tools of one task: made anew for each, so that none keeps another task's session."""
    dynamodb = session.resource("dynamodb")
    tasks, notes = dynamodb.Table(os.environ["TASK_TABLE"]), dynamodb.Table(os.environ["NOTES_TABLE"])

    def read_task(task_id: str) -> str:
        """Read what a task is about."""
        return str(tasks.get_item(Key={"task_id": task_id})["Item"]["text"])

    def read_notes(task_id: str) -> str:
        """Read the notes on a task."""
        found = notes.query(KeyConditionExpression="task_id = :task", ExpressionAttributeValues={":task": task_id})
        return "\n".join(str(note["text"]) for note in found["Items"])

    def add_note(task_id: str, text: str) -> str:
        """Add a note to a task."""
        notes.put_item(Item={"task_id": task_id, "note_id": uuid.uuid4().hex, "text": text})
        return "added"

    return [StructuredTool.from_function(one) for one in (read_task, read_notes, add_note)]
