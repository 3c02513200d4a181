"""Weakenings of the session role's Allow statements."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, listed, suffixed
from tests.support.verify.weaken_statement import (
    Weakening,
    condition,
    renamed,
    said_twice,
    weakened,
    widened,
    without_key,
)
from tests.support.world import World

_TASK, _USER = "${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/user_id}"
# What a tag stands in -> what it is widened to, with a name for the kind of widening.
_TAG_TEXT = (
    (_TASK, _USER, "another tag"),
    (_TASK, "*", "a tag as *"),
    (_TASK, "${aws:PrincipalTag/task_id, 'shared'}", "a variable default"),
    (_USER, "${aws:PrincipalTag/user_id, 'shared'}", "a variable default"),
    (_TASK, f"{_TASK}*", "* after a tag"),
    (f"{_TASK}/*", f"{_TASK}*", "no delimiter behind a tag"),
    (f"{_TASK}.", f"{_TASK}*.", "* before the delimiter"),
    (f"{_USER}/{_TASK}", _USER, "one tag fewer"),
    (f"{_USER}/{_TASK}/*", "*", "no tag"),
    (f"/{_TASK}", _TASK, "no delimiter between tags"),
)
_ON_TABLE = ("Scan", "PartiQLSelect", "PartiQLUpdate", "DescribeTable", "ExportTableToPointInTime")


def allow_weakenings(statement: Body, world: World) -> Iterator[Weakening]:
    """Yield weakened versions of an Allow of the session role; some may open nothing, beside what else it says."""
    service = service_of(statement)
    yield from widened(statement, world)
    yield from _conditions(statement)
    yield from _wider(statement, service)
    yield from _tag_text(statement)
    if service == "dynamodb":
        yield from _on_table(statement)


def service_of(statement: Body) -> str:
    """Return the service of a statement's first action."""
    return str(listed(statement["Action"])[0].partition(":")[0])


def _conditions(statement: Body) -> Iterator[Weakening]:
    for operator, keys in statement.get("Condition", {}).items():
        yield weakened(statement, f"drop {operator}", Condition=condition(statement, operator, None))
        for new, kind in _operators(operator):
            yield weakened(statement, f"{operator} to {new}", kind, Condition=renamed(statement, operator, new))
        yield from (without_key(statement, operator, key) for key in keys if said_twice(statement, operator, key))
    yield weakened(statement, "no condition", Condition=None)


def _operators(operator: str) -> Iterator[tuple[str, str]]:
    yield f"{operator}IfExists", f"{operator}IfExists"
    if ":" in operator:
        plain = operator.partition(":")[2]
        yield plain, "no set operator"
        yield f"ForAnyValue:{plain}", "ForAnyValue"
        yield f"{operator.replace('Equals', 'NotEquals')}", "negated set operator"


def _wider(statement: Body, service: str) -> Iterator[Weakening]:
    yield weakened(statement, "Resource *", Resource="*")
    yield weakened(statement, "Action *", Action="*")
    yield weakened(statement, "NotAction", Action=None, NotAction="iam:*")
    yield weakened(statement, "NotResource", Resource=None, NotResource="arn:aws:s3:::none")
    if service == "s3":
        yield weakened(statement, "add ACL", Action=[*listed(statement["Action"]), "s3:PutObjectAcl"])
        yield weakened(statement, "add list", Action="s3:ListBucket", Resource=_bucket_of(statement))


def _tag_text(statement: Body) -> Iterator[Weakening]:
    text = json.dumps(statement)
    models = ("foundation-model/anthropic", "foundation-model/*", "any model")
    for old, new, kind in (*_TAG_TEXT, models):
        if old in text:
            yield weakened(statement, f"{old} to {new}", kind, **json.loads(text.replace(old, new)))


def _bucket_of(statement: Body) -> Any:
    """Return the bucket's ARN of a resource that is the ARN and a key."""
    first = listed(statement["Resource"])[0]
    if isinstance(first, str):
        return first.partition("/")[0]
    parts = list(first["Fn::Join"][1])
    end = next(i for i, part in enumerate(parts) if isinstance(part, str) and "/" in part)
    return {"Fn::Join": ["", [*parts[:end], parts[end].partition("/")[0]]]}


def _on_table(statement: Body) -> Iterator[Weakening]:
    actions, resources = listed(statement["Action"]), listed(statement["Resource"])
    for action in _ON_TABLE:
        yield weakened(statement, f"add {action}", Action=[*actions, f"dynamodb:{action}"])
    yield weakened(statement, "add index", Resource=[*resources, suffixed(resources[0], "/index/*")])
