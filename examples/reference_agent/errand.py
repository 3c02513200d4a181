"""What this agent does for a task, where another one would think: reads what it was given and asks a person."""

from pathlib import Path

from examples.reference_agent.attachments import download_attachment
from examples.reference_agent.run import Work
from examples.reference_agent.settings import Settings
from examples.reference_agent.task_state import read_task, request_approval, set_status
from session_scoping.agent import TaskSession


def errand(session: TaskSession, settings: Settings, folder: Path) -> Work:
    """
    Return the work of one task: download its attachments, ask for approval in one transaction, go on.

    Args:
        session: The task's session.
        settings: Resource names.
        folder: Where attachments are put.
    """

    def work(description: str, nudges: list[str]) -> int:
        attached = read_task(session, settings).get("attachments", {})
        for attachment_id, name in attached.items():
            download_attachment(session, settings, attachment_id, name, folder)
        request_approval(session, settings, f"{description}, after {len(nudges)} messages?")
        set_status(session, settings, "RUNNING")
        return 0

    return work
