"""Fills in a template's deploy-time parts, so that `decide` can be asked about concrete policies."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_REGION, BOUND_TO, PINNED_BY
from session_scoping.verify.patterns.text import Text, Token, plain
from session_scoping.verify.policies.model import Condition, Role, Statement

_DEFAULTS = {"partition": "aws", "region": "us-east-1", "account": "111122223333"}


class Binding:
    """
    Concrete values for deploy-time parts: those given, else plausible defaults.

    Args:
        given: Token name -> value. Default: nothing is given.
        conditions: Template condition -> whether it holds. Default: every one holds.
    """

    def __init__(self, given: Mapping[str, str] | None = None, conditions: Mapping[str, bool] | None = None) -> None:
        self.given = dict(given or {})
        self.conditions = dict(conditions or {})
        self.used: dict[str, str] = {}

    def token(self, token: Token) -> str:
        """Return the value of a token."""
        if token.name in self.given:
            self.used[token.name] = self.given[token.name]
            return self.given[token.name]
        if token.kind in _DEFAULTS:
            return _DEFAULTS[token.kind]
        return "".join(c for c in token.name if c.isalnum() or c in "-").lower()

    def text(self, text: Text) -> str:
        """Return a symbolic text as a string."""
        return "".join(part if isinstance(part, str) else self.token(part) for part in text)

    def holds(self, given: tuple[tuple[str, bool], ...]) -> bool:
        """Whether the template conditions a statement hangs on have the required values."""
        return all(self.conditions.get(name, True) == value for name, value in given)

    def statements(self, statements: Iterable[Statement]) -> tuple[Statement, ...]:
        """Return the statements that exist under this binding, concrete."""
        return tuple(self._statement(s) for s in statements if self.holds(s.template_conditions))

    def _statement(self, statement: Statement) -> Statement:
        def fill(text: Text) -> Text:
            return (self.text(text),)

        return replace(
            statement,
            resources=None if statement.resources is None else tuple(map(fill, statement.resources)),
            not_resources=tuple(map(fill, statement.not_resources)),
            principals=tuple((kind, fill(text)) for kind, text in statement.principals),
            conditions=tuple(Condition(c.operator, c.key, tuple(map(fill, c.values))) for c in statement.conditions),
            template_conditions=(),
        )


def tag_context(prefix: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as condition keys."""
    return {f"{prefix}{key}": value for key, value in tags.items()}


def keeping(role: Role, tags: Mapping[str, str], binding: Binding) -> dict[str, str]:
    """Return what requests carry when they keep what a role's Metadata promises: the ordinary case, for examples."""
    context: dict[str, str] = {}
    if identity := role.promise(ATTRIBUTED_TO):
        text = binding.text(identity).replace("?", "s").replace("*", "1")
        context |= {"sts:SourceIdentity": text, "aws:SourceIdentity": text}
    if vpc := role.promise(BOUND_TO):
        context |= {"aws:SourceVpc": binding.text(vpc), "aws:ViaAWSService": "false"}
    if region := role.promise(BOUND_REGION):
        context["aws:RequestedRegion"] = binding.text(region)
    if tag := plain(role.promise(PINNED_BY) or ()):
        context["aws:VpcSourceIp"] = {key.lower(): value for key, value in tags.items()}.get(tag.lower(), "")
    return context
