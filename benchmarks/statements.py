"""
The same roles written by hand: what a careful engineer writes without this library.

Every ARN is read from the CDK once and kept. Nothing is checked, measured or acknowledged to cdk-nag.
"""

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from app import MODELS
from benchmarks.reference import Platform

Statement = dict[str, Any]
Documents = dict[str, list[Statement]]

TAGS = ("user_id", "repo", "task_id")
TAGGED = {f"aws:PrincipalTag/{tag}": "?*" for tag in TAGS}
TASK = "${aws:PrincipalTag/task_id}"
USER = "${aws:PrincipalTag/user_id}"
PATHS = ["*/*", "*..*", "."]
INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
MINT = ["sts:AssumeRole", "sts:TagSession"]
BYWAYS = ("s3:*:*:accesspoint/*", "s3:*:*:access-grants/*")


@dataclass(frozen=True)
class Names:
    """Every ARN and name the statements need, each read once."""

    partition: str
    region: str
    account: str
    tables: dict[str, str]
    table_names: dict[str, str]
    traces: str
    attachments: str
    secret: str
    log_group: str
    memory: str
    repository: str

    @classmethod
    def of(cls, stack: Platform) -> "Names":
        tables = {
            "tasks": stack.tasks,
            "events": stack.events,
            "approvals": stack.approvals,
            "nudges": stack.nudges,
        }
        return cls(
            partition=stack.partition,
            region=stack.region,
            account=stack.account,
            tables={name: table.table_arn for name, table in tables.items()},
            table_names={name: table.table_name for name, table in tables.items()},
            traces=stack.traces.bucket_arn,
            attachments=stack.attachments.bucket_arn,
            secret=stack.secret.secret_arn,
            log_group=stack.log_group.log_group_arn,
            memory=stack.memory.attr_memory_arn,
            repository=stack.repository.repository_arn,
        )

    def here(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def profiles(self) -> list[str]:
        return [self.here("bedrock", f"inference-profile/us.{model}") for model in MODELS]

    @property
    def models(self) -> list[str]:
        return [f"arn:{self.partition}:bedrock:*::foundation-model/{model}" for model in MODELS]

    @property
    def tables_everywhere(self) -> dict[str, str]:
        prefix = f"arn:{self.partition}:dynamodb:*:{self.account}:table"
        return {key: f"{prefix}/{name}" for key, name in self.table_names.items()}

    @property
    def written(self) -> list[str]:
        return [
            f"{self.traces}/traces/{USER}/{TASK}.jsonl.gz",
            f"{self.traces}/traces/{USER}/{TASK}/*",
            f"{self.traces}/artifacts/{TASK}/*",
        ]

    @property
    def read(self) -> list[str]:
        return [f"{self.attachments}/attachments/{USER}/{TASK}/*"]


def agentcore_statements(names: Names) -> list[Statement]:
    groups = "log-group:/aws/bedrock-agentcore/runtimes/*"
    return [
        _allow("RuntimeLogGroups", ["logs:CreateLogGroup", "logs:DescribeLogStreams"], [names.here("logs", groups)]),
        _allow("FindLogGroups", ["logs:DescribeLogGroups"], [names.here("logs", "log-group:*")]),
        _allow(
            "RuntimeLogStreams",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [names.here("logs", f"{groups}:log-stream:*")],
        ),
        _allow(
            "Traces",
            [
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            ["*"],
        ),
        _allow(
            "Metrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}},
        ),
        _allow("PullImage", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [names.repository]),
        _allow("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"]),
        *ecs_statements(names),
    ]


def ecs_statements(names: Names) -> list[Statement]:
    memory = ["CreateEvent", "GetEvent", "GetMemoryRecord", "ListEvents", "ListMemoryRecords", "RetrieveMemoryRecords"]
    return [
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [names.log_group]),
        _allow("ReadSecrets", ["secretsmanager:GetSecretValue"], [names.secret]),
        _allow("Memory", [f"bedrock-agentcore:{verb}" for verb in memory], [names.memory]),
        *_model_statements(names, {}),
    ]


def _model_statements(names: Names, tagged: dict[str, Any]) -> list[Statement]:
    fence = {"StringEquals": {"bedrock:InferenceProfileArn": names.profiles}}
    return [
        _allow("InvokeProfiles", INVOKE, names.profiles, tagged),
        _allow("InvokeModelsThroughProfiles", INVOKE, names.models, {**fence, **tagged}),
    ]


