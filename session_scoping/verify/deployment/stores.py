"""Gathers tables, buckets and keys, with the policies on them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from session_scoping.contract.metadata import SHARED_DATA
from session_scoping.verify.deployment.copying import copied, copies_within, values_of
from session_scoping.verify.intrinsics import arn_of, items_of, name_of, text_of
from session_scoping.verify.intrinsics.mentions import mentions, references
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose, intrinsic
from session_scoping.verify.patterns.naming import is_bucket_by_condition, may_be_named
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, lit, plain, show
from session_scoping.verify.policies.model import Deployment, Statement, Store
from session_scoping.verify.policies.statement_queries import grants_directly
from session_scoping.verify.policies.statements import parse_policy
from session_scoping.verify.policies.template_conditions import if_it_exists, tied, variants

Policy = tuple[tuple[Statement, ...], str | None]
"""Statements, and why there may be others; None when all are known."""


def policies_within(properties: dict[str, Any], scope: Scope, where: str) -> Iterator[Policy]:
    """Yield the policies that are part of a table, each tied to the template conditions that decide over it."""
    for name, read in (("ResourcePolicy", _own), ("StreamSpecification", _of_stream), ("Replicas", _of_replicas)):
        value = properties.get(name)
        for chosen, given in variants(value, scope):
            for statements, problem in read(value, chosen, where):
                yield tied(statements, given), problem


def _own(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    body = _body(value, scope)
    if body is None:
        return
    if isinstance(body, Unmodelled) or "PolicyDocument" not in body:
        yield (), f"{where}: its resource policy is not understood"
    else:
        yield parse_policy(body["PolicyDocument"], scope, f"{where} resource policy"), None


def _of_stream(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    body = _body(value, scope)
    if isinstance(body, Unmodelled):
        yield (), f"{where}: its stream is not understood"
        return
    for statements, problem in _own((body or {}).get("ResourcePolicy"), scope, f"{where} stream"):
        # What it denies, it denies on the stream only.
        yield tuple(statement for statement in statements if statement.allow), problem


def _of_replicas(value: Any, scope: Scope, where: str) -> Iterator[Policy]:
    replicas = items_of(value, scope)
    alone = isinstance(replicas, list) and len(replicas) == 1
    for replica in [replicas] if isinstance(replicas, Unmodelled) else replicas:
        body = _body(replica, scope)
        if body is None or isinstance(body, Unmodelled):
            yield (), f"{where}: a replica is not understood"
            continue
        for statements, problem in _own(body.get("ResourcePolicy"), scope, f"{where} replica"):
            # What one replica's policy denies, another's does not.
            yield (statements if alone else tuple(s for s in statements if s.allow)), problem
        yield from _of_stream(body.get("ReplicaStreamSpecification"), scope, f"{where} replica")


def _body(value: Any, scope: Scope) -> dict[str, Any] | Unmodelled | None:
    """Return a property that is an object; None when it is left out."""
    chosen = choose(value, scope)
    if chosen is None or chosen is NO_VALUE:
        return None
    if isinstance(chosen, dict) and not intrinsic(chosen):
        return chosen
    return chosen if isinstance(chosen, Unmodelled) else Unmodelled("it is no object")


STORES = {
    "AWS::DynamoDB::Table": "table",
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::KMS::Key": "key",
    "AWS::KMS::ReplicaKey": "key",
    "AWS::BedrockAgentCore::Memory": "memory",
}
"""Resource types that are stores -> their kind."""


def add_store(logical_id: str, kind: str, scope: Scope, deployment: Deployment) -> None:
    """Add a table, bucket or key, with the policies that are part of it."""
    where = f"{scope.name}.{logical_id}"
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        deployment.problems.append(f"{where}: the name of this {kind} is not understood")
        return
    properties = scope.properties(logical_id)
    store = Store(kind, where, scope.label(logical_id), arn, name, env=scope.env, made=True, stack=scope.deployed_as)
    key = _partition_key(properties.get("KeySchema"), scope)
    if isinstance(key, Unmodelled):
        store = store.with_policy((), f"{where}: its partition key is not understood: {key.reason}")
    else:
        store = replace(store, partition_key=key)
    if kind == "bucket" and not _is_own_acl(properties.get("AccessControl"), scope):
        store = store.with_policy((), f"{where}: its access control list lets others in, which is not modelled")
    for statements, problem in policies_within(properties, scope, where):
        store = store.with_policy(statements, problem)
    if kind == "key" and "KeyPolicy" in properties:
        store = store.with_policy(parse_policy(properties["KeyPolicy"], scope, f"{where} key policy"))
    replicas = items_of(properties.get("Replicas", []), scope)
    store = replace(store, replicated=isinstance(replicas, Unmodelled) or len(replicas) > 1)
    store = replace(store, encrypted_with=tuple(_encryption_keys(properties, scope, where)))
    store = replace(store, shared=_shared(scope.resources[logical_id].get("Metadata")))
    store = replace(store, tags=_tag_keys(properties.get("Tags"), scope))
    for value in copies_within(properties, scope):
        store = copied(store, value, scope)
    deployment.stores[where] = store


def _shared(metadata: Any) -> tuple[str, ...]:
    """Return the keys that every session may read; what is not understood shares nothing."""
    found = metadata.get(SHARED_DATA) if isinstance(metadata, dict) else None
    if found is True or found == "true":
        return ("*",)
    return tuple(text for text in (found if isinstance(found, list) else [found]) if isinstance(text, str) and text)


def _tag_keys(tags: Any, scope: Scope) -> frozenset[str]:
    """Return the keys of a list of tags in lower case, without those that it has in two spellings."""
    entries = items_of(tags, scope)
    keys = [] if isinstance(entries, Unmodelled) else [one.get("Key") for one in entries if isinstance(one, dict)]
    lowered = [key.lower() for key in keys if isinstance(key, str)]
    return frozenset(key for key in lowered if lowered.count(key) == 1) if len(lowered) == len(keys) else frozenset()


def _partition_key(schema: Any, scope: Scope) -> str | Unmodelled | None:
    """Return the name of a table's partition key; None where there is no schema."""
    found = {_hash_attribute(schema, chosen) for chosen, _ in variants(schema, scope)}
    if len(found) > 1:
        return Unmodelled(f"{scope.name}: its name depends on template conditions")
    return found.pop()


