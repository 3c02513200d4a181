"""What roles promise of every mint and request of their sessions: a source identity of the tenant, and a VPC."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import z3

from session_scoping.aws.keys import is_list
from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_REGION, BOUND_TO, PINNED_BY
from session_scoping.verify.patterns.naming import is_open
from session_scoping.verify.patterns.text import (
    Pattern,
    Text,
    Token,
    Unmodelled,
    Variable,
    Wildcard,
    lit,
    parse_pattern,
    plain,
    show,
)
from session_scoping.verify.policies.actions import ASSUME, INVOKE
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.base import Proof, Witness, representative_actions
from session_scoping.verify.properties.mints import replay_mint
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.symbolic.access import Target, caller_of, resource_pattern
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Bool, Match, conjunction, match_string
from session_scoping.verify.symbolic.targets import ALWAYS, MAYBE
from session_scoping.verify.symbolic.trust import permits

Broken = Callable[[Call, str], Bool]
"""When a call of an action breaks a promise."""

_FRESH = "Zz9Another"
"""Ends the name of an action that only a wildcard covers."""


def breaking_mint(proof: Proof, broken: Broken, summary: str) -> Counterexample | None:
    """
    Find a session the trust policy admits although the call that makes it breaks a promise.

    Raises:
        UnmodelledError: There is one as far as an approximation can tell.
    """
    admission = proof.admission("A")
    model = solve(admission.formula, broken(admission.call, ASSUME[0]))
    if model is None:
        return None
    found = replay_mint(proof, model, summary)
    if found is None:
        raise UnmodelledError(f"{summary}, as far as the approximation of the trust policy can tell")
    return found


def breaking_request(proof: Proof, broken: Broken, summary: str) -> Counterexample | None:
    """
    Find a request of a session that is allowed although it breaks a promise.

    Raises:
        UnmodelledError: There is one as far as an approximation can tell; `decide` confirms none.
    """
    role, session = _loosened(proof), proof.admission("A").session
    target = Target(lambda pattern: ALWAYS if is_open(pattern) else MAYBE)

    def query(action: str) -> Query:
        call = proof.call("A", session)
        found = partial(_witnesses, role, action, session)
        return Query(
            call, action, target, (), summary, (broken(call, action),), role=role, witnesses=found, sampled=False
        )

    return search(proof, map(query, _probes(role)))


def term_match(text: Text, value: z3.SeqRef, *, wildcards: bool) -> Bool:
    """
    Return when a value is what a promise says, at most.

    Raises:
        UnmodelledError: The text is no pattern.
    """
    pattern = parse_pattern(text, variables=False, wildcards=wildcards)
    if isinstance(pattern, Unmodelled):
        raise UnmodelledError(pattern.reason)
    return match_string(pattern, value, lambda _: (z3.BoolVal(False), z3.StringVal(""))).under


def _loosened(proof: Proof) -> Role:
    """
    Return the role with at least its grants and at most its Denies.

    Lists in a request, such as leading keys, are left out: an Allow may have them right, a Deny may not fire. What
    resource policies grant it counts as its own. A boundary's Denies hold, its Allows are not counted on.
    """
    denies = (*proof.role.identity, *(proof.role.boundary or ()))
    kept = [s for s in denies if not s.allow and not any(is_list(c.key.lower()) for c in s.conditions)]
    direct = [s for store in proof.deployment.stores.values() for s in store.policy if s.allow]
    named = [s for s in direct if not z3.is_false(caller_of(proof.role).may(s))]
    grants = [_without_lists(s) for s in (*proof.role.identity, *named) if s.allow]
    return replace(proof.role, identity=(*grants, *kept), boundary=None)


def _without_lists(statement: Statement) -> Statement:
    return replace(statement, conditions=tuple(c for c in statement.conditions if not is_list(c.key.lower())))


def _probes(role: Role) -> list[str]:
    """
    Return actions that stand for all actions.

    Every literal name, and for every prefix before `*` a name nobody uses: statements tell no other actions apart.

    Raises:
        UnmodelledError: A pattern has a wildcard elsewhere than at its end.
    """
    patterns = {p for s in role.identity for p in (*(s.actions or ()), *s.not_actions)}
    if any(s.allow and s.actions is None for s in role.identity):
        patterns.add("*")
    found = []
    for pattern in sorted(patterns):
        head = pattern.rstrip("*")
        if "*" in head or "?" in head:
            raise UnmodelledError(f"the action pattern {pattern} has a wildcard elsewhere than at its end")
        found.append(pattern if head == pattern else f"{head}{'' if ':' in head else 'zz:'}{_FRESH}")
    granted = [action for action in found if any(s.allow and covers_action(s, action) for s in role.identity)]
    return representative_actions(role.statements, granted)


def _witnesses(role: Role, action: str, session: Session, model: z3.ModelRef) -> Iterator[Witness]:
    """Yield requests that the grants of an action cover, with each tag's value as a leading key in turn."""
    tags = session.read(model)
    for statement in role.identity:
        if not statement.allow or not covers_action(statement, action):
            continue
        for text in statement.resources if statement.resources is not None else (lit("*"),):
            resource = _filled(resource_pattern(text, statement), tags)
            yield Witness(action, resource)
            for value in dict.fromkeys(tags.values()):
                yield Witness(action, resource, leading_keys=(value,))


