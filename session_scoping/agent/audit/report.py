"""`audit` and what it returns."""

import ast
import io
import os
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from session_scoping.agent.audit.constructions import Found, find
from session_scoping.agent.audit.libraries import Credentials
from session_scoping.agent.audit.program import Program
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
        allowed: The reason, where `# session-scoping: allow REASON` on its line allows it on purpose; else empty.
    """

    path: Path
    line: int
    service: str | None
    credentials: Credentials
    tenant: bool
    text: str
    allowed: str = ""

    @property
    def problem(self) -> bool:
        """Whether it may reach tenant data without a session, and is not allowed to."""
        return self.tenant and self.credentials != "session" and not self.allowed

    def __str__(self) -> str:
        mark = "PROBLEM " if self.problem else f"allowed ({self.allowed}): " if self.allowed else ""
        what = self.service or "an unknown service"
        return f"{self.path}:{self.line}: {mark}{what}, signed by {_SIGNED_BY[self.credentials]}: {self.text}"


@dataclass(frozen=True)
class Report:
    """
    What an audit found. Printing it gives one line per construction and a summary.

    Attributes:
        constructions: Every one, by file and line.
        skipped: The folders that were left out: environments and `node_modules`.
    """

    constructions: tuple[Construction, ...]
    skipped: tuple[Path, ...] = ()

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
        if allowed := sum(bool(found.allowed) for found in self.constructions):
            lines.append(f"{allowed} allowed on purpose")
        lines += [f"not read: {folder}" for folder in self.skipped]
        return "\n".join([*lines, f"{len(self.problems)} problems"])


def audit(*sources: str | os.PathLike[str], tenant_services: Collection[str] = TENANT_SERVICES) -> Report:
    """
    Read an agent's source and report where it makes AWS clients, and with which credentials.

    Args:
        sources: Python files, or folders searched for `*.py`; hidden ones, environments and `node_modules` left out.
        tenant_services: Services that hold tenant data. Default: dynamodb, dynamodbstreams, s3 and s3control.

    Raises:
        InvalidInputError: There is no Python file. Nothing to check is a failure, not a pass.
    """
    skipped: list[Path] = []
    files = sorted({file for source in sources for file in _files(Path(source), skipped)})
    if not files:
        raise InvalidInputError(
            "there is nothing to audit",
            got=f"{len(sources)} paths without a Python file",
            expected="a file, or a folder that holds *.py",
            why="an empty audit would pass for any agent",
            fix="name the agent's source folder",
        )
    parsed = {file: _parsed(file) for file in files}
    program = Program({file: tree for file, tree in parsed.items() if isinstance(tree, ast.Module)})
    found = {module.path: find(module) for module in program.modules}
    found |= {file: [broken] for file, broken in parsed.items() if isinstance(broken, Found)}
    constructions = [one for file in files for one in _constructions(file, found[file], tenant_services)]
    return Report(tuple(constructions), tuple(sorted(skipped)))


def _constructions(file: Path, found: list[Found], tenant_services: Collection[str]) -> Iterator[Construction]:
    """Yield what is reported of one file: a construction, or an allowance that is none."""
    allowances = _allowances(file)
    used = set()
    for one in found:
        # `api.resource("/path")` on an object nobody knows is no client.
        if one.credentials == "unknown" and one.service not in {None, *tenant_services}:
            continue
        tenant = one.service is None or one.service in tenant_services
        reason = allowances.get(one.line, "") if tenant and one.credentials != "session" else ""
        used |= {one.line} if reason else set()
        yield Construction(file, one.line, one.service, one.credentials, tenant, one.text, reason)
    for line in sorted(allowances.keys() - used):
        text = "an allowance of nothing: take it away" if allowances[line] else "an allowance without a reason"
        yield Construction(file, line, None, "unknown", tenant=True, text=text)


_ALLOWANCE = re.compile(r"#\s*session-scoping:\s*allow\b[\s:,-]*(.*)")


def _allowances(file: Path) -> dict[int, str]:
    """Return line -> reason, for each comment that allows a construction on its line."""
    try:
        tokens = [*tokenize.tokenize(io.BytesIO(file.read_bytes()).readline)]
    except (OSError, SyntaxError, ValueError, tokenize.TokenError):
        return {}  # the file is a problem already
    comments = ((token.start[0], _ALLOWANCE.match(token.string)) for token in tokens if token.type == tokenize.COMMENT)
    return {line: match[1].strip() for line, match in comments if match}


_INSTALLED = frozenset({"node_modules", "site-packages", "dist-packages", "__pypackages__"})


def _files(source: Path, skipped: list[Path]) -> Iterator[Path]:
    if source.is_file():
        yield source
    for folder, inner, names in os.walk(source):
        kept = []
        for name in inner:
            if _is_installed(Path(folder, name)):
                skipped.append(Path(folder, name))
            elif not name.startswith("."):  # caches, not the agent
                kept.append(name)
        inner[:] = kept
        paths = (Path(folder, name) for name in names if name.endswith(".py") and not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _is_installed(folder: Path) -> bool:
    """Whether others' code is installed there: an environment of Python or conda, or packages of npm."""
    return folder.name in _INSTALLED or (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def _parsed(file: Path) -> ast.Module | Found:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        return Found(line, None, "unknown", f"the file cannot be read: {type(error).__name__}")
