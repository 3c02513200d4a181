"""Which file a path leads to: a manifest beside one template, nested stacks by path, what a directory leaves out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify import Report, Status, verify
from session_scoping.verify.files.source import load
from tests.support.verify.corpus import assembly
from tests.support.verify.mutations import Body, Template
from tests.support.verify.plain_template import plain_template
from tests.verify.test_reading import (
    EAST,
    OPEN,
    WEST,
    attaching,
    bystander,
    failures,
    files,
    statuses,
    weakened,
)


def nest(url: Any, **parameters: Any) -> Body:
    """Return a nested stack whose template lies at a URL or path."""
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": parameters}}


def root(url: Any) -> Template:
    """Return a template that holds a nested stack only."""
    return {"Resources": {"Child": nest(url)}}


def notes(report: Report) -> list[str]:
    """Return what a report says was not read."""
    return [note for note in report.assumptions if note.startswith("not read")]


# A manifest beside one template


def test_one_template_of_an_assembly_is_the_stack_its_manifest_lists(tmp_path: Path) -> None:
    """Name, account and Region are those `verify cdk.out` knows, and only the one file is read."""
    assembly(tmp_path, ("App", EAST, plain_template()), ("Other", WEST, weakened()))
    (scope,) = load(tmp_path / "Stack0.template.json")
    assert (scope.name, scope.account, scope.region) == ("App", "111122223333", "us-east-1")
    assert verify(tmp_path / "Stack0.template.json").proved
    assert not verify(tmp_path / "Stack1.template.json").proved


def test_a_template_the_manifest_does_not_list_stands_for_itself(tmp_path: Path) -> None:
    """Another stack's environment says nothing about it."""
    assembly(tmp_path, ("App", EAST, plain_template()))
    files(tmp_path, {"own.json": json.dumps(plain_template())})
    (scope,) = load(tmp_path / "own.json")
    assert (scope.name, scope.account, scope.region) == ("own", "", "")


def test_a_template_listed_for_two_environments_belongs_to_none(tmp_path: Path) -> None:
    """Which of the two is meant nobody says, so both stay possible."""
    assembly(tmp_path, ("A", EAST, plain_template()), ("B", WEST, plain_template()))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Stack1.template", "Stack0.template"))
    (scope,) = load(tmp_path / "Stack0.template.json")
    assert (scope.name, scope.account) == ("Stack0", "")


@pytest.mark.parametrize(
    "broken", ["{", "[]", '{"artifacts": 5}', '{"artifacts": {"x": 5}}', '{"artifacts": {"x": {"type": "%s"}}}', "\0"]
)
def test_a_broken_manifest_beside_one_template_is_no_error(broken: str, tmp_path: Path) -> None:
    """The file is judged by itself, where the directory as a whole is refused."""
    content = broken.replace("%s", "aws:cloudformation:stack")
    files(tmp_path, {"manifest.json": content, "a.json": json.dumps(plain_template())})
    (scope,) = load(tmp_path / "a.json")
    assert (scope.name, scope.account) == ("a", "")
    with pytest.raises(InvalidInputError):
        verify(tmp_path)


# Nested stacks by path


@pytest.mark.parametrize("url", ["child.json", "./child.json", "sub/child.json", "../beside/child.json"])
@pytest.mark.parametrize("weak", [False, True])
def test_a_nested_stack_is_read_by_its_path(url: str, weak: bool, tmp_path: Path) -> None:
    """The template at the path, from the file that names it, is judged as part of that file."""
    home = tmp_path / "home"
    for folder in (home, home / "sub", tmp_path / "beside"):
        folder.mkdir()
    files(home, {"root.json": json.dumps(root(url)), url: json.dumps(weakened() if weak else plain_template())})
    report = verify(home / "root.json")
    assert report.proved is not weak, failures(report)
    assert set(verify(home / "root.json", only="session-roles").files) == {"root", "root/Child"}


def test_a_nested_stack_of_a_nested_stack_is_looked_for_beside_its_own_template(tmp_path: Path) -> None:
    """Each path starts from the file it stands in."""
    (tmp_path / "sub").mkdir()
    contents = {"root.json": root("sub/one.json"), "sub/one.json": root("two.json"), "sub/two.json": weakened()}
    files(tmp_path, {name: json.dumps(content) for name, content in contents.items()})
    assert list(verify(tmp_path, only="session-roles").files) == ["root", "root/Child", "root/Child/Child"]


