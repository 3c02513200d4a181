"""The reference stack without its roles: what the constructs and the hand-written versions are put on."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from app import MODELS, ReferenceStack
from session_scoping import ComputeBackend, Minting, Models, ScopedComputeRole, SessionRole, TenantObjects, TenantTable

CONTEXT = json.loads((Path(__file__).parent.parent / "cdk.json").read_text())["context"]


def new_app() -> cdk.App:
    """Return an app with the reference app's feature flags."""
    return cdk.App(context=CONTEXT, analytics_reporting=False)


class Platform(ReferenceStack):
    """Tables, buckets and what compute roles need; the roles come later, so that only they are measured."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        cdk.Stack.__init__(self, scope, id, **kwargs)
        self._make_tables()
        self._make_buckets()
        self.secret = secretsmanager.Secret(self, "GitHubToken")
        self.memory = agentcore.CfnMemory(self, "AgentMemory", name="benchmark", event_expiry_duration=90)
        self.repository = ecr.Repository(self, "AgentRepository")
        self.log_group = logs.LogGroup(self, "AgentLogs")


def with_constructs(stack: Platform, session_roles: int = 1) -> SessionRole:
    """Add the two compute roles and the session roles with this library, as `app.py` does; return the last one."""
    models = Models.profile("us", MODELS)
    shared: dict[str, Any] = {
        "models": models,
        "secrets": [stack.secret],
        "memory": stack.memory,
        "log_groups": [stack.log_group],
    }
    compute_roles = (
        ScopedComputeRole(
            stack,
            "AgentCoreExecutionRole",
            backend=ComputeBackend.AGENTCORE,
            repository=stack.repository,
            **shared,
        ),
        ScopedComputeRole(stack, "EcsTaskRole", backend=ComputeBackend.ECS, **shared),
    )
    for number in range(session_roles):
        role = SessionRole(
            stack,
            f"SessionRole{number or ''}",
            minting=Minting.by_compute_roles(*compute_roles),
            tables=[
                TenantTable(stack.tasks, access=("get", "put", "update")),
                TenantTable(stack.events, access="append-only"),
                TenantTable(stack.approvals, access=("get", "put", "update", "condition-check")),
                TenantTable(stack.nudges, access=("query", "update")),
            ],
            objects=[
                TenantObjects.traces(stack.traces),
                TenantObjects.artifacts(stack.traces),
                TenantObjects.attachments(stack.attachments),
            ],
            models=models,
        )
    return role