def permission_statements(names: Names) -> list[Statement]:
    tagged = {"StringLike": TAGGED}
    own_rows = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [TASK]},
        "Null": {"dynamodb:LeadingKeys": "false"},
        **tagged,
    }
    verbs = {
        "tasks": ("GetPutUpdate", ["GetItem", "PutItem", "UpdateItem"]),
        "events": ("Put", ["PutItem"]),
        "approvals": ("GetPutUpdateConditionCheck", ["GetItem", "PutItem", "UpdateItem", "ConditionCheckItem"]),
        "nudges": ("QueryUpdate", ["Query", "UpdateItem"]),
    }
    return [
        *(
            _allow(f"{sid}ByTaskId", [f"dynamodb:{verb}" for verb in actions], [names.tables[key]], own_rows)
            for key, (sid, actions) in verbs.items()
        ),
        _allow(
            "ObjectsPutMultipart",
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            names.written[:2],
            tagged,
        ),
        _allow("ObjectsPut", ["s3:PutObject"], names.written[2:], tagged),
        _allow("ObjectsGetGetVersion", ["s3:GetObject", "s3:GetObjectVersion"], names.read, tagged),
        *_model_statements(names, tagged),
    ]


def guard_statements(names: Names) -> list[Statement]:
    sids = {"user_id": "UserId", "repo": "Repo", "task_id": "TaskId"}
    everywhere = list(names.tables_everywhere.values())
    allowed = {
        "tasks": ["GetItem", "PutItem", "UpdateItem"],
        "events": ["PutItem"],
        "approvals": ["GetItem", "PutItem", "UpdateItem", "ConditionCheckItem"],
        "nudges": ["Query", "UpdateItem"],
    }
    chaining = [
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "AssumeRoot",
        "GetDelegatedAccessToken",
        "GetFederationToken",
        "GetSessionToken",
        "GetWebIdentityToken",
        "SetSourceIdentity",
        "TagSession",
    ]
    return [
        *(
            _deny(
                f"DenyWithout{sids[tag]}", ["*"], ["*"], Condition={"StringNotLike": {f"aws:PrincipalTag/{tag}": "?*"}}
            )
            for tag in TAGS
        ),
        *(
            _deny(f"DenyPathIn{sids[tag]}", ["*"], ["*"], Condition={"StringLike": {f"aws:PrincipalTag/{tag}": PATHS}})
            for tag in ("user_id", "task_id")
        ),
        _deny("DenyChaining", [f"sts:{verb}" for verb in chaining], ["*"]),
        _deny(
            "DenyForeignRowsByTaskId",
            ["dynamodb:*"],
            everywhere,
            Condition={"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": [TASK]}},
        ),
        _deny(
            "DenyRequestsWithoutRows",
            ["dynamodb:*"],
            everywhere,
            Condition={"Null": {"dynamodb:LeadingKeys": "true"}},
        ),
        *(
            {
                "Sid": f"DenyOtherActions{number}",
                "Effect": "Deny",
                "NotAction": [f"dynamodb:{verb}" for verb in actions],
                "Resource": [names.tables_everywhere[key]],
            }
            for number, (key, actions) in enumerate(allowed.items(), 1)
        ),
        _deny("DenyIndexesAndStreams", ["dynamodb:*"], [f"{arn}/*" for arn in everywhere]),
        {
            "Sid": "DenyOtherObjects",
            "Effect": "Deny",
            "Action": ["s3:*"],
            "NotResource": [*names.written, *names.read],
        },
        _deny(
            "DenyForeignBuckets",
            ["s3:*"],
            [f"{names.traces}/*", f"{names.attachments}/*"],
            Condition={
                "StringNotEquals": {"aws:ResourceAccount": [names.account]},
                "Null": {"aws:ResourceAccount": "false"},
            },
        ),
        _deny(
            "DenyForeignKeys",
            ["s3:PutObject"],
            names.written,
            Condition={"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"}},
        ),
    ]


def compute_guard_statements(names: Names) -> list[Statement]:
    everywhere = list(names.tables_everywhere.values())
    buckets = [arn for bucket in (names.traces, names.attachments) for arn in (bucket, f"{bucket}/*")]
    return [
        _deny("DenyTenantTables", ["dynamodb:*"], everywhere),
        _deny("DenyTenantTablesBelow", ["dynamodb:*"], [f"{arn}/*" for arn in everywhere]),
        _deny("DenyTenantBuckets", ["s3:*"], [*buckets, *(f"arn:{names.partition}:{byway}" for byway in BYWAYS)]),
    ]


def mint_statements(session_role_arn: str) -> list[Statement]:
    return [_allow("MintSessions", MINT, [session_role_arn])]


def roles_guard_statements(session_role_arn: str) -> list[Statement]:
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


