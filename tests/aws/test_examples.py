"""The examples that need no package of their own, run against the local enforcement."""

import pytest

from examples.fargate_existing_role import __main__ as fargate
from examples.local_aws import synthesized
from examples.step_functions_orchestrator import __main__ as orchestrator
from examples.step_functions_orchestrator.app import build
from tests.support.example_runs import without_isolation


@pytest.mark.exhaustive
def test_a_task_role_that_is_kept_loses_the_rows_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Old code reads rows in the first step only; the secret and the session's own row are read in both."""
    templates = fargate.templates()
    assert fargate.main(templates) == 0
    assert fargate.main({"done": without_isolation(templates["done"])}) == 1
    assert fargate.main({"done": templates["first"]}) == 1
    assert "WRONG, expected" in capsys.readouterr().out


def test_a_worker_reaches_the_task_of_its_token_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Another row, an altered token, signing and minting are denied; a run without isolation says so."""
    template = synthesized(build)
    assert orchestrator.main(template) == 0
    assert orchestrator.main(without_isolation(template)) == 1
    assert "WRONG, expected" in capsys.readouterr().out
