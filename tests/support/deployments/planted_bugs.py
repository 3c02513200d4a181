"""Bugs to plant in the verifier, one in each part of its encoding: the search must find every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from session_scoping.verify.properties import base
from session_scoping.verify.properties import search as searching
from session_scoping.verify.properties.agents import becoming, compute
from session_scoping.verify.properties.outside import external_callers
from session_scoping.verify.properties.sessions import cross_role, isolation, listing
from session_scoping.verify.symbolic import access, conditions
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.strings import FALSE, TRUE
from session_scoping.verify.symbolic.trust import tag_may_hold

Patch = tuple[Any, str, Any]
_encode_condition, _encode_resource = conditions.encode_condition, access._encode_resource
_encode_statement, _allowed = access.encode_statement, access.access
_may_carry, _may_hold, _classes = (
    Call.may_carry,
    tag_may_hold,
    base.representative_actions,
)
# A few plain requests are tried before the solver, which spares a proof and would hide a bug in the encoding.
_PLAIN_REQUESTS: tuple[Patch, ...] = tuple(
    (module, name, lambda *_, **__: None)
    for module, name in (
        (searching, "sample_attempt"),
        (isolation, "sample_crossing"),
    )
)


def _condition_dropped(condition: Any, call: Any, action: str = "", *, over: bool, variables: bool) -> Any:
    kept = over or condition.operator == "Null" or condition.key == "dynamodb:LeadingKeys"
    return _encode_condition(condition, call, action, over=over, variables=variables) if kept else TRUE


def _condition_over(condition: Any, call: Any, action: str = "", **more: Any) -> Any:
    return _encode_condition(condition, call, action, **{**more, "over": True})


def _without_not_resource(statement: Any, target: Any, over: bool) -> Any:
    ignored = statement.allow and statement.resources is None and not statement.any_resource
    return FALSE if ignored else _encode_resource(statement, target, over)


def _under_one_value(statement: Any, call: Any, action: str, target: Any) -> Any:
    if any(not value for _, value in statement.template_conditions):
        return FALSE
    return _encode_statement(statement, call, action, target)


def _shut_boundary(role: Any, *rest: Any, **more: Any) -> Any:
    return _allowed(role if role.boundary is None else replace(role, boundary=()), *rest, **more)


def _without_role_tags(session: Session, key: str) -> Any:
    return (session.carried(key), session.value(key)) if key in session.keys else (FALSE, session.value(key))


def _no_slash(role: Any, variable: Any, character: str, inherited: Any = None) -> bool:
    return character != "/" and _may_hold(role, variable, character, inherited)


def _no_reads(statements: Any, actions: Any) -> list[str]:
    return _classes(statements, [one for one in actions if one not in {"dynamodb:GetItem", "s3:GetObject"}])


def _never_carried(call: Call, key: str, action: str) -> bool:
    return key != "aws:sourcevpc" and _may_carry(call, key, action)


def _one(_: Any) -> int:
    return 1


BUGS: dict[str, tuple[Patch, ...]] = {
    "a condition of a Deny is dropped": ((access, "encode_condition", _condition_dropped),),
    "a Deny is over-approximated": ((access, "encode_condition", _condition_over),),
    "a key is taken for absent": ((Call, "may_carry", _never_carried),),
    "NotResource is ignored": ((access, "_encode_resource", _without_not_resource),),
    "a policy under one value of a condition is ignored": ((access, "encode_statement", _under_one_value),),
    "an edge of becoming is missing": ((becoming, "_may_become", lambda *_: False),),
    "leading keys have one element": tuple((one, "elements_needed", _one) for one in (base, isolation, cross_role)),
    "role tags are ignored": ((Session, "principal_tag", _without_role_tags),),
    "resource policies are ignored": ((access, "_resource_policy", lambda *_: (FALSE, FALSE)),),
    "tags of outsiders are taken for AWS's": (
        (external_callers, "_STRANGERS", tuple(replace(one, tagged=False) for one in external_callers._STRANGERS)),
    ),
    "a boundary is taken for a Deny": ((searching, "access", _shut_boundary),),
    "a slash in tags is ignored": tuple((one, "tag_may_hold", _no_slash) for one in (isolation, listing)),
    "actions are missing from a class": ((compute, "representative_actions", _no_reads),),
}
"""What is wrong -> where, and what is there instead."""


@contextmanager
def planted(bug: str) -> Iterator[None]:
    """Plant a bug."""
    with _all(*_PLAIN_REQUESTS, *BUGS[bug]):
        yield


@contextmanager
def _all(*patches: Patch) -> Iterator[None]:
    undo: list[Callable[[], Any]] = []
    try:
        for where, name, instead in patches:
            one = patch.object(where, name, instead)
            one.start()
            undo.append(one.stop)
        yield
    finally:
        for stop in reversed(undo):
            stop()
