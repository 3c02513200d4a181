"""A template as people write it by hand: a table, a bucket, a compute role that mints, a session role."""

import copy
from typing import Any

from tests.support.verify.mutations import Body, Template

TASK, USER = "${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/user_id}"
OWN_OBJECTS = "/traces/${!aws:PrincipalTag/user_id}/${!aws:PrincipalTag/task_id}/*"


def document(*statements: Body) -> Body:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any, **more: Any) -> Body:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def keyed(*keys: Any) -> Body:
    """Return the condition that a request names these partitions only."""
    return {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(keys)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def policy(role: str, *statements: Body) -> Body:
    """Return a policy on a role."""
    properties = {"PolicyName": "p", "Roles": [{"Ref": role}], "PolicyDocument": document(*statements)}
    return {"Type": "AWS::IAM::Policy", "Properties": properties}


def arn(logical_id: str) -> Body:
    """Return a reference to a resource's ARN."""
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def sub(text: str) -> Body:
    """Return text with references in it."""
    return {"Fn::Sub": text}


def _trust() -> Body:
    tags = ("task_id", "user_id")
    condition = {
        "StringLike": {f"aws:RequestTag/{tag}": "?*" for tag in tags},
        "StringNotLike": {f"aws:RequestTag/{tag}": ["*/*", "*..*", "."] for tag in tags},
        "ForAllValues:StringEquals": {"aws:TagKeys": list(tags)},
        "Null": {"sts:TransitiveTagKeys": "true"},
    }
    actions, who = ["sts:AssumeRole", "sts:TagSession"], {"AWS": arn("Compute")}
    return document({"Effect": "Allow", "Action": actions, "Principal": who, "Condition": condition})


def plain_template() -> Template:
    """Return the template; it is PROVED."""
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    rows = allow(["dynamodb:GetItem", "dynamodb:Query"], arn("Table"), Condition=keyed(TASK))
    objects = allow(["s3:GetObject", "s3:PutObject"], sub("${Bucket.Arn}" + OWN_OBJECTS))
    schema = [{"AttributeName": "task_id", "KeyType": "HASH"}]
    return copy.deepcopy({"Resources": {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": schema}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Compute": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(service)}},
        "Session": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _trust()}},
        "Mint": policy("Compute", allow(["sts:AssumeRole", "sts:TagSession"], arn("Session"))),
        "Rows": policy("Session", rows),
        "Objects": policy("Session", objects),
    }})  # fmt: skip
