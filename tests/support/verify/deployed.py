"""
A template as if it were deployed, read by the tests' own code.

Nothing here is shared with the verifier, so that a mistake in how it reads templates cannot hide behind itself.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.support.verify.mutations import POLICY_TYPES, Body, Template, listed

ACCOUNT, REGION = "111122223333", "us-east-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "Stack",
}  # fmt: skip
_HERE = f"{REGION}:{ACCOUNT}"
_ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_HERE}:table/{{}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{_HERE}:key/{{}}",
}
_NAMES = {"AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
# Enough of these managed policies for the requests the tests ask about. Source: AWS managed policy reference.
_ALL: Body = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_POWER: Body = {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}
_LOGS: Body = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream"], "Resource": "*"}
_MANAGED = {"AdministratorAccess": _ALL, "PowerUserAccess": _POWER, "AWSLambdaBasicExecutionRole": _LOGS}


@dataclass(frozen=True)
class Store:
    """A table, bucket or key with its resource policy."""

    kind: str
    arn: str
    policy: Body | None


class Deployed:
    """
    One template with its intrinsic functions filled in.

    Args:
        template: The template.
        choices: Values of parameters and of imports from stacks that are not here. Default: none is needed.
    """

    def __init__(self, template: Template, choices: Mapping[str, str] | None = None) -> None:
        self._resources: dict[str, Body] = template["Resources"]
        self._choices = choices or {}

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
        return {key: self.fill(part) for key, part in value.items()}

    def _reference(self, name: str) -> str:
        if name in _PSEUDO or name in self._choices:
            return _PSEUDO.get(name) or self._on_role(self._choices[name])
        if self._resources[name]["Type"] == "AWS::IAM::ManagedPolicy":
            return self._attribute(name, "Arn")
        return self.name(name)

    def _on_role(self, choice: str) -> str:
        return self.name(choice) if choice in self._resources else choice

    def _attribute(self, name: str, attribute: str) -> str:
        resource = self._resources[name]
        return _ARNS.get(resource["Type"], "arn:aws:zz:::{}").format(self.name(name)) if attribute == "Arn" else name

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

    def ids(self, *types: str) -> list[str]:
        """Return the logical ids of all resources of these types."""
        return [key for key, resource in self._resources.items() if resource["Type"] in types]

    def arn(self, logical_id: str) -> str:
        """Return a resource's ARN."""
        return self._attribute(logical_id, "Arn")

    def trust(self, role: str) -> Body:
        """Return a role's trust policy."""
        document: Body = self.fill(self._resources[role]["Properties"]["AssumeRolePolicyDocument"])
        return document

    def policies(self, role: str) -> list[Body]:
        """Return every identity policy of a role, in any order."""
        properties = self._resources[role]["Properties"]
        found = [self.fill(policy["PolicyDocument"]) for policy in properties.get("Policies", [])]
        for arn in self.fill(properties.get("ManagedPolicyArns", [])):
            found.append(self._managed(arn))
        for key in self.ids(*POLICY_TYPES):
            body = self._resources[key]["Properties"]
            if self.name(role) in self.fill(body.get("Roles", [])):
                found.append(self.fill(body["PolicyDocument"]))
        return found

    def boundary(self, role: str) -> Body | None:
        """Return a role's permissions boundary."""
        arn = self._resources[role]["Properties"].get("PermissionsBoundary")
        return None if arn is None else self._managed(self.fill(arn))

    def _managed(self, arn: str) -> Body:
        for key in self.ids("AWS::IAM::ManagedPolicy"):
            if self.arn(key) == arn:
                document: Body = self.fill(self._resources[key]["Properties"]["PolicyDocument"])
                return document
        return {"Version": "2012-10-17", "Statement": [_MANAGED[arn.rpartition("/")[2]]]}

    @cached_property
    def stores(self) -> list[Store]:
        """Every table, bucket and key of the template, and those of other deployments that its policies name."""
        found = [Store("table", self.arn(key), self._table_policy(key)) for key in self.ids("AWS::DynamoDB::Table")]
        found += [
            Store("bucket", self.arn(key), self._bucket_policy(self.name(key))) for key in self.ids("AWS::S3::Bucket")
        ]
        found += [Store("key", self.arn(key), self._key_policy(key)) for key in self.ids("AWS::KMS::Key")]
        text = json.dumps([self.policies(role) for role in self.ids("AWS::IAM::Role")])
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
