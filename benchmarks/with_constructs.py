"""The app written with this library's constructs: `python -m benchmarks.with_constructs constructs small 1`."""

from collections.abc import Sequence
from typing import Any

from benchmarks.shared import Platform, run
from reference.data import MODELS
from session_scoping import ComputeBackend, Minting, Models, ScopedComputeRole, SessionRole, TenantObjects, TenantTable


def build(stack: Platform, tables: Sequence[TenantTable] = (), model_ids: Sequence[str] = MODELS) -> None:
    """Add the two compute roles and the session role, as `app.py` does."""
    models = Models.profile("us", model_ids)
    both: dict[str, Any] = {"models": models}
    image: dict[str, Any] = {}
    if not stack.small:
        both |= {"secrets": [stack.secret], "memory": stack.memory, "log_groups": [stack.log_group]}
        image = {"repository": stack.repository}
    agentcore = ScopedComputeRole(stack, "AgentCoreExecutionRole", backend=ComputeBackend.AGENTCORE, **image, **both)
    ecs = ScopedComputeRole(stack, "EcsTaskRole", backend=ComputeBackend.ECS, **both)
    SessionRole(
        stack,
        "SessionRole",
        minting=Minting.by_compute_roles(agentcore, ecs),
        tables=tables
        or [
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


if __name__ == "__main__":
    run(constructs=build)
