"""`token-vault`: a role takes tokens for its own workload identity, from its own providers, and of its own user."""

from collections.abc import Iterator
from dataclasses import dataclass

import z3

from session_scoping.aws.token_vault import COMPLETE, TOKEN_FOR_JWT, TOKEN_FOR_USER_ID, VENDING
from session_scoping.contract.metadata import TOKEN_VAULT, TOKEN_VAULT_USER
from session_scoping.verify.patterns.matching import action_matches, parsed
from session_scoping.verify.patterns.naming import is_open
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, plain
from session_scoping.verify.policies.model import Deployment, Role, Statement
from session_scoping.verify.policies.statement_queries import OTHER_TAG, PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.base import Proof, Witness, representative_actions
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.symbolic.access import Target, resource_pattern
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.strings import (
    TRUE,
    Bool,
    Match,
    concat,
    conjunction,
    disjunction,
    match_string,
    negation,
    string_value,
    token_domain,
)
from session_scoping.verify.symbolic.targets import ALWAYS

RULE = "token-vault"
DEFAULT_TAG = "user_id"
_USER_ID = "bedrock-agentcore:userid"
_ISSUER = "bedrock-agentcore:inboundjwtclaim/iss"
_FOREIGN_ISSUER = "https://another-issuer.example"
# A role that only gets its own runtime's workload access token can spend it nowhere.
_SPENDING = tuple(action for action in VENDING if "GetWorkloadAccessToken" not in action or action == TOKEN_FOR_USER_ID)


def find_vault_roles(deployment: Deployment, agents: list[Role]) -> list[Role]:
    """Return the roles that take tokens: agent code's where any Allow covers it, others that spell it out."""
    return [role for role in deployment.roles.values() if any(_grants(one, role in agents) for one in role.identity)]


def _grants(statement: Statement, is_agent: bool) -> bool:
    if not statement.allow or statement.problem:
        return False
    if is_agent:
        return any(covers_action(statement, action) for action in _SPENDING)
    spelt = [text for text in statement.actions or () if text.lower().startswith("bedrock-agentcore:")]
    return any(action_matches(text, action) for text in spelt for action in _SPENDING)


def without_tags(deployment: Deployment, role: Role) -> Proof:
    """Return the proof of a role whose sessions may carry any tag, or none."""
    spelling = {OTHER_TAG: OTHER_TAG, **{key.lower(): key for key in _tags_named(role)}}
    return Proof(deployment, SessionScope(role, (), spelling, []))


@dataclass(frozen=True)
class _Caller:
    """A symbolic session of the role, and a request of it."""

    call: Call
    given: Bool


