"""Roles that a compute role may become: their grants are those of agent code."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import COMPUTE, TABLE, allow, by_hand, judged, policy, role
from tests.support.verify.mutations import Template

ROOT = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
BY_ARN = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*Compute*"}}


def chained(principal: Any, assumes: bool, **more: Any) -> Template:
    """Return a stack with a role that reads the table and trusts somebody."""
    opened = {"Opening": policy("Compute", allow("sts:AssumeRole", "*"))} if assumes else {}
    minting = policy("Compute", allow("sts:TagSession", "*"))  # the session role's trust names it, which is enough
    return by_hand(
        Data=role(allow("sts:AssumeRole", Principal=principal, **more)),
        DataPolicy=policy("Data", allow("dynamodb:*", TABLE)),
        ComputePolicy=minting,
        **opened,
    )


PRINCIPALS: dict[str, Any] = {
    "its ARN": {"AWS": COMPUTE},
    "the account's root": {"AWS": ROOT},
    "the account's id": {"AWS": {"Ref": "AWS::AccountId"}},
    "an account's id": {"AWS": "111122223333"},
    "everybody": "*",
    "everybody in a list": {"AWS": ["*"]},
}


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_a_role_that_a_compute_role_may_become_is_one_as_well(principal: str) -> None:
    """Whoever the trust policy names, by whatever spelling, takes the role's grants."""
    results = judged(chained(PRINCIPALS[principal], True), "compute-isolation")
    assert {result.location: result.status for result in results}["Template.Data"] is Status.VIOLATED


def test_everybody_with_a_condition_is_everybody_still() -> None:
    """What the condition leaves of everybody may be the compute role."""
    results = judged(chained("*", True, Condition=BY_ARN), "compute-isolation")
    assert "Template.Data" in {result.location for result in results}


@pytest.mark.parametrize(
    ("principal", "counts"), [("the account's id", False), ("the account's root", False), ("everybody", True)]
)
def test_an_account_leaves_it_to_its_policies(principal: str, counts: bool) -> None:
    """A role with no grant of `sts:AssumeRole` becomes only those that name it or everybody."""
    results = judged(chained(PRINCIPALS[principal], False), "compute-isolation")
    assert ("Template.Data" in {result.location for result in results}) is counts


def test_a_role_for_a_service_is_none() -> None:
    """A role that only a service may assume keeps its grants to itself."""
    template = chained({"Service": "lambda.amazonaws.com"}, True)
    assert {result.location for result in judged(template, "compute-isolation")} == {"Template.Compute"}


def orchestrator(*held: Any, resource: Any = None) -> Template:
    """Return a stack whose compute role hands a task's role, with some grants, to ECS."""
    service = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})
    hand_on = allow("iam:PassRole", resource or {"Fn::GetAtt": ["Task", "Arn"]})
    return by_hand(Task=role(service), TaskPolicy=policy("Task", *held), HandOn=policy("Compute", hand_on))


def test_a_role_that_is_handed_to_a_service_is_judged_as_agent_code_s() -> None:
    """Whoever starts a task with a role gains what that role holds, and no more."""
    held = allow("logs:PutLogEvents", "*")
    assert {result.status for result in judged(orchestrator(held), "compute-isolation")} == {Status.PROVED}
    found = {r.location: r.status for r in judged(orchestrator(allow("dynamodb:Scan", TABLE)), "compute-isolation")}
    assert found["Template.Task"] is Status.VIOLATED


