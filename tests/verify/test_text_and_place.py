"""What a policy's text and place decide: its Version, the tags of its stack, and the Region of a table's replica."""

import json
from pathlib import Path
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.verify.corpus import assembly
from tests.support.verify.hand_written import COMPUTE, TABLE, allow, by_hand, document, judged, policy, table
from tests.support.verify.mutations import Body, Template

MAPPED = {"Fn::FindInMap": ["Iam", "Policy", "Version"]}
CHOSEN = {"Fn::If": ["New", "2012-10-17", "2008-10-17"]}


def of_compute(template: Template) -> Status:
    """Return what is said of the role that agent code runs with."""
    (result,) = judged(template, "compute-isolation")
    return result.status


def with_version(version: Any, key: str = "aws:PrincipalArn") -> Template:
    """Return a stack whose compute role may read rows if a key equals itself, as variables make it."""
    condition = {"StringEquals": {key: f"${{{key}}}"}}
    body = policy("Compute", allow("dynamodb:GetItem", TABLE, Condition=condition))
    body["Properties"]["PolicyDocument"]["Version"] = version
    template = by_hand(More=body)
    template["Mappings"] = {"Iam": {"Policy": {"Version": "2012-10-17"}}}
    template["Parameters"] = {"Which": {"Type": "String"}}
    template["Conditions"] = {"New": {"Fn::Equals": [{"Ref": "Which"}, "new"]}}
    return template


@pytest.mark.parametrize("version", ["2012-10-17", MAPPED, CHOSEN, {"Ref": "Which"}, "2012-10-18", 2012])
def test_a_version_that_may_have_variables_is_never_read_as_the_old_one(version: Any) -> None:
    """With variables the key equals itself; as text it would equal nothing."""
    assert of_compute(with_version(version)) is not Status.PROVED


@pytest.mark.parametrize("version", ["2008-10-17", {"Ref": "AWS::NoValue"}])
def test_the_old_version_has_no_variables(version: Any) -> None:
    """There `${...}` is text, which no ARN is."""
    assert of_compute(with_version(version)) is Status.PROVED


def of_compute_in(directory: Path) -> Status:
    """Return what is said of the role that agent code runs with, in an assembly."""
    (found,) = [result for result in verify(directory).results if result.rule == "compute-isolation"]
    return found.status


@pytest.mark.parametrize("resource", [{"Fn::Nothing": "x"}, {"Fn::Select": ["9", ["a"]]}, [{"Fn::Nothing": "x"}, "*"]])
@pytest.mark.parametrize(("action", "status"), [("logs:PutLogEvents", Status.PROVED), ("s3:GetObject", Status.UNKNOWN)])
def test_a_resource_that_is_not_understood_is_no_worse_than_any(action: str, status: Status, resource: Any) -> None:
    """Whatever it is, logs are no tenant data; objects may be."""
    found = of_compute(by_hand(More=policy("Compute", allow(action, resource))))
    assert found is status or (found is Status.VIOLATED and "*" in resource and status is Status.UNKNOWN)


def with_stack_tags(directory: Path, *, own: str = "", **tags: str) -> Path:
    """Write a stack with tags of its own; its table lets the compute role read if its tag `team` is `agents`."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": "agents"}}
    statement = allow("dynamodb:GetItem", "*", Principal={"AWS": COMPUTE}, Condition=condition)
    opened = {**table()["Properties"], "ResourcePolicy": {"PolicyDocument": document(statement)}}
    template = by_hand(Table={"Type": "AWS::DynamoDB::Table", "Properties": opened})
    if own:
        template["Resources"]["Compute"]["Properties"]["Tags"] = [{"Key": "Team", "Value": own}]
    assembly(directory, ("App", "aws://111122223333/us-east-1", template))
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["artifacts"]["Stack0"]["properties"]["tags"] = tags
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


@pytest.mark.parametrize(
    ("own", "tags", "proved"),
    [
        ("", {"team": "agents"}, False),
        ("", {"TEAM": "agents"}, False),
        ("", {"team": "people"}, True),
        ("people", {"team": "agents"}, True),
        ("agents", {"team": "people"}, False),
    ],
)
def test_the_tags_of_a_stack_are_tags_of_its_roles(
    own: str, tags: dict[str, str], proved: bool, tmp_path: Path
) -> None:
    """CloudFormation sets them; the role's own tag wins, and letter case of keys does not count."""
    assert (of_compute_in(with_stack_tags(tmp_path, own=own, **tags)) is Status.PROVED) is proved


