"""Each rule of the rule pack with what it finds and what comes near and is none; and that two findings differ."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from session_scoping import Minting, SessionRole, TenantObjects, TenantTable
from session_scoping.testing.rule_pack import SessionScopingChecks, check_template
from session_scoping.verify import verify
from tests.support import stacks
from tests.support.verify.plain_template import allow, arn, document, keyed, plain_template, policy, sub

UNSCOPED, TENANT_GRANT, TRUST, UNKEYED, RESERVED = (
    f"SessionScoping-{name}"
    for name in ("UnscopedStatement", "TenantGrantOnComputeRole", "UnconditionedTrust", "UnkeyedAccess", "ReservedTag")
)
KEYS = {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]}
SCOPED = {"ForAllValues:StringEquals": KEYS, "Null": {"dynamodb:LeadingKeys": "false"}}


@pytest.fixture
def stack() -> cdk.Stack:
    """An empty stack."""
    return stacks.stack()


def tasks(stack: cdk.Stack, name: str = "tasks", id: str = "Imported") -> dynamodb.ITable:
    """Return an imported table."""
    return dynamodb.Table.from_table_name(stack, id, name)


def objects(stack: cdk.Stack, name: str = "traces", id: str = "Bucket") -> s3.IBucket:
    """Return an imported bucket."""
    return s3.Bucket.from_bucket_name(stack, id, name)


def with_broker(stack: cdk.Stack, table: dynamodb.ITable) -> tuple[iam.Role, iam.Role]:
    """Make a session role that a function mints, and return the function's role and the agent's."""
    broker = iam.Role(stack, "Broker", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    agent = stacks.role(stack, "Agent")
    minting = Minting.by_orchestrator(broker, compute_roles=[agent])
    stacks.session_role(stack, minting=minting, tables=[TenantTable(table, access="get")])
    return broker, agent


# --- TenantGrantOnComputeRole -------------------------------------------------------------------------------------


def test_an_imported_table_granted_to_a_compute_role_is_found(stack: cdk.Stack) -> None:
    """A table that stands in no template is tenant data when a session role is granted it."""
    agent = stacks.role(stack)
    table = tasks(stack)
    stacks.session_role(stack, minting=Minting.by_compute_roles(agent), tables=[TenantTable(table, access="get")])
    assert check_template(stacks.template(stack)) == []
    again = stacks.stack()
    agent = stacks.role(again)
    table = tasks(again)
    stacks.session_role(again, minting=Minting.by_compute_roles(agent), tables=[TenantTable(table, access="get")])
    table.grant_read_write_data(agent)
    assert check_template(stacks.template(again)) == [TENANT_GRANT]


def test_an_imported_bucket_granted_to_a_compute_role_is_found(stack: cdk.Stack) -> None:
    """The bucket is told by the ARN before the session's prefix, whatever prefix the compute role is granted."""
    agent = stacks.role(stack)
    bucket = objects(stack)
    minting = Minting.by_compute_roles(agent)
    SessionRole(stack, "Session", minting=minting, objects=[TenantObjects.traces(bucket)])
    bucket.grant_read(agent, "other/*")
    assert set(check_template(stacks.template(stack))) == {TENANT_GRANT}


@pytest.mark.parametrize("exported", [True, False])
def test_an_imported_table_is_told_by_its_whole_arn(exported: bool, stack: cdk.Stack) -> None:
    """An ARN that another stack exports is the same table in both grants; another export is another table."""
    agent = stacks.role(stack)
    arns = [cdk.Fn.import_value("TasksArn"), cdk.Fn.import_value("TasksArn" if exported else "OtherArn")]
    role = stacks.session_role(stack, minting=Minting.by_compute_roles(agent)).role
    role.add_to_policy(iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[arns[0]], conditions=SCOPED))
    agent.add_to_policy(iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[f"{arns[1]}/index/*"]))
    assert check_template(stacks.template(stack)) == ([TENANT_GRANT] if exported else [])


def other_table(stack: cdk.Stack, agent: iam.Role) -> None:
    """Grant a table whose name begins like the tenants'."""
    tasks(stack, "tasks-archive", "Other").grant_read_write_data(agent)


def other_bucket(stack: cdk.Stack, agent: iam.Role) -> None:
    """Grant a bucket whose name begins like the tenants'."""
    objects(stack, "traces-public", "Other").grant_read_write(agent)


def other_service(stack: cdk.Stack, agent: iam.Role) -> None:
    """Grant the table's description alone."""
    tasks(stack, id="Same").grant(agent, "dynamodb:DescribeTable")


def other_role(stack: cdk.Stack, _: iam.Role) -> None:
    """Grant the table to a function that mints nothing."""
    worker = iam.Role(stack, "Worker", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    tasks(stack, id="Same").grant_read_write_data(worker)


def access_point(_: cdk.Stack, agent: iam.Role) -> None:
    """Grant an access point, which is no bucket of the name `accesspoint`."""
    there = "arn:aws:s3:us-east-1:111122223333:accesspoint/mine/object/*"
    agent.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[there]))


