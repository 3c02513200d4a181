"""Partitions, colons, imports, accounts, paths and providers as templates of ordinary apps spell them."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from session_scoping.commands.main import main
from session_scoping.verify import Report, Status, verify
from session_scoping.verify.patterns.text import PARTITIONS
from tests.support.verify.corpus import assembly
from tests.support.verify.hand_written import COMPUTE, TABLE, allow, by_hand, document, judged, policy, role
from tests.support.verify.mutations import Template


def test_every_partition_is_known() -> None:
    """An ARN of a partition that is not known would be nothing's."""
    known = {partition["partition"] for partition in _endpoints()["partitions"]}
    assert known <= set(PARTITIONS)


def _endpoints() -> Any:
    return botocore.session.get_session().get_data("endpoints")


ON_TABLE = "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
REACHING: dict[str, Any] = {
    "another partition": ON_TABLE.replace("aws", "aws-eusc", 1),
    "an isolated partition": ON_TABLE.replace("aws", "aws-iso-b", 1),
    "a Region that reaches past the account": "arn:aws:dynamodb:*:table/${Table}",
    "a partition that reaches to the name": "arn:*:table/${Table}",
}


@pytest.mark.parametrize("case", REACHING)
@pytest.mark.parametrize("who", ["Compute", "Session"])
def test_a_table_is_reached_by_far_spellings_too(case: str, who: str) -> None:
    """Who deploys there, or reads the wildcard as IAM does, opens the table."""
    template = by_hand(Opened=policy(who, allow("dynamodb:Scan", {"Fn::Sub": REACHING[case]})))
    assert not verify(template).proved


def imported(mine: Any, theirs: Any) -> Template:
    """Return a stack whose session has a table by one spelling, and whose compute role one by another."""
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    return by_hand(
        SessionPolicy=policy("Session", allow("dynamodb:GetItem", mine, Condition=condition)),
        Opened=policy("Compute", allow("dynamodb:Scan", theirs)),
    )


IMPORT = {"Fn::ImportValue": "Data:ExportsOutputFnGetAttTableCD117FA1Arn82E3B6A9"}
OTHER = {"Fn::ImportValue": "Data:ExportsOutputFnGetAttConfigABCDEF01Arn12345678"}
LITERAL = "arn:aws:dynamodb:us-east-1:111122223333:table/tenants"
ELSEWHERE = "arn:aws:sqs:us-east-1:111122223333:tenants"


@pytest.mark.parametrize(("mine", "theirs"), [(IMPORT, LITERAL), (LITERAL, IMPORT), (IMPORT, IMPORT)])
def test_an_import_may_be_what_is_spelled_out(mine: Any, theirs: Any) -> None:
    """Nothing in one template says whether both are the same table."""
    assert {result.status for result in judged(imported(mine, theirs), "compute-isolation")} != {Status.PROVED}


STREAM = {"Fn::ImportValue": "Data:ExportsOutputFnGetAttTableCD117FA1StreamArn0A1B2C3D"}
BY_NAME = {"Fn::Sub": ["arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Name}", {
    "Name": {"Fn::ImportValue": "Data:ExportsOutputRefTableCD117FA1AABBCCDD"}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(IMPORT, STREAM), (IMPORT, BY_NAME), (LITERAL, {"Fn::Join": ["", [IMPORT, "/index/x"]]})],
    ids=["its stream", "its name", "its index"],
)
def test_another_attribute_of_the_resource_is_the_resource(mine: Any, theirs: Any) -> None:
    """The name of an export says which resource it is of."""
    opened = imported(mine, theirs)
    opened["Resources"]["Opened"] = policy("Compute", allow("dynamodb:*", theirs))
    assert {result.status for result in judged(opened, "compute-isolation")} != {Status.PROVED}


@pytest.mark.parametrize("theirs", [OTHER, TABLE, ELSEWHERE])
def test_an_import_is_not_another_import_nor_a_table_of_this_stack(theirs: Any) -> None:
    """CDK exports each attribute once, and a stack imports nothing of its own."""
    assert {result.status for result in judged(imported(IMPORT, theirs), "compute-isolation")} == {Status.PROVED}


def test_a_role_of_that_name_in_another_account_is_another_one(tmp_path: Path) -> None:
    """Its account says whose it is; what it may do is not in these templates."""
    assert in_account(tmp_path, "111122223333").proved
    report = in_account(tmp_path, "999999999999")
    assert {result.rule for result in report.failures()} == {"compute-isolation"}


def in_account(directory: Path, account: str) -> Report:
    """Return the report on a stack of 111122223333 whose session role trusts a role by name in an account."""
    template = by_hand()
    template["Resources"]["Compute"]["Properties"]["RoleName"] = "compute"
    (statement,) = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"AWS": [COMPUTE, f"arn:aws:iam::{account}:role/compute"]}
    return verify(assembly(directory, ("S", "aws://111122223333/eu-west-1", template)))


