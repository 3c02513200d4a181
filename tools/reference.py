"""
The tables of the reference pages, each made from the code that it describes.

A page of `docs/reference/` says `<!-- table: NAME -->` where the site shows the table.
"""

import ast
import contextlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from unittest import mock

from session_scoping.agent.children import command as credentials_command
from session_scoping.commands import main as commands
from session_scoping.contract import environment, metadata
from session_scoping.verify.reports.findings import NAG_RULES
from session_scoping.verify.reports.rules import RULES

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"^<!-- table: (?P<name>[\w .-]+) -->$", re.MULTILINE)
WIDTH = "100"  # columns of a command's help


class UnknownTableError(Exception):
    """A page asks for a table that nothing makes."""


def filled(text: str) -> str:
    """Return a page with its tables, or raise UnknownTableError."""

    def table(mark: re.Match[str]) -> str:
        kind, _, argument = mark["name"].partition(" ")
        if kind not in TABLES:
            raise UnknownTableError(f"no table is called `{kind}`; there are {', '.join(TABLES)}")
        return TABLES[kind](argument)

    return MARK.sub(table, text)


def public_names() -> list[str]:
    """Return the public names of all doors, which a test compares with the code."""
    return (ROOT / "tests/unit/public_names.txt").read_text("utf-8").split()


def helps() -> Mapping[str, str]:
    """Return what each command prints for `--help`."""
    found = {"session-scoping": _help(commands.main)}
    for name in re.findall(r"^    (\w+)  ", found["session-scoping"], re.MULTILINE):
        found[f"session-scoping {name}"] = _help(commands.main, name)
    return {**found, "session-scoping-credentials": _help(credentials_command.main)}


def _help(main: Callable[[list[str]], int], *words: str) -> str:
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=WIDTH),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([*words, "--help"])
    return printed.getvalue()


def constants(module: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, value and docstring of each text constant of a module; `# --- section ---` begins a section."""
    source = Path(module).read_text("utf-8")
    body = ast.parse(source).body
    sections = [
        (number, line.strip("#- ")) for number, line in enumerate(source.splitlines(), 1) if line[:5] == "# ---"
    ]
    for made, text in pairwise(body):
        match made, text:
            case (
                ast.Assign(value=ast.Constant(value=str(value)), lineno=line),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                yield next((name for at, name in reversed(sections) if at < line), ""), value, " ".join(doc.split())


def _names(door: str) -> str:
    return "\n\n".join(f"::: {name}" for name in public_names() if name.rpartition(".")[0] == door)


def _commands(_: str) -> str:
    return "\n\n".join(f"## `{name}`\n\n```text\n{text.strip()}\n```" for name, text in helps().items())


def exit_codes() -> Iterator[tuple[str, str, str]]:
    """Yield command, exit code and meaning, as the commands' own help says them."""
    for name, text in helps().items():
        block = re.search(r"^exit codes:\n((?:  .+\n)+)", text, re.MULTILINE)
        for line in block[1].splitlines() if block else ():
            code = re.match(r"  (?P<code>\d+)  +(?P<meaning>.+)", line)
            yield name, code["code"] if code else "", code["meaning"] if code else line.strip()


def _exit_codes(_: str) -> str:
    return _table(("Command", "Code", "Meaning"), ((f"`{name}`", code, text) for name, code, text in exit_codes()))


def _environment(_: str) -> str:
    rows = groupby(constants(environment.__file__), key=lambda row: row[0])
    return "\n\n".join(
        f"## {section.capitalize()}\n\n{_table(('Variable', 'Value'), ((f'`{name}`', doc) for _, name, doc in group))}"
        for section, group in rows
    )


def _metadata(_: str) -> str:
    rows = ((f"`{key}`", doc) for _, key, doc in constants(metadata.__file__) if key != metadata.PREFIX)
    return _table(("Key", "Value"), rows)


def _rules(_: str) -> str:
    rows = ((f"[`{rule.id}`](../verify.md#{rule.id})", f"{rule.title}.", rule.description) for rule in RULES)
    return _table(("Rule", "It proves", "In detail"), rows)


def _nag_rules(_: str) -> str:
    rows = ((f"[`{rule.id}`](../verify.md#{rule.id.lower()})", rule.description, rule.fix) for rule in NAG_RULES)
    return _table(("Rule", "It finds", "What to do"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES: Mapping[str, Callable[[str], str]] = {
    "names": _names,
    "commands": _commands,
    "exit-codes": _exit_codes,
    "environment": _environment,
    "metadata": _metadata,
    "rules": _rules,
    "nag-rules": _nag_rules,
}
