"""
The reference stack: task tables, buckets, two compute backends, and the one role that reaches tenant data.

The tables and buckets, and what stands behind a context switch, are in `reference/`.

Context (`cdk synth -c name=value`):
    minting: `compute` (default), `orchestrator`, `credentialBroker` or `webIdentity`.
    bedrockModels, bedrockGeo: replace the five models and their geography.
    revokedBefore: end the sessions issued before this instant, such as `2026-11-21T10:00:00Z`.
    revokedTasks: end the sessions of these tasks, comma-separated.
    tools: `on` adds one tool role that a session may become: reading attachments, and nothing else.
    tenantDataDeny: `off` for the first deployment onto running agents; see docs/compute-roles.md for the order.
    tokenVault: `on` lets sessions take their user's GitHub token from AgentCore's vault; see docs/token-vault.md.
    binding: `vpc` makes a VPC with its endpoints and ties every session to it. Default: `off`.
    sessionBroker: a tenant, for whom a dispatcher assumes sessions with a source identity. Default: none.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_logs as logs
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

from reference.data import MODELS, DataStack
from reference.minting import MODES, minting
from reference.network import agent_vpc
from reference.secret import github_secret
from reference.session_broker import add_session_broker
from reference.switches import revocations, switch
from reference.token_vault import add_token_vault
from session_scoping import (
    DEFAULT_TAG_KEYS,
    ComputeBackend,
    Models,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    ToolScopedRole,
    WorkloadBinding,
)

STACK_NAME = "SessionScopingReference"


class ReferenceStack(DataStack):
    """What a platform that runs coding agents deploys, reduced to what session scoping touches."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Read the context switches and build the stack."""
        super().__init__(scope, id, **kwargs)
        self._make_compute_roles()
        tools = switch(self, "tools", ("off", "on")) == "on"
        bound = switch(self, "binding", ("off", "vpc")) == "vpc"
        mode = switch(self, "minting", MODES)
        vpc = agent_vpc(self, brokered=mode == "credentialBroker") if bound else None
        binding = [WorkloadBinding(vpc=vpc)] if vpc else []
        self.session_role = SessionRole(
            self,
            "SessionRole",
            minting=minting(self, mode, [self.agentcore_role, self.ecs_role], vpc),
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
            restrictions=[*binding, *revocations(self)],
            deny_tenant_data_to_compute_roles=switch(self, "tenantDataDeny", ("on", "off")) == "on",
        )
        cdk.CfnOutput(self, "SessionRoleArn", value=self.session_role.role_arn)
        if switch(self, "tokenVault", ("off", "on")) == "on":
            add_token_vault(self, self.session_role)
        if tools:
            self._make_tool()
        if tenant := self.node.try_get_context("sessionBroker"):
            # Its sessions carry no tags: what ends tagged sessions cannot speak of them.
            over = [one for one in revocations(self) if not one.sessions.tags]
            add_session_broker(self, str(tenant), self.models, [*binding, *over])

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

    def _make_compute_roles(self) -> None:
        self.models = Models.from_context(self, model_ids=MODELS, geography="us")
        secret = github_secret(self, "GitHubToken", "Read once at start, before any session")
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


def build(app: cdk.App) -> None:
    """Add the stack, with cdk-nag's AwsSolutions pack attached."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    ReferenceStack(app, STACK_NAME)


if __name__ == "__main__":
    reference = cdk.App()
    build(reference)
    reference.synth()