def prove_token_vault(proof: Proof, *, admitted: bool, runs_agents: bool) -> Result:
    """
    Prove that no request reaches another identity, provider or user.

    Args:
        proof: The role.
        admitted: Whether the role is a session role, so that its trust policy says what its sessions carry.
        runs_agents: Whether agent code has its credentials. A consent callback speaks for many users by design.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    if problem := next((s.problem for s in proof.role.identity if s.problem), None):
        raise UnmodelledError(problem)
    declared = _declared(proof.role)
    if fault := search(proof, _queries(proof, declared, admitted, runs_agents)):
        return proof.result(RULE, proof.role.label, Status.VIOLATED, fault.summary, counterexample=fault)
    users = "users only as bound" if runs_agents else "agent code does not run with it, so it may speak for users"
    detail = f"reaches the {len(declared)} resources it declares and no other; {users}"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


def _queries(proof: Proof, declared: list[Text], admitted: bool, runs_agents: bool) -> Iterator[Query]:
    for action in representative_actions(proof.role.statements, VENDING):
        caller = _caller(proof, admitted)
        what = f"{action} is allowed on what the role does not declare"
        yield _query(caller, action, declared, TRUE, what)
    for action in (TOKEN_FOR_USER_ID, COMPLETE) if runs_agents else ():
        caller = _caller(proof, admitted)
        for other in _other_users(proof, caller.call):
            yield _query(caller, action, [], other, f"{action} is allowed for another user")
    if runs_agents:
        caller = _caller(proof, admitted)
        there, issuer = caller.call.single(_ISSUER)
        foreign = conjunction([there, issuer == z3.StringVal(_FOREIGN_ISSUER)])
        yield _query(caller, TOKEN_FOR_JWT, [], foreign, f"{TOKEN_FOR_JWT} takes a token of any issuer")


def _caller(proof: Proof, admitted: bool) -> _Caller:
    if admitted:
        admission = proof.admission("A")
        return _Caller(proof.call("A", admission.session), admission.formula)
    session = Session("A", proof.scoped.spelling, proof.role.tags)
    return _Caller(proof.call("A", session), session.domain())


def _other_users(proof: Proof, call: Call) -> list[Bool]:
    """Return what it is to name another user: first one whose id only begins like the own, then any."""
    there, user = call.single(_USER_ID)
    tags = [call.single(f"{PRINCIPAL_TAG}{key.lower()}") for key in _binding_tags(proof.role)]
    own = disjunction([conjunction([has, user == value, value != z3.StringVal("")]) for has, value in tags])
    longer = disjunction([conjunction([has, user == z3.Concat(value, z3.StringVal("2"))]) for has, value in tags])
    return [conjunction([there, longer, negation(own)]), conjunction([there, negation(own)])]


def _binding_tags(role: Role) -> list[str]:
    """Return the tag of users: the one promised, else `user_id` where a policy speaks of it, else the one bound to."""
    promised = role.metadata.get(TOKEN_VAULT_USER)
    if isinstance(promised, tuple) and plain(promised):
        return [str(plain(promised))]
    bindings = [c for s in role.identity if s.allow for c in s.conditions if c.key.lower() == _USER_ID]
    patterns = [_pattern(text) for condition in bindings for text in condition.values]
    alone = [one[0].key for one in patterns if len(one) == 1 and isinstance(one[0], Variable)]
    bound = [key[len(PRINCIPAL_TAG) :] for key in alone if key.lower().startswith(PRINCIPAL_TAG)]
    named = {c.key.lower() for s in role.identity for c in s.conditions}
    if not bound or f"{PRINCIPAL_TAG}{DEFAULT_TAG}" in named:
        return [DEFAULT_TAG]
    return list(dict.fromkeys(bound))


def _pattern(text: Text) -> Pattern:
    found = parsed(text, True, True)
    return () if isinstance(found, Unmodelled) else found


def _tags_named(role: Role) -> list[str]:
    named = [c.key for s in role.identity for c in s.conditions if c.key.lower().startswith(PRINCIPAL_TAG)]
    return [*dict.fromkeys(key[len(PRINCIPAL_TAG) :] for key in named), *_binding_tags(role)]


def _declared(role: Role) -> list[Text]:
    """Return the exact ARNs the role's Metadata promises, else those its Allows name."""
    promised = role.metadata.get(TOKEN_VAULT)
    if isinstance(promised, list):
        if not all(isinstance(one, tuple) for one in promised):
            raise UnmodelledError("the Metadata of the role names a resource that is not understood")
        return list(promised)
    found: dict[Text, None] = {}
    for statement in role.identity:
        if not statement.allow or not any(covers_action(statement, action) for action in VENDING):
            continue
        for text in statement.resources or ():
            pattern = resource_pattern(text, statement)
            if not any(isinstance(part, Wildcard | Variable) for part in pattern):
                found[text] = None
    return list(found)


def _resource_outside(declared: list[Text], call: Call) -> tuple[Target, z3.SeqRef]:
    """Return any ARN but the declared ones, as the target of a call."""
    value = z3.String("the resource of the call")
    known = [concat(arn, call.lookup)[0] for arn in declared]
    tokens = {part for arn in declared for part in arn if isinstance(part, Token)}
    domain = [z3.PrefixOf(z3.StringVal("arn:"), value), *map(token_domain, tokens), *(value != one for one in known)]

    def match(pattern: Pattern) -> Match:
        return ALWAYS if is_open(pattern) else match_string(pattern, value, call.lookup)

    return Target(match, conjunction(domain)), value


def _query(caller: _Caller, action: str, declared: list[Text], formula: Bool, what: str) -> Query:
    target, value = _resource_outside(declared, caller.call)

    def on_it(model: z3.ModelRef) -> list[Witness]:
        return [Witness(action, (string_value(model, value),))]

    given = (target.domain, caller.given, formula)
    return Query(caller.call, action, target, (), what, given, witnesses=on_it, sampled=False)
