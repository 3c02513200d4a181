"""`verify`: one function for every form a template comes in, one error for what cannot be read, one typed report."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml
from aws_cdk import assertions
from aws_cdk import aws_dynamodb as dynamodb

import session_scoping.verify as door
from session_scoping.aws.table import data_date, data_source
from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing import assert_sessions_isolated
from session_scoping.verify import Counterexample, Principal, Reach, Report, Status, verify
from session_scoping.verify.reports.rules import RULES
from tests.support.verify.mutations import Template
from tests.support.verify.plain_template import allow, arn, plain_template, policy


def weak() -> Template:
    """Return the plain template with every row open to every session, and to the compute role."""
    template = plain_template()
    for role in ("Session", "Compute"):
        template["Resources"][f"More{role}"] = policy(role, allow("dynamodb:GetItem", arn("Table")))
    return template


class _Holder:
    """Something that gives its template, as `aws_cdk.assertions.Template` does."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def to_json(self) -> Any:
        """Return the template."""
        if isinstance(self._content, Exception):
            raise self._content
        return self._content


# What is verified


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("form", ["dict", "path", "path as text", "directory", "json", "yaml", "bom", "to_json"])
def test_every_form_of_a_template_has_one_answer(form: str, broken: bool, tmp_path: Path) -> None:
    """A path, a dict, JSON and YAML text, and an object with `to_json()` say the same of the same template."""
    template = weak() if broken else plain_template()
    file = tmp_path / "App.template.json"
    file.write_text(json.dumps(template))
    sources: dict[str, Any] = {
        "dict": template, "path": file, "path as text": str(file), "directory": tmp_path,
        "json": f"\n  {json.dumps(template)}", "yaml": yaml.safe_dump(template),
        "bom": "\ufeff" + json.dumps(template), "to_json": _Holder(template),
    }  # fmt: skip
    assert verify(sources[form]).proved is not broken


def test_a_stack_of_the_cdk_s_assertions_is_read() -> None:
    """What a test of an adopter's has in its hands is enough."""
    stack = cdk.Stack(cdk.App(), "App")
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    dynamodb.Table(stack, "Table", partition_key=key)
    (result,) = verify(assertions.Template.from_stack(stack)).results
    assert (result.rule, result.status) == ("session-roles", Status.VACUOUS)


def test_a_template_is_not_changed() -> None:
    """A caller may ask about one template again and again."""
    template = weak()
    verify(template)
    assert template == weak()


