"""What a template's parameter may hold, by its type, its choices and its pattern, and what is given for it."""

from typing import Any

import pytest

from session_scoping.verify.deployment.collecting import collect
from session_scoping.verify.intrinsics.exports import link
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.plan import plan
from session_scoping.verify.reports.report import Status
from session_scoping.verify.scoping.infer import Options
from tests.support.verify.hand_written import allow, by_hand, judged, policy
from tests.support.verify.mutations import Body


def may_be_any(declared: Body, written: str) -> bool:
    """Whether a parameter in an ARN may stand for whatever a wildcard does: the name of the tenants' bucket, too."""
    template = by_hand(More=policy("Compute", allow("s3:GetObject", {"Fn::Sub": written})))
    template["Resources"]["Bucket"]["Properties"]["BucketName"] = "tenant-data"
    template["Parameters"] = {"Which": declared}
    (result,) = judged(template, "compute-isolation")
    return result.status is not Status.PROVED


@pytest.mark.parametrize(
    "pattern",
    [
        "[a-z0-9.-]+",
        "^[a-z][a-z0-9-]{2,}$",
        r"^(dev|prod)\.[a-z]+$",
        r"\w+",
        r"\d{12}",
        "(?i)[a-z]+",
        "(?!xn)[a-z]+",
        "",
    ],
)
def test_a_pattern_without_wildcards_names_one_bucket(pattern: str) -> None:
    """CloudFormation takes no value that the whole pattern does not match."""
    declared = {"Type": "String", "AllowedPattern": pattern, "Default": "x"}
    assert not may_be_any(declared, "arn:aws:s3:::logs-${Which}/*")


@pytest.mark.parametrize(
    "pattern",
    [".*", "[^/]+", "[a-z*]+", r"\S+", r"\x2a", "[a-z]+|\\*", "[!-)]", r"a\Q*\E", "[^a&&[*]]", "[a-z[*]]", r"\W", "(",
     "(?=[a-z]).+", "(?x)[ -~ ]", "[^a]", "[]*]", r"\u002a"],
)  # fmt: skip
def test_a_pattern_with_wildcards_may_name_any_bucket(pattern: str) -> None:
    """So does one that Java, which CloudFormation asks, may read otherwise than Python."""
    assert may_be_any({"Type": "String", "AllowedPattern": pattern}, "arn:aws:s3:::${Which}/*")


@pytest.mark.parametrize("kind", ["Number", "AWS::EC2::VPC::Id", "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"])
def test_a_value_that_aws_makes_holds_no_wildcard(kind: str) -> None:
    """Ids and numbers are letters and digits."""
    assert not may_be_any({"Type": kind}, "arn:aws:s3:::logs-${Which}/*")


@pytest.mark.parametrize(
    "declared",
    [
        {"Type": "String"},
        {"Type": "AWS::SSM::Parameter::Value<String>", "AllowedPattern": "[a-z]+"},
        {"Type": "AWS::EC2::SecurityGroup::GroupName"},
        {"Type": "AWS::EC2::KeyPair::KeyName"},
        {"Type": "String", "AllowedValues": ["a", "*"]},
        {"Type": "String", "Default": "logs"},
    ],
)
def test_a_value_that_somebody_chooses_may_be_a_wildcard(declared: Body) -> None:
    """A name in the parameter store says nothing of the value there, and a default may be replaced."""
    assert may_be_any(declared, "arn:aws:s3:::${Which}/*")


def with_values(declared: Body, given: str | None) -> Status:
    """Return what is said of a compute role that may read each of the objects a list parameter holds."""
    more = policy("Compute", allow("s3:GetObject", {"Ref": "Which"}))
    template = by_hand(More=more)
    template["Resources"]["Bucket"]["Properties"]["BucketName"] = "tenant-data"
    template["Parameters"] = {"Which": declared}
    scope = Scope("S", template)
    scope.arguments = {"Which": (given, None)} if given is not None else {}
    steps = plan(collect(link([scope])), Options()).steps
    (result,) = [step.run() for step in steps if step.rule == "compute-isolation"]
    return result.status


@pytest.mark.parametrize("kind", ["CommaDelimitedList", "List<String>"])
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("arn:aws:s3:::logs/*", Status.PROVED),
        ("arn:aws:s3:::logs/*, arn:aws:s3:::more/*", Status.PROVED),
        ("arn:aws:s3:::logs/*, arn:aws:s3:::tenant-data/*", Status.VIOLATED),
        (None, Status.UNKNOWN),
    ],
)
def test_a_list_parameter_holds_what_is_given_for_it(kind: str, given: str | None, status: Status) -> None:
    """Its values are separated by commas; without them it may hold anything."""
    assert with_values({"Type": kind}, given) is status


@pytest.mark.parametrize(
    ("value", "proved"),
    [("arn:aws:s3:::logs/*,arn:aws:s3:::b/*", True), (["arn:aws:s3:::logs/*"], True),
     (["arn:aws:s3:::tenant-data/*"], False),
     ({"Fn::Join": [",", ["arn:aws:s3:::logs/*", "arn:aws:s3:::tenant-data/*"]]}, False)],
)  # fmt: skip
def test_a_nested_stack_hands_a_list_on(value: Any, proved: bool) -> None:
    """As one text with commas, or as a list."""
    inner = by_hand(More=policy("Compute", allow("s3:GetObject", {"Ref": "Which"})))
    inner["Resources"]["Bucket"]["Properties"]["BucketName"] = "tenant-data"
    inner["Parameters"] = {"Which": {"Type": "CommaDelimitedList"}}
    outer, scope = Scope("Outer", {"Resources": {}}), Scope("Outer/Inner", inner)
    scope.arguments = {"Which": (value, outer)}
    steps = plan(collect(link([outer, scope])), Options()).steps
    (result,) = [step.run() for step in steps if step.rule == "compute-isolation"]
    assert (result.status is Status.PROVED) is proved
