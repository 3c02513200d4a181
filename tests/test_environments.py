"""Every place the constructs can stand: partitions, environments, feature flags, stacks, stages, imports."""

import json
import re
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from app import ReferenceStack
from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    TenantTablePolicy,
)
from tests.stacks import (
    ACCOUNT,
    FLAG_SETS,
    OTHER_ACCOUNT,
    REGIONS,
    Statement,
    Template,
    attached,
    by_sid,
    deployed,
    environment,
    lambda_role,
    new_app,
    resources,
    synth,
    table,
    trust,
)

PARTITIONS = tuple(REGIONS)
FLAGS = tuple(FLAG_SETS)
ROLES = ("SessionRole", "AgentCoreExecutionRole", "EcsTaskRole")


# --- partitions, environments, feature flags -------------------------------------------------------------------


@cache
def _reference(flags: str, partition: str | None) -> dict[str, Template]:
    app = new_app(flags)
    ReferenceStack(app, "Reference", env=environment(partition) if partition else None)
    return synth(app)


def _statements(flags: str, partition: str | None, role: str, read_in: str) -> dict[str, Statement]:
    found = [deployed(one, read_in) for one in attached(_reference(flags, partition), role)]
    return by_sid(found)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("concrete", [False, True], ids=["agnostic", "concrete"])
@pytest.mark.parametrize("partition", PARTITIONS)
def test_policies_are_the_same_in_every_place(partition: str, concrete: bool, flags: str, role: str) -> None:
    """Partition, Region and account are all that differs between partitions, environments and feature flags."""
    here = _statements(flags, partition if concrete else None, role, partition)
    plain = _statements("no-flags", None, role, partition)
    assert here == plain
    assert len(here) > 3
    assert f"arn:{partition}:dynamodb:*:{ACCOUNT}:table/" in json.dumps(here)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("partition", [None, *PARTITIONS])
def test_no_trust_statement_is_without_conditions(partition: str | None, flags: str, role: str) -> None:
    """Whatever the place, nobody is admitted unconditionally."""
    statements = trust(_reference(flags, partition), role)
    assert statements
    assert all(statement["Condition"] for statement in statements)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_no_arn_names_another_partition(partition: str, flags: str) -> None:
    """A concrete stack never spells the commercial partition into another partition's policies."""
    text = json.dumps(
        [deployed(one, partition) for role in ROLES for one in attached(_reference(flags, partition), role)]
    )
    others = [other for other in PARTITIONS if other != partition]
    assert not any(f"arn:{other}:" in text for other in others)


# --- customer-managed keys ---------------------------------------------------------------------------------------


@cache
def _keyed(partition: str | None = None) -> dict[str, Template]:
    app = new_app()
    stack = cdk.Stack(app, "Keyed", env=environment(partition) if partition else None)
    key = kms.Key(stack, "Key")
    imported_key = kms.Key.from_key_arn(
        stack, "ImportedKey", f"arn:{stack.partition}:kms:{stack.region}:{stack.account}:key/k"
    )

    def bucket(id: str, *, bucket_key: bool) -> s3.Bucket:
        encryption = s3.BucketEncryption.KMS
        return s3.Bucket(stack, id, encryption=encryption, encryption_key=key, bucket_key_enabled=bucket_key)

    known = s3.Bucket.from_bucket_attributes(stack, "Unknown", bucket_name="acme-unknown", encryption_key=imported_key)
    buckets = {"On": bucket("On", bucket_key=True), "Off": bucket("Off", bucket_key=False), "Unknown": known}
    for name, one in buckets.items():
        SessionRole(
            stack,
            f"{name}Session",
            minting=Minting.by_broker(lambda_role(stack, f"{name}Broker")),
            tables=[TenantTable(table(stack, f"{name}Table", encryption_key=key), access="get")],
            objects=[TenantObjects.payload(one), TenantObjects.artifacts(one)],
        )
    return synth(app)