@pytest.mark.parametrize("roles", [["Compute"], ["Compute", "Session"]])
def test_a_path_from_a_parameter_is_a_path(roles: list[str]) -> None:
    """A role's ARN holds it, and is compared as a whole."""
    template = by_hand()
    for logical_id in roles:
        template["Resources"][logical_id]["Properties"]["Path"] = {"Ref": "RolePath"}
    template["Parameters"] = {"RolePath": {"Type": "String"}}
    report = verify(template)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def test_a_policy_that_may_attach_to_a_role_is_unknown() -> None:
    """It is no access that is shown: the name is somebody else's as likely."""
    properties = {
        "PolicyName": "p",
        "Roles": [{"Ref": "RoleName"}],
        "PolicyDocument": document(allow("dynamodb:Scan", TABLE)),
    }
    template = by_hand(Attached={"Type": "AWS::IAM::Policy", "Properties": properties})
    template["Parameters"] = {"RoleName": {"Type": "String"}}
    assert {result.status for result in verify(template).failures()} == {Status.UNKNOWN}


def web(kind: str) -> Template:
    """Return a stack whose sessions are made with tokens of a provider of some resource type."""
    claims = {
        "StringEquals": {"idp.example.com:aud": "agents", "idp.example.com:sub": "issuer"},
        "StringLike": {f"aws:RequestTag/{key}": "?*" for key in ("task_id", "user_id")},
        "StringNotLike": {f"aws:RequestTag/{key}": ["*/*", "*..*", "."] for key in ("task_id", "user_id")},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["task_id", "user_id"]},
        "Null": {"sts:TransitiveTagKeys": "true"},
    }
    trusted = allow(
        ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"], Principal={"Federated": {"Ref": "Idp"}}, Condition=claims
    )
    provider = {"Type": kind, "Properties": {"Url": "https://idp.example.com", "ClientIDList": ["agents"]}}
    return by_hand(
        Idp=provider, Session=role(trusted), ComputePolicy=policy("Compute", allow("logs:PutLogEvents", "*"))
    )


@pytest.mark.parametrize(
    ("kind", "known"),
    [("AWS::IAM::OIDCProvider", True), ("Custom::AWSCDKOpenIdConnectProvider", True), ("Custom::Other", False)],
)
def test_the_cdk_s_own_provider_is_a_provider(kind: str, known: bool) -> None:
    """`iam.OpenIdConnectProvider` is a custom resource with the property and the Ref of the real one."""
    statuses = {result.status for result in judged(web(kind), "session-tags")}
    assert (statuses == {Status.PROVED}) is known


KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
OWN_CONTEXT = "arn:aws:s3:::b/traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/*"


def decrypting(service: str, context: str, key: str = "aws:s3:arn") -> Status:
    """Return what is said of a session that decrypts through a service, under a context."""
    condition = {
        "StringEquals": {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"},
        "StringLike": {f"kms:EncryptionContext:{key}": context},
    }
    template = by_hand(Key=policy("Session", allow("kms:Decrypt", KEY, Condition=condition)))
    (result,) = judged(template, "allowed-actions")
    return result.status


def test_a_key_is_used_through_its_services_for_its_data() -> None:
    """Another service, or a context that is any, is a use of the key for anything."""
    assert decrypting("s3", OWN_CONTEXT) is Status.PROVED
    assert decrypting("secretsmanager", OWN_CONTEXT) is Status.VIOLATED
    assert decrypting("ssm", OWN_CONTEXT) is Status.VIOLATED
    assert decrypting("ssm", OWN_CONTEXT, "SecretARN") is Status.VIOLATED
    assert decrypting("s3", "*") is Status.VIOLATED
    assert decrypting("secretsmanager", "*", "SecretARN") is Status.VIOLATED


@pytest.mark.parametrize("action", ["s3:PutBucketL*", "s3:GetObjectVersionFor*", "dynamodb:UpdateKinesis*"])
def test_a_pattern_of_actions_no_list_has_counts(action: str) -> None:
    """Whatever AWS calls the actions it covers."""
    resource = [TABLE, {"Fn::Sub": "${Bucket.Arn}"}, {"Fn::Sub": "${Bucket.Arn}/*"}]
    template = by_hand(Opened=policy("Compute", allow(action, resource)))
    assert {result.status for result in judged(template, "compute-isolation")} != {Status.PROVED}


def test_a_key_that_stands_twice_in_an_object_is_no_template(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which of two conditions counts is not documented, so none is proved about."""
    path = tmp_path / "t.template.json"
    path.write_text('{"Resources": {"A": {"Type": "AWS::SNS::Topic", "Type": "AWS::IAM::Role"}}}')
    assert main(["verify", str(path)]) == 2
    assert "`Type` twice" in capsys.readouterr().err
