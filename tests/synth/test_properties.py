"""No sequence of public calls gives a trust without conditions, an unscoped tenant action, or an oversized document."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from session_scoping import (
    ComputeBackend,
    Minting,
    Models,
    QuotaExceededError,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    TenantTablePolicy,
)
from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, TRUST_POLICY_MAX
from session_scoping.constructs.data.access import TABLE_ACCESS
from tests.support import stacks
from tests.support.world import statements

LAYOUTS = {
    "traces": TenantObjects.traces,
    "attachments": TenantObjects.attachments,
    "artifacts": TenantObjects.artifacts,
    "payload": TenantObjects.payload,
}
calls = st.lists(
    st.sampled_from(["admit", "admit scoped", "deny", "policy", "policy on another role", "trust only"]), max_size=4
)


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what somebody could pass to a SessionRole."""
    words = st.lists(st.sampled_from(sorted(TABLE_ACCESS)), min_size=1, max_size=4, unique=True)
    return {
        "tables": draw(st.lists(words, max_size=12)),
        "objects": draw(st.lists(st.sampled_from(sorted(LAYOUTS)), max_size=4, unique=True)),
        "models": draw(st.integers(0, 30)),
        "geography": draw(st.sampled_from(["us", "eu", "global"])),
        "broker": draw(st.booleans()),
        "minters": draw(st.integers(1, 5)),
        "deny": draw(st.booleans()),
        "calls": draw(calls),
    }


def build(drawn: dict[str, Any]) -> dict[str, Any]:
    """Return the template of a stack built by these calls."""
    stack = stacks.stack()
    bucket = stacks.bucket(stack)
    roles = [ScopedComputeRole(stack, f"Agent{n}", backend=ComputeBackend.ECS) for n in range(drawn["minters"])]
    minting = Minting.by_compute_roles(*roles)
    if drawn["broker"]:
        minting = Minting.by_orchestrator(stacks.role(stack, "Broker"), compute_roles=roles)
    names = [f"anthropic.claude-{number}" for number in range(drawn["models"])]
    session = SessionRole(
        stack,
        "Session",
        minting=minting,
        tables=[TenantTable(stacks.table(stack, f"T{n}"), access=words) for n, words in enumerate(drawn["tables"])],
        objects=[LAYOUTS[name](bucket) for name in drawn["objects"]],
        models=Models.profile(drawn["geography"], names) if names else None,
        deny_tenant_data_to_compute_roles=drawn["deny"],
    )
    for number, call in enumerate(drawn["calls"]):
        _call(session, call, number, denies=drawn["deny"])
    return stacks.template(stack)


def _call(session: SessionRole, call: str, number: int, *, denies: bool) -> None:
    stack = session.role.stack
    match call:
        case "admit":
            session.admit(stacks.role(stack, f"Late{number}"))
        case "trust only":
            session.admit_trust_only(stacks.role(stack, f"Late{number}"))
        case "deny" if denies:
            session.deny_tenant_data_to(stacks.role(stack, f"Late{number}"))
        case "policy" | "policy on another role":
            entry = TenantTable(stacks.table(stack, f"More{number}"), access="read-only")
            policy = TenantTablePolicy(stack, f"Policy{number}", tables=[entry])
            policy.attach_to(session if call == "policy" else stacks.role(stack, f"Late{number}"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(arguments())
def test_every_sequence_of_calls_yields_safe_documents(drawn: dict[str, Any]) -> None:
    """Trust is conditioned, tenant actions are keyed and tagged, and nothing exceeds its quota."""
    try:
        made = build(drawn)
    except QuotaExceededError:
        return  # refusing is safe; test_bad_input.py holds that the refusal is clear
    for logical_id, document, statement in statements(made):
        if document == "AssumeRolePolicyDocument" and logical_id.startswith("Session"):
            assert {"StringLike", "ForAllValues:StringEquals", "Null"} <= set(statement["Condition"])
        if document == "PolicyDocument" and statement["Effect"] == "Allow":
            _check_allow(statement)
    for logical_id, resource in made["Resources"].items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            assert _size(resource["Properties"]["PolicyDocument"]) <= MANAGED_POLICY_MAX, logical_id
        if resource["Type"] == "AWS::IAM::Role":
            assert _size(resource["Properties"]["AssumeRolePolicyDocument"]) <= TRUST_POLICY_MAX


def _check_allow(statement: dict[str, Any]) -> None:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    assert "NotAction" not in statement
    assert not any("*" in action for action in actions)
    condition = statement.get("Condition", {})
    if any(action.startswith("dynamodb:") for action in actions):
        assert condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"] == ["${aws:PrincipalTag/task_id}"]
        assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
        assert condition["StringLike"]["aws:PrincipalTag/task_id"] == "?*"
    if any(action.startswith("s3:") for action in actions):
        assert "${aws:PrincipalTag/task_id}" in json.dumps(statement["Resource"])
        used = [key for key in ("user_id", "task_id") if f"PrincipalTag/{key}" in json.dumps(statement["Resource"])]
        assert condition["StringLike"] == {f"aws:PrincipalTag/{key}": "?*" for key in used}


def _size(document: Any) -> int:
    """Return the size with names as long as CloudFormation makes them; written independently of the library's sizer."""
    if isinstance(document, dict) and len(document) == 1:
        ((key, value),) = document.items()
        if key == "Fn::Join":
            return 2 + sum(_size(part) - 2 for part in value[1])
        if key == "Ref":
            known = {"AWS::Partition": 10, "AWS::Region": 14, "AWS::AccountId": 12}
            return 2 + known.get(value, len("Small--1234567890123") + len(value))
        if key == "Fn::GetAtt":
            return 2 + len("arn:aws-us-gov:s3:::" + "Small--1234567890123") + len(value[0])
    if isinstance(document, dict):
        return 2 + sum(len(key) + 3 + _size(value) + 1 for key, value in document.items()) - bool(document)
    if isinstance(document, list):
        return 2 + sum(_size(part) + 1 for part in document) - bool(document)
    return len(json.dumps(document))
