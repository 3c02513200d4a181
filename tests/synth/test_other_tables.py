"""Tables beyond a role's own: closed by default, excepted by name, opened by a TenantTablePolicy."""

from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping import InvalidInputError, Minting, SessionRole, TenantTable, TenantTablePolicy, ToolScopedRole
from tests.support import stacks
from tests.support.matrix import KEYED, Case, failures
from tests.support.world import World

OWN = {"dynamodb:LeadingKeys": ["T1"]}
FOREIGN = {"dynamodb:LeadingKeys": ["T2"]}


def _cases(world: World, table: str, actions: tuple[str, ...]) -> list[Case]:
    """Return an own row, a foreign one, none and an index of a table that the role was given for some actions."""
    arn = world.arn(table, "AWS::DynamoDB::Table")
    found = [
        Case(f"{action} {table}", "SessionRole", f"dynamodb:{action}", arn, action in actions, OWN) for action in KEYED
    ]
    found += [
        Case(f"a foreign row by {action}", "SessionRole", f"dynamodb:{action}", arn, False, FOREIGN) for action in KEYED
    ]
    found.append(Case("scan", "SessionRole", "dynamodb:Scan", arn, allowed=False))
    found.append(Case("index", "SessionRole", "dynamodb:Query", f"{arn}/index/Any", allowed=False, context=OWN))
    return found


def _other(world: World, table: str, *, opened: bool) -> list[Case]:
    """Return requests that a grant made elsewhere allows, if the role is not denied them."""
    arn = world.arn(table, "AWS::DynamoDB::Table")
    requests: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GetItem", arn, FOREIGN),
        ("Scan", arn, {}),
        ("Query", f"{arn}/index/Any", FOREIGN),
    )
    return [Case(action, "SessionRole", f"dynamodb:{action}", where, opened, key) for action, where, key in requests]


@pytest.mark.parametrize("opened", [False, True])
def test_other_tables_are_closed_unless_named(opened: bool) -> None:
    """A careless grant on a table nobody named does nothing; on one in `other_tables` it works, its indexes too."""
    stack = stacks.stack()
    other = stacks.table(stack, "Other")
    named = [other.table_arn, f"{other.table_arn}/index/*"] if opened else []
    stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access=("get", "put"))], other_tables=named)
    world = World(stacks.template(stack))
    cases = [*_other(world, "Other", opened=opened), *_cases(world, "Tasks", ("GetItem", "PutItem"))]
    assert failures(world, cases, ["broad allow"]) == []


def test_a_pattern_of_every_table_opens_no_tenant_table() -> None:
    """`other_tables` loosens one Deny: own tables keep theirs, whatever the pattern covers."""
    stack = stacks.stack()
    tables = [TenantTable(stacks.table(stack), access="get")]
    stacks.session_role(stack, tables=tables, other_tables=["arn:aws:dynamodb:*:*:table/*"])
    stacks.table(stack, "Other")
    world = World(stacks.template(stack))
    cases = [*_other(world, "Other", opened=True), *_cases(world, "Tasks", ("GetItem",))]
    assert failures(world, cases, ["broad allow"]) == []


def test_tables_with_different_keys_keep_their_own_rows() -> None:
    """Where leading keys differ, each table's Deny on foreign rows names that table."""
    stack = stacks.stack()
    by_user = TenantTable(
        stacks.table(stack, "Users"), access="query", leading_key="{user_id}", partition_key="task_id"
    )
    stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get"), by_user])
    world = World(stacks.template(stack))
    arn = world.arn("Users", "AWS::DynamoDB::Table")
    mine, theirs = ({"dynamodb:LeadingKeys": [user]} for user in ("u1", "u2"))
    cases = [
        *_cases(world, "Tasks", ("GetItem",)),
        Case("own user's rows", "SessionRole", "dynamodb:Query", arn, True, mine),
        Case("another user's rows", "SessionRole", "dynamodb:Query", arn, False, theirs),
    ]
    assert failures(world, cases, ["deployed", "broad allow"]) == []


@pytest.mark.parametrize("policies", [1, 2])
def test_a_table_policy_opens_its_tables_and_nothing_else(policies: int) -> None:
    """Attached to a session role it works, beside the role's own tables, and other tables stay closed."""
    stack = stacks.stack()
    session = stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get")])
    stacks.table(stack, "Other")
    names = [f"More{number}" for number in range(policies)]
    for name in names:
        tables = [TenantTable(stacks.table(stack, name), access="query")]
        TenantTablePolicy(stack, f"{name}Policy", tables=tables).attach_to(session)
    world = World(stacks.template(stack))
    cases = [*_cases(world, "Tasks", ("GetItem",)), *_other(world, "Other", opened=False)]
    for name in names:
        cases += _cases(world, name, ("Query",))
    assert failures(world, cases, ["deployed", "broad allow"]) == []


def test_a_table_policy_goes_with_a_role_that_declares_the_tags_its_keys_use() -> None:
    """Keys it knows and uses nowhere ask nothing of the role."""
    stack = stacks.stack()
    session = stacks.session_role(stack, tag_keys=["task_id"], tables=[TenantTable(stacks.table(stack), access="get")])
    more = [TenantTable(stacks.table(stack, "More"), access="query")]
    TenantTablePolicy(stack, "Policy", tables=more).attach_to(session)
    assert stacks.policy(stacks.template(stack), "PolicyPermissions")
    by_user = [TenantTable(stacks.table(stack, "Users", "user_id"), access="query", leading_key="{user_id}")]
    with pytest.raises(InvalidInputError, match="user_id"):
        TenantTablePolicy(stack, "ByUser", tables=by_user).attach_to(session)


