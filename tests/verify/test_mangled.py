"""Templates that somebody, or something, mangled: an answer each time, and never a traceback."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from session_scoping.commands.main import main
from session_scoping.testing.rule_pack import check_template
from session_scoping.verify import verify
from tests.support import stacks
from tests.support.verify.peers import peer

JUNK: tuple[Any, ...] = (
    None, True, 0, -1.5, "", "*", "${", "${aws:PrincipalTag/task_id}", [], {}, [[]], [None], {"": None},
    "arn:aws:s3:::b/*", {"Ref": "Nowhere"}, {"Ref": ["a"]}, {"Ref": "AWS::NoValue"}, {"Fn::GetAtt": "x"},
    {"Fn::GetAtt": ["x", 1]}, {"Fn::Sub": 1}, {"Fn::Sub": "${A.B.C}${!x}${}"}, {"Fn::Join": ["", {"Ref": "L"}]},
    {"Fn::Sub": ["${x}", {"x": {"Ref": "AWS::Region"}}]}, {"Fn::Join": [1, 2]}, {"Fn::Select": ["9", ["a"]]},
    {"Fn::Select": [{}, {}]}, {"Fn::Split": ["", "a"]}, {"Fn::If": ["C", 1]},
    {"Fn::If": ["C", [], {"Ref": "AWS::NoValue"}]}, {"Fn::FindInMap": ["a", "b", "c"]},
    {"Fn::ImportValue": {"Ref": "AWS::StackName"}}, {"Fn::Transform": {"Name": "x"}}, {"Fn::ForEach::x": []},
    {"Fn::Length": [1]}, {"Fn::ToJsonString": {}}, {"Fn::GetStackOutput": "x"}, {"Condition": "x"},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a template."""
    found = [path] if path else []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += places(item, (*path, key))
    return found


def replaced(template: dict[str, Any], path: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    """Return the template with one value replaced."""
    changed: Any = copy.deepcopy(template)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    return changed  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def templates() -> list[dict[str, Any]]:
    """A small stack of ours with rows and objects, and one of another system."""
    from session_scoping import TenantObjects

    stack = stacks.stack()
    stacks.session_role(stack, objects=[TenantObjects.traces(stacks.bucket(stack))])
    return [stacks.template(stack), peer(conditioned=True, per_task=True)]


MANGLED = settings(
    max_examples=300, deadline=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@MANGLED
@given(data=st.data())
def test_reading_ends_with_an_answer_whatever_stands_in_place_of_a_value(
    data: st.DataObject, templates: list[dict[str, Any]]
) -> None:
    """Reading, inferring and the rule pack refuse nothing and raise nothing."""
    template = data.draw(st.sampled_from(templates))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in places(template) if len(path) > 1]))
        template = replaced(template, path, data.draw(st.sampled_from(JUNK)))
    verify(template, only="session-roles")  # whatever is there to be proved, is found and not proved
    check_template(template)


@settings(MANGLED, max_examples=12)
@given(data=st.data())
def test_the_command_exits_0_1_or_2_on_a_mangled_template(
    data: st.DataObject, templates: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, with the prover: no traceback, and no property that failed by a mistake of the verifier's."""
    path = data.draw(st.sampled_from(places(templates[0])))
    file = tmp_path / "mangled.template.json"
    file.write_text(json.dumps(replaced(templates[0], path, data.draw(st.sampled_from(JUNK)))))
    code = main(["verify", str(file), "--json"])
    out, err = capsys.readouterr()
    assert code in {0, 1, 2}
    assert "Traceback" not in out + err
    assert "the verifier failed" not in out
