"""Values a template leaves open within bounds: maps, lists of allowed values, tags; and statements half understood."""

from typing import Any

import pytest

from session_scoping.verify import Status, verify
from session_scoping.verify.patterns.text import kind_of_choices
from tests.support.verify.hand_written import allow, by_hand, judged, policy
from tests.support.verify.mutations import Template

BY_REGION = {"Fn::FindInMap": ["Prefix", {"Ref": "AWS::Region"}, "of"]}
STAGE = {"Ref": "Stage"}


def under(prefix: Any, **sections: Any) -> Template:
    """Return the stack with the sessions' objects under a prefix the deployment chooses."""
    own = "${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/*"
    resource = {"Fn::Join": ["/", [{"Fn::GetAtt": ["Bucket", "Arn"]}, prefix, own]]}
    return {**by_hand(Objects=policy("Session", allow("s3:GetObject", resource))), **sections}


def mapped(*values: Any) -> Any:
    """Return a map from Regions to prefixes."""
    return {"Prefix": {f"region-{number}": {"of": value} for number, value in enumerate(values)}}


def chosen(**parameter: Any) -> Any:
    """Return a parameter for the prefix."""
    return {"Stage": {"Type": "String", **parameter}}


HARMLESS: dict[str, Template] = {
    "the same in every Region": under(BY_REGION, Mappings=mapped("data", "data")),
    "another in each Region": under(BY_REGION, Mappings=mapped("data", "rows-a")),
    "letters": under(STAGE, Parameters=chosen(AllowedPattern="^[a-z][a-z0-9-]{2,8}$")),
    "one of some stages": under(STAGE, Parameters=chosen(AllowedValues=["dev", "prod"], Default="dev")),
}
OPEN: dict[str, Template] = {
    "a wildcard in one Region": under(BY_REGION, Mappings=mapped("data", "*")),
    "a map that is not there": under(BY_REGION),
    "one of some stages and everything": under(STAGE, Parameters=chosen(AllowedValues=["dev", "*"])),
    "letters or anything": under(STAGE, Parameters=chosen(AllowedPattern="^[a-z]*|.*$")),
    "a range with more than letters": under(STAGE, Parameters=chosen(AllowedPattern="[ -~]+")),
    "any stage": under(STAGE, Parameters=chosen(Default="dev")),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_text_that_never_holds_a_wildcard_is_proved(case: str) -> None:
    """Whichever value is deployed, it is one piece of the prefix."""
    report = verify(HARMLESS[case])
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("case", OPEN)
def test_text_that_may_hold_a_wildcard_is_not_proved(case: str) -> None:
    """One value with a wildcard is enough."""
    statuses = {result.status for result in judged(OPEN[case], "object-isolation")}
    assert Status.UNKNOWN in statuses


KINDS: list[tuple[list[object], str]] = [
    (["dev", "eu-west-1"], "word"), (["a/b", "c"], "text"), (["?"], "free"), (["${x}"], "free"), ([""], "free"),
    ([["a"]], "free"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "kind"), KINDS)
def test_the_kind_of_a_choice_is_that_of_its_widest_value(values: list[object], kind: str) -> None:
    """A name's letters, anything without wildcards, or anything."""
    assert kind_of_choices(values) == kind


@pytest.mark.parametrize("actions", [["dynamodb:GetItem", "dynamodb:PutItem"], ["dynamodb:PartiQLSelect"]])
def test_a_list_in_a_map_is_read(actions: list[str]) -> None:
    """Actions may stand in a map: what is in it decides."""
    template = by_hand()
    (statement, *_) = template["Resources"]["SessionPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    statement["Action"] = {"Fn::FindInMap": ["Actions", "of", "rows"]}
    template["Mappings"] = {"Actions": {"of": {"rows": actions}}}
    proved = {result.status for result in judged(template, "partition-isolation", "allowed-actions")} == {Status.PROVED}
    assert proved is ("dynamodb:PartiQLSelect" not in actions)


@pytest.mark.parametrize("value", [{"Fn::If": ["C", "a", "b"]}, BY_REGION, {"Fn::Cidr": ["10.0.0.0/8", 1, 1]}])
def test_a_tag_nobody_asks_for_may_have_any_value(value: Any) -> None:
    """A cost tag of the role is no session tag, whatever it holds."""
    template = by_hand()
    template["Resources"]["Session"]["Properties"]["Tags"] = [{"Key": "cost", "Value": value}]
    report = verify(template)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def inheriting(*demanded: str) -> Template:
    """Return the stack with a tag on the session role that nobody knows yet, and a trust that demands some tags."""
    template = by_hand(*demanded)
    template["Resources"]["Session"]["Properties"]["Tags"] = [{"Key": "task_id", "Value": {"Fn::If": ["C", "a", "b"]}}]
    return template


def test_a_session_tag_on_the_role_is_none_whatever_its_value() -> None:
    """A session that lacks the tag inherits it, though nobody knows the value yet."""
    (result,) = judged(inheriting("user_id"), "session-tags")
    assert result.status is Status.VIOLATED, result.detail


def test_a_tag_of_the_role_is_never_seen_where_each_session_carries_its_own() -> None:
    """The session's value takes the place of the role's, whatever that is, and the keys stay apart."""
    report = verify(inheriting("task_id", "user_id"))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("rule", ["object-isolation", "partition-isolation"])
def test_a_statement_half_understood_is_unknown_where_its_action_counts(rule: str) -> None:
    """It is no proof of an access either: nothing it says is shown as a request that goes through."""
    extra = policy("Session", allow("s3:GetObject", {"Fn::Nothing": "x"}))
    statuses = {result.status for result in judged(by_hand(Extra=extra), rule)}
    assert statuses == {Status.UNKNOWN if rule == "object-isolation" else Status.PROVED}


@pytest.mark.parametrize(
    "allowed", [{"AllowedPattern": "[a-zA-Z0-9-]+"}, {"AllowedValues": ["a", "S-Table-1ABCDEFGHIJKL"]}]
)
def test_a_chosen_name_may_be_a_generated_one(allowed: Any) -> None:
    """Who deploys may give the name CloudFormation made up for the table."""
    resource = {"Fn::Sub": "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Stage}"}
    template = by_hand(Opened=policy("Compute", allow("dynamodb:Scan", resource)))
    template["Parameters"] = chosen(**allowed)
    assert {result.status for result in judged(template, "compute-isolation")} != {Status.PROVED}


@pytest.mark.parametrize("allowed", [{"AllowedPattern": "[a-z-]*"}, {"Default": ""}])
def test_a_chosen_part_of_a_name_may_be_empty(allowed: Any) -> None:
    """`${P}tenants` is `tenants` then, whether a pattern or a resource's name says that it holds letters only."""
    resource = {"Fn::Sub": "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Stage}tenants"}
    template = by_hand(Opened=policy("Compute", allow("dynamodb:Scan", resource)))
    template["Resources"]["Table"]["Properties"]["TableName"] = "tenants"
    template["Resources"]["Other"] = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "${Stage}b"}}}
    template["Parameters"] = chosen(**allowed)
    assert {result.status for result in judged(template, "compute-isolation")} != {Status.PROVED}


