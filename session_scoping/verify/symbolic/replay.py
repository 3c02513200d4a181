"""Fills a template's deploy-time parts with the values of a counterexample and asks `decide`."""

import re
from datetime import UTC, datetime, timedelta

import z3

from session_scoping.aws.keys import is_list
from session_scoping.verify.patterns.text import Token
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.decision import Decision, PolicySet, Request, decide
from session_scoping.verify.policies.model import Condition, Role, Statement
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.strings import string_value


def free_context(call: Call, model: z3.ModelRef) -> dict[str, str | list[str]]:
    """Return the condition keys the counterexample chose, besides tags and leading keys."""
    found: dict[str, str | list[str]] = {}
    for key in sorted(call.used - call.dated):
        there, value = call.single(key)
        if z3.is_true(model.eval(there, model_completion=True)):
            found[key] = string_value(model, value)
    for key in sorted(call.dated):
        there, value = call.moment(key)
        if z3.is_true(model.eval(there, model_completion=True)):
            found[key] = date_text(model.eval(value, model_completion=True))
    for name, (condition, _) in call.atoms.items():
        if z3.is_true(model.eval(z3.Bool(name), model_completion=True)) and isinstance(condition, Condition):
            value = _satisfying(condition)
            if value is not None:
                key = condition.key.lower()
                found.setdefault(key, [value] if is_list(key) else value)
    return found


def date_text(seconds: z3.RatNumRef) -> str:
    """Return a date of a model as a request would carry it: ISO 8601, or seconds where no calendar goes that far."""
    value = seconds.as_fraction()
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(value))).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(float(value))


# Python takes more characters for digits than IAM, and refuses to read thousands of them.
_WHOLE = re.compile("-?[0-9]{1,100}")


def _satisfying(condition: Condition) -> str | None:
    """Return a value that satisfies a condition z3 saw as true or false at will."""
    if not condition.values or any(isinstance(part, Token) for part in condition.values[0]):
        return None
    wanted = "".join(str(part) for part in condition.values[0])
    operator = condition.operator.lower()
    if "ipaddress" in operator:
        return wanted.partition("/")[0]
    if "lessthan" in operator and not operator.endswith("equals"):
        return str(int(wanted) - 1) if _WHOLE.fullmatch(wanted) else None
    if "greaterthan" in operator and not operator.endswith("equals"):
        return str(int(wanted) + 1) if _WHOLE.fullmatch(wanted) else None
    if "not" in operator:
        return None
    return wanted.replace("*", "").replace("?", "x") if "like" in operator else wanted


def replay(
    role: Role, request: Request, binding: Binding, resource: tuple[Statement, ...] = (), *, must: bool = False
) -> Decision:
    """Decide a concrete request of a role with its concrete policies."""
    policies = PolicySet(
        identity=binding.statements(role.identity),
        boundary=None if role.boundary is None else binding.statements(role.boundary),
        resource=binding.statements(resource),
        resource_must_allow=must,
    )
    return decide(request, policies)


def binding_of(model: z3.ModelRef) -> Binding:
    """Return the deploy-time values a counterexample chose."""
    given: dict[str, str] = {}
    conditions: dict[str, bool] = {}
    for item in model.decls():
        name = str(item.name())
        if name.startswith("token "):
            given[name.removeprefix("token ")] = string_value(model, z3.String(name))
        elif name.startswith("condition "):
            conditions[name.removeprefix("condition ")] = z3.is_true(model[item])
    return Binding(given, conditions)
