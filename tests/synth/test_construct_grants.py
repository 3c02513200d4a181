"""What the CDK's constructs add by themselves to a role they are given, recorded anew from each of them."""

from collections.abc import Callable, Iterable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from session_scoping import ComputeBackend, ScopedComputeRole
from session_scoping.constructs.compute.baseline import ADDED_BY_CONSTRUCTS
from session_scoping.constructs.compute.grants import REPOSITORY
from tests.support import stacks

Use = Callable[[cdk.Stack, iam.IRole], object]


def _runtime(stack: cdk.Stack, role: iam.IRole) -> None:
    image = agentcore.AgentRuntimeArtifact.from_ecr_repository(_repository(stack), "v1")
    agentcore.Runtime(stack, "Runtime", agent_runtime_artifact=image, execution_role=role)


def _repository(stack: cdk.Stack) -> ecr.Repository:
    found = stack.node.try_find_child("Images")
    return found if isinstance(found, ecr.Repository) else ecr.Repository(stack, "Images")


def _service(stack: cdk.Stack, role: iam.IRole) -> None:
    task = ecs.FargateTaskDefinition(stack, "Task", task_role=role)
    task.add_container(
        "Agent",
        image=ecs.ContainerImage.from_ecr_repository(_repository(stack)),
        logging=ecs.LogDriver.aws_logs(stream_prefix="agent", log_group=logs.LogGroup(stack, "Logs")),
    )
    ecs.FargateService(stack, "Service", cluster=ecs.Cluster(stack, "Cluster", vpc=_vpc(stack)), task_definition=task)


def _function(stack: cdk.Stack, role: iam.IRole) -> None:
    code = lambda_.Code.from_inline("pass")
    runtime = lambda_.Runtime.PYTHON_3_12
    lambda_.Function(stack, "Outside", runtime=runtime, handler="i.h", code=code, role=role)
    lambda_.Function(stack, "Inside", runtime=runtime, handler="i.h", code=code, role=role, vpc=_vpc(stack))


def _vpc(stack: cdk.Stack) -> ec2.Vpc:
    found = stack.node.try_find_child("Vpc")
    return found if isinstance(found, ec2.Vpc) else ec2.Vpc(stack, "Vpc")


USES: dict[ComputeBackend, Use] = {
    ComputeBackend.AGENTCORE: _runtime,
    ComputeBackend.ECS: _service,
    ComputeBackend.LAMBDA: _function,
}


def _spelled(statement: stacks.Statement) -> dict[str, Any]:
    """Return a statement as the list writes it."""
    deployed = stacks.deployed(statement)
    resources = []
    for arn in deployed["Resource"]:
        fields = arn.split(":", 5)
        ours = arn.startswith("<Images")
        resources.append(REPOSITORY if ours else arn if len(fields) < 6 else f"arn:*:{fields[2]}:*:*:{fields[5]}")
    return {**deployed, "Action": sorted(deployed["Action"]), "Resource": resources}


def _is_there(statement: dict[str, Any], backend: ComputeBackend) -> bool:
    login = {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}
    return statement == login or statement in ADDED_BY_CONSTRUCTS[backend.value]


@pytest.mark.parametrize("backend", USES)
def test_the_list_says_what_the_constructs_add_to_any_role(backend: ComputeBackend) -> None:
    """A plain role that a construct is given carries what the list says for its backend, and nothing else."""
    stack = stacks.stack(env=stacks.environment())
    role = stacks.role(stack, "Plain")
    USES[backend](stack, role)
    found = [_spelled(one) for one in stacks.attached({"Small": stacks.template(stack)}, "Plain")]
    assert [one for one in found if not _is_there(one, backend)] == []
    assert [one for one in ADDED_BY_CONSTRUCTS[backend.value] if one not in found] == []


@pytest.mark.parametrize("backend", USES)
def test_nothing_of_it_lands_on_a_compute_role(backend: ComputeBackend) -> None:
    """The same construct on a ScopedComputeRole leaves it with its baseline alone."""
    stack = stacks.stack(env=stacks.environment())
    own = {"repository": _repository(stack)} if backend is ComputeBackend.AGENTCORE else {}
    role = ScopedComputeRole(stack, "Agent", backend=backend, **own)  # type: ignore[arg-type]
    USES[backend](stack, role)
    assert not _default_policies(stacks.template(stack))
    assert list(role.granted) == []


def test_a_runtime_s_image_can_be_pulled_where_the_role_was_not_given_the_repository() -> None:
    """What the baseline does not have is no repetition: without it the runtime would not start."""
    stack = stacks.stack()
    _runtime(stack, ScopedComputeRole(stack, "Agent", backend=ComputeBackend.AGENTCORE))
    (policy,) = _default_policies(stacks.template(stack))
    actions = {name for one in policy["PolicyDocument"]["Statement"] for name in _listed(one["Action"])}
    assert actions >= {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken"}


def _default_policies(made: stacks.Template) -> list[dict[str, Any]]:
    return [one["Properties"] for key, one in made["Resources"].items() if key.startswith("AgentRoleDefaultPolicy")]


def _listed(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
