"""Customer-managed keys of tables and buckets: opened through their service, for the session's own data."""

from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from session_scoping import (
    Minting,
    SessionRole,
    TenantObjects,
    TenantTable,
)
from tests.support import stacks
from tests.support.stacks import ACCOUNT, OTHER_ACCOUNT


@cache
def _keyed(partition: str | None = None) -> dict[str, stacks.Template]:
    app = stacks.new_app()
    stack = cdk.Stack(app, "Keyed", env=stacks.environment(partition) if partition else None)
    key = kms.Key(stack, "Key")
    imported_key = kms.Key.from_key_arn(
        stack, "ImportedKey", f"arn:{stack.partition}:kms:{stack.region}:{stack.account}:key/k"
    )

    def bucket(id: str, *, bucket_key: bool) -> s3.Bucket:
        encryption = s3.BucketEncryption.KMS
        return s3.Bucket(stack, id, encryption=encryption, encryption_key=key, bucket_key_enabled=bucket_key)

    known = s3.Bucket.from_bucket_attributes(stack, "Unknown", bucket_name="acme-unknown", encryption_key=imported_key)
    buckets = {"On": bucket("On", bucket_key=True), "Off": bucket("Off", bucket_key=False), "Unknown": known}
    for name, one in buckets.items():
        SessionRole(
            stack,
            f"{name}Session",
            minting=Minting.by_orchestrator(stacks.role(stack, f"{name}Broker")),
            tables=[TenantTable(stacks.table(stack, f"{name}Table", encryption_key=key), access="get")],
            objects=[TenantObjects.payload(one), TenantObjects.artifacts(one)],
        )
    return stacks.synth(app)


def _key_statements(session: str, partition: str | None = None) -> dict[str, Any]:
    statements = stacks.attached(_keyed(partition), f"{session}Session")
    found = stacks.by_sid(stacks.deployed(one, partition or "aws") for one in statements)
    return {sid: one for sid, one in found.items() if "kms:Decrypt" in one.get("Action", [])}


TAGS_PRESENT = {"aws:PrincipalTag/task_id": "?*"}


def _bucket(session: str) -> str:
    if session == "Unknown":
        return "arn:aws:s3:::acme-unknown"
    (found,) = (id_ for id_ in stacks.resources(_keyed()["Keyed"], "AWS::S3::Bucket") if id_.startswith(session))
    return f"<{found}.Arn>"


@pytest.mark.parametrize(("session", "names_the_bucket"), [("On", True), ("Off", False), ("Unknown", True)])
def test_object_keys_open_through_s3_for_the_sessions_own_objects(session: str, names_the_bucket: bool) -> None:
    """The context is the object; the bucket is allowed only where a Bucket Key is on or nobody knows."""
    statements, bucket = _key_statements(session), _bucket(session)
    for sid, actions, own in (
        ("DecryptObjects", ["kms:Decrypt"], "${aws:PrincipalTag/task_id}/payload.json"),
        ("EncryptObjects", ["kms:Decrypt", "kms:GenerateDataKey"], "artifacts/${aws:PrincipalTag/task_id}/*"),
    ):
        contexts = sorted([f"{bucket}/{own}", *([bucket] if names_the_bucket else [])])
        assert statements[sid]["Action"] == actions
        assert statements[sid]["Condition"] == {
            "StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com.cn"]},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": contexts, **TAGS_PRESENT},
        }
        assert "*" not in statements[sid]["Resource"]


def test_a_tables_key_opens_through_dynamodb_for_that_table() -> None:
    """Decrypt alone, only as DynamoDB asks for it, only for this table of this account."""
    (name,) = (id_ for id_ in stacks.resources(_keyed()["Keyed"], "AWS::DynamoDB::Table") if id_.startswith("On"))
    (key,) = stacks.resources(_keyed()["Keyed"], "AWS::KMS::Key")
    assert _key_statements("On")["DecryptTables"] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [f"<{key}.Arn>"],
        "Condition": {
            "StringEquals": {
                "kms:ViaService": ["dynamodb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com.cn"],
                "kms:EncryptionContext:aws:dynamodb:tableName": [f"<{name}>"],
                "kms:EncryptionContext:aws:dynamodb:subscriberId": ACCOUNT,
            },
            "StringLike": TAGS_PRESENT,
        },
    }


@pytest.mark.parametrize(
    ("partition", "hosts"),
    [
        ("aws", ["s3.eu-west-1.amazonaws.com"]),
        ("aws-cn", ["s3.cn-north-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"]),
        ("aws-us-gov", ["s3.us-gov-west-1.amazonaws.com"]),
    ],
)
def test_via_service_has_the_suffixes_of_its_partition(partition: str, hosts: list[str]) -> None:
    """A stack with a concrete Region asks for that partition's endpoint names only."""
    condition = _key_statements("On", partition)["EncryptObjects"]["Condition"]
    assert condition["StringEquals"]["kms:ViaService"] == hosts


def test_a_key_of_an_imported_table_opens_in_that_tables_region_and_account() -> None:
    """KMS sees DynamoDB's endpoint and account where the table is, not where the session role is."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    key = kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:us-east-2:{OTHER_ACCOUNT}:key/k")
    arn = f"arn:aws:dynamodb:us-east-2:{OTHER_ACCOUNT}:table/acme"
    source = dynamodb.Table.from_table_arn(stack, "Table", arn)
    bucket = s3.Bucket.from_bucket_attributes(stack, "Bucket", bucket_name="acme", encryption_key=key)
    SessionRole(
        stack,
        "SessionRole",
        minting=Minting.by_orchestrator(stacks.role(stack, "Broker")),
        tables=[TenantTable(source, access="get", encryption_key=key)],
        objects=[TenantObjects.payload(bucket)],
    )
    found = stacks.by_sid([stacks.deployed(one) for one in stacks.attached(stacks.synth(app), "SessionRole")])
    assert found["DecryptTables"]["Condition"]["StringEquals"] == {
        "kms:ViaService": ["dynamodb.us-east-2.amazonaws.com"],
        "kms:EncryptionContext:aws:dynamodb:tableName": ["acme"],
        "kms:EncryptionContext:aws:dynamodb:subscriberId": OTHER_ACCOUNT,
    }
    assert found["DecryptObjects"]["Condition"]["StringEquals"] == {"kms:ViaService": ["s3.us-east-2.amazonaws.com"]}
