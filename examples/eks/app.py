"""
Agents in the pods of an EKS cluster that exists: one session role, and a tool of its sessions.

Context (`cdk synth -c name=value`):
    pods: `podIdentity` (default) or `irsa`, how the agents' pods get the compute role.
    minting: `credentialBroker` (default) or `compute`, where the pods mint for themselves.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from session_scoping import (
    DEFAULT_TAG_KEYS,
    ComputeBackend,
    CredentialBroker,
    EksPods,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TaskTokenIssuer,
    TenantObjects,
    TenantTable,
    ToolScopedRole,
)

CLUSTER, NAMESPACE, SERVICE_ACCOUNT = "platform", "agents", "worker"
ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


class AgentsOnEks(cdk.Stack):
    """The compute role of the pods, the session role of their tasks, and a tool."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Read the context switches and build the stack."""
        super().__init__(scope, id, **kwargs)
        agent = ScopedComputeRole(self, "AgentRole", backend=ComputeBackend.EKS, pods=self._pods())
        if agent.pods and agent.pods.pass_tags:
            # Its session tags stay on (the default): the role's trust policy demands them.
            eks.CfnPodIdentityAssociation(
                self,
                "Association",
                cluster_name=CLUSTER,
                namespace=NAMESPACE,
                service_account=SERVICE_ACCOUNT,
                role_arn=agent.role_arn,
            )
        key = dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING)
        tasks = dynamodb.Table(self, "Tasks", partition_key=key, billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST)
        files = s3.Bucket(self, "Files", block_public_access=s3.BlockPublicAccess.BLOCK_ALL, enforce_ssl=True)
        session = SessionRole(
            self,
            "SessionRole",
            minting=self._minting(agent),
            tables=[TenantTable(tasks, access=("get", "put", "update"))],
            objects=[TenantObjects.artifacts(files)],
            # All of them, for the tool. A pod's own six come along by name where pods mint.
            transitive_tag_keys=DEFAULT_TAG_KEYS,
        )
        ToolScopedRole(
            self, "TaskReader", session_role=session, tool="task-reader", tables=[TenantTable(tasks, access="get")]
        )
        # For the pod's environment: `kubectl` or Helm takes it from the outputs.
        for name, value in session.environment.items():
            cdk.CfnOutput(self, name.replace("_", ""), value=value, description=name)

    def _pods(self) -> EksPods:
        names = {"namespace": NAMESPACE, "service_account": SERVICE_ACCOUNT}
        match self.node.try_get_context("pods") or "podIdentity":
            case "podIdentity":
                cluster = self.format_arn(service="eks", resource="cluster", resource_name=CLUSTER)
                return EksPods.pod_identity(cluster, **names)
            case "irsa":
                arn = self.format_arn(
                    service="iam", region="", resource="oidc-provider", resource_name=ISSUER.removeprefix("https://")
                )
                provider = iam.OidcProviderNative.from_oidc_provider_arn(self, "ClusterIssuer", arn)
                return EksPods.irsa(provider, issuer=ISSUER, **names)
            case other:
                raise ValueError(f"context `pods` is `{other}`, expected `podIdentity` or `irsa`")

    def _minting(self, agent: ScopedComputeRole) -> Minting:
        match self.node.try_get_context("minting") or "credentialBroker":
            case "compute":
                return Minting.by_compute_roles(agent)
            case "credentialBroker":
                tokens = TaskTokenIssuer(self, "TaskTokens", domain_name="tokens.example.com", audience="eks-agents")
                broker = CredentialBroker(
                    self, "Broker", signing_key=tokens.signing_key, issuer=tokens.issuer, audience=tokens.audience
                )
                return Minting.by_credential_broker(broker, compute_roles=[agent])
            case other:
                raise ValueError(f"context `minting` is `{other}`, expected `credentialBroker` or `compute`")


def build(app: cdk.App) -> AgentsOnEks:
    """Add the stack."""
    return AgentsOnEks(app, "AgentsOnEks")


if __name__ == "__main__":
    agents = cdk.App()
    build(agents)
    agents.synth()
