"""`decide`: one request against concrete policies, with the statement that decided it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.matching import (
    Many,
    MissingVariableError,
    Values,
    action_matches,
    parsed,
    pattern_regex,
    text_matches,
)
from session_scoping.verify.patterns.text import Part, Text, Unmodelled, Variable, Wildcard, plain
from session_scoping.verify.policies.conditions import condition_holds
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statements import parse_policy

_SESSION_ARN = re.compile(r"arn:([^:]+):sts::(\d+):assumed-role/(.+)/([^/]+)")


@dataclass(frozen=True)
class Request:
    """
    One call to AWS.

    Attributes:
        action: Service and action, such as `dynamodb:GetItem`.
        resource: ARN of what it acts on.
        context: Condition key -> value or values. Session tags are `aws:PrincipalTag/<key>`. Keys ignore case.
        principal: ARN of the role (not of its session) that calls. Default: unknown, matched by `*` only.
        session_name: Name of the role session. Default: none.
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    principal: str = ""
    session_name: str = ""

    def values(self) -> Values:
        """Return the context with keys in lower case and every value as a list."""
        return {key.lower(): (value,) if isinstance(value, str) else Many(value) for key, value in self.context.items()}


@dataclass(frozen=True)
class PolicySet:
    """
    The policies that apply to one request, all concrete.

    Attributes:
        identity: Statements of the caller's identity policies.
        boundary: Statements of the permissions boundary. Default: there is none.
        resource: Statements of the policy on the resource. Default: there is none.
        resource_must_allow: Whether the resource policy has to allow as well (trust policies, KMS keys).
    """

    identity: tuple[Statement, ...] = ()
    boundary: tuple[Statement, ...] | None = None
    resource: tuple[Statement, ...] = ()
    resource_must_allow: bool = False


@dataclass(frozen=True)
class Decision:
    """
    The answer and why.

    Attributes:
        allowed: Whether IAM lets the request through.
        reason: `allow`, `explicit deny` or `implicit deny`.
        statement: The statement that decided. None for an implicit deny.
    """

    allowed: bool
    reason: str
    statement: Statement | None = None

    def __str__(self) -> str:
        where = f" by {self.statement.where}" if self.statement else ": no statement allows it"
        return f"{self.reason}{where}"


def decide(request: Request, policies: PolicySet) -> Decision:
    """
    Evaluate one request in one account.

    Returns:
        An explicit deny anywhere wins; else an allow by the identity policies, or by a resource policy that
        names the caller, inside the permissions boundary if there is one; else an implicit deny.

    Raises:
        UnmodelledOperatorError: A condition uses an operator IAM does not document.

    Source:
        IAM reference_policies_evaluation-logic, "Policy evaluation for requests within a single account".
        Organization policies (SCP, RCP), session policies and VPC endpoint policies only take away and are
        not part of a template.
    """
    values = request.values()
    named = [(statement, _names_caller(statement, request)) for statement in policies.resource]
    everything = (*policies.identity, *(policies.boundary or ()), *(s for s, how in named if how))
    for statement in everything:
        if not statement.allow and applies(statement, request, values):
            return Decision(False, "explicit deny", statement)
    by_identity = _first(policies.identity, request, values)
    bounded = policies.boundary is None or _first(policies.boundary, request, values) is not None
    granting = [
        (s, how)
        for s, how in named
        if how and s.allow and applies(s, request, values) and (bounded or how == "session")
    ]
    # One that names the account only counts where none names the caller itself.
    by_resource = min(granting, key=lambda found: found[1] == "account", default=None)
    if policies.resource_must_allow:
        if by_resource and (by_resource[1] != "account" or (by_identity and bounded)):
            return Decision(True, "allow", by_resource[0])
        return Decision(False, "implicit deny")
    if by_identity and bounded:
        return Decision(True, "allow", by_identity)
    if by_resource and by_resource[1] != "account":
        return Decision(True, "allow", by_resource[0])
    return Decision(False, "implicit deny")