def _key_statements(session: str, partition: str | None = None) -> dict[str, Any]:
    found = by_sid([deployed(one, partition or "aws") for one in attached(_keyed(partition), f"{session}Session")])
    return {sid: one for sid, one in found.items() if "kms:Decrypt" in one.get("Action", [])}


TAGS_PRESENT = {f"aws:PrincipalTag/{key}": "?*" for key in ("user_id", "repo", "task_id")}


def _bucket(session: str) -> str:
    if session == "Unknown":
        return "arn:aws:s3:::acme-unknown"
    (found,) = (id_ for id_ in resources(_keyed()["Keyed"], "AWS::S3::Bucket") if id_.startswith(session))
    return f"<{found}.Arn>"


@pytest.mark.parametrize(("session", "names_the_bucket"), [("On", True), ("Off", False), ("Unknown", True)])
def test_object_keys_open_through_s3_for_the_sessions_own_objects(session: str, names_the_bucket: bool) -> None:
    """The context is the object; the bucket is let in only where a Bucket Key is on or nobody knows."""
    statements, bucket = _key_statements(session), _bucket(session)
    for sid, actions, own in (
        ("DecryptObjects", ["kms:Decrypt"], "${aws:PrincipalTag/task_id}/payload.json"),
        ("EncryptObjects", ["kms:Decrypt", "kms:GenerateDataKey"], "artifacts/${aws:PrincipalTag/task_id}/*"),
    ):
        contexts = sorted([f"{bucket}/{own}", *([bucket] if names_the_bucket else [])])
        assert statements[sid]["Action"] == actions
        assert statements[sid]["Condition"] == {
            "StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com.cn"]},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": contexts, **TAGS_PRESENT},
        }
        assert "*" not in statements[sid]["Resource"]


def test_a_tables_key_opens_through_dynamodb_for_that_table() -> None:
    """Decrypt alone, only as DynamoDB asks for it, only for this table of this account."""
    (name,) = (id_ for id_ in resources(_keyed()["Keyed"], "AWS::DynamoDB::Table") if id_.startswith("On"))
    (key,) = resources(_keyed()["Keyed"], "AWS::KMS::Key")
    assert _key_statements("On")["DecryptTables"] == {
        "Sid": "DecryptTables",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [f"<{key}.Arn>"],
        "Condition": {
            "StringEquals": {
                "kms:ViaService": ["dynamodb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com.cn"],
                "kms:EncryptionContext:aws:dynamodb:tableName": [f"<{name}>"],
                "kms:EncryptionContext:aws:dynamodb:subscriberId": ACCOUNT,
            },
            "StringLike": TAGS_PRESENT,
        },
    }


@pytest.mark.parametrize(
    ("partition", "hosts"),
    [
        ("aws", ["s3.eu-west-1.amazonaws.com"]),
        ("aws-cn", ["s3.cn-north-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"]),
        ("aws-us-gov", ["s3.us-gov-west-1.amazonaws.com"]),
    ],
)
def test_via_service_has_the_suffixes_of_its_partition(partition: str, hosts: list[str]) -> None:
    """A stack with a concrete Region asks for that partition's endpoint names only."""
    condition = _key_statements("On", partition)["EncryptObjects"]["Condition"]
    assert condition["StringEquals"]["kms:ViaService"] == hosts


def test_a_key_of_an_imported_table_opens_in_that_tables_region_and_account() -> None:
    """KMS sees DynamoDB's endpoint and account where the table is, not where the session role is."""
    app = new_app()
    stack = cdk.Stack(app, "Stack", env=environment())
    key = kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:us-east-2:{OTHER_ACCOUNT}:key/k")
    arn = f"arn:aws:dynamodb:us-east-2:{OTHER_ACCOUNT}:table/acme"
    source = dynamodb.Table.from_table_arn(stack, "Table", arn)
    bucket = s3.Bucket.from_bucket_attributes(stack, "Bucket", bucket_name="acme", encryption_key=key)
    SessionRole(
        stack,
        "SessionRole",
        minting=Minting.by_broker(lambda_role(stack, "Broker")),
        tables=[TenantTable(source, access="get", encryption_key=key)],
        objects=[TenantObjects.payload(bucket)],
    )
    found = by_sid([deployed(one) for one in attached(synth(app), "SessionRole")])
    assert found["DecryptTables"]["Condition"]["StringEquals"] == {
        "kms:ViaService": ["dynamodb.us-east-2.amazonaws.com"],
        "kms:EncryptionContext:aws:dynamodb:tableName": ["acme"],
        "kms:EncryptionContext:aws:dynamodb:subscriberId": OTHER_ACCOUNT,
    }
    assert found["DecryptObjects"]["Condition"]["StringEquals"] == {"kms:ViaService": ["s3.us-east-2.amazonaws.com"]}


