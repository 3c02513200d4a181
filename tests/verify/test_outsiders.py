"""Who is let in by a condition rather than as a principal: accounts and organizations it names."""

import re
from pathlib import Path
from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.corpus import assembly
from tests.verify.test_strangers import CLOUDFRONT, HERE, judged, judged_path, on_bucket

ELSEWHERE: dict[str, tuple[Any, Any]] = {
    "a service for another account": (CLOUDFRONT, {"StringEquals": {"aws:SourceAccount": "444455556666"}}),
    "a service for two accounts": (CLOUDFRONT, {"StringEquals": {"aws:SourceAccount": [HERE, "444455556666"]}}),
    "a service for another account's distributions": (
        CLOUDFRONT, {"ArnLike": {"aws:SourceArn": "arn:aws:cloudfront::444455556666:distribution/*"}},
    ),
    "everybody of two accounts": ("*", {"StringEquals": {"aws:PrincipalAccount": [HERE, "444455556666"]}}),
    "roles of another account": ("*", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/*"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", ELSEWHERE)
def test_an_account_that_a_condition_names_is_an_outsider(case: str) -> None:
    """What is named in a condition is let in as if it were the principal: `--trusted` says that it may be."""
    template = on_bucket(*ELSEWHERE[case])
    result = judged(template)
    assert result.status is Status.UNKNOWN
    assert "444455556666" in result.detail
    (name,) = set(re.findall(r"arn:[^ ]*444455556666[^ ,]*|444455556666", result.detail))
    assert judged(template, trusted=(name,)).status is Status.PROVED


def test_an_organization_is_named_among_the_assumptions() -> None:
    """That it is one's own, and its members may read, is the adopter's word."""
    result = judged(on_bucket("*", {"StringEquals": {"aws:PrincipalOrgID": "o-ours"}}))
    assert any("o-ours" in text for text in result.assumptions)


PARTNER = {"Fn::Sub": "arn:aws:iam::${Partner}:root"}


@pytest.mark.parametrize(
    ("principal", "condition"),
    [({"AWS": PARTNER}, None), (CLOUDFRONT, {"StringEquals": {"aws:SourceAccount": {"Ref": "Partner"}}})],
)
def test_an_account_that_a_parameter_names_is_anybody_s(tmp_path: Path, principal: Any, condition: Any) -> None:
    """It is not taken for the stack's own account because that one is known."""
    template = on_bucket(principal, condition)
    template["Parameters"] = {"Partner": {"Type": "String"}}
    own = "aws://111122223333/eu-west-1"
    assert judged_path(assembly(tmp_path, ("S", own, template))).status is Status.UNKNOWN


def test_a_policy_with_many_keys_ends_with_an_answer() -> None:
    """Each key that a request may lack doubles what is to be tried; beyond some it is not tried."""
    keys = [
        "aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:SourceOwner",
        "aws:SourceAccount", "aws:SourceArn", "aws:VpceAccount", "aws:VpceOrgID", "aws:FederatedProvider",
    ]  # fmt: skip
    condition = {"StringEqualsIfExists": dict.fromkeys(keys, "o-ours")}
    assert judged(on_bucket(CLOUDFRONT, condition)).status is not Status.PROVED
