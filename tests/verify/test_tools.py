"""The three ways in: the command, the pytest assertion, the rule pack; and the picture."""

import json
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing import assert_sessions_isolated
from session_scoping.testing.rule_pack import SessionScopingChecks, check_template
from session_scoping.verify import verify
from session_scoping.verify.reports.findings import NAG_RULES
from session_scoping.verify.reports.rules import RULES
from tests.support import ROOT, stacks
from tests.support.verify.mutations import edit, session_role, statements, trust


@pytest.fixture(scope="module")
def sound() -> dict[str, Any]:
    """A small stack that is PROVED."""
    stack = stacks.stack()
    stacks.session_role(stack)
    return stacks.template(stack)


@pytest.fixture(scope="module")
def open_trust(sound: dict[str, Any]) -> dict[str, Any]:
    """The same stack with no condition on its trust."""
    return edit(sound, "open", lambda t: trust(t)[0].pop("Condition")).template


def written(template: dict[str, Any], folder: Path) -> str:
    """Write a template and return its path."""
    file = folder / "stacks.template.json"
    file.write_text(json.dumps(template))
    return str(file)


def test_verify_exits_0_for_proved_and_1_for_anything_else(
    sound: dict[str, Any], open_trust: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is what a pipeline needs."""
    assert main(["verify", written(sound, tmp_path)]) == 0
    assert "PROVED" in capsys.readouterr().out
    assert main(["verify", written(open_trust, tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "VIOLATED" in out
    assert "sts:AssumeRole" in out


def test_json_report_carries_the_counterexample(
    open_trust: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` prints one document, with the request that must not be possible."""
    assert main(["verify", written(open_trust, tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["proved"] is False
    violated = [result for result in report["results"] if result["status"] == "VIOLATED"]
    assert violated[0]["counterexample"]["action"] == "sts:AssumeRole"
    assert report["assumptions"]


def test_sarif_names_a_documented_rule_for_every_finding(open_trust: dict[str, Any], tmp_path: Path) -> None:
    """Code scanning shows each failure under a rule that has a page."""
    file = tmp_path / "report.sarif"
    assert main(["verify", written(open_trust, tmp_path), "--sarif", str(file)]) == 1
    (run,) = json.loads(file.read_text())["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert run["results"]
    assert {result["ruleId"] for result in run["results"]} <= rules


def test_every_rule_has_its_heading_in_the_documentation() -> None:
    """Ids are stable and explained: properties and rule pack alike."""
    page = (ROOT / "docs" / "verify.md").read_text()
    for rule in (*RULES, *NAG_RULES):
        assert f"\n#### {rule.id}\n" in page, rule.id


def test_a_sarif_file_that_cannot_be_written_is_exit_code_2(sound: dict[str, Any], tmp_path: Path) -> None:
    """A lost report is an error, not a pass."""
    assert main(["verify", written(sound, tmp_path), "--sarif", str(tmp_path / "none" / "x")]) == 2


def test_the_assertion_shows_the_counterexample(sound: dict[str, Any], open_trust: dict[str, Any]) -> None:
    """A failing test says which request must not be possible."""
    assert_sessions_isolated(sound)
    with pytest.raises(AssertionError, match=r"can be made without any tag(.|\n)*sts:AssumeRole"):
        assert_sessions_isolated(open_trust)


def test_the_assertion_fails_where_there_is_nothing_to_check() -> None:
    """A template without a session role does not pass."""
    with pytest.raises(AssertionError, match="VACUOUS"):
        assert_sessions_isolated({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    with pytest.raises(InvalidInputError, match="no template"):
        verify({})


@pytest.mark.parametrize("suffix", ["html", "svg"])
def test_the_picture_is_one_file_that_fetches_nothing(
    suffix: str, sound: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`explain` writes a picture with the tags and tables in it and no reference to anywhere."""
    file = tmp_path / f"picture.{suffix}"
    assert main(["explain", written(sound, tmp_path), f"--{suffix}", str(file)]) == 0
    text = file.read_text()
    assert "task_id" in text
    assert "Tasks" in text
    assert "<script" not in text
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")
    if suffix == "svg":
        xml.dom.minidom.parseString(text)
    assert "partition = {task_id}" in capsys.readouterr().out


def scan(template: dict[str, Any]) -> None:
    """Add a Scan to the first grant."""
    statements(template, session_role(template), "Allow")[0]["Action"] = ["dynamodb:GetItem", "dynamodb:Scan"]


def reserved_tag(template: dict[str, Any]) -> None:
    """Tag the role itself with a session tag's key."""
    template["Resources"][session_role(template)]["Properties"]["Tags"] = [{"Key": "Task_ID", "Value": "T1"}]


def compute_grant(template: dict[str, Any]) -> None:
    """Grant the table to the compute role."""
    table = next(key for key, item in template["Resources"].items() if item["Type"] == "AWS::DynamoDB::Table")
    compute = next(key for key in template["Resources"] if key.startswith("Compute"))
    body = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": [table, "Arn"]}}
    document = {"Version": "2012-10-17", "Statement": [body]}
    template["Resources"][compute]["Properties"]["Policies"] = [{"PolicyName": "p", "PolicyDocument": document}]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda t: statements(t, session_role(t), "Allow")[0].pop("Condition"), "SessionScoping-UnscopedStatement"),
        (compute_grant, "SessionScoping-TenantGrantOnComputeRole"),
        (lambda t: trust(t)[0].pop("Condition"), "SessionScoping-UnconditionedTrust"),
        (scan, "SessionScoping-UnkeyedAccess"),
        (reserved_tag, "SessionScoping-ReservedTag"),
    ],
)
def test_each_rule_of_the_pack_finds_its_weakness(change: Any, rule: str, sound: dict[str, Any]) -> None:
    """The sound template breaks no rule; each weakness breaks its own."""
    assert check_template(sound) == []
    assert rule in check_template(edit(sound, rule, change).template)


def test_the_rule_pack_fails_a_synth() -> None:
    """A colleague's grant on the session role stops their synth."""
    stack = stacks.stack()
    role = stacks.session_role(stack)
    stacks.table(stack, "More").grant_read_write_data(role.role)
    plugin = SessionScopingChecks()
    cdk.Validations.of(stack.node.root).add_plugins(plugin)
    with pytest.raises(RuntimeError, match="UnkeyedAccess"):
        stacks.template(stack)
    assert plugin.rule_ids == [rule.id for rule in NAG_RULES]


def test_the_rule_pack_passes_the_reference_stack(
    compute_template: dict[str, Any], orchestrator_template: dict[str, Any]
) -> None:
    """What we emit breaks none of our own rules."""
    assert check_template(compute_template) == []
    assert check_template(orchestrator_template) == []


@pytest.mark.parametrize(
    "module",
    [
        "session_scoping",
        "session_scoping.testing.rule_pack",
        "session_scoping.testing.assertions",
        "session_scoping.commands.main",
        "session_scoping.verify.policies.decision",
    ],
)
def test_z3_loads_for_a_proof_only(module: str) -> None:
    """An installation without the extra can import everything but the prover."""
    code = f"import sys; sys.modules['z3'] = None; sys.modules['rich'] = None; import {module}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_extra_is_said_in_one_line(tmp_path: Path) -> None:
    """Without z3 the command exits with 2 and names the extra."""
    code = (
        "import sys; sys.modules['z3'] = None; from session_scoping.commands.main import main; "
        "sys.exit(main(['verify', 'x']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 2
    assert "session-scoping[verify]" in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_missing_extra_is_said_in_tests_too() -> None:
    """Without z3 the Python API raises the command's sentence, not a missing module."""
    code = (
        "import sys; sys.modules['z3'] = None\n"
        "from session_scoping.contract.errors import MissingExtraError\n"
        "from session_scoping.verify import verify\n"
        "try: verify({'Resources': {}})\n"
        "except MissingExtraError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fix: pip install 'session-scoping[verify]'" in run.stdout


@pytest.mark.parametrize("command", ["verify", "explain"])
def test_what_nobody_foresaw_is_a_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the verifier itself is exit code 2, never a traceback and never a pass."""

    def broken(*_: object) -> None:
        raise RecursionError

    path = tmp_path / "t.template.json"
    path.write_text('{"Resources": {}}')
    monkeypatch.setattr("session_scoping.verify.files.source.load", broken)
    assert main([command, str(path)]) == 2
    assert "got RecursionError on the way" in capsys.readouterr().err
