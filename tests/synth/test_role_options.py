"""What the adopter chooses for the roles: names, boundaries, tags, other tag sets and key formats."""

from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping import (
    ComputeBackend,
    Minting,
    ScopedComputeRole,
    SessionBrokerRole,
    SessionRole,
    TenantTable,
)
from tests.support import stacks
from tests.support.stacks import ACCOUNT

FLAGS = tuple(stacks.FLAG_SETS)


# --- what passes through to the role ----------------------------------------------------------------------------------


@cache
def _passed_through() -> dict[str, stacks.Template]:
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    own = iam.ManagedPolicy.from_managed_policy_name(stack, "OwnBoundary", "own-boundary")
    given: dict[str, Any] = {"path": "/agents/", "description": "Ours", "permissions_boundary": own}
    compute = ScopedComputeRole(stack, "Named", backend=ComputeBackend.ECS, role_name="acme-task", **given)
    SessionRole(
        stack,
        "NamedSession",
        minting=Minting.by_compute_roles(compute),
        tables=[TenantTable(stacks.table(stack))],
        role_name="acme-session",
        **given,
    )
    caller = stacks.role(stack, "Dispatcher", service="lambda")
    SessionBrokerRole(stack, "NamedBroker", tenant="acme", callers=[caller], role_name="acme-broker", **given)
    # `PermissionsBoundary.of` replaces what a role was given, so it is tried on roles that were given none.
    bounded = Construct(stack, "Bounded")
    plain = ScopedComputeRole(bounded, "Plain", backend=ComputeBackend.ECS)
    SessionRole(bounded, "PlainSession", minting=Minting.by_compute_roles(plain))
    shared = iam.ManagedPolicy.from_managed_policy_name(stack, "SharedBoundary", "shared-boundary")
    iam.PermissionsBoundary.of(bounded).apply(shared)
    return stacks.synth(app)


@pytest.mark.parametrize(
    ("prefix", "boundary"),
    [
        ("Named", "own"),
        ("NamedSession", "own"),
        ("NamedBroker", "own"),
        ("BoundedPlain", "shared"),
        ("BoundedPlainSession", "shared"),
    ],
)
def test_boundaries_given_or_applied_reach_the_roles(prefix: str, boundary: str) -> None:
    """A boundary given is on the role, and one applied with `PermissionsBoundary.of` reaches it too."""
    roles = stacks.resources(_passed_through()["Stack"], "AWS::IAM::Role")
    (role,) = (one for id_, one in roles.items() if id_.startswith(f"{prefix}Role"))
    assert stacks.deployed(role["PermissionsBoundary"]) == f"arn:aws:iam::{ACCOUNT}:policy/{boundary}-boundary"


@pytest.mark.parametrize(
    ("prefix", "name"), [("Named", "acme-task"), ("NamedSession", "acme-session"), ("NamedBroker", "acme-broker")]
)
def test_name_path_and_description_reach_the_role(prefix: str, name: str) -> None:
    """What the adopter's naming rules ask for is on the role as given."""
    roles = stacks.resources(_passed_through()["Stack"], "AWS::IAM::Role")
    (role,) = (one for id_, one in roles.items() if id_.startswith(f"{prefix}Role"))
    assert (role["RoleName"], role["Path"], role["Description"]) == (name, "/agents/", "Ours")


def test_environment_spells_the_path_into_the_arn() -> None:
    """A role with a path has it in its ARN, also where the ARN is spelled from the name."""
    stack = cdk.Stack(stacks.new_app(), "Stack", env=stacks.environment())
    session = SessionRole(
        stack, "S", minting=Minting.by_compute_roles(stacks.role(stack, "R")), role_name="acme", path="/agents/"
    )
    arn = stack.resolve(session.environment["AGENT_SESSION_ROLE_ARN"])
    assert stacks.deployed(arn) == f"arn:aws:iam::{ACCOUNT}:role/agents/acme"


# --- reserved tags ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["task_id", "Task_ID", "user_id"])
@pytest.mark.parametrize("place", ["app", "stack", "stage", "role"])
@pytest.mark.parametrize("flags", FLAGS)
def test_a_session_tags_key_on_the_role_fails_synth(flags: str, place: str, key: str) -> None:
    """A role's own tag would replace a session's missing one, so synth fails and names the tag and the place."""
    app = stacks.new_app(flags)
    scope = cdk.Stage(app, "Stage") if place == "stage" else app
    stack = cdk.Stack(scope, "Stack", tags={key: "x"} if place == "stack" else None)
    session = stacks.session_role(stack)
    if place != "stack":
        cdk.Tags.of({"app": app, "stage": scope, "role": session}[place]).add(key, "x")
    with pytest.raises(RuntimeError, match=rf"tag `{key}` is a session tag of the role"):
        app.synth()


def test_other_tags_and_excluded_roles_pass() -> None:
    """Only the session's own keys are refused, and the fix that the message names works."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", tags={"team": "agents"})
    stacks.session_role(stack)
    cdk.Tags.of(app).add("cost-center", "1")
    cdk.Tags.of(app).add("task_id", "x", exclude_resource_types=["AWS::IAM::Role"])
    roles = stacks.resources(stacks.synth(app)["Stack"], "AWS::IAM::Role")
    tags = [tag["Key"] for role in roles.values() for tag in role["Tags"]]
    assert "cost-center" in tags
    assert "task_id" not in tags


# --- other tag sets and key formats -----------------------------------------------------------------------------------


def test_another_tag_set_and_a_single_table_key() -> None:
    """With tags and keys of the adopter's own, trust, Allow and guard all speak of those tags."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack")
    single = TenantTable(stacks.table(stack, "Single", "pk"), access="query", leading_key="TENANT#{tenant_id}#{Region}")
    SessionRole(
        stack,
        "SessionRole",
        minting=Minting.by_orchestrator(stacks.role(stack, "Broker")),
        tables=[single],
        tag_keys=["tenant_id", "Region"],
    )
    templates = stacks.synth(app)
    (statement,) = stacks.trust(templates["Stack"], "SessionRole")
    assert statement["Condition"]["StringLike"] == {"aws:RequestTag/tenant_id": "?*", "aws:RequestTag/Region": "?*"}
    assert statement["Condition"]["ForAllValues:StringEquals"] == {"aws:TagKeys": ["tenant_id", "Region"]}
    leading = ["TENANT#${aws:PrincipalTag/tenant_id}#${aws:PrincipalTag/Region}"]
    statements = stacks.attached(templates, "SessionRole")
    (allowed,) = (one for one in statements if one["Effect"] == "Allow")
    assert allowed["Action"] == "dynamodb:Query"
    assert allowed["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": leading},
        "Null": {"dynamodb:LeadingKeys": "false"},
        "StringLike": {"aws:PrincipalTag/tenant_id": "?*", "aws:PrincipalTag/Region": "?*"},
    }
    foreign = [one["Condition"] for one in statements if one["Sid"].startswith("ForeignRows")]
    assert foreign == [{"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": leading}}]
    untagged = [one["Condition"] for one in statements if one["Sid"].startswith("No") and "PrincipalTag" in str(one)]
    assert untagged == [{"StringNotLike": {f"aws:PrincipalTag/{key}": "?*"}} for key in ("Region", "tenant_id")]
