"""Roles that a compute role may become: their grants are those of agent code."""

from typing import Any

import pytest

from session_scoping.verify.report import Status
from tests.verify.hand_written import COMPUTE, TABLE, allow, by_hand, judged, policy, role
from tests.verify.mutations import Template

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
    assert {result.location: result.status for result in results}["S.Data"] is Status.VIOLATED


def test_everybody_with_a_condition_is_everybody_still() -> None:
    """What the condition leaves of everybody may be the compute role."""
    results = judged(chained("*", True, Condition=BY_ARN), "compute-isolation")
    assert "S.Data" in {result.location for result in results}


@pytest.mark.parametrize(
    ("principal", "counts"), [("the account's id", False), ("the account's root", False), ("everybody", True)]
)
def test_an_account_leaves_it_to_its_policies(principal: str, counts: bool) -> None:
    """A role with no grant of `sts:AssumeRole` becomes only those that name it or everybody."""
    results = judged(chained(PRINCIPALS[principal], False), "compute-isolation")
    assert ("S.Data" in {result.location for result in results}) is counts


def test_a_role_for_a_service_is_none() -> None:
    """A role that only a service may assume keeps its grants to itself."""
    template = chained({"Service": "lambda.amazonaws.com"}, True)
    assert {result.location for result in judged(template, "compute-isolation")} == {"S.Compute"}
