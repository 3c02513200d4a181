"""Stacks small enough to read, and readers of the templates they render."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import cx_api
from constructs import Construct

from session_scoping import Minting, SessionRole, TenantTable
from tests.support import RECOMMENDED_FLAGS

Template = Mapping[str, Any]
Statement = dict[str, Any]

FLAG_SETS: Mapping[str, dict[str, Any]] = {"no-flags": {}, "recommended": RECOMMENDED_FLAGS}

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
# What a template says for the place it is deployed to.
HERE = {name: {"Ref": f"AWS::{name}"} for name in ("Partition", "Region", "AccountId")}


# --- making ---------------------------------------------------------------------------------------------------------


def new_app(flags: str = "recommended", **context: Any) -> cdk.App:
    """Return an app under a set of feature flags, with more context."""
    return cdk.App(context={**FLAG_SETS[flags], **context})


def environment(partition: str = "aws", account: str = ACCOUNT) -> cdk.Environment:
    """Return a concrete environment in a partition."""
    return cdk.Environment(account=account, region=REGIONS[partition])


def stack(flags: str = "recommended", **options: Any) -> cdk.Stack:
    """Return an empty stack in an app of its own, without bootstrap clutter in its template."""
    plain = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
    return cdk.Stack(new_app(flags), "Small", synthesizer=plain, **options)


def table(scope: Construct, id: str = "Tasks", partition_key: str = "task_id", **options: Any) -> dynamodb.Table:
    """Return a table with this partition key."""
    key = dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING)
    return dynamodb.Table(scope, id, partition_key=key, **options)


def bucket(scope: Construct, id: str = "Objects", **options: Any) -> s3.Bucket:
    """Return a bucket."""
    return s3.Bucket(scope, id, **options)


def role(scope: Construct, id: str = "Compute", *, service: str = "ecs-tasks", **options: Any) -> iam.Role:
    """Return a plain role of the adopter's own, which an agent could run under."""
    return iam.Role(scope, id, assumed_by=iam.ServicePrincipal(f"{service}.amazonaws.com"), **options)


def session_role(scope: Construct, id: str = "Session", **options: Any) -> SessionRole:
    """Return a session role over one table, minted by one role, unless the options say otherwise."""
    if "minting" not in options:
        options["minting"] = Minting.by_compute_roles(role(scope))
    if "tables" not in options:
        options["tables"] = [TenantTable(table(scope), access="get")]
    return SessionRole(scope, id, **options)


# --- synthesizing ---------------------------------------------------------------------------------------------------


def template(of: cdk.Stack) -> dict[str, Any]:
    """Return the stack's synthesized template."""
    app = of.node.root
    assert isinstance(app, cdk.App)
    result: dict[str, Any] = app.synth().get_stack_by_name(of.stack_name).template
    return result


def synth(app: cdk.App) -> dict[str, Template]:
    """Synthesize and return all templates by stack name, nested stacks and stages included."""
    return dict(_templates(app.synth()))


def _templates(assembly: cx_api.CloudAssembly) -> Iterator[tuple[str, Template]]:
    for artifact in assembly.stacks_recursively:
        yield artifact.stack_name, artifact.template
    for path in Path(assembly.directory).glob("*.nested.template.json"):
        yield path.name.removesuffix(".nested.template.json"), json.loads(path.read_text())


# --- reading --------------------------------------------------------------------------------------------------------


def ref(of: Template, prefix: str) -> str:
    """Return the logical id that is the prefix and a hash."""
    found: list[str] = [key for key in of["Resources"] if key[:-8] == prefix]
    assert len(found) == 1, f"{prefix} among {sorted(of['Resources'])}"
    return found[0]


def policy(of: Template, prefix: str) -> list[Statement]:
    """Return the statements of the one managed policy whose logical id is the prefix and a hash."""
    resource = of["Resources"][ref(of, prefix)]
    assert resource["Type"] == "AWS::IAM::ManagedPolicy"
    statements: list[Statement] = resource["Properties"]["PolicyDocument"]["Statement"]
    return statements


def trust(of: Template, prefix: str) -> list[Statement]:
    """Return the trust statements of the one role whose logical id is the prefix and a hash."""
    statements: list[Statement] = of["Resources"][ref(of, prefix)]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    return statements


def by_sid(statements: Iterable[Statement]) -> dict[str, Statement]:
    """Return the statements by Sid, each without it; a Sid must not be repeated."""
    listed = list(statements)
    found = {one["Sid"]: {key: value for key, value in one.items() if key != "Sid"} for one in listed}
    assert len(found) == len(listed), "a Sid is repeated"
    return found


def resources(of: Template, type_: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {key: one.get("Properties", {}) for key, one in of["Resources"].items() if one["Type"] == type_}


def attached(templates: Mapping[str, Template], role: str) -> list[Statement]:
    """
    Return every statement on a role, whichever stack it comes from, ordered by Sid.

    Args:
        templates: The app's templates.
        role: Text that the role's logical id, or the reference to it from another stack, holds.
    """
    found: list[Statement] = []
    for one in templates.values():
        for type_ in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for properties in resources(one, type_).values():
                if any(role in json.dumps(reference) for reference in properties.get("Roles", [])):
                    found.extend(properties["PolicyDocument"]["Statement"])
        for logical_id, properties in resources(one, "AWS::IAM::Role").items():
            if role in logical_id:
                for inline in properties.get("Policies", []):
                    found.extend(inline["PolicyDocument"]["Statement"])
    return sorted(found, key=lambda statement: str(statement.get("Sid", "")))


def arn(service: str, resource: Any, *, region: Any = HERE["Region"], account: Any = HERE["AccountId"]) -> Statement:
    """Return the Fn::Join the CDK renders for an ARN in an environment-agnostic stack."""
    parts: list[Any] = ["arn:", HERE["Partition"], f":{service}:", region, ":", account, ":"]
    parts += resource if isinstance(resource, list) else [resource]
    joined: list[Any] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return {"Fn::Join": ["", joined]}


def deployed(value: Any, partition: str = "aws", account: str = ACCOUNT) -> Any:
    """
    Return the value as CloudFormation would render it, with lists in order and single values as lists.

    References to resources become `<logical id.attribute>`, whichever stack they lead to.
    """
    pseudo = {"AWS::Partition": partition, "AWS::Region": REGIONS[partition], "AWS::AccountId": account}
    match value:
        case {"Ref": str(target)}:
            return pseudo.get(target, f"<{target}>")
        case {"Fn::GetAtt": [str(target), str(attribute)]}:
            return f"<{target}.{attribute}>"
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(str(deployed(part, partition, account)) for part in parts)
        case {"Fn::ImportValue": str(name)}:
            return f"<{name}>"
        case {"Fn::GetStackOutput": {"OutputName": str(name)}}:
            return f"<{name}>"
        case dict():
            return {key: _listed(deployed(part, partition, account), key) for key, part in value.items()}
        case list():
            return sorted((deployed(part, partition, account) for part in value), key=json.dumps)
    return value


def _listed(value: Any, key: str) -> Any:
    is_list = key in {"Action", "NotAction", "Resource", "NotResource", "AWS"}
    return [value] if is_list and isinstance(value, str) else value
