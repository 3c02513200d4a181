"""Evaluates the Condition block of a statement for one concrete request, by the documented rules."""

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from session_scoping.verify.patterns.matching import (
    Many,
    MissingVariableError,
    Values,
    arn_matches,
    parsed,
    pattern_regex,
    text_matches,
)
from session_scoping.verify.patterns.text import Pattern, Text, Unmodelled
from session_scoping.verify.policies.model import Condition

_Test = Callable[[Text, str, Values, bool], bool]


def _equals(text: Text, value: str, context: Values, variables: bool) -> bool:
    return text_matches(text, value, context, variables=variables, wildcards=False)


def _equals_ignore_case(text: Text, value: str, context: Values, variables: bool) -> bool:
    lowered = {key: [item.lower() for item in items] for key, items in context.items()}
    folded = tuple(part.lower() if isinstance(part, str) else part for part in text)
    return text_matches(folded, value.lower(), lowered, variables=variables, wildcards=False)


def _like(text: Text, value: str, context: Values, variables: bool) -> bool:
    return text_matches(text, value, context, variables=variables)


def _arn(text: Text, value: str, context: Values, variables: bool) -> bool:
    return arn_matches(text, value, context, variables=variables)


def _literal(text: Text) -> str:
    return "".join(part for part in text if isinstance(part, str))


def _number(compare: Callable[[float, float], bool]) -> _Test:
    def test(text: Text, value: str, _context: Values, _variables: bool) -> bool:
        try:
            return compare(float(value), float(_literal(text)))
        except ValueError:
            return False

    return test


def moment(text: str) -> Decimal:
    """
    Return a date as seconds since 1970, exactly.

    Raises:
        ValueError: It is no date.

    Source:
        IAM reference_policies_elements_condition_operators, date operators: ISO 8601 or seconds since 1970.
    """
    if _EPOCH.fullmatch(text):
        return Decimal(text)
    found = datetime.fromisoformat(text)
    passed = (found if found.tzinfo else found.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(passed.days * 86400 + passed.seconds) + Decimal(passed.microseconds) / 1_000_000


_EPOCH = re.compile(r"-?\d+(?:\.\d+)?")


def _date(compare: Callable[[Decimal, Decimal], bool]) -> _Test:
    def test(text: Text, value: str, _context: Values, _variables: bool) -> bool:
        try:
            return compare(moment(value), moment(_literal(text)))
        except ValueError:
            return False

    return test


def _bool(text: Text, value: str, _context: Values, _variables: bool) -> bool:
    return _literal(text).lower() == value.lower()


def _binary(text: Text, value: str, _context: Values, _variables: bool) -> bool:
    return _literal(text) == value


def _ip(text: Text, value: str, _context: Values, _variables: bool) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(_literal(text), strict=False)
    except ValueError:
        return False


# Operator in lower case -> the positive test, and whether the operator negates it.
_OPERATORS: dict[str, tuple[_Test, bool]] = {
    "stringequals": (_equals, False),
    "stringnotequals": (_equals, True),
    "stringequalsignorecase": (_equals_ignore_case, False),
    "stringnotequalsignorecase": (_equals_ignore_case, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "arnequals": (_arn, False),
    "arnlike": (_arn, False),
    "arnnotequals": (_arn, True),
    "arnnotlike": (_arn, True),
    "numericequals": (_number(lambda a, b: a == b), False),
    "numericnotequals": (_number(lambda a, b: a == b), True),
    "numericlessthan": (_number(lambda a, b: a < b), False),
    "numericlessthanequals": (_number(lambda a, b: a <= b), False),
    "numericgreaterthan": (_number(lambda a, b: a > b), False),
    "numericgreaterthanequals": (_number(lambda a, b: a >= b), False),
    "dateequals": (_date(lambda a, b: a == b), False),
    "datenotequals": (_date(lambda a, b: a == b), True),
    "datelessthan": (_date(lambda a, b: a < b), False),
    "datelessthanequals": (_date(lambda a, b: a <= b), False),
    "dategreaterthan": (_date(lambda a, b: a > b), False),
    "dategreaterthanequals": (_date(lambda a, b: a >= b), False),
    "bool": (_bool, False),
    "binaryequals": (_binary, False),
    "ipaddress": (_ip, False),
    "notipaddress": (_ip, True),
}


class UnmodelledOperatorError(Exception):
    """A condition operator the documentation does not name."""


def split_operator(operator: str) -> tuple[str, str, bool]:
    """
    Return set operator (`forallvalues`, `foranyvalue` or ``), base operator and IfExists, in lower case.

    Raises:
        UnmodelledOperatorError: IAM documents no such operator.
    """
    prefix, colon, base = operator.lower().rpartition(":")
    if_exists = base.endswith("ifexists")
    base = base.removesuffix("ifexists")
    if (base not in _OPERATORS and base != "null") or (base == "null" and (if_exists or colon)):
        raise UnmodelledOperatorError(operator)
    if colon and prefix not in {"forallvalues", "foranyvalue"}:
        raise UnmodelledOperatorError(operator)
    return prefix, base, if_exists


def is_negated(base: str) -> bool:
    """Whether a base operator is the negation of another one."""
    return base != "null" and _OPERATORS[base][1]


def condition_holds(condition: Condition, context: Values, *, variables: bool) -> bool:
    """
    Whether one key of a Condition block is satisfied.

    Raises:
        UnmodelledOperatorError: The operator is not one IAM documents.

    Source:
        IAM reference_policies_elements_condition_operators and
        reference_policies_condition-single-vs-multi-valued-context-keys.
    """
    quantifier, base, if_exists = split_operator(condition.operator)
    values = context.get(condition.key.lower(), ())
    if base == "null":
        wanted = {_literal(text).lower() for text in condition.values}
        return str(not values).lower() in wanted
    if not values:
        if if_exists:
            return True
        return is_negated(base) if not quantifier else quantifier == "forallvalues"
    if isinstance(values, Many) and not quantifier:
        # The documentation demands a set operator and does not say what happens without; the prover says UNKNOWN.
        return False
    test, negated = _OPERATORS[base]
    texts = [text for text in condition.values if _resolves(text, context, variables, base)]
    if quantifier == "foranyvalue" and negated and not texts:
        # Undocumented when every value of the policy is a missing variable; the prover relies on neither reading.
        return False

    def one(value: str) -> bool:
        return any(test(text, value, context, variables) for text in texts) != negated

    return any(map(one, values)) if quantifier == "foranyvalue" else all(map(one, values))


def _resolves(text: Text, context: Values, variables: bool, base: str) -> bool:
    """Whether all policy variables of a value are in the request; variables belong to string and ARN operators."""
    if not base.startswith(("string", "arn")):
        return True
    pattern: Pattern | Unmodelled = parsed(text, variables, True)
    if isinstance(pattern, Unmodelled):
        raise TypeError(pattern.reason)
    try:
        pattern_regex(pattern, context)
    except MissingVariableError:
        return False
    return True
