"""A random deployment with every name filled in: its principals, stores and policies, as the simulator takes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployments.design import Body, Deployment
from tests.support.simulator import ACCOUNT, Policies

REGION = "us-east-1"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
_KINDS = {"AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/", "AWS::IAM::User": f"arn:aws:iam::{ACCOUNT}:user/",
          "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/", "AWS::S3::Bucket": "arn:aws:s3:::",
          "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/",
          "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/"}  # fmt: skip
_NAMES = ("RoleName", "TableName", "BucketName", "UserName")
_NOTHING = object()


@dataclass(frozen=True)
class Principal:
    """
    Who makes requests.

    Attributes:
        name: Its logical id, or what it is called here.
        arn: Of the role or user, not of a session.
        caller: Of the session that calls.
        policies: Its identity policies.
        boundary: Its permissions boundary. Default: none.
        tags: Its own tags.
    """

    name: str
    arn: str
    caller: str
    policies: list[Body]
    boundary: Body | None = None
    tags: dict[str, str] = field(default_factory=dict)


def outsider(account: str) -> Principal:
    """Return somebody of another account, who may there do everything."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    caller = f"arn:aws:sts::{account}:assumed-role/outsider/one"
    return Principal(f"account {account}", f"arn:aws:iam::{account}:role/outsider", caller, [everything])


class World:
    """One way a deployment comes out: its names, and the value of its condition."""

    def __init__(self, deployment: Deployment, production: bool) -> None:
        self.deployment, self._production = deployment, production
        self._resources: Body = deployment.template["Resources"]
        self.principals = {name: self._principal(name) for name in self._of_kind("AWS::IAM::Role", "AWS::IAM::User")}
        self.trusts = {name: self._value(self._properties(name)["AssumeRolePolicyDocument"])
                       for name in self._of_kind("AWS::IAM::Role")}  # fmt: skip

    def arn(self, identifier: str) -> str:
        """Return the ARN of a resource."""
        return _KINDS[self._resources[identifier]["Type"]] + self._name(identifier)

    def stream(self, table: str) -> str:
        """Return the ARN of a table's stream."""
        return f"{self.arn(table)}/stream/2026-01-01T00:00:00.000"

    def stores(self) -> list[str]:
        """Return the tables and buckets."""
        return list(self._of_kind("AWS::DynamoDB::Table", "AWS::S3::Bucket"))

    def encryption_keys(self) -> list[str]:
        """Return the KMS keys."""
        return list(self._of_kind("AWS::KMS::Key"))

    def policy_on(self, identifier: str) -> Body | None:
        """Return the policy on a table, bucket, key or role; None when there is none."""
        properties = self._properties(identifier)
        found = properties.get("ResourcePolicy", {}).get("PolicyDocument") or properties.get("KeyPolicy")
        if f"{identifier}Policy" in self._resources:
            found = self._properties(f"{identifier}Policy")["PolicyDocument"]
        return None if found is None else self._value(found)

    def policies(self, who: Principal, on: Body | None) -> Policies:
        """Return what a principal's requests on something with a policy are checked against."""
        return Policies(who.policies, who.boundary, on)

    def services(self, role: str) -> set[str]:
        """Return the services that a role's trust names."""
        named = [one["Principal"] for one in self.trusts[role]["Statement"]]
        return {one["Service"] for one in named if isinstance(one, dict) and "Service" in one}

    def _of_kind(self, *kinds: str) -> Iterator[str]:
        return (name for name, body in self._resources.items() if body["Type"] in kinds)

    def _properties(self, identifier: str) -> Body:
        return self._resources[identifier]["Properties"]  # type: ignore[no-any-return]

    def _name(self, identifier: str) -> str:
        written = next(
            (self._properties(identifier).get(key) for key in _NAMES if key in self._properties(identifier)), None
        )
        bucket = self._resources[identifier]["Type"] == "AWS::S3::Bucket"
        return written or (f"stack-{identifier.lower()}-1a2b3c" if bucket else f"stack-{identifier}-1A2B3C")

    def _principal(self, identifier: str) -> Principal:
        properties, kind = self._properties(identifier), self._resources[identifier]["Type"]
        own = self.arn(identifier)
        caller = (
            own.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/one"
            if kind == "AWS::IAM::Role"
            else own
        )
        policies = [self._value(one["PolicyDocument"]) for one in properties.get("Policies", [])]
        boundary = properties.get("PermissionsBoundary")
        limit = None if boundary is None else self._value(self._properties(boundary["Ref"])["PolicyDocument"])
        tags = {one["Key"]: one["Value"] for one in properties.get("Tags", [])}
        return Principal(identifier, own, caller, [one for one in policies if one["Statement"]], limit, tags)

    def _value(self, value: Any) -> Any:
        """Return a part of the template with its intrinsics worked out."""
        if isinstance(value, list):
            return [one for item in value if (one := self._value(item)) is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return _NOTHING if argument == "AWS::NoValue" else self._ref(argument)
            if name == "Fn::GetAtt":
                return self.stream(argument[0]) if argument[1] == "StreamArn" else self.arn(argument[0])
            if name == "Fn::Join":
                return argument[0].join(self._value(argument[1]))
            if name == "Fn::Sub":
                return self._sub(argument)
            if name == "Fn::If":
                return self._value(argument[1] if self._production else argument[2])
        return {key: self._value(one) for key, one in value.items()}

    def _ref(self, name: str) -> str:
        return _PSEUDO[name] if name in _PSEUDO else self._name(name)

    def _sub(self, text: str) -> str:
        for name, value in _PSEUDO.items():
            text = text.replace(f"${{{name}}}", value)
        return text.replace("${!", "${")
