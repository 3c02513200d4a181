"""Reports for people and for tools: a terminal table, JSON, SARIF."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from session_scoping.verify.report import Report, Result, Status
from session_scoping.verify.rules import DOCUMENTATION, RULES
from session_scoping.verify.text import without_hash

_STYLE = {Status.PROVED: "green", Status.VIOLATED: "bold red", Status.UNKNOWN: "yellow", Status.VACUOUS: "magenta"}
_LEVEL = {Status.VIOLATED: "error", Status.UNKNOWN: "error", Status.VACUOUS: "error", Status.PROVED: "none"}


def print_table(report: Report, *, assumptions: bool = False, console: Console | None = None) -> None:
    """
    Print a report.

    Args:
        report: What was found.
        assumptions: Whether to list what the results rest on. Default: only how many there are.
        console: Where to print. Default: standard output.
    """
    console = console or Console()
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("", "property", "of", "finding"):
        table.add_column(heading, overflow="fold")
    for result in report.results:
        status = Text(result.status.value, style=_STYLE[result.status])
        table.add_row(status, Text(result.rule), Text(short(result.subject)), Text(result.detail))
    console.print(table)
    for result in report.failures():
        if result.counterexample:
            console.print()
            console.print(Text(f"{result.rule} {short(result.subject)}", style="bold"))
            console.print(Text("\n".join(result.counterexample.lines())), highlight=False)
    found = list(dict.fromkeys([*report.assumptions, *(a for r in report.results for a in r.assumptions)]))
    console.print()
    if assumptions:
        console.print(Text("resting on\n" + "\n".join(f"  - {text}" for text in found)))
    console.print(_summary(report, len(found), listed=assumptions))


def _summary(report: Report, assumptions: int, *, listed: bool) -> Text:
    failures = report.failures()
    note = "" if listed else f", resting on {assumptions} assumptions (--assumptions lists them)"
    if report.proved:
        return Text(f"PROVED: all {len(report.results)} properties{note}", style="green")
    return Text(f"NOT PROVED: {len(failures)} of {len(report.results)} properties{note}", style="bold red")


def short(subject: str) -> str:
    """Return a subject without the stack name, the construct's inner ids, and what makes a logical id unique."""
    pieces = []
    for piece in subject.split(" → "):
        name = piece.removesuffix("/Role").partition("/")[2] or piece.rpartition(":::")[2] or piece
        pieces.append(without_hash(name))
    return " → ".join(pieces)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as plain data, stable for tools."""
    return {
        "proved": report.proved,
        "assumptions": list(report.assumptions),
        "results": [_result(result) for result in report.results],
    }


def _result(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rule": result.rule,
        "subject": result.subject,
        "status": result.status.value,
        "detail": result.detail,
        "location": result.location,
        "assumptions": list(result.assumptions),
    }
    example = result.counterexample
    if example:
        found["counterexample"] = {
            "summary": example.summary,
            "session": example.session,
            "victim": example.victim,
            "action": example.action,
            "resource": example.resource,
            "context": example.context,
            "allowedBy": example.decided_by,
            "deployTimeValues": example.values,
        }
    return found


def as_sarif(report: Report, path: Path) -> dict[str, Any]:
    """Return a report in SARIF 2.1.0, one result per property that is not PROVED."""
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.description},
            "helpUri": f"{DOCUMENTATION}#{rule.id}",
        }
        for rule in RULES
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "session-scoping", "informationUri": DOCUMENTATION, "rules": rules}},
                "results": [_sarif_result(result, path) for result in report.failures()],
            }
        ],
    }


def _sarif_result(result: Result, path: Path) -> dict[str, Any]:
    lines = result.counterexample.lines() if result.counterexample else [result.detail]
    return {
        "ruleId": result.rule,
        "level": _LEVEL[result.status],
        "message": {"text": "\n".join([f"{result.status.value}: {short(result.subject)}", *lines])},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": path.as_posix()}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": result.location or result.subject}],
            }
        ],
    }
