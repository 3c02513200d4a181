"""
Which actions to try on what, by AWS's data on actions (`session_scoping.aws`): what nobody has judged counts as
dangerous, and an action that AWS adds later is represented by a name that only `service:*` and `*` cover.
"""

from collections.abc import Iterable
from functools import cache, lru_cache

from session_scoping.aws.actions import action as tabled
from session_scoping.aws.actions import actions_of, covers_unlisted, matching
from session_scoping.aws.effects import EVERY_EFFECT, Effect, Judgement, judgement
from session_scoping.aws.table import tabled_services
from session_scoping.verify.patterns.matching import action_matches

KEYED = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""
Actions on items that `dynamodb:LeadingKeys` determines. PartiQL and bulk puts carry the key too, and reach items that
it does not name. Source: service authorization reference, list_amazondynamodb; DynamoDB guide, specifying-conditions.
"""
INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
KEY_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What services do with a key for the principals that read and write what it encrypts."""
ASSUME = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")
TAG_SESSION = "sts:TagSession"
BECOMING = (*ASSUME, "sts:SetSourceIdentity", "sts:SetContext", TAG_SESSION)
"""What makes or marks a session of a role: whom that reaches is asked of each role by itself."""
# Writing telemetry shows nothing and opens nothing. Sources: service authorization reference of CloudWatch Logs, X-Ray
# and CloudWatch; STS API reference, GetCallerIdentity: "No permissions are required to perform this operation";
# DynamoDB guide, transaction-apis-iam: a transaction is authorized by the actions in it.
NOTHING_GAINED = {
    "cloudwatch:putmetricdata",
    "dynamodb:transactgetitems",
    "dynamodb:transactwriteitems",
    "logs:createloggroup",
    "logs:createlogstream",
    "logs:describeloggroups",
    "logs:describelogstreams",
    "logs:putlogevents",
    "sts:getcalleridentity",
    "xray:getsamplingrules",
    "xray:getsamplingstatisticsummaries",
    "xray:getsamplingtargets",
    "xray:puttelemetryrecords",
    "xray:puttracesegments",
}
"""Actions of services without a table that gain nothing, and what no policy needs to allow; in lower case."""

SERVICE = {
    "table": "dynamodb", "tables": "dynamodb", "bucket": "s3", "buckets": "s3", "key": "kms",
    "secret": "secretsmanager", "secrets": "secretsmanager", "parameter": "ssm", "parameters": "ssm",
    "memory": "bedrock-agentcore",
}  # fmt: skip
"""Kind of store -> the service that holds it."""
BY_PATH = "ssm:GetParametersByPath"
"""Answers with all below the name it is authorized on. Source: Systems Manager guide, sysman-paramstore-access."""
_DIRECT = {
    "table": ("dynamodb:table", "dynamodb:global-table"), "bucket": ("s3:bucket",), "key": ("kms:key",),
    "secret": ("secretsmanager:Secret",), "parameter": ("ssm:parameter",), "memory": ("bedrock-agentcore:memory",),
}  # fmt: skip
_INSIDE = {
    "table": ("dynamodb:backup", "dynamodb:export", "dynamodb:import", "dynamodb:index", "dynamodb:stream"),
    "bucket": ("s3:accesspointobject", "s3:object"),
    "key": (),
    "secret": (),
    "parameter": (),
    "memory": (),
}
_ONE_OF = {"tables": "table", "buckets": "bucket", "secrets": "secret", "parameters": "parameter"}
_PRINCIPALS = ("iam:", "sts:")
_CHANGING = frozenset({Effect.GRANT, Effect.TAG, Effect.BECOME})
_OWN_ITEMS = frozenset({Effect.NAMES, Effect.READ, Effect.WRITE, Effect.TAG})


def future(service: str) -> str:
    """Return a made-up name for all actions of a service that the table lacks."""
    return f"{service}:ZzFutureAction"


UNKNOWN_SERVICE = "zz:FutureAction"
"""Stands for the actions of every service without a table, as far as `*` covers them."""


def _acts(judged: Judgement, kinds: Iterable[str], wanted: frozenset[Effect] = EVERY_EFFECT) -> bool:
    return any(judged.where_named(kind) & wanted for kind in kinds)


@cache
def acting_on(kind: str, *, inside: bool = False) -> tuple[str, ...]:
    """
    Return the actions that do anything to a store that they name, and a made-up one for actions AWS adds later.

    Args:
        kind: `table`, `bucket`, `key`, `secret` or `parameter`; their plurals are what lies inside all of these.
        inside: Whether to return what acts on its indexes, streams, backups or objects instead.
    """
    if one := _ONE_OF.get(kind):
        return tuple(dict.fromkeys((*acting_on(one), *acting_on(one, inside=True)))) if inside else ()
    kinds, service = (_INSIDE if inside else _DIRECT)[kind], SERVICE[kind]
    if not kinds:
        return ()
    names = (found.name for found in actions_of(service))
    return (*(name for name in names if _acts(judgement(name), kinds)), future(service))


@cache
def on_objects() -> tuple[str, ...]:
    """Return the actions that a session may hold on its own objects: they read, change or tag these and no more."""
    effects = {name: judgement(name).where_named("s3:object") for name in acting_on("bucket", inside=True)}
    own = (name for name, found in effects.items() if found and found <= _OWN_ITEMS and _of_today(name))
    return tuple(name for name in own if name not in _LIFTING)