@pytest.mark.parametrize(
    "resource", ["*", {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/*"}, "arn:aws:iam::1:role/x"]
)
def test_handing_on_any_role_is_not_proved(resource: Any) -> None:
    """By a wildcard, or by the ARN of a role that is not in the templates, it may be one with tenant data."""
    results = judged(orchestrator(allow("logs:PutLogEvents", "*"), resource=resource), "compute-isolation")
    assert {result.location: result.status for result in results}["Template.Compute"] is Status.VIOLATED


def test_handing_on_a_broker_is_not_proved() -> None:
    """Who starts a function with the role that mints is the broker."""
    template = orchestrator(allow("logs:PutLogEvents", "*"), resource={"Fn::GetAtt": ["Broker", "Arn"]})
    template["Resources"]["Broker"] = role(allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"}))
    keep_out = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": {"Fn::GetAtt": ["Session", "Arn"]}}
    template["Resources"]["KeepOut"] = policy("Compute", keep_out)
    trusting = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    trusting["Principal"] = {"AWS": {"Fn::GetAtt": ["Broker", "Arn"]}}
    found = {r.location: r.status for r in judged(template, "compute-isolation")}
    assert found["Template.Compute"] is Status.VIOLATED
    assert "Template.Broker" not in found


def test_a_role_that_is_an_agent_s_by_its_service_says_so() -> None:
    """The verdict names the option that would say otherwise."""
    service = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})
    template = by_hand(Web=role(service), WebPolicy=policy("Web", allow("dynamodb:Scan", TABLE)))
    found = {result.location: result for result in judged(template, "compute-isolation")}
    assert found["Template.Web"].status is Status.VIOLATED
    assert "--compute-role" in found["Template.Web"].detail
    named = judged(template, "compute-isolation", compute_roles=("Compute",))
    assert {result.location for result in named} == {"Template.Compute"}


def ops(resource: Any) -> Template:
    """Return a stack with a role for the account's people, and a compute role that may assume something."""
    root = allow("sts:AssumeRole", Principal={"AWS": ROOT})
    return by_hand(Ops=role(root), OpsPolicy=policy("Ops", allow("*", "*")),
                   ComputePolicy=policy("Compute", allow(["sts:AssumeRole", "sts:TagSession"], resource)))  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "reached"),
    [
        ({"Fn::GetAtt": ["Session", "Arn"]}, False),
        ([{"Fn::GetAtt": ["Session", "Arn"]}, {"Fn::GetAtt": ["Ops", "Arn"]}], True),
        ("arn:aws:iam::111122223333:role/*", True),
        ("arn:aws:iam::111122223333:role/App-Ops-1ABCDEFGHIJKL", True),
        ("*", True),
    ],
)
def test_a_role_for_the_account_is_open_to_who_may_assume_it(resource: Any, reached: bool) -> None:
    """Its trust leaves it to the policies of the account: those of the compute role have to name it."""
    found = {result.location for result in judged(ops(resource), "compute-isolation")}
    assert ("Template.Ops" in found) is reached


def kept_out(held: Any) -> Template:
    """Return a stack whose compute role mints and holds something, while an unrelated role is denied to mint."""
    deny = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": {"Fn::GetAtt": ["Session", "Arn"]}}
    other = role(allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"}))
    return by_hand(Other=other, KeepOut=policy("Other", deny), Held=policy("Compute", held))


def test_a_deny_on_another_role_makes_no_broker_of_an_agent_s() -> None:
    """A role of an agent runtime that mints while another is kept from it may give agent code any tags."""
    opened = {r.location: r.status for r in judged(kept_out(allow("dynamodb:Scan", TABLE)), "compute-isolation")}
    assert opened["Template.Compute"] is Status.UNKNOWN
    closed = {r.location: r.status for r in judged(kept_out(allow("logs:PutLogEvents", "*")), "compute-isolation")}
    assert closed["Template.Compute"] is Status.UNKNOWN
    named = judged(kept_out(allow("logs:PutLogEvents", "*")), "compute-isolation", compute_roles=("Compute",))
    assert {result.status for result in named} == {Status.PROVED}


def with_broker(service: str, *more: Any, trusts: Any = None) -> Template:
    """Return a stack whose compute role is denied to mint, beside a broker of a service that does."""
    template = orchestrator(allow("logs:PutLogEvents", "*"), resource={"Fn::GetAtt": ["Task", "Arn"]})
    also = [allow("sts:AssumeRole", Principal={"AWS": trusts})] if trusts else []
    template["Resources"]["Broker"] = role(allow("sts:AssumeRole", Principal={"Service": service}), *also)
    keep_out = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": {"Fn::GetAtt": ["Session", "Arn"]}}
    template["Resources"]["KeepOut"] = policy("Compute", keep_out, *more)
    (trusting,) = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trusting["Principal"] = {"AWS": {"Fn::GetAtt": ["Broker", "Arn"]}}
    return template


BROKER = {"Fn::GetAtt": ["Broker", "Arn"]}


@pytest.mark.parametrize("service", ["lambda.amazonaws.com", "ecs-tasks.amazonaws.com"])
def test_a_broker_stays_out_of_reach(service: str) -> None:
    """Neither handed to a service nor assumed: who becomes the broker mints any session. A task may run agents too."""
    untold = {result.status for result in judged(with_broker(service), "compute-isolation")}
    assert untold == {Status.PROVED} | ({Status.UNKNOWN} if service.startswith("ecs") else set())
    told = judged(with_broker(service), "compute-isolation", compute_roles=("Compute",))
    assert {result.status for result in told} == {Status.PROVED}
    handed = with_broker(service, allow("iam:PassRole", BROKER))
    assert {r.location: r.status for r in judged(handed, "compute-isolation")}["Template.Compute"] is Status.VIOLATED
    assumed = with_broker(service, allow("sts:AssumeRole", BROKER), trusts=COMPUTE)
    for options in ({}, {"compute_roles": ("Compute",)}):
        found = [r.status for r in judged(assumed, "compute-isolation", **options) if r.location == "Template.Broker"]
        assert Status.UNKNOWN in found
