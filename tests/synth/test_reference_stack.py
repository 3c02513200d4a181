"""The reference stack as its user runs it: `app.py`, context switches, and the CDK's own validation."""

import json
import subprocess
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from app import build
from session_scoping import InvalidInputError
from tests.support.reference import run_app, synthesize_reference

RUNS: dict[str, dict[str, Any]] = {
    "compute": {},
    "orchestrator": {"minting": "orchestrator"},
    "credentialBroker": {"minting": "credentialBroker"},
    "webIdentity": {"minting": "webIdentity"},
    "vault": {"minting": "orchestrator", "tokenVault": "on"},
    "bound": {"minting": "orchestrator", "binding": "vpc", "sessionBroker": "acme"},
}
Run = dict[str, Any]


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """What `app.py` leaves behind for each set of switches, after it exited with 0."""
    return run_app(RUNS)


@pytest.mark.parametrize("minting", ["compute", "orchestrator", "credentialBroker", "webIdentity"])
def test_app_synthesizes_clean_under_cdk_nag_and_the_template_validator(runs: dict[str, Run], minting: str) -> None:
    """AwsSolutions and CloudFormation's rules find nothing that is not acknowledged."""
    assert runs[minting]["template"]["Resources"]
    plugins = dict(runs[minting]["reports"])
    nag = plugins.pop("AwsSolutions")
    assert nag["violations"] == []
    assert all(finding["reason"] for finding in nag["suppressedViolations"])
    warned = [finding["ruleName"] for plugin in plugins.values() for finding in plugin["violations"]]
    assert len(warned) == (1 if minting == "compute" else 0), warned


def test_the_token_vault_is_clean_too(runs: dict[str, Run]) -> None:
    """With `tokenVault=on` nothing is acknowledged but that GitHub, not AWS, rotates its own secrets."""
    plugins = dict(runs["vault"]["reports"])
    nag = plugins.pop("AwsSolutions")
    assert nag["violations"] == []
    assert [finding for plugin in plugins.values() for finding in plugin["violations"]] == []
    ours = [json.dumps(finding) for finding in nag["suppressedViolations"]]
    about = [
        text for text in ours if any(f"/{name}" in text for name in ("GitHubClientSecret", "TokenVault", "Consent"))
    ]
    assert len(about) == 1
    assert "SMG4" in about[0]


def test_unknown_switch_is_refused_with_its_values() -> None:
    """A misspelt mode deploys nothing and says which modes there are."""
    with pytest.raises(InvalidInputError, match="got `brokered`, expected `compute` or `orchestrator`") as caught:
        build(cdk.App(context={"minting": "brokered"}))
    assert "unknown value of context `minting`" in str(caught.value)


def test_models_come_from_context() -> None:
    """`bedrockModels` and `bedrockGeo` replace the five models on the session role and on both compute roles."""
    text = json.dumps(synthesize_reference(bedrockModels="anthropic.claude-x", bedrockGeo="eu"))
    assert text.count("inference-profile/eu.anthropic.claude-x") == 3
    assert text.count("inference-profile/eu.*") == 3
    assert "inference-profile/us." not in text


def test_first_deployment_leaves_the_compute_denies_out() -> None:
    """`tenantDataDeny=off` keeps old tasks working until they have drained."""
    resources = synthesize_reference(tenantDataDeny="off")["Resources"]
    assert not [key for key in resources if "ComputeGuards" in key]
    assert [key for key in resources if key.startswith("SessionRoleGuards")]


def test_tables_have_the_real_schemas(compute_template: dict[str, Any]) -> None:
    """The four task tables are keyed as the agent uses them, the task table with its three indexes."""
    tables = {
        key[:-8]: [entry["AttributeName"] for entry in resource["Properties"]["KeySchema"]]
        for key, resource in compute_template["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }
    assert tables == {
        "TaskTable": ["task_id"],
        "TaskEventsTable": ["task_id", "event_id"],
        "TaskApprovalsTable": ["task_id", "request_id"],
        "TaskNudgesTable": ["task_id", "nudge_id"],
    }
    indexes = [
        len(resource["Properties"].get("GlobalSecondaryIndexes", []))
        for resource in compute_template["Resources"].values()
        if resource["Type"] == "AWS::DynamoDB::Table"
    ]
    assert sorted(indexes) == [0, 0, 1, 3]


def test_template_passes_cfn_lint(compute_template: dict[str, Any], tmp_path: Path) -> None:
    """cfn-lint knows every action name and property in the template."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps(compute_template))
    # W3005: our DependsOn orders guards before permissions, which a Ref cannot say.
    command = ["cfn-lint", "--ignore-checks", "W3005", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_switches_that_are_off_change_nothing(compute_template: dict[str, Any]) -> None:
    """Binding and session broker are opt-in: the template is the same to the byte."""
    assert json.dumps(synthesize_reference(binding="off")) == json.dumps(compute_template)


def test_a_session_broker_changes_nothing_that_was_there(compute_template: dict[str, Any]) -> None:
    """The tenant's role and its dispatcher are added; nothing else is touched."""
    switched = synthesize_reference(sessionBroker="acme")["Resources"]
    added = {key for key in switched if key not in compute_template["Resources"]}
    assert {key: value for key, value in switched.items() if key not in added} == compute_template["Resources"]
    assert {key.rstrip("0123456789ABCDEF") for key in added} >= {"DispatcherRole", "SessionBrokerRole"}


def test_the_bound_reference_stack_passes_cdk_nag_and_its_own_checks(runs: dict[str, Run]) -> None:
    """Every endpoint sessions need is there, and neither pack nor validator finds anything."""
    resources = runs["bound"]["template"]["Resources"]
    assert len([one for one in resources.values() if one["Type"] == "AWS::EC2::VPCEndpoint"]) == 4
    assert [finding for plugin in runs["bound"]["reports"].values() for finding in plugin["violations"]] == []
