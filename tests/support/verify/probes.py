# ruff: noqa: E501 - tables of requests
"""Concrete requests around a deployed template: who may be made a session, and what each role reaches."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from tests.support.simulator import Policies, request
from tests.support.verify.mutations import Body, listed
from tests.support.world import ACCOUNT, REGION, Store, World

OTHER_ACCOUNT = "999988887777"
TAGS = {"user_id": "u1", "repo": "r1", "task_id": "T1"}
_MAY_ASSUME: Body = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
_MAY_ALL: Body = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Probe:
    """
    Something somebody may try: one request, or several that only count together.

    Attributes:
        name: The same for the same attempt on a changed template.
        policies: What the requests are held against.
        requests: The requests, in the simulator's form.
    """

    name: str
    policies: Policies
    requests: tuple[dict[str, Any], ...]

    def asks(self, patterns: set[str]) -> bool:
        """Whether a pattern covers one of the actions; patterns are in lower case."""
        return any(fnmatchcase(item["action"].lower(), pattern) for item in self.requests for pattern in patterns)


@dataclass(frozen=True)
class _Caller:
    """A role and what decides its requests."""

    role: str
    principal: str
    identity: tuple[Body, ...]
    boundary: Body | None
    tags: dict[str, Any] = field(default_factory=dict)

    def with_policy(self, policy: Body | None) -> Policies:
        """Return what decides its requests on a resource with this policy."""
        return Policies(self.identity, self.boundary, policy)


def probes(world: World, session: str, compute: list[str]) -> Iterator[Probe]:
    """
    Yield what sessions, compute roles and strangers may try.

    Args:
        world: The template.
        session: Logical id of the session role.
        compute: Logical ids of the roles agent code runs with.
    """
    yield from _mints(world, session)
    context = {f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()}
    for role in (session, *compute):
        caller = _caller(world, role, context if role == session else {})
        for store in world.stores:
            yield from _on_store(caller, store, world.stores)
        yield from _elsewhere(caller)
    yield from _assume_more(world, session)
    for stranger, store in product(_strangers(), world.stores):
        yield from _on_store(stranger, store, world.stores)


def _caller(world: World, role: str, tags: dict[str, str]) -> _Caller:
    found = world.role_of(role)
    tags = {"aws:PrincipalArn": found.arn, **tags}
    return _Caller(role, found.session("one"), tuple(found.policies), found.boundary, tags)


def _strangers() -> Iterator[_Caller]:
    """Yield an administrator of another account, and a service that works for a resource of that account."""
    arn = f"arn:aws:iam::{OTHER_ACCOUNT}:role/stranger"
    yield _Caller("stranger", arn, (_MAY_ALL,), None, {"aws:PrincipalArn": arn, "aws:PrincipalAccount": OTHER_ACCOUNT})
    yield _Caller("service", "cloudfront.amazonaws.com", (), None, {"aws:SourceAccount": OTHER_ACCOUNT})


def _probe(caller: _Caller, action: str, resource: str, more: dict[str, Any], policies: Policies) -> Probe:
    name = f"{caller.role} {action} {resource} {json.dumps(more)}"
    return Probe(name, policies, (request(action, resource, {**caller.tags, **more}, caller.principal),))


def _tag_variants() -> Iterator[tuple[str, dict[str, str], list[str]]]:
    yield "good", TAGS, []
    yield "untagged", {}, []
    for key in TAGS:
        yield f"without {key}", {k: v for k, v in TAGS.items() if k != key}, []
        for value in ("", "a/b", "a..b", "."):
            yield f"{key}={value!r}", {**TAGS, key: value}, []
    yield "extra tag", {**TAGS, "extra": "x"}, []
    yield "extra tag alone", {"extra": "x"}, []
    yield "transitive", TAGS, ["task_id"]


def _mints(world: World, session: str) -> Iterator[Probe]:
    """Yield attempts to make a session: AssumeRole, and TagSession with it where tags are passed."""
    target = world.role_of(session)
    callers: list[tuple[str, tuple[Body, ...]]] = [(target.session("one"), tuple(target.policies))]
    callers += [(world.arn_of(role), (_MAY_ASSUME,)) for role in world.ids("AWS::IAM::Role") if role != session]
    callers += [(f"arn:aws:iam::{account}:role/stranger", (_MAY_ASSUME,)) for account in (ACCOUNT, OTHER_ACCOUNT)]
    callers += [("lambda.amazonaws.com", ())]
    known = [(principal, Policies(identity, None, target.trust)) for principal, identity in callers]
    for (principal, policies), (name, tags, passed_on) in product(known, _tag_variants()):
        context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        context |= {"aws:TagKeys": list(tags)} if tags else {}
        context |= {"sts:TransitiveTagKeys": passed_on} if passed_on else {}
        actions = ("sts:AssumeRole", "sts:TagSession") if tags else ("sts:AssumeRole",)
        requests = tuple(request(action, target.arn, context, principal) for action in actions)
        yield Probe(f"{principal} mints {name}", policies, requests)


def _assume_more(world: World, session: str) -> Iterator[Probe]:
    caller = _caller(world, session, {})
    for role in map(world.role_of, world.ids("AWS::IAM::Role")):
        yield _probe(caller, "sts:AssumeRole", role.arn, {}, caller.with_policy(role.trust))
    open_to_account = {**_MAY_ASSUME["Statement"][0], "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    del open_to_account["Resource"]
    trusting = {"Version": "2012-10-17", "Statement": [open_to_account]}
    yield _probe(caller, "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/other", {}, caller.with_policy(trusting))


_KEYS = (["T1"], ["T3"], ["T1", "T3"], ["u1"], ["shared"], ["T10"])
_KEYED = (
    "GetItem",
    "Query",
    "PutItem",
    "UpdateItem",
    "ConditionCheckItem",
    "BatchGetItem",
    "PartiQLSelect",
    "PartiQLUpdate",
)
_UNKEYED = ("Scan", "DescribeTable", "ExportTableToPointInTime")
# Objects of other tasks and users, and of nobody; `u1`/`T1` is the session.
_OBJECTS = (
    "traces/u1/T1/x", "traces/u1/T3/x", "traces/u2/T1/x", "traces/u1/T1.jsonl.gz", "traces/u1/T3.jsonl.gz", "traces/u1/T10.jsonl.gz",
    "traces/u1/T10/x", "traces/u1T1/x", "traces/u1T1.jsonl.gz", "traces/u1", "traces/u1.jsonl.gz", "traces/u1/x", "traces/u1/u1/x", "traces/x",
    "traces/u1/u1.jsonl.gz", "artifacts/T1/x", "artifacts/T3/x", "artifacts/T10/x", "artifacts/u1/x",
    "attachments/u1/T1/x", "attachments/u2/T1/x", "attachments/u1/T3/x", "attachments/u1/T10/x", "attachments/u1T1/x",
    "attachments/u1/u1/x", "attachments/x", "attachments/u1", "T3/payload.json", "other/x", "artifacts/shared/x",
)  # fmt: skip


def _on_store(caller: _Caller, store: Store, near: list[Store]) -> Iterator[Probe]:
    policies = caller.with_policy(store.policy)
    for action, resource, more in {"table": _on_table, "bucket": _on_bucket, "key": _on_key}[store.kind](
        store.arn, near
    ):
        yield _probe(caller, action, resource, more, policies)


_CONTEXT = "kms:EncryptionContext:aws:"
_Asked = Iterator[tuple[str, str, dict[str, Any]]]


def _on_table(arn: str, _: list[Store]) -> _Asked:
    for action in _KEYED:
        yield f"dynamodb:{action}", arn, {}
        for keys in _KEYS:
            yield f"dynamodb:{action}", arn, {"dynamodb:LeadingKeys": keys}
    for action in _UNKEYED:
        yield f"dynamodb:{action}", arn, {}
    for action, keys in product(("Query", "PartiQLSelect"), ([], ["T1"], ["T3"])):
        yield f"dynamodb:{action}", f"{arn}/index/by-user", {"dynamodb:LeadingKeys": keys} if keys else {}
    yield "dynamodb:Scan", f"{arn}/index/by-user", {}
    yield "dynamodb:GetRecords", f"{arn}/stream/2026-01-01T00:00:00.000", {}
    for action in ("GetItem", "PutItem", "Query"):
        yield f"dynamodb:{action}", f"{arn}2", {"dynamodb:LeadingKeys": ["T1"]}


def _on_bucket(arn: str, _: list[Store]) -> _Asked:
    for action, key in product(("GetObject", "PutObject", "GetObjectVersion", "PutObjectAcl"), _OBJECTS):
        yield f"s3:{action}", f"{arn}/{key}", {}
    for action in ("ListBucket", "PutBucketPolicy"):
        yield f"s3:{action}", arn, {}


def _on_key(arn: str, near: list[Store]) -> _Asked:
    """Yield uses of a key: for the session's own data and for other data, through the right service and past it."""
    tables = [store.arn.rpartition("/")[2] for store in near if store.kind == "table"]
    objects = [f"{store.arn}{key}" for store in near if store.kind == "bucket" for key in ("", "/traces/u1/T3/x")]
    context = [
        {f"{_CONTEXT}dynamodb:tableName": name, f"{_CONTEXT}dynamodb:subscriberId": ACCOUNT}
        for name in (*tables, "other")
    ]
    context += [{f"{_CONTEXT}s3:arn": name} for name in (*objects, f"{arn}/traces/u1/T1/x", "arn:aws:s3:::other/x")]
    through = [
        {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"} for service in ("s3", "dynamodb", "secretsmanager")
    ]
    for action, where, of in product(("Decrypt", "GenerateDataKey", "Encrypt"), ({}, *through), ({}, *context)):
        yield f"kms:{action}", arn, {**where, **of}
    yield "kms:ScheduleKeyDeletion", arn, {}


def _elsewhere(caller: _Caller) -> Iterator[Probe]:
    model, other = (
        f"arn:aws:bedrock:{REGION}::foundation-model/{name}" for name in ("anthropic.claude-sonnet-4-6", "zz")
    )
    profile = {"bedrock:InferenceProfileArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/zz"}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/zz", {}),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:zz-AbCdEf", {}),
    ]
    if caller.tags.get("aws:PrincipalTag/task_id"):
        # A compute role may hold models of its own; only a session is held to named ones.
        asked += [("bedrock:InvokeModel", resource, more) for resource in (model, other) for more in ({}, profile)]
        asked += [("bedrock:CreateModelCustomizationJob", other, {})]
        asked += [("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.zz", {})]
    policies = caller.with_policy(None)
    for action, resource, more in asked:
        yield _probe(caller, action, resource, more, policies)


def changed_actions(before: Policies, after: Policies) -> set[str]:
    """Return patterns of the actions whose requests a difference of policies can decide, in lower case."""
    found: set[str] = set()
    for line in _lines(before) ^ _lines(after):
        found |= {action.lower() for action in listed(json.loads(line)[1].get("Action", "*"))}
    return found


def _lines(policies: Policies) -> set[str]:
    """Return every statement with what decides how it is read."""
    documents = [*policies.identity, policies.boundary, policies.resource]
    return {
        json.dumps([f"{index if index >= len(policies.identity) else 0} {document.get('Version')}", statement])
        for index, document in enumerate(documents)
        if document is not None
        for statement in listed(document["Statement"])
    }
