"""Several templates as one deployment: what has one name is told apart, and no file is missed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_scoping.cli import main
from session_scoping.verify.proving import prove_path
from session_scoping.verify.report import Status
from tests.verify.mutations import Template
from tests.verify.plain_template import TASK, allow, document, plain_template, policy

SCAN = allow("dynamodb:Scan", "*")
EAST, WEST = "aws://111122223333/us-east-1", "aws://111122223333/us-west-2"


def assembly(path: Path, stacks: Mapping[str, tuple[str, str, Template]]) -> Path:
    """Write an assembly: artifact -> stack name, environment and template."""
    artifacts = {}
    for artifact, (name, environment, template) in stacks.items():
        file = f"{artifact}.template.json"
        (path / file).write_text(json.dumps(template))
        properties = {"templateFile": file, "stackName": name}
        artifacts[artifact] = {
            "type": "aws:cloudformation:stack", "environment": environment, "properties": properties,
        }  # fmt: skip
    (path / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": artifacts}))
    return path


def role(template: Template) -> dict[str, Any]:
    """Return the session role's properties."""
    properties: dict[str, Any] = template["Resources"]["Session"]["Properties"]
    return properties


def without_conditions(template: Template) -> None:
    """Let sessions be made without tags."""
    role(template)["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition")


def public(template: Template) -> None:
    """Let everybody read the bucket."""
    template["Resources"]["Bucket"]["Properties"]["AccessControl"] = "PublicRead"


def scanning(template: Template) -> None:
    """Let sessions scan."""
    template["Resources"]["More"] = policy("Session", SCAN)


@pytest.mark.parametrize("weaken", [without_conditions, public, scanning])
@pytest.mark.parametrize("which", [0, 1])
def test_two_stacks_of_one_name_are_both_judged(weaken: Any, which: int, tmp_path: Path) -> None:
    """An app deployed to two Regions is as good as the worse of the two."""
    templates = [plain_template(), plain_template()]
    weaken(templates[which])
    path = assembly(tmp_path, {"East": ("App", EAST, templates[0]), "West": ("App", WEST, templates[1])})
    assert not prove_path(path).proved


def test_a_sound_app_in_two_regions_is_proved(tmp_path: Path) -> None:
    """Nothing is said twice and nothing mixed up."""
    path = assembly(tmp_path, {"East": ("App", EAST, plain_template()), "West": ("App", WEST, plain_template())})
    report = prove_path(path)
    assert report.proved, [(result.rule, result.subject, result.detail) for result in report.failures()]


def exporting(logical_id: str, template: Template) -> Template:
    """Return a template that exports the name of a role."""
    return {**template, "Outputs": {"Out": {"Value": {"Ref": logical_id}, "Export": {"Name": "role-name"}}}}


def somebody() -> Template:
    """Return a template with a role that has nothing to do with sessions."""
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    body = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(service)}}
    return exporting("Other", {"Resources": {"Other": body}})


def attaching(name: Any) -> Template:
    """Return a template with a policy that attaches to a role by name."""
    properties = {"PolicyName": "p", "Roles": [name], "PolicyDocument": document(SCAN)}
    return {"Resources": {"More": {"Type": "AWS::IAM::Policy", "Properties": properties}}}


@pytest.mark.parametrize("environment", [EAST, WEST])
def test_an_export_is_the_one_of_the_own_environment(environment: str, tmp_path: Path) -> None:
    """Exports have one name in each account and Region; a policy imports from its own."""
    importer = attaching({"Fn::ImportValue": "role-name"})
    path = assembly(tmp_path, {
        "A": ("A", EAST, exporting("Session", plain_template())), "B": ("B", WEST, somebody()),
        "C": ("C", environment, importer),
    })  # fmt: skip
    assert prove_path(path).proved is (environment == WEST)


def test_a_guard_in_a_nested_stack_counts_only_when_the_stack_is_there(tmp_path: Path) -> None:
    """What hangs on the condition of a nested stack is proved for both of its values."""
    deny = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    denies = [
        {**deny, "Condition": {"Null": {"dynamodb:LeadingKeys": "true"}}},
        {**deny, "Condition": {"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": TASK}}},
    ]
    child = attaching({"Ref": "Role"})
    child["Resources"]["More"]["Properties"]["PolicyDocument"] = document(*denies)
    child["Parameters"] = {"Role": {"Type": "String"}}
    parent = plain_template()
    parent["Resources"]["Rows"]["Properties"]["PolicyDocument"]["Statement"][0].pop("Condition")
    parent["Conditions"] = {"Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
    nested = {
        "Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "child.nested.template.json"},
        "Properties": {"TemplateURL": "x", "Parameters": {"Role": {"Ref": "Session"}}},
    }  # fmt: skip
    parent["Resources"]["Nested"] = nested
    (tmp_path / "child.nested.template.json").write_text(json.dumps(child))
    statuses = []
    for condition in ({}, {"Condition": "Here"}):
        parent["Resources"]["Nested"] = {**nested, **condition}
        (tmp_path / "App.template.json").write_text(json.dumps(parent))
        results = prove_path(tmp_path).results
        statuses.append({result.status for result in results if result.rule == "partition-isolation"})
    assert statuses == [{Status.PROVED}, {Status.VIOLATED}]


FILES = [
    ("a.template.json", "b.yaml"),
    ("a.json", "b.yaml"),
    ("a.template.json", "b.json"),
    ("a.yaml", "b.template.yaml"),
]


@pytest.mark.parametrize("names", FILES, ids=" ".join)
@pytest.mark.parametrize("attached", ["sessions", "somebody-else"])
def test_every_template_of_a_directory_is_read(names: tuple[str, str], attached: str, tmp_path: Path) -> None:
    """A policy in the second file counts, whatever the two are called and written in."""
    first = plain_template()
    role(first)["RoleName"] = "sessions"
    for name, template in zip(names, (first, attaching(attached)), strict=True):
        text = json.dumps(template) if name.endswith("json") else yaml.safe_dump(template)
        (tmp_path / name).write_text(text)
    assert prove_path(tmp_path).proved is (attached != "sessions")


def test_yaml_in_a_json_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not guessed what was meant."""
    (tmp_path / "t.template.json").write_text(yaml.safe_dump(plain_template()))
    assert main(["verify", str(tmp_path / "t.template.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_condition_that_is_none_makes_nothing_certain(tmp_path: Path) -> None:
    """A policy whose Condition cannot be read does not stand there for sure, its Denies least of all."""
    template = plain_template()
    template["Resources"]["Rows"]["Properties"]["PolicyDocument"]["Statement"][0].pop("Condition")
    deny = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    template["Resources"]["Guard"] = {**policy("Session", deny), "Condition": ["Here"]}
    (tmp_path / "t.template.json").write_text(json.dumps(template))
    assert not prove_path(tmp_path).proved


def test_a_name_that_leads_to_itself_is_no_endless_search(tmp_path: Path) -> None:
    """A role named by itself cannot be deployed, and is UNKNOWN."""
    template = plain_template()
    role(template)["RoleName"] = {"Ref": "Session"}
    (tmp_path / "t.template.json").write_text(json.dumps(template))
    assert not prove_path(tmp_path).proved
