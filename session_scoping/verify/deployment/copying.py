"""Where services, and steps that a text spells out, take along what tables and buckets hold: pipes, backups, calls."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from session_scoping.verify.deployment.api_calls import words_of
from session_scoping.verify.intrinsics import partition_of, text_of
from session_scoping.verify.intrinsics.mentions import ANYTHING, Mentions, mentions, references
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.naming import in_this_partition
from session_scoping.verify.patterns.text import Text, Unmodelled, lit, plain
from session_scoping.verify.policies.model import Deployment, Handed, Store

_ACCOUNT_FIELD = 4
_KEEPERS = ("AWS::Backup::BackupVault", "AWS::Backup::LogicallyAirGappedBackupVault")
_VAULTS = ("DestinationBackupVaultArn", "TargetLogicallyAirGappedBackupVaultArn")
# What runs with a role of its own: who reads what it is handed is said by that role's policies.
_WORKLOADS = ("AWS::Lambda::", "AWS::ECS::", "AWS::StepFunctions::", "AWS::Batch::")


def notice_copies(
    properties: dict[str, Any], to: tuple[str, ...], scope: Scope, deployment: Deployment, where: str
) -> None:
    """Add to the stores that a resource names where it copies them to; itself, where it names no place."""
    source = mentions({name: item for name, item in properties.items() if name not in to}, scope)
    places = [value for name in to for value in [properties.get(name)] if value is not None] or [where]
    everything = source.may_name_anything and not source.ids

    def touches(store: Store) -> bool:
        return store.kind != "key" and (everything or source.of(store))

    given = mentions({name: item for name, item in properties.items() if name not in {"Source", "RoleArn"}}, scope)
    workloads = frozenset(one.id for one in deployment.workloads if one.id != where and given.of_resource(one.id))
    deployment.handed.append(Handed(where, scope.label(where.rpartition(".")[2]), touches, workloads))
    for value in places:
        deployment.doubt(touches, lambda store, to=value: copied(store, to, scope))  # type: ignore[misc]


def copied(store: Store, value: Any, scope: Scope) -> Store:
    """Return a store with a place that it is copied to; none where that is a workload of the template."""
    if is_workload(value, scope):
        return store
    text = text_of(value, scope)
    if isinstance(text, Unmodelled):
        return store.with_policy((), f"{store.id}: it copies what it holds to a place that is not understood")
    if _is_itself(text, store):
        return store
    return replace(store, copies=(*store.copies, in_this_partition(text, partition_of(scope))))


def _is_itself(text: Text, store: Store) -> bool:
    return text == store.arn or text == lit(store.id)


def copies_within(properties: dict[str, Any], scope: Scope) -> Iterator[Any]:
    """Yield where a bucket's or table's own properties take what it holds, or tell another account of it."""
    yield from values_of(("Bucket",), properties.get("ReplicationConfiguration"))
    yield from values_of(("StreamArn", "GlobalTableSourceArn"), properties)
    yield from values_of(("BucketArn",), properties.get("InventoryConfigurations"))
    yield from values_of(("TableBucketArn",), properties.get("MetadataTableConfiguration"))
    yield from values_of(("DataStreamArn",), properties.get("StreamDeliveryResources"))
    # Its journal holds keys and tags of all objects, in a table bucket of S3's that no template names.
    yield from [properties["MetadataConfiguration"]] if "MetadataConfiguration" in properties else []
    # Notices hold keys of objects; a queue, topic or function of the own account is the deployment's.
    for value in values_of(("Queue", "Topic", "Function"), properties.get("NotificationConfiguration")):
        text = text_of(value, scope)
        literal = "" if isinstance(text, Unmodelled) else plain(text) or ""
        if literal.count(":") > _ACCOUNT_FIELD and literal.split(":")[_ACCOUNT_FIELD] != scope.account:
            yield value


def is_workload(value: Any, scope: Scope) -> bool:
    """Whether a value leads to a function, task or state machine of the template."""
    found = [one.rpartition(".")[2] for one in references(value, scope)]
    return bool(found) and all(str(scope.resources[one].get("Type", "")).startswith(_WORKLOADS) for one in found)


def notice_backup(logical_id: str, scope: Scope, deployment: Deployment) -> None:
    """Add to the stores that a backup selection chooses the vaults that its plan copies them to."""
    properties = scope.properties(logical_id)
    chosen = properties.get("BackupSelection", {})
    said = mentions(chosen, scope)
    by_rule = not isinstance(chosen, dict) or bool({"ListOfTags", "Conditions"} & set(chosen)) or "*" in said.text
    everything = by_rule or said.may_name_anything

    def touches(store: Store) -> bool:
        return store.kind != "key" and (everything or said.of(store))

    for value in (*_vaults(properties.get("BackupPlanId"), scope), *_shared_vaults(scope)):
        deployment.doubt(touches, lambda store, to=value: copied(store, to, scope))  # type: ignore[misc]


def _vaults(plan: Any, scope: Scope) -> Iterator[Any]:
    """Yield where a backup plan copies to; the plan itself where it is not in the template."""
    plans = [one.rpartition(".")[2] for one in references(plan, scope)]
    for one in plans:
        yield from values_of(_VAULTS, scope.properties(one))
    if not plans:
        yield plan


def _shared_vaults(scope: Scope) -> Iterator[str]:
    """Yield the vaults of a stack whose policy lets another account, or everybody, at what they keep."""
    for logical_id, resource in scope.resources.items():
        if str(resource.get("Type")) not in _KEEPERS:
            continue
        for statement in values_of(("Statement",), scope.properties(logical_id).get("AccessPolicy")):
            for one in statement if isinstance(statement, list) else [statement]:
                said = mentions(one.get("Principal") if isinstance(one, dict) else None, scope).text
                others = set(re.findall(r"(?<!\d)\d{12}(?!\d)", said)) - {scope.account}
                if '"Effect": "Deny"' not in mentions(one, scope).text and (
                    others or '"*"' in said or ANYTHING in said
                ):
                    yield f"{scope.name}.{logical_id}"


def values_of(names: tuple[str, ...], value: Any) -> Iterator[Any]:
    """Yield what stands under some names anywhere in a part of a template."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in names:
            yield item
        else:
            yield from values_of(names, item)
    for item in value if isinstance(value, list) else ():
        yield from values_of(names, item)


