"""What changes a template when it deploys, or deploys another one: serverless resources, macros, stack sets."""

import json
from collections.abc import Iterator
from typing import Any

from session_scoping.aws.table import read
from session_scoping.verify.files.loops import EXTENSIONS, loops_left
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Deployment

SAM = "AWS::Serverless-2016-10-31"
"""The transform's name."""
_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
_BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
# The policies that an event source needs, which the transform attaches to the function's role. What is in neither
# list (Kafka, MQ, DocumentDB) has the role read a secret.
_EVENTS = {
    "DynamoDB": "service-role/AWSLambdaDynamoDBExecutionRole",
    "Kinesis": "service-role/AWSLambdaKinesisExecutionRole",
    "MSK": "service-role/AWSLambdaMSKExecutionRole",
    "SQS": "service-role/AWSLambdaSQSQueueExecutionRole",
}
_CALLING = {
    "AlexaSkill", "Api", "CloudWatchEvent", "CloudWatchLogs", "Cognito", "EventBridgeRule", "HttpApi", "IoTRule", "S3",
    "SNS", "Schedule", "ScheduleV2",
}  # fmt: skip
# Properties of a function that are its role's when it is made.
_OF_ROLE = {"AssumeRolePolicyDocument", "PermissionsBoundary", "Policies"}
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
        Serverless Application Model: `sam-specification-generated-resources`, `sam-resource-function` and
        `serverless-policy-templates`.
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
        if "Connectors" in body:
            yield f"{logical_id}: what its connectors make are policies of roles"
        if kind.startswith("AWS::Serverless::") and kind.rpartition("::")[2] not in _HARMLESS:
            yield f"{logical_id}: what the transform makes of {kind} may be roles and policies"
    said = scope.template.get("Globals")
    functions = said.get("Function", {}) if isinstance(said, dict) else {}
    if said and (not isinstance(functions, dict) or set(functions) - _GLOBALS):
        yield "what Globals add to functions may be roles and policies"


