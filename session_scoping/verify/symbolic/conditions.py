"""Condition blocks as formulas, over-approximated for an Allow and under-approximated for a Deny."""

import itertools
import re
from collections.abc import Callable
from decimal import Decimal

import z3

from session_scoping.aws.keys import is_list
from session_scoping.aws.table import tabled_services
from session_scoping.verify.patterns.matching import parsed, pattern_regex
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, plain
from session_scoping.verify.policies.conditions import UnmodelledOperatorError, is_negated, moment, split_operator
from session_scoping.verify.policies.model import Condition
from session_scoping.verify.policies.statement_queries import OTHER_TAG, PRINCIPAL_TAG, REQUEST_TAG
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.request_keys import Key, PathAbove
from session_scoping.verify.symbolic.strings import (
    FALSE,
    TRUE,
    Bool,
    Match,
    conjunction,
    disjunction,
    either,
    match_string,
    negation,
)

LEADING_KEYS = "dynamodb:leadingkeys"
_TAG_LISTS = {"aws:tagkeys", "sts:transitivetagkeys"}
_NAMESPACES = {
    "aws", "cloudwatch", "logs", "sns", "sqs", "cognito-identity.amazonaws.com", "saml", *tabled_services(),
}  # fmt: skip
_fresh = itertools.count()


class UnmodelledError(Exception):
    """Something the prover does not model; whatever depends on it is UNKNOWN."""


class ResourceTagError(UnmodelledError):
    """
    A request gets through where the resource has a tag that the policies ask for.

    Args:
        what: The request, and the tag.
        why: Why the tag decides nothing.
    """

    def __init__(
        self, what: str, why: str = "which tags it has, and who changes them, is not in the templates"
    ) -> None:
        super().__init__(f"{what}; {why}")
        self.what = what


def encode_condition(condition: Condition, call: Call, action: str = "", *, over: bool, variables: bool) -> Bool:
    """
    Return a formula for one key of a Condition block, for any action where none is given.

    With `over` (Allow) the truth implies the formula; otherwise the formula implies the truth (Deny).

    Raises:
        UnmodelledError: The operator, the key or a value is not modelled.
    """
    try:
        quantifier, base, if_exists = split_operator(condition.operator)
    except UnmodelledOperatorError as error:
        raise UnmodelledError(f"the condition operator {error} is not modelled") from error
    key = condition.key.lower()
    _check_key(key, quantifier, base, condition)
    if is_list(key) and key != LEADING_KEYS and (key not in _TAG_LISTS or not call.minted):
        if not call.may_carry(key, action):
            return _absent(condition, quantifier, base, if_exists, over)
        return _atom(condition, call)
    if _of_issuer(key):
        # What a token says beside the tags decides nothing about them; `session-tags` reads it from the statement.
        return _atom(condition, call)
    if base.startswith("date") and not is_list(key):
        return _dated(condition, key, base, call, quantifier=quantifier, if_exists=if_exists, over=over)
    patterns = _patterns(condition, base, variables)
    elements = _elements(key, patterns, base, call, action)
    if base == "null":
        return _null(condition, [there for there, _ in elements])
    if not base.startswith(("string", "arn", "bool")):
        return _atom(condition, call)
    return _combine(elements, quantifier, is_negated(base), if_exists, over)


def _check_key(key: str, quantifier: str, base: str, condition: Condition) -> None:
    namespace = key.partition(":")[0]
    if (namespace not in _NAMESPACES or ":" not in key) and not _of_issuer(key):
        raise UnmodelledError(f"the condition key {condition.key} is not modelled")
    if key.endswith("partitionkeyvalues"):
        raise UnmodelledError(f"the condition key {condition.key} is defined for no action")
    if is_list(key) and not quantifier and base != "null":
        raise UnmodelledError(f"{condition.operator} on the multivalued key {condition.key} has no set operator")


def _of_issuer(key: str) -> bool:
    """Whether a key is a claim of an OpenID Connect token, `<issuer>:aud`. Source: IAM guide, iam-condition-keys."""
    issuer, _, claim = key.rpartition(":")
    return "." in issuer and claim in {"aud", "sub"}


