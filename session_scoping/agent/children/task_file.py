"""The task file: how a task's tags reach a child process without an environment that every child inherits."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from session_scoping.agent.children.owner_file import OwnerFile
from session_scoping.agent.environment import require_tags
from session_scoping.contract import strict_json
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags

_MAKER = "write it with write_task_file()"


def write_task_file(path: str | os.PathLike[str], tags: SessionTags) -> Path:
    """
    Write the tags of a task to a file that only its owner may read, in place of one that is there.

    A reader finds the old tags or the new ones, never a part: the new file takes the old one's place when it is
    complete. A link at the path is replaced, not followed.

    Args:
        path: Where.
        tags: The task's tags.

    Raises:
        InvalidInputError: `tags` is no SessionTags, or the file cannot be written there.
    """
    require_tags(tags)
    try:
        descriptor, written = tempfile.mkstemp(dir=Path(path).parent, prefix=".task-")  # its mode is 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(dict(tags), file)
            Path(written).replace(path)
        except BaseException:
            Path(written).unlink()
            raise
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            "the task file cannot be written",
            got=type(error).__name__,
            expected="a path in a folder that this user may write to, and no folder itself",
            why="child processes would have no task",
            fix="give another path",
        ) from None
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
