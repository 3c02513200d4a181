"""Who is let in by a condition rather than as a principal: accounts and organizations it names."""

import re
from typing import Any

import pytest

from session_scoping.verify.report import Status
from tests.verify.test_strangers import CLOUDFRONT, HERE, judged, on_bucket

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
