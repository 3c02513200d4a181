"""The tables of README.md, each between two markers: `<!-- name: begin -->` and `<!-- name: end -->`."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path

README = Path(__file__).with_name("README.md")
LOAD = "BENCHMARKS_LOAD"
"""Environment variable with the load average before the first group ran: later it is the benchmarks' own."""


@dataclass(frozen=True)
class Table:
    """
    One table.

    Attributes:
        name: The name in its markers.
        head: The columns.
        rows: The cells; integers get thousands separators.
        missed: Targets that were missed, of those that no machine changes.
    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    missed: Sequence[str] = ()

    def lines(self) -> list[str]:
        """Return the table as Markdown."""
        rows = (self.head, ["---"] * len(self.head), *self.rows)
        return [
            "| " + " | ".join(f"{one:,}" if isinstance(one, int) else str(one) for one in row) + " |" for row in rows
        ]


def met(condition: bool) -> str:
    """Return the cell of a target."""
    return "yes" if condition else "**no**"


def made_by(group: str, packages: Iterable[str]) -> str:
    """Return the line that says when, on what and by which command, and how busy the machine was before."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    machine = f"Python {platform.python_version()}, {versions}, {os.cpu_count()} CPUs ({platform.machine()})"
    return (
        f'{datetime.now(UTC).date()}, `make bench ARGS="{group}"`: {machine}, load average {os.environ[LOAD]} before.'
    )


def write(tables: Iterable[Table], source: str) -> None:
    """Print the tables and put them into README.md."""
    text = README.read_text()
    for table in tables:
        lines = "\n".join(table.lines())
        print(f"\n{table.name}\n{lines}")
        before, _, after = _parted(text, table.name)
        text = f"{before}{source}\n\n{lines}\n{after}"
    README.write_text(text)


def check(tables: Iterable[Table]) -> list[str]:
    """Return what README.md prints otherwise, as differences."""
    text = README.read_text()
    differences: list[str] = []
    for table in tables:
        printed = [line for line in _parted(text, table.name)[1].splitlines() if line.startswith("|")]
        differences += unified_diff(printed, table.lines(), f"README.md: {table.name}", "measured", lineterm="", n=0)
    return differences


def _parted(text: str, name: str) -> tuple[str, str, str]:
    """Return what is before, in and after a table's place, the markers outside."""
    parts = re.fullmatch(rf"(.*<!-- {name}: begin -->\n)(.*)(<!-- {name}: end -->\n.*)", text, re.DOTALL)
    if not parts:
        raise ValueError(f"{README.name} has no place for the table `{name}`")
    before, printed, after = parts.groups()
    return before, printed, after
