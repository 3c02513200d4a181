"""Which sessions a trust policy admits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import z3

from session_scoping.contract.tags import POD_IDENTITY_TAGS, is_tag_character
from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Text, Unmodelled, Variable, Wildcard, show
from session_scoping.verify.policies.actions import ASSUME, TAG_SESSION
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, REQUEST_TAG, covers_action
from session_scoping.verify.symbolic.access import Target, encode_statement
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.strings import (
    TRUE,
    Bool,
    Match,
    conjunction,
    disjunction,
    negation,
    token_may_hold,
)

_LIKE, _NOT_LIKE = {"stringlike"}, {"stringnotlike", "stringnotlikeifexists"}


@dataclass(frozen=True)
class Admission:
    """
    One symbolic session with the formula that the trust policy lets it be made.

    Attributes:
        formula: True at least for every session the trust admits.
    """

    session: Session
    call: Call
    formula: Bool


def admit(role: Role, session: Session) -> Admission:
    """
    Encode the AssumeRole call that makes a session.

    Whether the caller's own policies allow the call is left open: every principal the trust names may try.

    Raises:
        UnmodelledError: A trust statement is not modelled.
    """
    call = Call(f"{session.label} mint", minted=session)
    target = Target(lambda _pattern: Match.exact(TRUE))
    ways = [permits(role, call, action, target) for action in ASSUME]
    tagged = permits(role, call, TAG_SESSION, target)
    formula = conjunction([session.domain(), disjunction(ways), disjunction([negation(session.any_tag()), tagged])])
    return Admission(session, call, formula)


def permits(role: Role, call: Call, action: str, target: Target) -> Bool:
    """Return when the trust policy lets an action through, whoever of its principals asks."""
    grants = [
        conjunction([encode_statement(s, call, action, target), *_set_by_service(s, call.minted)])
        for s in role.trust
        if s.allow
    ]
    refusals = [encode_statement(s, call, action, target) for s in role.trust if not s.allow and _for_everybody(s)]
    return conjunction([disjunction(grants), negation(disjunction(refusals))])


def _set_by_service(statement: Statement, session: Session | None) -> list[Bool]:
    """
    Return what the only principal of a statement says of the tags it passes.

    Source: EKS guide, pod-id-abac: EKS Pod Identity adds six tags to each session, all transitive, and no other.
    """
    if session is None or not takes_pods_only(statement):
        return []
    found: list[Bool] = []
    for key in session.keys:
        named = z3.InRe(session.value(key), _NAMES.get(key, z3.Plus(z3.AllChar(z3.ReSort(z3.StringSort())))))
        found.append(conjunction([session.carried(key), named]) if key in _POD else negation(session.carried(key)))
    return found


def takes_pods_only(statement: Statement) -> bool:
    """Whether a statement of a trust policy takes pods of EKS Pod Identity and nobody else."""
    services = [show(text) for kind, text in statement.principals if kind == "Service"]
    return len(services) == len(statement.principals) > 0 and set(services) == {"pods.eks.amazonaws.com"}


_POD = frozenset(POD_IDENTITY_TAGS)
_SIGN = z3.Union(z3.Range("a", "z"), z3.Range("0", "9"))
_LABEL = z3.Concat(_SIGN, z3.Option(z3.Concat(z3.Star(z3.Union(_SIGN, z3.Re("-"))), _SIGN)))
_SUBDOMAIN = z3.Concat(_LABEL, z3.Star(z3.Concat(z3.Re("."), _LABEL)))
# Source: Kubernetes, "Object Names and IDs": a namespace is a DNS label, the others are DNS subdomains.
_NAMES = {
    "kubernetes-namespace": _LABEL,
    "kubernetes-pod-name": _SUBDOMAIN,
    "kubernetes-service-account": _SUBDOMAIN,
}


def _for_everybody(statement: Statement) -> bool:
    """Whether a Deny of a trust policy holds for every caller; one for some callers is left out."""
    return any(kind == "*" for kind, _ in statement.principals) and not statement.not_principal


def tag_may_hold(role: Role, variable: Variable, character: str, inherited: Mapping[str, Text] | None = None) -> bool:
    """
    Whether a policy variable's value can hold a character, as far as STS, the role's tags and the trust policy say.

    Every way to make a session must exclude it: each Allow statement for AssumeRole carries
    `StringNotLike aws:RequestTag/<key>` with a value `*<character>*`, or each one for TagSession does; or a Deny for
    everybody refuses such a value. Its sessions may show the tags `inherited` from the role. Default: all it has.
    """
    if not variable.key.startswith(PRINCIPAL_TAG):
        return True
    if not is_tag_character(character):
        return False
    entering = [s for s in role.trust if s.allow]
    if entering and all(map(takes_pods_only, entering)) and variable.key.removeprefix(PRINCIPAL_TAG) in _NAMES:
        return character.isalnum() or character in "-."
    key = variable.key.removeprefix(PRINCIPAL_TAG)
    own = (role.tags if inherited is None else inherited).get(key, ())
    if any(character in part if isinstance(part, str) else token_may_hold(part, character) for part in own):
        return True
    assume = [s for s in role.trust if s.allow and any(covers_action(s, action) for action in ASSUME)]
    tagging = [s for s in role.trust if s.allow and covers_action(s, TAG_SESSION)]
    ways = [action for action in ASSUME if any(covers_action(s, action) for s in assume)]
    if any(_refuses(statement, key, character, ways) for statement in role.trust if not statement.allow):
        return False
    return not any(
        group and all(_excludes(statement, key, character) for statement in group) for group in (assume, tagging)
    )


def tag_width(role: Role, variable: Variable, inherited: Mapping[str, Text]) -> int:
    """Return how many characters a variable's value always has by what the trust policy demands; 0 where it varies."""
    key = variable.key.removeprefix(PRINCIPAL_TAG)
    if not variable.key.startswith(PRINCIPAL_TAG) or key in inherited:
        return 0
    assume = [s for s in role.trust if s.allow and any(covers_action(s, action) for action in ASSUME)]
    tagging = [s for s in role.trust if s.allow and covers_action(s, TAG_SESSION)]
    widths = [{_demanded_width(statement, key) for statement in group} for group in (assume, tagging)]
    return next((found.pop() for found in widths if len(found) == 1), 0)


