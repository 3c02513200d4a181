"""Weakenings of the session role's trust policy."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import Body, Mutation, Template, edit, session_role, trust
from tests.support.verify.weaken_statement import Weakening, condition, fewer_values, renamed, weakened, widened
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
        yield weakened(statement, f"drop {operator}", Condition=condition(statement, operator, None))
        for new, kind in _operators(operator):
            yield weakened(statement, f"{operator} to {new}", kind, Condition=renamed(statement, operator, new))
    yield weakened(statement, "no condition", Condition=None)
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
    operator = "ForAllValues:StringEquals"
    keys = statement["Condition"][operator]["aws:TagKeys"]
    yield from fewer_values(statement, operator, "aws:TagKeys")
    more = {**statement["Condition"][operator], "aws:TagKeys": [*keys, "extra"]}
    yield weakened(statement, "one tag more", Condition=condition(statement, operator, more))
    any_tag = {**condition(statement, operator, None), "ForAllValues:StringLike": {"aws:TagKeys": [*keys, "*"]}}
    yield weakened(statement, "any tag", Condition=any_tag)


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
