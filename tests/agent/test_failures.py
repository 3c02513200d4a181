"""The reasons a failure may have: what users branch on."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
from botocore.exceptions import InvalidRegionError, NoRegionError

from session_scoping.agent import errors, failures
from session_scoping.agent.errors import Reason

ROOT = Path(__file__).parents[2]


def reasons_in_code() -> set[str]:
    """Return every literal reason that a Failure is made with, and every STS code that is passed on."""
    found = set[str](failures._FIXES)
    for path in (ROOT / "session_scoping" / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Failure", "_unforeseen"}:
                first = node.args[0]
                choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                found |= {str(choice.value) for choice in choices if isinstance(choice, ast.Constant)}
    return found


def test_every_reason_is_documented() -> None:
    """The code, the type users may branch on, and the table in docs/agent.md name the same reasons."""
    section = (ROOT / "docs" / "agent.md").read_text("utf-8").split("`TaskCredentialsError.reason`")[1].split("```")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = {name for cell in cells for name in re.findall("`([A-Za-z]+)`", cell)} - {"reason"}
    assert set(get_args(Reason)) == reasons_in_code() == documented
    assert set(get_args(Reason)) >= errors._TRANSIENT


@pytest.mark.parametrize("error", [NoRegionError(), InvalidRegionError(region_name="no region!")])
def test_a_region_that_is_none_is_named(error: Exception) -> None:
    """A Region that is missing or misspelt is not taken for an answer that cannot be read."""
    assert failures.describe(error, source="STS").reason == "NoRegion"
