"""Odd input on the command line: an exit code, at most one sentence on stderr, never a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_scoping.commands.main import main
from tests.support.verify.plain_template import OWN_OBJECTS, plain_template, sub

Write = Callable[[Path], Path]
"""Writes an input into a directory and returns the path to verify."""


def text(content: str | bytes, name: str = "t.template.json") -> Write:
    """Return what writes one file."""

    def write(directory: Path) -> Path:
        file = directory / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def template(change: Callable[[dict[str, Any]], object]) -> Write:
    """Return what writes the plain template with a change; JSON escapes what UTF-8 cannot hold."""
    changed = plain_template()
    change(changed)
    return text(json.dumps(changed))


def statement(logical_id: str, **values: Any) -> Callable[[dict[str, Any]], object]:
    """Return a change of a policy's statement."""
    return lambda t: t["Resources"][logical_id]["Properties"]["PolicyDocument"]["Statement"][0].update(values)


def asset(path: Any) -> Write:
    """Return what writes the plain template with a nested stack, its template at a path."""
    stack = {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": path}, "Properties": {}}
    return template(lambda t: t["Resources"].update(Nest=stack))


def manifest(content: Any, **more: str) -> Write:
    """Return what writes an assembly around the plain template."""

    def write(directory: Path) -> Path:
        files = {"A.template.json": json.dumps(plain_template()), **more}
        files["manifest.json"] = content if isinstance(content, str) else json.dumps({"artifacts": content})
        for name, value in files.items():
            (directory / name).write_text(value)
        return directory

    return write


def listed(kind: str, **properties: Any) -> Write:
    """Return what writes an assembly that lists one artifact."""
    return manifest({"x": {"type": kind, "properties": properties}})


def added(lines: str) -> Write:
    """Return what writes the plain template as YAML with more resources."""
    return text(yaml.safe_dump(plain_template()) + lines, "t.yaml")


def yaml_null(directory: Path) -> Path:
    """Write the plain template as YAML with the operator `Null` as people write it, without quotes."""
    content = yaml.safe_dump(plain_template())
    assert content.count("'Null':") == 2
    return text(content.replace("'Null':", "Null:"), "t.yaml")(directory)


STACK, ASSEMBLY = "aws:cloudformation:stack", "cdk:cloud-assembly"
SELECT = {"Fn::Select": ["\N{SUPERSCRIPT TWO}", ["a", "b", "c"]]}
DEEP = 100_000

# What can be read, with the exit code: 1 where it is no pass.
ANSWERED: dict[str, tuple[Write, int]] = {
    "the plain template": (template(lambda _: None), 0),
    "the plain template as YAML": (text(yaml.safe_dump(plain_template()), "t.yaml"), 0),
    "a byte order mark": (text(json.dumps(plain_template()).encode("utf-8-sig")), 0),
    "an unquoted operator `Null`": (yaml_null, 0),
    "a superscript digit as an index": (template(statement("Rows", Resource=SELECT)), 1),
    "parameters that are null": (template(lambda t: t.update(Parameters=None)), 0),
    "a reference into parameters that are null": (
        template(lambda t: (t.update(Parameters=None), statement("Rows", Resource={"Ref": "X"})(t))), 1,
    ),
    "a reference into a list of parameters": (
        template(lambda t: (t.update(Parameters=["X"]), statement("Rows", Resource={"Ref": "X"})(t))), 1,
    ),
    "a nested template's path with a NUL": (asset("a\0b"), 1),
    "a nested template's path of 5,000 characters": (asset("a" * 5_000), 1),
    "a nested template's path that is the directory": (asset("."), 1),
    "a nested template's path that is a list": (asset(["a"]), 1),
    "markup in a label": (
        template(lambda t: t["Resources"]["Session"].update(Metadata={"aws:cdk:path": "App/[/red]x"})), 0,
    ),
    "keys that are numbers": (added("  1: {Type: 'AWS::Logs::LogGroup'}\n"), 0),
    "a key that is a tilde": (added("  Q: {Type: 'AWS::Logs::LogGroup', Properties: {~: x}}\n"), 0),
    "an assembly whose asset list is deep": (
        manifest({"x": {"type": STACK, "properties": {"templateFile": "N.template.json"}}}, **{
            "N.template.json": json.dumps({"Resources": {
                **plain_template()["Resources"],
                "Nest": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "x"}},
            }}),
            "A.assets.json": "[" * DEEP,
        }), 1,
    ),
}  # fmt: skip