def _hash_attribute(schema: Any, scope: Scope) -> str | Unmodelled | None:
    entries = items_of(schema, scope)
    for entry in [entries] if isinstance(entries, Unmodelled) else entries:
        if not isinstance(entry, dict) or intrinsic(entry):
            return entry if isinstance(entry, Unmodelled) else Unmodelled(f"{scope.name}: a malformed KeySchema")
        kind, name = (_plain_text(entry.get(part, ""), scope) for part in ("KeyType", "AttributeName"))
        if isinstance(kind, Unmodelled) or kind == "HASH":
            return kind if isinstance(kind, Unmodelled) else name
    return None


def _plain_text(value: Any, scope: Scope) -> str | Unmodelled:
    text = text_of(value, scope)
    if isinstance(text, Unmodelled):
        return text
    found = plain(text)
    return Unmodelled(f"{scope.name}: {show(text)} is only known at deploy time") if found is None else found


def _encryption_keys(properties: dict[str, Any], scope: Scope, where: str) -> Iterator[Text]:
    """Yield the keys that open what a store holds; one that is not understood may be any."""
    for attribute in ("KMSMasterKeyID", "KMSMasterKeyId", "PrimaryKeyArn"):
        for value in values_of((attribute,), properties):
            for chosen, _ in variants(value, scope):
                if choose(value, chosen) is not NO_VALUE:
                    text = text_of(value, chosen)
                    yield (Token(f"{where} key", "free"),) if isinstance(text, Unmodelled) else text


# Source: S3 guide, acl-overview, "Canned ACL": the others grant something to everybody or to every account.
_OWN_ACLS = ("Private", "LogDeliveryWrite", "BucketOwnerRead", "BucketOwnerFullControl", "AwsExecRead")


def _is_own_acl(value: Any, scope: Scope) -> bool:
    chosen = [choose(value, one) for one, _ in variants(value, scope)]
    return all(acl is None or acl is NO_VALUE or acl in _OWN_ACLS for acl in chosen)


