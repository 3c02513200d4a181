"""Designs of other people that isolate, each beside near misses that do not."""

from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.verify.hand_written import SESSION, allow, by_hand, document, policy, role, rows, tag, trust
from tests.support.verify.mutations import Body, Template

MINTER = "arn:aws:iam::111122223333:role/agents"
TAKING = ["sts:AssumeRole", "sts:TagSession"]


def of_pods(key: str, **condition: Any) -> Template:
    """Return a stack in which pods are sessions, each with the objects below one of the tags that EKS adds."""
    entering = allow(TAKING, Principal={"Service": "pods.eks.amazonaws.com"}, **condition)
    own = allow("s3:GetObject", {"Fn::Sub": f"${{Bucket.Arn}}/{key}"})
    return {
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Session": role(entering), "Own": policy("Session", own)}
    }


def minted_by(principal: Any, **more: Body) -> Template:
    """Return a stack whose sessions a role outside the templates makes."""
    admitted = {**trust("task_id"), "Principal": {"AWS": principal}}
    return {
        "Resources": {
            "Table": by_hand()["Resources"]["Table"],
            "Session": role(admitted),
            "Own": policy("Session", rows(tag("task_id"))),
            **more,
        }
    }


def user(*statements: Body) -> Body:
    """Return a user."""
    policies = [{"PolicyName": "p", "PolicyDocument": document(*statements)}]
    return {"Type": "AWS::IAM::User", "Properties": {"Policies": policies} if statements else {}}


OWN_TABLE = {"StringEquals": {"aws:ResourceTag/task_id": tag("task_id")}}
OWN_OBJECT = {"StringEquals": {"s3:ExistingObjectTag/task_id": tag("task_id")}}


