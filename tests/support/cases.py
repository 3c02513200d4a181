"""
The request matrix of the reference stack: what each role may do, and the near miss of everything it may.

Written from the system's needs (tables, prefixes, models), not from the policies. Every case is asked three times:
as deployed, against the Allows alone, and after a colleague added `dynamodb:*, s3:*, sts:*, kms:*` on `*`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.simulator import Question, Verdict, decide
from tests.support.world import ACCOUNT, World, with_broad_allow, without_guards

TAGS = {"user_id": "u1", "repo": "org/name", "task_id": "T1"}
TABLES = {
    "TaskTable": {"GetItem", "PutItem", "UpdateItem"},
    "TaskEventsTable": {"PutItem"},
    "TaskApprovalsTable": {"GetItem", "PutItem", "UpdateItem", "ConditionCheckItem"},
    "TaskNudgesTable": {"Query", "UpdateItem"},
}
KEYED = [
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "UpdateItem",
    "Query",
    "PartiQLSelect",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
]
UNKEYED = ["Scan", "DescribeTable", "UpdateTable", "DeleteTable", "PutResourcePolicy", "ExportTableToPointInTime"]
MODELS = (
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)
PATHS = ("a/b", "/", "a/", "..", "a..b", ".")
INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


@dataclass(frozen=True)
class Case:
    """
    One request and what must come of it.

    Attributes:
        allowed: Whether it goes through as deployed, and by the Allows alone.
        guarded: For a denied request: whether it stays denied under the broad Allow.
        guard_only: For a denied request: whether only a guard can tell, so that the Allows alone let it through.
    """

    name: str
    role: str
    action: str
    resource: str
    allowed: bool
    context: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=lambda: dict(TAGS))
    guarded: bool = True
    guard_only: bool = False
    target: str | None = None

    def question(self, world: World, variant: str) -> Question:
        """Return the request against the role's policies in one of the three variants."""
        role = world.role(self.role)
        policies = {
            "deployed": role.policies,
            "allows only": without_guards(role.policies),
            "broad allow": with_broad_allow(role.policies),
        }[variant]
        context = {**{f"aws:PrincipalTag/{key}": value for key, value in self.tags.items()}, **self.context}
        trust = world.role(self.target).trust if self.target else None
        return Question(role.session(), self.action, self.resource, ACCOUNT, context, policies, trust)

    def expects(self, verdict: Verdict, variant: str) -> bool:
        """Whether the verdict is the right one."""
        if (variant == "broad allow" and not self.guarded) or (variant == "allows only" and self.guard_only):
            return True
        return verdict.allowed == self.allowed


def session_cases(world: World) -> Iterator[Case]:
    """Yield what a session may and may not do."""
    wanted = [*_table_needs(world), *_object_needs(world), *_model_needs("SessionRole", TAGS)]
    yield from wanted
    yield from _siblings(wanted)
    yield from _untagged(_distinct_needs(wanted))
    yield from _table_misses(world)
    yield from _object_misses(world)
    yield from _model_misses("SessionRole", TAGS)
    yield from _chaining(world)


def _siblings(wanted: Iterable[Case]) -> Iterator[Case]:
    """Yield each need on a resource whose name only begins like the right one."""
    for case in wanted:
        is_exact = case.resource != "*" and not any(service in case.resource for service in (":s3:", ":logs:"))
        if case.allowed and is_exact:
            name = f"{case.name}, on a sibling"
            yield replace(case, name=name, resource=f"{case.resource}2", allowed=False, guarded=False)


def _distinct_needs(wanted: Iterable[Case]) -> Iterator[Case]:
    """Yield one need per action and statement: what differs only in a repeated key or a Region asks nothing new."""
    seen = set()
    for case in wanted:
        kind = case.resource.split("/")[0].replace("us-west-2", "us-east-1"), case.resource.split("/")[1:3]
        if (mark := (case.action, str(kind), bool(case.context))) not in seen:
            seen.add(mark)
            yield case


def _table(world: World, name: str) -> str:
    return world.arn(name, "AWS::DynamoDB::Table")


def _row(world: World, table: str, action: str, keys: list[str] | None, *, allowed: bool, note: str = "") -> Case:
    context = {"dynamodb:LeadingKeys": keys} if keys is not None else {}
    arn = _table(world, table)
    return Case(f"{action} on {table} {note or keys}", "SessionRole", f"dynamodb:{action}", arn, allowed, context)


def _table_needs(world: World) -> Iterator[Case]:
    for table, actions in TABLES.items():
        for action in sorted(actions):
            yield _row(world, table, action, ["T1"], allowed=True)
            yield _row(world, table, action, ["T1", "T1"], allowed=True)