@pytest.mark.parametrize("grant", [other_table, other_bucket, other_service, other_role, access_point])
def test_what_is_not_tenant_data_or_no_agents_is_let_be(
    grant: Callable[[cdk.Stack, iam.Role], None], stack: cdk.Stack
) -> None:
    """Neighbours by name, metadata, and roles agent code does not run with break no rule."""
    agent = stacks.role(stack)
    minting = Minting.by_compute_roles(agent)
    tables, traces = [TenantTable(tasks(stack), access="get")], [TenantObjects.traces(objects(stack))]
    made = SessionRole(stack, "Session", minting=minting, tables=tables, objects=traces)
    point = "arn:aws:s3:us-east-1:111122223333:accesspoint/ours/object/${aws:PrincipalTag/task_id}/*"
    made.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[point]))
    grant(stack, agent)
    assert check_template(stacks.template(stack)) == []


def test_a_broker_may_write_tenant_data_and_the_agent_it_keeps_out_may_not(stack: cdk.Stack) -> None:
    """Where agents are kept from minting, the minter is no compute role; the pack and the verifier agree on both."""
    table = stacks.table(stack)
    broker, _ = with_broker(stack, table)
    table.grant(broker, "dynamodb:PutItem")
    template = stacks.template(stack)
    assert check_template(template) == []
    assert verify(template).failures() == []

    again = stacks.stack()
    table = stacks.table(again)
    _, agent = with_broker(again, table)
    table.grant(agent, "dynamodb:PutItem")
    template = stacks.template(again)
    assert check_template(template) == [TENANT_GRANT]
    # The library's guard on the agent's role stops the grant, which is why it is this property.
    assert {result.rule for result in verify(template).failures()} == {"no-masked-grants"}