def _patterns(condition: Condition, base: str, variables: bool) -> list[Pattern]:
    found: list[Pattern] = []
    with_wildcards = base.endswith("like") or base.startswith("arn")
    for text in condition.values:
        pattern = parsed(text, variables, with_wildcards)
        if isinstance(pattern, Unmodelled):
            raise UnmodelledError(pattern.reason)
        check_variables(pattern)
        found.append(pattern)
    return found


def check_variables(pattern: Pattern) -> None:
    """
    Refuse what no proof may rest on: a policy variable with a default value.

    Raises:
        UnmodelledError: The pattern has one.
    """
    for part in pattern:
        if isinstance(part, Variable) and part.default is not None:
            raise UnmodelledError(f"the policy variable {part.key} has a default value, which sessions would share")


_Element = tuple[Bool, Callable[[], Match]]


def _absent(condition: Condition, quantifier: str, base: str, if_exists: bool, over: bool) -> Bool:
    """Return what a condition comes to for a key that the request cannot carry."""
    return _null(condition, []) if base == "null" else _combine([], quantifier, is_negated(base), if_exists, over)


def _elements(key: str, patterns: list[Pattern], base: str, call: Call, action: str) -> list[_Element]:
    """Return the values the key may have: whether each is there, and how the patterns match it."""
    if key == LEADING_KEYS:
        if not call.may_carry(key, action):
            return []
        return [
            (there, lambda k=k: either(_match_key(p, base, k, call) for p in patterns))  # type: ignore[misc]
            for there, k in call.leading_keys
        ]
    if key in call.keyed:
        if not call.may_carry(key, action):
            return []
        there, named = call.keyed[key]
        return [(there, lambda: either(_match_key(p, base, named, call) for p in patterns))]
    if key in _TAG_LISTS:
        return _tag_elements(key, patterns, call.minted) if call.minted else []
    there, value = call.single(key, action)
    return [(there, lambda: either(_match_value(p, base, value, call) for p in patterns))]


def _match_key(pattern: Pattern, base: str, key: Key | PathAbove, call: Call) -> Match:
    match = key.match(pattern, call.lookup)
    if _may_be_wide(pattern, base):
        return Match(TRUE, FALSE, match.present)
    if base in {"stringequals", "stringnotequals", "stringlike", "stringnotlike"}:
        return match
    # Without letter case more keys match; under ARN operators fewer do, as for single values.
    return Match(match.over if base.startswith("arn") else TRUE, FALSE, match.present)


def _dated(
    condition: Condition, key: str, base: str, call: Call, *, quantifier: str, if_exists: bool, over: bool
) -> Bool:
    """Return a date operator on one instant; a value that is none, or known at deploy time only, may hold at will."""
    instants = [instant_of(text) for text in condition.values]
    if key in call.fixed or key.startswith((PRINCIPAL_TAG, REQUEST_TAG)) or None in instants:
        return _atom(condition, call)
    there, value = call.moment(key)
    compare = _COMPARISONS[base.removeprefix("date").replace("not", "")]
    match = Match.exact(disjunction([compare(value, z3.RealVal(str(instant))) for instant in instants]))
    return _combine([(there, lambda: match)], quantifier, is_negated(base), if_exists, over)


_COMPARISONS: dict[str, Callable[[z3.ArithRef, z3.ArithRef], Bool]] = {
    "equals": lambda value, instant: value == instant,
    "lessthan": lambda value, instant: value < instant,
    "lessthanequals": lambda value, instant: value <= instant,
    "greaterthan": lambda value, instant: value > instant,
    "greaterthanequals": lambda value, instant: value >= instant,
}


# The forms of IAM's dates that leave nothing open: a year, a day or a time without zone can be read in several ways.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)|\d{9,11}")


def instant_of(text: Text) -> Decimal | None:
    """Return a date of a policy as seconds since 1970, exactly; None when no proof may rest on how it is read."""
    found = plain(text)
    try:
        return moment(found) if found is not None and _INSTANT.fullmatch(found) else None
    except ValueError:
        return None


