"""Leading keys that leave their end open, and lists of own objects: each use, and its near misses."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from session_scoping import InvalidInputError, TenantObjects, TenantTable
from session_scoping.verify import Status, verify
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.shared import shared
from tests.support.verify.mutations import Template, edit, session_role, statements, without_guards
from tests.support.world import ACCOUNT, World

EVERY = ("deployed", "allows only", "broad allow", "everything")
OWN = {"Checkpoints": "CHECKPOINT_T1#", "Users": "u1#"}


@cache
def template() -> Template:
    """Two tables whose keys begin with a session's tag, and one bucket that a session may list."""
    made: Template = shared("rows and lists", _synthesize)
    return made


def _synthesize() -> Template:
    stack = stacks.stack()
    bucket = stacks.bucket(stack)
    tables = {"Checkpoints": "CHECKPOINT_{task_id}#*", "Users": "{user_id}#*"}
    stacks.session_role(
        stack,
        tables=[
            TenantTable(stacks.table(stack, name, "pk"), access=("get", "query", "put"), leading_key=key)
            for name, key in tables.items()
        ],
        objects=[
            TenantObjects(bucket, ["artifacts/{task_id}/", "up/{user_id}/"], ("get", "list")),
            TenantObjects(bucket, ["{task_id}/payload.json"], "get"),
        ],
    )
    return stacks.template(stack)


def _row(world: World, table: str, action: str, keys: list[str] | None, *, allowed: bool) -> Case:
    arn = world.arn(table, "AWS::DynamoDB::Table")
    context = {"dynamodb:LeadingKeys": keys} if keys is not None else {}
    return Case(f"{action} {keys}", "SessionRole", f"dynamodb:{action}", arn, allowed, context)


def _rows(world: World) -> Iterator[Case]:
    for table, own in OWN.items():
        for action in ("GetItem", "Query", "PutItem"):
            for keys in ([own], [f"{own}a"], [f"{own}a", f"{own}b#c"]):
                yield _row(world, table, action, keys, allowed=True)
            name = own.removesuffix("#")
            foreign = [name, f"{name}0#a", f"{name}-#a", f"x{own}a", f"{own.swapcase()}a", f"{name}/#a", "#", "*", ""]
            for keys in ([key] for key in foreign):
                yield _row(world, table, action, keys, allowed=False)
            yield _row(world, table, action, [f"{own}a", f"{name}2#a"], allowed=False)
            yield _row(world, table, action, None, allowed=False)
        yield _row(world, table, "Scan", None, allowed=False)
        yield _row(world, table, "DeleteItem", [f"{own}a"], allowed=False)
        index = _row(world, table, "Query", [f"{own}a"], allowed=False)
        yield replace(index, resource=f"{index.resource}/index/ByStatus")
    yield _row(world, "Users", "GetItem", [OWN["Checkpoints"]], allowed=False)


def _list(bucket: str, prefix: str | None, *, allowed: bool, action: str = "ListBucket", **context: Any) -> Case:
    asked = {"aws:ResourceAccount": ACCOUNT, **({} if prefix is None else {"s3:prefix": prefix}), **context}
    return Case(f"{action} under {prefix}", "SessionRole", f"s3:{action}", bucket, allowed, asked)


