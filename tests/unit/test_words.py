"""The words of the code and of the documents: the field's, and none that a reader must read twice."""

import re

import pytest

from tests.support import ROOT

# Word -> what to write instead.
INSTEAD = {
    r"\bapart\b": "isolated, separate, different",
    r"\bbeside\b": "with, in addition to, in the container",
    r"\bwhoever\b": "the minter, a holder, a principal that",
    r"\bparted\b": "isolated",
    r"\blets? (?:\w+ )?in\b": "gives access, admits, trusts",
    r"\bstands? (?:in )?for\b": "names, matches, replaces",
    r"\b(?:time|token|session) is over\b": "has expired, has ended",
    r"\bin words\b": "as text",
    r"\bheld against\b": "checked against",
}
EXEMPT = ("session_scoping/verify/", "session_scoping/aws/data/", "docs/decisions/")
PLACES = (
    "session_scoping/**/*.py",
    "session_scoping/**/*.toml",
    "docs/**/*",
    "examples/**/*.py",
    "reference/*.py",
    "*.md",
    "*.py",
)


@pytest.mark.parametrize(("word", "instead"), INSTEAD.items(), ids=INSTEAD.values())
def test_a_word_of_our_own_is_not_used(word: str, instead: str) -> None:
    """A sentence names its actor and uses the field's word; decisions keep the words of their time."""
    paths = {path for place in PLACES for path in ROOT.glob(place) if path.is_file()}
    found = {
        name: match[0]
        for path in sorted(paths)
        if not (name := path.relative_to(ROOT).as_posix()).startswith(EXEMPT) and name != "CHANGELOG.md"
        if (match := re.search(word, re.sub(r"\s+(?:# )?", " ", path.read_text("utf-8")), re.IGNORECASE))
    }
    assert found == {}, f"write: {instead}"
