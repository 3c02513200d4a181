"""Session role, compute roles and data in several stacks, nested stacks and stages."""

import json
from functools import cache

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from app import ReferenceStack
from session_scoping import (
    ComputeBackend,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    TenantTablePolicy,
)
from tests.support import stacks
from tests.support.stacks import ACCOUNT, OTHER_ACCOUNT

FLAGS = tuple(stacks.FLAG_SETS)


@cache
def _three_stacks(flags: str) -> tuple[dict[str, stacks.Template], dict[str, set[str]]]:
    app = stacks.new_app(flags)
    data, compute, session = (cdk.Stack(app, id_) for id_ in ("Data", "Compute", "Session"))
    role = ScopedComputeRole(compute, "Task", backend=ComputeBackend.ECS)
    late_here = stacks.role(session, "LateHere")
    late_there = stacks.role(compute, "LateThere")
    made = SessionRole(
        session,
        "SessionRole",
        minting=Minting.by_compute_roles(role),
        tables=[TenantTable(stacks.table(data), access="get")],
        objects=[TenantObjects.traces(s3.Bucket(data, "Bucket"))],
        role_name="acme-session",
    )
    made.admit(late_here)
    made.admit(late_there)
    policy = TenantTablePolicy(session, "More", tables=[TenantTable(stacks.table(data, "More"), access="query")])
    policy.attach_to(made)
    assembly = app.synth()
    needs = {
        one.stack_name: {found.id for found in one.dependencies} & {"Data", "Compute", "Session"}
        for one in assembly.stacks
    }
    return {one.stack_name: one.template for one in assembly.stacks}, needs


@pytest.mark.parametrize("flags", FLAGS)
def test_the_session_stack_alone_depends_on_the_others(flags: str) -> None:
    """Tables, compute roles and session role may stand in three stacks, and no dependency leads back."""
    assert _three_stacks(flags)[1] == {"Data": set(), "Compute": set(), "Session": {"Data", "Compute"}}


@pytest.mark.parametrize("role", ["TaskRole", "LateHere", "LateThere"])
@pytest.mark.parametrize("flags", FLAGS)
def test_every_minter_gets_both_halves_and_the_denies(flags: str, role: str) -> None:
    """A role admitted at once or late, here or elsewhere, may mint, is trusted, and is denied data and other roles."""
    templates = _three_stacks(flags)[0]
    statements = [stacks.deployed(one) for one in stacks.attached(templates, role)]
    sids = {one["Sid"] for one in statements}
    denied = {"DenyTenantTables", "DenyTenantTablesBelow", "DenyTenantBuckets", "DenyOtherRoles"}
    assert sids == {"MintSessions", *denied}
    # The table of the TenantTablePolicy is denied too, in a document of its own.
    assert sum(one["Sid"] == "DenyTenantTables" for one in statements) == 2
    principals = [json.dumps(one["Principal"]) for one in stacks.trust(templates["Session"], "SessionRole")]
    assert sum(role in principal for principal in principals) == 1


@pytest.mark.parametrize("flags", FLAGS)
def test_late_minters_meet_the_same_conditions(flags: str) -> None:
    """`admit` asks of a late role what the first one was asked."""
    statements = stacks.trust(_three_stacks(flags)[0]["Session"], "SessionRole")
    first = statements[0]["Condition"]
    assert first["StringLike"] == {f"aws:RequestTag/{key}": "?*" for key in ("user_id", "repo", "task_id")}
    assert all(one["Condition"] == first for one in statements)


@pytest.mark.parametrize("flags", FLAGS)
def test_many_tables_of_another_stack_pack_as_they_measure(flags: str) -> None:
    """References between stacks read differently at synth; a policy packed under the quota stays under it."""
    app, far = stacks.new_app(flags), "TheDataStackOfThePlatformTeam"
    data, session = cdk.Stack(app, far), cdk.Stack(app, "S")
    tables = [TenantTable(stacks.table(data, f"TableNumber{number}")) for number in range(24)]
    SessionRole(session, "SessionRole", minting=Minting.by_orchestrator(stacks.role(session, "Broker")), tables=tables)
    templates = stacks.synth(app)
    policies = stacks.resources(templates["S"], "AWS::IAM::ManagedPolicy")
    # The longest name CloudFormation gives each table: <stack>-<logical id>-<13 characters>.
    tables_made = stacks.resources(templates[far], "AWS::DynamoDB::Table")
    names = {id_: f"{far}-{id_}-{'X' * 13}" for id_ in tables_made}
    for id_, policy in policies.items():
        text = json.dumps(stacks.deployed(policy["PolicyDocument"]), separators=(",", ":"))
        for logical_id, name in names.items():
            head = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/"
            text = _replace_exports(text, logical_id, name, head)
        assert "Output" not in text
        assert len(text) <= 6144, id_


