"""Weakenings of the session role's trust policy."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, Mutation, Template, edit, rename, session_role, trust
from tests.support.verify.weaken_statement import Weakening, fewer_values, weakened, widened
from tests.support.world import World

_STRANGERS: tuple[tuple[str, Any], ...] = (
    ("a service", {"Service": "lambda.amazonaws.com"}),
    ("anybody", "*"),
    ("anybody in AWS", {"AWS": "*"}),
    ("the account", {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}),
    ("another account", {"AWS": "999988887777"}),
)


def trust_weakenings(statement: Body, world: World) -> Iterator[Weakening]:
    """Yield weakened versions of a statement of the trust policy; some may open nothing, beside what else it says."""
    yield from widened(statement, world, trust=True)
    for operator in statement.get("Condition", {}):
        yield weakened(statement, f"drop {operator}", lambda s, o=operator: s["Condition"].pop(o))  # type: ignore[misc]
        for new, kind in _operators(operator):
            yield weakened(
                statement,
                f"{operator} to {new}",
                lambda s, o=operator, n=new: rename(s["Condition"], o, n),
                kind,  # type: ignore[misc]
            )
    yield weakened(statement, "no condition", lambda s: s.pop("Condition"))
    if "aws:TagKeys" in statement.get("Condition", {}).get("ForAllValues:StringEquals", {}):
        yield from _tag_keys(statement)


def _operators(operator: str) -> Iterator[tuple[str, str]]:
    yield f"{operator}IfExists", f"{operator}IfExists"
    if ":" in operator:
        plain = operator.partition(":")[2]
        yield plain, "no set operator"
        yield f"ForAnyValue:{plain}", "ForAnyValue"
        yield operator.replace("Equals", "Like"), "set operator with Like"


def _tag_keys(statement: Body) -> Iterator[Weakening]:
    def any_tag(changed: Body) -> None:
        changed["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"].append("*")
        rename(changed["Condition"], "ForAllValues:StringEquals", "ForAllValues:StringLike")

    yield from fewer_values(statement, "ForAllValues:StringEquals", "aws:TagKeys")
    yield weakened(
        statement,
        "one tag more",
        lambda s: s["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"].append("extra"),
    )
    yield weakened(statement, "any tag", any_tag)


def strangers(template: Template) -> Iterator[Mutation]:
    """Yield trust policies that admit somebody besides."""
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
