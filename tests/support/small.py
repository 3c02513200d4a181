"""A stack small enough to read: one table, one bucket, one compute role, and helpers to look at the result."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from session_scoping import Minting, SessionRole, TenantTable
from tests.support import RECOMMENDED_FLAGS

PARTITION, REGION, ACCOUNT = {"Ref": "AWS::Partition"}, {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}


def stack(flags: dict[str, Any] | None = None, **options: Any) -> cdk.Stack:
    """Return an empty stack in an app of its own, without bootstrap clutter in its template."""
    app = cdk.App(context=RECOMMENDED_FLAGS if flags is None else flags)
    plain = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
    return cdk.Stack(app, "Small", synthesizer=plain, **options)


def table(scope: cdk.Stack, id: str = "Tasks", partition_key: str = "task_id", **options: Any) -> dynamodb.Table:
    """Return a table with this partition key."""
    key = dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING)
    return dynamodb.Table(scope, id, partition_key=key, **options)


def bucket(scope: cdk.Stack, id: str = "Objects", **options: Any) -> s3.Bucket:
    """Return a bucket."""
    return s3.Bucket(scope, id, **options)


def role(scope: cdk.Stack, id: str = "Compute") -> iam.Role:
    """Return a plain role that an agent could run under."""
    return iam.Role(scope, id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))


def session_role(scope: cdk.Stack, **options: Any) -> SessionRole:
    """Return a session role over one table, minted by one role, unless the options say otherwise."""
    if "minting" not in options:
        options["minting"] = Minting.by_compute_roles(role(scope))
    if "tables" not in options:
        options["tables"] = [TenantTable(table(scope), access="get")]
    return SessionRole(scope, "Session", **options)


def template(scope: cdk.Stack) -> dict[str, Any]:
    """Return the stack's synthesized template."""
    app = scope.node.root
    assert isinstance(app, cdk.App)
    result: dict[str, Any] = app.synth().get_stack_by_name(scope.stack_name).template
    return result


def policy(of: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the statements of the one managed policy whose logical id is the prefix and a hash."""
    found = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for key, resource in of["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy" and key[:-8] == prefix
    ]
    assert len(found) == 1, f"{prefix} among {sorted(of['Resources'])}"
    statements: list[dict[str, Any]] = found[0]
    return statements


def trust(of: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the trust statements of the one role whose logical id is the prefix and a hash."""
    found = [
        resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for key, resource in of["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and key[:-8] == prefix
    ]
    assert len(found) == 1, f"{prefix} among {sorted(of['Resources'])}"
    statements: list[dict[str, Any]] = found[0]
    return statements


def by_sid(statements: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the statements by Sid, each without it."""
    return {
        statement["Sid"]: {key: value for key, value in statement.items() if key != "Sid"} for statement in statements
    }


def arn(service: str, resource: Any, *, region: Any = REGION, account: Any = ACCOUNT) -> dict[str, Any]:
    """Return the Fn::Join the CDK renders for an ARN in an environment-agnostic stack."""
    parts: list[Any] = ["arn:", PARTITION, f":{service}:", region, ":", account, ":"]
    parts += resource if isinstance(resource, list) else [resource]
    joined: list[Any] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return {"Fn::Join": ["", joined]}


def ref(of: dict[str, Any], prefix: str) -> str:
    """Return the logical id that is the prefix and a hash."""
    found: list[str] = [key for key in of["Resources"] if key[:-8] == prefix]
    assert len(found) == 1, f"{prefix} among {sorted(of['Resources'])}"
    return found[0]
