"""Weakenings of the session role's Allow statements."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, listed, rename, replace_text, suffixed
from tests.support.verify.weaken_statement import Weakening, said_twice, weakened, widened, without_key
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
    text = json.dumps(statement)
    for old, new, kind in _TAG_TEXT:
        if old in text:
            yield weakened(statement, f"{old} to {new}", lambda s, o=old, n=new: replace_text(s, o, n), kind)  # type: ignore[misc]
    if service == "dynamodb":
        yield from _on_table(statement)


def service_of(statement: Body) -> str:
    """Return the service of a statement's first action."""
    return str(listed(statement["Action"])[0].partition(":")[0])


def _conditions(statement: Body) -> Iterator[Weakening]:
    for operator, keys in statement.get("Condition", {}).items():
        yield weakened(statement, f"drop {operator}", lambda s, o=operator: s["Condition"].pop(o))  # type: ignore[misc]
        for new, kind in _operators(operator):
            yield weakened(
                statement,
                f"{operator} to {new}",
                lambda s, o=operator, n=new: rename(s["Condition"], o, n),
                kind,  # type: ignore[misc]
            )
        yield from (without_key(statement, operator, key) for key in keys if said_twice(statement, operator, key))
    yield weakened(statement, "no condition", lambda s: s.pop("Condition", None))


def _operators(operator: str) -> Iterator[tuple[str, str]]:
    yield f"{operator}IfExists", f"{operator}IfExists"
    if ":" in operator:
        plain = operator.partition(":")[2]
        yield plain, "no set operator"
        yield f"ForAnyValue:{plain}", "ForAnyValue"
        yield f"{operator.replace('Equals', 'NotEquals')}", "negated set operator"


def _wider(statement: Body, service: str) -> Iterator[Weakening]:
    yield weakened(statement, "Resource *", lambda s: s.update(Resource="*"))
    yield weakened(statement, "Action *", lambda s: s.update(Action="*"))
    yield weakened(statement, "NotAction", lambda s: (s.pop("Action"), s.update(NotAction="iam:*")))
    yield weakened(statement, "NotResource", lambda s: (s.pop("Resource"), s.update(NotResource="arn:aws:s3:::none")))
    if service == "s3":
        yield weakened(statement, "add ACL", lambda s: s.update(Action=[*listed(s["Action"]), "s3:PutObjectAcl"]))
        yield weakened(statement, "add list", lambda s: s.update(Action="s3:ListBucket", Resource=_bucket_of(s)))
    if service == "bedrock" and "foundation-model/" in json.dumps(statement):
        yield weakened(
            statement, "any model", lambda s: replace_text(s, "foundation-model/anthropic", "foundation-model/*")
        )


def _bucket_of(statement: Body) -> Any:
    """Return the bucket's ARN of a resource that is the ARN and a key."""
    first = listed(statement["Resource"])[0]
    if isinstance(first, str):
        return first.partition("/")[0]
    parts = list(first["Fn::Join"][1])
    end = next(i for i, part in enumerate(parts) if isinstance(part, str) and "/" in part)
    return {"Fn::Join": ["", [*parts[:end], parts[end].partition("/")[0]]]}


def _on_table(statement: Body) -> Iterator[Weakening]:
    for action in _ON_TABLE:
        yield weakened(
            statement,
            f"add {action}",
            lambda s, a=action: s.update(Action=[*listed(s["Action"]), f"dynamodb:{a}"]),  # type: ignore[misc]
        )
    resources = listed(statement["Resource"])
    index = suffixed(resources[0], "/index/*")
    yield weakened(statement, "add index", lambda s: s.update(Resource=[*resources, index]))
