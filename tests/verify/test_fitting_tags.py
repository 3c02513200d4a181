"""Trust policies that say what a tag looks like: its length, its beginning, one of some values."""

from typing import Any

import pytest

from session_scoping.verify import Status
from session_scoping.verify.properties.mints import fitting
from tests.support.verify.hand_written import allow, by_hand, judged, objects, policy, rows, tag
from tests.support.verify.internals import deployment_of
from tests.support.verify.mutations import Template

UUID = "????????-????-????-????-????????????"
SHAPES: dict[str, Any] = {
    "a UUID": UUID,
    "a length": "t-????????",
    "a beginning": "tenant-*",
    "at least three letters": "???*",
    "listed": ["acme", "globex"],
    "a UUID or a word": [UUID, "default-*"],
}
OTHER_RULES = ("partition-isolation", "allowed-actions")


def shaped(like: Any, *prefixes: str) -> Template:
    """Return the stack with a demand on the user's id, and objects under prefixes."""
    granted = allow(["s3:GetObject", "s3:PutObject"], objects(*prefixes or ("traces/{user_id}/{task_id}",)))
    template = by_hand(SessionPolicy=policy("Session", rows(tag("task_id")), granted))
    conditions(template)["StringLike"]["aws:RequestTag/user_id"] = like
    return template


def conditions(template: Template) -> dict[str, Any]:
    """Return the conditions of the session role's trust policy."""
    properties = template["Resources"]["Session"]["Properties"]
    found: dict[str, Any] = properties["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trust_that_says_what_a_tag_looks_like_is_proved(shape: str) -> None:
    """A session of that shape is at hand, and every question has an answer."""
    found = judged(shaped(SHAPES[shape]), "session-tags", "work-possible", "object-isolation", *OTHER_RULES)
    assert {result.status for result in found} == {Status.PROVED}, found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tag_left_out_of_the_keys_is_found_whatever_the_others_look_like(shape: str) -> None:
    """Two tasks of one user share what is under the user's prefix."""
    (found,) = judged(shaped(SHAPES[shape], "traces/{user_id}"), "object-isolation")
    assert found.status is Status.VIOLATED, found.detail


@pytest.mark.parametrize("shape", ["a UUID", "a beginning"])
def test_a_shape_that_only_some_sessions_must_have_is_no_demand(shape: str) -> None:
    """With `IfExists` a session goes without the tag, so that it does not carry exactly the declared ones."""
    template = shaped(SHAPES[shape])
    demand = conditions(template)["StringLike"].pop("aws:RequestTag/user_id")
    conditions(template)["StringLikeIfExists"] = {"aws:RequestTag/user_id": demand}
    (found,) = judged(template, "session-tags")
    assert found.status is Status.VIOLATED, found.detail


def test_a_shape_no_tag_can_have_admits_nobody() -> None:
    """A `/` that is demanded and refused leaves no session, which proves nothing."""
    (found,) = judged(shaped("*/*"), "session-tags")
    assert found.status is Status.VACUOUS, found.detail


@pytest.mark.parametrize(
    ("like", "wanted", "value"),
    [
        ("?*", "a", "a"),
        (UUID, "a", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
        ("tenant-*", "task-1", "tenant-1"),
        (["acme", "globex"], "acme", "acme"),
        ([{"Ref": "AWS::Region"}], "a", "a"),
    ],
)
def test_a_value_is_made_after_the_pattern_it_must_fit(like: Any, wanted: str, value: str) -> None:
    """The one wanted where it fits, else the pattern filled with its last letter."""
    (role,) = (role for role in deployment_of(shaped(like)).roles.values() if role.id == "Template.Session")
    assert fitting(role, "user_id", wanted) == value


def test_of_tenants_that_are_listed_two_letters_are_two() -> None:
    """A crossing needs two sessions."""
    (role,) = (
        role for role in deployment_of(shaped(["acme", "globex"])).roles.values() if role.id == "Template.Session"
    )
    assert {fitting(role, "user_id", letter) for letter in "ab"} == {"acme", "globex"}


def test_more_tags_than_are_tried_in_pairs_are_proved() -> None:
    """Sessions are tried that differ in four tags; keys of five have samples too."""
    keys = ("a", "b", "c", "d", "task_id")
    own = allow("s3:GetObject", objects("/".join(f"{{{key}}}" for key in keys)))
    template = by_hand(*keys, SessionPolicy=policy("Session", rows(tag("task_id")), own))
    found = judged(template, "session-tags", "object-isolation", "work-possible", *OTHER_RULES)
    assert {result.status for result in found} == {Status.PROVED}, found
