"""Leading keys that lost a tag: what is left may be what was meant, and something in the template has to say so."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb

from session_scoping import TenantObjects, TenantTable
from session_scoping.contract.key_formats import names_tags
from session_scoping.verify import Status
from tests.support import stacks
from tests.support.verify.hand_written import allow, by_hand, judged, objects, policy, rows, table, tag
from tests.support.verify.mutations import Body, Template, session_role

KEY = "session-scoping:shared-by"
BOTH = f"{tag('user_id')}#{tag('task_id')}"


def keyed(attribute: str | None, *keys: str) -> Template:
    """Return a table by this attribute with these leading keys, beside objects by user and task."""
    own = allow(["s3:GetObject", "s3:PutObject"], objects("traces/{user_id}/{task_id}"))
    body = table(attribute) if attribute else {"Type": "AWS::DynamoDB::Table", "Properties": {}}
    return by_hand(Table=body, SessionPolicy=policy("Session", rows(*keys), own))


def status_of(template: Template, **scope: Any) -> set[Status]:
    """Return what is said of the tables."""
    return {result.status for result in judged(template, "partition-isolation", **scope)}


WEAKENED = {
    "the user alone": tag("user_id"),
    "a wildcard": f"{tag('user_id')}#*",
    "a literal before it": f"USER#{tag('user_id')}",
    "the task alone": tag("task_id"),
}


@pytest.mark.parametrize("attribute", ["pk", "id", "PK", None])
@pytest.mark.parametrize("case", WEAKENED)
def test_a_leading_key_that_lost_a_tag_is_not_proved(case: str, attribute: str | None) -> None:
    """The objects have both tags, and the table's partition key may be called anything."""
    (result,) = judged(keyed(attribute, WEAKENED[case]), "partition-isolation")
    assert result.status is Status.UNKNOWN, result.detail
    assert "--shared-by" in result.detail


@pytest.mark.parametrize("case", ["the user alone", "a literal before it"])
def test_a_leading_key_that_is_declared_shared_is_proved(case: str) -> None:
    """`--shared-by` says that the user is what was meant."""
    assert status_of(keyed("pk", WEAKENED[case]), shared_by=("user_id",)) == {Status.PROVED}


@pytest.mark.parametrize("attribute", ["pk", "task_id", "userTask"])
def test_a_leading_key_with_every_tag_is_proved(attribute: str) -> None:
    """No other key has more, whatever the attribute is called."""
    keys = tag("task_id") if attribute == "task_id" else BOTH
    assert status_of(keyed(attribute, keys)) == {Status.PROVED}


@pytest.mark.parametrize("attribute", ["taskId", "task-id", "TASK_ID", "task", "task_key"])
def test_a_partition_key_called_like_the_tag_is_what_is_meant(attribute: str) -> None:
    """A task's id is unique by itself: rows by task and objects by user and task are told apart alike."""
    assert status_of(keyed(attribute, tag("task_id"))) == {Status.PROVED}


def test_a_wildcard_is_not_what_an_attribute_s_name_means() -> None:
    """Rows of `user` that begin with the user's id have more in their key than that."""
    assert status_of(keyed("user", f"{tag('user_id')}#*")) == {Status.UNKNOWN}


def three_tables(*keys: str) -> Template:
    """Return three tables with generic partition keys and these leading keys."""
    names = ("One", "Two", "Three")
    grants = [
        rows(key, resource={"Fn::GetAtt": [name, "Arn"]}) for name, key in zip(names, keys, strict=True)
    ]  # fmt: skip
    bodies: dict[str, Body] = {name: table("pk") for name in names}
    return by_hand(**bodies, SessionPolicy=policy("Session", *grants))


def test_most_tables_that_lost_a_tag_are_not_proved() -> None:
    """What most leading keys have in common tells sessions apart, unless most are the mistake."""
    assert status_of(three_tables(tag("user_id"), tag("user_id"), BOTH)) == {Status.UNKNOWN, Status.PROVED}
    assert status_of(three_tables(BOTH, BOTH, BOTH)) == {Status.PROVED}


