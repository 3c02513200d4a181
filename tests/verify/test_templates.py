"""Whole assemblies: cross-stack references, nested stacks, other systems' templates, unreadable input."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from session_scoping import Minting, SessionRole, TenantObjects, TenantTable
from session_scoping.commands.main import main
from session_scoping.verify import Report, Status, verify
from tests.support import RECOMMENDED_FLAGS, stacks


def synthesized(tmp_path: Path, build: Any) -> Path:
    """Return the assembly of an app."""
    app = cdk.App(context=RECOMMENDED_FLAGS, outdir=str(tmp_path / "cdk.out"))
    build(app)
    app.synth()
    return tmp_path / "cdk.out"


def two_stacks(app: cdk.App) -> None:
    """Tables and compute in one stack, the session role in another."""
    storage = cdk.Stack(app, "Storage")
    table, bucket, compute = stacks.table(storage), stacks.bucket(storage), stacks.role(storage)
    sessions = cdk.Stack(app, "Sessions")
    SessionRole(
        sessions, "Session", minting=Minting.by_compute_roles(compute),
        tables=[TenantTable(table, access="get")], objects=[TenantObjects.traces(bucket)],
    )  # fmt: skip


def nested(app: cdk.App) -> None:
    """The table in a nested stack, the session role in its parent."""
    parent = cdk.Stack(app, "Parent")
    child = cdk.NestedStack(parent, "Child")
    stacks.session_role(parent, tables=[TenantTable(stacks.table(child), access="get")])


@pytest.mark.parametrize("build", [two_stacks, nested])
def test_references_between_stacks_are_followed(build: Any, tmp_path: Path) -> None:
    """A whole cdk.out is PROVED although its role, table and compute role live in different templates."""
    report = verify(synthesized(tmp_path, build))
    assert report.proved, [result.detail for result in report.failures()]
    subjects = " ".join(result.subject for result in report.results)
    assert "Tasks" in subjects
    assert "compute-isolation" in {result.rule for result in report.results}


def test_a_policy_in_another_stack_is_seen(tmp_path: Path) -> None:
    """A managed policy of a third stack that attaches to the session role counts."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Sessions")
        role = stacks.session_role(stack).role
        table = dynamodb.Table.from_table_name(stack, "Other", "other")
        iam.ManagedPolicy(
            cdk.Stack(app, "Later"), "Extra", roles=[role],
            statements=[iam.PolicyStatement(actions=["dynamodb:Scan"], resources=[table.table_arn])],
        )  # fmt: skip

    report = verify(synthesized(tmp_path, build))
    assert Status.VIOLATED in {result.status for result in report.failures()}


def test_a_nested_stack_that_is_missing_makes_everything_unknown(tmp_path: Path) -> None:
    """What cannot be read may attach policies to any role."""
    out = synthesized(tmp_path, nested)
    for file in out.glob("*.nested.template.json"):
        file.unlink()
    statuses = {result.status for result in verify(out).results}
    assert Status.PROVED not in statuses
    assert Status.UNKNOWN in statuses


def ordinary() -> dict[str, Any]:
    """Return an ordinary app: a function that reads and writes a table and a bucket."""
    stack = stacks.stack()
    function = lambda_.Function(
        stack, "Api", code=lambda_.Code.from_inline("def handler(e, c): pass"), handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_12,
    )  # fmt: skip
    stacks.table(stack).grant_read_write_data(function)
    stacks.bucket(stack, auto_delete_objects=True, removal_policy=cdk.RemovalPolicy.DESTROY).grant_read(function)
    return stacks.template(stack)


def by_hand(*, trust: dict[str, Any] | None) -> dict[str, Any]:
    """Return a session role written without our constructs, with or without conditions on its trust."""
    stack = stacks.stack()
    table, bucket, compute = stacks.table(stack), stacks.bucket(stack), stacks.role(stack)
    principal = iam.ArnPrincipal(compute.role_arn)
    role = iam.Role(
        stack, "Session", assumed_by=(principal.with_conditions(trust) if trust else principal).with_session_tags()
    )
    keys = {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]}
    conditions = {"ForAllValues:StringEquals": keys, "Null": {"dynamodb:LeadingKeys": "false"}}
    role.add_to_policy(
        iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[table.table_arn], conditions=conditions)
    )
    objects = bucket.arn_for_objects("traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/*")
    role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[objects]))
    role.grant_assume_role(compute)
    return stacks.template(stack)


