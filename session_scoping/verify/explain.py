"""`session-scoping explain PATH`: who can assume what, with which tags, and what each session reaches."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from session_scoping.verify.command import _write, add_scope_arguments, options_from, parameters_from, require_extra


@dataclass(frozen=True)
class Reach:
    """One kind of access of one role: the actions, and on what."""

    actions: tuple[str, ...]
    store: str
    scope: str


@dataclass(frozen=True)
class RoleStory:
    """
    A session role in words.

    Attributes:
        name: The role.
        minters: Who may make its sessions.
        tags: The tags a session must carry.
        reaches: What a session may do.
        verdict: `PROVED`, or the properties that are not.
    """

    name: str
    minters: tuple[str, ...]
    tags: tuple[str, ...]
    reaches: tuple[Reach, ...]
    verdict: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    add_scope_arguments(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the picture, self-contained")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also write the picture alone, as SVG")


def run(arguments: argparse.Namespace) -> int:
    """Explain a path: print the table, write the picture."""
    require_extra()
    from session_scoping.verify.picture import as_html, as_svg
    from session_scoping.verify.story import tell

    stories = tell(arguments.path, options_from(arguments), parameters_from(arguments))
    _print(stories)
    if arguments.html:
        _write(arguments.html, as_html(stories))
    if arguments.svg:
        _write(arguments.svg, as_svg(stories))
    return 0 if stories else 1


def _print(stories: list[RoleStory]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not stories:
        console.print("No role here is assumed with session tags.")
    for story in stories:
        console.print(Text(story.name, style="bold"))
        console.print(Text(f"  made by  {', '.join(story.minters) or 'nobody'}"))
        console.print(Text(f"  tags     {', '.join(story.tags) or 'none'}"))
        console.print(Text(f"  verdict  {story.verdict}", style="green" if story.verdict == "PROVED" else "red"))
        table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 2))
        for heading in ("may", "in", "only where"):
            table.add_column(heading, overflow="fold")
        for reach in story.reaches:
            table.add_row(Text(", ".join(reach.actions)), Text(reach.store), Text(reach.scope.replace("`", "")))
        console.print(table)
