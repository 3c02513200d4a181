"""Tables and roles that were not made in the session role's stack."""

import json
import re
from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TenantTable,
)
from tests.support import stacks
from tests.support.stacks import ACCOUNT, OTHER_ACCOUNT

# --- imported tables, replicas ----------------------------------------------------------------------------------------


TABLE_GUARDS = {"Actions1": "Resource", "OtherTables": "NotResource"}


def _one_table(kind: str) -> tuple[str, str]:
    """Return where the Allow and the guards point for a table of this kind."""
    app = stacks.new_app("no-flags")
    stack = cdk.Stack(app, "Stack")
    arns = {
        "literal": f"arn:aws:dynamodb:us-east-2:{OTHER_ACCOUNT}:table/acme",
        "partly-token": f"arn:{stack.partition}:dynamodb:{stack.region}:{OTHER_ACCOUNT}:table/acme",
        "own-account": f"arn:{stack.partition}:dynamodb:{stack.region}:{stack.account}:table/acme",
    }
    source = dynamodb.Table.from_table_arn(stack, "Table", arns[kind])
    orchestrator = Minting.by_orchestrator(stacks.role(stack, "Broker"))
    SessionRole(stack, "SessionRole", minting=orchestrator, tables=[TenantTable(source, access="get")])
    found = stacks.by_sid(stacks.deployed(one) for one in stacks.attached(stacks.synth(app), "SessionRole"))
    guards = {tuple(found[sid][element]) for sid, element in TABLE_GUARDS.items()}
    assert len(guards) == 1, "the guards name different tables"
    ((guarded,),) = guards
    return found["Rows1"]["Resource"][0], guarded


@pytest.mark.parametrize(
    ("kind", "allowed", "guarded"),
    [
        ("literal", f"us-east-2:{OTHER_ACCOUNT}", f"*:{OTHER_ACCOUNT}"),
        ("partly-token", f"eu-west-1:{OTHER_ACCOUNT}", f"*:{OTHER_ACCOUNT}"),
        ("own-account", f"eu-west-1:{ACCOUNT}", f"*:{ACCOUNT}"),
    ],
)
def test_guards_follow_an_imported_table_to_its_account(kind: str, allowed: str, guarded: str) -> None:
    """The Allow names the ARN as given; the guards name the same table of the same account in every Region."""
    assert _one_table(kind) == (f"arn:aws:dynamodb:{allowed}:table/acme", f"arn:aws:dynamodb:{guarded}:table/acme")


def test_guards_follow_a_table_to_the_account_of_its_stack() -> None:
    """A table made in another account's stack is allowed, guarded and decrypted under that account."""
    app = stacks.new_app()
    data = cdk.Stack(app, "Data", env=stacks.environment(account=OTHER_ACCOUNT))
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    source = stacks.table(data, table_name="acme")
    key = kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:eu-west-1:{OTHER_ACCOUNT}:key/k")
    orchestrator = Minting.by_orchestrator(stacks.role(stack, "Broker"))
    tables = [TenantTable(source, access="get", encryption_key=key)]
    SessionRole(stack, "SessionRole", minting=orchestrator, tables=tables)
    found = stacks.by_sid(stacks.deployed(one) for one in stacks.attached(stacks.synth(app), "SessionRole"))
    assert found["Rows1"]["Resource"] == [f"arn:aws:dynamodb:eu-west-1:{OTHER_ACCOUNT}:table/acme"]
    for sid, element in TABLE_GUARDS.items():
        assert found[sid][element] == [f"arn:aws:dynamodb:*:{OTHER_ACCOUNT}:table/acme"]
    context = found["DecryptTables"]["Condition"]["StringEquals"]
    assert context["kms:EncryptionContext:aws:dynamodb:subscriberId"] == OTHER_ACCOUNT


