"""Properties of tables, buckets and policies that template conditions decide over."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import COMPUTE, TABLE, allow, by_hand, document, judged, policy, rows, table, tag
from tests.support.verify.mutations import Body, Template

NOTHING = {"Ref": "AWS::NoValue"}
EVERYBODY = {"PolicyDocument": document(allow("dynamodb:*", "*", Principal="*"))}
OURSELVES = {"PolicyDocument": document(allow("dynamodb:*", "*", Principal={"AWS": {"Ref": "AWS::AccountId"}}))}


def under_condition(value: Any) -> Body:
    """Return a value that is there under a template condition."""
    return {"Fn::If": ["C", value, NOTHING]}


def stream(body: Any) -> Body:
    """Return a stream with a policy."""
    return {"StreamViewType": "NEW_IMAGE", "ResourcePolicy": body}


def table_with(kind: str = "Table", **more: Any) -> Template:
    """Return the stack with more properties on its table."""
    properties = {**table()["Properties"], **more}
    return by_hand(Table={"Type": f"AWS::DynamoDB::{kind}", "Properties": properties})


def places(body: Any) -> dict[str, Template]:
    """Return where a table's policy may stand, under a template condition."""
    replicas = {
        "a replica": under_condition({"Region": "eu-west-1", "ResourcePolicy": body}),
        "a replica's policy": {"Region": "eu-west-1", "ResourcePolicy": under_condition(body)},
        "a replica's stream": {"Region": "eu-west-1", "ReplicaStreamSpecification": under_condition(stream(body))},
    }
    return {
        "its own policy": table_with(ResourcePolicy=under_condition(body)),
        "its stream": table_with(StreamSpecification=under_condition(stream(body))),
        "its stream's policy": table_with(StreamSpecification=stream(under_condition(body))),
        "its replicas": table_with("GlobalTable", Replicas=under_condition([{"ResourcePolicy": body}])),
        **{name: table_with("GlobalTable", Replicas=[replica]) for name, replica in replicas.items()},
    }


@pytest.mark.parametrize("case", places(EVERYBODY))
def test_a_policy_of_a_table_under_a_template_condition_is_read(case: str) -> None:
    """Where the condition holds, everybody reads the table; a policy for the account itself lets nobody else in."""
    (result,) = judged(places(EVERYBODY)[case], "no-external-access")
    assert result.status is Status.VIOLATED, result.detail
    (result,) = judged(places(OURSELVES)[case], "no-external-access")
    assert result.status is Status.PROVED, result.detail


@pytest.mark.parametrize("name", ["ResourcePolicy", "StreamSpecification", "Replicas"])
def test_a_property_that_is_no_object_is_unknown(name: str) -> None:
    """What a reference leads to may carry a policy."""
    (result,) = judged(table_with("GlobalTable", **{name: {"Fn::GetAtt": ["Custom", "Value"]}}), "no-external-access")
    assert result.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("acl", "status"),
    [("BucketOwnerRead", Status.PROVED), (NOTHING, Status.PROVED), ("PublicRead", Status.UNKNOWN)],
)
def test_an_access_control_list_under_a_template_condition_is_read(acl: Any, status: Status) -> None:
    """Each of its values counts."""
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": {"Fn::If": ["C", "Private", acl]}}}
    (result,) = judged(by_hand(Bucket=bucket), "no-external-access")
    assert result.status is status


def keyed(schema: Any) -> Template:
    """Return a table by this schema whose rows are granted by user."""
    grant = policy("Session", rows(tag("user_id")))
    return by_hand(
        Table={"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": schema}}, SessionPolicy=grant
    )  # fmt: skip


def by(name: Any) -> list[Body]:
    """Return a key schema."""
    return [{"AttributeName": name, "KeyType": "HASH"}]


@pytest.mark.parametrize(
    "schema",
    [
        by("task_id"),
        by({"Fn::Sub": "task_id"}),
        {"Fn::If": ["C", by("task_id"), by("task_id")]},
        by({"Fn::If": ["C", "task_id", "task_id"]}),
        [under_condition(by("task_id")[0]), *by("task_id")],
    ],
)
def test_the_partition_key_is_read_however_it_is_written(schema: Any) -> None:
    """A table by task whose rows are granted by user is open to the user's other tasks."""
    (result,) = judged(keyed(schema), "partition-isolation")
    assert result.status is Status.VIOLATED, result.detail


@pytest.mark.parametrize(
    "schema",
    [by({"Ref": "Name"}), {"Fn::If": ["C", by("task_id"), by("user_id")]}, {"Ref": "Name"}, [{"Ref": "Name"}]],
)
def test_a_partition_key_that_is_not_known_is_unknown(schema: Any) -> None:
    """Whose rows the table holds cannot be told."""
    template = keyed(schema)
    template["Parameters"] = {"Name": {"Type": "String"}}
    (result,) = judged(template, "partition-isolation")
    assert result.status is Status.UNKNOWN, result.detail


@pytest.mark.parametrize("schema", [by({"Fn::Sub": "user_id"}), by({"Fn::If": ["C", "user_id", "user_id"]})])
def test_a_table_by_user_whose_rows_are_granted_by_user_is_proved(schema: Any) -> None:
    """Its name says that users are what it tells apart."""
    (result,) = judged(keyed(schema), "partition-isolation")
    assert result.status is Status.PROVED, result.detail


@pytest.mark.parametrize("open_one", ["First", "Second", None])
def test_of_two_managed_policies_of_one_name_both_count(open_one: str | None) -> None:
    """Conditions that exclude each other let both stand in one template; an ARN attaches whichever exists."""
    bodies: dict[str, Body] = {}
    for name, condition in (("First", "C"), ("Second", "NotC")):
        statement = allow("dynamodb:GetItem", TABLE) if name == open_one else allow("dynamodb:ListTables", "*")
        properties = {"ManagedPolicyName": "shared", "PolicyDocument": document(statement)}
        bodies[name] = {"Type": "AWS::IAM::ManagedPolicy", "Condition": condition, "Properties": properties}
    template = by_hand(**bodies)
    template["Conditions"] = {"C": {"Fn::Equals": [1, 1]}, "NotC": {"Fn::Not": [{"Condition": "C"}]}}
    arn = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/shared"}
    template["Resources"]["Session"]["Properties"]["ManagedPolicyArns"] = [arn]
    (result,) = judged(template, "partition-isolation")
    assert result.status is (Status.VIOLATED if open_one else Status.PROVED), result.detail


@pytest.mark.parametrize(("replicas", "held"), [(1, True), (2, False)])
def test_what_one_replica_denies_another_does_not(replicas: int, held: bool) -> None:
    """A policy stands on one replica, and the same rows are in the others."""
    deny = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Principal": {"AWS": COMPUTE}}
    guarded = {"Region": "us-east-1", "ResourcePolicy": {"PolicyDocument": document(deny)}}
    template = table_with("GlobalTable", Replicas=[guarded, {"Region": "eu-west-1"}][:replicas])
    template["Resources"]["Opened"] = policy("Compute", allow("dynamodb:Scan", TABLE))
    statuses = {result.status for result in judged(template, "compute-isolation", masked_grants=True)}
    assert (statuses == {Status.PROVED}) is held
