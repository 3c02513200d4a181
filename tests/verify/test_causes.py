"""What a finding says first: the mistake in the statement, where it is plain to see."""

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import TABLE, allow, by_hand, document, judged, objects, policy, rows, tag, trust
from tests.support.verify.mutations import Body

OWN = tag("task_id")
NO_NULL = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [OWN]}}
TESTED = {"Null": {"dynamodb:LeadingKeys": "false"}}


def _session(*statements: Body, version: str | None = "2012-10-17") -> Body:
    found = policy("Session", *statements)
    found["Properties"]["PolicyDocument"]["Version"] = version or "2008-10-17"
    return found


CASES: dict[str, tuple[dict[str, Body], str]] = {
    "no null": ({"SessionPolicy": _session(allow("dynamodb:GetItem", TABLE, Condition=NO_NULL))}, "`Null` is missing"),
    "no condition": ({"SessionPolicy": _session(rows(OWN), allow("dynamodb:PutItem", TABLE))}, "has no condition on"),
    "if exists": (
        {"SessionPolicy": _session(allow("dynamodb:GetItem", TABLE, Condition={
            "ForAllValues:StringLikeIfExists": {"dynamodb:LeadingKeys": [OWN]}, **TESTED,
        }), allow("dynamodb:PutItem", TABLE, Condition={"StringLikeIfExists": {"dynamodb:LeadingKeys": [OWN]}}))},
        "`IfExists` holds",
    ),
    "any value": (
        {"SessionPolicy": _session(allow("dynamodb:BatchGetItem", TABLE, Condition={
            "ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": [OWN]}, **TESTED,
        }))},
        "`ForAnyValue` asks for one own key",
    ),
    "slash": (
        {"Session": by_hand()["Resources"]["Session"] | {"Properties": {"AssumeRolePolicyDocument": document(
            trust("task_id", "user_id", without_slash=())
        )}}},
        "may hold a slash",
    ),
    "by the user alone": (
        {"SessionPolicy": _session(rows(OWN), allow("s3:GetObject", objects("traces/{user_id}")))},
        "`task_id`, in which the two sessions differ, is not in the statement",
    ),
    "no delimiter": (
        {"SessionPolicy": _session(rows(f"{OWN}*"))},
        "nothing ends `task_id` before the wildcard",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_finding_begins_with_the_mistake(name: str) -> None:
    """Somebody who reads the first words knows what to mend."""
    changed, cause = CASES[name]
    failed = [one for one in judged(by_hand(**changed), "partition-isolation", "object-isolation")
              if one.status is Status.VIOLATED]  # fmt: skip
    found = [one.counterexample for one in failed if one.counterexample]
    assert [one for one in found if cause in one.cause and one.lines()[0] == f"{one.cause}: {one.summary}"], failed


def test_what_has_no_plain_cause_makes_none_up() -> None:
    """A grant that is right and still crosses, because two roles share a table, names no mistake of its own."""
    other = by_hand("user_id")["Resources"]
    peers = {"Other": other["Session"], "OtherPolicy": policy("Other", rows(tag("user_id")))}
    failed = [one for one in judged(by_hand(**peers), "partition-isolation") if one.counterexample]
    assert failed
    assert {one.counterexample.cause for one in failed if one.counterexample} == {""}


def test_a_compute_role_is_not_told_to_add_leading_keys() -> None:
    """No condition on keys mends a grant that agent code's role may not have at all."""
    shared = by_hand(More=policy("Compute", allow("dynamodb:GetItem", TABLE)))
    found = [one.counterexample for one in judged(shared, "compute-isolation") if one.status is Status.VIOLATED]
    assert [one.lines()[0] for one in found if one] == ["dynamodb:GetItem is allowed on Template/Table"]