def test_many_tables_of_the_parent_pack_in_a_nested_stack() -> None:
    """A nested stack gets its parent's tables as parameters, and those count as the names they will hold."""
    app = stacks.new_app()
    parent = cdk.Stack(app, "TheDataStackOfThePlatformTeam")
    child = cdk.NestedStack(parent, "Child")
    tables = [TenantTable(stacks.table(parent, f"TableNumber{number}")) for number in range(24)]
    SessionRole(child, "SessionRole", minting=Minting.by_orchestrator(stacks.role(child, "Broker")), tables=tables)
    (nested,) = (one for name, one in stacks.synth(app).items() if "Child" in name)
    names = [f"<{name}>" for name in nested["Parameters"] if name.endswith("Ref")]
    assert len(names) == len(tables)
    for policy in stacks.resources(nested, "AWS::IAM::ManagedPolicy").values():
        text = json.dumps(stacks.deployed(policy["PolicyDocument"]), separators=(",", ":"))
        for name in names:
            logical_id = name.removeprefix("<referenceto").removesuffix("Ref>").removeprefix(parent.stack_name)
            text = text.replace(name, f"{parent.stack_name}-{logical_id}-{'X' * 13}")
        assert len(text) <= 6144


def _replace_exports(text: str, logical_id: str, name: str, head: str) -> str:
    """Put a table's name or ARN where its export stands."""
    parts = text.split("<")
    done = [parts[0]]
    for part in parts[1:]:
        export, rest = part.split(">", 1)
        if logical_id in export:
            done.append((f"{head}{name}" if "FnGetAtt" in export else name) + rest)
        else:
            done.append(f"<{export}>{rest}")
    return "".join(done)


@pytest.mark.parametrize("flags", FLAGS)
def test_a_session_role_may_be_in_a_nested_stack(flags: str) -> None:
    """Its tables may stand in the parent and its compute role in a sibling; trust, guards and permissions are there."""
    app = stacks.new_app(flags)
    parent = cdk.Stack(app, "Parent")
    child, sibling = cdk.NestedStack(parent, "Child"), cdk.NestedStack(parent, "Sibling")
    role = ScopedComputeRole(sibling, "Task", backend=ComputeBackend.ECS)
    SessionRole(
        child,
        "SessionRole",
        minting=Minting.by_compute_roles(role),
        tables=[TenantTable(stacks.table(parent), access="get")],
        objects=[TenantObjects.traces(s3.Bucket(parent, "Bucket"))],
    )
    templates = stacks.synth(app)
    (name,) = (name for name, one in templates.items() if any("SessionRole" in id_ for id_ in one["Resources"]))
    assert name.startswith("ParentChild")
    sids = stacks.by_sid(stacks.attached(templates, "SessionRole"))
    assert {"ForeignRows", "OtherObjects", "Rows1", "Objects1"} <= sids.keys()
    assert {"MintSessions", "DenyTenantTables"} <= stacks.by_sid(stacks.attached(templates, "TaskRole")).keys()
    assert all(one["Condition"] for one in stacks.trust(templates[name], "SessionRole"))


def test_stages_are_independent_copies() -> None:
    """Two stages of one pipeline hold the same statements, each in its own account."""
    app = stacks.new_app()
    for id_, account in (("Beta", ACCOUNT), ("Prod", OTHER_ACCOUNT)):
        stage = cdk.Stage(app, id_, env=stacks.environment(account=account))
        ReferenceStack(stage, "Reference")
    templates = stacks.synth(app)
    assert sorted(templates) == ["Beta-Reference", "Prod-Reference"]
    beta, prod = (
        [stacks.deployed(one, "aws", account) for one in stacks.attached({"one": templates[name]}, "SessionRole")]
        for name, account in (("Beta-Reference", ACCOUNT), ("Prod-Reference", OTHER_ACCOUNT))
    )
    assert beta
    assert json.loads(json.dumps(beta).replace(ACCOUNT, OTHER_ACCOUNT)) == prod
    assert ACCOUNT not in json.dumps(templates["Prod-Reference"])


def test_one_table_policy_attaches_to_several_session_roles() -> None:
    """Each session role gets the rows, and the compute roles of each are denied the table."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack")
    policy = TenantTablePolicy(stack, "Shared", tables=[TenantTable(stacks.table(stack), access="get")])
    for name in ("One", "Two", "Three"):
        role = ScopedComputeRole(stack, f"{name}Task", backend=ComputeBackend.ECS)
        policy.attach_to(SessionRole(stack, f"{name}Session", minting=Minting.by_compute_roles(role)))
    templates = stacks.synth(app)
    for name in ("One", "Two", "Three"):
        assert "Rows1" in stacks.by_sid(stacks.attached(templates, f"{name}SessionRole"))
        assert "DenyTenantTables" in stacks.by_sid(stacks.attached(templates, f"{name}TaskRole"))
