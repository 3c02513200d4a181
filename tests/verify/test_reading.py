"""Which stacks are read, and what one stack says to another: environments, exports, nested stacks, directories."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_scoping.commands.main import main
from session_scoping.verify import Report, Status, verify
from tests.support.verify.corpus import assembly
from tests.support.verify.mutations import Body, Template
from tests.support.verify.plain_template import TASK, allow, arn, document, keyed, plain_template, policy

EAST, WEST = "aws://111122223333/us-east-1", "aws://111122223333/us-west-2"
OTHER_ACCOUNT, OPEN = "aws://444455556666/us-east-1", "aws://unknown-account/unknown-region"
SCAN = allow("dynamodb:Scan", "*")


def files(directory: Path, contents: Mapping[str, str]) -> Path:
    """Write files beside each other, without a manifest; return the directory."""
    for name, content in contents.items():
        (directory / name).write_text(content)
    return directory


def failures(report: Report) -> list[tuple[str, str]]:
    """Return what is not PROVED, to be read when a test fails."""
    return [(result.rule, result.detail) for result in report.failures()]


def statuses(report: Report) -> set[Status]:
    """Return the statuses that occur in a report."""
    return {result.status for result in report.results}


def weakened() -> Template:
    """Return the plain template with a Scan on the session role."""
    template = plain_template()
    template["Resources"]["More"] = policy("Session", SCAN)
    return template


# Stacks of one name


@pytest.mark.parametrize("second", [EAST, WEST, OTHER_ACCOUNT, OPEN])
@pytest.mark.parametrize("weak", [None, 0, 1])
def test_stacks_of_one_name_are_all_judged(second: str, weak: int | None, tmp_path: Path) -> None:
    """A weakened stack fails whichever of the two it is, and a sound pair is PROVED."""
    one, two = (weakened() if number == weak else plain_template() for number in range(2))
    report = verify(assembly(tmp_path, ("App", EAST, one), ("App", second, two)))
    assert report.proved is (weak is None), failures(report)
    assert len({result.subject for result in report.results if result.rule == "session-tags"}) == 2


# Exports


def exporting(logical_id: str, name: str = "shared") -> Template:
    """Return the plain template that exports a role's name."""
    output = {"Value": {"Ref": logical_id}, "Export": {"Name": name}}
    return {**plain_template(), "Outputs": {"O": output}}


def bystander() -> Template:
    """Return a template with a role of a service, which exports that role's name."""
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "events.amazonaws.com"}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(service)}}
    output = {"Value": {"Ref": "Other"}, "Export": {"Name": "shared"}}
    return {"Resources": {"Other": role}, "Outputs": {"O": output}}


def attaching(role: Any) -> Template:
    """Return a template that puts a Scan on a role."""
    properties = {"PolicyName": "p", "Roles": [role], "PolicyDocument": document(SCAN)}
    return {"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": properties}}}


IMPORT = {"Fn::ImportValue": "shared"}


@pytest.mark.parametrize("elsewhere", [WEST, OTHER_ACCOUNT])
@pytest.mark.parametrize("order", [1, -1])
def test_an_import_leads_to_the_export_of_its_own_environment(elsewhere: str, order: int, tmp_path: Path) -> None:
    """An export of the same name elsewhere hides nothing, whichever is read first."""
    stacks = [("A", EAST, exporting("Session")), ("B", elsewhere, bystander())][::order]
    report = verify(assembly(tmp_path, *stacks, ("C", EAST, attaching(IMPORT))))
    assert Status.VIOLATED in statuses(report)


@pytest.mark.parametrize("elsewhere", [WEST, OTHER_ACCOUNT])
def test_an_import_of_another_environment_changes_no_role_here(elsewhere: str, tmp_path: Path) -> None:
    """The same policy imported where the other role is exported leaves the session role PROVED."""
    stacks = ("A", EAST, exporting("Session")), ("B", elsewhere, bystander())
    report = verify(assembly(tmp_path, *stacks, ("C", elsewhere, attaching(IMPORT))))
    assert report.proved, failures(report)