# --- several stacks, nested stacks, stages -----------------------------------------------------------------------


@cache
def _three_stacks(flags: str) -> tuple[dict[str, Template], dict[str, set[str]]]:
    app = new_app(flags)
    data, compute, session = (cdk.Stack(app, id_) for id_ in ("Data", "Compute", "Session"))
    role = ScopedComputeRole(compute, "Task", backend=ComputeBackend.ECS)
    late_here = lambda_role(session, "LateHere")
    late_there = lambda_role(compute, "LateThere")
    made = SessionRole(
        session,
        "SessionRole",
        minting=Minting.by_compute_roles(role),
        tables=[TenantTable(table(data), access="get")],
        objects=[TenantObjects.traces(s3.Bucket(data, "Bucket"))],
        role_name="acme-session",
    )
    made.admit(late_here)
    made.admit(late_there)
    policy = TenantTablePolicy(session, "More", tables=[TenantTable(table(data, "More"), access="query")])
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
    """A role admitted at once or late, here or in another stack, may mint, is trusted, and is denied tenant data."""
    templates = _three_stacks(flags)[0]
    statements = [deployed(one) for one in attached(templates, role)]
    sids = {one["Sid"] for one in statements}
    own = {"DenyOtherRoles"} if role == "TaskRole" else set()
    assert sids == {"MintSessions", "DenyTenantTables", "DenyTenantTablesBelow", "DenyTenantBuckets", *own}
    # The table of the TenantTablePolicy is denied too, in a document of its own.
    assert sum(one["Sid"] == "DenyTenantTables" for one in statements) == 2
    trusting = [one for one in trust(templates, "SessionRole") if role in json.dumps(one["Principal"])]
    assert len(trusting) == 1


@pytest.mark.parametrize("flags", FLAGS)
def test_late_minters_meet_the_same_conditions(flags: str) -> None:
    """`admit` asks of a late role what the first one was asked."""
    statements = trust(_three_stacks(flags)[0], "SessionRole")
    first = statements[0]["Condition"]
    assert first["StringLike"] == {f"aws:RequestTag/{key}": "?*" for key in ("user_id", "repo", "task_id")}
    assert all(one["Condition"] == first for one in statements)


@pytest.mark.parametrize("flags", FLAGS)
def test_many_tables_of_another_stack_pack_as_they_measure(flags: str) -> None:
    """References between stacks read differently at synth; a policy packed under the quota stays under it."""
    app, far = new_app(flags), "TheDataStackOfThePlatformTeam"
    data, session = cdk.Stack(app, far), cdk.Stack(app, "S")
    tables = [TenantTable(table(data, f"TableNumber{number}")) for number in range(24)]
    SessionRole(session, "SessionRole", minting=Minting.by_broker(lambda_role(session, "Broker")), tables=tables)
    templates = synth(app)
    policies = resources(templates["S"], "AWS::IAM::ManagedPolicy")
    # The longest name CloudFormation gives each table: <stack>-<logical id>-<13 characters>.
    tables_made = resources(templates[far], "AWS::DynamoDB::Table")
    names = {id_: f"{far}-{id_}-{'X' * 13}" for id_ in tables_made}
    for id_, policy in policies.items():
        text = json.dumps(deployed(policy["PolicyDocument"]), separators=(",", ":"))
        for logical_id, name in names.items():
            head = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/"
            text = _replace_exports(text, logical_id, name, head)
        assert "Output" not in text
        assert len(text) <= 6144, id_


