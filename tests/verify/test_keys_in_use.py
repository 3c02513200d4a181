"""Which KMS keys open tenant data: their policies must let no stranger in."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import (
    SESSION,
    allow,
    by_hand,
    document,
    judged,
    objects,
    policy,
    rows,
    table,
    tag,
)
from tests.support.verify.mutations import Body

ANOTHER_ACCOUNT = allow("kms:*", "*", Principal={"AWS": "arn:aws:iam::444455556666:root"})
OWN_ACCOUNT = allow("kms:*", "*", Principal={"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}})
KEY = {"Fn::GetAtt": ["Key", "Arn"]}


def key(*statements: Body) -> Body:
    """Return a key whose policy has the ordinary statement and these."""
    return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document(OWN_ACCOUNT, *statements)}}


def encrypted(with_key: Any) -> Body:
    """Return a bucket with default encryption."""
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": with_key}}
    encryption = {"ServerSideEncryptionConfiguration": [default]}
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketEncryption": encryption}}


def granted(*resources: Any) -> Body:
    """Return the policy of a session role that may decrypt."""
    own = allow(["s3:GetObject", "s3:PutObject"], objects("traces/{user_id}/{task_id}"))
    return policy("Session", rows(tag("task_id")), own, allow("kms:Decrypt", [*resources]))


def table_with(**more: Any) -> Body:
    """Return a table with more properties."""
    return {**table(), "Properties": {**table()["Properties"], **more}}


IN_USE: dict[str, dict[str, Body]] = {
    "granted by its ARN": {"SessionPolicy": granted(KEY)},
    "granted in a literal Region": {
        "SessionPolicy": granted({"Fn::Sub": "arn:${AWS::Partition}:kms:eu-west-1:${AWS::AccountId}:key/${Key}"}),
    },
    "granted with every key of the account": {
        "SessionPolicy": granted({"Fn::Sub": "arn:${AWS::Partition}:kms:*:${AWS::AccountId}:key/*"}),
    },
    "granted by the beginning of an id": {"SessionPolicy": granted("arn:aws:kms:eu-west-1:111122223333:key/mrk-*")},
    "granted by an id": {
        "SessionPolicy": granted("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    },
    "granted by its own policy": {
        "Key": key(ANOTHER_ACCOUNT, allow("kms:Decrypt", "*", Principal={"AWS": SESSION})),
    },
    "named by the bucket": {"Bucket": encrypted({"Ref": "Key"})},
    "named by the bucket as an ARN": {"Bucket": encrypted(KEY)},
    "named by the bucket through an alias": {"Bucket": encrypted("alias/tenants")},
    "named by the bucket under a template condition": {
        "Bucket": encrypted({"Fn::If": ["C", KEY, {"Ref": "AWS::NoValue"}]}),
    },
    "named by the bucket as nobody understands": {"Bucket": encrypted({"Fn::Nothing": "x"})},
    "named by the table": {
        "Table": table_with(SSESpecification={"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}),
    },
    "named by a replica of the table": {
        "Table": {
            **table_with(Replicas=[{"Region": "eu-west-1", "SSESpecification": {"KMSMasterKeyId": KEY}}]),
            "Type": "AWS::DynamoDB::GlobalTable",
        },
    },
}  # fmt: skip
NOT_IN_USE: dict[str, dict[str, Body]] = {
    "nobody names it": {},
    "another key is granted": {"Other": key(), "SessionPolicy": granted({"Fn::GetAtt": ["Other", "Arn"]})},
    "its alias is granted, which opens no key": {
        "SessionPolicy": granted({"Fn::Sub": "arn:aws:kms:*:${AWS::AccountId}:alias/tenants"}),
    },
    "another key is named": {"Other": key(), "Bucket": encrypted({"Ref": "Other"})},
    "AWS's own key is named": {"Bucket": encrypted("alias/aws/s3")},
    "another role is granted": {"Elsewhere": policy("Compute", allow("kms:Decrypt", KEY))},
}


def status_of(resources: dict[str, Body], *statements: Body) -> Status:
    """Return what is said of strangers with a key beside whose policy has more statements."""
    (result,) = judged(by_hand(**{"Key": key(*statements), **resources}), "no-external-access")
    return result.status


@pytest.mark.parametrize("case", IN_USE)
def test_a_key_that_opens_tenant_data_must_let_no_other_account_in(case: str) -> None:
    """Whoever may decrypt with it holds one half of the door."""
    assert status_of(IN_USE[case], ANOTHER_ACCOUNT) is Status.UNKNOWN


@pytest.mark.parametrize("case", [case for case in IN_USE if "Key" not in IN_USE[case]])
def test_the_ordinary_policy_of_a_key_is_proved(case: str) -> None:
    """Its account's own policies decide, as they do by default."""
    assert status_of(IN_USE[case]) is Status.PROVED


@pytest.mark.parametrize("case", NOT_IN_USE)
def test_a_key_of_other_data_may_let_others_in(case: str) -> None:
    """What it opens belongs to no tenant."""
    assert status_of(NOT_IN_USE[case], ANOTHER_ACCOUNT) is Status.PROVED


@pytest.mark.parametrize(("named", "open_one"), [("Primary", "Replica"), ("Replica", "Primary")])
def test_a_key_and_its_replica_open_the_same(named: str, open_one: str) -> None:
    """Either may decrypt what the other encrypted, so both policies count."""
    primary = {"Fn::GetAtt": ["Primary", "Arn"]}
    bodies = {"Primary": key(), "Replica": key(), "Bucket": encrypted({"Ref": named})}
    bodies["Replica"] = {
        "Type": "AWS::KMS::ReplicaKey", "Properties": {**key()["Properties"], "PrimaryKeyArn": primary},
    }  # fmt: skip
    (result,) = judged(by_hand(**bodies), "no-external-access")
    assert result.status is Status.PROVED
    bodies[open_one]["Properties"]["KeyPolicy"] = document(OWN_ACCOUNT, ANOTHER_ACCOUNT)
    (result,) = judged(by_hand(**bodies), "no-external-access")
    assert result.status is Status.UNKNOWN
