"""A synthesized template as if it were deployed: names filled in, every role with its policies."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ACCOUNT = "111122223333"
REGION = "us-east-1"
PARTITION = "aws"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": PARTITION,
    "AWS::URLSuffix": "amazonaws.com",
}
_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:111122223333:table/{}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/{}",
    "AWS::ECR::Repository": "arn:aws:ecr:us-east-1:111122223333:repository/{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:111122223333:log-group:{}:*",
    "AWS::BedrockAgentCore::Memory": "arn:aws:bedrock-agentcore:us-east-1:111122223333:memory/{}",
    "AWS::BedrockAgentCore::WorkloadIdentity": (
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:workload-identity-directory/default/workload-identity/{}"
    ),
    "AWS::BedrockAgentCore::OAuth2CredentialProvider": (
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:token-vault/default/oauth2credentialprovider/{}"
    ),
    "AWS::BedrockAgentCore::ApiKeyCredentialProvider": (
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:token-vault/default/apikeycredentialprovider/{}"
    ),
    "AWS::BedrockAgentCore::Runtime": "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/{}-AbCdEfGhIj",
    "AWS::KMS::Key": "arn:aws:kms:us-east-1:111122223333:key/{}",
    "AWS::CloudFront::Distribution": "arn:aws:cloudfront::111122223333:distribution/{}",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:111122223333:function:{}",
}
_SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:{}-AbCdEf"


@dataclass(frozen=True)
class DeployedRole:
    """A role with everything that decides its requests."""

    arn: str
    trust: dict[str, Any]
    policies: list[dict[str, Any]]

    def session(self, name: str = "session") -> str:
        """Return the ARN a session of this role calls as."""
        return f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{self.arn.rsplit('/', 1)[1]}/{name}"


class World:
    """One stack's template with its intrinsic functions filled in."""

    def __init__(self, template: dict[str, Any]) -> None:
        self._resources: dict[str, dict[str, Any]] = template["Resources"]
        self._roles: dict[str, DeployedRole] = {}

    def logical_id(self, prefix: str, kind: str) -> str:
        """Return the one logical id of this type that is the prefix and a hash."""
        found = [
            key
            for key, resource in self._resources.items()
            if resource["Type"] == kind and key.startswith(prefix) and len(key) in (len(prefix), len(prefix) + 8)
        ]
        assert len(found) == 1, f"{prefix}: {found}"
        return found[0]

    def arn(self, prefix: str, kind: str) -> str:
        """Return the ARN of the one resource with this id prefix."""
        return str(self.fill({"Fn::GetAtt": [self.logical_id(prefix, kind), "Arn"]}))

    def arns(self, kind: str) -> list[str]:
        """Return the ARNs of all resources of one type."""
        found = [key for key, resource in self._resources.items() if resource["Type"] == kind]
        return [str(self.fill({"Fn::GetAtt": [key, "Arn"]})) for key in found]

    def role(self, prefix: str) -> DeployedRole:
        """Return the role and all policies attached to it, in the order of the template."""
        if prefix not in self._roles:
            self._roles[prefix] = self._read_role(prefix)
        return self._roles[prefix]

    def _read_role(self, prefix: str) -> DeployedRole:
        logical_id = self.logical_id(prefix, "AWS::IAM::Role")
        properties = self._resources[logical_id]["Properties"]
        policies = [
            self.fill(resource["Properties"]["PolicyDocument"])
            for resource in self._resources.values()
            if resource["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
            and {"Ref": logical_id} in resource["Properties"].get("Roles", [])
        ]
        assert not properties.get("ManagedPolicyArns"), "attach policies by their Roles"
        arn = str(self.fill({"Fn::GetAtt": [logical_id, "Arn"]}))
        return DeployedRole(arn, self.fill(properties["AssumeRolePolicyDocument"]), policies)

    def fill(self, value: Any) -> Any:
        """Return the value with Ref, Fn::GetAtt and Fn::Join replaced by what CloudFormation would put there."""
        if isinstance(value, list):
            return [self.fill(part) for part in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": str(name)} if name in _PSEUDO:
                return _PSEUDO[name]
            case {"Ref": str(name)} if self._resources[name]["Type"] == "AWS::IAM::OIDCProvider":
                host = self._resources[name]["Properties"]["Url"].removeprefix("https://")
                return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
            case {"Ref": str(name)}:
                is_secret = self._resources[name]["Type"] == "AWS::SecretsManager::Secret"
                return _SECRET.format(name) if is_secret else self._physical_name(name)
            case {"Fn::GetAtt": [str(name), str()]}:
                return _ARNS[self._resources[name]["Type"]].format(self._physical_name(name))
            case {"Fn::Join": [str(delimiter), parts]}:
                return delimiter.join(self.fill(parts))
        assert not any(key.startswith("Fn::") for key in value), f"not filled: {value}"
        return {key: self.fill(part) for key, part in value.items()}

    def _physical_name(self, logical_id: str) -> str:
        is_bucket = self._resources[logical_id]["Type"] == "AWS::S3::Bucket"
        return logical_id.lower() if is_bucket else logical_id


def without_guards(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies with every Deny taken out: what the Allows say on their own."""
    return [
        {**policy, "Statement": kept}
        for policy in policies
        if (kept := [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"])
    ]


def with_broad_allow(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies as they are after a colleague's careless grant."""
    actions = ["dynamodb:*", "s3:*", "sts:*", "kms:*"]
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
