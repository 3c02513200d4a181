"""What code scanning needs of a SARIF file: the template's own place, a version, and that it is written at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.verify import proving
from session_scoping.verify.reports import summary
from tests.support.verify.examples import example
from tests.support.verify.mutations import edit, trust


def _assembly(folder: Path) -> Path:
    """Two templates in a directory: nothing to prove in the first, an open trust in the second."""
    out = folder / "cdk out"
    out.mkdir()
    (out / "A.template.json").write_text(json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}))
    open_trust = edit(example("small").template, "open", lambda t: trust(t)[0].pop("Condition")).template
    (out / "Small.template.json").write_text(json.dumps(open_trust))
    return out


def _run(path: str) -> dict[str, Any]:
    assert main(["verify", path, "--sarif", "report.sarif"]) == 1
    (run,) = json.loads(Path("report.sarif").read_text())["runs"]
    return dict(run)


def _places(run: dict[str, Any]) -> set[str]:
    return {
        place["physicalLocation"]["artifactLocation"]["uri"] for found in run["results"] for place in found["locations"]
    }


def test_a_finding_points_at_its_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the role's own stack, relative to where the command ran and escaped, not the directory."""
    monkeypatch.chdir(tmp_path)
    _assembly(tmp_path)
    assert _places(_run("cdk out")) == {"cdk%20out/Small.template.json"}
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert _places(_run("../cdk out")) == {(tmp_path / "cdk out" / "Small.template.json").as_uri()}


def test_a_finding_of_no_stack_points_at_the_first_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is no session role belongs to no template, and code scanning takes nothing without a file."""
    monkeypatch.chdir(tmp_path)
    (_assembly(tmp_path) / "Small.template.json").unlink()
    assert _places(_run("cdk out")) == {"cdk%20out/A.template.json"}


def test_the_tool_has_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report says which verifier made it."""
    monkeypatch.chdir(tmp_path)
    _assembly(tmp_path)
    assert _run("cdk out")["tool"]["driver"]["version"][0].isdigit()


@pytest.mark.parametrize(("command", "option"), [("verify", "--sarif"), ("explain", "--html"), ("explain", "--svg")])
def test_a_file_that_cannot_be_written_stops_before_the_proof(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for a proof whose report is lost."""

    def proved(*_: object) -> None:
        raise AssertionError("the proof ran")

    # Both are loaded first: a module that loads under the patch would keep it.
    monkeypatch.setattr(summary, "prove", proved)
    monkeypatch.setattr(proving, "prove", proved)
    assert main([command, str(_assembly(tmp_path)), option, str(tmp_path / "none" / "x")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_looking_whether_a_file_can_be_written_leaves_none(tmp_path: Path) -> None:
    """An input that cannot be read leaves no empty report, and one that was there as it was."""
    there, new = tmp_path / "there.sarif", tmp_path / "new.sarif"
    there.write_text("before")
    for file in (there, new):
        assert main(["verify", str(tmp_path / "none"), "--sarif", str(file)]) == 2
    assert (there.read_text(), new.exists()) == ("before", False)
