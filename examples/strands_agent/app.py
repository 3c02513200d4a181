"""The stack of a Strands agent on Fargate: a session for each task, which reaches that task's row and a model."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from session_scoping import ComputeBackend, Minting, Models, ScopedComputeRole, SessionRole, TenantTable


class StrandsAgent(cdk.Stack):
    """The table of tasks, the agent's role, and the role that each task runs under."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build the stack."""
        super().__init__(scope, id, **kwargs)
        tasks = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )
        agent = ScopedComputeRole(self, "AgentRole", backend=ComputeBackend.ECS)
        session = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_compute_roles(agent),
            tables=[TenantTable(tasks, access=("get", "update"))],
            models=Models.profile("us", ["amazon.nova-pro-v1:0"]),
        )
        why = "The model chooses arguments of our tools; no tool runs code that it writes."
        cdk.Validations.of(session).acknowledge(
            cdk.Acknowledgment(id="Annotation::session-scoping:compute-roles-mint", reason=why)
        )
        task = ecs.FargateTaskDefinition(self, "Task", task_role=agent)
        task.add_container(
            "Agent",
            image=ecs.ContainerImage.from_registry("strands-agent"),
            environment={"TASK_TABLE": tasks.table_name, **session.environment},
            logging=ecs.LogDriver.aws_logs(stream_prefix="agent"),
        )


def build(app: cdk.App) -> StrandsAgent:
    """Add the stack."""
    return StrandsAgent(app, "StrandsAgent")


if __name__ == "__main__":
    agents = cdk.App()
    build(agents)
    agents.synth()
