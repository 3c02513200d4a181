"""Files that something mangled, the manifest too: an answer or a refusal each time, by a seed that can be repeated."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing.rule_pack import check_template
from session_scoping.verify import verify
from tests.support.verify.plain_template import allow, document, plain_template
from tests.verify.test_mangled import JUNK, places

SEED, ROUNDS, WHOLE = 20_261_128, 300, 40
ODD = (
    "", "\0", "\ud800", "a\0b", "x" * 5_000, ".", "..", "/", "*", "\N{SUPERSCRIPT TWO}", "${", "${A.B}", "[/red]",
    "{{resolve:ssm:x}}", "aws://", "aws://a/b/c", "manifest.json", "A.template.json", "Null", "Fn::If",
)  # fmt: skip


def assembly() -> dict[str, Any]:
    """Return two stacks and their manifest, by file: one imports the other's role, and one holds the other."""
    first: dict[str, Any] = plain_template()
    first["Outputs"] = {"O": {"Value": {"Ref": "Compute"}, "Export": {"Name": "shared"}}}
    nest = {"TemplateURL": "x", "Parameters": {"Role": {"Ref": "Session"}}}
    asset = {"aws:asset:path": "B.template.json"}
    first["Resources"]["Nest"] = {"Type": "AWS::CloudFormation::Stack", "Metadata": asset, "Properties": nest}
    properties = {
        "PolicyName": "p", "Roles": [{"Fn::ImportValue": "shared"}],
        "PolicyDocument": document(allow("logs:PutLogEvents", "*")),
    }  # fmt: skip
    second = {"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": properties}}}
    artifacts = {
        name: {
            "type": "aws:cloudformation:stack", "environment": "aws://111122223333/us-east-1",
            "properties": {"templateFile": f"{name}.template.json", "stackName": "App"},
        }
        for name in "AB"
    }  # fmt: skip
    manifest = {"version": "1", "artifacts": artifacts}
    return {"manifest.json": manifest, "A.template.json": first, "B.template.json": second}


INPUTS: dict[str, Callable[[], dict[str, Any]]] = {
    "one template": lambda: {"A.template.json": plain_template()},
    "an assembly": assembly,
}


def mangled(files: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return the files with one to three values dropped, duplicated, of another type, nested, or odd."""
    changed = copy.deepcopy(files)
    for _ in range(chance.randint(1, 3)):
        mangle(changed, chance)
    return changed


def mangle(files: dict[str, Any], chance: random.Random) -> None:
    """Change one value somewhere in the files."""
    # By file first: the manifest is small, and would hardly ever be met.
    name = chance.choice(sorted(files))
    inside = [(name, *path) for path in places(files[name])]
    path = chance.choice([*inside, (name,)])
    holder: Any = files
    for key in path[:-1]:
        holder = holder[key]
    last, value = path[-1], holder[path[-1]]
    kind = chance.choice(("drop", "duplicate", "retype", "nest", "odd text", "odd key", "junk"))
    if kind == "drop" and len(path) > 1:
        del holder[last]
    elif kind == "duplicate":
        duplicate(holder, last, chance)
    elif kind == "retype":
        holder[last] = chance.choice(([value], {"x": value}, str(value), 7, True, None, []))
    elif kind == "nest":
        for _ in range(chance.choice((1, 50, 150, 250))):
            value = chance.choice(({"Fn::Join": ["", [value]]}, [value]))
        holder[last] = value
    elif kind == "odd key" and isinstance(value, dict):
        value[chance.choice(ODD)] = copy.deepcopy(value)
    else:
        holder[last] = copy.deepcopy(chance.choice(ODD if kind == "odd text" else JUNK))


def duplicate(holder: Any, key: Any, chance: random.Random) -> None:
    """Put a copy of a value in a second place."""
    value = copy.deepcopy(holder[key])
    if isinstance(holder, list):
        holder.append(value)
    else:
        holder[chance.choice(list(holder))] = value


def write(files: dict[str, Any], directory: Path) -> Path:
    """Write the files; return what to verify: the only file, or the directory."""
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
    return directory if len(files) > 1 else directory / next(iter(files))


@pytest.mark.parametrize("case", INPUTS)
def test_reading_mangled_files_ends_with_an_answer_or_a_refusal(case: str, tmp_path: Path) -> None:
    """Nothing but an `InvalidInputError`, which is exit code 2, leaves the way to the prover."""
    chance, refusals, rounds = random.Random(f"{SEED} {case}"), list[str](), ROUNDS // len(INPUTS)
    for number in range(rounds):
        path = write(mangled(INPUTS[case](), chance), tmp_path / str(number))
        try:
            verify(path, only="session-roles")  # whatever is there to be proved, is found and not proved
        except InvalidInputError as error:
            refusals.append(str(error))
            continue
        check_template(path)
    # A test in which everything is refused, or nothing, would say little.
    assert 0 < len(refusals) < rounds // 2
    assert [text for text in refusals if "on the way" in text] == []


@pytest.mark.parametrize("case", INPUTS)
def test_the_command_exits_0_1_or_2_on_mangled_files(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: no exception, no traceback, and no exception that was caught only at the door."""
    chance = random.Random(f"{SEED} whole {case}")
    for number in range(WHOLE // len(INPUTS)):
        path = write(mangled(INPUTS[case](), chance), tmp_path / str(number))
        code = main(["verify", str(path), "--json"])
        out, err = capsys.readouterr()
        assert code in {0, 1, 2}
        assert err.count("\n") == (1 if code == 2 else 0)
        assert "Traceback" not in out + err
        assert "on the way" not in err
        assert "the verifier failed" not in out


@pytest.mark.parametrize("case", INPUTS)
def test_the_files_are_proved_before_they_are_mangled(case: str, tmp_path: Path) -> None:
    """What the mangling starts from is sound."""
    assert main(["verify", str(write(INPUTS[case](), tmp_path / "sound"))]) == 0
