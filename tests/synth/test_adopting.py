"""docs/compute-roles.md as somebody follows it: its stack as it runs, then each phase, with cdk-nag attached."""

import re
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from session_scoping import Minting
from tests.support import ROOT, stacks
from tests.support.matrix import TAGS, Case, failures
from tests.support.world import ACCOUNT, World

WRITER = f"arn:aws:iam::{ACCOUNT}:role/reports-writer"
PHASES = ("before", "next to the old grants", "alone")
Report = set[tuple[str, str]]


def _page() -> dict[str, Any]:
    """Return what the code on the page defines."""
    names: dict[str, Any] = {}
    text = (ROOT / "docs/compute-roles.md").read_text("utf-8").replace("111122223333", ACCOUNT)
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/compute-roles.md", "exec"), names)
    return names


def _built(phase: str) -> tuple[cdk.App, cdk.Stack]:
    page, app = _page(), stacks.new_app()
    stack: cdk.Stack = page["Agents"](app, "Small")
    if phase != "alone":
        stack.grant_old_access()  # type: ignore[attr-defined]
    if phase != "before":
        page["add_sessions"](stack, deny=phase == "alone")
    return app, stack


@cache
def _world(phase: str) -> World:
    return World(stacks.template(_built(phase)[1]))


def _findings(phase: str) -> Report:
    """Return rule and resource of what cdk-nag finds and nobody acknowledged."""
    _, stack = _built(phase)
    report = AwsSolutionsChecks().validate_scope(stack)
    return {
        (one.rule_name, str(where.construct_path)) for one in report.violations for where in one.violating_resources
    }


def _cases(phase: str) -> list[Case]:
    world = _world(phase)
    table, bucket = world.arn("Tasks", "AWS::DynamoDB::Table"), world.arn("Results", "AWS::S3::Bucket")
    old, sessions = phase != "alone", phase != "before"
    found = []
    for role in ("TaskRole", "WorkerServiceRole"):
        row = {"dynamodb:LeadingKeys": ["T2"]}
        found += [
            Case("any row", role, "dynamodb:GetItem", table, old, row, {}),
            Case("any object", role, "s3:GetObject", f"{bucket}/artifacts/T2/x", old, {}, {}),
        ]
        if sessions:
            session = world.role("SessionRole").arn
            found += [Case("a session", role, "sts:AssumeRole", session, True, {}, {})]
    if sessions:
        for task, allowed in (("T1", True), ("T2", False)):
            row = {"dynamodb:LeadingKeys": [task]}
            found.append(Case(f"row of {task}", "SessionRole", "dynamodb:GetItem", table, allowed, row, TAGS))
    queue = world.arn("Work", "AWS::SQS::Queue")
    return [*found, Case("its queue", "WorkerServiceRole", "sqs:ReceiveMessage", queue, True, {}, {})]


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_opens_what_the_page_says(phase: str) -> None:
    """Old code reaches its data until the last phase; a session reaches its own task's from the first."""
    assert failures(_world(phase), _cases(phase), ["deployed"]) == []


def test_under_a_colleague_s_grant_the_roles_that_stayed_reach_no_data_and_no_other_role() -> None:
    """The last phase holds against `*` on the roles that exist; the role the page names may still be assumed."""
    world = _world("alone")
    table = world.arn("Tasks", "AWS::DynamoDB::Table")
    cases = [
        Case(what, role, action, resource, allowed, {}, {})
        for role in ("TaskRole", "WorkerServiceRole")
        for what, action, resource, allowed in (
            ("a row", "dynamodb:GetItem", table, False),
            ("the named role", "sts:AssumeRole", WRITER, True),
            ("another role", "sts:AssumeRole", f"{WRITER}2", False),
            ("root", "sts:AssumeRoot", f"arn:aws:iam::{ACCOUNT}:root", False),
        )
    ]
    assert failures(world, cases, ["everything"]) == []


@pytest.mark.parametrize("phase", PHASES[1:])
def test_the_acknowledgements_of_the_page_leave_no_new_finding(phase: str) -> None:
    """cdk-nag finds what it found before, and nothing in what the session role adds."""
    before, after = _unacknowledged("before"), _unacknowledged(phase)
    assert after - before == set()
    assert before, "the pack finds nothing at all"


def _unacknowledged(phase: str) -> Report:
    _, stack = _built(phase)
    acknowledged = {
        (id_.removeprefix("AwsSolutions::"), one.node.path)
        for one in stack.node.find_all()
        for entry in one.node.metadata
        if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY
        for id_ in entry.data
    }
    return {
        (rule, path)
        for rule, path in _findings(phase)
        if not any(rule == id_ and f"{path}/".startswith(f"{where}/") for id_, where in acknowledged)
    }


@pytest.mark.parametrize("given", ["environment", "secrets"])
def test_values_from_parameters_need_no_acknowledgement(given: str) -> None:
    """ECS2 is about variables in the task definition; the page's other answer has none there."""
    page, app = _page(), stacks.new_app()
    stack = cdk.Stack(app, "Small")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    session = stacks.session_role(stack, minting=Minting.by_compute_roles(role))
    values = page["through_parameters"](stack, session) if given == "secrets" else dict(session.environment)
    variables: dict[str, Any] = {given: values}
    task = ecs.FargateTaskDefinition(stack, "Task", task_role=role)
    task.add_container("Agent", image=ecs.ContainerImage.from_registry("agent"), **variables)
    rules = {one.rule_name for one in AwsSolutionsChecks().validate_scope(task).violations}
    assert ("AwsSolutions-ECS2" in rules) == (given == "environment")
    (definition,) = stacks.resources(stacks.template(stack), "AWS::ECS::TaskDefinition").values()
    (container,) = definition["ContainerDefinitions"]
    assert {entry["Name"] for entry in container[given.title()]} == set(session.environment)
