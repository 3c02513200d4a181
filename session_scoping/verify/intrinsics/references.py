"""Intrinsics that lead to a resource or a parameter."""

import re
from dataclasses import replace
from typing import Any

from session_scoping.verify.intrinsics.evaluating import handles, text_of
from session_scoping.verify.intrinsics.parameters import is_stored, kind_of
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, conditions_used, intrinsic
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text, lit

# What the value of Ref or GetAtt of an AWS resource looks like. Names and ARNs never hold `*`, `?` or `${`.
_NAME_KIND = {
    "AWS::DynamoDB::Table": ("TableName", "table"),
    "AWS::DynamoDB::GlobalTable": ("TableName", "table"),
    "AWS::S3::Bucket": ("BucketName", "bucket"),
    "AWS::IAM::Role": ("RoleName", "role"),
    "AWS::IAM::User": ("UserName", "role"),
    "AWS::IAM::Group": ("GroupName", "role"),
    "AWS::KMS::Key": ("", "key"),
    "AWS::KMS::ReplicaKey": ("", "key"),
    "AWS::Lambda::Function": ("FunctionName", "function"),
}
# The CDK's OpenIdConnectProvider is a custom resource of its own, with the same property and Ref.
_OIDC_PROVIDER = {"AWS::IAM::OIDCProvider", "Custom::AWSCDKOpenIdConnectProvider"}
_MEMORY = "AWS::BedrockAgentCore::Memory"
_PSEUDO_KIND = {"AWS::Region": "region", "AWS::AccountId": "account", "AWS::Partition": "partition"}


def _pseudo(name: str, scope: Scope) -> Text:
    return (Token(f"{name}{scope.env}", _PSEUDO_KIND[name]),)


def partition_of(scope: Scope) -> Token:
    """Return the partition a stack deploys to."""
    return Token(f"AWS::Partition{scope.env}", "partition")


@handles("Ref")
def _ref(name: Any, scope: Scope) -> Text | Unmodelled:
    if not isinstance(name, str):
        return Unmodelled(f"{scope.name}: a malformed Ref")
    if name in _PSEUDO_KIND:
        return _pseudo(name, scope)
    if name == "AWS::URLSuffix":
        return (Token(f"{name}{scope.env}", "plain"),)
    if name in {"AWS::StackName", "AWS::StackId"}:
        return (Token(f"{scope.name}.{name}", "stack" if name == "AWS::StackName" else "plain"),)
    if name in scope.resources:
        is_memory = scope.resources[name].get("Type") == _MEMORY
        return arn_of(name, scope) if is_memory else name_of(name, scope)
    if name in scope.arguments:
        value, outer = scope.arguments[name]
        return _stored(name, scope) or text_of(value, outer or scope)
    if name in scope.section("Parameters"):
        return _parameter(name, scope)
    return Unmodelled(f"{scope.name}: Ref {name} points at nothing in the template")


def _parameter(name: str, scope: Scope) -> Text | Unmodelled:
    declared = scope.section("Parameters")[name]
    allowed = declared.get("AllowedValues") if isinstance(declared, dict) else None
    if stored := _stored(name, scope):
        return stored
    if isinstance(allowed, list) and len(allowed) == 1 and isinstance(allowed[0], str):
        return lit(allowed[0])
    # A parameter may hold `*` at deploy time, whatever its default says, unless a resource is named by it.
    why = f"--parameter {name}=VALUE says what it holds"
    return (Token(f"{scope.name}.{name}", "part" if name in _naming(scope) else kind_of(declared), why),)


def _naming(scope: Scope) -> frozenset[str]:
    """Return the parameters that stand in the name of a resource, which no wildcard can."""
    if scope.naming is None:
        names: set[str] = set()
        for logical_id, resource in scope.resources.items():
            attribute = _NAME_KIND.get(str(resource.get("Type", "")), ("", ""))[0]
            if attribute and "Condition" not in resource:
                names |= _referred_to(scope.properties(logical_id).get(attribute))
        scope.naming = frozenset(names)
    return scope.naming


