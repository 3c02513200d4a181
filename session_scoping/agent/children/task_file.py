"""The task file: how a task's tags reach a child process without an environment that every child inherits."""

import json
import os
from pathlib import Path
from typing import Any

from session_scoping.agent.children.owner_file import OwnerFile
from session_scoping.contract import strict_json
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags

_MAKER = "write it with write_task_file()"


def write_task_file(path: str | os.PathLike[str], tags: SessionTags) -> Path:
    """
    Write the tags of a task to a new file that only its owner may read.

    Args:
        path: Where. The file must not exist: an older one may be open in somebody's hands.
        tags: The task's tags.

    Raises:
        OSError: The file exists or cannot be made.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dict(tags), file)
    return Path(path)


def read_task_file(path: str | os.PathLike[str]) -> SessionTags:
    """
    Read the tags of a task from a file that only its owner may read.

    Owner and mode are those of the opened file, so that nothing can be swapped in between.

    Raises:
        InvalidInputError: The path leads to no regular file or through a link at its end; another user owns
            it or may read or write it; it holds no JSON object of valid tags.
    """
    file = OwnerFile(path, what="the task file", maker=_MAKER)
    try:
        values: Any = strict_json.parse(file.read())
    except InvalidInputError:
        raise
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise file.unusable(
            "no JSON object, or one that names a key twice",
            'an object of tags, such as {"user_id": "...", "repo": "...", "task_id": "..."}',
            _MAKER,
        )
    return SessionTags(**values)
