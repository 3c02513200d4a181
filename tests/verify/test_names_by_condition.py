"""Names that hang on a template condition: whichever is deployed, what a sound template says stays proved."""

from typing import Any

import pytest

from session_scoping.verify import Status, verify
from session_scoping.verify.patterns.naming import of_another_service
from session_scoping.verify.patterns.text import Pattern, Token, Wildcard
from tests.support.verify.corpus import verify_stacks
from tests.support.verify.hand_written import allow, by_hand, judged, objects, policy, rows, tag
from tests.support.verify.mutations import Template

NOTHING = {"Ref": "AWS::NoValue"}
NAMES: dict[str, Any] = {
    "two names": ["Production", "p-tasks", "d-tasks"],
    "one name": ["Production", "tasks", "tasks"],
    "a name or none": ["Production", "tasks", NOTHING],
}
TABLES = {"Fn::Sub": "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/${Table}"}


def named(name: Any, *prefixes: str) -> Template:
    """Return the stack with a name for its table, a guard on that table, and the sessions' objects under prefixes."""
    guard = {"Effect": "Deny", "NotAction": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": TABLES}
    template = by_hand(
        SessionPolicy=policy("Session", rows(tag("task_id")), allow("s3:GetObject", objects(*prefixes))),
        Guard=policy("Session", guard),
    )
    template["Resources"]["Table"]["Properties"]["TableName"] = {"Fn::If": name}
    return {**template, "Conditions": {"Production": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}}}


@pytest.mark.parametrize("name", NAMES)
def test_a_table_whose_name_hangs_on_a_condition_says_nothing_of_objects(name: str) -> None:
    """A guard on the table covers the action on an object too, and none of its resources is one."""
    report = verify(named(NAMES[name], "traces/{user_id}/{task_id}"))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("name", NAMES)
def test_objects_two_sessions_share_are_found_beside_such_a_table(name: str) -> None:
    """The same template with one tag left out of the object keys, or with a prefix that may reach into another."""
    for prefix in ("traces/{user_id}", "traces/{task_id}*"):
        (found,) = judged(named(NAMES[name], prefix), "object-isolation")
        assert found.status is not Status.PROVED, prefix


CONTEXT = "kms:EncryptionContext:aws:dynamodb:"
OF_TABLE = {f"{CONTEXT}tableName": {"Ref": "Table"}, f"{CONTEXT}subscriberId": {"Ref": "AWS::AccountId"}}
DEPLOYED: dict[str, Any] = {
    "generated": NOTHING,
    "a parameter": {"Ref": "Name"},
    "the stack's": {"Ref": "AWS::StackName"},
    "one of two": {"Fn::If": NAMES["two names"]},
    "letters": {"Ref": "Word"},
}


def encrypted(name: Any, **asked: Any) -> Template:
    """Return the stack with a name for its table, and a key for it that sessions use under a condition."""
    use = allow("kms:Decrypt", {"Fn::GetAtt": ["Key", "Arn"]}, Condition=asked)
    key = {"Type": "AWS::KMS::Key", "Properties": {}}
    template = named(NAMES["one name"], "traces/{user_id}/{task_id}")
    template["Resources"] |= {"Key": key, "Use": policy("Session", use)}
    template["Resources"]["Table"]["Properties"]["TableName"] = name
    word = {"Type": "String", "AllowedPattern": "[a-z]+"}
    return {**template, "Parameters": {"Name": {"Type": "String"}, "Word": word}}


THROUGH = {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"}}


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_key_used_for_a_table_by_name_is_proved_whatever_the_name(name: str) -> None:
    """A foreign context is one the table does not have, however the table is called when it is deployed."""
    (found,) = judged(encrypted(DEPLOYED[name], StringEquals=THROUGH | OF_TABLE), "allowed-actions")
    assert found.status is Status.PROVED, found.detail


@pytest.mark.parametrize("name", DEPLOYED)
@pytest.mark.parametrize(
    "asked",
    [
        {"StringEquals": THROUGH},
        {"StringEquals": THROUGH, "StringEqualsIfExists": OF_TABLE},
        {"StringEquals": THROUGH, "StringLike": {**OF_TABLE, f"{CONTEXT}tableName": {"Fn::Sub": "${Table}*"}}},
        {"StringEquals": THROUGH, "StringNotEquals": OF_TABLE},
        {"StringEquals": THROUGH, "StringLike": {f"{CONTEXT}tableName": ["*", {"Ref": "Table"}]}},
        {"StringEquals": THROUGH | {f"{CONTEXT}subscriberId": OF_TABLE[f"{CONTEXT}subscriberId"]}},
        {"StringEquals": OF_TABLE},
    ],
    ids=["no context", "if there is one", "a beginning", "any but the table's", "any", "the account", "any service"],
)
def test_a_key_used_for_more_than_a_table_is_not_proved(name: str, asked: Any) -> None:
    """Where another context passes, or none, or another service, the name of the table is no bound."""
    (found,) = judged(encrypted(DEPLOYED[name], **asked), "allowed-actions")
    assert found.status is not Status.PROVED


STAR, PARTITION = Wildcard("*"), Token("AWS::Partition", "partition")
PATTERNS: list[tuple[Pattern, bool]] = [
    (("arn:", PARTITION, ":dynamodb:", STAR, ":1:table/t"), True),
    (("arn:aws:dynamodb:", STAR), False),
    (("arn:aws:dynamodb:::", STAR), True),
    (("arn:aws:s3:::b/", STAR), False),
    (("arn:", STAR, ":dynamodb:::t"), False),
    (("arn:aws:", STAR, ":::t"), False),
    (("arn:aws:dynamo", STAR, ":::t"), False),
    (("arn:", Token("S.Anything", "text"), ":dynamodb:::t"), False),
    ((STAR, ":aws:dynamodb:::t"), False),
]


@pytest.mark.parametrize(("pattern", "other"), PATTERNS)
def test_a_wildcard_or_an_open_value_before_the_service_may_reach_past_it(pattern: Pattern, other: bool) -> None:
    """`arn:*:dynamodb:…` matches an object whose key goes on like that."""
    assert of_another_service(pattern, "s3") is other


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data-table", "no export or output of this very name was read"),
        ({"Fn::Sub": "${Stack}-table"}, "an Fn::ImportValue of {App.Stack}-table"),
        ({"Fn::Nothing": "x"}, "whose name is computed: App: the intrinsic Fn::Nothing"),
    ],
)
def test_an_export_named_after_a_stack_that_nobody_names_is_said_to_be_missing(name: Any, said: str) -> None:
    """A file does not say what its stack is called, so that an import of one is UNKNOWN, with the reason."""
    app = by_hand(SessionPolicy=policy("Session", rows(tag("task_id"), resource={"Fn::ImportValue": name})))
    app["Parameters"] = {"Stack": {"Type": "String", "Default": "data"}}
    export = {"Name": {"Fn::Sub": "${AWS::StackName}-table"}}
    data = {"Resources": {}, "Outputs": {"Table": {"Value": "arn:aws:dynamodb:::table/t", "Export": export}}}
    details = {r.detail for r in verify_stacks({"App": app, "data": data}).results if said in r.detail}
    assert details
