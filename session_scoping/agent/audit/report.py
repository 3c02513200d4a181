"""`audit` and what it returns."""

import ast
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from session_scoping.agent.audit.constructions import Credentials, Found, exported, find
from session_scoping.agent.audit.values import Values
from session_scoping.contract.errors import InvalidInputError

TENANT_SERVICES = ("dynamodb", "dynamodbstreams", "s3", "s3control")
"""Services that hold tenant data in the reference layout, or decide who reaches it (`s3control`)."""

_SIGNED_BY = {
    "session": "the task's session",
    "ambient": "the process's own credentials",
    "unknown": "credentials that the source does not show",
}


@dataclass(frozen=True)
class Construction:
    """
    One place where a client is made.

    Attributes:
        path: The file.
        line: The line, from 1.
        service: The service, such as `dynamodb`; nothing when the source does not show it.
        credentials: `session` for a TaskSession's, `ambient` for the process's own, or `unknown`.
        tenant: Whether it reaches, or may reach, a tenant service.
        text: The code.
    """

    path: Path
    line: int
    service: str | None
    credentials: Credentials
    tenant: bool
    text: str

    @property
    def problem(self) -> bool:
        """Whether it may reach tenant data without a session."""
        return self.tenant and self.credentials != "session"

    def __str__(self) -> str:
        mark = "PROBLEM " if self.problem else ""
        what = self.service or "an unknown service"
        return f"{self.path}:{self.line}: {mark}{what}, signed by {_SIGNED_BY[self.credentials]}: {self.text}"


@dataclass(frozen=True)
class Report:
    """
    What an audit found. Printing it gives one line per construction and a summary.

    Attributes:
        constructions: Every one, by file and line.
    """

    constructions: tuple[Construction, ...]

    @property
    def problems(self) -> tuple[Construction, ...]:
        """The constructions that reach, or may reach, a tenant service without a session."""
        return tuple(found for found in self.constructions if found.problem)

    def signed_by(self, credentials: Credentials) -> tuple[Construction, ...]:
        """Return the constructions with these credentials."""
        return tuple(found for found in self.constructions if found.credentials == credentials)

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.signed_by(kind))} {kind}" for kind in ("session", "ambient", "unknown"))
        lines = [*map(str, self.constructions), f"{len(self.constructions)} constructions: {counts}"]
        return "\n".join([*lines, f"{len(self.problems)} problems"])


def audit(*sources: str | os.PathLike[str], tenant_services: Collection[str] = TENANT_SERVICES) -> Report:
    """
    Read an agent's source and report where it makes AWS clients, and with which credentials.

    Args:
        sources: Python files, or folders searched for `*.py`, hidden ones left out.
        tenant_services: Services that hold tenant data. Default: dynamodb, dynamodbstreams, s3 and s3control.

    Raises:
        InvalidInputError: There is no Python file. Nothing to check is a failure, not a pass.
    """
    files = sorted({file for source in sources for file in _files(Path(source))})
    if not files:
        raise InvalidInputError(
            "there is nothing to audit",
            got=f"{len(sources)} paths without a Python file",
            expected="a file, or a folder that holds *.py",
            why="an empty audit would pass for any agent",
            fix="name the agent's source folder",
        )
    trees = {file: _parsed(file) for file in files}
    exports: dict[str, Values] = {}
    for tree in trees.values():
        if isinstance(tree, ast.Module):
            for name, values in exported(tree).items():
                exports[name] = exports.get(name, frozenset()) | values
    return Report(
        tuple(
            Construction(
                file,
                found.line,
                found.service,
                found.credentials,
                found.service is None or found.service in tenant_services,
                found.text,
            )
            for file, tree in trees.items()
            for found in (find(tree, exports) if isinstance(tree, ast.Module) else [tree])
            # `api.resource("/path")` on an object nobody knows is no client.
            if found.credentials != "unknown" or found.service in {None, *tenant_services}
        )
    )


def _files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        # Hidden folders hold environments and caches, not the agent.
        found = (path for path in source.rglob("*.py") if path.is_file())
        yield from (path for path in found if not _hidden(path.relative_to(source)))
    elif source.is_file():
        yield source


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _parsed(file: Path) -> ast.Module | Found:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        return Found(line, None, "unknown", f"the file cannot be read: {type(error).__name__}")