def test_many_tables_of_the_parent_pack_in_a_nested_stack() -> None:
    """A nested stack gets its parent's tables as parameters, and those count as the names they will hold."""
    app = new_app()
    parent = cdk.Stack(app, "TheDataStackOfThePlatformTeam")
    child = cdk.NestedStack(parent, "Child")
    tables = [TenantTable(table(parent, f"TableNumber{number}")) for number in range(24)]
    SessionRole(child, "SessionRole", minting=Minting.by_broker(lambda_role(child, "Broker")), tables=tables)
    (nested,) = (one for name, one in synth(app).items() if "Child" in name)
    names = [f"<{name}>" for name in nested["Parameters"] if name.endswith("Ref")]
    assert len(names) == len(tables)
    for policy in resources(nested, "AWS::IAM::ManagedPolicy").values():
        text = json.dumps(deployed(policy["PolicyDocument"]), separators=(",", ":"))
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
def test_a_session_role_stands_in_a_nested_stack(flags: str) -> None:
    """Its tables may stand in the parent and its compute role in a sibling; trust, guards and permissions are there."""
    app = new_app(flags)
    parent = cdk.Stack(app, "Parent")
    child, sibling = cdk.NestedStack(parent, "Child"), cdk.NestedStack(parent, "Sibling")
    role = ScopedComputeRole(sibling, "Task", backend=ComputeBackend.ECS)
    SessionRole(
        child,
        "SessionRole",
        minting=Minting.by_compute_roles(role),
        tables=[TenantTable(table(parent), access="get")],
        objects=[TenantObjects.traces(s3.Bucket(parent, "Bucket"))],
    )
    templates = synth(app)
    (name,) = (name for name, one in templates.items() if any("SessionRole" in id_ for id_ in one["Resources"]))
    assert name.startswith("ParentChild")
    sids = by_sid(attached(templates, "SessionRole"))
    assert {"DenyForeignRowsByTaskId", "DenyOtherObjects", "GetByTaskId", "ObjectsPutMultipart"} <= sids.keys()
    assert {"MintSessions", "DenyTenantTables"} <= by_sid(attached(templates, "TaskRole")).keys()
    assert all(one["Condition"] for one in trust(templates, "SessionRole"))


def test_stages_are_independent_copies() -> None:
    """Two stages of one pipeline hold the same statements, each in its own account."""
    app = new_app()
    for id_, account in (("Beta", ACCOUNT), ("Prod", OTHER_ACCOUNT)):
        stage = cdk.Stage(app, id_, env=environment(account=account))
        ReferenceStack(stage, "Reference")
    templates = synth(app)
    assert sorted(templates) == ["Beta-Reference", "Prod-Reference"]
    beta, prod = (
        [deployed(one, "aws", account) for one in attached({"one": templates[name]}, "SessionRole")]
        for name, account in (("Beta-Reference", ACCOUNT), ("Prod-Reference", OTHER_ACCOUNT))
    )
    assert beta
    assert json.loads(json.dumps(beta).replace(ACCOUNT, OTHER_ACCOUNT)) == prod
    assert ACCOUNT not in json.dumps(templates["Prod-Reference"])


def test_one_table_policy_attaches_to_several_session_roles() -> None:
    """Each session role gets the rows, and the compute roles of each are denied the table."""
    app = new_app()
    stack = cdk.Stack(app, "Stack")
    policy = TenantTablePolicy(stack, "Shared", tables=[TenantTable(table(stack), access="get")])
    for name in ("One", "Two", "Three"):
        role = ScopedComputeRole(stack, f"{name}Task", backend=ComputeBackend.ECS)
        policy.attach_to(SessionRole(stack, f"{name}Session", minting=Minting.by_compute_roles(role)))
    templates = synth(app)
    for name in ("One", "Two", "Three"):
        assert "GetByTaskId" in by_sid(attached(templates, f"{name}SessionRole"))
        assert "DenyTenantTables" in by_sid(attached(templates, f"{name}TaskRole"))


