"""
Condition keys no request carries, such as a misspelled one: the prover leaves them open, which is sound both ways.

A key left open may be absent, as it really is, or hold anything. Every property asks whether some request gets through,
and the real one is among those asked about: an Allow can only apply more often, and a Deny only when the search could
not choose the key so that it does not. Source: IAM reference_policies_elements_condition_operators, missing keys.
"""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.examples import example
from tests.support.verify.mutations import Body, Template, edit, grant, session_role, without_guards
from tests.support.verify.weaken_additions import table_arn

TASK = "${aws:PrincipalTag/task_id}"
READ = "dynamodb:GetItem"


def statuses(*bodies: Body) -> dict[str, Status]:
    """Return the status of each property that fails once these statements are attached to the session role."""
    of = example("small")
    bare = without_guards(of.template)
    role, table = session_role(bare), table_arn(bare)

    def change(template: Template) -> None:
        for index, body in enumerate(bodies):
            grant(template, role, f"Extra{index}", **{"Action": READ, "Resource": table, **body})

    report = of.report(edit(bare, "unknown key", change).template)
    return {result.rule: result.status for result in report.failures()}


def when(operator: str, key: str, value: str) -> dict[str, Any]:
    """Return a Condition of one key."""
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    "condition",
    [
        when("StringEqualsIfExists", "aws:PrincipalTagg/task_id", "x"),
        when("StringNotEquals", "aws:PrincipalTagg/task_id", "x"),
        when("Null", "aws:PrincipalTagg/task_id", "true"),
        when("ForAllValues:StringEquals", "dynamodb:LeadingKey", TASK),
        when("StringNotLike", "dynamodb:LeadingKey", "x"),
        when("BoolIfExists", "aws:SecureTransportt", "true"),
    ],
    ids=lambda condition: str(condition["Condition"]),
)
def test_an_allow_that_an_absent_key_lets_through_is_a_violation(condition: dict[str, Any]) -> None:
    """IfExists, a negated operator, ForAllValues and Null true hold for a key that is not there: all rows are open."""
    assert statuses(condition)["partition-isolation"] is Status.VIOLATED


@pytest.mark.parametrize(
    "condition",
    [
        when("StringEquals", "aws:PrincipalTagg/task_id", "x"),
        when("StringNotLike", "aws:PrincipalTagg/task_id", "?*"),
        when("Null", "aws:PrincipalTagg/task_id", "true"),
        when("ForAnyValue:StringNotEquals", "dynamodb:LeadingKey", TASK),
        when("ForAllValues:StringNotEquals", "dynamodb:LeadingKey", TASK),
        when("Bool", "aws:SecureTransportt", "false"),
    ],
    ids=lambda condition: str(condition["Condition"]),
)
def test_no_proof_rests_on_a_deny_with_an_unknown_key(condition: dict[str, Any]) -> None:
    """A broad Allow under a Deny on a key no request carries is not PROVED, whether the Deny would hold or not."""
    assert statuses({}, {"Effect": "Deny", **condition})["partition-isolation"] is not Status.PROVED


@pytest.mark.parametrize("key", ["tenant:TaskId", "LeadingKeys", "dynamoDB.LeadingKeys"])
def test_a_key_of_no_known_namespace_is_unknown(key: str) -> None:
    """A key outside the services' namespaces is not modelled at all, so what it guards is UNKNOWN."""
    assert statuses(when("StringEquals", key, "x"))["partition-isolation"] is Status.UNKNOWN