ARNS = {"Fn::FindInMap": ["Prefix", {"Ref": "AWS::Region"}, "of"]}


@pytest.mark.parametrize("inside", ["", "/index/x"])
def test_an_arn_from_a_map_may_be_that_of_a_tenant_table(inside: str) -> None:
    """One of the map's values is the table's ARN, or may be."""
    resource = {"Fn::Join": ["", [ARNS, inside]]}
    template = by_hand(Opened=policy("Compute", allow("dynamodb:*", resource)))
    template["Resources"]["Table"]["Properties"]["TableName"] = "tenants"
    own = "arn:aws:dynamodb:eu-west-1:111122223333:table/"
    template["Mappings"] = mapped(own + "tenants", own + "other")
    assert {result.status for result in judged(template, "compute-isolation")} != {Status.PROVED}


def test_a_choice_may_hold_a_colon() -> None:
    """Region and account from one parameter make an ARN of five pieces whole."""
    resource = {"Fn::Sub": "arn:aws:dynamodb:${Stage}:table/tenants"}
    template = by_hand(Opened=policy("Compute", allow("dynamodb:*", resource)))
    template["Resources"]["Table"]["Properties"]["TableName"] = "tenants"
    template["Parameters"] = chosen(AllowedValues=["us-east-1:111122223333", "eu-west-1:111122223333"])
    assert {result.status for result in judged(template, "compute-isolation")} != {Status.PROVED}