def _table_misses(world: World) -> Iterator[Case]:
    for table, actions in TABLES.items():
        arn = _table(world, table)
        for action in sorted(actions):
            for keys in (["T2"], ["T10"], ["T"], ["t1"], ["T1", "T2"], ["u1"], ["T*"], None):
                yield _row(world, table, action, keys, allowed=False)
            elsewhere = arn.replace("us-east-1", "us-west-2")
            foreign = _row(world, table, action, ["T2"], allowed=False, note="in a replica Region")
            yield replace(foreign, resource=elsewhere)
        for action in KEYED:
            if action not in actions:
                yield _row(world, table, action, ["T1"], allowed=False)
        for action in UNKEYED:
            yield _row(world, table, action, None, allowed=False)
        for index in ("UserStatusIndex", "StatusIndex"):
            for action, key in (("Query", "T1"), ("Query", "u1"), ("PartiQLSelect", "T1")):
                case = _row(world, table, action, [key], allowed=False, note=f"{index} {key}")
                yield replace(case, resource=f"{arn}/index/{index}")
        scan = _row(world, table, "Scan", None, allowed=False, note="through an index")
        yield replace(scan, resource=f"{arn}/index/UserStatusIndex")
        for action in ("GetRecords", "GetShardIterator", "DescribeStream"):
            case = _row(world, table, action, None, allowed=False, note="stream")
            yield replace(case, resource=f"{arn}/stream/2026-01-01T00:00:00.000")
        backup = _row(world, table, "DescribeBackup", None, allowed=False, note="backup")
        yield replace(backup, resource=f"{arn}/backup/01489602797149-73d8d5bc")


def _bucket(world: World, name: str) -> str:
    return world.arn(name, "AWS::S3::Bucket")


def _object(name: str, action: str, arn: str, *, allowed: bool, guarded: bool = True, **context: Any) -> Case:
    full = {"aws:ResourceAccount": ACCOUNT, **context}
    return Case(f"{action} {name}", "SessionRole", f"s3:{action}", arn, allowed, full, guarded=guarded)