_MANY = {
    "scan", "executestatement", "executetransaction", "batchexecutestatement", "getrecords", "selectobjectcontent",
}  # fmt: skip
"""Calls that answer with what many sessions keep."""
_ONE = {"query", "getitem", "batchgetitem", "transactgetitems", "getobject"}
"""Calls that answer with what they are asked for, which may be one session's."""
_SENDS = {
    "sendmessage", "sendmessagebatch", "publish", "publishbatch", "putevents", "putrecord", "putrecords",
    "putrecordbatch", "sendemail",
}  # fmt: skip
_STARTS = {
    "invoke", "invokefunction", "runtask", "invokeagentruntime", "invokeharness", "startexecution", "submitjob",
    "startbuild", "startjobrun", "invokeagent",
}  # fmt: skip
_WEB = re.compile(r"\bhttp:invoke|\bapigateway:invoke|\bhttps?://(?!sqs\.|queue\.amazonaws|json-schema)[^\"\\]*", re.I)
_ACTIVITY = re.compile(":activity:|:function:")


def notice_handing_on(said: Mentions, scope: Scope, deployment: Deployment, where: str) -> None:
    """Add to the stores that a text reads where it sends what it read; note what it hands the rows of many to."""
    words = words_of(said.text)
    many = bool(words & _MANY) or ("query" in words and "indexname" in words)
    if not many and not words & _ONE:
        return
    named = any(map(said.of, deployment.stores.values()))

    def touches(store: Store) -> bool:
        return store.kind != "key" and (said.of(store) or (not named and said.is_open))

    workloads = frozenset(one.id for one in deployment.workloads if one.id != where and said.of_resource(one.id))
    if many and workloads:
        deployment.handed.append(Handed(where, scope.label(where.rpartition(".")[2]), touches, workloads))
    for place in _places(said, words, scope, where, many=many, known=bool(workloads)):
        deployment.doubt(touches, lambda store, to=place: copied(store, to, scope))  # type: ignore[misc]


def _places(said: Mentions, words: set[str], scope: Scope, where: str, *, many: bool, known: bool) -> list[str]:
    """Return the web addresses and accounts that a text sends to; itself, where it does not say whose a place is."""
    accounts = sorted(set(re.findall(r"(?<!\d)\d{12}(?!\d)", said.text)) - {scope.account})
    web = [match[0] for match in _WEB.finditer(said.text)]
    starts = not known and bool(words & _STARTS or _ACTIVITY.search(said.text))
    sends = bool(words & _SENDS) or starts
    return [*web, *accounts, *([where] if sends and (many or said.may_name_anything) else [])]