def by_tags(condition: Body, *, tags: Any = None, table: Any = None, **more: Body) -> Template:
    """Return a stack with a table for each of two tasks, tagged with it, and sessions that read what has their tag."""
    tables = {
        name: {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "Tags": tags or [_tagged(name)],
                **(table or {}),
            },
        }
        for name in ("One", "Two")
    }
    arns = [{"Fn::GetAtt": [name, "Arn"]} for name in tables]
    own = policy("Session", allow(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"], arns, Condition=condition))
    template = by_hand("task_id", **tables, SessionPolicy=own, **more)
    for name in ("Table", "Bucket"):
        del template["Resources"][name]
    return template


def by_name(resource: Any) -> Template:
    """Return a stack whose sessions have a table each, by its name."""
    template = by_hand(
        "task_id", SessionPolicy=policy("Session", allow(["dynamodb:GetItem", "dynamodb:Scan"], resource))
    )
    for name in ("Table", "Bucket"):
        del template["Resources"][name]
    return template


def named_in_the_store(**more: Any) -> Template:
    """Return a stack whose table is called what a parameter of the parameter store holds."""
    named = {**by_hand()["Resources"]["Table"], **more}
    named["Properties"] = {**named["Properties"], "TableName": {"Ref": "Name"}}
    parameters = {"Name": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/app/table"}}
    conditions = {"Made": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}}
    return {
        **by_hand("task_id", Table=named, SessionPolicy=policy("Session", rows(tag("task_id")))),
        "Parameters": parameters,
        "Conditions": conditions,
    }


def _tagged(value: Any, key: str = "task_id") -> Body:
    return {"Key": key, "Value": value}


def by_object_tags(condition: Body, *actions: str, **more: Body) -> Template:
    """Return a stack whose sessions read the objects of one bucket that have their tag."""
    own = policy("Session", allow(["s3:GetObject", *actions], {"Fn::Sub": "${Bucket.Arn}/*"}, Condition=condition))
    template = by_hand("task_id", SessionPolicy=own, **more)
    del template["Resources"]["Table"]
    return template


def tagging(action: str) -> Body:
    """Return a role of a service that changes tags."""
    entering = allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    return role(entering, Policies=[{"PolicyName": "p", "PolicyDocument": document(allow(action, "*"))}])


BOUNDARY = {
    "Type": "AWS::IAM::ManagedPolicy",
    "Properties": {"PolicyDocument": document(allow("*", "*", Condition=OWN_TABLE))},
}
"""A boundary that lets sessions do what they like to what has their tag."""


def by_another_policy(of: str, **more: Body) -> Template:
    """Return a stack with tables or objects by tags, which the bucket's policy, a Deny or a boundary asks for."""
    if of == "bucket":
        grant = allow("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}, Principal={"AWS": SESSION}, Condition=OWN_OBJECT)
        properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(grant)}
        template = by_object_tags({}, Files={"Type": "AWS::S3::BucketPolicy", "Properties": properties}, **more)
        template["Resources"]["SessionPolicy"] = policy("Session", allow("sts:GetCallerIdentity", "*"))
        return template
    template = by_tags({}, Boundary=BOUNDARY, **more)
    if of == "boundary":
        template["Resources"]["Session"]["Properties"]["PermissionsBoundary"] = {"Ref": "Boundary"}
    else:
        others = {"StringNotEquals": OWN_TABLE["StringEquals"]}
        denied = {**allow("dynamodb:*", "*", Condition=others), "Effect": "Deny"}
        template["Resources"]["Denies"] = policy("Session", denied)
    return template


ISOLATING: dict[str, tuple[Template, dict[str, Any]]] = {
    "a namespace's objects": (of_pods("${!aws:PrincipalTag/kubernetes-namespace}/*"), {}),
    "a service account's objects": (of_pods("${!aws:PrincipalTag/kubernetes-service-account}/*"), {}),
    "a minter outside that is trusted": (minted_by(MINTER), {"trusted": MINTER}),
    "a minter that is a user": (minted_by({"Fn::GetAtt": ["User", "Arn"]}, User=user()), {}),
    "a table by name in any Region": (by_name(f"arn:aws:dynamodb:*:*:table/app-{tag('task_id')}"), {}),
    "a table that the store names": (named_in_the_store(), {}),
    "tables by their tags": (by_tags(OWN_TABLE), {"allow": "dynamodb:Scan"}),
    "tables by their tags, and a role that is trusted to change them": (
        by_tags(OWN_TABLE, Ops=tagging("dynamodb:TagResource")),
        {"allow": "dynamodb:Scan", "trusted": "Ops"},
    ),
    "objects by their tags, as the bucket's policy has it": (by_another_policy("bucket"), {}),
    "tables by their tags, as a boundary has it": (by_another_policy("boundary"), {"allow": "dynamodb:Scan"}),
    "tables by their tags, as a Deny has it": (
        by_another_policy("deny"),
        {"allow": "dynamodb:Scan", "masked_grants": True},
    ),
    "objects by their tags": (by_object_tags(OWN_OBJECT), {}),
}
SCAN = {"allow": "dynamodb:Scan"}
BROKEN: dict[str, tuple[Template, dict[str, Any]]] = {
    "tables in any Region by the beginning of a name": (by_name(f"arn:aws:dynamodb:*:*:table/{tag('task_id')}*"), {}),
    "tables in two places by name": (
        by_name(
            [f"arn:aws:dynamodb:*:*:table/{tag('task_id')}", f"arn:aws:dynamodb:*:111122223333:table/x{tag('task_id')}"]
        ),
        {},
    ),
    "anything by the end of a name": (by_name(f"arn:aws:dynamodb:*:*:*/{tag('task_id')}"), {}),
    "a table that the store may name": (named_in_the_store(Condition="Made"), {}),
    "tables by tags that another role changes": (by_tags(OWN_TABLE, Ops=tagging("dynamodb:TagResource")), SCAN),
    "tables by tags that a wildcard changes": (by_tags(OWN_TABLE, Ops=tagging("dynamodb:*")), SCAN),
    "tables by tags that the session changes": (
        by_tags(OWN_TABLE, More=policy("Session", allow("dynamodb:UntagResource", "*"))),
        {"allow": ["dynamodb:Scan", "dynamodb:UntagResource"]},
    ),
    "tables by tags that the table's policy lets change": (
        by_tags(
            OWN_TABLE,
            table={
                "ResourcePolicy": {
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            allow("dynamodb:TagResource", "*", Principal={"AWS": {"Fn::GetAtt": ["Session", "Arn"]}})
                        ],
                    }
                }
            },
        ),
        {"allow": ["dynamodb:Scan", "dynamodb:TagResource"]},
    ),
    "tables by a tag that only a policy speaks of": (by_tags(OWN_TABLE, tags=[_tagged("One", "team")]), SCAN),
    "tables by a tag in two spellings": (by_tags(OWN_TABLE, tags=[_tagged("One"), _tagged("Two", "Task_Id")]), SCAN),
    "tables with replicas": (
        by_tags(OWN_TABLE, table={"Replicas": [{"Region": "eu-west-1"}, {"Region": "eu-west-2"}]}),
        SCAN,
    ),
    "tables by one tag for all": (by_tags({"StringEquals": {"aws:ResourceTag/task_id": "One"}}), SCAN),
    "tables by the beginning of a tag": (
        by_tags({"StringLike": {"aws:ResourceTag/task_id": tag("task_id") + "*"}}),
        SCAN,
    ),
    "tables by any tag but one's own": (
        by_tags({"StringNotEquals": {"aws:ResourceTag/task_id": tag("task_id")}}),
        SCAN,
    ),
    "tables by a tag they may lack": (by_tags({"StringEqualsIfExists": OWN_TABLE["StringEquals"]}), SCAN),
    "tables by tags, and a role that reads them by another": (
        by_tags(
            OWN_TABLE,
            Second=role(trust("owner")),
            SecondPolicy=policy(
                "Second",
                allow(
                    "dynamodb:Scan",
                    {"Fn::GetAtt": ["One", "Arn"]},
                    Condition={"StringEquals": {"aws:ResourceTag/task_id": tag("owner")}},
                ),
            ),
            MoreMinting=policy("Compute", allow(TAKING, {"Fn::GetAtt": ["Second", "Arn"]})),
        ),
        SCAN,
    ),
    "objects by tags that the session changes": (
        by_object_tags(OWN_OBJECT, "s3:PutObjectTagging"),
        {"allow": "s3:PutObjectTagging"},
    ),
    "objects by tags that another role changes": (by_object_tags(OWN_OBJECT, Ops=tagging("s3:Put*")), {}),
    "objects by tags that another role changes, as the bucket's policy has it": (
        by_another_policy("bucket", Ops=tagging("s3:PutObjectTagging")),
        {},
    ),
    "tables by tags that another role changes, as a boundary has it": (
        by_another_policy("boundary", Ops=tagging("dynamodb:TagResource")),
        SCAN,
    ),
    "tables by tags that another role changes, as a Deny has it": (
        by_another_policy("deny", Ops=tagging("dynamodb:TagResource")),
        {**SCAN, "masked_grants": True},
    ),
    "tables by tags, as a Deny alone has it": (by_another_policy("deny"), SCAN),
    "objects by one tag for all": (by_object_tags({"StringEquals": {"s3:ExistingObjectTag/task_id": "x"}}), {}),
    "objects by their tags, written by everybody": (
        by_object_tags(OWN_OBJECT, More=policy("Session", allow("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"}))),
        {},
    ),
    "namespaces that begin alike": (of_pods("${!aws:PrincipalTag/kubernetes-namespace}*"), {}),
    "two names in a row": (
        of_pods("${!aws:PrincipalTag/kubernetes-namespace}-${!aws:PrincipalTag/kubernetes-service-account}/*"),
        {},
    ),
    "a minter outside": (minted_by(MINTER), {}),
    "a minter that is a user who reads the table": (
        minted_by({"Fn::GetAtt": ["User", "Arn"]}, User=user(allow("dynamodb:Scan", "*"))),
        {},
    ),
    "two minters outside, one trusted": (minted_by([MINTER, MINTER + "-2"]), {"trusted": MINTER}),
}