def test_an_import_that_two_exports_may_answer_is_unknown(tmp_path: Path) -> None:
    """Where the environment is left open, either of two exports may be meant, and nothing is guessed."""
    stacks = ("A", EAST, exporting("Session")), ("B", WEST, bystander()), ("C", OPEN, attaching(IMPORT))
    report = verify(assembly(tmp_path, *stacks))
    assert Status.PROVED not in statuses(report)
    assert "exported by 2" in " ".join(result.detail for result in report.results)


def test_an_import_that_one_export_may_answer_is_followed(tmp_path: Path) -> None:
    """Without the second export the same policy lands on the role that is exported."""
    report = verify(assembly(tmp_path, ("A", EAST, exporting("Session")), ("C", OPEN, attaching(IMPORT))))
    assert Status.VIOLATED in statuses(report)


def output_of(stack: str, **more: Any) -> Body:
    """Return a reference to the output O of a stack."""
    return {"Fn::GetStackOutput": {"StackName": stack, "OutputName": "O", **more}}


@pytest.mark.parametrize(
    ("reference", "proved"),
    [
        (output_of("App"), True),
        (output_of("App", Region="us-east-1"), True),
        (output_of("App", Region="us-west-2"), False),
        (output_of("App", Region={"Fn::Sub": "us-west-2"}), False),
        (output_of("App", Region={"Ref": "AWS::Region"}), False),
        (output_of({"Ref": "AWS::StackName"}), False),  # type: ignore[arg-type]
    ],
)
def test_an_output_is_looked_up_in_the_region_it_names(reference: Body, proved: bool, tmp_path: Path) -> None:
    """Two stacks of one name have outputs of one name; the Region tells them apart, or nothing does."""
    stacks = ("App", EAST, bystander()), ("App", WEST, exporting("Session"))
    report = verify(assembly(tmp_path, *stacks, ("C", EAST, attaching(reference))))
    assert report.proved is proved, failures(report)


# Nested stacks and conditions of resources


def guarded() -> Template:
    """Return the plain template whose session reads all rows but for a Deny that stands elsewhere."""
    template = plain_template()
    template["Resources"]["Rows"] = policy("Session", allow(["dynamodb:GetItem", "dynamodb:Query"], arn("Table")))
    template["Conditions"] = {"C": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
    return template


def guard(role: Any) -> Body:
    """Return a policy that denies all rows but the task's own."""
    deny = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    others = {"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": TASK}}
    statements = [{**deny, "Condition": others}, {**deny, "Condition": {"Null": {"dynamodb:LeadingKeys": "true"}}}]
    properties = {"PolicyName": "g", "Roles": [role], "PolicyDocument": document(*statements)}
    return {"Type": "AWS::IAM::Policy", "Properties": properties}


def nested(directory: Path, template: Template, child: Template, **more: Any) -> Path:
    """Write a template with a nested stack whose template lies beside it; return the directory."""
    template["Resources"]["Nest"] = {
        "Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "child.nested.template.json"},
        "Properties": {"TemplateURL": "x", "Parameters": {"Role": {"Ref": "Session"}}}, **more,
    }  # fmt: skip
    (directory / "child.nested.template.json").write_text(json.dumps(child))
    return assembly(directory, ("App", EAST, template))


def child_of(resource: Body) -> Template:
    """Return a nested template that takes a role's name."""
    return {"Parameters": {"Role": {"Type": "String"}}, "Resources": {"G": resource}}


MALFORMED: list[Any] = ["Gone", "", 5, False, [], ["C"], {}, {"Fn::Equals": ["a", "a"]}]


@pytest.mark.parametrize("condition", ["C", "Gone", 5, {}])
def test_a_deny_in_a_nested_stack_with_a_condition_may_be_missing(condition: Any, tmp_path: Path) -> None:
    """What holds sessions back counts only where it is deployed for certain."""
    path = nested(tmp_path, guarded(), child_of(guard({"Ref": "Role"})), Condition=condition)
    assert not verify(path, masked_grants=True).proved