def _allow(sid: str, actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement


def _deny(sid: str, actions: list[str], resources: list[str], **rest: Any) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": resources, **rest}


def on_l2(stack: Platform) -> None:
    """Write it with PolicyStatement, ManagedPolicy and Role, under the ids that the constructs use."""
    names = Names.of(stack)
    backends = {
        "AgentCoreExecutionRole": ("bedrock-agentcore", "AGENTCORE", agentcore_statements(names)),
        "EcsTaskRole": ("ecs-tasks", "ECS", ecs_statements(names)),
    }
    compute_roles = []
    for id_, (service, backend, statements) in backends.items():
        scope = Construct(stack, id_)
        principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
        role = iam.Role(
            scope,
            "Role",
            assumed_by=principal.with_conditions(service_conditions(names, service.removesuffix("-tasks"))),
            description=f"Agent code on {backend}: no tenant data of its own",
        )
        _managed(scope, "Permissions", statements, [role])
        compute_roles.append(role)
    scope = Construct(stack, "SessionRole")
    minters = iam.CompositePrincipal(*(iam.ArnPrincipal(role.role_arn) for role in compute_roles))
    session = iam.Role(
        scope,
        "Role",
        assumed_by=minters.with_conditions(trust_conditions()).with_session_tags(),
        description="One task's own data; assumed with session tags only",
        max_session_duration=cdk.Duration.hours(1),
    )
    session_arn = session.role_arn
    guards = _managed(scope, "Guards", guard_statements(names), [session])
    permissions = _managed(scope, "Permissions", permission_statements(names), [session])
    permissions.node.add_dependency(guards)
    _managed(scope, "Mint", mint_statements(session_arn), compute_roles)
    _managed(scope, "ComputeGuards", compute_guard_statements(names), compute_roles)
    _managed(scope, "RolesGuard", roles_guard_statements(session_arn), compute_roles)


def _managed(scope: Construct, id_: str, statements: list[Statement], roles: list[iam.Role]) -> iam.ManagedPolicy:
    return iam.ManagedPolicy(scope, id_, statements=[_l2_statement(one) for one in statements], roles=list(roles))


def _l2_statement(statement: Statement) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=statement["Sid"],
        effect=iam.Effect.ALLOW if statement["Effect"] == "Allow" else iam.Effect.DENY,
        actions=statement.get("Action"),
        not_actions=statement.get("NotAction"),
        resources=statement.get("Resource"),
        not_resources=statement.get("NotResource"),
        conditions=statement.get("Condition"),
    )


def on_l1(stack: Platform) -> None:
    """Write it with CfnRole and CfnManagedPolicy, documents as plain data: the least that CDK can do it with."""
    names = Names.of(stack)
    compute_roles = {
        "AgentCoreExecutionRole": ("bedrock-agentcore", agentcore_statements(names)),
        "EcsTaskRole": ("ecs-tasks", ecs_statements(names)),
    }
    refs, arns = [], []
    for id_, (service, statements) in compute_roles.items():
        trust = {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Condition": service_conditions(names, service.removesuffix("-tasks")),
        }
        role = iam.CfnRole(stack, id_, assume_role_policy_document=_document([trust]))
        refs.append(role.ref)
        arns.append(role.attr_arn)
        _cfn_managed(stack, f"{id_}Permissions", statements, refs[-1:])
    trust = {"Effect": "Allow", "Action": MINT, "Principal": {"AWS": arns}, "Condition": trust_conditions()}
    session = iam.CfnRole(
        stack, "SessionRole", assume_role_policy_document=_document([trust]), max_session_duration=3600
    )
    session_ref, session_arn = session.ref, session.attr_arn
    guards = _cfn_managed(stack, "SessionRoleGuards", guard_statements(names), [session_ref])
    permissions = _cfn_managed(stack, "SessionRolePermissions", permission_statements(names), [session_ref])
    permissions.add_dependency(guards)
    _cfn_managed(stack, "SessionRoleMint", mint_statements(session_arn), refs)
    _cfn_managed(stack, "SessionRoleComputeGuards", compute_guard_statements(names), refs)
    _cfn_managed(stack, "SessionRoleRolesGuard", roles_guard_statements(session_arn), refs)


def _cfn_managed(stack: cdk.Stack, id_: str, statements: list[Statement], roles: list[str]) -> iam.CfnManagedPolicy:
    return iam.CfnManagedPolicy(stack, id_, policy_document=_document(statements), roles=roles)


def _document(statements: list[Statement]) -> Statement:
    return {"Version": "2012-10-17", "Statement": statements}
