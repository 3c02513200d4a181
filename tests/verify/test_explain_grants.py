"""What a session is granted is told, whatever it is; and who makes sessions is told only where it is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from session_scoping.verify.reports.summary import tell
from tests.support.verify.mutations import Body
from tests.support.verify.plain_template import TASK, allow, arn, keyed, plain_template, policy, sub

OTHER_THAN = {
    "ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": [TASK]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}
TOLD: dict[str, tuple[Body, tuple[str, str]]] = {
    "a listing": (allow("s3:ListBucket", arn("Bucket")), ("s3:ListBucket", "s3:::")),
    "a scan": (allow(["dynamodb:GetItem", "dynamodb:Scan"], arn("Table")), ("dynamodb:Scan", ":table/")),
    "another service": (allow("sqs:SendMessage", "*"), ("sqs:SendMessage", "*")),
    "a wildcard": (allow("s3:Get*", sub("${Bucket.Arn}/*")), ("s3:Get*", "/*")),
    "all but some": ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, ("all but iam:*", "*")),
    "all but one place": (
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::x/*"},
        ("s3:GetObject", "all but arn:"),
    ),
    "what cannot be read": (
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": {"Fn::Nothing": "x"}},
        ("what cannot be read", "Fn::Nothing"),
    ),
    "a resource that cannot be read": (allow("s3:GetObject", {"Fn::Nothing": "x"}), ("GetObject", "every object")),
    "an index": (allow("dynamodb:Query", sub("${Table.Arn}/index/*"), Condition=keyed(TASK)), ("Query", "index")),
    "other partitions": (
        allow("dynamodb:Query", arn("Table"), Condition=OTHER_THAN),
        ("Query", "other than `{task"),
    ),
}


def story(template: Any, tmp_path: Path) -> Any:
    """Return what is told of the only session role."""
    file = tmp_path / "App.template.json"
    file.write_text(json.dumps(template))
    (found,) = tell(file, ())[0]
    return found


@pytest.mark.parametrize("case", TOLD)
def test_every_grant_is_told(case: str, tmp_path: Path) -> None:
    """Nothing a statement allows is left out because no property has a row for it."""
    statement, (action, where) = TOLD[case]
    template = plain_template()
    template["Resources"]["More"] = policy("Session", statement)
    rows = story(template, tmp_path).reaches
    assert [row for row in rows if action in row.actions and where in row.scope], rows


@pytest.mark.parametrize(
    "principal",
    [{"AWS": "*"}, {"AWS": sub("arn:aws:iam::${AWS::AccountId}:root")}, {"Federated": "cognito-identity.amazonaws.com"},
     {"AWS": "arn:aws:iam::999999999999:role/Elsewhere"}],
)  # fmt: skip
def test_a_stranger_is_no_broker(principal: Body, tmp_path: Path) -> None:
    """Nothing says that agent code cannot mint where who mints is not in the templates."""
    template = plain_template()
    trust = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trust[0]["Principal"] = principal
    assert "these templates do not show" in story(template, tmp_path).minting


def test_a_grant_that_a_deny_makes_dead_is_told(tmp_path: Path) -> None:
    """With the statement that grants it; a Deny of what nobody grants is no such thing."""
    scan = allow("dynamodb:Scan", arn("Table"))
    denied: Body = {**scan, "Effect": "Deny"}
    for statements, dead in (([scan, denied], 1), ([denied], 0)):
        template = plain_template()
        for number, statement in enumerate(statements):
            template["Resources"][f"More{number}"] = policy("Session", statement)
        found = [fact.text for fact in story(template, tmp_path).facts if fact.kind == "dead"]
        assert len(found) == dead
        assert all("only a Deny stops it: dynamodb:Scan" in text and "More0" in text for text in found)
