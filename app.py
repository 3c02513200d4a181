"""
The reference stack: task tables, buckets, two compute backends, and the one role that reaches tenant data.

Context (`cdk synth -c name=value`):
    minting: `compute` (default), `broker`, `credentialBroker` or `webIdentity`.
    bedrockModels, bedrockGeo: replace the five models and their geography.
    tenantDataDeny: `off` for the first deployment onto running agents; see the README for the order.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

from session_scoping import (
    ComputeBackend,
    CredentialBroker,
    InvalidInputError,
    Minting,
    Models,
    ScopedComputeRole,
    SessionRole,
    TaskTokenIssuer,
    TenantObjects,
    TenantTable,
)

STACK_NAME = "SessionScopingReference"
MODELS = (
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)


class ReferenceStack(cdk.Stack):
    """What a platform that runs coding agents deploys, reduced to what session scoping touches."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Read the context switches and build the stack."""
        super().__init__(scope, id, **kwargs)
        self._make_tables()
        self._make_buckets()
        self._make_compute_roles()
        self.session_role = SessionRole(
            self,
            "SessionRole",
            minting=self._minting(),
            # The words are what the agent really calls: nothing deletes, nothing scans.
            tables=[
                TenantTable(self.tasks, access=("get", "put", "update")),
                TenantTable(self.events, access="append-only"),
                TenantTable(self.approvals, access=("get", "put", "update", "condition-check")),
                TenantTable(self.nudges, access=("query", "update")),
            ],
            objects=[
                TenantObjects.traces(self.traces),
                TenantObjects.artifacts(self.traces),
                TenantObjects.attachments(self.attachments),
            ],
            models=self.models,
            deny_tenant_data_to_compute_roles=self._switch("tenantDataDeny", ("on", "off")) == "on",
        )
        cdk.CfnOutput(self, "SessionRoleArn", value=self.session_role.role_arn)

    def _make_tables(self) -> None:
        self.tasks = self._table("TaskTable", stream=dynamodb.StreamViewType.NEW_IMAGE)
        _index(self.tasks, "UserStatusIndex", "user_id", "status_created_at")
        _index(self.tasks, "StatusIndex", "status", "created_at")
        _index(self.tasks, "IdempotencyIndex", "idempotency_key")
        self.events = self._table("TaskEventsTable", "event_id", stream=dynamodb.StreamViewType.NEW_IMAGE)
        self.approvals = self._table("TaskApprovalsTable", "request_id")
        _index(self.approvals, "UserStatusIndex", "user_id", "status")
        self.nudges = self._table("TaskNudgesTable", "nudge_id")

    def _table(self, id: str, sort_key: str | None = None, **options: Any) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            partition_key=_string("task_id"),
            sort_key=_string(sort_key) if sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="ttl",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            **options,
        )

    def _make_buckets(self) -> None:
        logs_bucket = self._bucket("AccessLogsBucket")
        self.traces = self._bucket("TraceArtifactBucket", server_access_logs_bucket=logs_bucket)
        self.attachments = self._bucket("AttachmentsBucket", server_access_logs_bucket=logs_bucket, versioned=True)

    def _bucket(self, id: str, **options: Any) -> s3.Bucket:
        return s3.Bucket(
            self,
            id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            **options,
        )

    def _make_compute_roles(self) -> None:
        self.models = Models.from_context(self, model_ids=MODELS, geography="us")
        secret = secretsmanager.Secret(self, "GitHubToken", description="Read once at start, before any session")
        cdk.Validations.of(secret).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-SMG4",
                reason="GitHub issues this token; there is nothing AWS could rotate.",
            )
        )
        memory = agentcore.CfnMemory(self, "AgentMemory", name="session_scoping_reference", event_expiry_duration=90)
        repository = ecr.Repository(self, "AgentRepository", image_scan_on_push=True)
        log_group = logs.LogGroup(self, "AgentLogs", retention=logs.RetentionDays.THREE_MONTHS)
        shared: dict[str, Any] = {
            "models": self.models,
            "secrets": [secret],
            "memory": memory,
            "log_groups": [log_group],
        }
        self.agentcore_role = ScopedComputeRole(
            self, "AgentCoreExecutionRole", backend=ComputeBackend.AGENTCORE, repository=repository, **shared
        )
        self.ecs_role = ScopedComputeRole(self, "EcsTaskRole", backend=ComputeBackend.ECS, **shared)

    def _minting(self) -> Minting:
        mode = self._switch("minting", ("compute", "broker", "credentialBroker", "webIdentity"))
        if mode == "compute":
            return Minting.by_compute_roles(self.agentcore_role, self.ecs_role)
        signs = mode != "broker"
        self.orchestrator = iam.Role(
            self,
            "OrchestratorRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Starts tasks; the only role that {'signs their tokens' if signs else 'mints sessions'}",
        )
        compute_roles = [self.agentcore_role, self.ecs_role]
        if not signs:
            return Minting.by_broker(self.orchestrator, compute_roles=compute_roles)
        hosted = mode == "webIdentity"
        issuer = TaskTokenIssuer(
            self,
            "TaskTokens",
            domain_name="tokens.example.com",
            audience="agent-sessions",
            certificate=self._certificate() if hosted else None,
        )
        issuer.grant_issue(self.orchestrator)
        if hosted:
            return Minting.by_web_identity(issuer, compute_roles=compute_roles, max_session=cdk.Duration.hours(8))
        broker = CredentialBroker(
            self, "Broker", signing_key=issuer.signing_key, issuer=issuer.issuer, audience=issuer.audience
        )
        broker.add_alarms()
        broker.grant_revoke(self.orchestrator)
        return Minting.by_credential_broker(broker, compute_roles=compute_roles)

    def _certificate(self) -> acm.ICertificate:
        arn = (
            self.node.try_get_context("certificateArn") or f"arn:aws:acm:us-east-1:111122223333:certificate/{'0' * 36}"
        )
        return acm.Certificate.from_certificate_arn(self, "Certificate", str(arn))

    def _switch(self, name: str, values: tuple[str, ...]) -> str:
        """Return a context switch; the first value is the default."""
        value = str(self.node.try_get_context(name) or values[0])
        if value not in values:
            raise InvalidInputError(
                f"unknown value of context `{name}`",
                got=f"`{value}`",
                expected=" or ".join(f"`{known}`" for known in values),
                why="it decides what is deployed",
                fix=f"-c {name}={values[0]}",
            )
        return value


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _index(table: dynamodb.Table, name: str, partition_key: str, sort_key: str | None = None) -> None:
    table.add_global_secondary_index(
        index_name=name,
        partition_key=_string(partition_key),
        sort_key=_string(sort_key) if sort_key else None,
    )


def main() -> None:
    """Synthesize, with cdk-nag's AwsSolutions pack attached."""
    app = cdk.App()
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    ReferenceStack(app, STACK_NAME)
    app.synth()


if __name__ == "__main__":
    main()