def _lists(world: World) -> Iterator[Case]:
    bucket = world.arn("Objects", "AWS::S3::Bucket")
    own = ("artifacts/T1/", "artifacts/T1/a/b", "up/u1/", "up/u1/x")
    for prefix in own:
        yield _list(bucket, prefix, allowed=True)
        yield _list(bucket, prefix, allowed=True, **{"s3:delimiter": "/"})
        yield _list(bucket, prefix, allowed=False, action="ListBucketVersions")
        yield _list("arn:aws:s3:::another-bucket", prefix, allowed=False)
        yield _list(f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side", prefix, allowed=False)
        taken = {"aws:ResourceAccount": "999999999999"}
        yield replace(_list(bucket, prefix, allowed=False), context={"s3:prefix": prefix, **taken}, guard_only=True)
        for lost in ({"user_id": "u1", "repo": "r"}, {"repo": "r", "task_id": "T1"}, {"user_id": "", "task_id": ""}):
            yield replace(_list(bucket, prefix, allowed=False), tags=lost, guard_only=True)
    foreign = (
        "",
        "/",
        "a",
        "artifacts/",
        "artifacts/T1",
        "artifacts/T10/",
        "artifacts/T2/",
        "up/",
        "up/u10/",
        "up/T1/",
    )
    for near in (None, *foreign, "artifacts/u1/", "Artifacts/T1/", "T1/", "T1/payload.json", "*"):
        yield _list(bucket, near, allowed=False)
    for action in ("ListBucketMultipartUploads", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucket"):
        yield _list(bucket, None, allowed=False, action=action)
    stepping = replace(_list(bucket, "up/../artifacts/T2/", allowed=False), tags={"user_id": "..", "repo": "r"})
    yield replace(stepping, tags={**stepping.tags, "task_id": "T1"}, guard_only=True)


@pytest.mark.parametrize("cases", [_rows, _lists])
def test_a_session_reaches_its_own_and_nothing_near(cases: Any) -> None:
    """As deployed, by the Allows alone, and whatever a colleague allows besides."""
    world = World(template())
    assert not failures(world, cases(world), EVERY)


def test_what_is_synthesized_is_proved() -> None:
    """Rows, objects and lists, on their own and by the Allows alone."""
    for one in (template(), without_guards(template())):
        report = verify(one)
        assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def test_each_statement_of_lists_has_a_sid_of_its_own() -> None:
    """The CDK merges statements that have none, and a reader finds a statement by it."""
    made = template()
    sids = {
        effect: [one["Sid"] for one in statements(made, session_role(made), effect)] for effect in ("Allow", "Deny")
    }
    assert sids["Allow"].count("ListObjects") == sids["Deny"].count("OtherLists") == 1


def _conditions(changed: Template, key: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each Condition block of the session's Allows that compares a key, with the operator."""
    for statement in statements(changed, session_role(changed), "Allow"):
        block = statement.get("Condition", {})
        yield from ((block, operator) for operator in list(block) if key in block[operator] and operator != "Null")


def _compare(key: str, operator: str, value: str) -> Any:
    def change(changed: Template) -> None:
        for block, old in _conditions(changed, key):
            del block[old][key]
            block.setdefault(operator, {})[key] = [value]

    return change


ROWS, PREFIX = "dynamodb:LeadingKeys", "s3:prefix"
USER, TASK = "${aws:PrincipalTag/user_id}", "${aws:PrincipalTag/task_id}"
WEAKER = {
    "rows without the separator": _compare(ROWS, "ForAllValues:StringLike", f"{USER}*"),
    "rows behind a separator a tag can hold": _compare(ROWS, "ForAllValues:StringLike", f"{USER}-*"),
    "rows that end alike": _compare(ROWS, "ForAllValues:StringLike", f"*{USER}#*"),
    "one own row among others": _compare(ROWS, "ForAnyValue:StringLike", f"{USER}#*"),
    "rows of the separator alone": _compare(ROWS, "ForAllValues:StringLike", "*#*"),
    "rows that are not own": _compare(ROWS, "ForAllValues:StringNotLike", f"{USER}#*"),
    "a list without the slash": _compare(PREFIX, "StringLike", f"artifacts/{TASK}*"),
    "a list where there is a prefix": _compare(PREFIX, "StringLikeIfExists", f"artifacts/{TASK}/*"),
    "a list of all values": _compare(PREFIX, "ForAllValues:StringLike", f"artifacts/{TASK}/*"),
    "a list of everybody": _compare(PREFIX, "StringLike", "artifacts/*"),
    "a list of another place": _compare(PREFIX, "StringLike", f"traces/{TASK}/*"),
    "a list that is not own": _compare(PREFIX, "StringNotLike", f"artifacts/{TASK}/*"),
}


# z3 takes all its steps for this one under the guards: twelve seconds.
SLOW = "rows behind a separator a tag can hold"


@pytest.mark.parametrize(
    ("name", "guarded"),
    [
        pytest.param(name, guarded, marks=[pytest.mark.exhaustive] if guarded and name == SLOW else [])
        for guarded in (False, True)
        for name in WEAKER
    ],
)
def test_no_weaker_comparison_is_proved(name: str, guarded: bool) -> None:
    """Whoever writes the policy by hand: what a Deny alone would stop is not proved either."""
    base = template() if guarded else without_guards(template())
    found = {result.status for result in verify(edit(base, name, WEAKER[name]).template).failures()}
    assert found & {Status.VIOLATED, Status.UNKNOWN}


def test_an_exact_key_has_no_list() -> None:
    """S3 compares the beginning of keys, so the list of an exact key would show its neighbours."""
    stack = stacks.stack()
    objects = [TenantObjects(stacks.bucket(stack), ["a/{task_id}/", "{task_id}/payload.json"], ("get", "list"))]
    with pytest.raises(
        InvalidInputError, match=r"`list` is given for an exact object key: got `\{task_id\}/payload\.json`"
    ):
        stacks.session_role(stack, objects=objects)


def test_a_list_is_a_use_by_itself() -> None:
    """An entry that lists and reads nothing is neither empty nor a hole."""
    stack = stacks.stack()
    stacks.session_role(stack, objects=[TenantObjects(stacks.bucket(stack), ["a/{task_id}/"], "list")])
    report = verify(stacks.template(stack))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]
