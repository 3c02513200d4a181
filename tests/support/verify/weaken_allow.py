"""Weakenings of the session role's Allow statements."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.verify.mutations import (
    Body,
    Mutation,
    Template,
    documents,
    edit,
    listed,
    rename,
    replace_text,
    session_role,
    statements,
    suffixed,
)

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


class _Place:
    """One Allow statement of the session role, and how to change it in a copy."""

    def __init__(self, template: Template, index: int) -> None:
        self.template = template
        self.role = session_role(template)
        self.index = index
        self.statement = statements(template, self.role, "Allow")[index]
        self.service = listed(self.statement["Action"])[0].partition(":")[0]
        self.name = f"allow[{index}] {self.statement.get('Sid', '')}"

    def of(self, template: Template) -> Body:
        """Return the statement in a copy of the template."""
        return statements(template, self.role, "Allow")[self.index]

    def edit(self, name: str, change: Callable[[Body], Any], kind: str = "") -> Mutation:
        """Change the statement in a copy."""
        return edit(
            self.template,
            f"{self.name} {name}",
            lambda t: change(self.of(t)),
            f"allow {self.service}: {kind or name}",
        )


def allow_weakenings(template: Template) -> Iterator[Mutation]:
    """Yield weakened Allow statements and documents without their version."""
    for index in range(len(statements(template, session_role(template), "Allow"))):
        place = _Place(template, index)
        yield from _conditions(place)
        yield from _wider(place)
        yield from _tag_text(place)
        if place.service == "dynamodb":
            yield from _on_table(place)
    yield from _versions(template)


def _conditions(place: _Place) -> Iterator[Mutation]:
    for operator, keys in place.statement.get("Condition", {}).items():
        yield place.edit(f"drop {operator}", lambda s, o=operator: s["Condition"].pop(o))  # type: ignore[misc]
        for new, kind in _operators(operator):
            yield place.edit(
                f"{operator} to {new}",
                lambda s, o=operator, n=new: rename(s["Condition"], o, n),  # type: ignore[misc]
                kind,
            )
        for key in keys:
            yield place.edit(
                f"drop {operator} {key}",
                lambda s, o=operator, k=key: s["Condition"][o].pop(k),  # type: ignore[misc]
                f"drop a key of {operator}",
            )
            if not key.startswith("aws:PrincipalTag/") and operator != "Null":
                yield place.edit(
                    f"{operator} {key} as *",
                    lambda s, o=operator, k=key: _as_star(s["Condition"], o, k),  # type: ignore[misc]
                    "a value as *",
                )
    yield place.edit("no condition", lambda s: s.pop("Condition", None))


def _operators(operator: str) -> Iterator[tuple[str, str]]:
    yield f"{operator}IfExists", f"{operator}IfExists"
    if ":" in operator:
        plain = operator.partition(":")[2]
        yield plain, "no set operator"
        yield f"ForAnyValue:{plain}", "ForAnyValue"
        yield f"{operator.replace('Equals', 'NotEquals')}", "negated set operator"


def _as_star(block: Body, operator: str, key: str) -> None:
    del block[operator][key]
    block.setdefault(operator.replace("Equals", "Like"), {})[key] = "*"


def _wider(place: _Place) -> Iterator[Mutation]:
    service = place.service
    yield place.edit("Resource *", lambda s: s.update(Resource="*"))
    yield place.edit("Action *", lambda s: s.update(Action="*"))
    yield place.edit(f"{service}:*", lambda s: s.update(Action=f"{service}:*"), "every action")
    yield place.edit("NotAction", lambda s: (s.pop("Action"), s.update(NotAction="iam:*")))
    yield place.edit("NotResource", lambda s: (s.pop("Resource"), s.update(NotResource="arn:aws:s3:::none")))
    if service == "s3":
        yield place.edit("add ACL", lambda s: s.update(Action=[*listed(s["Action"]), "s3:PutObjectAcl"]))
        yield place.edit("add list", lambda s: s.update(Action="s3:ListBucket", Resource=_bucket_of(s)))
    if service == "bedrock" and "foundation-model/" in json.dumps(place.statement):
        yield place.edit("any model", lambda s: replace_text(s, "foundation-model/anthropic", "foundation-model/*"))


def _bucket_of(statement: Body) -> Any:
    """Return the bucket's ARN of a resource that is the ARN and a key."""
    first = listed(statement["Resource"])[0]
    if isinstance(first, str):
        return first.partition("/")[0]
    parts = list(first["Fn::Join"][1])
    end = next(i for i, part in enumerate(parts) if isinstance(part, str) and "/" in part)
    return {"Fn::Join": ["", [*parts[:end], parts[end].partition("/")[0]]]}


def _tag_text(place: _Place) -> Iterator[Mutation]:
    text = json.dumps(place.statement)
    for old, new, kind in _TAG_TEXT:
        if old in text:
            yield place.edit(
                f"{old} to {new}",
                lambda s, o=old, n=new: replace_text(s, o, n),  # type: ignore[misc]
                kind,
            )


def _on_table(place: _Place) -> Iterator[Mutation]:
    for action in _ON_TABLE:
        yield place.edit(
            f"add {action}",
            lambda s, a=action: s.update(Action=[*listed(s["Action"]), f"dynamodb:{a}"]),  # type: ignore[misc]
        )
    yield place.edit("add index", lambda s: _add_resource(s, "/index/*"))
    yield place.edit("star after name", lambda s: _add_resource(s, "*"))
    index = suffixed(listed(place.statement["Resource"])[0], "/index/by-user")
    bare = {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": index}
    yield edit(
        place.template,
        f"{place.name} index without condition",
        lambda t: documents(t, place.role)[0]["Statement"].append(bare),
        "allow dynamodb: index without condition",
    )


def _add_resource(statement: Body, suffix: str) -> None:
    resources = listed(statement["Resource"])
    statement["Resource"] = [*resources, suffixed(resources[0], suffix)]


def _versions(template: Template) -> Iterator[Mutation]:
    role = session_role(template)
    for index, document in enumerate(documents(template, role)):
        if not any(s["Effect"] == "Allow" for s in listed(document["Statement"])):
            continue
        yield edit(
            template,
            f"policy[{index}] no Version",
            lambda t, i=index: documents(t, role)[i].pop("Version"),  # type: ignore[misc]
            "policy: no Version",
        )
        yield edit(
            template,
            f"policy[{index}] old Version",
            lambda t, i=index: documents(t, role)[i].update(Version="2008-10-17"),  # type: ignore[misc]
            "policy: old Version",
        )
