"""Makes what a template deploys and an agent touches, in a moto server, under the names the policies speak of."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from session_scoping.verify.intrinsics import name_of
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.text import Text
from session_scoping.verify.policies.binding import Binding

_Made = Mapping[str, str]
"""What only the service can know of a resource: `.Attribute`, or nothing for its Ref -> value."""
_Maker = Callable[[Any, dict[str, Any], str], _Made]


class Deployment:
    """
    The tables, buckets, log groups, secrets and keys of some templates, and the names of their functions.

    Args:
        scopes: The templates.
        binding: Names the resources; learns the ARNs that only the service can give.
    """

    def __init__(self, scopes: Iterable[Scope], binding: Binding) -> None:
        self._scopes = list(scopes)
        self._binding = binding

    def named(self) -> Iterator[tuple[str, str, Text]]:
        """Yield stack and logical id, construct path, and the Ref, of everything that can be deployed."""
        for scope in self._scopes:
            for logical_id, resource in scope.resources.items():
                name = name_of(logical_id, scope) if resource.get("Type") in _MAKERS else None
                if isinstance(name, tuple):
                    yield f"{scope.name}.{logical_id}", scope.label(logical_id), name

    def make(self, session: Any) -> None:
        """Make everything, as the owner of the account. `session` is a boto3 Session."""
        for scope in self._scopes:
            for logical_id, resource in scope.resources.items():
                maker, name = _MAKERS.get(str(resource.get("Type"))), name_of(logical_id, scope)
                if maker and isinstance(name, tuple):
                    made = maker(session, scope.properties(logical_id), self._binding.text(name))
                    for attribute, value in made.items():
                        self._binding.given[f"{scope.name}.{logical_id}{attribute}"] = value


def _table(session: Any, properties: dict[str, Any], name: str) -> _Made:
    indexes = [
        {part: index[part] for part in ("IndexName", "KeySchema", "Projection")}
        for index in properties.get("GlobalSecondaryIndexes", [])
    ]
    schemas = [properties["KeySchema"], *(index["KeySchema"] for index in indexes)]
    keys = {entry["AttributeName"] for schema in schemas for entry in schema}
    session.client("dynamodb").create_table(
        TableName=name,
        KeySchema=properties["KeySchema"],
        AttributeDefinitions=[a for a in properties["AttributeDefinitions"] if a["AttributeName"] in keys],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    return {}


def _bucket(session: Any, properties: dict[str, Any], name: str) -> _Made:
    where = session.region_name
    place = {} if where == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": where}}
    client = session.client("s3")
    client.create_bucket(Bucket=name, **place)
    if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return {}


def _log_group(session: Any, _: dict[str, Any], name: str) -> _Made:
    client = session.client("logs")
    client.create_log_group(logGroupName=name)
    return {".Arn": client.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["arn"]}


def _secret(session: Any, _: dict[str, Any], name: str) -> _Made:
    # Its Ref is its ARN, which ends in characters that only the service knows.
    return {"": session.client("secretsmanager").create_secret(Name=name, SecretString="secret")["ARN"]}


def _key(session: Any, properties: dict[str, Any], _: str) -> _Made:
    # Only the service knows its id, which is in its ARN.
    shape = {name: properties[name] for name in ("KeySpec", "KeyUsage") if name in properties}
    made = session.client("kms").create_key(**shape)["KeyMetadata"]
    return {"": made["KeyId"], ".Arn": made["Arn"]}


def _function(*_: object) -> _Made:
    """Make nothing: who runs its code is the test's affair."""
    return {}


_MAKERS: dict[str, _Maker] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::SecretsManager::Secret": _secret,
}
