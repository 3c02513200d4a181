"""Files a person attached to the task. Through the session."""

from pathlib import Path

from examples.reference_agent.settings import Settings
from session_scoping import ATTACHMENT_PREFIX, KeyFormat
from session_scoping.agent import TaskSession


def download_attachment(session: TaskSession, settings: Settings, attachment_id: str, name: str, folder: Path) -> Path:
    """
    Download one attachment into a folder and return its path.

    Raises:
        ValueError: The name or id is no plain file name, so that it would leave the prefix or the folder.
    """
    if any("/" in part or part in {"", ".", ".."} for part in (attachment_id, name)):
        raise ValueError("an attachment has a plain id and a plain file name")
    prefix = KeyFormat.object_key(ATTACHMENT_PREFIX, session.tags).fill(session.tags)
    target = folder / name
    session.client("s3").download_file(settings.attachment_bucket, f"{prefix}{attachment_id}/{name}", str(target))
    return target
