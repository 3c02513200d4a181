"""Policies of buckets whose names are only known at deploy time: what they touch, and what they do not."""

from typing import Any

import pytest

from session_scoping.verify import Result, Status, verify
from tests.support.verify.hand_written import allow as allowing
from tests.support.verify.hand_written import by_hand, document, policy, role, rows, tag
from tests.support.verify.mutations import Body, Template

STRANGER = {"AWS": "arn:aws:iam::444455556666:root"}
NAMES: dict[str, Any] = {
    "a parameter": {"Ref": "Which"},
    "an import": {"Fn::ImportValue": "shared-bucket"},
    "what is not understood": {"Fn::Nothing": "x"},
}
NAMED = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "tenant-data"}}
ON_ROWS = policy("Session", rows(tag("task_id")))


def bucket_policy(name: Any, effect: str = "Allow", principal: Any = "*") -> Body:
    """Return the policy of a bucket, for everybody if nothing else is said."""
    statement = {**allowing("s3:GetObject", "*", Principal=principal), "Effect": effect}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": name, "PolicyDocument": document(statement)}}


def results(**more: Body) -> list[Result]:
    """Return everything that is said of the stack with more in it."""
    template: Template = by_hand(**more)
    template["Parameters"] = {"Which": {"Type": "String"}}
    return list(verify(template).results)


def status(found: list[Result], rule: str) -> set[Status]:
    """Return what is said under a rule."""
    return {result.status for result in found if result.rule == rule}


@pytest.mark.parametrize("case", NAMES)
def test_a_policy_that_may_be_the_tenant_buckets_is_unknown(case: str) -> None:
    """What it grants may count, so that it is neither proved nor a violation; rows are not touched."""
    found = results(Bucket=NAMED, Policy=bucket_policy(NAMES[case]))
    assert status(found, "no-external-access") == {Status.UNKNOWN}
    assert Status.VIOLATED not in {result.status for result in found}
    assert status(found, "partition-isolation") == {Status.PROVED}
    assert status(found, "session-tags") == {Status.PROVED}


@pytest.mark.parametrize("case", NAMES)
def test_a_policy_of_an_unnamed_bucket_says_nothing_where_none_holds_tenant_data(case: str) -> None:
    """Sessions that are given rows alone are not touched by it, and no bucket is there to ask about."""
    template = by_hand(SessionPolicy=ON_ROWS, Policy=bucket_policy(NAMES[case], principal=STRANGER))
    del template["Resources"]["Bucket"]
    template["Parameters"] = {"Which": {"Type": "String"}}
    found = list(verify(template).results)
    assert {result.status for result in found} == {Status.PROVED}, found


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("granted", ["arn:aws:s3:::imported", {"Fn::Sub": "arn:aws:s3:::${Which}"}])
def test_a_policy_of_an_unnamed_bucket_that_sessions_are_granted_is_unknown(case: str, granted: Any) -> None:
    """A bucket of no template may be the one the policy is for, by name or by parameter."""
    prefix = {"Fn::Join": ["", [granted, "/", tag("task_id"), "/", tag("user_id"), "/*"]]}
    given = policy("Session", rows(tag("task_id")), allowing("s3:GetObject", prefix))
    template = by_hand(SessionPolicy=given, Policy=bucket_policy(NAMES[case]))
    del template["Resources"]["Bucket"]
    template["Parameters"] = {"Which": {"Type": "String"}}
    found = list(verify(template).results)
    assert status(found, "no-external-access") == {Status.UNKNOWN}


def test_a_deny_on_an_unnamed_bucket_says_nothing() -> None:
    """It only takes away, whichever bucket it is for."""
    found = results(Bucket=NAMED, Policy=bucket_policy(NAMES["a parameter"], "Deny"))
    assert {result.status for result in found} == {Status.PROVED}


def test_the_policy_of_the_bucket_itself_is_a_violation() -> None:
    """A reference to the bucket is certain."""
    found = results(Bucket=NAMED, Policy=bucket_policy({"Ref": "Bucket"}))
    assert status(found, "no-external-access") == {Status.VIOLATED}


@pytest.mark.parametrize("case", NAMES)
def test_a_grant_of_an_unnamed_bucket_to_the_sessions_is_unknown(case: str) -> None:
    """Sessions it lets in by name share whatever bucket that is, though no policy of their own speaks of one."""
    statement = allowing("s3:GetObject", "*", Principal={"AWS": {"Fn::GetAtt": ["Session", "Arn"]}})
    shared = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": NAMES[case], "PolicyDocument": document(statement)},
    }
    found = results(SessionPolicy=ON_ROWS, Policy=shared, Other=role())
    assert Status.UNKNOWN in status(found, "object-isolation")
    assert status(found, "object-isolation") <= {Status.UNKNOWN}


def by_condition(*names: Any) -> Body:
    """Return a bucket with one of several names."""
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::If": ["Production", *names]}}}


SEVERAL: dict[str, Body] = {
    "two names": by_condition("p-data", "d-data"),
    "a name or none": by_condition("p-data", {"Ref": "AWS::NoValue"}),
    "a name of its own": NAMED,
    "a name made up": {"Type": "AWS::S3::Bucket", "Properties": {}},
}
LOGS = by_condition("p-logs", {"Ref": "AWS::NoValue"})


@pytest.mark.parametrize("tenant", SEVERAL)
def test_a_policy_that_refers_to_another_bucket_is_not_the_tenants(tenant: str) -> None:
    """Whichever names the two buckets have when they are deployed, no two have one."""
    policy_of_logs = bucket_policy({"Ref": "Logs"}, principal={"Service": "logging.s3.amazonaws.com"})
    found = results(Bucket=SEVERAL[tenant], Logs=LOGS, Policy=policy_of_logs)
    assert {result.status for result in found} == {Status.PROVED}, found


@pytest.mark.parametrize("tenant", ["two names", "a name or none", "a name made up"])
def test_a_grant_on_another_bucket_by_its_arn_is_not_on_the_tenants(tenant: str) -> None:
    """What a compute role reads of the logs is no tenant data; what it reads of the tenants' bucket is."""
    for bucket, expected in (("Logs", {Status.PROVED}), ("Bucket", {Status.VIOLATED})):
        reading = allowing("s3:GetObject", {"Fn::Sub": f"${{{bucket}.Arn}}/*"})
        found = results(Bucket=SEVERAL[tenant], Logs=LOGS, Reading=policy("Compute", reading))
        assert status(found, "compute-isolation") == expected, (bucket, found)


@pytest.mark.parametrize("tenant", ["two names", "a name or none"])
@pytest.mark.parametrize("name", [{"Ref": "Bucket"}, "p-data", {"Ref": "Which"}])
def test_a_policy_that_may_be_for_the_tenants_by_one_of_its_names_is_not_proved(tenant: str, name: Any) -> None:
    """A literal name, or one that is only known at deploy time, may be the one it has."""
    found = results(Bucket=SEVERAL[tenant], Logs=LOGS, Policy=bucket_policy(name))
    assert Status.PROVED not in status(found, "no-external-access"), found