def _referred_to(value: Any) -> set[str]:
    """Return what a name surely contains: not what is chosen from several, looked up, or only handed to Fn::Sub."""
    name, argument = intrinsic(value) or ("", None)
    if name == "Ref" and isinstance(argument, str):
        return {argument}
    if name == "Fn::Sub":
        text, given = (*argument, {})[:2] if isinstance(argument, list) and argument else (argument, {})
        used = set(re.findall(r"\$\{(\w+)\}", text)) if isinstance(text, str) else set()
        values = given if isinstance(given, dict) else {}
        return (used - set(values)).union(*(_referred_to(item) for key, item in values.items() if key in used))
    if name == "Fn::Join" and isinstance(argument, list) and isinstance(argument[-1], list):
        return set().union(*map(_referred_to, argument[-1]))
    return set()


def _stored(name: str, scope: Scope) -> Text | None:
    """Return what a parameter holds whose value is looked up in the parameter store by what is given for it."""
    declared = scope.section("Parameters").get(name)
    if not is_stored(declared):
        return None
    kind = "part" if name in _naming(scope) else kind_of(declared)
    return (Token(f"{scope.name}.{name}", kind, f"{name} is looked up in the parameter store when it deploys"),)


def name_of(logical_id: str, scope: Scope) -> Text | Unmodelled:
    """Return the Ref of a resource: its given name when the template gives one, else a token."""
    kind = str(scope.resources[logical_id].get("Type", ""))
    if kind in _OIDC_PROVIDER:
        return _provider(logical_id, scope)
    if not kind.startswith("AWS::") or kind == "AWS::CloudFormation::CustomResource":
        return (Token(f"{scope.name}.{logical_id}", "free"),)
    if kind == "AWS::IAM::ManagedPolicy":
        return (Token(f"{scope.name}.{logical_id}", "policy"),)
    if kind == "AWS::SecretsManager::Secret" and isinstance(secret := _secret(logical_id, scope), tuple):
        return secret
    if kind == _MEMORY:
        return (Token(f"{scope.name}.{logical_id}.MemoryId", "plain"),)
    attribute, shape = _NAME_KIND.get(kind, ("Name", "plain") if kind == "AWS::SSM::Parameter" else ("", "plain"))
    given = scope.properties(logical_id).get(attribute) if attribute else None
    if conditions_used(given):
        # One of several names: not known which, and not one that CloudFormation makes up.
        return (Token(f"{scope.name}.{logical_id}.{attribute}", "chosen"),)
    if given is not None and choose(given, scope) is not NO_VALUE:
        text = text_of(choose(given, scope), scope)
        return _without_wildcards(text) if kind == "AWS::SSM::Parameter" else text
    return (Token(f"{scope.name}.{logical_id}", shape),)


def _secret(logical_id: str, scope: Scope) -> Text | Unmodelled | None:
    """
    Return the ARN of a secret, which is its Ref, where the template names it.

    Source: Secrets Manager guide, whats-in-a-secret: behind the name stand a hyphen and six random characters.
    """
    given = scope.properties(logical_id).get("Name")
    if given is None or conditions_used(given) or choose(given, scope) is NO_VALUE:
        return None
    name = _without_wildcards(text_of(choose(given, scope), scope))
    if isinstance(name, Unmodelled):
        return name
    partition, region, account = (_pseudo(f"AWS::{part}", scope) for part in ("Partition", "Region", "AccountId"))
    end = (Token(f"{scope.name}.{logical_id} random", "word"),)
    place = join_text(lit("arn:"), partition, lit(":secretsmanager:"), region, lit(":"), account, lit(":secret:"))
    return join_text(place, name, lit("-"), end)


def _without_wildcards(name: Text | Unmodelled) -> Text | Unmodelled:
    """Return the name of a secret or parameter: whatever a part of it holds at deploy time, it is no wildcard."""
    if isinstance(name, Unmodelled):
        return name
    return tuple(
        replace(part, kind="plain") if isinstance(part, Token) and part.kind == "free" else part for part in name
    )


