"""An independent simulator decides the reference stack's request matrix."""

from typing import Any

import pytest
from aws_cdk import aws_kms as kms

from session_scoping import TenantTable, TenantTablePolicy
from tests.support import stacks
from tests.support.matrix import VARIANTS, Case, failures
from tests.support.matrix.compute import compute_cases
from tests.support.matrix.minting import mint_cases
from tests.support.matrix.session import session_cases
from tests.support.world import World

COMPUTE_ROLES = ("AgentCoreExecutionRole", "EcsTaskRole")


@pytest.fixture(scope="module", params=["compute", "orchestrator"])
def world(request: pytest.FixtureRequest) -> World:
    """The reference stack in one minting mode."""
    template: dict[str, Any] = request.getfixturevalue(f"{request.param}_template")
    return World(template)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_session_reaches_its_own_data_and_no_near_miss(compute_template: dict[str, Any], variant: str) -> None:
    """Everything the agent needs is allowed; everything one step away is denied, guards or no guards."""
    world = World(compute_template)
    cases = list(session_cases(world))
    assert len(cases) > 500
    assert failures(world, cases, [variant]) == []


def test_sessions_are_the_same_in_every_mode_of_minting(
    compute_template: dict[str, Any], orchestrator_template: dict[str, Any]
) -> None:
    """The two minting modes differ in who is trusted, not in what a session reaches."""
    roles = [World(template).role("SessionRole") for template in (compute_template, orchestrator_template)]
    assert roles[0].policies == roles[1].policies


@pytest.mark.parametrize("role", COMPUTE_ROLES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_compute_role_has_its_baseline_and_no_tenant_data(world: World, role: str, variant: str) -> None:
    """A compute role reaches its models, secret, logs and memory, and no tenant table, bucket or other role."""
    mints = _mints(world, role)
    assert failures(world, compute_cases(world, role, mints=mints), [variant]) == []


def _mints(world: World, role: str) -> bool:
    trusted = world.role("SessionRole").trust["Statement"][0]["Principal"]["AWS"]
    return world.role(role).arn in trusted


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_the_orchestrator_mints_in_broker_mode(orchestrator_template: dict[str, Any], variant: str) -> None:
    """Where a broker mints, the orchestrator mints with exact tags and no compute role mints at all."""
    world = World(orchestrator_template)
    assert failures(world, mint_cases(world, "OrchestratorRole", allowed=True), [variant]) == []
    for role in COMPUTE_ROLES:
        assert failures(world, mint_cases(world, role, allowed=False), [variant]) == []


def test_a_session_may_ask_who_it_is(world: World) -> None:
    """GetCallerIdentity is not denied: the agent proves with it that it is scoped."""
    # AWS, and the simulator after it, answers this call unless it is denied.
    case = Case("who am I", "SessionRole", "sts:GetCallerIdentity", "*", allowed=True)
    assert failures(world, [case], ["deployed"]) == []


def test_the_matrix_holds_several_hundred_requests(compute_template: dict[str, Any]) -> None:
    """It cannot pass by being empty."""
    world = World(compute_template)
    cases = [*session_cases(world), *compute_cases(world, "EcsTaskRole", mints=True)]
    assert len({(case.name, case.action, case.resource) for case in cases}) > 730


def test_tenant_keys_serve_their_services_only() -> None:
    """Under a broad `kms:*` neither a session nor a compute role uses or administers a tenant key directly."""
    stack = stacks.stack()
    key = kms.Key(stack, "Key")
    stacks.session_role(stack, tables=[TenantTable(stacks.table(stack, encryption_key=key), access="get")])
    stacks.role(stack, "Bystander")
    world = World(stacks.template(stack))
    arn = world.arn("Key", "AWS::KMS::Key")
    cases = [
        Case(f"{action} directly", role, f"kms:{action}", arn, allowed=role == "Bystander")
        for role in ("SessionRole", "Compute", "Bystander")
        for action in ("Decrypt", "PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey", "CreateGrant")
    ]
    assert failures(world, cases, ["broad allow"]) == []


def test_untagged_sessions_of_any_role_read_no_row() -> None:
    """On a role that is no session role the table policy holds against a broad Allow without tags too."""
    stack = stacks.stack()
    policy = TenantTablePolicy(stack, "Tables", tables=[TenantTable(stacks.table(stack), access="read-only")])
    policy.attach_to(stacks.role(stack, "Worker"))
    world = World(stacks.template(stack))
    arn = world.arn("Tasks", "AWS::DynamoDB::Table")
    rows = {"dynamodb:LeadingKeys": ["T2"]}
    cases = [
        Case(f"{action} with {tags}", "Worker", f"dynamodb:{action}", arn, False, rows, tags)
        for action in ("GetItem", "Query", "BatchGetItem", "PutItem")
        for tags in ({}, {"task_id": ""})
    ]
    assert failures(world, cases, VARIANTS) == []
