"""`session-scoping explain PATH`: who can assume what, with which tags, and what each session reaches."""

import argparse
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from session_scoping.commands.verify import (
    add_scope_arguments,
    demand_writable,
    progress,
    stated_by,
    write,
)
from session_scoping.verify.public import no_traceback, require_extra
from session_scoping.verify.reports.role_story import RoleStory

if TYPE_CHECKING:
    from session_scoping.verify.reports.report import Report

_MAY = 31
"""Columns for what a session may do, before where."""


_EPILOG = """\
exit codes:
  0  a role is assumed with session tags, and is shown
  1  there is no such role
  2  the command line, an input or the configuration cannot be read, or an extra is missing

example:
  session-scoping explain cdk.out --html sessions.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.epilog = _EPILOG
    add_scope_arguments(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the picture, self-contained")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also write the picture alone, as SVG")


def run(arguments: argparse.Namespace) -> int:
    """Explain a path: print the table, write the picture."""
    require_extra("rich")
    from session_scoping.verify.reports.summary import tell
    from session_scoping.verify.reports.svg import as_html, as_svg

    stated = stated_by(arguments)
    for file in filter(None, (arguments.html, arguments.svg)):
        demand_writable(file)
    with progress(quiet=False) as step, no_traceback(arguments.path):
        stories, report = tell(arguments.path, stated, step)
    _print(stories, report)
    if arguments.html:
        write(arguments.html, as_html(stories))
    if arguments.svg:
        write(arguments.svg, as_svg(stories))
    return 0 if stories else 1


def _print(stories: list[RoleStory], report: "Report") -> None:
    from rich.text import Text

    from session_scoping.verify.reports.report import labels_of
    from session_scoping.verify.reports.terminal import print_principals, print_text, standard_output

    console = standard_output()
    if not stories:
        console.print("No role here is assumed with session tags.")
    for story in stories:
        print_text(console, Text(story.name, style="bold"))
        for kind, text, style in _lines(story):
            folded = wrap(text, max(20, console.width - 12), break_on_hyphens=False)
            print_text(console, Text(f"  {kind:<8}  " + ("\n" + " " * 12).join(folded), style=style))
        print_text(console, Text(f" {'may':<{_MAY}}  only where", style="bold"))
        for (store, actions), scopes in story.grouped().items():
            where = [store, *(f"  {scope}" for scope in scopes)]
            for left, right in zip_longest(wrap(", ".join(actions), _MAY), where, fillvalue=""):
                print_text(console, Text(f" {left:<{_MAY}}  {right}".rstrip()))
    print_principals(report, labels_of(report), console)


def _lines(story: RoleStory) -> Iterator[tuple[str, str, str]]:
    yield "made by", ", ".join(maker.name for maker in story.minters) or "nobody", ""
    yield "minting", story.minting, "yellow" if any(maker.is_open for maker in story.minters) else ""
    yield "tags", ", ".join(story.tags) or "none", ""
    for fact in story.facts:
        yield fact.kind, fact.text, ""
    yield "verdict", story.verdict, "green" if story.verdict == "PROVED" else "red"