def test_a_minter_that_keeps_nobody_out_is_a_compute_role(stack: cdk.Stack) -> None:
    """Without a Deny on minting, agent code may run with whoever mints."""
    broker = iam.Role(stack, "Broker", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    table = stacks.table(stack)
    minting = Minting.by_compute_roles(broker)
    stacks.session_role(stack, minting=minting, tables=[TenantTable(table, access="get")])
    table.grant(broker, "dynamodb:PutItem")
    assert check_template(stacks.template(stack)) == [TENANT_GRANT]


def test_the_reference_orchestrator_may_put_into_the_task_table(orchestrator_template: dict[str, Any]) -> None:
    """With minting=orchestrator the reference stack synthesizes when its orchestrator writes the tasks it starts."""
    template = json.loads(json.dumps(orchestrator_template))
    table = next(key for key in template["Resources"] if key.startswith("TaskTable"))
    roles = {
        name: next(key for key, one in template["Resources"].items() if key.startswith(name) and _is_role(one))
        for name in ("Orchestrator", "Ecs")
    }
    body = {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": {"Fn::GetAtt": [table, "Arn"]}}
    document = {"Version": "2012-10-17", "Statement": [body]}
    for name, expected in (("Orchestrator", []), ("Ecs", [TENANT_GRANT])):
        properties = template["Resources"][roles[name]]["Properties"]
        properties["Policies"] = [{"PolicyName": "Put", "PolicyDocument": document}]
        assert check_template(template) == expected, name


def _is_role(resource: dict[str, Any]) -> bool:
    return bool(resource["Type"] == "AWS::IAM::Role")


# --- rules on the session role ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "resource", "conditions", "expected"),
    [
        (["dynamodb:GetItem"], "table/tasks", SCOPED, []),
        (["dynamodb:GetItem"], "table/tasks", {}, [UNSCOPED]),
        (["dynamodb:GetItem"], "table/tasks", {"StringEquals": {"aws:PrincipalTag/task_id": "T1"}}, [UNSCOPED]),
        (["dynamodb:DescribeTable"], "table/tasks", {}, []),
        (["dynamodb:GetItem", "dynamodb:Scan"], "table/tasks", SCOPED, [UNKEYED]),
        (["dynamodb:PartiQLSelect"], "table/tasks", SCOPED, [UNKEYED]),
        (["dynamodb:Query"], "table/tasks/index/by-user", SCOPED, [UNKEYED]),
        (["dynamodb:Query"], "table/index", SCOPED, []),
    ],
)
def test_a_grant_of_items_breaks_the_rule_it_should_and_no_other(
    actions: list[str], resource: str, conditions: dict[str, Any], expected: list[str], stack: cdk.Stack
) -> None:
    """Keys need a leading-key condition on a tag; what has no keys is named, an index besides."""
    arn = f"arn:aws:dynamodb:us-east-1:111122223333:{resource}"
    role = stacks.session_role(stack).role
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[arn], conditions=conditions))
    assert check_template(stacks.template(stack)) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("traces/${aws:PrincipalTag/task_id}/*", []),
        ("traces/*", [UNSCOPED]),
        ("traces/${aws:PrincipalTag/task_id, 'all'}/*", [UNSCOPED]),
    ],
)
def test_a_grant_of_objects_needs_a_tag_without_a_default_in_its_key(
    key: str, expected: list[str], stack: cdk.Stack
) -> None:
    """A prefix without a tag, or with one that has a default, is everybody's."""
    role = stacks.session_role(stack).role
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::traces/{key}"]))
    assert check_template(stacks.template(stack)) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [TRUST]),
        ({"StringEquals": {"aws:PrincipalTag/team": "x"}}, [TRUST]),
        ({"StringLike": {"aws:RequestTag/task_id": "?*"}}, []),
    ],
)
def test_a_trust_statement_asks_for_session_tags(
    conditions: dict[str, Any], expected: list[str], stack: cdk.Stack
) -> None:
    """A caller's own tags say nothing of the session's."""
    stacks.session_role(stack)
    template = stacks.template(stack)
    principal = {"AWS": "arn:aws:iam::111122223333:role/Operator"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": conditions}
    stacks.trust(template, "SessionRole").append(statement)
    assert check_template(template) == expected


@pytest.mark.parametrize(("key", "expected"), [("task_id", [RESERVED]), ("TASK_ID", [RESERVED]), ("team", [])])
def test_a_session_tag_on_the_role_itself_is_found(key: str, expected: list[str], stack: cdk.Stack) -> None:
    """Tag keys ignore case; a tag that no policy speaks of is no session tag."""
    stacks.session_role(stack)
    template = stacks.template(stack)
    role = next(name for name in template["Resources"] if name.startswith("SessionRole"))
    # In the template, since the construct refuses such a tag.
    template["Resources"][role]["Properties"]["Tags"] = [{"Key": key, "Value": "x"}]
    assert check_template(template) == expected


def test_a_stack_without_resources_hides_no_stack_after_it(tmp_path: Path) -> None:
    """There is nothing to check in it, and everything in the next."""
    app = cdk.App(outdir=str(tmp_path))
    cdk.Stack(app, "Empty", synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
    full = cdk.Stack(app, "Full")
    agent = stacks.role(full, "Agent")
    stacks.session_role(full, minting=Minting.by_compute_roles(agent), tables=[TenantTable(tasks(full), access="get")])
    tasks(full, id="Again").grant_read_data(agent)
    cdk.Validations.of(app).add_plugins(SessionScopingChecks())
    with pytest.raises(RuntimeError, match="TenantGrantOnComputeRole"):
        app.synth()


# --- the report ---------------------------------------------------------------------------------------------------


def test_two_findings_of_one_rule_name_their_statements() -> None:
    """A reader of the report sees which statement each violation is about."""
    stack = stacks.stack()
    role = stacks.session_role(stack).role
    for sid in ("ScanOne", "ScanTwo"):
        there = [f"arn:aws:dynamodb:us-east-1:111122223333:table/{sid}"]
        statement = iam.PolicyStatement(sid=sid, actions=["dynamodb:Scan"], resources=there)
        iam.ManagedPolicy(stack, sid, roles=[role], statements=[statement])
    app = stack.node.root
    assert isinstance(app, cdk.App)
    cdk.Validations.of(app).add_plugins(SessionScopingChecks())
    with pytest.raises(RuntimeError) as failed:
        app.synth()
    assert "UnkeyedAccess" in str(failed.value)
    violations = json.loads(Path(app.outdir, "validation-report.json").read_text())["pluginReports"][0]["violations"]
    described = [one["description"] for one in violations if one["ruleName"] == UNKEYED]
    assert len(set(described)) == 2, described
    assert sorted("ScanOne" in text for text in described) == [False, True]


# --- on templates people write by hand ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tasks", "t?sks", "ta*", "*"])
def test_a_table_is_found_by_its_name_too(name: str) -> None:
    """By its literal name or a pattern of it, without a reference; another name is another table."""
    template = plain_template()
    template["Resources"]["Table"]["Properties"]["TableName"] = "tasks"
    where = sub(f"arn:aws:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/{name}")
    template["Resources"]["More"] = policy("Compute", allow("dynamodb:Query", where))
    assert set(check_template(template)) == {TENANT_GRANT}
    template["Resources"]["Table"]["Properties"]["TableName"] = "rows" if name != "*" else "tasks"
    assert check_template(template) == ([TENANT_GRANT] if name == "*" else [])


def test_a_store_s_own_policy_that_names_a_compute_role_is_found() -> None:
    """A bucket policy gives as much as the role's own; one that names the session role is another property's."""
    template = plain_template()
    reads = {**allow("s3:GetObject", sub("${Bucket.Arn}/*")), "Principal": {"AWS": arn("Compute")}}
    properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(reads)}
    template["Resources"]["Open"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    assert check_template(template) == [TENANT_GRANT]
    reads["Effect"] = "Deny"
    assert check_template(template) == []


@pytest.mark.parametrize("where", ["${Table.Arn}/*", "${Table.Arn}*", "${Table.Arn}/*/*", "${Table.Arn}/index/by-user"])
def test_a_wildcard_reaches_an_index(where: str) -> None:
    """Leading keys on an index are those of the index, however it is named."""
    template = plain_template()
    assert check_template(template) == []
    more = allow("dynamodb:Query", sub(where), Condition=keyed("${aws:PrincipalTag/task_id}"))
    template["Resources"]["More"] = policy("Session", more)
    assert check_template(template) == [UNKEYED]
