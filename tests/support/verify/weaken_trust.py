"""Weakenings of the session role's trust policy."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, Mutation, Template, edit, listed, rename, session_role, trust

_STRANGERS: tuple[tuple[str, Any], ...] = (
    ("a service", {"Service": "lambda.amazonaws.com"}),
    ("anybody", "*"),
    ("anybody in AWS", {"AWS": "*"}),
    ("the account", {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}),
    ("another account", {"AWS": "999988887777"}),
)


def trust_weakenings(template: Template) -> Iterator[Mutation]:
    """Yield weakened trust policies."""
    for index, statement in enumerate(trust(template)):
        yield from _fewer_conditions(template, index, statement)
        yield from _fewer_values(template, index, statement)
        yield from _other_operators(template, index, statement)
        yield edit(
            template, f"trust[{index}] no condition", lambda t, i=index: trust(t)[i].pop("Condition"),  # type: ignore[misc]
            "trust: no condition",
        )  # fmt: skip
        yield from _further_tags(template, index)
    yield from _strangers(template)


def _fewer_conditions(template: Template, index: int, statement: Body) -> Iterator[Mutation]:
    for operator, keys in statement.get("Condition", {}).items():
        yield edit(
            template,
            f"trust[{index}] drop {operator}",
            lambda t, o=operator: trust(t)[index]["Condition"].pop(o),  # type: ignore[misc]
            f"trust: drop {operator}",
        )
        for key in keys:
            yield edit(
                template,
                f"trust[{index}] drop {operator} {key}",
                lambda t, o=operator, k=key: trust(t)[index]["Condition"][o].pop(k),  # type: ignore[misc]
                f"trust: drop a key of {operator}",
            )


def _fewer_values(template: Template, index: int, statement: Body) -> Iterator[Mutation]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            for value in listed(values) if len(listed(values)) > 1 else ():
                yield edit(
                    template,
                    f"trust[{index}] {operator} {key} without {value}",
                    lambda t, o=operator, k=key, v=value: trust(t)[index]["Condition"][o][k].remove(v),  # type: ignore[misc]
                    f"trust: {operator} without {value if operator == 'StringNotLike' else 'a value'}",
                )


def _other_operators(template: Template, index: int, statement: Body) -> Iterator[Mutation]:
    for operator in statement.get("Condition", {}):
        changed = [(f"{operator}IfExists", f"trust: {operator}IfExists")]
        if ":" in operator:
            plain = operator.partition(":")[2]
            changed += [
                (plain, "trust: no set operator"),
                (f"ForAnyValue:{plain}", "trust: ForAnyValue"),
                (f"{operator.replace('Equals', 'Like')}", "trust: set operator with Like"),
            ]
        for new, kind in changed:
            yield edit(
                template,
                f"trust[{index}] {operator} to {new}",
                lambda t, o=operator, n=new: rename(trust(t)[index]["Condition"], o, n),  # type: ignore[misc]
                kind,
            )


def _further_tags(template: Template, index: int) -> Iterator[Mutation]:
    def tag_keys(changed: Template) -> list[str]:
        keys: list[str] = trust(changed)[index]["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"]
        return keys

    if "aws:TagKeys" not in trust(template)[index].get("Condition", {}).get("ForAllValues:StringEquals", {}):
        return
    yield edit(template, f"trust[{index}] one tag more", lambda t: tag_keys(t).append("extra"), "trust: one tag more")

    def any_tag(changed: Template) -> None:
        tag_keys(changed).append("*")
        rename(trust(changed)[index]["Condition"], "ForAllValues:StringEquals", "ForAllValues:StringLike")

    yield edit(template, f"trust[{index}] any tag", any_tag, "trust: any tag")


def _strangers(template: Template) -> Iterator[Mutation]:
    bare = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    itself = {"AWS": {"Fn::GetAtt": [session_role(template), "Arn"]}}
    for name, principal in (*_STRANGERS, ("itself", itself)):
        yield edit(
            template,
            f"trust: add {name}",
            lambda t, p=principal: trust(t).append({**bare, "Principal": p}),  # type: ignore[misc]
        )
    yield edit(
        template,
        "trust: conditioned statement for its own sessions",
        lambda t: trust(t).append({**copy.deepcopy(trust(t)[0]), "Principal": itself}),
    )
    yield edit(
        template,
        "trust: everybody but one",
        lambda t: trust(t).append({**bare, "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/nobody"}}),
    )
