"""Names: which one CloudFormation may make up for a resource, and in which account a name counts."""

from pathlib import Path
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Text, Token
from tests.support.verify.corpus import assembly
from tests.support.verify.hand_written import TABLE, allow, by_hand, document, judged, policy
from tests.support.verify.mutations import Body

STACK = Token("S.AWS::StackName", "stack")
GENERATED = {
    "app-bucket-1abcdefghijkl": True,
    "app-bucket83908e77-x1y2z3a4b5c6": True,
    "app-bucket": False,
    "app-bucket-logs": False,
    "bucket-of-others": False,
    "app-assets-1abcdefghijkl": False,
}


@pytest.mark.parametrize("literal", GENERATED)
def test_a_generated_name_holds_the_logical_id_and_ends_in_random_letters(literal: str) -> None:
    """A short logical id stands in many a name; only what CloudFormation would make up counts."""
    assert may_be_named((literal,), (Token("S.Bucket", "bucket"),), "S.Bucket") is GENERATED[literal]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ((STACK, "-Bucket-1ABCDEFGHIJKL"), True),
        ((STACK, "-bucket-", Token("AWS::AccountId", "account")), False),
        (("app-bucket-", Token("S.Suffix", "part")), True),
    ],
)
def test_a_name_with_references_in_it_may_be_a_generated_one(text: Text, expected: bool) -> None:
    """The name of the stack stands in it; no account and no Region stands at its end."""
    assert may_be_named(text, (Token("S.Bucket", "bucket"),), "S.Bucket") is expected


def test_a_grant_on_a_bucket_of_another_name_is_none_on_this_one() -> None:
    """A compute role's own bucket is no tenant data because `bucket` stands in its name."""
    template = by_hand(Own=policy("Compute", allow("s3:GetObject", "arn:aws:s3:::company-bucket-assets/*")))
    assert {result.status for result in judged(template, "compute-isolation")} == {Status.PROVED}


def test_a_resource_whose_condition_is_null_may_not_exist() -> None:
    """CloudFormation refuses it; a Deny in it protects nothing."""
    deny: Body = policy("Compute", {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"})
    opened = policy("Compute", allow("dynamodb:Scan", TABLE))
    template = by_hand(Opened=opened, Guard={**deny, "Condition": None})
    statuses = {result.status for result in judged(template, "compute-isolation")}
    assert statuses & {Status.VIOLATED, Status.UNKNOWN}


def test_a_policy_attaches_to_roles_of_its_own_account(tmp_path: Path) -> None:
    """A Deny in another account takes nothing from a role that has the same name there."""
    stacks = {"A": ("111122223333", _opened()), "B": ("444455556666", _denying())}
    assert _verdict(tmp_path, stacks) is not Status.PROVED
    assert _verdict(tmp_path, {**stacks, "B": ("111122223333", _denying())}) is Status.PROVED


def _opened() -> Any:
    template = by_hand(Opened=policy("Compute", allow("dynamodb:Scan", TABLE)))
    template["Resources"]["Compute"]["Properties"]["RoleName"] = "compute"
    return template


def _denying() -> Any:
    deny = document({"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"})
    properties = {"PolicyName": "d", "Roles": ["compute"], "PolicyDocument": deny}
    return {"Resources": {"Deny": {"Type": "AWS::IAM::Policy", "Properties": properties}}}


def _verdict(directory: Path, stacks: dict[str, tuple[str, Any]]) -> Status:
    """Return what is said of the compute role in an assembly of stacks, each in its account."""
    placed = [(name, f"aws://{account}/eu-west-1", template) for name, (account, template) in stacks.items()]
    (result,) = (r for r in verify(assembly(directory, *placed)).results if r.rule == "compute-isolation")
    return result.status
