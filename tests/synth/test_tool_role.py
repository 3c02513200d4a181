"""Tool roles: whole statements, the decisions of an independent simulator, and bad input."""

from collections.abc import Callable, Iterable
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from app import ReferenceStack
from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    ToolScopedRole,
)
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions
from session_scoping.constructs.restrictions.restriction import Restriction
from tests.support import stacks
from tests.support.matrix import SAMPLE_OR_WHOLE, VARIANTS, Case, failures
from tests.support.matrix.minting import tagged
from tests.support.matrix.session import session_cases
from tests.support.matrix.tools import becoming_cases, chaining_cases, handing_on_cases, tool_cases
from tests.support.world import World
from tests.synth.test_nag import findings

TAGS = ("user_id", "repo", "task_id")


def with_tool(stack: cdk.Stack, **options: Any) -> tuple[SessionRole, ToolScopedRole]:
    """Return a session role that hands all tags on, and one tool of it."""
    session = stacks.session_role(stack, transitive_tag_keys=TAGS)
    options = {"tool": "search", "tables": [TenantTable(stacks.table(stack, "Notes"), access="get")], **options}
    return session, ToolScopedRole(stack, "Tool", session_role=session, **options)


# --- decisions of the simulator -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tools_template: dict[str, Any]) -> World:
    """The reference stack with its tool."""
    return World(tools_template)


@pytest.mark.parametrize("variant", ["deployed", "broad allow"])
def test_a_tool_is_reached_by_a_session_of_the_same_task_only(world: World, variant: str) -> None:
    """Own tags under the own name are admitted; another task, name, tag, role or source identity is not."""
    cases = list(becoming_cases(world))
    assert sum(case.allowed for case in cases) == 3
    assert len(cases) > 40
    assert failures(world, cases, [variant]) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tool_reaches_what_it_was_given_and_no_more(world: World, variant: str) -> None:
    """Own attachments are read; the session's rows, traces and models are not, even under a broad Allow."""
    cases = list(tool_cases(world))
    assert len(cases) > 100
    assert failures(world, cases, [variant]) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_other_chain_is_open(world: World, variant: str) -> None:
    """Under a colleague's `sts:*` a session becomes no other role, and its tool becomes none at all."""
    assert failures(world, chaining_cases(world), [variant]) == []


@pytest.mark.parametrize("choose", SAMPLE_OR_WHOLE)
def test_the_session_reaches_what_it_reached_without_tools(
    world: World, choose: Callable[[Iterable[Case]], list[Case]]
) -> None:
    """A tool changes nothing about the session's own data."""
    assert failures(world, choose(session_cases(world)), VARIANTS) == []


def test_a_session_must_hand_its_tags_on(world: World) -> None:
    """Where there is a tool, the trust asks for transitive tags and pins which."""
    assert failures(world, handing_on_cases(world), ["deployed"]) == []


def test_a_tool_of_another_session_role_is_out_of_reach() -> None:
    """Each session role's guard excepts its own tools, so a session becomes no tool of a neighbour."""
    stack = stacks.stack()
    with_tool(stack)
    neighbour = SessionRole(
        stack,
        "Neighbour",
        minting=Minting.by_compute_roles(stacks.role(stack, "NeighbourCompute")),
        tables=[TenantTable(stacks.table(stack, "Elsewhere"), access="get")],
        transitive_tag_keys=TAGS,
    )
    ToolScopedRole(stack, "NeighbourTool", session_role=neighbour, tool="search")
    world = World(stacks.template(stack))
    tags = {"user_id": "u1", "repo": "r", "task_id": "T1"}
    context = {**tagged(tags), "sts:RoleSessionName": "T1"}
    cases = [
        Case(target, "SessionRole", action, world.role(target).arn, allowed, context, tags, target=target)
        for target, allowed in (("ToolRole", True), ("NeighbourToolRole", False))
        for action in ("sts:AssumeRole", "sts:TagSession")
    ]
    assert failures(world, cases, ["deployed", "broad allow"]) == []


# --- whole statements -----------------------------------------------------------------------------------------------