UNREADABLE: dict[str, Any] = {
    "nothing": "", "blanks": "  ", "None": None, "a number": 3, "a list": [], "bytes": b"{}",
    "a dict without Resources": {"Outputs": {}}, "Resources that are none": {"Resources": []},
    "a path that is not there": "nowhere/cdk.out", "a name with a NUL": "a\0b", "text that is no JSON": "{",
    "JSON without Resources": '{"Outputs": {}}', "YAML that is none": "a: [\n", "a text of two lines": "one\ntwo",
    "a key twice": '{"Resources": {}, "Resources": {}}', "a value nobody knows": {"Resources": {"A": object()}},
    "a key that is no text": {"Resources": {1: {}}}, "to_json of nothing": _Holder(None),
    "to_json that fails": _Holder(KeyError("x")), "a very long path": "x" * 5000,
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_one_error_in_one_line(case: str) -> None:
    """`InvalidInputError` and nothing else, with what was got and what to do."""
    with pytest.raises(InvalidInputError) as refused:
        verify(UNREADABLE[case])
    assert str(refused.value).count("\n") == 0
    assert "; fix: " in str(refused.value)


def test_a_template_that_holds_itself_is_refused() -> None:
    """An endless dict has an end here."""
    endless: dict[str, Any] = {"Resources": {}}
    endless["Resources"]["A"] = endless
    with pytest.raises(InvalidInputError, match="holds itself"):
        verify(endless)


# What is stated


def test_one_text_is_one_word() -> None:
    """A `str` is never taken letter by letter, whichever option it is given to."""
    report = verify(plain_template(), stores="Table", session_roles="Session", compute_roles="Compute", tags="task_id")
    assert [option.value for option in report.options] == ["Session", "Compute", "Table", "task_id"]
    assert verify(plain_template(), only="session-tags").results[0].rule == "session-tags"


@pytest.mark.parametrize("words", [3, [3], "", " ", [""], {"Table": 1}, b"Table", "two\nlines", [None], {1}], ids=repr)
@pytest.mark.parametrize(
    "option", ["session_roles", "stores", "tags", "shared_by", "allow", "trusted", "shared_data", "only"]
)
def test_an_option_that_is_no_words_is_refused(option: str, words: Any) -> None:
    """Its name is in the error, and what was got."""
    options: dict[str, Any] = {option: words}
    with pytest.raises(InvalidInputError, match=f"`{option}` cannot be read"):
        verify(plain_template(), **options)


@pytest.mark.parametrize("parameters", [["A=b"], "A=b", {"A": 1}, {1: "b"}, {"A=B": "c"}], ids=repr)
def test_parameters_that_are_no_texts_are_refused(parameters: Any) -> None:
    """A list, a number, or a name with `=` in it is nobody's value."""
    with pytest.raises(InvalidInputError, match="`parameters` cannot be read"):
        verify(plain_template(), parameters=parameters)


def test_a_parameter_is_filled_in_whatever_form_the_template_has(tmp_path: Path) -> None:
    """The value decides, for a dict and for a file."""
    template = plain_template()
    template["Parameters"] = {"Who": {"Type": "String"}}
    template["Resources"]["More"] = policy("Session", allow("s3:GetObject", {"Fn::Sub": "arn:aws:s3:::b/${Who}/*"}))
    file = tmp_path / "t.json"
    file.write_text(json.dumps(template))
    own = "${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}"
    for source in (template, file):
        assert not verify(source).proved
        assert verify(source, parameters={"Who": own}).proved


@pytest.mark.parametrize("configuration", [3, [3], {1}], ids=repr)
def test_a_configuration_that_is_none_is_refused(configuration: Any) -> None:
    """Neither a path nor the words of a file."""
    with pytest.raises(InvalidInputError, match="`configuration` cannot be read"):
        verify(plain_template(), configuration=configuration)


def test_session_policies_are_texts_or_dicts() -> None:
    """Each adds a result; what is no policy is refused."""
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
    one = {"Version": "2012-10-17", "Statement": [statement]}
    forms: list[Any] = [one, json.dumps(one), [one, json.dumps(one, indent=1)]]
    for policies in forms:
        found = [r for r in verify(plain_template(), session_policies=policies).results if r.rule == "session-policy"]
        assert [result.status for result in found] == [Status.PROVED] * (2 if isinstance(policies, list) else 1)
    for odd in ("{}", {}, [3], 3, object()):
        with pytest.raises(InvalidInputError, match="session policy"):
            verify(plain_template(), session_policies=odd)  # type: ignore[arg-type]


# What is answered


def test_a_report_and_all_in_it_are_frozen() -> None:
    """A report can be kept, compared and handed on."""
    report = verify(weak())
    for item in (report, report.results[0], report.principals[0], report.principals[1].reaches[0], report.action_data):
        field = dataclasses.fields(item)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, field, None)
    assert report == verify(weak())


