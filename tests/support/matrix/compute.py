"""What a compute role may and may not do."""

from collections.abc import Iterator

from tests.support.matrix import KEYED, TABLES, Case, siblings
from tests.support.matrix.minting import mint_cases
from tests.support.matrix.models import model_misses, model_needs
from tests.support.world import ACCOUNT, World


def compute_cases(world: World, role: str, *, mints: bool) -> Iterator[Case]:
    """Yield what a compute role may and may not do."""
    wanted = [*model_needs(role, {}), *_baseline(world, role)]
    yield from wanted
    yield from siblings(wanted)
    yield from model_misses(role, {})
    for table in TABLES:
        arn = world.arn(table, "AWS::DynamoDB::Table")
        for action in (*KEYED, "Scan", "DescribeTable", "DeleteTable"):
            keys = {"dynamodb:LeadingKeys": ["T1"]} if action in KEYED else {}
            yield Case(f"{action} on {table}", role, f"dynamodb:{action}", arn, False, keys, {})
        yield Case(f"index of {table}", role, "dynamodb:Query", f"{arn}/index/StatusIndex", False, {}, {})
        yield Case(f"stream of {table}", role, "dynamodb:GetRecords", f"{arn}/stream/2026-01-01T00:00:00.000", False)
        yield Case(f"replica of {table}", role, "dynamodb:Scan", arn.replace("us-east-1", "us-west-2"), False)
    for bucket in ("TraceArtifactBucket", "AttachmentsBucket"):
        arn = world.arn(bucket, "AWS::S3::Bucket")
        for action in ("GetObject", "PutObject", "DeleteObject", "GetObjectVersion"):
            yield Case(f"{action} in {bucket}", role, f"s3:{action}", f"{arn}/traces/u1/T1/x", False, {}, {})
        for action in ("ListBucket", "PutBucketPolicy"):
            yield Case(f"{action} {bucket}", role, f"s3:{action}", arn, False, {}, {})
    point = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side"
    yield Case("through an access point", role, "s3:GetObject", f"{point}/object/x", False, {}, {})
    grants = f"arn:aws:s3:us-east-1:{ACCOUNT}:access-grants/default"
    yield Case("another role's access by an access grant", role, "s3:GetDataAccess", grants, False, {}, {})
    lambda_point = f"arn:aws:s3-object-lambda:us-east-1:{ACCOUNT}:accesspoint/side"
    yield Case("through Object Lambda", role, "s3-object-lambda:GetObject", lambda_point, False, {}, {})
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