def arn_of(logical_id: str, scope: Scope) -> Text | Unmodelled:
    """Return the ARN of a resource, spelled out for the kinds whose ARN is made of its name."""
    kind = str(scope.resources[logical_id].get("Type", ""))
    name = name_of(logical_id, scope)
    if isinstance(name, Unmodelled):
        return name
    partition, region, account = (_pseudo(f"AWS::{part}", scope) for part in ("Partition", "Region", "AccountId"))
    if kind in {"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"}:
        service, owner, path = "dynamodb", join_text(region, lit(":"), account), "table/"
    elif kind == "AWS::S3::Bucket":
        service, owner, path = "s3", lit(":"), ""
    elif kind in {"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"}:
        given = scope.properties(logical_id).get("Path", "/")
        if not isinstance(given, str):
            name = join_text((Token(f"{scope.name}.{logical_id}.Path", "plain"),), lit("/"), name)
            given = "/"
        service, owner, path = "iam", join_text(lit(":"), account), f"{kind.rpartition(':')[2].lower()}{given}"
    elif kind in {"AWS::KMS::Key", "AWS::KMS::ReplicaKey"}:
        service, owner, path = "kms", join_text(region, lit(":"), account), "key/"
    elif kind == "AWS::Lambda::Function":
        service, owner, path = "lambda", join_text(region, lit(":"), account), "function:"
    elif kind == _MEMORY:
        service, owner, path = "bedrock-agentcore", join_text(region, lit(":"), account), "memory/"
    elif kind in _OIDC_PROVIDER:
        return name
    else:
        return (Token(f"{scope.name}.{logical_id}.Arn", "plain"),)
    return join_text(lit("arn:"), partition, lit(f":{service}:"), owner, lit(f":{path}"), name)


def _provider(logical_id: str, scope: Scope) -> Text | Unmodelled:
    """Return the ARN of an OIDC provider, which is its Ref: it ends in the issuer, without `https://`."""
    url = text_of(scope.properties(logical_id).get("Url", ""), scope)
    if isinstance(url, Unmodelled) or not url or not isinstance(url[0], str):
        return (Token(f"{scope.name}.{logical_id}", "plain"),)
    partition, account = _pseudo("AWS::Partition", scope), _pseudo("AWS::AccountId", scope)
    issuer = (url[0].removeprefix("https://"), *url[1:])
    return join_text(lit("arn:"), partition, lit(":iam::"), account, lit(":oidc-provider/"), issuer)


@handles("Fn::GetAtt")
def _get_att(argument: Any, scope: Scope) -> Text | Unmodelled:
    pair = argument.split(".", 1) if isinstance(argument, str) else argument
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(item, str) for item in pair)):
        return Unmodelled(f"{scope.name}: a malformed Fn::GetAtt")
    logical_id, attribute = pair
    if logical_id not in scope.resources:
        return Unmodelled(f"{scope.name}: Fn::GetAtt {logical_id} points at nothing in the template")
    if logical_id in scope.children and attribute.startswith("Outputs."):
        child = scope.children[logical_id]
        output = child.section("Outputs").get(attribute.removeprefix("Outputs."))
        if isinstance(output, dict) and "Value" in output:
            return text_of(output["Value"], child)
        return Unmodelled(f"{scope.name}: {logical_id} has no output {attribute}")
    kind = str(scope.resources[logical_id].get("Type", ""))
    if not kind.startswith("AWS::") or kind in {"AWS::CloudFormation::CustomResource", "AWS::CloudFormation::Stack"}:
        return (Token(f"{scope.name}.{logical_id}.{attribute}", "free"),)
    if kind == "AWS::IAM::ManagedPolicy" and attribute == "PolicyArn":
        return name_of(logical_id, scope)
    if attribute == "Arn" or (kind == _MEMORY and attribute == "MemoryArn"):
        return arn_of(logical_id, scope)
    if attribute == "StreamArn":
        base = arn_of(logical_id, scope)
        label = (Token(f"{scope.name}.{logical_id}.StreamLabel", "plain"),)
        return base if isinstance(base, Unmodelled) else join_text(base, lit("/stream/"), label)
    if kind == "AWS::SSM::Parameter" and attribute == "Value":
        return text_of(scope.properties(logical_id).get("Value", ""), scope)
    # Names and ids that services make up hold no wildcard; what an attribute repeats of somebody's input may.
    made_up = attribute.endswith(_MADE_UP) and not attribute.startswith("Outputs.")
    shape = "plain" if made_up else "free"
    return (Token(f"{scope.name}.{logical_id}.{attribute}", shape),)


_MADE_UP = ("Address", "Arn", "Arns", "Endpoint", "Id", "Name", "Port", "URL", "Uri", "Url")
