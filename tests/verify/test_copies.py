"""Where tenant data is besides the store a session is granted: copies of it, and other doors to it."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import SESSION, allow, by_hand, document, judged, policy, table
from tests.support.verify.mutations import Body

ELSEWHERE = "arn:aws:s3:::elsewhere"


def bucket(**properties: Any) -> Body:
    """Return a bucket."""
    return {"Type": "AWS::S3::Bucket", "Properties": properties}


def replicated(destination: Any) -> Body:
    """Return a bucket whose objects are copied."""
    rule = {"Status": "Enabled", "Destination": {"Bucket": destination, "Account": "444455556666"}}
    return bucket(ReplicationConfiguration={"Role": SESSION, "Rules": [rule]})


COPIED: dict[str, dict[str, Body]] = {
    "objects": {"Bucket": replicated(ELSEWHERE)},
    "objects, to a bucket that is not understood": {"Bucket": replicated({"Fn::Nothing": "x"})},
    "objects, under a template condition": {"Bucket": replicated({"Fn::If": ["C", ELSEWHERE, ELSEWHERE]})},
    "rows, as they change": {
        "Table": {**table(), "Properties": {
            **table()["Properties"],
            "KinesisStreamSpecification": {"StreamArn": "arn:aws:kinesis:eu-west-1:444455556666:stream/s"},
        }},
    },
    "rows of a replica": {
        "Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": {
            **table()["Properties"],
            "Replicas": [{"Region": "eu-west-1", "KinesisStreamSpecification": {"StreamArn": "arn:aws:kinesis:x"}}],
        }},
    },
}  # fmt: skip


@pytest.mark.parametrize("case", COPIED)
def test_data_that_is_copied_elsewhere_is_unknown(case: str) -> None:
    """Who reads the copy is not looked at."""
    (result,) = judged(by_hand(**COPIED[case]), "no-external-access")
    assert result.status is Status.UNKNOWN
    assert "cop" in result.detail


@pytest.mark.parametrize("opened", [False, True])
def test_a_copy_in_the_templates_is_tenant_data(opened: bool) -> None:
    """Who reads the copy is looked at as if it were the original."""
    held = allow("s3:GetObject", {"Fn::Sub": "${Copies.Arn}/*"}) if opened else allow("logs:PutLogEvents", "*")
    template = by_hand(
        Bucket=replicated({"Fn::GetAtt": ["Copies", "Arn"]}), Copies=bucket(), Held=policy("Compute", held)
    )
    statuses = {result.rule: result.status for result in judged(template, "no-external-access", "compute-isolation")}
    assert statuses == {
        "no-external-access": Status.PROVED,
        "compute-isolation": Status.VIOLATED if opened else Status.PROVED,
    }


def test_a_copy_that_is_trusted_passes() -> None:
    """The adopter says that the place is as well kept."""
    (result,) = judged(by_hand(Bucket=replicated(ELSEWHERE)), "no-external-access", trusted=(ELSEWHERE,))
    assert result.status is Status.PROVED


def test_a_policy_of_a_replica_key_lets_nobody_in() -> None:
    """A replica of a key opens the same data; its policy is its own."""
    anybody = allow("kms:*", "*", Principal="*")
    keyed = {"BucketEncryption": {"ServerSideEncryptionConfiguration": [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "Key"}}},
    ]}}  # fmt: skip
    template = by_hand(
        Bucket=bucket(**keyed),
        Key={"Type": "AWS::KMS::ReplicaKey", "Properties": {"KeyPolicy": document(anybody), "PrimaryKeyArn": "arn"}},
        Decrypt={"Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "d", "Roles": [{"Ref": "Session"}],
            "PolicyDocument": document(allow("kms:Decrypt", {"Fn::GetAtt": ["Key", "Arn"]})),
        }},
    )  # fmt: skip
    (result,) = judged(template, "no-external-access")
    assert result.status is Status.VIOLATED


def test_a_bucket_behind_a_multi_region_access_point_is_unknown() -> None:
    """Its policy may let others in, as an access point's may."""
    regions = [{"Bucket": {"Ref": "Bucket"}}]
    point = {"Type": "AWS::S3::MultiRegionAccessPoint", "Properties": {"Regions": regions}}
    statuses = {result.status for result in judged(by_hand(Point=point), "no-external-access", "object-isolation")}
    assert statuses == {Status.UNKNOWN}
