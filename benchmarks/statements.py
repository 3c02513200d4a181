"""The statements of the three roles, written by hand: what a careful engineer writes without this library."""

from typing import Any

from benchmarks.shared import Platform
from reference.data import MODELS

Statement = dict[str, Any]

TAGS = ("user_id", "repo", "task_id")
TASK = "${aws:PrincipalTag/task_id}"
USER = "${aws:PrincipalTag/user_id}"
PATHS = ["*/*", "*..*", "."]
INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
MINT = ["sts:AssumeRole", "sts:TagSession"]
BYWAYS = ("s3:*:*:accesspoint/*", "s3:*:*:access-grants/*", "s3-object-lambda:*:*:accesspoint/*")
ACTIONS = {
    "tasks": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    "events": ["dynamodb:PutItem"],
    "approvals": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"],
    "nudges": ["dynamodb:Query", "dynamodb:UpdateItem"],
}
CHAINING = [
    "sts:A*",
    "sts:GetD*",
    "sts:GetF*",
    "sts:GetS*",
    "sts:GetW*",
    "sts:S*",
    "sts:T*",
]


class Names:
    """Every ARN and name the statements need, each read from the CDK once."""

    def __init__(self, stack: Platform) -> None:
        tables = {"tasks": stack.tasks, "events": stack.events, "approvals": stack.approvals, "nudges": stack.nudges}
        self.partition, self.region, self.account = stack.partition, stack.region, stack.account
        prefix = f"arn:{self.partition}:dynamodb:*:{self.account}:table"
        self.tables = {key: table.table_arn for key, table in tables.items()}
        self.tables_everywhere = {key: f"{prefix}/{table.table_name}" for key, table in tables.items()}
        self.traces, self.attachments = stack.traces.bucket_arn, stack.attachments.bucket_arn
        self.written = [
            f"{self.traces}/traces/{USER}/{TASK}.jsonl.gz",
            f"{self.traces}/traces/{USER}/{TASK}/*",
            f"{self.traces}/artifacts/{TASK}/*",
        ]
        self.read = [f"{self.attachments}/attachments/{USER}/{TASK}/*"]
        self.models = [f"arn:{self.partition}:bedrock:*::foundation-model/{model}" for model in MODELS]
        self.profiles = [self.here("bedrock", f"inference-profile/us.{model}") for model in MODELS]
        self.small = stack.small
        if not self.small:
            self.secret, self.log_group = stack.secret.secret_arn, stack.log_group.log_group_arn
            self.memory, self.repository = stack.memory.attr_memory_arn, stack.repository.repository_arn

    def here(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def agentcore(names: Names) -> list[Statement]:
    groups = names.here("logs", "log-group:/aws/bedrock-agentcore/runtimes/*")
    sampling = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
    traces = [*sampling, "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    own_metrics = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    return [
        _allow("RuntimeLogGroups", ["logs:CreateLogGroup", "logs:DescribeLogStreams"], [groups]),
        _allow("FindLogGroups", ["logs:DescribeLogGroups"], [names.here("logs", "log-group:*")]),
        _allow("RuntimeLogStreams", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{groups}:log-stream:*"]),
        _allow("Traces", traces, ["*"]),
        _allow("Metrics", ["cloudwatch:PutMetricData"], ["*"], own_metrics),
        *_image_statements(names),
        *ecs(names),
    ]


def _image_statements(names: Names) -> list[Statement]:
    if names.small:
        return []
    return [
        _allow("PullImage", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [names.repository]),
        _allow("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def ecs(names: Names) -> list[Statement]:
    if names.small:
        return _model_statements(names)
    memory = ["CreateEvent", "GetEvent", "GetMemoryRecord", "ListEvents", "ListMemoryRecords", "RetrieveMemoryRecords"]
    return [
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [names.log_group]),
        _allow("ReadSecrets", ["secretsmanager:GetSecretValue"], [names.secret]),
        _allow("Memory", [f"bedrock-agentcore:{verb}" for verb in memory], [names.memory]),
        *_model_statements(names),
    ]


def _model_statements(names: Names) -> list[Statement]:
    fence = {"ArnLike": {"bedrock:InferenceProfileArn": names.here("bedrock", "inference-profile/us.*")}}
    return [
        _allow("Profiles", INVOKE, names.profiles),
        _allow("Models", INVOKE, names.models, fence),
    ]


def permissions(names: Names) -> list[Statement]:
    own_rows = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [TASK]},
        "Null": {"dynamodb:LeadingKeys": "false"},
        **_tagged("task_id"),
    }
    upload = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    both = _tagged("user_id", "task_id")
    return [
        *(
            _allow(f"Rows{number}", ACTIONS[key], [table], own_rows)
            for number, (key, table) in enumerate(names.tables.items(), 1)
        ),
        _allow("Objects1", upload, names.written[:2], both),
        _allow("Objects2", ["s3:PutObject"], names.written[2:], _tagged("task_id")),
        _allow("Objects3", ["s3:GetObject", "s3:GetObjectVersion"], names.read, both),
        *_model_statements(names),
    ]


def _tagged(*tags: str) -> dict[str, Any]:
    return {"StringLike": {f"aws:PrincipalTag/{tag}": "?*" for tag in tags}}


def guards(names: Names) -> list[Statement]:
    return [*_tag_guards(), *_row_guards(names), *_object_guards(names)]


def _tag_guards() -> list[Statement]:
    user, repo, task = (f"aws:PrincipalTag/{tag}" for tag in TAGS)
    refused = ["", *PATHS]
    return [
        _deny("BadUserId", ["*"], ["*"], {"StringLikeIfExists": {user: refused}}),
        _deny("NoRepo", ["*"], ["*"], {"StringNotLike": {repo: "?*"}}),
        _deny("BadTaskId", ["*"], ["*"], {"StringLikeIfExists": {task: refused}}),
        _deny("Chaining", CHAINING, ["*"]),
    ]


def _row_guards(names: Names) -> list[Statement]:
    everywhere = list(names.tables_everywhere.values())
    foreign = {"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": [TASK]}}
    return [
        _deny("ForeignRows", ["dynamodb:*"], ["*"], foreign),
        _deny("NoRows", ["dynamodb:*"], ["*"], {"Null": {"dynamodb:LeadingKeys": "true"}}),
        *(
            {"Sid": f"Actions{number}", "Effect": "Deny", "NotAction": ACTIONS[key], "Resource": [table]}
            for number, (key, table) in enumerate(names.tables_everywhere.items(), 1)
        ),
        {"Sid": "OtherTables", "Effect": "Deny", "Action": ["dynamodb:*"], "NotResource": everywhere},
    ]