def test_trust_of_a_tool_role() -> None:
    """The session role alone is trusted, one action per statement, every tag equal to the caller's own."""
    stack = stacks.stack()
    with_tool(stack)
    template = stacks.template(stack)
    principal = {"AWS": {"Fn::GetAtt": [stacks.ref(template, "SessionRole"), "Arn"]}}
    same = {f"aws:RequestTag/{key}": f"${{aws:PrincipalTag/{key}}}" for key in TAGS}
    keys = {"ForAllValues:StringEquals": {"aws:TagKeys": list(TAGS)}, "Null": {"aws:TagKeys": "false"}}
    paths = ["*/*", "*..*", "."]
    assert stacks.trust(template, "ToolRole") == [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": principal,
            "Condition": {
                "StringEquals": {**same, "sts:RoleSessionName": "${aws:PrincipalTag/task_id}"},
                "StringLike": {f"aws:RequestTag/{key}": "?*" for key in TAGS},
                "StringNotLike": {"aws:RequestTag/user_id": paths, "aws:RequestTag/task_id": paths},
                **keys,
            },
        },
        {
            "Action": "sts:TagSession",
            "Effect": "Allow",
            "Principal": principal,
            "Condition": {"StringEquals": same, **keys},
        },
        {
            "Action": "sts:SetSourceIdentity",
            "Effect": "Allow",
            "Principal": principal,
            "Condition": {"StringEquals": {"sts:SourceIdentity": "${aws:SourceIdentity}"}},
        },
    ]


def test_the_guard_of_the_session_role_excepts_the_tools_by_name() -> None:
    """`Chaining` keeps what has no role to act on; three actions are denied on all roles but the tools."""
    stack = stacks.stack()
    session, _ = with_tool(stack)
    ToolScopedRole(stack, "Second", session_role=session, tool="second")
    template = stacks.template(stack)
    denied = stacks.by_sid(stacks.policy(template, "SessionGuards"))["Chaining"]
    assert denied == {
        "Effect": "Deny",
        "Resource": "*",
        "Action": [
            "sts:AssumeRoleW*",
            "sts:AssumeRoo*",
            "sts:GetD*",
            "sts:GetF*",
            "sts:GetS*",
            "sts:GetW*",
            "sts:SetC*",
            "sts:TagG*",
        ],
    }
    arns = [{"Fn::GetAtt": [stacks.ref(template, name), "Arn"]} for name in ("SecondRole", "ToolRole")]
    (others,) = stacks.policy(template, "SessionToolsGuard")
    assert sorted(others.pop("NotResource"), key=str) == sorted(arns, key=str)
    assert others == {
        "Sid": "DenyOtherRoles",
        "Effect": "Deny",
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
    }
    guards = template["Resources"][stacks.ref(template, "SessionGuards")]
    assert guards["DependsOn"] == [stacks.ref(template, "SessionToolsGuard")]


def test_the_session_may_become_its_tool_and_only_that() -> None:
    """The session role's one new Allow names the tool's ARN and demands the tags."""
    stack = stacks.stack()
    with_tool(stack)
    template = stacks.template(stack)
    assert stacks.policy(template, "ToolChain") == [
        {
            "Sid": "BecomeTool",
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            "Resource": {"Fn::GetAtt": [stacks.ref(template, "ToolRole"), "Arn"]},
            "Condition": {"StringLike": {f"aws:PrincipalTag/{key}": "?*" for key in TAGS}},
        }
    ]


def test_data_of_the_tool_alone_is_denied_to_compute_roles() -> None:
    """A table only the tool reaches is tenant data too: compute roles are denied it."""
    stack = stacks.stack()
    with_tool(stack)
    template = stacks.template(stack)
    statements = stacks.by_sid(stacks.policy(template, "ToolComputeGuards"))
    assert "Notes" in str(statements["DenyTenantTables"]["Resource"])
    assert "Tasks" not in str(statements)


def test_the_name_may_be_left_to_the_client() -> None:
    """name_tag=None drops the condition on the name and the Metadata, and nothing else."""
    stack = stacks.stack()
    with_tool(stack, name_tag=None)
    template = stacks.template(stack)
    condition = stacks.trust(template, "ToolRole")[0]["Condition"]
    assert "sts:RoleSessionName" not in condition["StringEquals"]
    metadata = template["Resources"][stacks.ref(template, "ToolRole")]["Metadata"]
    assert [key for key in metadata if key.startswith("session-scoping:")] == ["session-scoping:tool-of"]


class _OneVpc(Restriction):
    __hash__ = None  # type: ignore[assignment]  # as for a restriction that holds a mapping

    def trust_conditions(self, context: StackContext) -> Conditions:  # noqa: ARG002 - the base class's signature
        return {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}


def test_what_narrows_the_session_narrows_the_tool() -> None:
    """A session role's restrictions hold for its tools, so that a tool's credentials work in no more places."""
    stack = stacks.stack()
    session = stacks.session_role(stack, transitive_tag_keys=TAGS, restrictions=[_OneVpc()])
    ToolScopedRole(stack, "Tool", session_role=session, tool="search")
    condition = stacks.trust(stacks.template(stack), "ToolRole")[0]["Condition"]
    assert condition["StringEqualsIfExists"] == {"aws:SourceVpc": "vpc-1"}


# --- stacks, nag, bad input -----------------------------------------------------------------------------------------