# --- imported tables, replicas -----------------------------------------------------------------------------------


TABLE_GUARDS = ("DenyForeignRowsByTaskId", "DenyRequestsWithoutRows", "DenyOtherActions1")


def _one_table(kind: str) -> tuple[str, str]:
    """Return where the Allow and the guards point for a table of this kind."""
    app = new_app("no-flags")
    stack = cdk.Stack(app, "Stack")
    arns = {
        "literal": f"arn:aws:dynamodb:us-east-2:{OTHER_ACCOUNT}:table/acme",
        "partly-token": f"arn:{stack.partition}:dynamodb:{stack.region}:{OTHER_ACCOUNT}:table/acme",
        "own-account": f"arn:{stack.partition}:dynamodb:{stack.region}:{stack.account}:table/acme",
    }
    source = dynamodb.Table.from_table_arn(stack, "Table", arns[kind])
    broker = Minting.by_broker(lambda_role(stack, "Broker"))
    SessionRole(stack, "SessionRole", minting=broker, tables=[TenantTable(source, access="get")])
    found = by_sid([deployed(one) for one in attached(synth(app), "SessionRole")])
    guards = {
        tuple(found[sid]["Resource"])
        for sid in ("DenyForeignRowsByTaskId", "DenyRequestsWithoutRows", "DenyOtherActions1")
    }
    assert len(guards) == 1, "the guards name different tables"
    ((guarded,),) = guards
    return found["GetByTaskId"]["Resource"][0], guarded


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
    app = new_app()
    data = cdk.Stack(app, "Data", env=environment(account=OTHER_ACCOUNT))
    stack = cdk.Stack(app, "Stack", env=environment())
    source = table(data, table_name="acme")
    key = kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:eu-west-1:{OTHER_ACCOUNT}:key/k")
    broker = Minting.by_broker(lambda_role(stack, "Broker"))
    tables = [TenantTable(source, access="get", encryption_key=key)]
    SessionRole(stack, "SessionRole", minting=broker, tables=tables)
    found = by_sid([deployed(one) for one in attached(synth(app), "SessionRole")])
    assert found["GetByTaskId"]["Resource"] == [f"arn:aws:dynamodb:eu-west-1:{OTHER_ACCOUNT}:table/acme"]
    for sid in TABLE_GUARDS:
        assert found[sid]["Resource"] == [f"arn:aws:dynamodb:*:{OTHER_ACCOUNT}:table/acme"]
    context = found["DecryptTables"]["Condition"]["StringEquals"]
    assert context["kms:EncryptionContext:aws:dynamodb:subscriberId"] == OTHER_ACCOUNT


def test_a_table_imported_by_an_opaque_token_is_allowed_and_guarded() -> None:
    """An ARN known only at deployment is allowed as it is, and guarded by the name CloudFormation takes from it."""
    app = new_app("no-flags")
    stack = cdk.Stack(app, "Stack")
    source = dynamodb.Table.from_table_arn(stack, "Table", cdk.Fn.import_value("TasksArn"))
    broker = Minting.by_broker(lambda_role(stack, "Broker"))
    SessionRole(stack, "SessionRole", minting=broker, tables=[TenantTable(source, access="get")])
    found = by_sid(attached(synth(app), "SessionRole"))
    arn = {"Fn::ImportValue": "TasksArn"}
    name = {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::Select": [5, {"Fn::Split": [":", arn]}]}]}]}
    assert found["GetByTaskId"]["Resource"] == arn
    guarded = found["DenyRequestsWithoutRows"]["Resource"]["Fn::Join"][1]
    assert guarded[:2] == ["arn:", {"Ref": "AWS::Partition"}]
    assert guarded[-2:] == [":table/", name]
    assert ":dynamodb:*:" in guarded


def test_replicas_of_a_table_v2_are_under_the_guards() -> None:
    """A replica holds the same rows, so the guards cover every Region; the Allow stays in the stack's own."""
    app = new_app()
    stack = cdk.Stack(app, "Stack", env=environment())
    key = dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING)
    source = dynamodb.TableV2(
        stack, "Table", partition_key=key, replicas=[dynamodb.ReplicaTableProps(region="eu-central-1")]
    )
    role = ScopedComputeRole(stack, "Task", backend=ComputeBackend.ECS)
    SessionRole(
        stack, "SessionRole", minting=Minting.by_compute_roles(role), tables=[TenantTable(source, access="get")]
    )
    templates = synth(app)
    (logical_id,) = resources(templates["Stack"], "AWS::DynamoDB::GlobalTable")
    found = by_sid([deployed(one) for one in attached(templates, "SessionRole")])
    everywhere = f"arn:aws:dynamodb:*:{ACCOUNT}:table/<{logical_id}>"
    assert found["GetByTaskId"]["Resource"] == [f"<{logical_id}.Arn>"]
    for sid in TABLE_GUARDS:
        assert found[sid]["Resource"] == [everywhere]
    assert found["DenyIndexesAndStreams"]["Resource"] == [f"{everywhere}/*"]
    assert by_sid([deployed(one) for one in attached(templates, "TaskRole")])["DenyTenantTables"]["Resource"] == [
        everywhere
    ]


