# ruff: noqa: E501 - tables of cases
"""`decide` by the documented rules, one fact a row."""

from typing import Any

import pytest

from session_scoping.verify import PolicySet, Request, decide, statements_of
from session_scoping.verify.policies.conditions import UnmodelledOperatorError

TABLE = "arn:aws:dynamodb:us-east-1:111122223333:table/Tasks"
ROLE = "arn:aws:iam::111122223333:role/session"
TAG = {"aws:PrincipalTag/task_id": "T1"}
OWN, FOREIGN = {"dynamodb:LeadingKeys": ["T1"]}, {"dynamodb:LeadingKeys": ["T2"]}
KEYED = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/task_id}"}}
NOT_NULL = {"Null": {"dynamodb:LeadingKeys": "false"}}


def allow(condition: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    """Return an Allow on the table."""
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE, **body}
    return {**statement, "Condition": condition} if condition else statement


def decided(
    statement: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17", resource: str = TABLE
) -> bool:
    """Return whether one statement lets a GetItem through."""
    policies = PolicySet(statements_of({"Version": version, "Statement": [statement]}))
    return decide(Request("dynamodb:GetItem", resource, context, ROLE), policies).allowed


@pytest.mark.parametrize(
    ("fact", "statement", "context", "allowed"),
    [
        ("own key", allow(KEYED), {**TAG, **OWN}, True),
        ("foreign key", allow(KEYED), {**TAG, **FOREIGN}, False),
        ("one foreign key among own", allow(KEYED), {**TAG, "dynamodb:LeadingKeys": ["T1", "T2"]}, False),
        ("ForAllValues holds for an absent key", allow(KEYED), TAG, True),
        ("Null closes that", allow({**KEYED, **NOT_NULL}), TAG, False),
        ("ForAnyValue is met by one own key", allow({"ForAnyValue:StringEquals": KEYED["ForAllValues:StringEquals"]}),
         {**TAG, "dynamodb:LeadingKeys": ["T1", "T2"]}, True),
        ("a missing variable matches nothing", allow(KEYED), OWN, False),
        ("a variable's default stands in", allow({"StringEquals": {"aws:RequestedRegion": "${aws:PrincipalTag/x, 'r'}"}}),
         {"aws:RequestedRegion": "r"}, True),
        ("tag keys ignore case", allow({"StringEquals": {"aws:principaltag/TASK_ID": "T1"}}), TAG, True),
        ("tag values do not", allow({"StringEquals": {"aws:PrincipalTag/task_id": "t1"}}), TAG, False),
        ("actions ignore case", allow(Action="DynamoDB:gEtItem"), {}, True),
        ("IfExists lets an absent key pass", allow({"StringEqualsIfExists": {"aws:PrincipalTag/x": "y"}}), {}, True),
        ("a negated operator matches an absent key", allow({"StringNotEquals": {"aws:PrincipalTag/x": "y"}}), {}, True),
        ("StringEquals takes * literally", allow({"StringEquals": {"aws:PrincipalTag/task_id": "*"}}), TAG, False),
        ("a variable's value is no pattern", allow({"StringLike": {"aws:RequestedRegion": "${aws:PrincipalTag/task_id}"}}),
         {"aws:PrincipalTag/task_id": "*", "aws:RequestedRegion": "eu"}, False),
        ("NotAction leaves the named action out", {"Effect": "Allow", "NotAction": "dynamodb:Get*", "Resource": "*"}, {}, False),
        ("NotResource leaves the named one out", {"Effect": "Allow", "Action": "*", "NotResource": TABLE}, {}, False),
    ],
)  # fmt: skip
def test_documented_rule(fact: str, statement: dict[str, Any], context: dict[str, Any], allowed: bool) -> None:
    """One rule of the IAM User Guide, decided for one request."""
    assert decided(statement, context) is allowed, fact


def test_variables_are_text_in_the_old_version() -> None:
    """Without Version 2012-10-17, `${...}` is literal."""
    assert not decided(allow(KEYED), {**TAG, **OWN}, version="2008-10-17")
    assert decided(allow(KEYED), {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]}, version="2008-10-17")


def test_the_deciding_statement_is_named() -> None:
    """A decision says which statement made it, by policy, place and Sid."""
    document = {"Version": "2012-10-17", "Statement": [allow(), {**allow(), "Effect": "Deny", "Sid": "Stop"}]}
    decision = decide(Request("dynamodb:GetItem", TABLE), PolicySet(statements_of(document, "guards")))
    assert str(decision) == "explicit deny by guards[1] Stop"
    assert str(decide(Request("s3:GetObject", TABLE), PolicySet())) == "implicit deny: no statement allows it"


def test_a_boundary_only_takes_away() -> None:
    """What the boundary does not allow is not allowed, and it allows nothing by itself."""
    everything = statements_of({"Version": "2012-10-17", "Statement": [allow()]})
    request = Request("dynamodb:GetItem", TABLE, principal=ROLE)
    assert decide(request, PolicySet(everything, boundary=everything)).allowed
    assert not decide(request, PolicySet(everything, boundary=())).allowed
    assert not decide(request, PolicySet((), boundary=everything)).allowed


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("*", True),
        ({"AWS": ROLE}, True),
        ({"AWS": "arn:aws:iam::111122223333:root"}, False),
        ({"AWS": f"{ROLE}2"}, False),
    ],
)
def test_a_resource_policy_grants_to_the_role_it_names(principal: Any, allowed: bool) -> None:
    """A role is let in by name; its account's root only delegates to identity policies."""
    document = {"Version": "2012-10-17", "Statement": [{**allow(), "Principal": principal}]}
    policies = PolicySet(resource=statements_of(document, "table"))
    assert decide(Request("dynamodb:GetItem", TABLE, principal=ROLE), policies).allowed is allowed


def test_an_operator_nobody_documents_is_an_error() -> None:
    """An unknown operator is never taken for a met or unmet one."""
    with pytest.raises(UnmodelledOperatorError):
        decided(allow({"StringMatches": {"aws:PrincipalTag/x": "y"}}), {})