def _filled(pattern: Pattern, tags: dict[str, str]) -> Text:
    if is_open(pattern):
        return lit("arn:aws:zz:us-east-1:111122223333:zz")
    values = {f"{PRINCIPAL_TAG}{key.lower()}": value for key, value in tags.items()}
    parts: list[str | Token] = []
    for part in pattern:
        if isinstance(part, Variable):
            parts.append(values.get(part.key, "zz"))
        else:
            parts.append("zz" if isinstance(part, Wildcard) else part)
    return tuple(parts)


ATTRIBUTION = "attribution"


def prove_attribution(proof: Proof) -> Result:
    """
    Prove that a role's sessions carry the source identity its Metadata promises, and act with no other.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    role = proof.role
    identity = role.promise(ATTRIBUTED_TO)
    if identity is None:
        raise UnmodelledError(f"the promise {ATTRIBUTED_TO} is only known at deploy time")
    unnamed = f"a session can be made without a source identity of the form {show(identity)}"
    found = breaking_mint(proof, lambda call, _: _missing(call, "sts:sourceidentity", identity), unnamed)
    if found is None:
        acting = f"a session can act without a source identity of the form {show(identity)}"
        found = breaking_request(proof, lambda call, _: _missing(call, "aws:sourceidentity", identity), acting)
    if found is not None:
        return proof.result(ATTRIBUTION, role.label, Status.VIOLATED, found.summary, counterexample=found)
    if not _possible(proof):
        detail = "the trust policy lets nobody set a source identity, so no session can be made"
        return proof.result(ATTRIBUTION, role.label, Status.VACUOUS, detail)
    return proof.result(ATTRIBUTION, role.label, Status.PROVED, f"every session is made, and acts, as {show(identity)}")


def _missing(call: Call, key: str, identity: Text) -> Bool:
    there, value = call.single(key)
    return z3.Or(z3.Not(there), z3.Not(term_match(identity, value, wildcards=True)))


def _possible(proof: Proof) -> bool:
    admission = proof.admission("A")
    target = Target(lambda _: Match.exact(TRUE))
    setting = permits(proof.role, admission.call, "sts:SetSourceIdentity", target)
    return solve(admission.formula, setting) is not None


BINDING = "workload-binding"


def prove_workload_binding(proof: Proof) -> Result:
    """
    Prove that a role's sessions are made and used in the VPC and Region its Metadata promises.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    vpc, region = proof.role.promise(BOUND_TO), proof.role.promise(BOUND_REGION)
    if vpc is None or region is None:
        raise UnmodelledError(f"the promise {BOUND_TO} or {BOUND_REGION} is only known at deploy time")
    found = _found(proof, vpc, region)
    if found is not None:
        return proof.result(BINDING, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    detail = f"sessions are made and used in {show(vpc)}, {show(region)} only, but for calls AWS makes for them"
    return proof.result(BINDING, proof.role.label, Status.PROVED, detail)


def _found(proof: Proof, vpc: Text, region: Text) -> Counterexample | None:
    def away(call: Call, key: str, text: Text) -> Bool:
        there, value = call.single(key)
        return z3.Or(z3.Not(there), z3.Not(term_match(text, value, wildcards=False)))

    def outside(call: Call, _action: str) -> Bool:
        return away(call, "aws:sourcevpc", vpc)

    def abroad(call: Call, _action: str) -> Bool:
        return away(call, "aws:requestedregion", region)

    def abroad_but_inference(call: Call, action: str) -> Bool:
        # Cross-Region inference is authorized where it is routed to.
        return z3.And(abroad(call, action), _direct(call), z3.BoolVal(action not in INVOKE))

    return (
        breaking_mint(proof, outside, "a session can be made from outside the VPC")
        or breaking_mint(proof, abroad, "a session can be made in another Region")
        or breaking_request(
            proof,
            lambda call, action: z3.And(outside(call, action), _direct(call)),
            "a session can be used from outside the VPC",
        )
        or breaking_request(proof, abroad_but_inference, "a session can be used in another Region")
        or _unpinned(proof)
    )


def _unpinned(proof: Proof) -> Counterexample | None:
    text = proof.role.promise(PINNED_BY)
    if text is None and PINNED_BY not in proof.role.metadata:
        return None
    tag = plain(text or ())
    if not tag:
        raise UnmodelledError(f"the promise {PINNED_BY} is only known at deploy time")

    def elsewhere(call: Call, _action: str) -> Bool:
        pinned, address = call.single(f"aws:principaltag/{tag.lower()}")
        there, caller = call.single("aws:vpcsourceip")
        right = conjunction([pinned, address != z3.StringVal(""), there, caller == address])
        return z3.And(z3.Not(right), _direct(call))

    return breaking_request(proof, elsewhere, f"a session can be used from another address than its {tag}")


def _direct(call: Call) -> Bool:
    """Whether the session calls by itself: AWS says so, or says nothing."""
    there, value = call.single("aws:viaawsservice")
    return z3.Or(z3.Not(there), value == z3.StringVal("false"))