@pytest.mark.parametrize("case", ISOLATING)
def test_a_design_that_isolates_is_proved(case: str) -> None:
    """With the options that it needs."""
    template, options = ISOLATING[case]
    report = verify(template, **options)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("case", BROKEN)
def test_its_near_misses_are_not(case: str) -> None:
    """Each differs from one that isolates in one thing."""
    template, options = BROKEN[case]
    assert not verify(template, **options).proved


def test_a_tag_that_may_be_changed_is_unknown_rather_than_violated() -> None:
    """Whether the request crosses from one session to another is what the tag's value decides."""
    for template in (
        by_tags(OWN_TABLE, Ops=tagging("dynamodb:TagResource")),
        by_tags({"StringEquals": {"dynamodb:ResourceTag/task_id": tag("task_id")}}),
        by_object_tags(OWN_OBJECT, Ops=tagging("s3:PutObjectTagging")),
    ):
        found = [
            one.status
            for one in verify(template, allow="dynamodb:Scan" if "One" in template["Resources"] else ()).failures()
        ]
        assert found
        assert set(found) <= {Status.UNKNOWN, Status.VACUOUS}


def test_a_counterexample_is_of_a_place_that_a_reader_knows() -> None:
    """An account has twelve digits, a Region exists, and values that are made of them agree with them."""
    through = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}}}
    key = {"Type": "AWS::KMS::Key", "Properties": {}}
    more = policy("Session", allow("kms:Decrypt", {"Fn::GetAtt": ["Key", "Arn"]}, Condition=through))
    (found,) = [one for one in verify(by_hand(Key=key, More=more)).failures() if one.rule == "allowed-actions"]
    assert found.counterexample is not None
    assert found.counterexample.resource.startswith("arn:aws:kms:us-east-1:111122223333:key/")
    assert found.counterexample.context == {"kms:viaservice": "secretsmanager.us-east-1.amazonaws.com"}
