"""
Writes the pages of the documentation site into build/pages, and checks the site that was built of them.

A page keeps its path in the repository, and so its links to other pages; a link to another file leads to the
address of the repository. `tools.reference` fills in the tables that the code itself can say.
"""

import posixpath
import re
import shutil
import sys
import tomllib
from pathlib import Path

from tools import reference

ROOT = Path(__file__).parents[1]
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
# What a reader of the site reads; the other files of the repository are linked to, where they are.
SOURCES = ("*.md", "docs/**/*.md", "docs/**/*.svg", "benchmarks/README.md")
# Code is left out first: in it brackets are no link.
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?P<before>\]\()(?P<target>(?!https?:|mailto:|#)[^)#\s]+)(?P<anchor>#[^)]*)?\)")


class DeadLinkError(Exception):
    """A page links to a file that the repository does not have."""


def main(argv: list[str]) -> int:
    """Write the pages, or check the site; return 1 when anything is wrong."""
    try:
        found = {"write": write, "check": check}[argv[0]]()
    except (DeadLinkError, reference.UnknownTableError) as error:
        found = [str(error)]
    print("\n".join(found) or f"the site: {argv[0]} done")
    return bool(found)


def write() -> list[str]:
    """Write every page; find nothing."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for source in sources():
        target = PAGES / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            target.write_text(page(source), "utf-8")
        else:
            shutil.copy(ROOT / source, target)
    return []


def check() -> list[str]:
    """Find each public name that the reference of the built site does not explain."""
    built = "".join(path.read_text("utf-8") for path in (SITE / "docs" / "reference").rglob("*.html"))
    # An object's heading has its name as id, and its docstring's first line is a paragraph before the next heading.
    parts = re.split(r'(?=<h\d id=")', built)
    described = {part.split('"')[1] for part in parts[1:] if "<p>" in part}
    return [f"{name}: without a docstring" for name in reference.public_names() if name not in described]


def sources() -> list[Path]:
    """Return what the site is made of, each by its path in the repository."""
    return sorted({path.relative_to(ROOT) for pattern in SOURCES for path in ROOT.glob(pattern)})


def page(source: Path) -> str:
    """Return a page as the site shows it."""
    text = reference.filled((ROOT / source).read_text("utf-8"))
    pages = {path.as_posix() for path in sources()}
    end, parts = 0, []
    for code in CODE.finditer(text):
        parts += [_linked(text[end : code.start()], source, pages), code[0]]
        end = code.end()
    return "".join([*parts, _linked(text[end:], source, pages)])


def _linked(text: str, source: Path, pages: set[str]) -> str:
    """Return prose in which what is no page of the site is linked to at the repository's address."""

    def linked(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(source.parent.as_posix(), link["target"]))
        if target in pages:
            return link[0]
        if not (ROOT / target).exists():
            raise DeadLinkError(f"{source}: a link to {link['target']}, which is not in the repository")
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{link['before']}{repository()}/{kind}/main/{target}{link['anchor'] or ''})"

    return LINK.sub(linked, text)


def repository() -> str:
    """Return the project's address, which pyproject.toml has in one place."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["urls"]["Homepage"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
