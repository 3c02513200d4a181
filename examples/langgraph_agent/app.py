"""The stack of a LangGraph agent on Lambda: a session per task, for its row, its notes and a model."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from session_scoping import ComputeBackend, Minting, Models, ScopedComputeRole, SessionRole, TenantTable


class LangGraphAgent(cdk.Stack):
    """The tables, the function with its role, and the role that each task runs under."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build the stack."""
        super().__init__(scope, id, **kwargs)
        tasks, notes = self._table("Tasks"), self._table("Notes", sort_key="note_id")
        agent = ScopedComputeRole(self, "AgentRole", backend=ComputeBackend.LAMBDA)
        session = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_compute_roles(agent),
            tables=[TenantTable(tasks, access="get"), TenantTable(notes, access=("query", "put"))],
            models=Models.profile("us", ["amazon.nova-pro-v1:0"]),
        )
        why = "The model chooses arguments of our tools; no tool runs code that it writes."
        cdk.Validations.of(session).acknowledge(
            cdk.Acknowledgment(id="Annotation::session-scoping:compute-roles-mint", reason=why)
        )
        lambda_.Function(
            self,
            "Agent",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="handler.handler",
            code=lambda_.Code.from_inline("# Yours: a bundle with agent.py, langgraph and session-scoping[agent]."),
            role=agent,
            timeout=cdk.Duration.minutes(15),
            environment={"TASK_TABLE": tasks.table_name, "NOTES_TABLE": notes.table_name, **session.environment},
        )

    def _table(self, id: str, sort_key: str | None = None) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort_key, type=dynamodb.AttributeType.STRING) if sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )


def build(app: cdk.App) -> LangGraphAgent:
    """Add the stack."""
    return LangGraphAgent(app, "LangGraphAgent")


if __name__ == "__main__":
    agents = cdk.App()
    build(agents)
    agents.synth()