def _object_guards(names: Names) -> list[Statement]:
    account, header = "aws:ResourceAccount", "s3:x-amz-server-side-encryption"
    foreign = {"StringNotEquals": {account: names.account}, "Null": {account: "false"}}
    other_key, own_key = ({"Null": {f"{header}-{kind}": "false"}} for kind in ("aws-kms-key-id", "customer-algorithm"))
    return [
        {
            "Sid": "OtherObjects",
            "Effect": "Deny",
            "Action": ["s3:*", "s3-object-lambda:*"],
            "NotResource": [*names.written, *names.read],
        },
        _deny("OtherAccounts", ["s3:*"], ["*"], foreign),
        _deny("ForeignKeys", ["s3:*"], ["*"], other_key),
        _deny("CallerKeys", ["s3:*"], ["*"], own_key),
    ]


def compute_guards(names: Names) -> list[Statement]:
    everywhere = list(names.tables_everywhere.values())
    buckets = [arn for bucket in (names.traces, names.attachments) for arn in (bucket, f"{bucket}/*")]
    return [
        _deny("DenyTenantTables", ["dynamodb:*"], everywhere),
        _deny("DenyTenantTablesBelow", ["dynamodb:*"], [f"{arn}/*" for arn in everywhere]),
        _deny(
            "DenyTenantBuckets",
            ["s3:*", "s3-object-lambda:*"],
            [*buckets, *(f"arn:{names.partition}:{byway}" for byway in BYWAYS)],
        ),
    ]


def mint(session_role_arn: str) -> list[Statement]:
    return [_allow("MintSessions", MINT, [session_role_arn])]


def roles_guard(session_role_arn: str) -> list[Statement]:
    become = ["sts:AssumeRole", "sts:AssumeRoot", "sts:SetSourceIdentity", "sts:TagSession"]
    return [{"Sid": "DenyOtherRoles", "Effect": "Deny", "Action": become, "NotResource": [session_role_arn]}]


def trust_conditions() -> dict[str, Any]:
    return {
        "StringLike": {f"aws:RequestTag/{tag}": "?*" for tag in TAGS},
        "ForAllValues:StringEquals": {"aws:TagKeys": list(TAGS)},
        "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
        "StringNotLike": {f"aws:RequestTag/{tag}": PATHS for tag in ("user_id", "task_id")},
    }


def service_conditions(names: Names, service: str) -> dict[str, Any]:
    return {
        "StringEquals": {"aws:SourceAccount": names.account},
        "ArnLike": {"aws:SourceArn": names.here(service, "*")},
    }


def _allow(sid: str, actions: list[str], resources: list[str], condition: dict[str, Any] | None = None) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _deny(sid: str, actions: list[str], resources: list[str], condition: dict[str, Any] | None = None) -> Statement:
    return {**_allow(sid, actions, resources, condition), "Effect": "Deny"}
