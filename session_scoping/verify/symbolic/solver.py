"""Asks z3, with a limit and a fixed seed, never takes "don't know" for an answer, and replays what it finds."""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

import z3
from z3 import z3util

from session_scoping.aws.keys import is_list
from session_scoping.verify.patterns.text import Token
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.decision import Decision, PolicySet, Request, decide
from session_scoping.verify.policies.model import Condition, Role, Statement
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.strings import Bool, conjunction, string_value

STEPS_MAX = 20_000_000
"""How many steps of its own z3 may take for one question, far more than any here needs: the same on every machine."""
TIMEOUT_MS = 600_000
"""What ends a question whose steps z3 does not count: so long that no other question meets it on a busy machine."""
_AT_ONCE, _AT_ONCE_MS = STEPS_MAX // 200, TIMEOUT_MS // 200
"""The limits of the first attempt."""
_LESS = STEPS_MAX // 4
"""How many steps it may take for what is left of a question when all it is not about is left out."""


def solve(*formulas: Bool, about: Collection[str] = (), readable: bool = False) -> z3.ModelRef | None:
    """
    Return a model of all formulas together, or None when there is none.

    Comparisons of the strings it is `about` may decide it alone; all it compares are looked at where they do not.
    Where it is to be `readable`, one with an account, a Region and names as a reader knows them is preferred.

    Raises:
        UnmodelledError: z3 gave up.
    """
    question = conjunction(list(formulas))
    if about and _is_refuted(only_about(question, about)):
        return None
    if z3.is_false(question) or _refuted_at_once(question):
        return None
    solver = _alone(question, STEPS_MAX)
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer == z3.sat:
        for usual in _usual_values(question) if readable else ():
            asked = _alone(conjunction([question, usual]), _LESS)
            if asked.check() == z3.sat:
                solver, question = asked, conjunction([question, usual])
        return solver.model().translate(z3.main_ctx())
    raise UnmodelledError(f"z3 found no answer ({solver.reason_unknown()})")


def _usual_values(question: Bool) -> Iterator[Bool]:
    """Yield what a reader expects of deploy-time values: of place and account first, then of names."""
    tokens = [one for one in z3util.get_vars(question) if str(one).startswith("token ")]
    usual = Binding()
    places: list[Bool] = []
    names: list[Bool] = []
    for constant in tokens:
        name = str(constant).removeprefix("token ")
        kind = next((kind for word, kind in _PLACES.items() if word in name), "")
        value = usual.token(Token(name, kind) if kind else Token(name.rpartition(".")[2], "plain"))
        (places if kind else names).append(constant == z3.StringVal(value))
    yield from (conjunction(found) for found in (places, names) if found)


_PLACES = {"Region": "region", "AccountId": "account", "Partition": "partition"}


def _alone(question: Bool, steps: int) -> z3.Solver:
    """Return a solver in a context of its own: z3's way to an answer depends on every term a context has ever seen."""
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", steps)
    solver.set("timeout", TIMEOUT_MS)
    solver.set("random_seed", 0)
    solver.add(question.translate(context))
    return solver


def _is_refuted(less: Bool) -> bool:
    """Whether z3 sees that what is left of a question has no model; any other answer is not listened to."""
    return z3.is_false(less) or _refuted_at_once(less) or bool(_alone(less, _LESS).check() == z3.unsat)


def _refuted_at_once(question: Bool) -> bool:
    """
    Whether z3 sees in a few steps that there is no model, as of most questions here.

    It is asked where the terms are, because a context of its own takes longer than that. A refutation holds whatever
    the context has seen before; any other answer is not listened to.
    """
    solver = z3.Solver()
    solver.set("rlimit", _AT_ONCE)
    solver.set("timeout", _AT_ONCE_MS)
    solver.set("random_seed", 0)
    solver.add(question)
    return bool(solver.check() == z3.unsat)


_CONNECTIVES = {z3.Z3_OP_AND, z3.Z3_OP_OR, z3.Z3_OP_NOT, z3.Z3_OP_IMPLIES}


def only_about(formula: Bool, names: Collection[str]) -> Bool:
    """
    Return a formula that a formula implies, and that compares no string but those named.

    Each other comparison may be true or false at will, the same comparison in the same way. Without a model of what
    is returned, the formula has none either; a model of it says nothing.
    """
    if z3.is_app(formula) and formula.decl().kind() in _CONNECTIVES:
        inner = [only_about(child, names) for child in formula.children()]
        return formula.decl()(*inner)
    if _strings_in(formula) - set(names):
        return z3.Bool(f"some {formula.get_id()}")
    return formula


def _strings_in(term: z3.ExprRef) -> set[str]:
    """Return the names of the strings a term is made of, deploy-time values left out."""
    if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
        name = str(term.decl().name())
        return {name} if z3.is_string(term) and not name.startswith("token ") else set()
    return set[str]().union(*map(_strings_in, term.children()))


def free_context(call: Call, model: z3.ModelRef) -> dict[str, str | list[str]]:
    """Return the condition keys the counterexample chose, besides tags and leading keys."""
    found: dict[str, str | list[str]] = {}
    for key, (there, named) in call.keyed.items():
        if z3.is_true(model.eval(there, model_completion=True)):
            found[key] = named.read(model)
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
