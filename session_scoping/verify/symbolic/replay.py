"""Fills a template's deploy-time parts with the values of a counterexample and asks `decide`."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import z3

from session_scoping.verify.decision import Decision, PolicySet, Request, decide
from session_scoping.verify.model import Condition, Role, Statement
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.strings import string_value, token_constant
from session_scoping.verify.text import Text, Token

_DEFAULTS = {"partition": "aws", "region": "us-east-1", "account": "111122223333"}


class Binding:
    """
    Concrete values for deploy-time parts: the model's where it has one, else a plausible default.

    Args:
        model: The counterexample.
    """

    def __init__(self, model: z3.ModelRef | None) -> None:
        self._model = model
        self._known = {str(item) for item in model.decls()} if model is not None else set()
        self.used: dict[str, str] = {}

    def token(self, token: Token) -> str:
        """Return the value of a token."""
        constant = token_constant(token)
        if self._model is not None and str(constant.decl().name()) in self._known:
            value = string_value(self._model, constant)
            self.used[token.name] = value
            return value
        if token.kind in _DEFAULTS:
            return _DEFAULTS[token.kind]
        return "".join(c for c in token.name if c.isalnum() or c in "-").lower()

    def text(self, text: Text) -> str:
        """Return a symbolic text as a string."""
        return "".join(part if isinstance(part, str) else self.token(part) for part in text)

    def holds(self, given: tuple[tuple[str, bool], ...]) -> bool:
        """Whether the template conditions a statement hangs on have the required values."""
        return all(self._condition(name) == value for name, value in given)

    def _condition(self, name: str) -> bool:
        if self._model is None:
            return True
        return z3.is_true(self._model.eval(z3.Bool(f"condition {name}"), model_completion=True))

    def statements(self, statements: Iterable[Statement]) -> tuple[Statement, ...]:
        """Return the statements that exist under this binding, concrete."""
        return tuple(self._statement(s) for s in statements if self.holds(s.given))

    def _statement(self, statement: Statement) -> Statement:
        def fill(text: Text) -> Text:
            return (self.text(text),)

        return replace(
            statement,
            resources=None if statement.resources is None else tuple(map(fill, statement.resources)),
            not_resources=tuple(map(fill, statement.not_resources)),
            principals=tuple((kind, fill(text)) for kind, text in statement.principals),
            conditions=tuple(Condition(c.operator, c.key, tuple(map(fill, c.values))) for c in statement.conditions),
            given=(),
        )


def free_context(call: Call, model: z3.ModelRef) -> dict[str, str]:
    """Return the condition keys the counterexample chose, besides tags and leading keys."""
    found: dict[str, str] = {}
    for key in sorted(call.used):
        there, value = call.single(key)
        if z3.is_true(model.eval(there, model_completion=True)):
            found[key] = string_value(model, value)
    for name, (condition, _) in call.atoms.items():
        if z3.is_true(model.eval(z3.Bool(name), model_completion=True)) and isinstance(condition, Condition):
            value = _satisfying(condition)
            if value is not None:
                found.setdefault(condition.key.lower(), value)
    return found


def _satisfying(condition: Condition) -> str | None:
    """Return a value that satisfies a condition z3 saw as true or false at will."""
    if not condition.values or any(isinstance(part, Token) for part in condition.values[0]):
        return None
    wanted = "".join(str(part) for part in condition.values[0])
    operator = condition.operator.lower()
    if "ipaddress" in operator:
        return wanted.partition("/")[0]
    if "lessthan" in operator and not operator.endswith("equals"):
        return str(int(wanted) - 1) if wanted.lstrip("-").isdigit() else None
    if "greaterthan" in operator and not operator.endswith("equals"):
        return str(int(wanted) + 1) if wanted.lstrip("-").isdigit() else None
    return None if "not" in operator else wanted


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


def tag_context(prefix: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as condition keys."""
    return {f"{prefix}{key}": value for key, value in tags.items()}


@functools.cache
def minter_of(role_arn: str) -> str:
    """Return a principal for replays of trust policies: any one the trust names will do."""
    return role_arn