def test_a_deny_in_a_nested_stack_without_condition_counts(tmp_path: Path) -> None:
    """The same stack is PROVED when it is always there."""
    report = verify(nested(tmp_path, guarded(), child_of(guard({"Ref": "Role"}))), masked_grants=True)
    assert report.proved, failures(report)


def test_a_deny_below_a_nested_stack_with_a_condition_may_be_missing(tmp_path: Path) -> None:
    """The condition of a stack holds for the stacks in it."""
    inner = child_of(guard({"Ref": "Role"}))
    (tmp_path / "inner.nested.template.json").write_text(json.dumps(inner))
    stack = {
        "Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "inner.nested.template.json"},
        "Properties": {"TemplateURL": "x", "Parameters": {"Role": {"Ref": "Role"}}},
    }  # fmt: skip
    assert verify(nested(tmp_path, guarded(), child_of(stack)), masked_grants=True).proved
    assert not verify(nested(tmp_path, guarded(), child_of(stack), Condition="C"), masked_grants=True).proved


def test_a_grant_in_a_nested_stack_with_a_condition_counts(tmp_path: Path) -> None:
    """What opens counts whenever it may be deployed."""
    grant = attaching({"Ref": "Role"})["Resources"]["P"]
    assert not verify(nested(tmp_path, plain_template(), child_of(grant), Condition="C")).proved


@pytest.mark.parametrize("condition", ["C", *MALFORMED])
def test_a_malformed_condition_makes_no_policy_certain(condition: Any) -> None:
    """A Deny with a condition nobody can read is like one with a condition that may be false."""
    template = guarded()
    template["Resources"]["Guard"] = {**guard({"Ref": "Session"}), "Condition": condition}
    assert not verify(template, masked_grants=True).proved


def test_a_deny_without_condition_counts() -> None:
    """The same policy is always there."""
    template = guarded()
    template["Resources"]["Guard"] = guard({"Ref": "Session"})
    report = verify(template, masked_grants=True)
    assert report.proved, failures(report)


# Directories without a manifest


def two(directory: Path, first: str, second: str, role: str) -> Path:
    """Write the plain template beside one that puts a Scan on a role, each as its file's name says."""
    template = plain_template()
    template["Resources"]["Session"]["Properties"]["RoleName"] = "sessions"
    both = {first: template, second: attaching(role)}
    return files(directory, {
        name: json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content)
        for name, content in both.items()
    })  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.template.json", "b.yaml"),
        ("a.template.json", "b.json"),
        ("a.template.json", "b.template.yaml"),
        ("a.template.json", "b.yml"),
        ("a.template.json", "b.template"),
        ("a.template.json", "b.YAML"),
        ("a.template.json", "a.yaml"),
        ("a.json", "b.yaml"),
        ("a.yaml", "b.yaml"),
    ],
)
def test_every_template_in_a_directory_counts(first: str, second: str, tmp_path: Path) -> None:
    """A policy in the second file opens the role of the first; on somebody else's role it changes nothing."""
    report = verify(two(tmp_path, first, second, "deploy-pipeline"))
    assert report.proved, failures(report)
    assert not verify(two(tmp_path, first, second, "sessions")).proved


def test_files_that_are_no_templates_are_left_out(tmp_path: Path) -> None:
    """Settings and packages lie beside templates in most directories."""
    others = {
        "package.json": '{"name": "x"}',
        "settings.yaml": "a: [1, 2",
        "list.json": "[1]",
        "notes.txt": "Resources:",
    }
    report = verify(files(tmp_path, {"a.template.json": json.dumps(plain_template()), **others}))
    assert report.proved, failures(report)


