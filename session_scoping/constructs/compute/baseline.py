"""
What agent code may do without tenant data: the documented baseline of each backend, with exact ARNs.

Source: AgentCore devguide, runtime-permissions; ECS developer guide, task-iam-roles and ecs-exec; Secrets Manager
and CloudWatch Logs guides, identity-based policies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, asked_once, has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow
from session_scoping.constructs.compute.grants import REPOSITORY
from session_scoping.constructs.data.access import require_attribute
from session_scoping.contract.errors import InvalidInputError

WILDCARD_REASON = (
    "The service names these log groups, streams, identities or secret suffixes itself, or has no resource level "
    "for the action; a model's Regions are limited by its inference profile."
)

_RUNTIME_LOGS = "arn:*:logs:*:*:log-group:/aws/bedrock-agentcore/runtimes/*"
_IDENTITIES = "arn:*:bedrock-agentcore:*:*:workload-identity-directory/default"
_TOKEN = "bedrock-agentcore:GetWorkloadAccessToken"  # noqa: S105 - an action
_TRACE = ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")

ADDED_BY_CONSTRUCTS: Mapping[str, Sequence[Statement]] = {
    "bedrock-agentcore": (
        allow("LogGroupAccess", ["logs:CreateLogGroup", "logs:DescribeLogStreams"], [_RUNTIME_LOGS]),
        allow("DescribeLogGroups", ["logs:DescribeLogGroups"], ["arn:*:logs:*:*:log-group:*"]),
        allow("LogStreamAccess", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{_RUNTIME_LOGS}:log-stream:*"]),
        allow("XRayAccess", [f"xray:{name}" for name in _TRACE], ["*"]),
        allow(
            "CloudWatchMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}},
        ),
        allow(
            "GetAgentAccessToken",
            [_TOKEN, f"{_TOKEN}ForJWT", f"{_TOKEN}ForUserId"],
            [_IDENTITIES, f"{_IDENTITIES}/workload-identity/*"],
        ),
        {"Effect": "Allow", "Action": list(_PULL), "Resource": [REPOSITORY]},
    ),
    "ecs-tasks": (),
    "eks": (),
    "lambda": (),
    "lambda-microvm": (),
}
"""
What the CDK's Runtime, task definitions and functions add by themselves to a role they are given, in any place.