def _object_needs(world: World) -> Iterator[Case]:
    traces, attachments = _bucket(world, "TraceArtifactBucket"), _bucket(world, "AttachmentsBucket")
    for key in ("traces/u1/T1.jsonl.gz", "traces/u1/T1/part-1.gz", "traces/u1/T1/a/b"):
        for action in ("PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
            yield _object(key, action, f"{traces}/{key}", allowed=True)
    yield _object("artifact", "PutObject", f"{traces}/artifacts/T1/result.md", allowed=True)
    for action in ("GetObject", "GetObjectVersion"):
        yield _object("attachment", action, f"{attachments}/attachments/u1/T1/a1/file.pdf", allowed=True)


def _object_misses(world: World) -> Iterator[Case]:
    traces, attachments = _bucket(world, "TraceArtifactBucket"), _bucket(world, "AttachmentsBucket")
    foreign_keys = [
        "traces/u2/T2.jsonl.gz",
        "traces/u2/T1.jsonl.gz",
        "traces/u1/T2.jsonl.gz",
        "traces/u1/T10.jsonl.gz",
        "traces/u1/T1.jsonl.gz.bak",
        "traces/u1/T1",
        "traces/u1/T1.evil",
        "traces/u1/T10/x",
        "traces/u2/T2/x",
        "traces/u10/T1/x",
        "traces/u1T1/x",
        "traces/U1/T1/x",
        "artifacts/T2/result.md",
        "artifacts/T10/x",
        "artifacts/T1",
        "attachments/u1/T1/a/f",
        "x",
    ]
    for key in foreign_keys:
        for action in ("PutObject", "AbortMultipartUpload", "GetObject", "DeleteObject"):
            yield _object(key, action, f"{traces}/{key}", allowed=False)
    for key in (
        "attachments/u2/T2/a/f",
        "attachments/u2/T1/a/f",
        "attachments/u1/T2/a/f",
        "attachments/u1/T10/a/f",
        "attachments/u1/T1",
    ):
        for action in ("GetObject", "GetObjectVersion", "PutObject"):
            yield _object(key, action, f"{attachments}/{key}", allowed=False)
    own = f"{traces}/traces/u1/T1/part-1.gz"
    for action in ("GetObject", "DeleteObject", "PutObjectAcl"):
        # The guards part sessions from one another, not a session from its own objects.
        yield _object("own trace", action, own, allowed=False, guarded=False)
    yield _object("own artifact", "GetObject", f"{traces}/artifacts/T1/result.md", allowed=False, guarded=False)
    yield _object("own attachment", "PutObject", f"{attachments}/attachments/u1/T1/a/f", allowed=False, guarded=False)
    for bucket in (traces, attachments):
        for action in ("ListBucket", "ListBucketVersions", "PutBucketPolicy", "DeleteBucket"):
            yield _object(bucket, action, bucket, allowed=False)
    yield _object("another bucket", "GetObject", "arn:aws:s3:::payroll/attachments/u1/T1/x", allowed=False)
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side/object/attachments/u1/T1/a/f"
    yield _object("access point", "GetObject", point, allowed=False)
    taken = {"aws:ResourceAccount": "999999999999"}
    foreign: dict[str, Any] = {
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:999999999999:key/k"
    }
    # The Allows cannot tell: a bucket's name says nothing about its account, and a put's header is no part of the key.
    for case in _object_needs(world):
        yield replace(case, name=f"{case.name} in a taken-over bucket", context=taken, allowed=False, guard_only=True)
        if case.action == "s3:PutObject":
            keyed = replace(case, context={**case.context, **foreign}, allowed=False, guard_only=True)
            yield replace(keyed, name=f"{case.name} with a foreign key")


def _model(role: str, name: str, action: str, arn: str, profile: str | None, *, allowed: bool, **tags: str) -> Case:
    context = {"bedrock:InferenceProfileArn": profile} if profile else {}
    return Case(f"{action} {name}", role, action, arn, allowed, context, tags, guarded=True)


def _profile(model: str, geo: str = "us", account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:bedrock:{region}:{account}:inference-profile/{geo}.{model}"


def _model_needs(role: str, tags: dict[str, str]) -> Iterator[Case]:
    for model in MODELS:
        for action in INVOKE:
            yield _model(role, f"profile of {model}", action, _profile(model), None, allowed=True, **tags)
            for region in ("us-east-1", "us-west-2"):
                arn = f"arn:aws:bedrock:{region}::foundation-model/{model}"
                yield _model(role, f"{model} {region}", action, arn, _profile(model), allowed=True, **tags)


def _model_misses(role: str, tags: dict[str, str]) -> Iterator[Case]:
    model = MODELS[0]
    bare = f"arn:aws:bedrock:us-east-1::foundation-model/{model}"
    other = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-70b-instruct-v1:0"
    for name, arn, profile in (
        ("bare model", bare, None),
        ("model through another geography", bare, _profile(model, "eu")),
        ("model through another account's profile", bare, _profile(model, account="999999999999")),
        ("model through an unlisted profile", bare, _profile("meta.llama3-70b-instruct-v1:0")),
        ("model through a profile of another Region", bare, _profile(model, region="us-west-2")),
        ("unlisted model through a listed profile", other, _profile(model)),
        ("unlisted profile", _profile("meta.llama3-70b-instruct-v1:0"), None),
        ("profile of another geography", _profile(model, "global"), None),
        ("profile of another account", _profile(model, account="999999999999"), None),
    ):
        for action in INVOKE:
            yield _model(role, name, action, arn, profile, allowed=False, **tags)
    action = "bedrock:GetInferenceProfile"
    yield _model(role, "reading a profile", action, _profile(model), None, allowed=False, **tags)
    yield _model(role, "reading a model", "bedrock:GetFoundationModel", bare, _profile(model), allowed=False, **tags)


def _untagged(wanted: Iterable[Case]) -> Iterator[Case]:
    for case in wanted:
        for key in TAGS:
            for how, value in (("without", None), ("with an empty", "")):
                tags = {name: text for name, text in case.tags.items() if name != key}
                tags |= {key: value} if value is not None else {}
                name = f"{case.name} {how} {key}"
                yield replace(case, name=name, tags=tags, allowed=False)
                if value is not None:
                    yield replace(_moved(case, key, value), name=f"{name}, where that leads", tags=tags)
        yield replace(case, name=f"{case.name} without tags", tags={}, allowed=False)


def _chaining(world: World) -> Iterator[Case]:
    targets = {"itself": world.role("SessionRole").arn, "another role": f"arn:aws:iam::{ACCOUNT}:role/admin"}
    for name, arn in targets.items():
        for action in ("AssumeRole", "TagSession", "SetSourceIdentity"):
            yield Case(f"{action} on {name}", "SessionRole", f"sts:{action}", arn, allowed=False)
    for action in ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"):
        yield Case(action, "SessionRole", f"sts:{action}", targets["another role"], allowed=False)
    root = f"arn:aws:iam::{ACCOUNT}:root"
    yield Case("AssumeRoot", "SessionRole", "sts:AssumeRoot", root, allowed=False)
    for action in ("GetFederationToken", "GetSessionToken", "GetWebIdentityToken", "GetDelegatedAccessToken"):
        yield Case(action, "SessionRole", f"sts:{action}", "*", allowed=False)
    for key in ("user_id", "task_id"):
        for value in PATHS:
            tags = {**TAGS, key: value}
            for case in _distinct_needs([*_table_needs(world), *_object_needs(world)]):
                yield replace(
                    _moved(case, key, value), name=f"{case.name} with {key} {value!r}", tags=tags, guard_only=True
                )


def _moved(case: Case, key: str, value: str) -> Case:
    """Return the case as the session with another tag value would ask it: the resource follows the tag."""
    context = {
        name: [value if part == TAGS[key] else part for part in parts] if name == "dynamodb:LeadingKeys" else parts
        for name, parts in case.context.items()
    }
    resource = case.resource.replace(f"/{TAGS[key]}/", f"/{value}/").replace(f"/{TAGS[key]}.", f"/{value}.")
    return replace(case, context=context, resource=resource, allowed=False)


def compute_cases(world: World, role: str, *, mints: bool) -> Iterator[Case]:
    """Yield what a compute role may and may not do."""
    wanted = [*_model_needs(role, {}), *_baseline(world, role)]
    yield from wanted
    yield from _siblings(wanted)
    yield from _model_misses(role, {})
    for table in TABLES:
        arn = _table(world, table)
        for action in (*KEYED, "Scan", "DescribeTable", "DeleteTable"):
            keys = {"dynamodb:LeadingKeys": ["T1"]} if action in KEYED else {}
            yield Case(f"{action} on {table}", role, f"dynamodb:{action}", arn, False, keys, {})
        yield Case(f"index of {table}", role, "dynamodb:Query", f"{arn}/index/StatusIndex", False, {}, {})
        yield Case(f"stream of {table}", role, "dynamodb:GetRecords", f"{arn}/stream/2026-01-01T00:00:00.000", False)
        yield Case(f"replica of {table}", role, "dynamodb:Scan", arn.replace("us-east-1", "us-west-2"), False)
    for bucket in ("TraceArtifactBucket", "AttachmentsBucket"):
        arn = _bucket(world, bucket)
        for action in ("GetObject", "PutObject", "DeleteObject", "GetObjectVersion"):
            yield Case(f"{action} in {bucket}", role, f"s3:{action}", f"{arn}/traces/u1/T1/x", False, {}, {})
        for action in ("ListBucket", "PutBucketPolicy"):
            yield Case(f"{action} {bucket}", role, f"s3:{action}", arn, False, {}, {})
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side"
    yield Case("through an access point", role, "s3:GetObject", f"{point}/object/x", False, {}, {})
    grants = f"arn:aws:s3:us-east-1:{ACCOUNT}:access-grants/default"
    yield Case("another role's access by an access grant", role, "s3:GetDataAccess", grants, False, {}, {})
    yield Case("making an access point", role, "s3:CreateAccessPoint", point, False, {}, {})
    admin = f"arn:aws:iam::{ACCOUNT}:role/admin"
    for action in ("AssumeRole", "TagSession", "SetSourceIdentity"):
        yield Case(f"becoming another role by {action}", role, f"sts:{action}", admin, False, {}, {})
    for action in ("AssumeRole", "TagSession"):
        sibling = f"{world.role('SessionRole').arn}2"
        yield Case(f"{action} on a role named alike", role, f"sts:{action}", sibling, False, {}, {})
    yield Case("becoming root", role, "sts:AssumeRoot", f"arn:aws:iam::{ACCOUNT}:root", False, {}, {})
    session = world.role("SessionRole").arn
    yield Case("setting a source identity", role, "sts:SetSourceIdentity", session, False, {}, {}, guarded=False)
    if not mints:
        for action in ("AssumeRole", "TagSession"):
            yield Case(f"{action} whatever the trust says", role, f"sts:{action}", session, False, {}, {})
    yield from mint_cases(world, role, allowed=mints)


def _baseline(world: World, role: str) -> Iterator[Case]:
    secret = str(world.fill({"Ref": world.logical_id("GitHubToken", "AWS::SecretsManager::Secret")}))
    memory = world.arn("AgentMemory", "AWS::BedrockAgentCore::Memory")
    logs = world.arn("AgentLogs", "AWS::Logs::LogGroup").removesuffix(":*")
    agentcore = role.startswith("AgentCore")
    runtime = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/bedrock-agentcore/runtimes/agent-DEFAULT"
    repository = world.arn("AgentRepository", "AWS::ECR::Repository")
    for name, action, arn, allowed in (
        ("own secret", "secretsmanager:GetSecretValue", secret, True),
        ("another secret", "secretsmanager:GetSecretValue", f"{secret[:-7]}-admin-AbCdEf", False),
        ("changing the secret", "secretsmanager:PutSecretValue", secret, False),
        ("own memory", "bedrock-agentcore:CreateEvent", memory, True),
        ("own memory", "bedrock-agentcore:RetrieveMemoryRecords", memory, True),
        ("another memory", "bedrock-agentcore:CreateEvent", f"{memory}2", False),
        ("listing who talks to the memory", "bedrock-agentcore:ListActors", memory, False),
        ("own logs", "logs:PutLogEvents", f"{logs}:log-stream:s", True),
        ("other logs", "logs:PutLogEvents", f"{logs}2:log-stream:s", False),
        ("deleting own logs", "logs:DeleteLogStream", f"{logs}:log-stream:s", False),
        ("runtime logs", "logs:PutLogEvents", f"{runtime}:log-stream:s", agentcore),
        ("making runtime logs", "logs:CreateLogGroup", runtime, agentcore),
        ("deleting runtime logs", "logs:DeleteLogStream", f"{runtime}:log-stream:s", False),
        ("deleting the runtime log group", "logs:DeleteLogGroup", runtime, False),
        ("sending traces", "xray:PutTraceSegments", "*", agentcore),
        ("reading traces", "xray:GetTraceSummaries", "*", False),
        ("image", "ecr:BatchGetImage", repository, agentcore),
        ("another image", "ecr:BatchGetImage", f"{repository}2", False),
        ("pushing an image", "ecr:PutImage", repository, False),
    ):
        yield Case(f"{name}: {action}", role, action, arn, allowed, {}, {})
    namespace = {"cloudwatch:namespace": "bedrock-agentcore"}
    yield Case("metrics", role, "cloudwatch:PutMetricData", "*", agentcore, namespace, {})
    alarm = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:a"
    yield Case("deleting alarms", role, "cloudwatch:DeleteAlarms", alarm, False, namespace, {})
    yield Case("other metrics", role, "cloudwatch:PutMetricData", "*", False, {"cloudwatch:namespace": "x"}, {})


def mint_cases(world: World, role: str, *, allowed: bool) -> Iterator[Case]:
    """Yield ways to ask for a session: the right one, and everything that is nearly right."""
    arn = world.role("SessionRole").arn
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for name, tags, transitive in _mints():
            context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
            context |= {"aws:TagKeys": list(tags)} if tags and name != "its tag keys hidden" else {}
            context |= {"sts:TransitiveTagKeys": transitive} if transitive else {}
            right = allowed and name in ("the declared tags", "a dotted id")
            yield Case(f"{action} with {name}", role, action, arn, right, context, {}, target="SessionRole")


def _mints() -> Iterator[tuple[str, dict[str, str], list[str]]]:
    yield "the declared tags", TAGS, []
    yield "a dotted id", {**TAGS, "task_id": "T1.2"}, []
    yield "its tag keys hidden", TAGS, []
    yield "no tags", {}, []
    yield "an extra tag", {**TAGS, "admin": "yes"}, []
    yield "a transitive tag", TAGS, ["task_id"]
    for key in TAGS:
        yield f"no {key}", {name: value for name, value in TAGS.items() if name != key}, []
        yield f"an empty {key}", {**TAGS, key: ""}, []
        yield f"{key} in capitals", {**{n: v for n, v in TAGS.items() if n != key}, key.upper(): TAGS[key]}, []
    for key in ("user_id", "task_id"):
        for value in PATHS:
            yield f"{key} {value!r}", {**TAGS, key: value}, []


def failures(world: World, cases: Iterable[Case], variants: Iterable[str]) -> list[str]:
    """Return a sentence for every case that is decided wrongly."""
    cases = list(cases)
    asked = [(case, variant) for variant in variants for case in cases]
    verdicts = decide(case.question(world, variant) for case, variant in asked)
    return [
        f"[{variant}] {case.role}: {case.name} was {verdict.outcome} (allow {verdict.allow}, deny {verdict.deny}), "
        f"expected {'allowed' if case.allowed else 'denied'}"
        for (case, variant), verdict in zip(asked, verdicts, strict=True)
        if not case.expects(verdict, variant)
    ]
