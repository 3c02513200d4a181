"""Statements and whole policy sets as formulas."""

from collections.abc import Callable
from dataclasses import dataclass

import z3

from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled
from session_scoping.verify.policies.model import Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action, may_be_role
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError, check_variables, encode_condition
from session_scoping.verify.symbolic.strings import (
    FALSE,
    TRUE,
    Bool,
    Match,
    conjunction,
    disjunction,
    is_false,
    negation,
)

ResourceMatch = Callable[[Pattern], Match]
"""How a resource pattern matches the resource of the call."""


@dataclass
class Target:
    """
    What a call acts on.

    Attributes:
        match: How a resource pattern matches it.
        domain: Constraints on its free parts.
        store: The table, bucket or key, whose resource policy applies too.
    """

    match: ResourceMatch
    domain: Bool = TRUE
    store: Store | None = None


def resource_pattern(text: Text, statement: Statement) -> Pattern:
    """
    Return one entry of Resource or NotResource as a pattern.

    Raises:
        UnmodelledError: It cannot be parsed, has a variable with a default, or may hold wildcards at deploy time.
    """
    pattern = parsed(text, statement.variables, True)
    if isinstance(pattern, Unmodelled):
        raise UnmodelledError(f"{statement.where}: {pattern.reason}")
    check_variables(pattern)
    for part in pattern:
        if isinstance(part, Token) and part.kind == "free":
            why = f" ({part.why})" if part.why else ""
            raise UnmodelledError(f"{statement.where}: {part.name} may hold a wildcard at deploy time{why}")
    return pattern


def encode_statement(statement: Statement, call: Call, action: str, target: Target) -> Bool:
    """
    Return when a statement applies: at least then for an Allow, at most then for a Deny.

    Raises:
        UnmodelledError: The statement is relevant to the call and not modelled.
    """
    over = statement.allow
    if not covers_action(statement, action):
        return FALSE
    if statement.problem:
        raise UnmodelledError(statement.problem)
    resource = _encode_resource(statement, target, over)
    if is_false(resource):
        return FALSE
    given = [z3.Bool(f"condition {name}") == value for name, value in statement.template_conditions]
    conditions: list[Bool] = []
    for condition in statement.conditions:
        try:
            conditions.append(encode_condition(condition, call, action, over=over, variables=statement.variables))
        except UnmodelledError as error:
            raise UnmodelledError(f"{statement.where}: {error}") from error
    return conjunction([resource, *given, *conditions])


def _encode_resource(statement: Statement, target: Target, over: bool) -> Bool:
    if statement.any_resource:
        return TRUE
    entries = statement.resources if statement.resources is not None else statement.not_resources
    matches = [target.match(resource_pattern(text, statement)) for text in entries]
    if statement.resources is not None:
        return disjunction([match.over if over else match.under for match in matches])
    if over:
        return conjunction([negation(match.under) for match in matches])
    # A Deny with NotResource and a missing variable may not apply (ambiguous documentation): demand presence.
    return conjunction([conjunction([match.present, negation(match.over)]) for match in matches])


def access(role: Role, call: Call, action: str, target: Target, *, principal: "Caller | None" = None) -> Bool:
    """
    Return a formula that is true whenever IAM would let the call through.

    Raises:
        UnmodelledError: A relevant statement is not modelled.
    """
    denies = [s for s in (*role.identity, *(role.boundary or ())) if not s.allow]
    grants = disjunction([encode_statement(s, call, action, target) for s in role.identity if s.allow])
    if role.boundary is not None and not is_false(grants):
        bound = disjunction([encode_statement(s, call, action, target) for s in role.boundary if s.allow])
        grants = conjunction([grants, bound])
    direct, refused = _resource_policy(role, call, action, target, principal)
    grants = disjunction([grants, direct])
    if is_false(grants):
        return FALSE
    refusals = [encode_statement(s, call, action, target) for s in denies]
    return conjunction([grants, negation(disjunction([*refusals, refused]))])


@dataclass(frozen=True)
class Caller:
    """How a resource policy's principals name the caller: at least, and at most."""

    may: Callable[[Statement], Bool]
    must: Callable[[Statement], Bool]


def _resource_policy(
    role: Role, call: Call, action: str, target: Target, principal: Caller | None
) -> tuple[Bool, Bool]:
    if target.store is None:
        return FALSE, FALSE
    if target.store.problems:
        raise UnmodelledError(target.store.problems[0])
    caller = principal or caller_of(role)
    grants: list[Bool] = []
    refusals: list[Bool] = []
    for statement in target.store.policy:
        if statement.problem:
            raise UnmodelledError(statement.problem)
        named = caller.may(statement) if statement.allow else caller.must(statement)
        if is_false(named):
            continue
        formula = conjunction([named, encode_statement(statement, call, action, target)])
        (grants if statement.allow else refusals).append(formula)
    return disjunction(grants), disjunction(refusals)


def caller_of(role: Role) -> Caller:
    """
    Return how the principals of resource policies name a role and its sessions.

    Raises:
        UnmodelledError: Of the functions returned, for an Allow with NotPrincipal.
    """

    def names(statement: Statement, certain: bool) -> Bool:
        if statement.not_principal:
            if certain:
                return FALSE
            raise UnmodelledError(f"{statement.where}: NotPrincipal is not modelled")
        return TRUE if any(_names(kind, text, role, certain) for kind, text in statement.principals) else FALSE

    return Caller(lambda statement: names(statement, False), lambda statement: names(statement, True))


def _names(kind: str, text: Text, role: Role, certain: bool) -> bool:
    if kind == "*":
        return True
    if kind != "AWS":
        return False
    if text == role.arn:
        return True
    return not certain and may_be_role(text, role)
