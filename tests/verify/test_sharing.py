"""Data that tasks share because an adopter chose the key format: said in the role's Metadata, and no more than that."""

import copy
import json
from typing import Any

import pytest

from session_scoping import TenantObjects, TenantTable, TenantTablePolicy
from session_scoping.verify import Report, Status, verify
from session_scoping.verify.patterns.text import Token
from session_scoping.verify.policies.model import Role
from tests.support import stacks
from tests.support.verify.hand_written import allow, by_hand, judged, objects, policy
from tests.support.verify.internals import deployment_of
from tests.support.verify.mutations import session_role

KEY = "session-scoping:shared-by"


def template(*keys: str) -> dict[str, Any]:
    """Return a stack whose session role has a table by task and these objects."""
    stack = stacks.stack()
    objects = [TenantObjects(stacks.bucket(stack), keys, access=("put",))] if keys else []
    stacks.session_role(stack, objects=objects)
    return stacks.template(stack)


def declared(of: dict[str, Any]) -> Any:
    """Return what the session role's Metadata says about sharing; None when it says nothing."""
    return of["Resources"][session_role(of)].get("Metadata", {}).get(KEY)


def with_declared(of: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the template with another promise."""
    changed = copy.deepcopy(of)
    changed["Resources"][session_role(of)]["Metadata"][KEY] = value
    return changed


def failed_rules(report: Report) -> set[tuple[str, Status]]:
    """Return the rules that are not PROVED, with their outcome."""
    return {(result.rule, result.status) for result in report.failures()}


def test_a_role_whose_formats_name_the_task_promises_nothing() -> None:
    """Nothing is shared, so the Metadata says nothing."""
    assert declared(template("traces/{user_id}/{task_id}/", "artifacts/{task_id}/")) is None


def test_a_chosen_prefix_per_user_is_declared_and_proved() -> None:
    """The adopter asked for a prefix per user, so sharing by user is no violation."""
    shared = template("traces/{user_id}/")
    assert declared(shared) == ["user_id"]
    report = verify(shared)
    assert report.proved, failed_rules(report)
    assert any(
        "sharing `traces/{user_id}/*` between sessions is declared" in text
        for result in report.results
        for text in result.assumptions
    )


@pytest.mark.parametrize("value", [[], "user_id", None, ["repo"], ["repo,user_id"], [{"Ref": "AWS::Region"}]])
def test_without_that_promise_a_prefix_per_user_is_violated(value: Any) -> None:
    """A promise that is gone, malformed, or about something else shares nothing."""
    report = verify(with_declared(template("traces/{user_id}/"), value))
    assert failed_rules(report) == {("object-isolation", Status.VIOLATED)}


@pytest.mark.parametrize(
    ("written", "weaker"),
    [("traces/${aws:PrincipalTag/user_id}/", "traces/${aws:PrincipalTag/repo}/"), ("${aws:PrincipalTag/user_id}/", "")],
)
def test_a_format_weaker_than_the_promise_is_violated(written: str, weaker: str) -> None:
    """Sharing by user is no leave to share by repository, or with everybody."""
    text = json.dumps(template("traces/{user_id}/"))
    assert written in text
    changed = json.loads(text.replace(written, weaker))
    assert ("object-isolation", Status.VIOLATED) in failed_rules(verify(changed))


def test_sharing_by_two_tags_is_no_leave_to_share_by_one() -> None:
    """`repo,user_id` means sessions that agree in both."""
    shared = template("logs/{user_id}/{repo}/")
    assert declared(shared) == ["repo,user_id"]
    assert verify(shared).proved
    text = json.dumps(shared).replace("${aws:PrincipalTag/user_id}/", "")
    assert ("object-isolation", Status.VIOLATED) in failed_rules(verify(json.loads(text)))


def test_sharing_by_one_tag_covers_keys_that_name_more() -> None:
    """Who shares with all tasks of a user shares with those of one repository, too."""
    assert verify(with_declared(template("logs/{user_id}/{repo}/"), ["user_id"])).proved


def test_a_table_added_later_is_declared_too() -> None:
    """TenantTablePolicy brings rows per user: the role's promise follows."""
    stack = stacks.stack()
    role = stacks.session_role(stack)
    table = TenantTable(stacks.table(stack, "Quota", "user_id"), access="get", leading_key="{user_id}")
    TenantTablePolicy(stack, "Later", tables=[table]).attach_to(role)
    of = stacks.template(stack)
    assert declared(of) == ["user_id"]
    report = verify(of)
    assert report.proved, failed_rules(report)


def test_every_promise_of_a_role_is_read() -> None:
    """Whatever the Metadata says under our prefix is kept, with deploy-time parts symbolic."""
    metadata = {
        "session-scoping:audience": {"Fn::Sub": "broker-${AWS::Region}"},
        "session-scoping:shared-by": ["User_ID", {"Ref": "AWS::AccountId"}],
        "aws:cdk:path": "App/Role",
    }
    role = {"Type": "AWS::IAM::Role", "Metadata": metadata, "Properties": {"AssumeRolePolicyDocument": {}}}
    (found,) = deployment_of({"Resources": {"Role": role}}).roles.values()
    assert isinstance(found, Role)
    assert found.metadata == {
        "session-scoping:audience": ("broker-", Token("AWS::Region", "region")),
        "session-scoping:shared-by": [("User_ID",), (Token("AWS::AccountId", "account"),)],
    }
    assert found.shared_by == {frozenset({"user_id"})}


WITHOUT_TABLES: dict[tuple[str, ...], list[str] | None] = {
    ("traces/{user_id}/{repo}/{task_id}/",): None,
    ("artifacts/{task_id}/",): ["task_id"],
    ("traces/{user_id}/{repo}/{task_id}/", "logs/{user_id}/"): ["user_id"],
}


@pytest.mark.parametrize("keys", WITHOUT_TABLES)
def test_without_a_table_every_prefix_that_leaves_out_a_tag_is_declared(keys: tuple[str, ...]) -> None:
    """Nothing but the prefixes says what tells tasks apart: what was chosen is written down, and proved."""
    of = objects_alone(*keys)
    assert declared(of) == WITHOUT_TABLES[keys]
    report = verify(of)
    assert report.proved, failed_rules(report)


@pytest.mark.parametrize("lost", ["task_id", "user_id"])
def test_a_prefix_that_lost_a_tag_is_not_proved(lost: str) -> None:
    """The trust policy asks for the tag still, and no prefix has it."""
    text = json.dumps(objects_alone("traces/{user_id}/{repo}/{task_id}/"))
    written = f"${{aws:PrincipalTag/{lost}}}/"
    assert written in text
    assert ("object-isolation", Status.UNKNOWN) in failed_rules(verify(json.loads(text.replace(written, ""))))


def objects_alone(*keys: str) -> dict[str, Any]:
    """Return a stack whose session role has objects and no table."""
    stack = stacks.stack()
    stacks.session_role(stack, tables=[], objects=[TenantObjects(stacks.bucket(stack), keys, access=("put",))])
    return stacks.template(stack)


def test_a_prefix_that_lost_a_tag_is_not_proved_by_hand() -> None:
    """A template without our Metadata is asked which tags were meant; `--shared-by` answers."""
    statement = allow("s3:GetObject", objects("traces/{user_id}"))
    alone = by_hand(SessionPolicy=policy("Session", statement))
    assert {result.status for result in judged(alone, "object-isolation")} == {Status.UNKNOWN}
    assert {result.status for result in judged(alone, "object-isolation", shared_by=("user_id",))} == {Status.PROVED}