def test_the_command_prints_the_report_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` and `as_json()` are one; the keys tools read today are there, and new ones."""
    file = tmp_path / "t.json"
    file.write_text(json.dumps(weak()))
    assert main(["verify", str(file), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(verify(file).as_json()))
    assert list(printed) == ["proved", "partial", "assumptions", "results", "principals", "options", "actionData"]
    (crossing,) = (one for one in printed["results"] if one["rule"] == "partition-isolation")
    assert list(crossing) == ["rule", "subject", "status", "detail", "location", "assumptions", "counterexample"]
    assert crossing["counterexample"]["action"] == "dynamodb:GetItem"


def test_a_failure_has_its_counterexample() -> None:
    """The request that must not be possible is data, not text alone."""
    failures = {result.rule: result for result in verify(weak()).failures()}
    example = failures["partition-isolation"].counterexample
    assert isinstance(example, Counterexample)
    assert example.session != example.victim


def test_a_report_says_which_action_data_it_rests_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """AWS adds actions every week: a reader sees how old the data is."""
    report = verify(plain_template())
    assert (report.action_data.date, report.action_data.source) == (data_date(), data_source())
    (tmp_path / "t.json").write_text(json.dumps(plain_template()))
    main(["verify", str(tmp_path / "t.json"), "--assumptions"])
    assert f"AWS's actions as of {data_date()}" in capsys.readouterr().out


def test_a_report_of_files_says_which(tmp_path: Path) -> None:
    """Tools that point at a place need the file; a dict has none."""
    file = tmp_path / "App.template.json"
    file.write_text(json.dumps(plain_template()))
    assert verify(tmp_path).files == {"App": file}
    assert verify(plain_template()).files == {}


# Who reaches what


def test_every_role_that_is_granted_tenant_data_is_a_principal() -> None:
    """Sessions, compute roles, and a function's role that no property looks at, each with its statements."""
    template = weak()
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [service]}
    for name in ("Api", "Idle"):
        role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
        template["Resources"][name] = role
    template["Resources"]["ApiPolicy"] = policy("Api", allow("dynamodb:Scan", arn("Table")), allow("s3:*", "*"))
    found = {one.name: one for one in verify(template).principals}
    assert {name: one.kind for name, one in found.items()} == {
        "Template/Session": "session", "Template/Compute": "compute", "Template/Api": "other",
    }  # fmt: skip
    assert found["Template/Api"] == Principal(
        "Template/Api",
        "Template.Api",
        "other",
        (
            Reach("Template/Table", ("Template.ApiPolicy[0]",)),
            Reach("Template/Bucket", ("Template.ApiPolicy[1]",)),
        ),
    )
    assert found["Template/Api"].by == ("Template.ApiPolicy[0]", "Template.ApiPolicy[1]")
    assert found["Template/Compute"].by == ("Template.MoreCompute[0]",)


@pytest.mark.parametrize(
    ("resource", "reached"),
    [
        ("*", True),
        ("arn:aws:dynamodb:*:*:table/*", True),
        ({"Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*/index/*"}, True),
        ("arn:aws:dynamodb:*:*:table/other-*", False),
        ("arn:aws:s3:::*", False),
    ],
)
def test_a_role_that_is_granted_every_table_reaches_tenant_data(resource: Any, reached: bool) -> None:
    """A wildcard in the place of a name covers the tenant table; one behind another name does not."""
    template = plain_template()
    template["Resources"]["More"] = policy("Compute", allow("dynamodb:GetItem", resource))
    (compute,) = (one for one in verify(template).principals if one.kind == "compute")
    assert [reach.resource for reach in compute.reaches] == (["Template/Table"] if reached else [])


def test_a_role_that_a_table_s_own_policy_names_is_a_principal() -> None:
    """The grant stands on the table, not on the role."""
    template = plain_template()
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [service]}
    template["Resources"]["Api"] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    grant = allow("dynamodb:Query", "*", Principal={"AWS": arn("Api")})
    document = {"PolicyDocument": {"Version": "2012-10-17", "Statement": [grant]}}
    template["Resources"]["Table"]["Properties"]["ResourcePolicy"] = document
    (api,) = (one for one in verify(template).principals if one.id == "Template.Api")
    assert [reach.resource for reach in api.reaches] == ["Template/Table"]


# Asking for less


def test_a_report_on_some_rules_is_partial_and_never_proved() -> None:
    """Everything asked is PROVED, and the report as a whole is not: its properties were not all asked."""
    report = verify(plain_template(), only=("partition-isolation", "session-tags"))
    assert {result.rule for result in report.results} == {"partition-isolation", "session-tags"}
    assert report.failures() == []
    assert report.partial == "only partition-isolation, session-tags asked; properties not asked: 8"
    assert (report.proved, report.as_json()["proved"]) == (False, False)


def test_a_report_on_all_rules_is_whole() -> None:
    """Nothing was left out, however it was asked for."""
    report = verify(plain_template(), only=[rule.id for rule in RULES])
    assert (report.partial, report.proved) == ("", True)
    assert report.results == verify(plain_template()).results


def test_a_report_that_stops_at_the_first_failure_holds_that_one() -> None:
    """A caller that needs one reason does not wait for all of them."""
    report = verify(weak(), stop_at_first=True)
    assert report.results[-1].status is Status.VIOLATED
    assert len(report.failures()) == 1 < len(verify(weak()).failures())
    assert report.partial.startswith("stopped at the first property that fails; properties not asked: ")
    assert not report.proved


def test_a_report_that_need_not_stop_is_whole() -> None:
    """Without a failure everything was asked."""
    assert verify(plain_template(), stop_at_first=True) == verify(plain_template())


def test_a_rule_that_there_is_not_is_refused() -> None:
    """A misspelled rule would ask nothing."""
    with pytest.raises(InvalidInputError, match="there is no rule `isolation`"):
        verify(plain_template(), only="isolation")


def test_a_partial_report_fails_the_assertion() -> None:
    """An adopter's test never passes on less than everything."""
    with pytest.raises(AssertionError, match="PARTIAL: only session-tags asked"):
        assert_sessions_isolated(plain_template(), only="session-tags")


def test_an_empty_report_proves_nothing() -> None:
    """A report made by hand without results is no pass."""
    assert not Report(()).proved


def test_every_name_of_the_door_is_there() -> None:
    """What `__all__` lists can be imported, and nothing else is offered."""
    assert sorted(door.__all__) == door.__dir__()
    assert all(getattr(door, name) for name in door.__all__)
    with pytest.raises(AttributeError):
        door.collect  # noqa: B018
