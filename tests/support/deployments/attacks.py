"""Requests that reach another session's data, whoever makes them, each with its kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployments.design import Tags
from tests.support.deployments.world import World

ITEMS = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem",
         "ConditionCheckItem", "PartiQLSelect", "PartiQLUpdate")  # fmt: skip
OBJECTS = ("GetObject", "GetObjectVersion", "GetObjectTagging", "GetObjectAttributes", "GetObjectVersionTorrent",
           "GetObjectVersionForReplication", "PutObject", "PutObjectTagging", "PutObjectAcl", "DeleteObject",
           "DeleteObjectVersion", "RestoreObject", "ReplicateObject", "UpdateObjectEncryption")  # fmt: skip
LISTINGS = ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads")
_ON_TABLES = ("Scan", "PartiQLSelect", "ExportTableToPointInTime", "PutResourcePolicy", "DeleteTable",
              "ReadDataForReplication", "RestoreTableToPointInTime")  # fmt: skip
_ON_BUCKETS = ("PutBucketPolicy", "DeleteBucketPolicy", "PutReplicationConfiguration", "PutBucketAcl")
ON_KEYS = ("kms:CreateGrant", "kms:PutKeyPolicy", "kms:Decrypt", "kms:ScheduleKeyDeletion")


@dataclass(frozen=True)
class Attack:
    """
    One request on data that is not the caller's.

    Attributes:
        kind: What it tries.
        context: What it carries besides what is known of the caller.
    """

    kind: str
    action: str
    resource: str
    context: dict[str, Any] = field(default_factory=dict)


def filled(pattern: str, tags: Tags) -> str:
    """Return a session's own key; of a prefix, one object below it."""
    for name, value in tags.items():
        pattern = pattern.replace("{" + name + "}", value)
    return pattern


def on_own(world: World, store: str, pattern: str, tags: Tags) -> Iterator[Attack]:
    """Yield requests of a session on what is its own by the format in use."""
    key = filled(pattern, tags)
    if store.startswith("Table"):
        for action in ("GetItem", "PutItem", "Query", "UpdateItem", "BatchGetItem", "DeleteItem", "BatchWriteItem"):
            yield Attack("own item", f"dynamodb:{action}", world.arn(store), {"dynamodb:LeadingKeys": [key]})
        return
    for action in ("GetObject", "PutObject", "DeleteObject", "GetObjectVersion", "GetObjectTagging"):
        yield Attack("own object", f"s3:{action}", f"{world.arn(store)}/{key}x")


def on_whole(world: World, store: str) -> Iterator[Attack]:
    """Yield requests on all that a store holds."""
    place = world.arn(store)
    if store.startswith("Table"):
        for action in _ON_TABLES:
            yield Attack("whole table", f"dynamodb:{action}", place)
        yield Attack("stream", "dynamodb:GetRecords", world.stream(store))
        yield Attack("index", "dynamodb:Scan", f"{place}/index/by-state")
        yield Attack("index", "dynamodb:Query", f"{place}/index/by-state", {"dynamodb:LeadingKeys": ["open"]})
        return
    for action in _ON_BUCKETS:
        yield Attack("whole bucket", f"s3:{action}", place)
    for action in LISTINGS:
        yield Attack("listing", f"s3:{action}", place)
        yield Attack("listing", f"s3:{action}", place, {"s3:prefix": ""})


def on_foreign(world: World, store: str, pattern: str, victim: Tags, own: list[str]) -> Iterator[Attack]:
    """Yield requests on what belongs to a victim, alone or in one request with what is the caller's own."""
    key, place = filled(pattern, victim), world.arn(store)
    if store.startswith("Table"):
        keys = [[key], *([one, key] for one in own), *([key, one, f"{one}x"] for one in own), [key, "probe-1"]]
        for action in ITEMS:
            batch = action.startswith(("Batch", "PartiQL"))
            for chosen in keys if batch or action == "Query" else keys[:2]:
                yield Attack("foreign items" if chosen[1:] else "foreign item", f"dynamodb:{action}", place,
                             {"dynamodb:LeadingKeys": chosen})  # fmt: skip
        yield Attack("no leading key", "dynamodb:Query", place)
        yield Attack("index", "dynamodb:Query", f"{place}/index/by-state", {"dynamodb:LeadingKeys": [key]})
        return
    for action in OBJECTS:
        yield Attack("foreign object", f"s3:{action}", f"{place}/{key}x")
    for action in LISTINGS:
        yield Attack("foreign listing", f"s3:{action}", place, {"s3:prefix": key})