def test_a_table_imported_by_an_opaque_token_is_allowed_and_guarded() -> None:
    """An ARN known only at deployment is allowed as it is, and guarded by the name CloudFormation takes from it."""
    app = stacks.new_app("no-flags")
    stack = cdk.Stack(app, "Stack")
    source = dynamodb.Table.from_table_arn(stack, "Table", cdk.Fn.import_value("TasksArn"))
    orchestrator = Minting.by_orchestrator(stacks.role(stack, "Broker"))
    SessionRole(stack, "SessionRole", minting=orchestrator, tables=[TenantTable(source, access="get")])
    found = stacks.by_sid(stacks.attached(stacks.synth(app), "SessionRole"))
    arn = {"Fn::ImportValue": "TasksArn"}
    name = {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::Select": [5, {"Fn::Split": [":", arn]}]}]}]}
    assert found["Rows1"]["Resource"] == arn
    guarded = found["Actions1"]["Resource"]["Fn::Join"][1]
    assert found["OtherTables"]["NotResource"] == found["Actions1"]["Resource"]
    assert guarded[:2] == ["arn:", {"Ref": "AWS::Partition"}]
    assert guarded[-2:] == [":table/", name]
    assert ":dynamodb:*:" in guarded


def test_replicas_of_a_table_v2_are_under_the_guards() -> None:
    """A replica holds the same rows, so the guards cover every Region; the Allow stays in the stack's own."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    key = dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING)
    source = dynamodb.TableV2(
        stack, "Table", partition_key=key, replicas=[dynamodb.ReplicaTableProps(region="eu-central-1")]
    )
    role = ScopedComputeRole(stack, "Task", backend=ComputeBackend.ECS)
    SessionRole(
        stack, "SessionRole", minting=Minting.by_compute_roles(role), tables=[TenantTable(source, access="get")]
    )
    templates = stacks.synth(app)
    (logical_id,) = stacks.resources(templates["Stack"], "AWS::DynamoDB::GlobalTable")
    found = stacks.by_sid([stacks.deployed(one) for one in stacks.attached(templates, "SessionRole")])
    everywhere = f"arn:aws:dynamodb:*:{ACCOUNT}:table/<{logical_id}>"
    assert found["Rows1"]["Resource"] == [f"<{logical_id}.Arn>"]
    for sid, element in TABLE_GUARDS.items():
        assert found[sid][element] == [everywhere]
    denied = stacks.by_sid(stacks.deployed(one) for one in stacks.attached(templates, "TaskRole"))
    assert denied["DenyTenantTables"]["Resource"] == [everywhere]


# --- imported roles ---------------------------------------------------------------------------------------------------


def _imported(stack: cdk.Stack, account: str = ACCOUNT, *, mutable: bool = True) -> iam.IRole:
    return iam.Role.from_role_arn(
        stack, f"Imported{account}", f"arn:aws:iam::{account}:role/acme-agent", mutable=mutable
    )


def test_an_imported_role_that_can_be_changed_gets_both_halves() -> None:
    """A mutable import of this account is trusted, may mint, and is denied the tables and all other roles."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    stacks.session_role(stack, minting=Minting.by_compute_roles(_imported(stack)))
    templates = stacks.synth(app)
    assert {one["Sid"] for one in stacks.attached(templates, "acme-agent")} == {
        "MintSessions",
        "DenyOtherRoles",
        "DenyTenantTables",
        "DenyTenantTablesBelow",
    }
    (statement,) = stacks.trust(templates["Stack"], "SessionRole")
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/acme-agent"}


def _foreign_stack_role(stack: cdk.Stack) -> iam.IRole:
    other = cdk.Stack(cdk.App.of(stack), "Other", env=stacks.environment(account=OTHER_ACCOUNT))
    return stacks.role(other, "Foreign", role_name="acme-agent")


UNCHANGEABLE = {
    "immutable": lambda stack: _imported(stack, mutable=False),
    "foreign-account": lambda stack: _imported(stack, OTHER_ACCOUNT),
    "wrapped": lambda stack: stacks.role(stack, "Wrapped").without_policy_updates(),
    "foreign-stack": _foreign_stack_role,
}


WAYS: dict[str, Callable[[cdk.Stack, iam.IRole], object]] = {
    "minting": lambda stack, role: stacks.session_role(stack, minting=Minting.by_compute_roles(role)),
    "admit": lambda stack, role: stacks.session_role(stack).admit(role),
    "deny_tenant_data_to": lambda stack, role: stacks.session_role(stack).deny_tenant_data_to(role),
}


@pytest.mark.parametrize("kind", UNCHANGEABLE)
@pytest.mark.parametrize("way", WAYS)
def test_a_role_that_cannot_be_changed_is_refused(kind: str, way: str) -> None:
    """Each way in refuses a role whose policies would silently go missing, or to a same-named role of ours."""
    stack = cdk.Stack(stacks.new_app(), "Stack", env=stacks.environment())
    role = UNCHANGEABLE[kind](stack)
    with pytest.raises(InvalidInputError, match="cannot be changed from this stack"):
        WAYS[way](stack, role)


def test_a_compute_role_cannot_become_a_broker_late_nor_a_broker_a_compute_role() -> None:
    """Where a broker mints, compute roles are denied minting, so one role as both could never mint."""
    stack = cdk.Stack(stacks.new_app(), "Stack")
    broker, agent = stacks.role(stack, "Broker"), ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    session = SessionRole(stack, "SessionRole", minting=Minting.by_orchestrator(broker, compute_roles=[agent]))
    with pytest.raises(InvalidInputError, match="would be an orchestrator and a compute role"):
        session.admit(agent)
    with pytest.raises(InvalidInputError, match="would be an orchestrator and a compute role"):
        session.deny_tenant_data_to(broker)


@pytest.mark.parametrize("kind", UNCHANGEABLE)
def test_admit_trust_only_trusts_and_prints_the_owners_half(kind: str) -> None:
    """The trust is conditioned like any other, nothing is attached, and the statement to add is in an info message."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack", env=stacks.environment())
    session = stacks.session_role(stack)
    statement = session.admit_trust_only(UNCHANGEABLE[kind](stack))
    messages = [str(entry.data) for entry in session.node.metadata if entry.type == "aws:cdk:info"]
    templates = stacks.synth(app)
    statements = stacks.trust(templates["Stack"], "SessionRole")
    assert re.search("acme-agent|Wrapped", json.dumps([one["Principal"] for one in statements]))
    conditions = [one["Condition"]["StringLike"] for one in statements]
    assert all(one == {f"aws:RequestTag/{key}": "?*" for key in ("user_id", "repo", "task_id")} for one in conditions)
    assert stacks.attached(templates, "acme-agent" if kind != "wrapped" else "Wrapped") == []
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["sts:AssumeRole", "sts:TagSession"])
    assert any("MintSessions" in message and "sts:TagSession" in message for message in messages)
    assert any("nothing here denies it the tenant data itself" in message for message in messages)


def test_a_broker_admitted_by_trust_only_reads_nothing_about_tenant_data() -> None:
    """Only a compute role runs agent code, so that only its owner must see that it has no grant on the data."""
    stack = cdk.Stack(stacks.new_app(), "Stack", env=stacks.environment())
    minting = Minting.by_orchestrator(stacks.role(stack, "Broker", service="lambda"))
    session = SessionRole(stack, "SessionRole", minting=minting)
    session.admit_trust_only(UNCHANGEABLE["immutable"](stack))
    messages = [str(entry.data) for entry in session.node.metadata if entry.type == "aws:cdk:info"]
    assert any("MintSessions" in message for message in messages)
    assert not any("tenant data" in message for message in messages)
