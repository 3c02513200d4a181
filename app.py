"""
The reference stack: task tables, buckets, two compute backends, and the one role that reaches tenant data.

Context (`cdk synth -c name=value`):
    minting: `compute` (default), `broker`, `credentialBroker` or `webIdentity`.
    bedrockModels, bedrockGeo: replace the five models and their geography.
    revokedBefore: end the sessions issued before this instant, such as `2026-11-21T10:00:00Z`.
    revokedTasks: end the sessions of these tasks, comma-separated.
    tools: `on` adds one tool role that a session may become: reading attachments, and nothing else.
    tenantDataDeny: `off` for the first deployment onto running agents; see the README for the order.
    tokenVault: `on` lets sessions take their user's GitHub token from AgentCore's vault; see docs/token-vault.md.
    binding: `vpc` makes a VPC with its endpoints and ties every session to it. Default: `off`.
    sessionBroker: a tenant, for whom a dispatcher assumes sessions with a source identity. Default: none.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
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
    Revocation,
    ScopedComputeRole,
    SessionBrokerRole,
    SessionRole,
    TaskTokenIssuer,
    TenantObjects,
    TenantTable,
    TokenFlow,
    TokenVaultGrant,
    ToolScopedRole,
    UserBinding,
    VaultProvider,
    WorkloadBinding,
)
from session_scoping.tags import DEFAULT_TAG_KEYS

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
        tools = self._switch("tools", ("off", "on")) == "on"
        self.limits = [WorkloadBinding(vpc=self._vpc())] if self._switch("binding", ("off", "vpc")) == "vpc" else []
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
            transitive_tag_keys=DEFAULT_TAG_KEYS if tools else (),
            limits=[*self.limits, *self._revocations()],
            deny_tenant_data_to_compute_roles=self._switch("tenantDataDeny", ("on", "off")) == "on",
        )
        cdk.CfnOutput(self, "SessionRoleArn", value=self.session_role.role_arn)
        if self._switch("tokenVault", ("off", "on")) == "on":
            self._make_token_vault()
        if tools:
            self._make_tool()
        if tenant := self.node.try_get_context("sessionBroker"):
            self._make_session_broker(str(tenant))

    def _make_tool(self) -> None:
        # It parses files that users uploaded: the part of the agent most worth taking things away from.
        self.reader_tool = ToolScopedRole(
            self,
            "AttachmentReaderTool",
            session_role=self.session_role,
            tool="attachment-reader",
            objects=[TenantObjects.attachments(self.attachments)],
        )
        cdk.CfnOutput(self, "AttachmentReaderToolArn", value=self.reader_tool.role_arn)

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
        secret = self._secret_of_github("GitHubToken", "Read once at start, before any session")
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

    def _secret_of_github(self, id: str, description: str) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(self, id, description=description)
        cdk.Validations.of(secret).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-SMG4",
                reason="GitHub issues this token; there is nothing AWS could rotate.",
            )
        )
        return secret

    def _make_token_vault(self) -> None:
        """Commit as the user: a GitHub token per user from the vault, and M2M where there is no user."""
        secret = self._secret_of_github("GitHubClientSecret", "Client secret of the GitHub app; AgentCore reads it")
        github = agentcore.CfnOAuth2CredentialProvider(
            self,
            "GitHubProvider",
            name="session-scoping-github",
            credential_provider_vendor="GithubOauth2",
            oauth2_provider_config_input={
                "githubOauth2ProviderConfig": {
                    "clientId": str(self.node.try_get_context("githubClientId") or "your-github-client-id"),
                    # The secret is ours: its ARN is known, and no secret stands in the template.
                    "clientSecretSource": "EXTERNAL",
                    "clientSecretConfig": {"secretId": secret.secret_arn, "jsonKey": "client_secret"},
                }
            },
        )
        self.token_vault = TokenVaultGrant(
            self,
            "TokenVault",
            grantee=self.session_role,
            workload_identity=agentcore.WorkloadIdentity(
                self, "AgentIdentity", workload_identity_name="session-scoping-agent"
            ),
            providers=[VaultProvider.oauth2(github, secret=secret)],
            flows=[TokenFlow.M2M, TokenFlow.USER_FEDERATION],
            user_binding=UserBinding.session_tag("user_id"),
        )
        callback = iam.Role(
            self,
            "ConsentCallbackRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Finishes a consent once it has seen that the user is the one who asked",
        )
        self.token_vault.grant_consent_callback(callback, user_binding=UserBinding.identity_provider("cognito"))

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

    def _revocations(self) -> list[Revocation]:
        before, tasks = (self.node.try_get_context(name) for name in ("revokedBefore", "revokedTasks"))
        found = [Revocation.issued_before(str(before))] if before else []
        named = [task.strip() for task in str(tasks).split(",")] if tasks else []
        return [*found, Revocation.of_sessions(task_id=named)] if named else found

    def _make_session_broker(self, tenant: str) -> None:
        """Make the tenant's role, and the dispatcher that assumes it once for each session."""
        dispatcher = iam.Role(
            self,
            "DispatcherRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Assumes a session of the tenant with a source identity",
        )
        self.session_broker = SessionBrokerRole(
            self, "SessionBroker", tenant=tenant, callers=[dispatcher], models=self.models, limits=self.limits
        )

    def _vpc(self) -> ec2.Vpc:
        """Make a VPC without a way out: sessions reach AWS through its endpoints only."""
        cidr = "10.0.0.0/16"
        vpc = ec2.Vpc(
            self,
            "AgentVpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[ec2.SubnetConfiguration(name="agents", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
            restrict_default_security_group=False,
        )
        vpc.add_flow_log("FlowLog")
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        from_inside = ec2.SecurityGroup(self, "EndpointSecurityGroup", vpc=vpc, allow_all_outbound=False)
        from_inside.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443))
        for id, service in (
            ("Sts", ec2.InterfaceVpcEndpointAwsService.STS),
            ("BedrockRuntime", ec2.InterfaceVpcEndpointAwsService.BEDROCK_RUNTIME),
        ):
            vpc.add_interface_endpoint(id, service=service, open=False, security_groups=[from_inside])
        return vpc

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
