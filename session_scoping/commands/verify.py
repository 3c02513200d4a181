"""`session-scoping verify PATH`: the table, JSON, SARIF and the exit code."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.contract.errors import InvalidInputError, MissingExtraError, SessionScopingError

if TYPE_CHECKING:
    from session_scoping.verify.infer import Options
    from session_scoping.verify.proving import Progress

PASSED, FAILED = 0, 1
"""Exit codes: 0 when all is PROVED, 1 when anything is not. 2 is for input that cannot be read."""


def require_extra() -> None:
    """
    Check that the prover's dependencies are installed.

    Raises:
        MissingExtraError: They are not.
    """
    try:
        import_module("z3")
        import_module("rich")
    except ImportError as error:
        raise MissingExtraError(
            f"the verifier needs {error.name}: got an installation without it, expected the extra `verify`;"
            " nothing is proved without it; fix: pip install 'session-scoping[verify]'"
        ) from error


def add_scope_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that replace what is otherwise inferred from the template."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a cdk.out directory or one template")
    parser.add_argument("--session-role", action="append", default=[], metavar="ID", help="a role assumed with tags")
    parser.add_argument("--compute-role", action="append", default=[], metavar="ID", help="a role agent code runs with")
    parser.add_argument("--store", action="append", default=[], metavar="ID", help="a tenant table or bucket")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY", help="a tag every session must carry")
    parser.add_argument(
        "--shared-by", action="append", default=[], metavar="KEY[,KEY]", help="tags by which sessions may share data"
    )
    parser.add_argument(
        "--allow", action="append", default=[], metavar="ACTION", help="a further action a session may hold"
    )
    parser.add_argument(
        "--trusted", action="append", default=[], metavar="PRINCIPAL", help="an outsider a store's policy may name"
    )
    parser.add_argument("--masked-grants", action="store_true", help="pass grants that only a Deny holds back")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="the value of a template parameter"
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`."""
    add_scope_arguments(parser)
    parser.add_argument(
        "--session-policy",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a session policy to hold against every session role",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="also write the report as SARIF")
    parser.add_argument("--assumptions", action="store_true", help="list what the results rest on")


def options_from(arguments: argparse.Namespace) -> "Options":
    """Return what the user said."""
    from session_scoping.verify.infer import Options

    return Options(
        session_roles=tuple(arguments.session_role),
        compute_roles=tuple(arguments.compute_role),
        stores=tuple(arguments.store),
        tags=tuple(arguments.tag),
        shared_by=tuple(arguments.shared_by),
        allow=tuple(arguments.allow),
        trusted=tuple(arguments.trusted),
        masked_grants=arguments.masked_grants,
        from_command=True,
    )


def parameters_from(arguments: argparse.Namespace) -> dict[str, str]:
    """
    Return the template parameters the user gave.

    Raises:
        InvalidInputError: One is not NAME=VALUE.
    """
    found: dict[str, str] = {}
    for text in arguments.parameter:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInputError(
                "a template parameter cannot be read",
                got=f"`{text}`",
                expected="NAME=VALUE",
                why="its value would stay unknown",
                fix="write --parameter Name=value",
            )
        found[name] = value
    return found


def run(arguments: argparse.Namespace) -> int:
    """Verify a path, print the report, return the exit code."""
    require_extra()
    from session_scoping.verify.collecting import collect
    from session_scoping.verify.proving import prove
    from session_scoping.verify.render import as_json, as_sarif
    from session_scoping.verify.template import load
    from session_scoping.verify.terminal import print_table

    options = replace(options_from(arguments), session_policies=tuple(map(_read_policy, arguments.session_policy)))
    parameters = parameters_from(arguments)
    if arguments.sarif:
        demand_writable(arguments.sarif)
    with progress(quiet=arguments.json) as tell, no_traceback(arguments.path):
        scopes = load(arguments.path, parameters)
        report = prove(collect(scopes), options, tell)
    if arguments.sarif:
        files = {scope.name: scope.file for scope in scopes if scope.file}
        write(arguments.sarif, json.dumps(as_sarif(report, files), indent=2) + "\n")
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(report), indent=2) + "\n")
    else:
        print_table(report, assumptions=arguments.assumptions)
    return PASSED if report.proved else FAILED


def _read_policy(path: Path) -> str:
    try:
        return parse_session_policy(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"cannot read `{path}`",
            got=type(error).__name__,
            expected="a file with a session policy as JSON",
            why="it would be left out of the proof",
            fix="give another path",
        ) from error


def demand_writable(path: Path) -> None:
    """
    Check that a report can be written before the time is spent on it; leaves no file behind.

    Raises:
        InvalidInputError: It cannot.
    """
    with _writing(path):
        there = path.exists()
        path.open("a", encoding="utf-8").close()
        if not there:
            path.unlink()


def write(path: Path, text: str) -> None:
    """
    Write a report or a picture.

    Raises:
        InvalidInputError: It cannot be written.
    """
    with _writing(path):
        path.write_text(text, encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInputError(
            f"cannot write `{path}`",
            got=type(error).__name__,
            expected="a file in a directory that exists",
            why="the report would be lost",
            fix="give another path",
        ) from error


@contextmanager
def no_traceback(path: Path) -> Iterator[None]:
    """
    Turn what nobody foresaw in an input into a sentence.

    Raises:
        InvalidInputError: In place of any exception that is not one of ours.
    """
    try:
        yield
    except SessionScopingError:
        raise
    except Exception as error:
        raise InvalidInputError(
            f"cannot verify `{path}`",
            got=f"{type(error).__name__} on the way",
            expected="templates as `cdk synth` writes them",
            why="nothing is proved about it",
            fix="verify its templates one by one to find the one, and report it",
        ) from error


@contextmanager
def progress(*, quiet: bool) -> "Iterator[Progress]":
    """Tell each step on a terminal, so that nothing seems to hang."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _step: None
        return
    with console.status("reading") as status:
        yield lambda step: status.update(step)
