"""
An AgentCore runtime as compute, with task tokens: code in its sessions cannot choose whose data it reaches.

The dispatcher, a function of yours, signs a token for each task and passes it in the payload of InvokeAgentRuntime.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from session_scoping import (
    ComputeBackend,
    CredentialBroker,
    Minting,
    Models,
    ScopedComputeRole,
    SessionRole,
    TaskTokenIssuer,
    TenantObjects,
    TenantTable,
)


class AgentCoreAgent(cdk.Stack):
    """The table, the bucket, the runtime with its role, the role of each task, and who may start one."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build the stack."""
        super().__init__(scope, id, **kwargs)
        tasks = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )
        files = s3.Bucket(self, "Files", block_public_access=s3.BlockPublicAccess.BLOCK_ALL, enforce_ssl=True)
        images = ecr.Repository(self, "Images")
        agent = ScopedComputeRole(self, "AgentRole", backend=ComputeBackend.AGENTCORE, repository=images)
        dispatcher = iam.Role(self, "Dispatcher", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        session = SessionRole(
            self,
            "SessionRole",
            minting=self._minting(agent, dispatcher),
            tables=[TenantTable(tasks, access=("get", "update"))],
            objects=[TenantObjects.artifacts(files), TenantObjects.attachments(files)],
            models=Models.profile("us", ["amazon.nova-pro-v1:0"]),
        )
        runtime = agentcore.Runtime(
            self,
            "Runtime",
            runtime_name="agent",
            agent_runtime_artifact=agentcore.AgentRuntimeArtifact.from_ecr_repository(images, "v1"),
            # The construct itself: to any other role the Runtime adds broad grants.
            execution_role=agent,
            environment_variables={
                "TASK_TABLE": tasks.table_name,
                "FILES_BUCKET": files.bucket_name,
                **session.environment,
            },
        )
        # Never to the agent's own role: a warm runtime session answers every caller that knows its id.
        runtime.grant_invoke_runtime(dispatcher)

    def _minting(self, agent: ScopedComputeRole, dispatcher: iam.Role) -> Minting:
        tokens = TaskTokenIssuer(self, "TaskTokens", domain_name="tokens.example.com", audience="agentcore-agents")
        tokens.grant_issue(dispatcher)
        broker = CredentialBroker(
            self, "Broker", signing_key=tokens.signing_key, issuer=tokens.issuer, audience=tokens.audience
        )
        broker.grant_revoke(dispatcher)
        return Minting.by_credential_broker(broker, compute_roles=[agent])


def build(app: cdk.App) -> AgentCoreAgent:
    """Add the stack."""
    return AgentCoreAgent(app, "AgentCoreAgent")


if __name__ == "__main__":
    agents = cdk.App()
    build(agents)
    agents.synth()