@pytest.mark.parametrize(("team", "proved"), [("agents", False), ("people", True)])
@pytest.mark.parametrize("keys", [("Key", "Value"), ("key", "value")])
def test_tags_of_a_stack_in_its_metadata_count(keys: tuple[str, str], team: str, proved: bool, tmp_path: Path) -> None:
    """A manifest of an older CDK has them there alone."""
    manifest = with_stack_tags(tmp_path) / "manifest.json"
    content = json.loads(manifest.read_text())
    artifact = content["artifacts"]["Stack0"]
    del artifact["properties"]["tags"]
    tags = [dict(zip(keys, ("team", team), strict=True))]
    artifact["metadata"] = {"/App": [{"type": "aws:cdk:stack-tags", "data": tags}]}
    manifest.write_text(json.dumps(content))
    assert (of_compute_in(tmp_path) is Status.PROVED) is proved


def test_a_nested_stack_has_the_tags_of_the_stack_around_it(tmp_path: Path) -> None:
    """CloudFormation hands tags of a stack on to what is nested in it."""
    with_stack_tags(tmp_path, team="agents")
    inner = (tmp_path / "Stack0.template.json").read_text()
    (tmp_path / "inner.json").write_text(inner)
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "inner.json"}}
    (tmp_path / "Stack0.template.json").write_text(json.dumps({"Resources": {"Nested": nested}}))
    assert of_compute_in(tmp_path) is not Status.PROVED


def test_a_nested_stack_has_the_tags_it_is_given(tmp_path: Path) -> None:
    """They stand in the template around it."""
    with_stack_tags(tmp_path)
    (tmp_path / "inner.json").write_text((tmp_path / "Stack0.template.json").read_text())
    tags = [{"Key": "team", "Value": "agents"}]
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "inner.json", "Tags": tags}}
    (tmp_path / "Stack0.template.json").write_text(json.dumps({"Resources": {"Nested": nested}}))
    assert of_compute_in(tmp_path) is not Status.PROVED


def replicated(*regions: str) -> Body:
    """Return a table with a replica in each Region."""
    properties = {**table()["Properties"], "Replicas": [{"Region": region} for region in regions]}
    return {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}


def test_an_exception_for_a_table_excepts_no_replica() -> None:
    """The ARN of a replica names its own Region, so that the grant of everything else reaches it."""
    statement = {"Effect": "Allow", "Action": "dynamodb:Query", "NotResource": [TABLE, {"Fn::Sub": "${Table.Arn}/*"}]}
    grant = {
        **policy("Compute"),
        "Properties": {**policy("Compute")["Properties"], "PolicyDocument": document(statement)},
    }
    assert of_compute(by_hand(Table=replicated("eu-west-1", "us-east-1"), More=grant)) is not Status.PROVED
    assert of_compute(by_hand(Table=replicated("eu-west-1"), More=grant)) is Status.PROVED
    assert of_compute(by_hand(More=grant)) is Status.PROVED


def test_a_deny_on_a_table_protects_no_replica() -> None:
    """Everything is allowed, and the table is denied by the ARN that it has in the stack's Region."""
    deny = {**allow("dynamodb:*", [TABLE, {"Fn::Sub": "${Table.Arn}/*"}]), "Effect": "Deny"}
    grant = policy("Compute", allow("dynamodb:Query", "*"), deny)
    assert of_compute(by_hand(Table=replicated("eu-west-1", "us-east-1"), More=grant)) is not Status.PROVED
    assert of_compute(by_hand(More=grant)) is Status.PROVED
