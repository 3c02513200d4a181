"""What every session may read: said by one option, or by Metadata, and never written by a session."""

import copy
from typing import Any

import pytest

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify import Status, verify
from tests.support.verify.hand_written import TABLE, allow, by_hand, judged, policy, table
from tests.support.verify.mutations import Template

SETTINGS = {"Fn::GetAtt": ["Settings", "Arn"]}
MODELS = {"Fn::Sub": "${Bucket.Arn}/models/*"}
DEFAULTS = {
    "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["#defaults"]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}


def reading(action: Any, resource: Any, **more: Any) -> Template:
    """Return a stack whose sessions read something besides their own."""
    return by_hand(Settings=table("name"), More=policy("Session", allow(action, resource, **more)))


SHARED: dict[str, tuple[Template, str]] = {
    "a table": (reading(["dynamodb:GetItem", "dynamodb:Scan"], SETTINGS), "Settings"),
    "a prefix": (reading("s3:GetObject", MODELS), "Bucket:models/*"),
    "a leading key": (reading("dynamodb:GetItem", TABLE, Condition=DEFAULTS), "Table:#defaults"),
}
CHANGING: dict[str, tuple[Template, str]] = {
    "a table": (reading(["dynamodb:GetItem", "dynamodb:PutItem"], SETTINGS), "Settings"),
    "a prefix": (reading("s3:*Object", MODELS), "Bucket:models/*"),
    "a leading key": (reading("dynamodb:UpdateItem", TABLE, Condition=DEFAULTS), "Table:#defaults"),
    "more than is shared": (reading("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}), "Bucket:models/*"),
    "another table": (reading("dynamodb:Scan", TABLE), "Settings"),
}


@pytest.mark.parametrize("case", SHARED)
def test_what_is_said_to_be_shared_may_be_read(case: str) -> None:
    """One word says so, and without it the same template is not PROVED."""
    template, word = SHARED[case]
    assert not verify(template).proved
    report = verify(template, shared_data=word)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("case", [name for name in CHANGING if name != "another table"])
def test_what_is_shared_may_not_be_changed_nor_be_more(case: str) -> None:
    """A session that writes what all sessions read reaches all of them."""
    template, word = CHANGING[case]
    failed = {result.status for result in verify(template, shared_data=word).failures()}
    assert Status.VIOLATED in failed


def test_a_word_for_data_that_no_session_is_granted_is_refused() -> None:
    """It would look as if something were shared."""
    with pytest.raises(InvalidInputError, match="names nothing"):
        verify(CHANGING["another table"][0], shared_data="Settings")


@pytest.mark.parametrize(
    ("case", "said"), [("a table", True), ("a prefix", ["models/*"]), ("a leading key", ["#defaults"])]
)
def test_metadata_says_the_same(case: str, said: Any) -> None:
    """The table or bucket itself says what every session may read."""
    template = copy.deepcopy(SHARED[case][0])
    owner = SHARED[case][1].partition(":")[0]
    template["Resources"][owner]["Metadata"] = {"session-scoping:shared-data": said}
    assert verify(template).proved


def test_other_metadata_shares_nothing() -> None:
    """What is not understood is no word for everything."""
    template = copy.deepcopy(SHARED["a table"][0])
    template["Resources"]["Settings"]["Metadata"] = {"session-scoping:shared-data": {"Fn::If": ["C", True, False]}}
    assert {result.status for result in judged(template, "partition-isolation")} != {Status.PROVED}
