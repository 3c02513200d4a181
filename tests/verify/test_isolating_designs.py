"""Designs of other people that isolate, each beside near misses that do not."""

from typing import Any

import pytest

from session_scoping.verify import verify
from tests.support.verify.hand_written import allow, by_hand, policy, role, rows, tag, trust
from tests.support.verify.mutations import Body, Template

MINTER = "arn:aws:iam::111122223333:role/agents"
TAKING = ["sts:AssumeRole", "sts:TagSession"]


def of_pods(key: str, **condition: Any) -> Template:
    """Return a stack in which pods are sessions, each with the objects below one of the tags that EKS adds."""
    entering = allow(TAKING, Principal={"Service": "pods.eks.amazonaws.com"}, **condition)
    own = allow("s3:GetObject", {"Fn::Sub": f"${{Bucket.Arn}}/{key}"})
    return {
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Session": role(entering), "Own": policy("Session", own)}
    }


def minted_by(principal: Any, **more: Body) -> Template:
    """Return a stack whose sessions a role outside the templates makes."""
    admitted = {**trust("task_id"), "Principal": {"AWS": principal}}
    return {
        "Resources": {
            "Table": by_hand()["Resources"]["Table"],
            "Session": role(admitted),
            "Own": policy("Session", rows(tag("task_id"))),
            **more,
        }
    }


ISOLATING: dict[str, tuple[Template, dict[str, Any]]] = {
    "a namespace's objects": (of_pods("${!aws:PrincipalTag/kubernetes-namespace}/*"), {}),
    "a service account's objects": (of_pods("${!aws:PrincipalTag/kubernetes-service-account}/*"), {}),
    "a minter outside that is trusted": (minted_by(MINTER), {"trusted": MINTER}),
}
BROKEN: dict[str, tuple[Template, dict[str, Any]]] = {
    "namespaces that begin alike": (of_pods("${!aws:PrincipalTag/kubernetes-namespace}*"), {}),
    "two names in a row": (
        of_pods("${!aws:PrincipalTag/kubernetes-namespace}-${!aws:PrincipalTag/kubernetes-service-account}/*"),
        {},
    ),
    "a minter outside": (minted_by(MINTER), {}),
    "two minters outside, one trusted": (minted_by([MINTER, MINTER + "-2"]), {"trusted": MINTER}),
}


@pytest.mark.parametrize("case", ISOLATING)
def test_a_design_that_isolates_is_proved(case: str) -> None:
    """With the options that it needs."""
    template, options = ISOLATING[case]
    report = verify(template, **options)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("case", BROKEN)
def test_its_near_misses_are_not(case: str) -> None:
    """Each differs from one that isolates in one thing."""
    template, options = BROKEN[case]
    assert not verify(template, **options).proved