def _demanded_width(statement: Statement, key: str) -> int:
    for condition in statement.conditions:
        operator = condition.operator.lower()
        if condition.key.lower() == f"{REQUEST_TAG}{key}" and operator in {"stringlike", "stringequals"}:
            patterns = [parsed(value, statement.variables, operator == "stringlike") for value in condition.values]
            widths = {0 if isinstance(pattern, Unmodelled) else _width(pattern) for pattern in patterns}
            if len(widths) == 1:
                return widths.pop()
    return 0


def _width(pattern: Pattern) -> int:
    signs = [len(part) if isinstance(part, str) else int(part == Wildcard("?")) for part in pattern]
    return sum(signs) if all(signs) else 0


def _refuses(statement: Statement, key: str, character: str, ways: Sequence[str]) -> bool:
    """Whether a Deny keeps every session out whose tag holds a character, whichever way in is open, and no less."""
    actions = covers_action(statement, TAG_SESSION) or all(covers_action(statement, action) for action in ways)
    if statement.problem or statement.template_conditions or not (actions and _for_everybody(statement)):
        return False
    return len(statement.conditions) == 1 and _compares(statement, key, character, _LIKE)


def _excludes(statement: Statement, key: str, character: str) -> bool:
    return _compares(statement, key, character, _NOT_LIKE)


def _compares(statement: Statement, key: str, character: str, operators: set[str]) -> bool:
    """Whether a statement compares a tag with the pattern of every value that holds a character."""
    star = Wildcard("*")
    for condition in statement.conditions:
        if condition.key.lower() != f"{REQUEST_TAG}{key}" or condition.operator.lower() not in operators:
            continue
        for value in condition.values:
            pattern = parsed(value, statement.variables, True)
            if not isinstance(pattern, Unmodelled) and pattern == (star, character, star):
                return True
    return False


def lacks_tag(admission: Admission, key: str) -> Bool:
    """Return the formula that a session lacks a usable value for a tag."""
    session = admission.session
    return z3.Or(z3.Not(session.carried(key)), session.value(key) == z3.StringVal(""))
