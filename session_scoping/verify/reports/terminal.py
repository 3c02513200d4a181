"""A report on a terminal: a table as wide as there is room for, then each counterexample."""

import os
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from session_scoping.verify.reports.report import Labels, Report, Result, Status, labels_of

_STYLE = {Status.PROVED: "green", Status.VIOLATED: "bold red", Status.UNKNOWN: "yellow", Status.VACUOUS: "magenta"}
_HEADINGS = ("", "property", "of")
_LOG_WIDTH = 120
"""Columns where nobody says how many there are, as in a pipeline's log."""
_ENOUGH, _COLUMN_MIN, _INDENT = 100, 40, 4
"""From how many columns on a finding stands beside its property, and how many it needs for that."""
_BEHIND_WORD = len("  session  ")


def standard_output() -> Console:
    """Return the console a command prints to; a pipe and a log are wider than the 80 columns rich takes them for."""
    measured = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if measured else _LOG_WIDTH)


def print_table(report: Report, *, assumptions: bool = False, console: Console | None = None) -> None:
    """
    Print a report.

    Args:
        report: What was found.
        assumptions: Whether to list what the results rest on. Default: only how many there are.
        console: Where to print. Default: standard output.
    """
    console = console or standard_output()
    labels = labels_of(report)
    for line in _rows(report.results, labels, console.width):
        print_text(console, line)
    for result in report.failures():
        if result.counterexample:
            summary, *others = result.counterexample.lines()
            print_text(console, Text())
            print_text(console, Text(f"{result.rule} {labels.short(result.subject)}", style="bold"))
            print_text(console, Text(_folded(labels.within(summary), console.width, 2)))
            for other in others:
                print_text(console, Text(_folded(other, console.width, _BEHIND_WORD)))
    print_principals(report, labels, console)
    for option in (option for option in report.options if option.reason or option.expires):
        style = "yellow" if option.expired else ""
        print_text(console, Text(_folded(f"as stated: {option}", console.width, 2), style=style))
    found = list(dict.fromkeys([*report.assumptions, *(a for r in report.results for a in r.assumptions)]))
    print_text(console, Text())
    if assumptions:
        found.append(f"AWS's actions as of {report.action_data.date} ({report.action_data.source})")
        lines = ["resting on", *(_folded(f"  - {text}", console.width, 4) for text in found)]
        print_text(console, Text("\n".join(lines)))
    print_text(console, _summary(report, len(found), console.width, listed=assumptions))


def print_principals(report: Report, labels: Labels, console: Console) -> None:
    """Print everybody who is allowed tenant data by some statement, what each may reach, and by which statements."""
    reaching = [principal for principal in report.principals if principal.reaches]
    if not reaching:
        return
    failing = {result.location for result in report.failures()}
    names = {principal.id: labels.short(principal.name) for principal in reaching}
    size = max(map(len, names.values()))
    print_text(console, Text())
    print_text(console, Text(f"{'who reaches tenant data':<{size + 11}}  what, by which statements", style="bold"))
    for principal in reaching:
        what = ", ".join(labels.short(reach.resource) for reach in principal.reaches)
        by = [where.rpartition(".")[2] for where in principal.by]
        more = f" and {len(by) - _BY_MAX} more" if len(by) > _BY_MAX else ""
        line = f"{principal.kind:<9}{names[principal.id]:<{size}}    {what}, by {', '.join(by[:_BY_MAX])}{more}"
        style = "bold red" if principal.id in failing else ""
        print_text(console, Text(_folded(line, console.width, size + 13), style=style))


_BY_MAX = 3
"""Statements that are named; --json has all of them."""


def _rows(results: Sequence[Result], labels: Labels, width: int) -> Iterator[Text]:
    """Yield the table's lines: a finding that has no room beside its property stands below it."""
    cells = [(r.status.value, r.rule, labels.short(r.subject)) for r in results]
    columns = [max(map(len, column)) for column in zip(_HEADINGS, *cells, strict=True)]
    start = sum(columns) + 2 * len(columns)
    beside = width >= _ENOUGH and width - start >= _COLUMN_MIN
    heading = _padded(_HEADINGS, columns) + ("finding" if beside else "")
    yield Text(heading.rstrip(), style="bold")
    for result, row in zip(results, cells, strict=True):
        indent = start if beside else _INDENT
        finding = wrap(
            labels.within(result.detail),
            max(width - indent, _COLUMN_MIN),
            break_long_words=False,
            break_on_hyphens=False,
        )
        head = _padded(row, columns)
        lines = [head + "".join(finding[:1]), *finding[1:]] if beside else [head.rstrip(), *finding]
        text = Text(("\n" + " " * indent).join(lines).rstrip())
        text.stylize(_STYLE[result.status], 0, len(result.status.value))
        yield text


def _padded(row: Sequence[str], columns: Sequence[int]) -> str:
    return "".join(f"{cell:<{size}}  " for cell, size in zip(row, columns, strict=True))


def _folded(line: str, width: int, indent: int) -> str:
    """Fold a line at its spaces; what is longer than a line, such as an ARN, stays whole to be copied."""
    room = max(width, indent + _COLUMN_MIN)
    return "\n".join(wrap(line, room, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False))


def print_text(console: Console, text: Text) -> None:
    """Print what is folded already: it must not be folded, cut or padded again."""
    console.print(text, soft_wrap=True, highlight=False)


def _summary(report: Report, assumptions: int, width: int, *, listed: bool) -> Text:
    failures = report.failures()
    note = "" if listed else f", resting on {assumptions} assumptions (--assumptions lists them)"
    if report.proved:
        return Text(_folded(f"PROVED: all {len(report.results)} properties{note}", width, 2), style="green")
    partial = f", PARTIAL: {report.partial}" if report.partial else ""
    line = f"NOT PROVED: {len(failures)} of {len(report.results)} properties{partial}{note}"
    return Text(_folded(line, width, 2), style="bold red")