def test_a_nested_stack_is_no_stack_of_its_own(tmp_path: Path) -> None:
    """In a directory the child is read once, with what its parent gives it; the template nobody nests is a stack."""
    contents = {"a-child.yaml": yaml.safe_dump(plain_template()), "root.json": json.dumps(root("./a-child.yaml"))}
    files(tmp_path, {**contents, "z.json": json.dumps(bystander())})
    assert set(verify(tmp_path, only="session-roles").files) == {"root", "root/Child", "z"}
    report = verify(tmp_path)
    assert report.proved, failures(report)


@pytest.mark.parametrize("contents", [{"a": "a.json"}, {"a": "b.json", "b": "a.json"}])
def test_templates_that_nest_each_other_are_all_read(contents: dict[str, str], tmp_path: Path) -> None:
    """None is lost as the child of one that is lost itself, and nothing is PROVED of what deploys nowhere."""
    for name, url in contents.items():
        template = plain_template()
        template["Resources"]["Child"] = nest(url)
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
    assert set(contents) <= set(verify(tmp_path, only="session-roles").files)
    assert not verify(tmp_path).proved


@pytest.mark.parametrize(
    "url", ["gone.yaml", ".", "", "..", "notes.txt", "a\0b", "a" * 5_000, 5, None, ["x"], "s3://b/x"]
)
def test_a_nested_stack_that_is_not_there_is_named(url: Any, tmp_path: Path) -> None:
    """A path to nothing, or to what is no template, is no traceback, and the report says what was not read."""
    files(tmp_path, {"root.json": json.dumps(root(url)), "notes.txt": "nothing"})
    (result,) = verify(tmp_path / "root.json").results
    assert result.status is Status.VACUOUS
    assert "not read: root.Child" in result.detail


def test_an_absolute_path_is_not_followed(tmp_path: Path) -> None:
    """A template names no file of the machine it is verified on; the same file by its relative path is read."""
    files(tmp_path, {"child.json": json.dumps(plain_template())})
    files(tmp_path, {"root.json": json.dumps(root(str(tmp_path / "child.json")))})
    assert not verify(tmp_path / "root.json").proved
    files(tmp_path, {"root.json": json.dumps(root("child.json"))})
    assert verify(tmp_path / "root.json").proved


def test_a_broken_template_of_a_nested_stack_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like a template and cannot be read is one sentence with its name."""
    files(tmp_path, {"root.json": json.dumps(root("child.yaml")), "child.yaml": "Resources: {a: ["})
    assert main(["verify", str(tmp_path / "root.json")]) == 2
    error = capsys.readouterr().err
    assert "child.yaml" in error
    assert error.count("\n") == 1


def test_nothing_to_prove_says_nothing_of_unread_stacks_where_all_is_read() -> None:
    """A template without session roles that is read as a whole has nothing to add."""
    (result,) = verify(bystander()).results
    assert result.status is Status.VACUOUS
    assert "not read" not in result.detail


# Exports named after their stack


def named_after_stack(logical_id: str) -> Template:
    """Return the plain template that exports a role's name under a name made of its stack's."""
    output = {"Value": {"Ref": logical_id}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-role"}}}
    return {**plain_template(), "Outputs": {"O": output}}


@pytest.mark.parametrize("name", ["Data-role", {"Fn::Sub": "Data-role"}, {"Fn::Join": ["-", ["Data", "role"]]}])
@pytest.mark.parametrize(("role", "rule"), [("Session", "allowed-actions"), ("Compute", "compute-isolation")])
def test_an_export_named_after_its_stack_is_found(name: Any, role: str, rule: str, tmp_path: Path) -> None:
    """The manifest says the stack's name, so that an import by it leads to the role that is exported."""
    importing = attaching({"Fn::ImportValue": name})
    report = verify(assembly(tmp_path, ("Data", EAST, named_after_stack(role)), ("C", EAST, importing)))
    assert {(result.rule, result.status) for result in report.failures()} == {(rule, Status.VIOLATED)}


def test_an_import_of_another_role_by_its_stacks_name_changes_no_session(tmp_path: Path) -> None:
    """Once it is known whose name is imported, a policy on a bystander is no reason for doubt."""
    other = bystander()
    other["Outputs"]["O"]["Export"]["Name"] = {"Fn::Join": ["-", [{"Ref": "AWS::StackName"}, "role"]]}
    importing = attaching({"Fn::ImportValue": "Data-role"})
    report = verify(assembly(tmp_path, ("App", EAST, plain_template()), ("Data", EAST, other), ("C", EAST, importing)))
    assert report.proved, failures(report)


