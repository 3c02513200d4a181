"""
Session scoping added to two stacks that already exist: one with the data, one with the agents.

What the constructs add is marked `ADDED`; the rest is what such an app has anyway.

Context (`cdk synth -c name=value`):
    data: `imported` (default), tables and bucket of another deployment, by ARN; or `created`, tables with a
        customer-managed key and a bucket with a Bucket Key, made here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks
from constructs import Construct, IConstruct

from session_scoping import (
    ComputeBackend,
    Minting,
    Models,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
)

# Known names: the containers get them as text, so the stack with the agents needs nothing from the one with the data.
TASKS, EVENTS, BUCKET = "acme-tasks", "acme-task-events", "acme-task-traces"
SESSION_ROLE = "acme-agent-session"
MODELS = Models.profile("us", ["anthropic.claude-sonnet-4-6"])


class DataStack(cdk.Stack):
    """The tables and the bucket. Others own them, or they are made here."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Import or make the data, as the context says."""
        super().__init__(scope, id, **kwargs)
        match self.node.try_get_context("data") or "imported":
            case "created":
                self._create()
            case "imported":
                self._import()
            case other:
                raise ValueError(f"context `data` is `{other}`, expected `imported` or `created`")

    def _import(self) -> None:
        self.tasks = self._imported_table("Tasks", TASKS)
        self.events = self._imported_table("TaskEvents", EVENTS)
        self.traces: s3.IBucket = s3.Bucket.from_bucket_arn(self, "Traces", f"arn:{self.partition}:s3:::{BUCKET}")

    def _imported_table(self, id: str, name: str) -> dynamodb.ITable:
        arn = f"arn:{self.partition}:dynamodb:{self.region}:{self.account}:table/{name}"
        return dynamodb.Table.from_table_arn(self, id, arn)

    def _create(self) -> None:
        key = kms.Key(self, "DataKey", enable_key_rotation=True)
        self.tasks = self._created_table("Tasks", TASKS, key)
        self.events = self._created_table("TaskEvents", EVENTS, key, sort_key="event_id")
        access_logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
        )
        self.traces = s3.Bucket(
            self,
            "Traces",
            bucket_name=BUCKET,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            server_access_logs_bucket=access_logs,
        )

    def _created_table(self, id: str, name: str, key: kms.IKey, sort_key: str | None = None) -> dynamodb.ITable:
        return dynamodb.Table(
            self,
            id,
            table_name=name,
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort_key, type=dynamodb.AttributeType.STRING) if sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
        )

    def scope_sessions(self, *compute_roles: ScopedComputeRole) -> SessionRole:
        """ADDED: make the one role that reaches this data, assumed by the agents once per task."""
        session_role = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_compute_roles(*compute_roles),
            tables=[
                TenantTable(self.tasks, access=("get", "put", "update")),
                TenantTable(self.events, access="append-only"),
            ],
            objects=[TenantObjects.traces(self.traces)],
            models=MODELS,
            # A known name: without it the containers would refer to this stack, which refers to theirs.
            role_name=SESSION_ROLE,
        )
        acknowledge(
            session_role,
            {"session-scoping:compute-roles-mint": "Accepted until our orchestrator mints (threat table, column 1)."},
        )
        return session_role


class ComputeStack(cdk.Stack):
    """The agents: an AgentCore runtime and a Fargate task of the same image."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Make what both backends share, and their roles."""
        super().__init__(scope, id, **kwargs)
        self.repository = ecr.Repository(self, "AgentImages", image_scan_on_push=True)
        self.log_group = logs.LogGroup(self, "AgentLogs", retention=logs.RetentionDays.THREE_MONTHS)
        # ADDED: these two take the place of the roles that could read every table.
        self.agentcore_role = ScopedComputeRole(
            self,
            "AgentCoreRole",
            backend=ComputeBackend.AGENTCORE,
            models=MODELS,
            repository=self.repository,
        )
        self.task_role = ScopedComputeRole(
            self, "TaskRole", backend=ComputeBackend.ECS, models=MODELS, log_groups=[self.log_group]
        )

    def run_agents(self, session_environment: Mapping[str, str]) -> None:
        """Make the runtime and the task; ADDED: the environment of a session, and the roles made above."""
        variables = {"TASK_TABLE": TASKS, "TASK_EVENTS_TABLE": EVENTS, "TRACE_BUCKET": BUCKET, **session_environment}
        self._run_on_agentcore(variables)
        self._run_on_fargate(variables)

    def _run_on_agentcore(self, variables: Mapping[str, str]) -> None:
        agentcore.Runtime(
            self,
            "Runtime",
            runtime_name="acme_agent",
            agent_runtime_artifact=agentcore.AgentRuntimeArtifact.from_ecr_repository(self.repository, "v1"),
            execution_role=self.agentcore_role,
            environment_variables=variables,
        )

    def _run_on_fargate(self, variables: Mapping[str, str]) -> None:
        execution_role = iam.Role(
            self,
            "TaskExecutionRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description="Pulls the image and writes the logs; no agent code runs under it",
        )
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            task_role=self.task_role,
            execution_role=execution_role,
            cpu=1024,
            memory_limit_mib=2048,
        )
        task.add_container(
            "Agent",
            image=ecs.ContainerImage.from_ecr_repository(self.repository, "v1"),
            logging=ecs.LogDriver.aws_logs(stream_prefix="agent", log_group=self.log_group),
            environment=dict(variables),
        )
        acknowledge(
            task,
            {"AwsSolutions::AwsSolutions-ECS2": "Names and an ARN; secrets come from Secrets Manager."},
        )
        acknowledge(
            execution_role,
            {"AwsSolutions::AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken has no resource level."},
        )


def acknowledge(construct: IConstruct, findings: Mapping[str, str]) -> None:
    """Accept findings on one construct, each with its reason."""
    acknowledgments: Sequence[cdk.Acknowledgment] = [
        cdk.Acknowledgment(id=finding, reason=reason) for finding, reason in findings.items()
    ]
    cdk.Validations.of(construct).acknowledge(*acknowledgments)


def build(scope: Construct) -> tuple[DataStack, ComputeStack]:
    """
    Make both stacks.

    The roles come first, then the session role that trusts them, then the agents that get its name: the data
    stack depends on the compute stack, and nothing leads back.
    """
    compute = ComputeStack(scope, "AcmeCompute")
    data = DataStack(scope, "AcmeData")
    session_role = data.scope_sessions(compute.agentcore_role, compute.task_role)
    compute.run_agents(session_role.environment)
    return data, compute


def main() -> None:
    """Synthesize, with cdk-nag's AwsSolutions pack attached."""
    app = cdk.App()
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    build(app)
    app.synth()


if __name__ == "__main__":
    main()
