# ruff: noqa: E501 - tables of odd input
"""Whatever comes in: a verdict, or exit code 2 with one sentence; never a traceback."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_scoping.cli import main
from tests.verify.mutations import Template
from tests.verify.plain_template import plain_template, sub

Change = Callable[[Template], object]


def grant(template: Template) -> dict[str, Any]:
    """Return the session's grant of objects."""
    statement: dict[str, Any] = template["Resources"]["Objects"]["Properties"]["PolicyDocument"]["Statement"][0]
    return statement


def nested(template: Template, path: str) -> None:
    """Add a nested stack whose template is said to lie somewhere."""
    body = {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": path}, "Properties": {}}
    template["Resources"]["Nested"] = body


def labelled(template: Template, label: str) -> None:
    """Give the session role a construct path."""
    template["Resources"]["Session"]["Metadata"] = {"aws:cdk:path": label}


ODD: dict[str, Change] = {
    "a digit that is none": lambda t: grant(t).update(Resource={"Fn::Select": ["²", ["a", "b"]]}),
    "no parameters": lambda t: (t.update(Parameters=None), grant(t).update(Resource={"Ref": "X"})),
    "a list of parameters": lambda t: (t.update(Parameters=["X"]), grant(t).update(Resource={"Ref": "X"})),
    "text for parameters": lambda t: (t.update(Parameters="X"), grant(t).update(Resource={"Ref": "X"})),
    "a path with a NUL": lambda t: nested(t, "a\0b"),
    "a long path": lambda t: nested(t, "a" * 5000),
    "a path to itself": lambda t: nested(t, "."),
    "half a character in a label": lambda t: labelled(t, "App/\ud800x"),
    "markup in a label": lambda t: labelled(t, "App/[/red]x"),
    "half a character in a resource": lambda t: grant(t).update(Resource=sub("${Bucket.Arn}/\ud800/*")),
    "a character past the solver's last": lambda t: grant(t).update(Resource=sub("${Bucket.Arn}/\U0010ffff/*")),
    "a NUL in a resource": lambda t: grant(t).update(Resource=sub("${Bucket.Arn}/\0/*")),
    "a statement that is a number": lambda t: t["Resources"]["Rows"]["Properties"].update(PolicyDocument={"Statement": 5}),
    "resources that are lists": lambda t: t["Resources"].update(Odd=[]),
}  # fmt: skip
WAYS = (["verify"], ["verify", "--json"], ["explain"])


def spoken(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command and return its exit code and what it says on stderr."""
    code = main(arguments)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return code, said.err


@pytest.mark.parametrize("case", ODD)
def test_an_odd_template_gets_a_verdict_or_a_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit code 0 only where nothing odd remains, as for markup in a label."""
    template = plain_template()
    ODD[case](template)
    path = tmp_path / "t.template.json"
    path.write_text(json.dumps(template))
    for way in WAYS:
        code, said = spoken([way[0], str(path), *way[1:]], capsys)
        assert code in {0, 1, 2}
        assert code != 2 or len(said.splitlines()) == 1
    sarif = tmp_path / "t.sarif"
    assert spoken(["verify", str(path), "--sarif", str(sarif)], capsys)[0] in {0, 1, 2}


BASE = yaml.safe_dump(plain_template(), sort_keys=False)
STATEMENT = """Resources:
  Session:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Action: sts:AssumeRole
            Principal: {Service: ecs-tasks.amazonaws.com}
"""
TEXTS: dict[str, tuple[str, str | bytes]] = {
    "keys that are numbers": ("t.yaml", STATEMENT + "            1: x\n            foo: y\n"),
    "keys that are nothing": ("t.yaml", STATEMENT + "            ~: x\n            foo: y\n"),
    "a circle": ("t.yaml", "Resources: &a\n  S: *a\n"),
    "a circle in a condition": ("t.yaml", STATEMENT + "            Condition: &c {StringEquals: *c}\n"),
    "a long number": ("t.yaml", STATEMENT + "  B: {Type: 'AWS::S3::Bucket', Properties: {BucketName: 0x" + "f" * 6000 + "}}\n"),
    "code": ("t.yaml", STATEMENT + "  B: {Type: x, Properties: {A: !!python/object:os.system x}}\n"),
    "two documents": ("t.yaml", STATEMENT + "---\nResources: {}\n"),
    "nothing": ("t.yaml", ""),
    "no JSON": ("t.json", ""),
    "a list": ("t.json", "[]"),
    "bytes": ("t.json", b"\xff\xfe\x00"),
    "deep JSON": ("t.json", '{"Resources":{"S":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}}"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_an_odd_file_gets_a_verdict_or_a_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of these is PROVED."""
    name, content = TEXTS[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, said = spoken(["verify", str(path)], capsys)
    assert code in {1, 2}
    assert code != 2 or len(said.splitlines()) == 1


def test_an_operator_that_yaml_takes_for_nothing_is_read_as_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`Null:` without quotes is IAM's operator."""
    (tmp_path / "t.yaml").write_text(BASE.replace("'Null':", "Null:"))
    assert "Null:" in (tmp_path / "t.yaml").read_text()
    assert spoken(["verify", str(tmp_path / "t.yaml")], capsys)[0] == 0


MANIFESTS: dict[str, Any] = {
    "an assembly in itself": {"x": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "."}}},
    "a file that is a number": {"x": {"type": "aws:cloudformation:stack", "properties": {"templateFile": 5}}},
    "a file that is a directory": {"x": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "."}}},
    "a file with a NUL": {"x": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "a\0b"}}},
    "no artifacts": [],
}


@pytest.mark.parametrize("case", [*MANIFESTS, "a deep one"])
def test_an_odd_manifest_is_a_sentence(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest the CDK did not write is never followed in circles."""
    text = json.dumps({"artifacts": MANIFESTS[case]}) if case in MANIFESTS else '{"artifacts":' + "[" * 200000
    (tmp_path / "manifest.json").write_text(text)
    code, said = spoken(["verify", str(tmp_path)], capsys)
    assert code == 2
    assert len(said.splitlines()) == 1


def test_a_mangled_template_is_never_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two hundred templates in which one value became another kind of value, or odd text."""
    chance = random.Random(7)
    odd: list[Any] = [
        None,
        [],
        {},
        5,
        True,
        "",
        "²",
        "\0",
        "${",
        "{{resolve:x}}",
        {"Ref": "X"},
        {"Fn::If": ["C", 1]},
        [[]],
        "\ud800",
    ]
    for number in range(200):
        template = plain_template()
        spots = list(_spots(template))
        holder, key = chance.choice(spots)
        holder[key] = copy.deepcopy(chance.choice(odd))
        path = tmp_path / f"{number}.template.json"
        path.write_text(json.dumps(template))
        assert spoken(["verify", str(path)], capsys)[0] in {0, 1, 2}


def _spots(value: Any) -> Any:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from _spots(item)