def test_a_key_of_tags_nobody_demands_says_nothing() -> None:
    """With `--tag`, what sessions must carry is said: another tag in an object's key is none of it."""
    assert status_of(keyed("pk", tag("task_id")), tags=("task_id",)) == {Status.PROVED}


@pytest.mark.parametrize(
    ("attribute", "tags", "same"),
    [
        ("task_id", ["task_id"], True),
        ("taskPk", ["task_id"], True),
        ("user_id_task_id", ["task_id", "user_id"], True),
        ("id", ["id"], True),
        ("pk", ["task_id"], False),
        ("id", ["task_id"], False),
        ("key", ["user_id"], False),
        ("subtask_id", ["task_id"], False),
        ("user_id", ["task_id", "user_id"], False),
        ("user_task", ["task_id"], False),
        (None, ["task_id"], False),
        ("task_id", [], False),
    ],
)
def test_a_name_means_tags_when_nothing_else_is_in_it(attribute: str | None, tags: list[str], same: bool) -> None:
    """Letter case, punctuation and the usual endings do not count; other words do."""
    assert names_tags(attribute, tags) is same


def made(attribute: str, leading_key: str, *, imported: bool = False) -> Template:
    """Return a stack of our constructs: a table by this attribute, and objects by user and task."""
    stack = stacks.stack()
    own = stacks.table(stack, partition_key=attribute)
    there = dynamodb.Table.from_table_name(stack, "There", "tasks") if imported else own
    stacks.session_role(
        stack,
        tables=[
            TenantTable(there, access="get", leading_key=leading_key, partition_key=None if imported else attribute)
        ],
        objects=[TenantObjects(stacks.bucket(stack), ["traces/{user_id}/{task_id}/"], access=("put",))],
    )
    return stacks.template(stack)


@pytest.mark.parametrize(
    ("attribute", "leading_key", "declared"),
    [
        ("task_id", "{task_id}", None),
        ("pk", "{task_id}", ["task_id"]),
        ("pk", "TASK#{task_id}", ["task_id"]),
        ("pk", "{user_id}", ["user_id"]),
        ("pk", "{user_id}#{task_id}", None),
    ],
)
def test_the_constructs_declare_what_the_attribute_does_not_say(
    attribute: str, leading_key: str, declared: list[str] | None
) -> None:
    """The adopter asked for the leading key, so it is meant."""
    template = made(attribute, leading_key)
    assert template["Resources"][session_role(template)].get("Metadata", {}).get(KEY) == declared
    assert status_of(template) == {Status.PROVED}


def test_a_table_that_is_imported_is_declared() -> None:
    """What it is keyed on stands in no template that the verifier is given."""
    template = made("task_id", "{task_id}", imported=True)
    assert template["Resources"][session_role(template)]["Metadata"][KEY] == ["task_id"]
    assert status_of(template) == {Status.PROVED}


def test_a_table_of_another_stack_is_declared() -> None:
    """A template is proved by itself, too."""
    stack = stacks.stack()
    data = cdk.Stack(stack.node.root, "Data")  # type: ignore[arg-type]
    own = TenantTable(stacks.table(data, table_name="tasks"), access="get")
    traces = TenantObjects(stacks.bucket(stack), ["traces/{user_id}/{task_id}/"], access=("put",))
    stacks.session_role(stack, tables=[own], objects=[traces])
    assert status_of(stacks.template(stack)) == {Status.PROVED}


def test_what_the_constructs_made_and_somebody_weakened_is_not_proved() -> None:
    """Nothing is declared where every key has every tag."""
    written = json.dumps(made("pk", "{user_id}#{task_id}"))
    lost = f"#{tag('task_id')}"
    assert lost in written
    assert status_of(json.loads(written.replace(lost, ""))) == {Status.UNKNOWN}
