"""Building apps and reading their templates: what the tests of finished stacks share."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
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


def new_app(flags: str = "recommended", **context: Any) -> cdk.App:
    """Return an app under a set of feature flags, with more context."""
    return cdk.App(context={**FLAG_SETS[flags], **context})


def environment(partition: str = "aws", account: str = ACCOUNT) -> cdk.Environment:
    """Return a concrete environment in a partition."""
    return cdk.Environment(account=account, region=REGIONS[partition])


def table(scope: Construct, id: str = "Tasks", partition_key: str = "task_id", **options: Any) -> dynamodb.Table:
    """Return a table keyed on a tag."""
    key = dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING)
    return dynamodb.Table(scope, id, partition_key=key, **options)


def lambda_role(scope: Construct, id: str, **options: Any) -> iam.Role:
    """Return a plain role of the adopter's own."""
    return iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), **options)


def session_role(stack: cdk.Stack, *minters: iam.IRole) -> SessionRole:
    """Return a session role on one table, minted by these compute roles or by one of its own."""
    minting = Minting.by_compute_roles(*minters or (lambda_role(stack, "Own"),))
    return SessionRole(stack, "SessionRole", minting=minting, tables=[TenantTable(table(stack))])


def synth(app: cdk.App) -> dict[str, Template]:
    """Synthesize and return all templates by stack name, nested stacks and stages included."""
    return dict(_templates(app.synth()))


def _templates(assembly: cx_api.CloudAssembly) -> Iterator[tuple[str, Template]]:
    for artifact in assembly.stacks_recursively:
        yield artifact.stack_name, artifact.template
    for path in Path(assembly.directory).glob("*.nested.template.json"):
        yield path.name.removesuffix(".nested.template.json"), json.loads(path.read_text())


def resources(template: Template, type_: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == type_
    }


def attached(templates: Mapping[str, Template], role: str) -> list[Statement]:
    """
    Return every statement on a role, whichever stack it comes from, ordered by Sid.

    Args:
        templates: The app's templates.
        role: Text that the role's logical id, or the reference to it from another stack, holds.
    """
    found: list[Statement] = []
    for template in templates.values():
        for type_ in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for policy in resources(template, type_).values():
                if any(role in json.dumps(reference) for reference in policy.get("Roles", [])):
                    found.extend(policy["PolicyDocument"]["Statement"])
        for logical_id, properties in resources(template, "AWS::IAM::Role").items():
            if role in logical_id:
                for inline in properties.get("Policies", []):
                    found.extend(inline["PolicyDocument"]["Statement"])
    return sorted(found, key=lambda statement: str(statement.get("Sid", "")))


def trust(templates: Mapping[str, Template], role: str) -> list[Statement]:
    """Return the trust statements of the one role whose logical id starts with the text."""
    (found,) = (
        properties["AssumeRolePolicyDocument"]["Statement"]
        for template in templates.values()
        for logical_id, properties in resources(template, "AWS::IAM::Role").items()
        if logical_id.startswith(role)
    )
    statements: list[Statement] = found
    return statements


def by_sid(statements: Sequence[Statement]) -> dict[str, Statement]:
    """Return the statements by Sid; each must be there once."""
    found = {statement["Sid"]: statement for statement in statements}
    assert len(found) == len(statements), "a Sid is repeated"
    return found


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
    return (
        [value]
        if key in {"Action", "NotAction", "Resource", "NotResource", "AWS"} and isinstance(value, str)
        else value
    )
