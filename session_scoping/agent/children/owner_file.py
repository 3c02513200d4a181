"""Files that only their owner may read: how a task's tags, its token or a child's policy reach a process."""

import os
import stat

from session_scoping.contract.errors import InvalidInputError

SIZE_MAX = 262_144
"""
Bytes. 50 tags of 128 + 256 characters fit, of which JSON writes each character in up to twelve: `\\ud840\\udc00`.

Source: STS API_Tag.
"""


class OwnerFile:
    """
    A file that chooses what is reached, so that nobody else may read or replace it.

    Args:
        path: Where it is.
        what: What it is called in messages, such as `the task file`.
        maker: What the reader does when it holds too much.
        chooses: What it chooses, for messages.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, what: str, maker: str, chooses: str = "whose data is reached"
    ) -> None:
        self.path = path
        self._what = what
        self._maker = maker
        self._chooses = chooses

    def read(self) -> bytes:
        """
        Return its content. Owner and mode are those of the opened file: nothing can be swapped in between.

        Raises:
            InvalidInputError: The path leads to no regular file or through a link at its end; another user owns
                it or may read or write it; it is larger than 256 KiB.
        """
        try:
            # O_NONBLOCK: a named pipe must not hang the open.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise self.unusable(
                f"{type(error).__name__} on opening it", "a readable file, not a symbolic link", "check the path"
            ) from None
        try:
            self._check_owner_only(os.fstat(descriptor))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(SIZE_MAX + 1)
        finally:
            os.close(descriptor)
        if len(content) > SIZE_MAX:
            raise self.unusable("more than 256 KiB", "a small file", self._maker)
        return content

    def _check_owner_only(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self.unusable("something that is no regular file", "a regular file", "check the path")
        if status.st_uid != os.geteuid():
            raise self.unusable("a file of another user", "a file of the user that runs this", "chown it")
        if status.st_mode & 0o077:
            mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
            raise self.unusable(mode, "a mode without group and others, such as 0600", "chmod 600")

    def unusable(self, got: str, expected: str, fix: str) -> InvalidInputError:
        """Return the error for this file."""
        return InvalidInputError(
            f"{self._what} cannot be used",
            got=got,
            expected=expected,
            why=f"a process that can read or replace it chooses {self._chooses}",
            fix=fix,
        )
