"""FastAPI, Strands and LangGraph against the local enforcement: `make examples`."""

import os
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from examples.local_aws import synthesized
from tests.support.example_runs import without_isolation


@pytest.fixture(scope="module", params=["fastapi_service", "strands_agent", "langgraph_agent"])
def example(request: pytest.FixtureRequest) -> tuple[ModuleType, dict[str, Any]]:
    """Return an example's run and its template."""
    run = import_module(f"examples.{request.param}.__main__")
    return run, synthesized(run.build)


def test_nobody_reaches_another_one_s_rows(example: tuple[ModuleType, dict[str, Any]]) -> None:
    """Users and tasks do their own work, and what they try on others' rows is denied; the environment is put back."""
    run, template = example
    before = dict(os.environ)
    assert run.main(template) == 0
    assert dict(os.environ) == before


def test_the_run_notices_policies_that_isolate_nobody(
    example: tuple[ModuleType, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run under a session role that reaches every row ends with 1, and says which answers were wrong."""
    run, template = example
    assert run.main(without_isolation(template)) == 1
    assert "WRONG, expected" in capsys.readouterr().out