TRUST = {
    "StringLike": {"aws:RequestTag/user_id": "?*", "aws:RequestTag/task_id": "?*"},
    "StringNotLike": {f"aws:RequestTag/{key}": ["*/*", "*..*", "."] for key in ("user_id", "task_id")},
    "ForAllValues:StringEquals": {"aws:TagKeys": ["user_id", "task_id"]},
    "Null": {"sts:TransitiveTagKeys": "true"},
}


def verdict(template: dict[str, Any], tmp_path: Path) -> Report:
    """Prove one template from a file."""
    file = tmp_path / "one.template.json"
    file.write_text(json.dumps(template))
    return verify(file)


def test_a_sound_role_written_by_hand_is_proved(tmp_path: Path) -> None:
    """The verifier needs none of our constructs."""
    report = verdict(by_hand(trust=TRUST), tmp_path)
    assert report.proved, [result.detail for result in report.failures()]


def test_the_usual_design_without_trust_conditions_is_violated(tmp_path: Path) -> None:
    """A trust policy without conditions admits sessions without tags, and the report shows the call."""
    failures = verdict(by_hand(trust=None), tmp_path).failures()
    tags = next(result for result in failures if result.rule == "session-tags")
    assert tags.status is Status.VIOLATED
    assert tags.counterexample
    assert tags.counterexample.action == "sts:AssumeRole"
    assert tags.counterexample.session == {}


def test_an_ordinary_app_has_nothing_to_prove_and_does_not_pass(tmp_path: Path) -> None:
    """No session role: VACUOUS, and no crash over everything else in the template."""
    report = verdict(ordinary(), tmp_path)
    assert [result.status for result in report.results] == [Status.VACUOUS]
    assert not report.proved


@pytest.mark.parametrize("change", ["Fn::Transform", "Macro", "ForEach"])
def test_templates_that_change_when_they_deploy_are_unknown(change: str, tmp_path: Path) -> None:
    """A macro may add anything, so nothing is PROVED."""
    template = by_hand(trust=TRUST)
    if change == "ForEach":
        template["Resources"]["Fn::ForEach::Roles"] = ["Name", ["a"], {"${Name}": {"Type": "AWS::SNS::Topic"}}]
    else:
        template["Transform"] = ["Custom"] if change == "Macro" else {"Name": "AWS::Include"}
    assert Status.PROVED not in {result.status for result in verdict(template, tmp_path).results}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"Resources": []}',
        "not json",
        "\x00\xff",
        '{"Resources": {"A": 1}, "Outputs": 3',
        "[" * 100_000,
    ],
)
def test_input_that_cannot_be_read_is_exit_code_2(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, never a traceback."""
    file = tmp_path / "bad.template.json"
    file.write_text(content)
    assert main(["verify", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["verify", str(tmp_path / "absent")]) == 2
    assert main(["explain", str(file)]) == 2


WEIRD: list[dict[str, Any]] = [
    {"A": {"Type": "AWS::IAM::Role"}},
    {"A": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": "text"}}},
    {
        "A": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Statement": [None, 3]}, "Policies": [7]},
        }
    },
    {"A": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": {"Fn::Cidr": []}, "PolicyDocument": {"Statement": {}}}}},
    {"A": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": {"Fn::Base64": "x"}, "KeySchema": 4}}},
    {"A": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Gone"}}}},
    {"A": {"Type": "AWS::IAM::Role", "Properties": {"Tags": "x", "ManagedPolicyArns": {"Fn::If": []}}}},
    {"A": 5, "B": None},
    {"A": {"Type": 7, "Properties": []}},
]


@pytest.mark.parametrize("resources", WEIRD)
def test_malformed_resources_never_crash(resources: dict[str, Any], tmp_path: Path) -> None:
    """Whatever a template holds, the verifier answers, and not with PROVED."""
    assert not verdict({"Resources": resources}, tmp_path).proved
    merged = by_hand(trust=TRUST)
    merged["Resources"] |= {f"Weird{key}": value for key, value in resources.items()}
    assert isinstance(verdict(merged, tmp_path), Report)