# What nothing can be said about.
REFUSED: dict[str, Write] = {
    "an empty file": text(""),
    "an empty YAML file": text("", "t.yaml"),
    "an empty directory": lambda directory: directory,
    "a directory of other files": lambda directory: text("x: 1", "t.yaml")(directory).parent,
    "a binary file": text(bytes(range(256)) * 8),
    "a binary file named YAML": text(bytes(range(256)) * 8, "t.yaml"),
    "a binary file that speaks of Resources": lambda d: text(b'{"Resources": \xff\xfe\x00', "t.json")(d).parent,
    "UTF-16": text(json.dumps(plain_template()).encode("utf-16")),
    "a path with a NUL": lambda directory: directory / "a\0b",
    "a path of 5,000 characters": lambda directory: directory / ("a" * 5_000),
    "a template's name in the manifest with a NUL": listed(STACK, templateFile="a\0b"),
    "a template's name in the manifest of 5,000 characters": listed(STACK, templateFile="a" * 5_000),
    "a template's name in the manifest that is a number": listed(STACK, templateFile=5),
    "a template's name in the manifest that is the directory": listed(STACK, templateFile="."),
    "a directory's name in the manifest with a NUL": listed(ASSEMBLY, directoryName="a\0b"),
    "an assembly that holds itself": listed(ASSEMBLY, directoryName="."),
    "an assembly that holds itself by another name": listed(ASSEMBLY, directoryName="../assembly/."),
    "a manifest that is a list": manifest("[]"),
    "a manifest without stacks": manifest({}),
    "a manifest nested deep": manifest('{"artifacts":' + "[" * DEEP + "]" * DEEP + "}"),
    "a template nested deep": text('{"Resources":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}"),
    "a template nested deep as YAML": text("Resources: " + "{a: " * 2_000 + "1" + "}" * 2_000, "t.yaml"),
    "half of a surrogate pair in a label": template(
        lambda t: t["Resources"]["Session"].update(Metadata={"aws:cdk:path": "App/\ud800x"})
    ),
    "half of a surrogate pair in a resource": template(
        statement("Objects", Resource=sub("${Bucket.Arn}/\ud800" + OWN_OBJECTS))
    ),
    "half of a surrogate pair in a logical id": template(lambda t: t["Resources"].update({"\udfff": {}})),
    "an anchor that holds itself": text("Resources: &a\n  S: *a\n", "t.yaml"),
    "an anchor in a list that holds itself": added("  Q: {Type: 'AWS::S3::Bucket', Properties: {X: &x [*x]}}\n"),
    "a condition that holds itself": added("  Q: {Type: 'AWS::S3::Bucket', Properties: &c {'Fn::If': [A, *c, *c]}}\n"),
    "anchors that multiply": added(
        "  A: &a {x: [" + "1," * 99 + "1]}\n  B: &b {x: [" + "*a," * 99 + "*a]}\n  C: {x: [" + "*b," * 99 + "*b]}\n"
    ),
    "an integer of 5,000 digits": added(f"  Q: {{Type: 'AWS::S3::Bucket', Properties: {{X: {'9' * 5_000}}}}}\n"),
    "a hexadecimal of 6,000 digits": added(f"  Q: {{Type: 'AWS::S3::Bucket', Properties: {{X: 0x{'f' * 6_000}}}}}\n"),
    "an integer of 5,000 digits in JSON": text('{"Resources": {"A": {"X": ' + "9" * 5_000 + "}}}"),
    "a set": added("  Q: {Type: 'AWS::S3::Bucket', Properties: {X: !!set {a, b}}}\n"),
    "bytes": added("  Q: {Type: 'AWS::S3::Bucket', Properties: {X: !!binary aGVsbG8=}}\n"),
    "a tag on nothing": added("  Q: {Type: 'AWS::S3::Bucket', Properties: {X: !!int ''}}\n"),
    "a tag that runs code": added("  Q: {X: !!python/object/apply:os.getcwd []}\n"),
    "a key that is a list": added("? [a, b]\n: c\n"),
    "two documents": added("---\nResources: {}\n"),
}  # fmt: skip

COMMANDS = {"verify": ["verify"], "verify --json": ["verify", "--json"], "explain": ["explain"]}
EVERYWHERE = (
    "an empty file", "an empty directory", "a binary file", "an assembly that holds itself", "a manifest nested deep",
    "half of a surrogate pair in a label", "an anchor that holds itself", "an integer of 5,000 digits",
    "a directory's name in the manifest with a NUL",
)  # fmt: skip


def run(write: Write, tmp_path: Path, *command: str) -> int:
    """Run a command on an input in a directory of its own and return the exit code."""
    directory = tmp_path / "assembly"
    directory.mkdir(exist_ok=True)
    return main([command[0], str(write(directory)), *command[1:]])


@pytest.mark.parametrize("case", ANSWERED)
def test_odd_input_that_can_be_read_gets_an_answer(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be understood is not PROVED; what changes nothing stays so; the verifier itself fails nowhere."""
    write, expected = ANSWERED[case]
    sarif = tmp_path / "report.sarif"
    assert run(write, tmp_path, "verify", "--json", "--sarif", str(sarif)) == expected
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)
    assert json.loads(sarif.read_text())["runs"]
    assert "the verifier failed" not in out
    assert run(write, tmp_path, "explain") in {0, 1}
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("case", "command"),
    [(case, "verify") for case in REFUSED]
    + [(case, command) for case in EVERYWHERE for command in COMMANDS if command != "verify"],
)
def test_odd_input_that_cannot_be_read_is_exit_code_2(
    case: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on stderr, which says what was foreseen, and nothing on stdout."""
    assert run(REFUSED[case], tmp_path, *COMMANDS[command]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("session-scoping: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "on the way" not in err


def test_a_file_in_utf_16_is_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Windows writes it where a shell redirects text."""
    assert run(REFUSED["UTF-16"], tmp_path, "verify") == 2
    assert "got text in UTF-16" in (err := capsys.readouterr().err)
    assert "fix: save it in UTF-8" in err


def test_the_table_is_printed_whatever_a_label_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markup in a label is text, on a terminal too."""
    assert run(ANSWERED["markup in a label"][0], tmp_path, "verify") == 0
    assert "[/red]" in capsys.readouterr().out


def test_no_report_is_written_about_what_cannot_be_read(tmp_path: Path) -> None:
    """A SARIF file without findings would look like a pass."""
    sarif = tmp_path / "report.sarif"
    assert run(REFUSED["an empty file"], tmp_path, "verify", "--sarif", str(sarif)) == 2
    assert not sarif.exists()


def test_the_module_is_the_command() -> None:
    """`python -m session_scoping.commands.main` does what the script does: saying nothing would pass for PROVED."""
    command = [sys.executable, "-m", "session_scoping.commands.main", "verify", "no-such-file"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
