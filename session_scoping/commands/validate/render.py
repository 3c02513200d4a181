"""What was expected and what AWS said, for a terminal and for tools."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from session_scoping.commands.validate.simulation import Answer

_WORDS = {True: "allowed", False: "denied", None: "no answer"}
LIMITS = (
    "the simulator sees no resource policies of roles: trust, bucket and key policies are not asked about",
    "condition keys are those the verifier supplies; AWS notes in a row which other ones it missed",
    "AWS says that its simulator can differ from the live environment; --live asks the environment",
)
"""Source: IAM API_SimulatePrincipalPolicy, API_SimulateCustomPolicy."""


def print_table(answers: Sequence[Answer], asked: str, *, everything: bool, console: Console | None = None) -> None:
    """
    Print the differences, or every row.

    Args:
        answers: What AWS said.
        asked: Whom, for the summary.
        everything: Whether rows that agree are printed as well.
        console: Where to print. Default: standard output.
    """
    console = console or Console()
    rows = _rows([answer for answer in answers if everything or not answer.agrees])
    if rows:
        table = Table(box=None, pad_edge=False, show_edge=False)
        for heading in ("", "resource", "request", "actions", "expected", "AWS", ""):
            table.add_column(heading, overflow="fold")
        for row in rows:
            mark = Text("same", style="green") if row[0] else Text("DIFFERENT", style="bold red")
            table.add_row(mark, *map(Text, row[1:]))
        console.print(table)
        console.print()
    console.print(_summary(answers, asked))
    for limit in LIMITS:
        console.print(Text(f"  - {limit}", style="dim"))


def _rows(answers: Sequence[Answer]) -> list[tuple[bool, str, str, str, str, str, str]]:
    """Return one row for actions that were asked and answered alike."""
    groups: dict[tuple[bool, str, str, str, str, str], list[str]] = {}
    for answer in answers:
        case = answer.case
        key = (answer.agrees, case.subject, case.title, _WORDS[case.expected], _WORDS[answer.allowed], answer.note)
        groups.setdefault(key, []).append(case.action)
    return [
        (agrees, subject, title, ", ".join(dict.fromkeys(actions)), expected, said, note)
        for (agrees, subject, title, expected, said, note), actions in groups.items()
    ]


def _summary(answers: Sequence[Answer], asked: str) -> Text:
    different = sum(1 for answer in answers if answer.allowed is not None and not answer.agrees)
    silent = sum(1 for answer in answers if answer.allowed is None)
    if not different and not silent:
        return Text(f"SAME: {asked} agrees on all {len(answers)} requests", style="green")
    text = f"NOT THE SAME: of {len(answers)} requests {asked} decides {different} otherwise and leaves {silent} open"
    return Text(text, style="bold red")


def as_json(answers: Sequence[Answer], asked: str) -> dict[str, Any]:
    """Return the answers as plain data, stable for tools."""
    return {
        "same": bool(answers) and all(answer.agrees for answer in answers),
        "asked": asked,
        "limits": list(LIMITS),
        "results": [
            {
                "role": answer.case.role.id,
                "subject": answer.case.subject,
                "request": answer.case.title,
                "action": answer.case.action,
                "resource": answer.case.resource,
                "context": dict(answer.case.context),
                "expected": _WORDS[answer.case.expected],
                "aws": _WORDS[answer.allowed],
                "note": answer.note,
            }
            for answer in answers
        ],
    }
