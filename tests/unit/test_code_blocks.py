"""Code blocks of the README and the pages: a test runs each, or it says why not; none calls what is not there."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pytest

from tests.support import ROOT
from tools import reference

# Page, kind of block -> the test that runs every such block of the page.
RUN = {
    ("docs/tutorial.md", "python"): "tests/aws/test_tutorial.py",
    ("docs/tutorial.md", "sh"): "tests/aws/test_tutorial.py",
    ("docs/tutorial.md", "text"): "tests/aws/test_tutorial.py",
    ("docs/compute-roles.md", "python"): "tests/synth/test_adopting.py",
    ("docs/your-library.md", "python"): "tests/clients/page.py",
}
# A block's first line -> the test that runs it, or why none does. For blocks that may carry no comment of their own.
SINGLE = {
    "import aws_cdk as cdk": "tests/synth/test_documents.py",
    "import boto3": "tests/aws/test_enforcement.py",
    "from session_scoping import SessionTags": "docs/tutorial.md runs the same lines with another table",
    'pip install "session-scoping[cdk]"': "it installs what the tests run in",
    'pip install "session-scoping[verify]"': "tests/verify proves the reference stack",
    "make verify   # in a clone: sets everything up, synthesizes the reference stack and proves it": "CI runs it",
}
FENCE = re.compile(r"(?P<before>[^\n]*)\n *```(?P<kind>\w*)\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


class Block(NamedTuple):
    """One code block of a page."""

    page: str
    before: str
    kind: str
    code: str


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        for found in FENCE.finditer(page.read_text("utf-8")):
            code = textwrap.dedent(found["code"])
            yield Block(page.relative_to(ROOT).as_posix(), found["before"], found["kind"], code)


def test_a_block_is_run_or_says_why_not() -> None:
    """A block that no test runs has `<!-- not run: reason -->` above it."""
    silent = [
        (block.page, block.code.partition("\n")[0])
        for block in _blocks()
        if (block.page, block.kind) not in RUN
        and not re.fullmatch(r" *<!-- not run: \S.{9,} -->", block.before)
        and not (block.page in ("README.md", "docs/verify.md") and block.code.partition("\n")[0] in SINGLE)
    ]
    assert silent == []


def test_the_tests_that_run_blocks_read_the_page() -> None:
    """A test that is said to run a page names it."""
    for (page, _), test in RUN.items():
        assert page.rpartition("/")[2] in (ROOT / test).read_text("utf-8")


PYTHON = [block for block in _blocks() if block.kind == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}: {block.code[:30]!r}")
def test_a_block_calls_what_is_public_with_arguments_that_exist(block: Block) -> None:
    """A fragment that is not run still parses, and passes no argument that a public name does not take."""
    unknown = [
        f"{ast.unparse(call.func)}({keyword.arg}=...)"
        for call in ast.walk(ast.parse(block.code))
        if isinstance(call, ast.Call) and (parameters := _parameters(call.func)) is not None
        for keyword in call.keywords
        if keyword.arg is not None and keyword.arg not in parameters
    ]
    assert unknown == []


def _parameters(called: ast.expr) -> set[str] | None:
    """Return the arguments of a public function, class, or class method; None for what is not public."""
    name = ast.unparse(called)
    homes = {one.rpartition(".")[2]: one for one in reference.public_names() if ".aio." not in one}
    first, _, rest = name.partition(".")
    if first not in homes or first == "enforced_policies":  # a fixture: a test calls what it returns
        return None
    door, _, last = homes[first].rpartition(".")
    found: Any = getattr(import_module(door), last)
    if rest:
        found = getattr(found, rest)  # an AttributeError here is a method that does not exist
    parameters = inspect.signature(found).parameters.values()
    return None if any(one.kind is one.VAR_KEYWORD for one in parameters) else {one.name for one in parameters}


def test_a_command_line_of_a_page_has_options_that_exist() -> None:
    """Every option of a `session-scoping` command on a page is in that command's help."""
    helps, unknown = reference.helps(), []
    for page in PAGES:
        for line in re.findall(
            r"(?:^|`)(session-scoping(?:-credentials| \w+) [^`\n#]*)", page.read_text("utf-8"), re.MULTILINE
        ):
            command = re.match(r"session-scoping(?:-credentials| \w+)", line)
            assert command is not None
            if (text := helps.get(command[0])) is None:
                unknown.append(line)
                continue
            options = re.findall(r"(?<!\S)--[a-z][a-z-]+", line.partition(" -- ")[0])
            unknown += [f"{line}: {option}" for option in options if option not in text]
    assert unknown == []
