"""Files a person attached to the task. Through the session."""

from pathlib import Path

from examples.reference_agent.settings import Settings
from session_scoping.agent import TaskSession
from session_scoping.layout import ATTACHMENT_PREFIX, KeyFormat


def download_attachment(
    session: TaskSession, settings: Settings, attachment_id: str, name: str, folder: Path
) -> Path:
    """
    Download one attachment into a folder and return its path.

    The name on disk is the last segment of the key's own name only, so that a hostile one cannot leave the folder.
    """
    prefix = KeyFormat.object_key(ATTACHMENT_PREFIX, session.tags).fill(session.tags)
    target = folder / Path(name).name
    session.client("s3").download_file(
        settings.attachment_bucket, f"{prefix}{attachment_id}/{name}", str(target)
    )
    return target
