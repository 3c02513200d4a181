"""Gathers tables, buckets and keys, with the policies on them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from session_scoping.verify.intrinsics import arn_of, items_of, name_of, partition_of, text_of
from session_scoping.verify.model import Estate, Statement, Store
from session_scoping.verify.naming import in_this_partition, may_be_named
from session_scoping.verify.scope import Scope
from session_scoping.verify.statements import if_it_exists, parse_policy, tied, variants
from session_scoping.verify.text import Text, Token, Unmodelled, lit, show

STORES = {
    "AWS::DynamoDB::Table": "table",
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::KMS::Key": "key",
    "AWS::KMS::ReplicaKey": "key",
}
"""Resource types that are stores -> their kind."""


def add_store(logical_id: str, kind: str, scope: Scope, estate: Estate) -> None:
    """Add a table, bucket or key, with the policies that are part of it."""
    where = f"{scope.name}.{logical_id}"
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        estate.problems.append(f"{where}: the name of this {kind} is not understood")
        return
    properties = scope.properties(logical_id)
    store = Store(kind, where, scope.label(logical_id), arn, name, _partition_key(properties), env=scope.env)
    if kind == "bucket" and properties.get("AccessControl", "Private") not in _OWN_ACLS:
        store = store.with_policy((), f"{where}: its access control list lets others in, which is not modelled")
    documents = [properties.get("ResourcePolicy"), *_replica_policies(properties, scope)]
    for document in documents:
        if isinstance(document, dict) and "PolicyDocument" in document:
            store = store.with_policy(parse_policy(document["PolicyDocument"], scope, f"{where} resource policy"))
        elif document is not None:
            store = store.with_policy((), f"{where}: its resource policy is not understood")
    for stream in _streams(properties, scope):
        document = stream.get("ResourcePolicy", {}).get("PolicyDocument")
        found = parse_policy(document, scope, f"{where} stream policy")
        # What it denies, it denies on the stream only.
        store = store.with_policy(tuple(statement for statement in found if statement.allow))
    if kind == "key" and "KeyPolicy" in properties:
        store = store.with_policy(parse_policy(properties["KeyPolicy"], scope, f"{where} key policy"))
    for value in _copies(properties):
        text = text_of(value, scope)
        if isinstance(text, Unmodelled):
            store = store.with_policy((), f"{where}: it copies what it holds to a place that is not understood")
        else:
            store = replace(store, copies=(*store.copies, in_this_partition(text, partition_of(scope))))
    estate.stores[where] = store


def _copies(properties: dict[str, Any]) -> Iterator[Any]:
    """Yield where a bucket's replication and a table's change stream take what they hold."""
    yield from _values_of("Bucket", properties.get("ReplicationConfiguration"))
    yield from _values_of("StreamArn", properties)


def _values_of(name: str, value: Any) -> Iterator[Any]:
    """Yield what stands under a name anywhere in a part of a template."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if key == name:
            yield item
        else:
            yield from _values_of(name, item)
    for item in value if isinstance(value, list) else ():
        yield from _values_of(name, item)


def _partition_key(properties: dict[str, Any]) -> str | None:
    schema = properties.get("KeySchema")
    for entry in schema if isinstance(schema, list) else ():
        if isinstance(entry, dict) and entry.get("KeyType") == "HASH" and isinstance(entry.get("AttributeName"), str):
            return str(entry["AttributeName"])
    return None


def _replica_policies(properties: dict[str, Any], scope: Scope) -> list[Any]:
    replicas = items_of(properties.get("Replicas", []), scope)
    if isinstance(replicas, Unmodelled):
        return [replicas.reason]
    return [replica.get("ResourcePolicy") for replica in replicas if isinstance(replica, dict)]


# Source: S3 guide, acl-overview, "Canned ACL": the others grant something to everybody or to every account.
_OWN_ACLS = ("Private", "LogDeliveryWrite", "BucketOwnerRead", "BucketOwnerFullControl", "AwsExecRead")


def _streams(properties: dict[str, Any], scope: Scope) -> list[dict[str, Any]]:
    """Return the stream specifications of a table and its replicas that carry a policy."""
    replicas = items_of(properties.get("Replicas", []), scope)
    found = [properties.get("StreamSpecification")]
    found += [] if isinstance(replicas, Unmodelled) else [
        replica.get("ReplicaStreamSpecification") for replica in replicas if isinstance(replica, dict)
    ]  # fmt: skip
    return [stream for stream in found if isinstance(stream, dict) and isinstance(stream.get("ResourcePolicy"), dict)]


def _add_bucket_policy(logical_id: str, scope: Scope, estate: Estate) -> None:
    where = f"{scope.name}.{logical_id}"
    properties = scope.properties(logical_id)
    statements = if_it_exists(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
    for chosen, given in variants(properties.get("Bucket", ""), scope):
        name = text_of(properties.get("Bucket", ""), chosen)
        _to_store("bucket", name, tied(statements, given), where, estate, scope.env)


def _to_store(
    kind: str, name: Text | Unmodelled, statements: tuple[Statement, ...], where: str, estate: Estate, env: str
) -> None:
    found = [store for store in estate.of_kind(kind) if store.name == name]
    grants = tuple(statement for statement in statements if statement.allow)
    for store in estate.of_kind(kind):
        if store in found:
            estate.stores[store.id] = store.with_policy(statements)
        elif isinstance(name, tuple) and may_be_named(name, store.name, store.id):
            # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
            estate.stores[store.id] = store.with_policy(grants)
    if found or (isinstance(name, tuple) and not grants):
        return
    # The bucket is not in these templates; keep what is said about it, under its own name.
    if isinstance(name, tuple) and all(isinstance(part, str) or part.kind != "free" for part in name):
        partition = (Token("AWS::Partition", "partition"),)
        arn = (*lit("arn:"), *partition, *lit(":s3:::"), *name)
        estate.stores[where] = Store(kind, where, show(name), arn, name, policy=statements, env=env)
    else:
        estate.problems.append(f"{where}: it may belong to any {kind}")


def _add_access_point(logical_id: str, scope: Scope, estate: Estate) -> None:
    where = f"{scope.name}.{logical_id}"
    for value in _values_of("Bucket", scope.properties(logical_id)):
        name = text_of(value, scope)
        for store in estate.of_kind("bucket"):
            if isinstance(name, Unmodelled) or store.name == name or may_be_named(name, store.name, store.id):
                problem = f"{where}: policies of access points are not modelled"
                estate.stores[store.id] = store.with_policy((), problem)


ON_STORES: dict[str, Callable[[str, Scope, Estate], None]] = {
    "AWS::S3::AccessPoint": _add_access_point,
    "AWS::S3::BucketPolicy": _add_bucket_policy,
    "AWS::S3::MultiRegionAccessPoint": _add_access_point,
}
"""Resource types that say something about a store of their own -> what reads them."""
