"""The task file: how a task's tags reach a child process without an environment that every child inherits."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from session_scoping.agent.policy import unique_pairs
from session_scoping.errors import InvalidInputError
from session_scoping.tags import SessionTags

_SIZE_MAX = 65_536
"""Bytes; 50 tags of 128 + 256 characters fit at four bytes each with room to spare (STS API_Tag)."""


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
    return _tags(_content(path))


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        # O_NONBLOCK: a named pipe must not hang the open.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _unusable(
            f"{type(error).__name__} on opening it", "a readable file, not a symbolic link", "check the path"
        ) from None
    try:
        _check_owner_only(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_SIZE_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > _SIZE_MAX:
        raise _unusable("more than 64 KiB", "a small JSON object", "write it with write_task_file()")
    return content


def _check_owner_only(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable("something that is no regular file", "a regular file", "check the path")
    if status.st_uid != os.geteuid():
        raise _unusable("a file of another user", "a file of the user that runs this", "chown it")
    if status.st_mode & 0o077:
        mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
        raise _unusable(mode, "a mode without group and others, such as 0600", "chmod 600")


def _tags(content: bytes) -> SessionTags:
    try:
        values: Any = json.loads(content, object_pairs_hook=unique_pairs)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise _unusable(
            "no JSON object, or one that names a key twice",
            'an object of tags, such as {"user_id": "...", "repo": "...", "task_id": "..."}',
            "write it with write_task_file()",
        )
    return SessionTags(**values)


def _unusable(got: str, expected: str, fix: str) -> InvalidInputError:
    return InvalidInputError(
        "the task file cannot be used",
        got=got,
        expected=expected,
        why="whoever can read or replace it chooses whose data the child reaches",
        fix=fix,
    )
