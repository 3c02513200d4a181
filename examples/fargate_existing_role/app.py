"""
A Fargate task that runs today: it keeps its task role, `iam.Role`, and what that role may do besides tenant data.

What is added is marked `ADDED`. Context (`cdk synth -c step=...`):
    first: the first deployment: the session role is there, and the task role still reads and writes every row.
    done: the default: the last task on old code has ended, and the task role reaches no row.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from session_scoping import Minting, SessionRole, TenantTable


class RunningAgent(cdk.Stack):
    """The table, the secret, the task role and the task that exist; the session role that is added."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Read the context switch and build the stack."""
        super().__init__(scope, id, **kwargs)
        tasks = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )
        task_role = iam.Role(self, "TaskRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        secretsmanager.Secret(self, "GitHubToken").grant_read(task_role)
        task = ecs.FargateTaskDefinition(self, "Task", task_role=task_role)
        agent = task.add_container(
            "Agent",
            image=ecs.ContainerImage.from_registry("agent"),
            environment={"TASK_TABLE": tasks.table_name},
            logging=ecs.LogDriver.aws_logs(stream_prefix="agent"),
        )
        first = self._step() == "first"
        if first:
            tasks.grant_read_write_data(task_role)  # what `done` takes away
        session = self._add_session(tasks, task_role, deny=not first)
        for name, value in session.environment.items():
            agent.add_environment(name, value)  # ADDED

    def _add_session(self, tasks: dynamodb.Table, task_role: iam.Role, *, deny: bool) -> SessionRole:
        """ADDED: make the role that reaches the rows, one task's at a time; `deny` ends what the task role reaches."""
        session = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_compute_roles(task_role),
            tables=[TenantTable(tasks, access=("get", "update"))],
            deny_tenant_data_to_compute_roles=deny,
        )
        reasons = {"compute-roles-mint": "Accepted until our orchestrator signs task tokens."}
        if not deny:
            reasons["compute-roles-reach-tenant-data"] = "Until the last task on old code has ended."
        for finding, reason in reasons.items():
            accepted = cdk.Acknowledgment(id=f"Annotation::session-scoping:{finding}", reason=reason)
            cdk.Validations.of(session).acknowledge(accepted)
        return session

    def _step(self) -> str:
        step = self.node.try_get_context("step") or "done"
        if step not in {"first", "done"}:
            raise ValueError(f"context `step` is `{step}`, expected `first` or `done`")
        return str(step)


def build(app: cdk.App) -> RunningAgent:
    """Add the stack."""
    return RunningAgent(app, "RunningAgent")


if __name__ == "__main__":
    running = cdk.App()
    build(running)
    running.synth()
