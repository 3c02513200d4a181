"""
The stack of a FastAPI service on Fargate: a session for each user, which reaches that user's notes.

The service itself mints, because it is what authenticates the users.
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from session_scoping import ComputeBackend, Minting, ScopedComputeRole, SessionRole, TenantTable


class NotesService(cdk.Stack):
    """The table of notes, the service's role, and the role that its requests run under."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build the stack."""
        super().__init__(scope, id, **kwargs)
        notes = dynamodb.Table(
            self,
            "Notes",
            partition_key=dynamodb.Attribute(name="owner", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="note_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )
        service = ScopedComputeRole(self, "ServiceRole", backend=ComputeBackend.ECS)
        session = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_compute_roles(service),
            tag_keys=["user_id"],
            tables=[TenantTable(notes, access=("query", "put"), leading_key="USER#{user_id}")],
        )
        why = "The service authenticates its users and runs no code of theirs."
        cdk.Validations.of(session).acknowledge(
            cdk.Acknowledgment(id="Annotation::session-scoping:compute-roles-mint", reason=why)
        )
        task = ecs.FargateTaskDefinition(self, "Task", task_role=service)
        task.add_container(
            "Service",
            image=ecs.ContainerImage.from_registry("notes-service"),
            environment={"NOTES_TABLE": notes.table_name, **session.environment},
            logging=ecs.LogDriver.aws_logs(stream_prefix="notes"),
        )


def build(app: cdk.App) -> NotesService:
    """Add the stack."""
    return NotesService(app, "NotesService")


if __name__ == "__main__":
    notes_app = cdk.App()
    build(notes_app)
    notes_app.synth()