It is left out, because the baseline says it in exact ARNs. tests/synth/test_construct_grants.py records it anew, and
fails when a version of the CDK adds something else.
"""

_LOG_PREFIX = "log-group:/aws/bedrock-agentcore/runtimes/*"
_SECRET_ARN = re.compile(r"arn:[^:*?]+:secretsmanager:[^:*?]+:\d{12}:secret:[^:*?]+-[A-Za-z0-9]{6}")

_MEMORY_ARN = re.compile(r"arn:[^:*?]+:bedrock-agentcore:[^:*?]+:\d{12}:memory/[^:*?/]+")
_RUNTIME_ARN = re.compile(r"arn:[^:*?]+:bedrock-agentcore:[^:*?]+:\d{12}:runtime/[^:*?/]+")
# Source: AgentCore control API, CreateAgentRuntime, agentRuntimeName.
_RUNTIME_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")

# Deleting events and listing actors or sessions are absent: a listing names other tenants.
MEMORY_ACTIONS = (
    "bedrock-agentcore:CreateEvent",
    "bedrock-agentcore:GetEvent",
    "bedrock-agentcore:GetMemoryRecord",
    "bedrock-agentcore:ListEvents",
    "bedrock-agentcore:ListMemoryRecords",
    "bedrock-agentcore:RetrieveMemoryRecords",
)


def trusted_service(service: str, context: StackContext, source_arn: str | None) -> iam.IPrincipal:
    """
    Return the service that may assume a compute role, for this account's resources only.

    Lambda gets no condition: a role can be passed to a function of its own account only, and on Lambda MicroVMs
    a SourceAccount condition was seen to fail when the function starts. One page of AWS shows it there, with the
    image's ARN as source: not relied on. A MicroVM's session is tagged as well (Lambda guide, microvms-security);
    with which tags is not documented, and a session role refuses one that is transitive.
    """
    if service in ("lambda", "lambda-microvm"):
        lambda_ = iam.ServicePrincipal("lambda.amazonaws.com")
        return lambda_ if service == "lambda" else lambda_.with_session_tags()
    # A cluster in the SourceArn is not supported (ECS guide, task-iam-roles), hence every resource of the service.
    here = context.arn(service.removesuffix("-tasks"), "*")
    return iam.ServicePrincipal(
        f"{service}.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": context.account},
            "ArnLike": {"aws:SourceArn": source_arn or here},
        },
    )


def agentcore_baseline(
    context: StackContext, repository: cdk.aws_ecr.IRepository | None, runtime_name: str | None
) -> list[Section]:
    """Return what the AgentCore service needs of an execution role."""
    namespace: Conditions = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    statements = [
        allow(
            "RuntimeLogGroups",
            ["logs:CreateLogGroup", "logs:DescribeLogStreams"],
            [context.arn("logs", _LOG_PREFIX)],
        ),
        allow("FindLogGroups", ["logs:DescribeLogGroups"], [context.arn("logs", "log-group:*")]),
        allow(
            "RuntimeLogStreams",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [context.arn("logs", f"{_LOG_PREFIX}:log-stream:*")],
        ),
        allow(
            "Traces",
            [
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            ["*"],
        ),
        allow("Metrics", ["cloudwatch:PutMetricData"], ["*"], namespace),
    ]
    if repository:
        pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        statements.append(allow("PullImage", pull, [repository.repository_arn]))
        statements.append(allow("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"]))
    if runtime_name:
        directory = "workload-identity-directory/default"
        identities = [directory, f"{directory}/workload-identity/{runtime_name}-*"]
        # ...ForUserId is absent: it takes a user id on trust (AgentCore devguide, security best practices).
        tokens = [
            "bedrock-agentcore:GetWorkloadAccessToken",
            "bedrock-agentcore:GetWorkloadAccessTokenForJWT",
        ]
        statements.append(
            allow("WorkloadIdentity", tokens, [context.arn("bedrock-agentcore", name) for name in identities])
        )
    return [Section.whole(*statements)]


def lambda_baseline(context: StackContext, *, in_vpc: bool) -> list[Section]:
    """
    Return what Lambda needs of an execution role: its logs, and network interfaces where the function is in a VPC.

    Sources:
        Lambda developer guide, lambda-intro-execution-role (logs) and configuration-vpc (network interfaces, which
        have no narrower resource); permissions-source-function-arn: calls from the function's own code carry
        `lambda:SourceFunctionArn`, those that Lambda makes for its interfaces do not.
    """
    groups = "log-group:/aws/lambda/*"
    statements = [
        allow("FunctionLogGroups", ["logs:CreateLogGroup"], [context.arn("logs", groups)]),
        allow(
            "FunctionLogStreams",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [context.arn("logs", f"{groups}:log-stream:*")],
        ),
    ]
    if in_vpc:
        interfaces = ["AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface"]
        described = ["DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses"]
        actions = [f"ec2:{name}" for name in (*interfaces, *described)]
        not_code: Conditions = {"Null": {"lambda:SourceFunctionArn": "true"}}
        statements.append(allow("NetworkInterfaces", actions, ["*"], not_code))
    return [Section.whole(*statements)]


def ecs_exec() -> list[Section]:
    """Return what ECS Exec needs of a task role."""
    channels = [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]
    return [Section.whole(allow("EcsExec", channels, ["*"]))]


def log_groups(groups: Sequence[cdk.aws_logs.ILogGroup]) -> list[Section]:
    """Return write access to these log groups."""
    if not groups:
        return []
    arns = [asked_once(group, "log_group_arn") for group in groups]
    return [Section.by_resource(allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], arns))]


def secrets(entries: Sequence[cdk.aws_secretsmanager.ISecret | str], context: StackContext) -> list[Section]:
    """Return read access to these secrets, and to the keys they are encrypted with."""
    if not entries:
        return []
    arns = [_secret_arn(entry) for entry in entries]
    sections = [Section.by_resource(allow("ReadSecrets", ["secretsmanager:GetSecretValue"], arns))]
    keys = [None if isinstance(entry, str) else asked_once(entry, "encryption_key") for entry in entries]
    keyed = [(arn, key.key_arn) for arn, key in zip(arns, keys, strict=True) if key]
    for number, (arn, key_arn) in enumerate(keyed, 1):
        conditions: Conditions = {
            "StringEquals": {"kms:ViaService": context.via_service("secretsmanager", [key_arn])},
            "StringLike": {"kms:EncryptionContext:SecretARN": arn},
        }
        sections.append(Section.whole(allow(f"DecryptSecret{number}", ["kms:Decrypt"], [key_arn], conditions)))
    return sections


def _secret_arn(secret: cdk.aws_secretsmanager.ISecret | str) -> str:
    if not isinstance(secret, str):
        require_attribute(secret, "secret_full_arn", what="a secret", example='Secret(self, "Secret")')
    arn = secret if isinstance(secret, str) else asked_once(secret, "secret_full_arn")
    if arn is None:
        # Imported by name: Secrets Manager appends exactly six characters (Secrets Manager guide, IAM examples).
        return f"{asked_once(secret, 'secret_arn')}-??????"
    if has_wildcard(arn) or not (is_token(arn) or _SECRET_ARN.fullmatch(arn)):
        raise InvalidInputError(
            "that is not the complete ARN of one secret",
            got="an ARN with a wildcard" if has_wildcard(arn) else "another resource or a partial ARN",
            expected="arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<six characters>",
            why="a wildcard would open secrets of other workspaces",
            fix="copy the complete ARN, or pass the ISecret",
        )
    return arn


def check_runtime(name: str | None, arn: str | None) -> None:
    """
    Refuse a runtime's name or ARN that would match several runtimes.

    Raises:
        InvalidInputError: A wildcard, or text of another form.
    """
    if name is not None:
        check_exact("runtime_name", name, _RUNTIME_NAME, "1 to 48 letters, digits and `_`, a letter first")
    if arn is not None:
        check_exact("runtime_arn", arn, _RUNTIME_ARN, "the exact ARN of one AgentCore runtime")


def check_exact(what: str, text: str, form: re.Pattern[str], expected: str) -> None:
    """Refuse text that is not exactly one thing of its kind; a CDK token is taken at its word."""
    known = isinstance(text, str)
    if not known or has_wildcard(text) or not (is_token(text) or form.fullmatch(text)):
        raise InvalidInputError(
            f"`{what}` does not name one resource",
            got=f"a {type(text).__name__}" if not known else "a wildcard" if has_wildcard(text) else f"`{text}`",
            expected=expected,
            why="it would open what belongs to other agents, or nothing",
            fix="copy the exact value, or pass the construct's attribute",
        )


def memory(entry: cdk.aws_bedrockagentcore.IMemory | cdk.aws_bedrockagentcore.CfnMemory | str | None) -> list[Section]:
    """Return event and record access to one AgentCore Memory."""
    if entry is None:
        return []
    if isinstance(entry, str):
        arn = entry
    else:
        resource = isinstance(entry, cdk.aws_bedrockagentcore.CfnMemory)
        if not resource:
            require_attribute(entry, "memory_arn", what="a Memory", example='Memory(self, "Memory", ...)')
        arn = asked_once(entry, "attr_memory_arn" if resource else "memory_arn")
    check_exact("memory", arn, _MEMORY_ARN, "the exact ARN of one AgentCore Memory")
    return [Section.whole(allow("Memory", MEMORY_ACTIONS, [arn]))]
