"""Where a task's token comes from: a file or a callable, read anew for every set of credentials."""

import os
from collections.abc import Callable

from session_scoping.agent.children.owner_file import OwnerFile
from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.jws import UnverifiedToken
from session_scoping.contract.task_token import TaskToken

Token = str | os.PathLike[str] | Callable[[], str]
"""A path, or a function that returns the token's text. The text itself is not taken: it would sit in arguments."""

_EXPECTED = "the task's token, as the orchestrator issued it"


class TokenSource:
    """
    The token of one task. It may be renewed, but stays the same task's: the first one fixes tags and source identity.

    Args:
        token: A path, or a callable.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self._task: tuple[object, ...] | None = None

    def __repr__(self) -> str:
        return "TokenSource(…)"

    def read(self) -> tuple[str, TaskToken]:
        """Return the token's text and claims, or raise AnswerRefusedError."""
        text = self._text()
        claims: TaskToken | None = None
        try:
            claims = UnverifiedToken.parse(text).claims
        except InvalidInputError:
            claims = None
        if claims is None:
            raise AnswerRefusedError(
                Failure(
                    "TokenMalformed",
                    "a task token that is none",
                    _EXPECTED,
                    "look at what writes the token file, or at what the callable returns",
                )
            )
        task = (claims.tags, claims.source_identity)
        if self._task not in (None, task):
            raise AnswerRefusedError(
                Failure(
                    "TokenChanged",
                    "the token of another task",
                    "a token with the tags and the source identity of the first one",
                    "look at what writes the token file: this process keeps its task",
                )
            )
        self._task = task
        return text, claims

    def _text(self) -> str:
        if not callable(self._token):
            return _from_file(self._token)
        try:
            text: object = self._token()
        except Exception as error:
            text, kind = None, type(error).__name__
        else:
            kind = type(text).__name__
        if isinstance(text, str):
            return text
        raise AnswerRefusedError(
            Failure(
                "TokenUnreadable",
                f"a {kind} from the function that gives the token",
                _EXPECTED,
                "look into what it does; its text is not shown because it may hold secrets",
            )
        )


def _from_file(path: str | os.PathLike[str]) -> str:
    try:
        # An editor, or `echo`, ends a file with a newline.
        return OwnerFile(path, what="the token file", maker="write the token alone").read().decode("ascii").strip()
    except InvalidInputError as error:
        got = str(error).partition(": ")[2].partition("; ")[0]
    except ValueError:
        return ""
    raise AnswerRefusedError(
        Failure("TokenUnreadable", f"a token file that cannot be used ({got})", _EXPECTED, "correct the token file")
    )
