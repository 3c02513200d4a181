"""What the documents say is what the code does: the README's example, its links and its names."""

import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

import session_scoping
from session_scoping.verify.reports.summary import tell
from session_scoping.verify.reports.svg import as_svg
from tests.support import ROOT, stacks

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def _python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def test_readme_example_works_when_pasted_into_a_stack() -> None:
    """The lines synthesize as printed, without a warning that is left, and give a container what it needs."""
    stack = stacks.stack()
    scope: dict[str, Any] = {"self": stack}
    exec(_python_blocks(ROOT / "README.md")[0], scope)
    assert assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value()) == []
    made = stacks.template(stack)
    assert stacks.trust(made, "SessionRole")[0]["Condition"]
    assert set(scope["session"].environment) == {"AGENT_SESSION_ROLE_ARN", "AGENT_SESSION_TAG_KEYS"}
    assert isinstance(scope["agent"].role.node.scope, cdk.Stack | session_scoping.ScopedComputeRole)


def test_the_picture_of_the_reference_stack_is_what_explain_draws(compute_template: dict[str, Any]) -> None:
    """The README shows the stack as it is: `make picture` draws it again after a change."""
    stories, _ = tell(compute_template, (), lambda _: None)
    assert as_svg(stories) == (ROOT / "docs" / "reach.svg").read_text()


def test_the_front_page_is_short() -> None:
    """A stranger reads at most 150 lines before the other pages."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """No document points to a file that is not there."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_the_index_of_decisions_is_the_folder() -> None:
    """Every decision is in the index once, in the order of their numbers."""
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\| \[\d{4}\]\(([^)]+)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_make_commands_in_the_documents_exist() -> None:
    """Every `make x` a document names is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text())}
    assert {part for pair in named for part in pair if part} <= targets


def test_first_readme_command_installs_the_cdk_extra() -> None:
    """Somebody who runs the first command can run the first example."""
    first = re.search(r"```sh\n(.*?)\n", (ROOT / "README.md").read_text())
    assert first is not None
    assert first[1] == 'pip install "session-scoping[cdk]"'
