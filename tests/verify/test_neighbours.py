"""Two session roles with keys in one table or bucket: sessions of the one keep off what is the other's."""

import copy
import json
from typing import Any

import pytest

from session_scoping.verify import Result, Status
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import Template
from tests.support.verify.plain_template import OWN_OBJECTS, TASK, USER, allow, arn, keyed, plain_template, policy, sub

PREFIX = "${!aws:PrincipalTag/%s}"


def with_second(*statements: Any, tags: tuple[str, ...] = ("task_id", "user_id")) -> Template:
    """Return the plain template with a second session role, its sessions tagged with some of the tags."""
    template = plain_template()
    role = copy.deepcopy(template["Resources"]["Session"])
    condition = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    for dropped in {"task_id", "user_id"} - set(tags):
        for block in ("StringLike", "StringNotLike"):
            condition[block].pop(f"aws:RequestTag/{dropped}")
    condition["ForAllValues:StringEquals"]["aws:TagKeys"] = list(tags)
    template["Resources"] |= {"Other": role, "OtherPolicy": policy("Other", *statements)}
    return template


def judged(template: Template) -> list[Result]:
    """Return what is said of isolation."""
    return results_of(template, "partition-isolation", "object-isolation")


def objects(path: str) -> Any:
    """Return a grant of objects under a prefix."""
    return allow("s3:GetObject", sub("${Bucket.Arn}/" + path))


def rows(*keys: str) -> Any:
    """Return a grant of rows."""
    return allow("dynamodb:GetItem", arn("Table"), Condition=keyed(*keys))


CROSSING: dict[str, tuple[Any, tuple[str, ...]]] = {
    "the task where the other has the user": (objects(f"traces/{PREFIX % 'task_id'}/*"), ("task_id", "user_id")),
    "the tags the other way round": (
        objects(f"traces/{PREFIX % 'task_id'}/{PREFIX % 'user_id'}/*"), ("task_id", "user_id"),
    ),
    "all tasks of a user": (objects(f"traces/{PREFIX % 'user_id'}/*"), ("user_id",)),
    "the user's rows in the table of tasks": (rows(USER), ("user_id",)),
}  # fmt: skip
APART: dict[str, tuple[Any, tuple[str, ...]]] = {
    "the same keys": (objects(OWN_OBJECTS.removeprefix("/")), ("task_id", "user_id")),
    "the same rows": (rows(TASK), ("task_id",)),
    "another prefix": (objects(f"invoices/{PREFIX % 'user_id'}/*"), ("user_id",)),
    "another kind of row": (rows("USER#" + USER), ("user_id",)),
}


@pytest.mark.parametrize("case", CROSSING)
def test_keys_that_another_role_s_sessions_can_mean_otherwise_are_found(case: str) -> None:
    """One role's `alice` is a task, the other's a user: what the one owns the other reads."""
    statement, tags = CROSSING[case]
    results = judged(with_second(statement, tags=tags))
    assert Status.VIOLATED in {result.status for result in results}, json.dumps([r.detail for r in results])


@pytest.mark.parametrize("case", APART)
def test_roles_with_keys_of_their_own_share_a_store(case: str) -> None:
    """Equal keys are the same task's; other prefixes are nobody else's."""
    statement, tags = APART[case]
    results = judged(with_second(statement, tags=tags))
    assert {result.status for result in results} == {Status.PROVED}, json.dumps([r.detail for r in results])


def test_a_deny_that_keeps_off_a_neighbour_is_a_mask() -> None:
    """A grant into another role's prefix fails, even while a Deny stops it."""
    grant = objects(f"other/{PREFIX % 'task_id'}/*")
    template = with_second(objects(f"other/{PREFIX % 'user_id'}/*"), tags=("user_id",))
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": sub("${Bucket.Arn}/other/*")}
    template["Resources"]["More"] = policy("Session", grant, deny)
    masks = results_of(template, "no-masked-grants")
    assert [result.status for result in masks if result.subject.endswith("/Session")] == [Status.VIOLATED]
