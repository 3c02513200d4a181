"""`session-scoping verify PATH`: the table, JSON, SARIF and the exit code."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify import verify
from session_scoping.verify.public import require_extra

if TYPE_CHECKING:
    from session_scoping.verify.options.stated import StatedOption
    from session_scoping.verify.proving import Progress

PASSED, FAILED = 0, 1
"""Exit codes: 0 when all is PROVED, 1 when anything is not. 2 is for input that cannot be read."""

_EPILOG = """\
exit codes:
  0  all is PROVED
  1  something is not
  2  the command line, an input or the configuration cannot be read, or an extra is missing

example:
  session-scoping verify cdk.out --sarif report.sarif
"""

_FLAGS = {
    "session_roles": "--session-role",
    "compute_roles": "--compute-role",
    "stores": "--store",
    "tags": "--tag",
    "shared_by": "--shared-by",
    "allow": "--allow",
    "trusted": "--trusted",
    "shared_data": "--shared-data",
    "parameters": "--parameter",
}
"""Keyword of `verify` -> the option that says the same."""


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
    parser.add_argument(
        "--shared-data", action="append", default=[], metavar="ID[:KEYS]", help="what every session may read"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="options in another file than session-scoping.toml")
    parser.add_argument("--masked-grants", action="store_true", help="pass grants that only a Deny holds back")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="the value of a template parameter"
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`."""
    parser.epilog = _EPILOG
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


def stated_by(arguments: argparse.Namespace) -> "tuple[StatedOption, ...]":
    """
    Return what the user stated in the file of the working directory, or another one, and on the command line.

    Raises:
        InvalidInputError: The file cannot be read, a parameter is not NAME=VALUE, or a word is blank.
    """
    from session_scoping.verify.options.stated import StatedOption, find_configuration, read_configuration, stated_words

    file = arguments.config or find_configuration(Path())
    found = list(read_configuration(file)) if file else []
    for option, flag in _FLAGS.items():
        words = getattr(arguments, flag.removeprefix("--").replace("-", "_"))
        found += (replace(word, place=flag) for word in stated_words(option, words))
    for text in arguments.parameter:
        name, equals, _ = text.partition("=")
        if not equals or not name:
            raise InvalidInputError(
                "a template parameter cannot be read",
                got=f"`{text}`",
                expected="NAME=VALUE",
                why="its value would stay unknown",
                fix="write --parameter Name=value",
            )
    if arguments.masked_grants:
        found.append(StatedOption("masked_grants", "true", "--masked-grants"))
    return tuple(found)


def run(arguments: argparse.Namespace) -> int:
    """Verify a path, print the report, return the exit code."""
    require_extra("rich")
    from session_scoping.verify.reports.sarif import as_sarif
    from session_scoping.verify.reports.terminal import print_table

    stated = stated_by(arguments)
    policies = [_read_policy(path) for path in arguments.session_policy]
    if arguments.sarif:
        demand_writable(arguments.sarif)
    with progress(quiet=arguments.json) as tell:
        report = verify(arguments.path, configuration=stated, session_policies=policies, progress=tell)
    if arguments.sarif:
        write(arguments.sarif, json.dumps(as_sarif(report), indent=2) + "\n")
    if arguments.json:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        print_table(report, assumptions=arguments.assumptions)
    return PASSED if report.proved else FAILED


def _read_policy(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
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
def progress(*, quiet: bool) -> "Iterator[Progress]":
    """Tell each step on a terminal, so that nothing seems to hang."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _step: None
        return
    with console.status("reading") as status:
        yield lambda step: status.update(step)