# --- imported roles ----------------------------------------------------------------------------------------------


def _imported(stack: cdk.Stack, account: str = ACCOUNT, *, mutable: bool = True) -> iam.IRole:
    return iam.Role.from_role_arn(
        stack, f"Imported{account}", f"arn:aws:iam::{account}:role/acme-agent", mutable=mutable
    )


def _session(stack: cdk.Stack, *minters: iam.IRole) -> SessionRole:
    minting = Minting.by_compute_roles(*minters or (lambda_role(stack, "Own"),))
    return SessionRole(stack, "SessionRole", minting=minting, tables=[TenantTable(table(stack))])


def test_an_imported_role_that_can_be_changed_gets_both_halves() -> None:
    """A mutable import of this account is trusted, may mint, and is denied the tables."""
    app = new_app()
    stack = cdk.Stack(app, "Stack", env=environment())
    _session(stack, _imported(stack))
    templates = synth(app)
    assert {one["Sid"] for one in attached(templates, "acme-agent")} == {
        "MintSessions",
        "DenyTenantTables",
        "DenyTenantTablesBelow",
    }
    (statement,) = trust(templates, "SessionRole")
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/acme-agent"}


def _foreign_stack_role(stack: cdk.Stack) -> iam.IRole:
    other = cdk.Stack(cdk.App.of(stack), "Other", env=environment(account=OTHER_ACCOUNT))
    return lambda_role(other, "Foreign", role_name="acme-agent")


UNCHANGEABLE = {
    "immutable": lambda stack: _imported(stack, mutable=False),
    "foreign-account": lambda stack: _imported(stack, OTHER_ACCOUNT),
    "wrapped": lambda stack: lambda_role(stack, "Wrapped").without_policy_updates(),
    "foreign-stack": _foreign_stack_role,
}


@pytest.mark.parametrize("kind", UNCHANGEABLE)
@pytest.mark.parametrize("way", ["minting", "admit", "deny_tenant_data_to"])
def test_a_role_that_cannot_be_changed_is_refused(kind: str, way: str) -> None:
    """Each way in refuses a role whose policies would silently go missing, or to a same-named role of ours."""
    stack = cdk.Stack(new_app(), "Stack", env=environment())
    role = UNCHANGEABLE[kind](stack)
    with pytest.raises(InvalidInputError, match="cannot be changed from this stack"):
        _session(stack, role) if way == "minting" else getattr(_session(stack), way)(role)


def test_a_compute_role_cannot_become_a_broker_late_nor_a_broker_a_compute_role() -> None:
    """Where a broker mints, compute roles are denied minting, so one role as both could never mint."""
    stack = cdk.Stack(new_app(), "Stack")
    broker, agent = lambda_role(stack, "Broker"), ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    session = SessionRole(stack, "SessionRole", minting=Minting.by_broker(broker, compute_roles=[agent]))
    with pytest.raises(InvalidInputError, match="would be a broker and a compute role"):
        session.admit(agent)
    with pytest.raises(InvalidInputError, match="would be a broker and a compute role"):
        session.deny_tenant_data_to(broker)


