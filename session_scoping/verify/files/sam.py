"""Serverless templates: the resources that the transform makes of them, as far as roles, policies and tables go."""

from collections.abc import Iterator
from typing import Any

from session_scoping.verify.intrinsics.scope import Scope

SAM = "AWS::Serverless-2016-10-31"
"""The transform's name."""
_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
_BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
# The policies that an event source needs, which the transform attaches to the function's role.
_EVENTS = {
    "DynamoDB": "service-role/AWSLambdaDynamoDBExecutionRole",
    "Kinesis": "service-role/AWSLambdaKinesisExecutionRole",
    "SQS": "service-role/AWSLambdaSQSQueueExecutionRole",
}
# Made of these is nothing that has a role, a policy on tenant data, or access to it.
_HARMLESS = ("Api", "HttpApi", "LayerVersion", "WebSocketApi")
# What may be said of all functions at once without a word on who may do what.
_GLOBALS = {
    "Architectures", "AutoPublishAlias", "CodeUri", "Environment", "EphemeralStorage", "Handler", "Layers",
    "LoggingConfig", "MemorySize", "PackageType", "ReservedConcurrentExecutions", "Runtime", "SnapStart", "Timeout",
    "Tracing", "VpcConfig",
}  # fmt: skip


def made_by_sam(template: dict[str, Any]) -> dict[str, Any]:
    """
    Return a template with the roles and tables that the transform makes of its functions and tables.

    Source:
        Serverless Application Model: `sam-specification-generated-resources` and `sam-resource-function`.
    """
    resources = template.get("Resources")
    if SAM not in _named(template.get("Transform")) or not isinstance(resources, dict):
        return template
    made: dict[str, Any] = {}
    for logical_id, body in resources.items():
        made |= {logical_id: body} | (_made_of(logical_id, body) if isinstance(body, dict) else {})
    return {**template, "Resources": {**made, **{key: body for key, body in resources.items() if _is_plain(body)}}}


def left_of_sam(scope: Scope) -> Iterator[str]:
    """Yield what the transform may add besides."""
    for logical_id, body in scope.resources.items():
        kind = str(body.get("Type", ""))
        if kind.startswith("AWS::Serverless::") and kind.rpartition("::")[2] not in _HARMLESS:
            yield f"{logical_id}: what the transform makes of {kind} may be roles and policies"
    said = scope.template.get("Globals")
    functions = said.get("Function", {}) if isinstance(said, dict) else {}
    if said and (not isinstance(functions, dict) or set(functions) - _GLOBALS):
        yield "what Globals add to functions may be roles and policies"


def _named(transform: Any) -> list[Any]:
    return transform if isinstance(transform, list) else [transform]


def _is_plain(body: Any) -> bool:
    return not (isinstance(body, dict) and str(body.get("Type", "")).startswith("AWS::Serverless::"))


def _made_of(logical_id: str, body: dict[str, Any]) -> dict[str, Any]:
    properties = body.get("Properties")
    properties = properties if isinstance(properties, dict) else {}
    kind = str(body.get("Type", "")).removeprefix("AWS::Serverless::")
    if kind == "SimpleTable":
        return {logical_id: {**body, "Type": "AWS::DynamoDB::Table", "Properties": _table(properties)}}
    if kind == "Function":
        return _function(logical_id, body, properties)
    if kind == "StateMachine" and "Role" in properties:
        named = {**properties, "RoleArn": properties["Role"]}
        return {logical_id: {**body, "Type": "AWS::StepFunctions::StateMachine", "Properties": named}}
    return {}


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    key = properties.get("PrimaryKey", {})
    name = key.get("Name", "id") if isinstance(key, dict) else key
    schema = [{"AttributeName": name, "KeyType": "HASH"}]
    return {**{k: v for k, v in properties.items() if k != "PrimaryKey"}, "KeySchema": schema}


def _function(logical_id: str, body: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    if any(name in properties for name in ("Connectors", "FunctionUrlConfig", "DeploymentPreference")):
        return {}
    function = {**body, "Type": "AWS::Lambda::Function"}
    if "Role" in properties:
        return {logical_id: function}
    policies = _policies(properties.get("Policies", []))
    if policies is None:
        return {}
    role = f"{logical_id}Role"
    function["Properties"] = {**properties, "Role": {"Fn::GetAtt": [role, "Arn"]}}
    trust = properties.get("AssumeRolePolicyDocument", {"Version": "2012-10-17", "Statement": [_LAMBDA]})
    inline = [{"PolicyName": str(number), "PolicyDocument": one} for number, one in enumerate(policies[1])]
    made: dict[str, Any] = {"AssumeRolePolicyDocument": trust, "Policies": inline}
    made["ManagedPolicyArns"] = [_BASIC, *policies[0], *_for_events(properties.get("Events"))]
    made |= {name: properties[name] for name in ("PermissionsBoundary",) if name in properties}
    tags = properties.get("Tags", {})
    made["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()] if isinstance(tags, dict) else tags
    condition = {"Condition": body["Condition"]} if "Condition" in body else {}
    return {logical_id: function, role: {"Type": "AWS::IAM::Role", "Properties": made, **condition}}


def _policies(value: Any) -> tuple[list[Any], list[Any]] | None:
    """Return a function's managed policies and its documents; None where one is neither, as SAM's templates are."""
    arns: list[Any] = []
    documents: list[Any] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            arns.append(one if one.startswith("arn:") else f"arn:aws:iam::aws:policy/{one}")
        elif isinstance(one, dict) and "Statement" in one:
            documents.append({"Version": "2012-10-17", **one})
        elif isinstance(one, dict) and set(one) in ({"Ref"}, {"Fn::Sub"}, {"Fn::GetAtt"}, {"Fn::ImportValue"}):
            arns.append(one)
        else:
            return None
    return arns, documents


def _for_events(events: Any) -> list[str]:
    listed = events.values() if isinstance(events, dict) else ()
    kinds = {str(one.get("Type")) for one in listed if isinstance(one, dict)}
    return [f"arn:aws:iam::aws:policy/{name}" for kind, name in _EVENTS.items() if kind in kinds]
