"""`session-scoping explain PATH`: who can assume what, with which tags, and what each session reaches."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

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

    def grouped(self) -> dict[tuple[str, tuple[str, ...]], list[str]]:
        """Return where the same actions are allowed in one store: store and actions -> scopes, without code marks."""
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for reach in self.reaches:
            found.setdefault((reach.store, reach.actions), []).append(reach.scope.replace("`", ""))
        return found


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
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 1), show_edge=False)
        for heading in ("may", "in", "only where"):
            table.add_column(heading, overflow="fold")
        for (store, actions), scopes in story.grouped().items():
            table.add_row(Text("\n".join(wrap(", ".join(actions), 31))), Text(store), Text("\n".join(scopes)))
        console.print(table)