def _named(transform: Any) -> list[Any]:
    return transform if isinstance(transform, list) else [transform] if transform else []


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
    if any(name in properties for name in ("DeploymentPreference", "EventInvokeConfig")):
        return {}
    policies, events = _policies(properties.get("Policies", [])), _events(properties.get("Events", {}))
    if policies is None or events is None or _is_public(properties.get("FunctionUrlConfig", {})):
        return {}
    own = {name: value for name, value in properties.items() if name not in _OF_ROLE}
    function = {**body, "Type": "AWS::Lambda::Function", "Properties": own}
    called = _called_by_apis(logical_id, properties.get("Events", {}))
    if "Role" in properties:
        return {} if isinstance(own["Role"], dict) and "Fn::If" in own["Role"] else {logical_id: function, **called}
    role = f"{logical_id}Role"
    own["Role"] = {"Fn::GetAtt": [role, "Arn"]}
    trust = properties.get("AssumeRolePolicyDocument", {"Version": "2012-10-17", "Statement": [_LAMBDA]})
    inline = [{"PolicyName": str(number), "PolicyDocument": one} for number, one in enumerate(policies[1])]
    made: dict[str, Any] = {"AssumeRolePolicyDocument": trust, "Policies": inline}
    made["ManagedPolicyArns"] = [_BASIC, *policies[0], *events]
    made |= {name: properties[name] for name in ("PermissionsBoundary",) if name in properties}
    tags = properties.get("Tags", {})
    made["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()] if isinstance(tags, dict) else tags
    condition = {"Condition": body["Condition"]} if "Condition" in body else {}
    return {logical_id: function, role: {"Type": "AWS::IAM::Role", "Properties": made, **condition}, **called}


def _policies(value: Any) -> tuple[list[Any], list[Any]] | None:
    """Return a function's managed policies and its documents; None where one is not read."""
    arns: list[Any] = []
    documents: list[Any] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            arns.append(one if one.startswith("arn:") else f"arn:aws:iam::aws:policy/{one}")
        elif isinstance(one, dict) and "Statement" in one:
            documents.append(one)
        elif isinstance(one, dict) and set(one) in ({"Ref"}, {"Fn::Sub"}, {"Fn::GetAtt"}, {"Fn::ImportValue"}):
            arns.append(one)
        elif isinstance(one, dict) and len(one) == 1 and (document := _from_template(*next(iter(one.items())))):
            documents.append(document)
        else:
            return None
    return arns, documents


def _from_template(name: str, arguments: Any) -> dict[str, Any] | None:
    """Return the document of one of SAM's policy templates; None where there is none, or an argument is missing."""
    found = read("sam")["policies"].get(name)
    if found is None or not isinstance(arguments, dict) or not set(found["Parameters"]) <= set(arguments):
        return None
    filled = _filled(found["Definition"], {key: arguments[key] for key in found["Parameters"]})
    return filled if isinstance(filled, dict) else None


def _filled(value: Any, arguments: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_filled(one, arguments) for one in value]
    if not isinstance(value, dict):
        return value
    name = value.get("Ref")
    return arguments[name] if name in arguments else {key: _filled(one, arguments) for key, one in value.items()}


def _events(events: Any) -> list[str] | None:
    """Return the managed policies that a function's events need; None where one needs more."""
    if not isinstance(events, dict) or not all(isinstance(one, dict) for one in events.values()):
        return None
    kinds = {str(one.get("Type")) for one in events.values()}
    # Where a call that fails is noted, the role may write: a bucket, too.
    known = kinds <= _CALLING | set(_EVENTS) and "DestinationConfig" not in str(events)
    return [f"arn:aws:iam::aws:policy/{name}" for kind, name in _EVENTS.items() if kind in kinds] if known else None


def _called_by_apis(logical_id: str, events: dict[str, Any]) -> dict[str, Any]:
    """Return the permission by which APIs call a function; of which API is left open."""
    if not any(one.get("Type") in {"Api", "HttpApi"} for one in events.values()):
        return {}
    permission = {
        "FunctionName": {"Ref": logical_id},
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
    }
    return {f"{logical_id}ApiPermission": {"Type": "AWS::Lambda::Permission", "Properties": permission}}


def _is_public(url: Any) -> bool:
    """Whether a function has an address that takes more than signed requests."""
    return bool(url) and not (isinstance(url, dict) and url.get("AuthType") == "AWS_IAM")


# Resource types that deploy another template.
_ELSEWHERE = {
    "AWS::CloudFormation::StackSet": "a stack set",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "a product",
    "AWS::Serverless::Application": "an application",
    "AWS::ServerlessRepo::Application": "an application",
}


def notice_macros(scope: Scope, deployment: Deployment) -> None:
    """Add to the problems of a deployment whatever changes a template when it deploys."""
    for transform in _named(scope.template.get("Transform")):
        deployment.problems += [f"{scope.name}: {problem}" for problem in _added_by(transform, scope)]
    for section, content in scope.template.items():
        if section != "Resources" and '"Fn::Transform"' in json.dumps(content, default=str):
            deployment.problems.append(f"{scope.name}: what {section} holds when it deploys is not in the template")
    for logical_id, resource in scope.resources.items():
        kind, where = str(resource.get("Type", "")), f"{scope.name}.{logical_id}"
        if kind.endswith("::MODULE") or '"Fn::Transform"' in json.dumps(resource, default=str):
            deployment.problems.append(f"{where}: what it adds when it deploys is not in the template")
        if kind == "AWS::CloudFormation::Stack" and logical_id not in scope.children:
            deployment.problems.append(f"{where}: the template of this nested stack was not found")
        if kind in _ELSEWHERE:
            deployment.problems.append(f"{where}: what {_ELSEWHERE[kind]} deploys is not in the template")
    for logical_id in scope.template["Resources"]:
        if logical_id not in scope.resources or str(logical_id).startswith("Fn::"):
            deployment.problems.append(f"{scope.name}: `{logical_id}` in Resources is not understood")


def _added_by(transform: Any, scope: Scope) -> Iterator[str]:
    """
    Yield what a transform may add that is not in the template.

    Source:
        CloudFormation guide, transform-aws-languageextensions: it adds functions; `Fn::ForEach` makes resources.
    """
    if transform == EXTENSIONS:
        for loop in loops_left(scope.template):
            yield f"what {loop} makes is not known; --parameter says what a parameter it goes over holds"
    elif transform == SAM:
        yield from left_of_sam(scope)
    else:
        yield f"the transform {transform} may add roles and policies"