def _add_bucket_policy(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    where = f"{scope.name}.{logical_id}"
    properties = scope.properties(logical_id)
    statements = if_it_exists(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
    for chosen, given in variants(properties.get("Bucket", ""), scope):
        name = text_of(properties.get("Bucket", ""), chosen)
        _to_store("bucket", name, tied(statements, given), where, deployment, scope.env)


def _to_store(
    kind: str, name: Text | Unmodelled, statements: tuple[Statement, ...], where: str, deployment: Deployment, env: str
) -> None:
    found = [store for store in deployment.of_kind(kind) if store.name == name]
    grants = tuple(statement for statement in statements if statement.allow)
    unclear = f"{where}: it may belong to any {kind}"
    for store in deployment.of_kind(kind):
        if store in found:
            deployment.stores[store.id] = store.with_policy(statements)
        elif isinstance(name, Unmodelled):
            deployment.stores[store.id] = _mark_unknown(store, grants, unclear, deployment)
        elif found and store.made and is_bucket_by_condition(name):
            continue  # It refers to the one found, and no other bucket that is made has the same name.
        elif may_be_named(name, store.name, store.id):
            # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
            doubt = f"{where} is for {show(name)}, which may be this {kind}"
            deployment.stores[store.id] = _mark_unknown(store, grants, doubt, deployment)
    if found or (isinstance(name, tuple) and not grants):
        return
    # The bucket is not in these templates; keep what is said about it, under its own name. A role may be granted that
    # bucket by another spelling of its name, so one that is only known at deploy time is kept too, as a problem.
    is_open = isinstance(name, Unmodelled) or any(isinstance(part, Token) and part.kind == "free" for part in name)
    written: Text = (Token(f"{where} bucket", "free"),) if isinstance(name, Unmodelled) else name
    arn = (*lit("arn:"), Token("AWS::Partition", "partition"), *lit(":s3:::"), *written)
    store = Store(kind, where, show(written), arn, written, env=env)
    deployment.stores[where] = (
        _mark_unknown(store, grants, unclear, deployment) if is_open else store.with_policy(statements)
    )


def _mark_unknown(store: Store, grants: tuple[Statement, ...], doubt: str, deployment: Deployment) -> Store:
    """Return a store that grants may belong to; those that name a role are kept, so that it is found as the role's."""
    if not grants:
        return store
    roles = deployment.roles.values()
    named = (grant for grant in grants if any(grants_directly(grant, role) for role in roles))
    return store.with_policy(tuple(replace(grant, problem=grant.problem or doubt) for grant in named), doubt)


def _add_memory_policy(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    """Add a resource policy to the Memory it is for; where that is in no template, each of those may be it."""
    where, properties = f"{scope.name}.{logical_id}", scope.properties(logical_id)
    arn = text_of(properties.get("ResourceArn", ""), scope)
    if isinstance(arn, tuple) and (found := [one for one in deployment.of_kind("memory") if one.arn == arn]):
        statements = if_it_exists(parse_policy(properties.get("Policy"), scope, where), logical_id, scope)
        deployment.stores[found[0].id] = found[0].with_policy(statements)
    elif isinstance(arn, Unmodelled) or "memory" in show(arn) or not any(references(properties, scope)):
        problem = f"{where}: it may be the policy of any Memory"
        deployment.doubt(lambda store: store.kind == "memory", lambda store: store.with_policy((), problem))


def _add_access_point(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    where = f"{scope.name}.{logical_id}"
    for value in values_of(("Bucket",), scope.properties(logical_id)):
        name = text_of(value, scope)
        for store in deployment.of_kind("bucket"):
            if isinstance(name, Unmodelled) or store.name == name or may_be_named(name, store.name, store.id):
                problem = f"{where}: policies of access points are not modelled"
                deployment.stores[store.id] = store.with_policy((), problem)


def _add_point_beyond(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    """Make the buckets UNKNOWN that may be behind an access point which is not read: any."""
    where = f"{scope.name}.{logical_id}"
    behind = [one.rpartition(".")[2] for one in references(scope.properties(logical_id), scope)]
    if any(str(scope.resources[one].get("Type")) in _POINTS for one in behind):
        return  # The access point makes its bucket UNKNOWN.
    problem = f"{where}: the access point behind this one may be of any bucket"
    deployment.doubt(lambda store: store.kind == "bucket", lambda store: store.with_policy((), problem))


_POINTS = {"AWS::S3::AccessPoint", "AWS::S3::MultiRegionAccessPoint", "AWS::S3ObjectLambda::AccessPoint"}


def _add_replica(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    """Note that a table has replicas, which the CDK's older `Table` makes by a custom resource."""
    said = mentions(scope.properties(logical_id).get("TableName"), scope)
    for store in (one for one in deployment.of_kind("table") if said.is_open or said.of(one)):
        deployment.stores[store.id] = replace(store, replicated=True)


ON_STORES: dict[str, Callable[[str, Scope, Deployment], None]] = {
    "AWS::BedrockAgentCore::ResourcePolicy": _add_memory_policy,
    "AWS::S3::AccessPoint": _add_access_point,
    "AWS::S3::BucketPolicy": _add_bucket_policy,
    "AWS::S3::MultiRegionAccessPoint": _add_access_point,
    "AWS::S3::MultiRegionAccessPointPolicy": _add_point_beyond,
    "AWS::S3ObjectLambda::AccessPoint": _add_point_beyond,
    "AWS::S3ObjectLambda::AccessPointPolicy": _add_point_beyond,
    "Custom::DynamoDBReplica": _add_replica,
}
"""Resource types that say something about a store of their own -> what reads them."""