@pytest.mark.parametrize("broken", ["Resources: {a: [", "Resources:\n  A: &a\n    B: *a\n"])
def test_a_template_that_cannot_be_read_is_not_left_out(
    broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What looks like a template may attach policies, so the directory cannot be judged without it."""
    path = files(tmp_path, {"a.template.json": json.dumps(plain_template()), "b.yaml": broken})
    assert main(["verify", str(path)]) == 2
    assert "b.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.template.yaml", "a.template"])
def test_yaml_alone_is_read(name: str, tmp_path: Path) -> None:
    """A template in YAML is judged as the same one in JSON, by its file and by its directory."""
    files(tmp_path, {name: yaml.safe_dump(plain_template())})
    assert verify(tmp_path / name).proved
    assert verify(tmp_path).proved
    files(tmp_path, {name: yaml.safe_dump(weakened())})
    assert not verify(tmp_path).proved


@pytest.mark.parametrize("whole", [False, True])
def test_yaml_in_a_file_named_json_is_exit_code_2(
    whole: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence that says what to do."""
    files(tmp_path, {"a.json": yaml.safe_dump(plain_template())})
    assert main(["verify", str(tmp_path if whole else tmp_path / "a.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "name it `.yaml`" in error


# Names that refer to themselves


def cyclic(*, closed: bool) -> Template:
    """Return the plain template with a policy on a role whose name leads through outputs, perhaps to itself."""
    template = plain_template()
    one = {"Value": {"Fn::ImportValue": "two"}, "Export": {"Name": "one"}}
    end: Any = {"Fn::ImportValue": "one"} if closed else "deploy-pipeline"
    template["Outputs"] = {"One": one, "Two": {"Value": end, "Export": {"Name": "two"}}}
    template["Resources"]["P"] = attaching({"Fn::ImportValue": "one"})["Resources"]["P"]
    return template


def self_named(*, closed: bool) -> Template:
    """Return the plain template with a second role, whose name is perhaps made of itself."""
    template = plain_template()
    other = copy.deepcopy(bystander()["Resources"]["Other"])
    other["Properties"]["RoleName"] = {"Fn::Sub": "x-${Other}" if closed else "x-${AWS::StackName}"}
    template["Resources"]["Other"] = other
    template["Resources"]["P"] = policy("Other", allow("logs:PutLogEvents", "*"))
    return template


def self_exported(*, closed: bool) -> Template:
    """Return the plain template with an export, whose name is perhaps made of itself."""
    template = plain_template()
    name: Any = {"Fn::ImportValue": {"Fn::ImportValue": "one"}} if closed else "one"
    template["Outputs"] = {"One": {"Value": "deploy-pipeline", "Export": {"Name": name}}}
    template["Resources"]["P"] = attaching({"Fn::ImportValue": "one"})["Resources"]["P"]
    return template


@pytest.mark.parametrize("build", [cyclic, self_named])
def test_names_that_lead_to_themselves_are_unknown(build: Any) -> None:
    """Nothing hangs, and nothing is PROVED of a name that has no end; a name with an end stays PROVED."""
    report = verify(build(closed=False))
    assert report.proved, failures(report)
    assert Status.UNKNOWN in statuses(verify(build(closed=True)))


def test_an_export_named_after_itself_is_not_proved() -> None:
    """Nobody knows what the import is then: it may be the session role; under an ordinary name it is not."""
    report = verify(self_exported(closed=False))
    assert report.proved, failures(report)
    assert not verify(self_exported(closed=True)).proved


def test_a_nested_stack_that_holds_itself_is_unknown(tmp_path: Path) -> None:
    """A template that deploys itself for ever deploys nowhere."""
    child = child_of({
        "Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "child.nested.template.json"},
        "Properties": {"TemplateURL": "x", "Parameters": {"Role": {"Ref": "Role"}}},
    })  # fmt: skip
    assert Status.PROVED not in statuses(verify(nested(tmp_path, plain_template(), child)))


def test_rows_that_are_keyed_need_no_deny() -> None:
    """The guarded template is the plain one but for the condition on its rows."""
    template = guarded()
    statement = template["Resources"]["Rows"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert not verify(template).proved
    statement["Condition"] = keyed(TASK)
    assert verify(template).proved
