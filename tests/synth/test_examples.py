"""Every example that is a stack: it synthesizes under its own flags, the verifier proves it, and its page says how."""

import json
from importlib import import_module
from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping.agent.audit import audit
from session_scoping.verify import verify
from tests.support import ROOT, stacks

FOLDERS = sorted(path.parent.name for path in (ROOT / "examples").glob("*/app.py"))
PROVED_ELSEWHERE = {"eks": "test_eks_example.py", "existing_stack": "test_existing_stack.py"}


def made(name: str, **context: str) -> dict[str, Any]:
    """Return an example's template."""
    flags = json.loads((ROOT / f"examples/{name}/cdk.json").read_text())["context"]
    app = cdk.App(context={**flags, **context})
    import_module(f"examples.{name}.app").build(app)
    (template,) = stacks.synth(app).values()
    return dict(template)


def not_proved(template: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return status, rule and subject of each result that is not PROVED."""
    results = verify(template).results
    assert results
    return [(one.status.name, one.rule, one.subject) for one in results if one.status.name != "PROVED"]


@pytest.mark.parametrize("name", [one for one in FOLDERS if one not in PROVED_ELSEWHERE])
def test_the_example_is_proved(name: str) -> None:
    """As it deploys, with no switch."""
    assert not_proved(made(name)) == []


def test_the_first_step_of_an_existing_role_leaves_its_old_grant_to_be_found() -> None:
    """The old code's grant is the one finding, until the second deployment takes it away."""
    ((status, rule, subject),) = not_proved(made("fargate_existing_role", step="first"))
    assert (status, rule) == ("VIOLATED", "compute-isolation")
    assert "TaskRole" in subject
    with pytest.raises(ValueError, match="expected `first` or `done`"):
        made("fargate_existing_role", step="second")


def test_each_example_has_a_page_and_a_line_in_the_index() -> None:
    """A page is short, names the commands, and says what the example does not show."""
    index = (ROOT / "examples/README.md").read_text("utf-8")
    assert len(FOLDERS) == 8
    for name in FOLDERS:
        page = (ROOT / f"examples/{name}/README.md").read_text("utf-8")
        assert f"[{name}]({name})" in index
        assert "session-scoping verify cdk.out" in page, name
        assert f"make examples ONLY={name}" in page or not (ROOT / f"examples/{name}/__main__.py").exists(), name
        if name != "existing_stack":
            assert len(page.splitlines()) <= 16, name
            assert "does not show" in page or "It runs no" in page, name


@pytest.mark.parametrize("name", ["strands_agent", "langgraph_agent", "fastapi_service"])
def test_the_code_that_serves_tasks_makes_no_client_without_a_session(name: str) -> None:
    """The audit finds each client signed by the task's session."""
    file = "service.py" if name == "fastapi_service" else "agent.py"
    report = audit(ROOT / "examples" / name / file)
    assert not report.problems, report
    assert report.signed_by("session")
    assert not report.signed_by("ambient")
