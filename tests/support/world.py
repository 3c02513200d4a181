"""
A synthesized template as if it were deployed: names filled in, every role with what decides its requests.

Nothing here is shared with the verifier, so that a mistake in how it reads templates cannot hide behind itself.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.support.verify.mutations import POLICY_TYPES, Body, Template, listed

ACCOUNT = "111122223333"
REGION = "us-east-1"
PARTITION = "aws"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": PARTITION, "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "Stack",
}  # fmt: skip
_HERE = f"{REGION}:{ACCOUNT}"
_AGENTCORE = f"arn:aws:bedrock-agentcore:{_HERE}"
_DIRECTORY = f"{_AGENTCORE}:workload-identity-directory/default"
_VAULT = f"{_AGENTCORE}:token-vault/default"
_ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_HERE}:table/{{}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{{}}",
    "AWS::IAM::OIDCProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{{}}",
    "AWS::ECR::Repository": f"arn:aws:ecr:{_HERE}:repository/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{_HERE}:log-group:{{}}:*",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{_HERE}:secret:{{}}-AbCdEf",
    "AWS::BedrockAgentCore::Memory": f"{_AGENTCORE}:memory/{{}}",
    "AWS::BedrockAgentCore::WorkloadIdentity": f"{_DIRECTORY}/workload-identity/{{}}",
    "AWS::BedrockAgentCore::OAuth2CredentialProvider": f"{_VAULT}/oauth2credentialprovider/{{}}",
    "AWS::BedrockAgentCore::ApiKeyCredentialProvider": f"{_VAULT}/apikeycredentialprovider/{{}}",
    "AWS::BedrockAgentCore::Runtime": f"{_AGENTCORE}:runtime/{{}}-AbCdEfGhIj",
    "AWS::KMS::Key": f"arn:aws:kms:{_HERE}:key/{{}}",
    "AWS::CloudFront::Distribution": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{_HERE}:function:{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:{{}}",
}
_NAMES = {"AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
_REF_IS_ARN = ("AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider", "AWS::SecretsManager::Secret")
# Enough of these managed policies for the requests the tests ask about. Source: AWS managed policy reference.
_ALL: Body = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_POWER: Body = {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}
_LOGS: Body = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream"], "Resource": "*"}
_MANAGED = {"AdministratorAccess": _ALL, "PowerUserAccess": _POWER, "AWSLambdaBasicExecutionRole": _LOGS}


@dataclass(frozen=True)
class DeployedRole:
    """A role with everything that decides its requests."""

    arn: str
    trust: Body
    policies: list[Body]
    boundary: Body | None

    def session(self, name: str = "session") -> str:
        """Return the ARN a session of this role calls as."""
        return f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{self.arn.rsplit('/', 1)[1]}/{name}"


@dataclass(frozen=True)
class Store:
    """A table, bucket or key with its resource policy."""

    kind: str
    arn: str
    policy: Body | None


class World:
    """
    One template with its intrinsic functions filled in.

    Args:
        template: The template.
        choices: Values of parameters and of imports from stacks that are not here. Default: none is needed.
    """

    def __init__(self, template: Template, choices: Mapping[str, str] | None = None) -> None:
        self._resources: dict[str, Body] = template["Resources"]
        self._choices = choices or {}
        self._roles: dict[str, DeployedRole] = {}

    def ids(self, *types: str) -> list[str]:
        """Return the logical ids of all resources of these types."""
        return [key for key, resource in self._resources.items() if resource["Type"] in types]

    def logical_id(self, prefix: str, kind: str) -> str:
        """Return the one logical id of this type that is the prefix and a hash."""
        lengths = (len(prefix), len(prefix) + 8)
        found = [key for key in self.ids(kind) if key.startswith(prefix) and len(key) in lengths]
        assert len(found) == 1, f"{prefix}: {found}"
        return found[0]

    def arn(self, prefix: str, kind: str) -> str:
        """Return the ARN of the one resource with this id prefix."""
        return self.arn_of(self.logical_id(prefix, kind))

    def arns(self, kind: str) -> list[str]:
        """Return the ARNs of all resources of one type."""
        return [self.arn_of(key) for key in self.ids(kind)]

    def role(self, prefix: str) -> DeployedRole:
        """Return the one role with this id prefix."""
        return self.role_of(self.logical_id(prefix, "AWS::IAM::Role"))

    def role_of(self, logical_id: str) -> DeployedRole:
        """Return a role by its logical id."""
        if logical_id not in self._roles:
            properties = self._resources[logical_id]["Properties"]
            boundary = properties.get("PermissionsBoundary")
            self._roles[logical_id] = DeployedRole(
                self.arn_of(logical_id),
                self.fill(properties["AssumeRolePolicyDocument"]),
                [*self._policies(logical_id, properties)],
                None if boundary is None else self._managed(self.fill(boundary)),
            )
        return self._roles[logical_id]

    def _policies(self, role: str, properties: Body) -> Iterator[Body]:
        """Yield every identity policy of a role: inline, managed, then attached in the order of the template."""
        for policy in properties.get("Policies", []):
            yield self.fill(policy["PolicyDocument"])
        for arn in self.fill(properties.get("ManagedPolicyArns", [])):
            yield self._managed(arn)
        for key in self.ids(*POLICY_TYPES):
            body = self._resources[key]["Properties"]
            if self.name(role) in self.fill(body.get("Roles", [])):
                yield self.fill(body["PolicyDocument"])

    def _managed(self, arn: str) -> Body:
        for key in self.ids("AWS::IAM::ManagedPolicy"):
            if self.arn_of(key) == arn:
                document: Body = self.fill(self._resources[key]["Properties"]["PolicyDocument"])
                return document
        return {"Version": "2012-10-17", "Statement": [_MANAGED[arn.rpartition("/")[2]]]}

    def fill(self, value: Any) -> Any:
        """Return the value as CloudFormation would resolve it, with every template condition true."""
        if isinstance(value, list):
            return [self.fill(part) for part in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": str(name)}:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::GetAtt": str(dotted)}:
                return self._attribute(*dotted.split(".", 1))
            case {"Fn::Join": [str(delimiter), parts]}:
                return delimiter.join(self.fill(parts))
            case {"Fn::Sub": str(text)}:
                return self._substitute(text, {})
            case {"Fn::Sub": [str(text), dict(names)]}:
                return self._substitute(text, names)
            case {"Fn::If": [_, chosen, _]}:
                return self.fill(chosen)
            case {"Fn::ImportValue": str(name)}:
                return self._choices[name]
        assert not any(key.startswith("Fn::") for key in value), f"not filled: {value}"
        return {key: self.fill(part) for key, part in value.items()}

    def _reference(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._choices:
            choice = self._choices[name]
            return self.name(choice) if choice in self._resources else choice
        return self.arn_of(name) if self._resources[name]["Type"] in _REF_IS_ARN else self.name(name)

    def _attribute(self, name: str, attribute: str) -> str:
        return self.arn_of(name) if attribute.endswith("Arn") else name

    def _substitute(self, text: str, names: Mapping[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                return str(self.fill(names[name]))
            return self._attribute(*name.split(".", 1)) if "." in name else self._reference(name)

        return re.sub(r"\$\{([^}]*)\}", value, text)

    def name(self, logical_id: str) -> str:
        """Return a resource's physical name."""
        resource = self._resources[logical_id]
        given = resource.get("Properties", {}).get(_NAMES.get(resource["Type"], ""))
        is_bucket = resource["Type"] == "AWS::S3::Bucket"
        return str(given) if isinstance(given, str) else logical_id.lower() if is_bucket else logical_id

    def arn_of(self, logical_id: str) -> str:
        """Return a resource's ARN by its logical id."""
        resource = self._resources[logical_id]
        if resource["Type"] == "AWS::IAM::OIDCProvider":
            return _ARNS[resource["Type"]].format(resource["Properties"]["Url"].removeprefix("https://"))
        return _ARNS[resource["Type"]].format(self.name(logical_id))

    @cached_property
    def stores(self) -> list[Store]:
        """Every table, bucket and key of the template, and those of other deployments that its policies name."""
        found = [Store("table", self.arn_of(key), self._table_policy(key)) for key in self.ids("AWS::DynamoDB::Table")]
        found += [
            Store("bucket", self.arn_of(key), self._bucket_policy(self.name(key)))
            for key in self.ids("AWS::S3::Bucket")
        ]
        found += [Store("key", self.arn_of(key), self._key_policy(key)) for key in self.ids("AWS::KMS::Key")]
        text = json.dumps([self.role_of(role).policies for role in self.ids("AWS::IAM::Role")])
        for arn in dict.fromkeys(re.findall(rf"arn:aws:dynamodb:{_HERE}:table/[\w.-]+", text)):
            if arn not in {store.arn for store in found}:
                found.append(Store("table", arn, None))
        for arn in dict.fromkeys(re.findall(r"arn:aws:s3:::[a-z0-9][a-z0-9.-]+", text)):
            if arn not in {store.arn for store in found}:
                found.append(Store("bucket", arn, self._bucket_policy(arn.rpartition(":")[2])))
        return found

    def _table_policy(self, key: str) -> Body | None:
        policy = self._resources[key]["Properties"].get("ResourcePolicy")
        return None if policy is None else self.fill(policy["PolicyDocument"])

    def _key_policy(self, key: str) -> Body | None:
        policy: Body | None = self.fill(self._resources[key]["Properties"].get("KeyPolicy"))
        return policy

    def _bucket_policy(self, bucket: str) -> Body | None:
        statements: list[Body] = []
        for key in self.ids("AWS::S3::BucketPolicy"):
            properties = self.fill(self._resources[key]["Properties"])
            if properties["Bucket"] == bucket:
                statements += listed(properties["PolicyDocument"]["Statement"])
        return {"Version": "2012-10-17", "Statement": statements} if statements else None


def without_guards(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies with every Deny taken out: what the Allows say on their own."""
    return [
        {**policy, "Statement": kept}
        for policy in policies
        if (kept := [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"])
    ]


def with_broad_allow(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies as they are after a colleague's careless grant."""
    actions = ["dynamodb:*", "s3:*", "s3-object-lambda:*", "sts:*", "kms:*"]
    careless = {"Sid": "Careless", "Effect": "Allow", "Action": actions, "Resource": "*"}
    return [*policies, {"Version": "2012-10-17", "Statement": [careless]}]


def statements(template: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (logical id, document property, statement) for every policy and trust statement of a template."""
    for logical_id, resource in template["Resources"].items():
        for name in ("PolicyDocument", "AssumeRolePolicyDocument"):
            if resource["Type"].startswith("AWS::IAM::") and name in resource["Properties"]:
                for statement in resource["Properties"][name]["Statement"]:
                    yield logical_id, name, statement


def clone(template: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that can be changed."""
    return copy.deepcopy(template)