# A lock holds against those who write the object too, and replication writes for another bucket.
_LIFTING = {
    "s3:BypassGovernanceRetention",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:ReplicateDelete",
    "s3:ReplicateObject",
    "s3:ReplicateObjectAnnotation",
    "s3:ReplicateTags",
    "s3:RestoreObject",
    "s3:UpdateObjectEncryption",
}


def _of_today(name: str) -> bool:
    return tabled(name) is not None


@cache
def on_items(kind: str) -> tuple[str, ...]:
    """Return the actions whose keys say whose item or object it is, and a made-up one for actions AWS adds later."""
    return (*of_sessions(kind), future(SERVICE[kind]))


@cache
def of_sessions(kind: str) -> tuple[str, ...]:
    """Return the actions that a session may hold on what is its own: a whole table or bucket it may not give on."""
    if kind in {"secrets", "parameters"}:
        (resource,) = _DIRECT[_ONE_OF[kind]]
        effects = {name: judgement(name).where_named(resource) for name in acting_on(kind, inside=True)}
        return tuple(name for name, found in effects.items() if found <= _OWN_ITEMS and _of_today(name))
    if kind == "table":
        return KEYED
    if kind == "bucket":
        return on_objects()
    return (*KEYED, *_WHOLE_TABLE) if kind == "tables" else (*on_objects(), *_WHOLE_BUCKET)


_WHOLE_TABLE = (
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
    "dynamodb:Scan",
)
_WHOLE_BUCKET = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")


@cache
def reading_or_writing(kind: str) -> tuple[str, ...]:
    """Return the actions by which a grant shows that a table or bucket is meant to hold the grantee's data."""
    kind = _ONE_OF.get(kind, kind)
    names = (*acting_on(kind), *acting_on(kind, inside=True))
    kinds = (*_DIRECT[kind], *_INSIDE[kind])
    wanted = frozenset({Effect.READ, Effect.WRITE, Effect.COPY})
    return tuple(name for name in dict.fromkeys(names) if _acts(judgement(name), kinds, wanted))


@lru_cache(maxsize=4096)
def changes_principals(name: str) -> bool:
    """Whether an action may change what a principal may do, or make the caller one; not by a workload's role."""
    judged = judgement(name)
    if name in BECOMING or not judged.effects & _CHANGING:
        return False
    anyone = bool(judged.beyond_effects & _CHANGING) and ("*" in judged.beyond or "iam" in judged.beyond)
    return anyone or any(kind.startswith(_PRINCIPALS) for kind in judged.own if judged.where_named(kind) & _CHANGING)


@lru_cache(maxsize=4096)
def reaches_whatever_is_named(name: str, kind: str) -> bool:
    """Whether an action reaches every table, bucket or key, whatever resource a statement names: jobs and copies do."""
    judged = judgement(name)
    reached = SERVICE[kind] in judged.beyond or "*" in judged.beyond
    return reached and bool(judged.beyond_effects) and name not in BECOMING


@lru_cache(maxsize=4096)
def only_reads(name: str) -> bool:
    """Whether an action answers with what is there, or its names, and changes nothing."""
    return judgement(name).effects <= _READING and tabled(name) is not None


_READING = frozenset({Effect.NAMES, Effect.READ})


@lru_cache(maxsize=4096)
def gains_nothing(name: str) -> bool:
    """Whether an action tells settings at most: whoever is allowed it reaches nothing of anybody."""
    return name.lower() in NOTHING_GAINED or not judgement(name).effects


@cache
def everything() -> tuple[str, ...]:
    """Return every action in the table, and the names that stand for those it lacks."""
    services = tabled_services()
    return (*(found.name for found in matching("*")), *map(future, services), UNKNOWN_SERVICE)


@lru_cache(maxsize=65536)
def covered_by(pattern: str) -> tuple[str, ...]:
    """Return the actions that a pattern covers, those that stand for later ones included."""
    found = tuple(item.name for item in matching(pattern))
    if not covers_unlisted(pattern):
        return found
    standing = (*map(future, tabled_services()), UNKNOWN_SERVICE)
    return (*found, *(name for name in standing if action_matches(pattern, name)))


def all_covered(actions: tuple[str, ...] | None, not_actions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the actions that a statement with these elements covers."""
    if actions is not None:
        return tuple(dict.fromkeys(name for pattern in actions for name in covered_by(pattern)))
    left_out = {name for pattern in not_actions for name in covered_by(pattern)}
    return tuple(name for name in everything() if name not in left_out)


@lru_cache(maxsize=65536)
def covers_listed(pattern: str) -> bool:
    """Whether an action, or a pattern of actions, is or covers one that the table has."""
    return bool(covered_by(pattern))


def instance_of(pattern: str) -> str:
    """Return an action that a pattern covers."""
    return pattern.replace("*", "Zz").replace("?", "z")


def is_listed(action: str) -> bool:
    """Whether an action is in the table, or stands for those it lacks."""
    return tabled(action) is not None or action == UNKNOWN_SERVICE or action.endswith(":ZzFutureAction")


def spelled(action: str) -> str:
    """Return an action as AWS writes it, where it is known here: IAM ignores letter case, and reports read better."""
    found = None if set(action) & set("*?") else tabled(action)
    return found.name if found is not None else action