def _may_be_wide(pattern: Pattern, base: str) -> bool:
    """Whether a part that is only known at deploy time may hold a wildcard that this operator heeds."""
    heeds = base.endswith("like") or base.startswith("arn")
    return heeds and any(isinstance(part, Token) and part.kind == "free" for part in pattern)


def _match_value(pattern: Pattern, base: str, value: z3.SeqRef, call: Call) -> Match:
    if base == "bool" or base.endswith("ignorecase"):
        return _ignoring_case(pattern, value)
    match = match_string(pattern, value, call.lookup)
    if _may_be_wide(pattern, base):
        return Match(TRUE, FALSE, match.present)
    # ARN operators compare six fields, each within its colons; matching the whole text allows more.
    return match if base.startswith("string") else Match(match.over, FALSE, match.present)


def _ignoring_case(pattern: Pattern, value: z3.SeqRef) -> Match:
    text = plain(pattern) if all(isinstance(part, str) for part in pattern) else None  # type: ignore[arg-type]
    if text is None:
        return Match(TRUE, FALSE)
    letters = [z3.Union(z3.Re(c.lower()), z3.Re(c.upper())) if c.lower() != c.upper() else z3.Re(c) for c in text]
    regex = z3.Concat(*letters) if len(letters) > 1 else letters[0] if letters else z3.Re("")
    return Match.exact(z3.InRe(value, regex))


def _tag_elements(key: str, patterns: list[Pattern], session: Session) -> list[_Element]:
    found: list[_Element] = []
    for name, spelling in session.keys.items():
        there = session.carried(name) if key == "aws:tagkeys" else session.transitive(name)
        hit = any(_key_matches(pattern, spelling) for pattern in patterns)
        # Letter case of a tag key is the caller's choice: only "matches in some spelling" is known.
        match = Match(z3.BoolVal(hit), FALSE if hit and name != OTHER_TAG else z3.BoolVal(hit))
        found.append((there, lambda match=match: match))  # type: ignore[misc]
    return found


def _key_matches(pattern: Pattern, spelling: str) -> bool:
    if any(not isinstance(part, str | Wildcard) for part in pattern):
        raise UnmodelledError("a list of tag keys holds a policy variable or a deploy-time value")
    return re.fullmatch(pattern_regex(pattern, {}), spelling, re.IGNORECASE | re.DOTALL) is not None


def _null(condition: Condition, there: list[Bool]) -> Bool:
    wanted = {(_plain_or_empty(text)).lower() for text in condition.values}
    exists = disjunction(there)
    return disjunction([*([negation(exists)] if "true" in wanted else []), *([exists] if "false" in wanted else [])])


def _plain_or_empty(text: Text) -> str:
    found = plain(text)
    if found is None:
        raise UnmodelledError("the value of a Null condition is only known at deploy time")
    return found


def _combine(elements: list[_Element], quantifier: str, negated: bool, if_exists: bool, over: bool) -> Bool:
    missing = negation(disjunction([there for there, _ in elements]))

    def holds(match: Match) -> Bool:
        if not negated:
            return match.over if over else match.under
        if over:
            return negation(match.under)
        # A negated operator with a missing variable: undocumented for ForAnyValue, so a Deny may not rest on it.
        return conjunction([match.present, negation(match.over)])

    if quantifier == "forallvalues":
        return conjunction([disjunction([negation(there), holds(match())]) for there, match in elements])
    some = disjunction([conjunction([there, holds(match())]) for there, match in elements])
    if quantifier:
        # Undocumented whether ForAnyValue with IfExists holds for a missing key: an Allow may, a Deny may not.
        return disjunction([missing, some]) if if_exists and over else some
    return disjunction([missing, some]) if if_exists or negated else some


def _atom(condition: Condition, call: Call) -> Bool:
    """Return a formula that may be true or false at will: sound in an Allow and in a Deny alike."""
    name = f"{call.label} atom {next(_fresh)}"
    call.atoms[name] = (condition, True)
    return z3.Bool(name)
