"""Templates in which isolation is broken, each in a way that was PROVED once: none is ever again."""

import json
from typing import Any

import pytest

from session_scoping.verify import verify
from tests.support import ROOT

CASES = [json.loads(line) for line in (ROOT / "tests" / "cases" / "ways_around.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_broken_deployment_is_not_proved(case: dict[str, Any]) -> None:
    """What is wrong stands beside each template; where an option is stated, it does not excuse it."""
    assert not verify(case["template"], trusted=case["trusted"]).proved, case["what"]