@pytest.mark.parametrize("kind", UNCHANGEABLE)
def test_admit_trust_only_trusts_and_prints_the_owners_half(kind: str) -> None:
    """The trust is conditioned like any other, nothing is attached, and the statement to add is in an info message."""
    app = new_app()
    stack = cdk.Stack(app, "Stack", env=environment())
    session = _session(stack)
    statement = session.admit_trust_only(UNCHANGEABLE[kind](stack))
    messages = [str(entry.data) for entry in session.node.metadata if entry.type == "aws:cdk:info"]
    templates = synth(app)
    statements = trust(templates, "SessionRole")
    assert re.search("acme-agent|Wrapped", json.dumps([one["Principal"] for one in statements]))
    conditions = [one["Condition"]["StringLike"] for one in statements]
    assert all(one == {f"aws:RequestTag/{key}": "?*" for key in ("user_id", "repo", "task_id")} for one in conditions)
    assert attached(templates, "acme-agent" if kind != "wrapped" else "Wrapped") == []
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["sts:AssumeRole", "sts:TagSession"])
    assert any("MintSessions" in message and "sts:TagSession" in message for message in messages)


# --- what passes through to the role -----------------------------------------------------------------------------


@cache
def _passed_through() -> dict[str, Template]:
    app = new_app()
    stack = cdk.Stack(app, "Stack", env=environment())
    own = iam.ManagedPolicy.from_managed_policy_name(stack, "OwnBoundary", "own-boundary")
    given: dict[str, Any] = {"path": "/agents/", "description": "Ours", "permissions_boundary": own}
    compute = ScopedComputeRole(stack, "Named", backend=ComputeBackend.ECS, role_name="acme-task", **given)
    SessionRole(
        stack,
        "NamedSession",
        minting=Minting.by_compute_roles(compute),
        tables=[TenantTable(table(stack))],
        role_name="acme-session",
        **given,
    )
    # `PermissionsBoundary.of` replaces what a role was given, so it is tried on roles that were given none.
    bounded = Construct(stack, "Bounded")
    plain = ScopedComputeRole(bounded, "Plain", backend=ComputeBackend.ECS)
    SessionRole(bounded, "PlainSession", minting=Minting.by_compute_roles(plain))
    shared = iam.ManagedPolicy.from_managed_policy_name(stack, "SharedBoundary", "shared-boundary")
    iam.PermissionsBoundary.of(bounded).apply(shared)
    return synth(app)


@pytest.mark.parametrize(
    ("prefix", "boundary"),
    [("Named", "own"), ("NamedSession", "own"), ("BoundedPlain", "shared"), ("BoundedPlainSession", "shared")],
)
def test_boundaries_given_or_applied_reach_the_roles(prefix: str, boundary: str) -> None:
    """A boundary given is on the role, and one applied with `PermissionsBoundary.of` reaches it too."""
    roles = resources(_passed_through()["Stack"], "AWS::IAM::Role")
    (role,) = (one for id_, one in roles.items() if id_.startswith(f"{prefix}Role"))
    assert deployed(role["PermissionsBoundary"]) == f"arn:aws:iam::{ACCOUNT}:policy/{boundary}-boundary"


@pytest.mark.parametrize(("prefix", "name"), [("Named", "acme-task"), ("NamedSession", "acme-session")])
def test_name_path_and_description_reach_the_role(prefix: str, name: str) -> None:
    """What the adopter's naming rules ask for is on the role as given."""
    roles = resources(_passed_through()["Stack"], "AWS::IAM::Role")
    (role,) = (one for id_, one in roles.items() if id_.startswith(f"{prefix}Role"))
    assert (role["RoleName"], role["Path"], role["Description"]) == (name, "/agents/", "Ours")


