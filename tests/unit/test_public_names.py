"""What is public: every name of every door, and that users' documents and examples need no other place."""

import re
from importlib import import_module

import pytest

from tests.support import ROOT

NAMES = (ROOT / "tests" / "unit" / "public_names.txt").read_text("utf-8").split()
DOORS = sorted({name.rpartition(".")[0] for name in NAMES})
USERS = [
    ROOT / "README.md",
    ROOT / "app.py",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("reference/*.py"),
    # But for the run that needs the credential broker's own code.
    *{*ROOT.glob("examples/*/**/*.py")} - {ROOT / "examples/step_functions_orchestrator/__main__.py"},
]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_a_door_has_the_names_of_the_list_and_no_others(door: str) -> None:
    """A change of `public_names.txt` is a change of the API: a new name is a promise, a lost one breaks somebody."""
    module = import_module(door)
    assert [f"{door}.{name}" for name in sorted(module.__all__)] == [
        name for name in NAMES if name.rpartition(".")[0] == door
    ]
    if door != "session_scoping.agent.aio":  # needs aiobotocore: loaded in tests/clients/aio
        assert all(getattr(module, name) is not None for name in module.__all__)


def test_what_users_are_shown_comes_through_a_door() -> None:
    """Documents, the reference stack and the examples import public names only."""
    shown: set[str] = set()
    for path in USERS:
        for door, names in re.findall(
            r"from (session_scoping[\w.]*) import (\([^)]*\)|\w+(?:, \w+)*)", path.read_text("utf-8")
        ):
            shown |= {f"{door}.{name}" for name in re.findall(r"\w+", names)}
    assert "session_scoping.SessionRole" in shown
    assert shown <= {*NAMES, *DOORS}
