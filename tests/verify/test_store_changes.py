"""What changes who may use a table, bucket or key besides its own policy: custom resources and access grants."""

import json
from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import by_hand, judged
from tests.support.verify.mutations import Body, Template

OTHER = {"Type": "AWS::S3::Bucket", "Properties": {}}


def custom(service: str, action: str, **parameters: Any) -> Body:
    """Return a custom resource that makes one call, with what it is given beside it."""
    call = json.dumps({"service": service, "action": action})
    return {"Type": "Custom::AWS", "Properties": {"ServiceToken": "f", "Create": call, **parameters}}


def joined(service: str, action: str, key: str, target: Any) -> Body:
    """Return the same as the CDK writes it, as JSON text with a reference within."""
    parts = [f'{{"service":"{service}","action":"{action}","parameters":{{"{key}":"', target, '"}}']
    return {"Type": "Custom::AWS", "Properties": {"ServiceToken": "f", "Update": {"Fn::Join": ["", parts]}}}


def grant(location: Any) -> Body:
    """Return an access grant to another account at a location."""
    grantee = {"GranteeType": "IAM", "GranteeIdentifier": "arn:aws:iam::444455556666:role/r"}
    return {
        "Type": "AWS::S3::AccessGrant",
        "Properties": {"Permission": "READ", "Grantee": grantee, "AccessGrantsLocationId": location},
    }


def location(scope: Any) -> Body:
    """Return a location of access grants."""
    return {"Type": "AWS::S3::AccessGrantsLocation", "Properties": {"LocationScope": scope, "IamRoleArn": "arn"}}


def of_strangers(template: Template) -> Status:
    """Return what is said of strangers."""
    (result,) = judged(template, "no-external-access")
    return result.status


CALLS = {
    "a bucket's policy": joined("S3", "putBucketPolicy", "Bucket", {"Ref": "Bucket"}),
    "a bucket's list": joined("@aws-sdk/client-s3", "PutBucketAclCommand", "Bucket", {"Ref": "Bucket"}),
    "a public access block": joined("S3", "deletePublicAccessBlock", "Bucket", {"Ref": "Bucket"}),
    "an access point of no known bucket": custom("S3Control", "createAccessPoint", Name="p"),
    "a bucket of a parameter": joined("S3", "putBucketPolicy", "Bucket", {"Ref": "Which"}),
    "a table": joined("DynamoDB", "putResourcePolicy", "ResourceArn", {"Fn::GetAtt": ["Table", "Arn"]}),
    "a table by Fn::Sub": custom("DynamoDB", "deleteResourcePolicy", Arn={"Fn::Sub": "${Table.Arn}"}),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_custom_resource_that_changes_a_stores_policy_is_unknown(case: str) -> None:
    """What it lets in is not in the template."""
    template = by_hand(Custom=CALLS[case], Spare=OTHER)
    template["Parameters"] = {"Which": {"Type": "String"}}
    assert of_strangers(template) is Status.UNKNOWN


def test_a_custom_resource_that_names_a_bucket_in_letters_is_unknown() -> None:
    """A name the template gives is told without a reference."""
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "tenant-data"}}
    call = joined("S3", "putBucketPolicy", "Bucket", "tenant-data")
    assert of_strangers(by_hand(Bucket=bucket, Spare=OTHER, Custom=call)) is Status.UNKNOWN


def test_a_custom_resource_that_changes_a_key_is_unknown() -> None:
    """A grant on the key that sessions decrypt with opens what it closes."""
    key = {"Type": "AWS::KMS::Key", "Properties": {}}
    keyed = {"BucketEncryption": {"ServerSideEncryptionConfiguration": [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "Key"}}},
    ]}}  # fmt: skip
    bucket = {"Type": "AWS::S3::Bucket", "Properties": keyed}
    call = joined("KMS", "createGrant", "KeyId", {"Ref": "Key"})
    assert of_strangers(by_hand(Key=key, Bucket=bucket)) is Status.PROVED
    assert of_strangers(by_hand(Key=key, Bucket=bucket, Custom=call)) is Status.UNKNOWN


HARMLESS = {
    "notifications of the bucket": joined("S3", "putBucketNotification", "Bucket", {"Ref": "Bucket"}),
    "the policy of another bucket": joined("S3", "putBucketPolicy", "Bucket", {"Ref": "Spare"}),
    "a log group's policy": joined("CloudWatchLogs", "putResourcePolicy", "Name", {"Ref": "Table"}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_custom_resource_that_lets_nobody_in_says_nothing(case: str) -> None:
    """Another call, another bucket or another service changes nothing about tenant data."""
    assert of_strangers(by_hand(Custom=HARMLESS[case], Spare=OTHER)) is Status.PROVED


SCOPES: dict[str, Any] = {
    "the bucket": {"Fn::Sub": "s3://${Bucket}/traces*"},
    "all of S3": "s3://",
    "what is not understood": {"Fn::Nothing": "x"},
    "a parameter": {"Ref": "Which"},
}


@pytest.mark.parametrize("case", SCOPES)
def test_an_access_grant_makes_the_buckets_of_its_location_unknown(case: str) -> None:
    """It gives objects to its grantee whatever the bucket's own policy says."""
    template = by_hand(Grant=grant({"Ref": "Location"}), Location=location(SCOPES[case]))
    template["Parameters"] = {"Which": {"Type": "String"}}
    assert of_strangers(template) is Status.UNKNOWN


def test_an_access_grant_by_attribute_and_at_an_unknown_location_is_unknown() -> None:
    """`Fn::GetAtt` leads to the location as `Ref` does; an id in letters leads nowhere."""
    by_attribute = grant({"Fn::GetAtt": ["Location", "AccessGrantsLocationId"]})
    here, there = location({"Fn::Sub": "s3://${Bucket}"}), location({"Fn::Sub": "s3://${Spare}"})
    assert of_strangers(by_hand(Grant=by_attribute, Location=here)) is Status.UNKNOWN
    assert of_strangers(by_hand(Grant=by_attribute, Location=there, Spare=OTHER)) is Status.PROVED
    assert of_strangers(by_hand(Grant=grant("default"))) is Status.UNKNOWN


def test_an_access_grant_for_another_bucket_says_nothing() -> None:
    """Neither does a location without a grant."""
    there = location({"Fn::Sub": "s3://${Spare}/x*"})
    assert of_strangers(by_hand(Grant=grant({"Ref": "There"}), There=there, Spare=OTHER)) is Status.PROVED
    assert of_strangers(by_hand(Here=location({"Fn::Sub": "s3://${Bucket}/*"}))) is Status.PROVED