def test_a_tool_in_a_later_stack_makes_no_cycle() -> None:
    """With a role name the session role's stack names the tool without a reference to its stack."""
    app = stacks.new_app()
    first, later = cdk.Stack(app, "First"), cdk.Stack(app, "Later")
    compute = ScopedComputeRole(first, "Task", backend=ComputeBackend.ECS)
    session = SessionRole(
        first,
        "Session",
        minting=Minting.by_compute_roles(compute),
        tables=[TenantTable(stacks.table(first))],
        transitive_tag_keys=TAGS,
    )
    notes = TenantTable(stacks.table(later, "Notes"), access="get")
    ToolScopedRole(later, "Tool", session_role=session, tool="search", tables=[notes], role_name="acme-search")
    templates = stacks.synth(app)
    (guard,) = (
        resource["Properties"]["PolicyDocument"]["Statement"][0]
        for key, resource in templates["First"]["Resources"].items()
        if key.startswith("SessionToolsGuard")
    )
    assert guard["NotResource"]["Fn::Join"][1][-1].endswith(":role/acme-search")
    assert "Later" not in str(templates["First"])


def test_the_reference_stack_with_a_tool_is_clean_under_cdk_nag() -> None:
    """What the tool brings is accepted exactly, on the policy it stands in."""
    assert findings(AwsSolutionsChecks, ReferenceStack(stacks.new_app(tools="on"), "Reference")) == set()


def test_another_value_of_the_switch_is_refused() -> None:
    """`-c tools=yes` is no switch of the reference stack."""
    with pytest.raises(InvalidInputError, match="context `tools`"):
        ReferenceStack(stacks.new_app(tools="yes"), "Reference")


def test_a_tool_with_a_name_and_a_path_is_excepted_under_both() -> None:
    """The session's guard names the ARN that IAM makes of them."""
    stack = stacks.stack()
    with_tool(stack, role_name="acme-search", path="/tools/")
    template = stacks.template(stack)
    role = template["Resources"][stacks.ref(template, "ToolRole")]["Properties"]
    assert (role["RoleName"], role["Path"]) == ("acme-search", "/tools/")
    (others,) = stacks.policy(template, "SessionToolsGuard")
    assert stacks.deployed(others["NotResource"]).endswith(":role/tools/acme-search")


BAD: dict[str, tuple[Any, str]] = {
    "tags that are not handed on": (
        lambda s: ToolScopedRole(s, "T", session_role=stacks.session_role(s), tool="search"),
        "does not hand its tags on",
    ),
    "some tags handed on": (
        lambda s: ToolScopedRole(
            s, "T", session_role=stacks.session_role(s, transitive_tag_keys=["task_id"]), tool="search"
        ),
        "`user_id`, `repo` not transitive",
    ),
    "a plain role": (
        lambda s: ToolScopedRole(s, "T", session_role=stacks.role(s), tool="search"),  # type: ignore[arg-type]
        "`session_role` is not what",
    ),
    "no name of a tool": (lambda s: with_tool(s, tool="a tool"), "no usable name: got `a tool`"),
    "a number for a tool": (lambda s: with_tool(s, tool=7), "no usable name: got a int"),
    "a name tag nobody carries": (lambda s: with_tool(s, name_tag="team"), "a tag no session carries"),
    "a bare table": (lambda s: with_tool(s, tables=[stacks.table(s, "Bare")]), "`tables` is not what"),
    "objects that meet the session's": (
        lambda s: ToolScopedRole(
            s,
            "T",
            session_role=stacks.session_role(
                s, transitive_tag_keys=TAGS, objects=[TenantObjects(stacks.bucket(s), ["traces/{task_id}/"], "get")]
            ),
            tool="search",
            objects=[TenantObjects(s.node.find_child("Objects"), ["{user_id}/{task_id}/"], "get")],
        ),
        "can name the same key",
    ),
    "another stack without a name": (
        lambda s: ToolScopedRole(
            cdk.Stack(s.node.root, "Later"),
            "T",
            session_role=stacks.session_role(s, transitive_tag_keys=TAGS),
            tool="search",
        ),
        "is in another stack",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    """Each mistake is one line that says what to do."""
    make, message = BAD[name]
    with pytest.raises(InvalidInputError, match=message) as caught:
        make(stacks.stack())
    assert "\n" not in str(caught.value)


def test_a_principal_added_to_the_trust_fails_synth() -> None:
    """Somebody's own trust statement that does not compare the tags would open the tool to any task."""
    stack = stacks.stack()
    _, tool = with_tool(stack)
    tool.role.grant_assume_role(stacks.role(stack, "Colleague"))
    statement = cdk.aws_iam.PolicyStatement(actions=["sts:AssumeRole"], principals=[cdk.aws_iam.AccountRootPrincipal()])
    assert tool.role.assume_role_policy is not None
    tool.role.assume_role_policy.add_statements(statement)
    with pytest.raises(RuntimeError, match="without its task"):
        stacks.template(stack)
