"""A stack written by hand: one compute role, one session role, a table by task and a bucket; and what is said of it."""

from typing import Any

from session_scoping.verify import Result
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import Body, Template

TABLE, BUCKET = {"Fn::GetAtt": ["Table", "Arn"]}, {"Fn::GetAtt": ["Bucket", "Arn"]}
COMPUTE, SESSION = {"Fn::GetAtt": ["Compute", "Arn"]}, {"Fn::GetAtt": ["Session", "Arn"]}


def tag(key: str) -> str:
    """Return the policy variable of a session tag."""
    return f"${{aws:PrincipalTag/{key}}}"


def objects(*prefixes: str) -> list[Body]:
    """Return the ARNs of everything below some prefixes of the bucket, with `{tag}` where a tag goes."""
    filled = (prefix.replace("{", "${!aws:PrincipalTag/") for prefix in prefixes)
    return [{"Fn::Sub": f"${{Bucket.Arn}}/{prefix}/*"} for prefix in filled]


def document(*statements: Body) -> Body:
    """Return a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = None, **more: Any) -> Body:
    """Return an Allow statement."""
    return {"Effect": "Allow", "Action": action, **({"Resource": resource} if resource else {}), **more}


def role(*trust: Body, **more: Any) -> Body:
    """Return a role."""
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(*trust), **more}}


def policy(of: str, *statements: Body) -> Body:
    """Return a policy of a role."""
    properties = {"PolicyName": "p", "Roles": [{"Ref": of}], "PolicyDocument": document(*statements)}
    return {"Type": "AWS::IAM::Policy", "Properties": properties}


def rows(*keys: str, resource: Any = None) -> Body:
    """Return the grant of a table's rows by leading key."""
    condition = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*keys]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    return allow(["dynamodb:GetItem", "dynamodb:PutItem"], resource or TABLE, Condition=condition)


def trust(*keys: str, without_slash: tuple[str, ...] | None = None) -> Body:
    """Return who makes sessions: the compute role, with exactly these tags and no path step in those named."""
    path_tags = keys if without_slash is None else without_slash
    conditions: Body = {
        "StringLike": {f"aws:RequestTag/{key}": "?*" for key in keys},
        "ForAllValues:StringEquals": {"aws:TagKeys": [*keys]},
        "Null": {"sts:TransitiveTagKeys": "true"},
    }
    if path_tags:
        conditions["StringNotLike"] = {f"aws:RequestTag/{key}": ["*/*", "*..*", "."] for key in path_tags}
    return allow(["sts:AssumeRole", "sts:TagSession"], Principal={"AWS": COMPUTE}, Condition=conditions)


def table(partition_key: str = "task_id") -> Body:
    """Return a table."""
    schema = [{"AttributeName": partition_key, "KeyType": "HASH"}]
    return {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": schema}}


def by_hand(*keys: str, **more: Body) -> Template:
    """
    Return the stack.

    Args:
        keys: The tags every session must carry. Default: `task_id` and `user_id`.
        more: Further resources, or others in their place.
    """
    service = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})
    resources = {
        "Table": table(),
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Compute": role(service),
        "Session": role(trust(*(keys or ("task_id", "user_id")))),
        "ComputePolicy": policy("Compute", allow(["sts:AssumeRole", "sts:TagSession"], SESSION)),
        "SessionPolicy": policy(
            "Session",
            rows(tag("task_id")),
            allow(["s3:GetObject", "s3:PutObject"], objects("traces/{user_id}/{task_id}")),
        ),
    }
    return {"Resources": {**resources, **more}}


def judged(template: Template, *rules: str, **options: Any) -> list[Result]:
    """Return what is said under some rules, without the other properties."""
    return results_of(template, *rules, **options)