def test_the_name_of_a_file_is_not_the_name_of_its_stack(tmp_path: Path) -> None:
    """Without a manifest the stack may be called anything, and the import may be any export: nothing is proved."""
    importing = attaching({"Fn::ImportValue": "Data-role"})
    files(tmp_path, {"Data.json": json.dumps(named_after_stack("Session")), "C.json": json.dumps(importing)})
    report = verify(tmp_path)
    assert not report.proved
    assert Status.VIOLATED not in statuses(report), failures(report)


def test_another_stacks_name_finds_no_export(tmp_path: Path) -> None:
    """The name is the exporting stack's own, not that of the stack that imports."""
    importing = attaching({"Fn::ImportValue": {"Fn::Sub": "${AWS::StackName}-role"}})
    stacks = ("Data", OPEN, named_after_stack("Session")), ("C", OPEN, importing)
    report = verify(assembly(tmp_path, *stacks))
    assert Status.VIOLATED not in statuses(report), failures(report)
    assert not report.proved


# What a directory leaves out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sub/x.json", "not read: sub/ (x.json)"),
        ("sub/deep/x.yaml", "not read: sub/ (x.yaml)"),
        ("x.tmpl", "not read: x.tmpl"),
        ("x.nested.template.json", "not read: x.nested.template.json"),
        ("node_modules/x.json", None),
        (".git/x.json", None),
        ("asset.1/x.json", None),
        ("sub/x.txt", None),
        ("x.md", None),
    ],
)
def test_a_template_that_a_directory_leaves_out_is_said(name: str, said: str | None, tmp_path: Path) -> None:
    """A policy in it may open what is PROVED; packages, assets and prose are no templates of the directory."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    files(tmp_path, {"a.json": json.dumps(plain_template()), name: json.dumps(weakened())})
    assert notes(verify(tmp_path)) == ([said] if said else [])
    assert notes(verify(tmp_path / "a.json")) == []


def test_settings_below_a_directory_are_not_said(tmp_path: Path) -> None:
    """Only what looks like a template may attach a policy."""
    (tmp_path / "sub").mkdir()
    files(tmp_path, {"a.json": json.dumps(plain_template()), "sub/x.json": "{}", "x.cfg": "a: 1"})
    assert notes(verify(tmp_path)) == []


def test_a_directory_too_big_to_look_through_says_so(tmp_path: Path) -> None:
    """What was not looked at is no more silent than what was found."""
    (tmp_path / "sub").mkdir()
    files(tmp_path, {"a.json": json.dumps(bystander()), **{f"sub/{number}.json": "{}" for number in range(600)}})
    (note,) = notes(verify(tmp_path))
    assert "500" in note


# Keys that occur twice


TWICE = [
    "\nResources: {}\n",
    "\nOutputs:\n  A: {Value: x}\n  A: {Value: y}\n",
    "\nOutputs: {A: !GetAtt {b: 1, b: 2}}\n",
]


@pytest.mark.parametrize("lines", TWICE)
def test_a_key_twice_in_yaml_is_refused(lines: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of the two counts is not documented, so that one sentence says which key it is."""
    files(tmp_path, {"a.yaml": yaml.safe_dump(plain_template()) + lines})
    assert main(["verify", str(tmp_path / "a.yaml")]) == 2
    error = capsys.readouterr().err
    assert "twice in one object" in error
    assert error.count("\n") == 1


def test_a_key_twice_in_json_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and YAML agree."""
    files(tmp_path, {"a.json": json.dumps(plain_template())[:-1] + ', "Resources": {}}'})
    assert main(["verify", str(tmp_path / "a.json")]) == 2
    assert "the key `Resources` twice in one object" in capsys.readouterr().err


MERGED = """
Metadata:
  A: &a {X: 1, Y: 2}
  B: &b {<<: *a, X: 3}
  C: {<<: *b, X: 4}
  D: {<<: [*a, *b], Y: 5}
"""


def test_a_key_that_a_merge_brings_in_may_be_overridden(tmp_path: Path) -> None:
    """That is what merging is for: the mapping's own key counts, once."""
    files(tmp_path, {"a.yaml": yaml.safe_dump(plain_template()) + MERGED})
    (scope,) = load(tmp_path / "a.yaml")
    merged = scope.template["Metadata"]
    assert [merged[name] for name in "BCD"] == [{"X": 3, "Y": 2}, {"X": 4, "Y": 2}, {"X": 1, "Y": 5}]
    assert verify(tmp_path / "a.yaml").proved