def test_environment_spells_the_path_into_the_arn() -> None:
    """A role with a path has it in its ARN, also where the ARN is spelled from the name."""
    stack = cdk.Stack(new_app(), "Stack", env=environment())
    session = SessionRole(
        stack, "S", minting=Minting.by_compute_roles(lambda_role(stack, "R")), role_name="acme", path="/agents/"
    )
    arn = stack.resolve(session.environment["AGENT_SESSION_ROLE_ARN"])
    assert deployed(arn) == f"arn:aws:iam::{ACCOUNT}:role/agents/acme"


# --- reserved tags -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["task_id", "Task_ID", "user_id"])
@pytest.mark.parametrize("place", ["app", "stack", "stage", "role"])
@pytest.mark.parametrize("flags", FLAGS)
def test_a_session_tags_key_on_the_role_fails_synth(flags: str, place: str, key: str) -> None:
    """A role's own tag would stand in for a session's missing one, so synth fails and names the tag and the place."""
    app = new_app(flags)
    scope = cdk.Stage(app, "Stage") if place == "stage" else app
    stack = cdk.Stack(scope, "Stack", tags={key: "x"} if place == "stack" else None)
    session = _session(stack)
    if place != "stack":
        cdk.Tags.of({"app": app, "stage": scope, "role": session}[place]).add(key, "x")
    with pytest.raises(RuntimeError, match=rf"tag `{key}` on .* is a session tag of this role"):
        app.synth()


def test_other_tags_and_excluded_roles_pass() -> None:
    """Only the session's own keys are refused, and the fix that the message names works."""
    app = new_app()
    stack = cdk.Stack(app, "Stack", tags={"team": "agents"})
    _session(stack)
    cdk.Tags.of(app).add("cost-center", "1")
    cdk.Tags.of(app).add("task_id", "x", exclude_resource_types=["AWS::IAM::Role"])
    roles = resources(synth(app)["Stack"], "AWS::IAM::Role")
    tags = [tag["Key"] for role in roles.values() for tag in role["Tags"]]
    assert "cost-center" in tags
    assert "task_id" not in tags


# --- other tag sets and key formats ------------------------------------------------------------------------------


def test_another_tag_set_and_a_single_table_key() -> None:
    """With tags and keys of the adopter's own, trust, Allow and guard all speak of those tags."""
    app = new_app()
    stack = cdk.Stack(app, "Stack")
    single = TenantTable(table(stack, "Single", "pk"), access="query", leading_key="TENANT#{tenant_id}#{Region}")
    SessionRole(
        stack,
        "SessionRole",
        minting=Minting.by_broker(lambda_role(stack, "Broker")),
        tables=[single],
        tag_keys=["tenant_id", "Region"],
    )
    templates = synth(app)
    (statement,) = trust(templates, "SessionRole")
    assert statement["Condition"]["StringLike"] == {"aws:RequestTag/tenant_id": "?*", "aws:RequestTag/Region": "?*"}
    assert statement["Condition"]["ForAllValues:StringEquals"] == {"aws:TagKeys": ["tenant_id", "Region"]}
    leading = ["TENANT#${aws:PrincipalTag/tenant_id}#${aws:PrincipalTag/Region}"]
    statements = attached(templates, "SessionRole")
    (allowed,) = (one for one in statements if one["Effect"] == "Allow")
    assert allowed["Action"] == "dynamodb:Query"
    assert allowed["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": leading},
        "Null": {"dynamodb:LeadingKeys": "false"},
        "StringLike": {"aws:PrincipalTag/tenant_id": "?*", "aws:PrincipalTag/Region": "?*"},
    }
    foreign = [one["Condition"] for one in statements if one["Sid"].startswith("DenyForeignRows")]
    assert foreign == [{"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": leading}}]
    untagged = [one["Condition"] for one in statements if one["Sid"].startswith("DenyWithout")]
    assert untagged == [{"StringNotLike": {f"aws:PrincipalTag/{key}": "?*"}} for key in ("Region", "tenant_id")]