def test_guards_that_name_the_tables_are_deployed_before_the_others_are_narrowed() -> None:
    """At no moment of a deployment are the role's own rows without a Deny."""
    stack = stacks.stack()
    session = stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get")])
    TenantTablePolicy(stack, "Policy", tables=[TenantTable(stacks.table(stack, "More"))]).attach_to(session)
    made = stacks.template(stack)
    guards = made["Resources"][stacks.ref(made, "SessionGuards")]
    assert guards["DependsOn"] == [stacks.ref(made, "SessionGuards2")]


def test_a_table_policy_of_a_later_stack_opens_its_tables_and_warns() -> None:
    """The session role's stack cannot name the table: other tables are open, own rows are guarded all the same."""
    app = stacks.new_app()
    here, later = cdk.Stack(app, "Here"), cdk.Stack(app, "Later")
    minting = Minting.by_orchestrator(stacks.role(here, "Broker"))
    session = SessionRole(here, "Session", minting=minting, tables=[TenantTable(stacks.table(here), access="get")])
    more = [TenantTable(stacks.table(later, "More"), access="query")]
    TenantTablePolicy(later, "Policy", tables=more).attach_to(session)
    templates = stacks.synth(app)
    statements = stacks.attached(templates, "SessionRole")
    assert [one["NotResource"] for one in statements if one["Sid"] == "OtherTables"] == [["*"]]
    # The role's own, narrowed; the document that takes their place; and those of the policy.
    assert [one["Sid"] for one in statements].count("NoRows") == 3
    assert not [
        one
        for one in statements
        if one["Sid"] in ("NoRows", "ForeignRows") and "*" in (one["Resource"], *one["Resource"])
    ]
    assert "other-tables-not-denied" in _warnings(session)


def test_more_tables_than_one_document_names_are_guarded_without_it_and_synth_warns() -> None:
    """A NotResource cannot be cut in two, so the Deny is left out; indexes of all tables stay denied."""
    stack = stacks.stack()
    tables = [TenantTable(stacks.table(stack, f"Table{number}"), access="get") for number in range(90)]
    session = stacks.session_role(stack, tables=tables)
    made = stacks.template(stack)
    world = World(made)
    assert "OtherTables" not in str(made)
    cases = [*_cases(world, "Table0", ("GetItem",)), *_cases(world, "Table89", ("GetItem",))]
    assert failures(world, cases, ["deployed", "broad allow"]) == []
    assert "other-tables-not-denied" in _warnings(session)


def test_a_table_policy_of_more_tables_than_the_deny_can_name_opens_them_and_warns() -> None:
    """A Deny that would exceed its document is made to hold nothing, rather than to close what was just granted."""
    stack = stacks.stack()
    session = stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get")])
    more = [TenantTable(stacks.table(stack, f"Table{number}"), access="query") for number in range(60)]
    TenantTablePolicy(stack, "Policy", tables=more).attach_to(session)
    statements = stacks.attached({"Small": stacks.template(stack)}, "SessionRole")
    assert [one["NotResource"] for one in statements if one["Sid"] == "OtherTables"] == [["*"]]
    assert "other-tables-not-denied" in _warnings(session)


def test_a_tool_s_other_tables_are_closed_too() -> None:
    """What a tool is not given it is denied, and a TenantTablePolicy on it works like one on the session role."""
    stack = stacks.stack()
    keys = ("user_id", "repo", "task_id")
    session = stacks.session_role(stack, transitive_tag_keys=keys)
    tables = [TenantTable(stacks.table(stack, "ToolTable"), access="get")]
    tool = ToolScopedRole(stack, "Tool", session_role=session, tool="reader", tables=tables)
    more = TenantTablePolicy(stack, "Policy", tables=[TenantTable(stacks.table(stack, "More"), access="query")])
    more.attach_to(tool.role)
    stacks.table(stack, "Other")
    world = World(stacks.template(stack))
    requests = (("ToolTable", "GetItem", True), ("More", "Query", True), ("Other", "GetItem", False))
    cases = [
        Case(name, "ToolRole", f"dynamodb:{action}", world.arn(name, "AWS::DynamoDB::Table"), allowed, OWN)
        for name, action, allowed in requests
    ]
    assert failures(world, cases, ["broad allow"]) == []


@pytest.mark.parametrize("patterns", ["arn:aws:dynamodb:*:*:table/x", ["*"], ["arn:aws:s3:::x"], ["orders"]])
def test_other_tables_that_are_no_tables_are_refused(patterns: Any) -> None:
    """Text in place of a list, everything, another service's ARN and a bare name are one error each."""
    stack = stacks.stack()
    with pytest.raises(InvalidInputError, match="other_tables names something else: got"):
        stacks.session_role(stack, tables=[TenantTable(stacks.table(stack))], other_tables=patterns)


def _warnings(construct: cdk.Resource | Any) -> str:
    return " ".join(str(entry.data) for entry in construct.node.metadata if entry.type == "aws:cdk:warning")