def _first(statements: Iterable[Statement], request: Request, values: Values) -> Statement | None:
    return next((s for s in statements if s.allow and applies(s, request, values)), None)


def applies(statement: Statement, request: Request, values: Values) -> bool:
    """Whether a statement's action, resource and conditions all match a request; principals are not looked at."""
    if statement.problem:
        return not statement.allow and _action_applies(statement, request.action)
    return (
        _action_applies(statement, request.action)
        and _resource_applies(statement, request.resource, values)
        and all(condition_holds(c, values, variables=statement.variables) for c in statement.conditions)
    )


def _action_applies(statement: Statement, action: str) -> bool:
    if statement.actions is not None:
        return any(action_matches(pattern, action) for pattern in statement.actions)
    return not any(action_matches(pattern, action) for pattern in statement.not_actions)


def _resource_applies(statement: Statement, resource: str, values: Values) -> bool:
    if statement.any_resource:
        return True
    if statement.resources is not None:
        return any(_resource_matches(text, resource, values, statement) for text in statement.resources)
    # A NotResource entry with a missing variable: documented to match nothing, ambiguous for the statement as a
    # whole. Where it could not match whatever the variable held, the statement applies; else it does not. The
    # prover relies on neither reading.
    return not any(_could_match(text, resource, values, statement) for text in statement.not_resources)


def _resource_matches(text: Text, resource: str, values: Values, statement: Statement) -> bool:
    try:
        return text_matches(text, resource, values, variables=statement.variables)
    except MissingVariableError:
        return False


def _could_match(text: Text, resource: str, values: Values, statement: Statement) -> bool:
    pattern = parsed(text, statement.variables, True)
    if isinstance(pattern, Unmodelled):
        raise TypeError(pattern.reason)
    filled = tuple(Wildcard("*") if _missing(part, values) else part for part in pattern)
    return re.fullmatch(pattern_regex(filled, values), resource, re.DOTALL) is not None


def _missing(part: Part, values: Values) -> bool:
    return isinstance(part, Variable) and part.default is None and len(values.get(part.key, ())) != 1


def _names_caller(statement: Statement, request: Request) -> str:
    """Return how a resource policy's statement names the caller: `session`, `role`, `account` or not at all."""
    hits = {_names(kind, plain(text) or "", request) for kind, text in statement.principals} - {""}
    if statement.not_principal:
        return "" if hits else "role"
    return next((how for how in ("session", "role", "account") if how in hits), "")


def _names(kind: str, name: str, request: Request) -> str:
    if kind == "*":
        # "Permissions boundaries and session policies do not limit permissions granted using the aws:PrincipalArn
        # condition key with a wildcard(*) in the Principal element": IAM reference_policies_elements_principal, "IAM
        # role principals". The prover goes further: to it no boundary limits what any resource policy grants.
        return "session"
    if kind != "AWS" or not request.principal:
        return ""
    fields = request.principal.split(":")
    account = fields[4] if len(fields) > 4 else ""
    if name in {account, ":".join([*fields[:4], account, "root"])}:
        return "account"
    if name == request.principal:
        return "role"
    session = _SESSION_ARN.fullmatch(name)
    role_name = request.principal.rpartition("/")[2]
    return "session" if session and session[3] == role_name and session[4] == request.session_name else ""


def statements_of(document: dict[str, Any], name: str = "policy", *, trust: bool = False) -> tuple[Statement, ...]:
    """
    Parse a policy document as IAM stores it.

    Args:
        document: The document.
        name: What to call it when one of its statements decides. Default: `policy`.
        trust: Whether it is a trust policy, whose statements name no resource. Default: it is not.
    """
    return parse_policy(document, Scope(name, {"Resources": {}}, deployed=False), name, trust=trust)


def session_policy_of(text: str) -> tuple[Statement, ...]:
    """
    Return the statements of a session policy.

    Raises:
        InvalidInputError: STS would refuse it, or read it otherwise than its author.
    """
    return statements_of(json.loads(parse_session_policy(text)), "the session policy")
