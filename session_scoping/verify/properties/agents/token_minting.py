"""`token-minting`: where tokens decide, no agent code and no session makes a session, or forges what decides."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from session_scoping.aws.effects import Effect, judgement
from session_scoping.contract import metadata as promises
from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.policies.actions import TAG_SESSION, acting_on, everything
from session_scoping.verify.policies.model import Deployment, Role
from session_scoping.verify.policies.statement_queries import (
    MINTING_ENTRY,
    REQUEST_TAG,
    covers_action,
    token_minting_mode,
)
from session_scoping.verify.properties.base import Proof, name_items, representative_actions
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.derivation import role_target
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import SessionScope, scope_without_tags
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import negation
from session_scoping.verify.symbolic.targets import other_target, store_target

RULE = "token-minting"
_ENTRIES = (*MINTING_ENTRY.values(), "sts:AssumeRoleWithSAML")

_ANY = frozenset(Effect)
_CHANGE = frozenset({Effect.WRITE, Effect.GRANT, Effect.TAG, Effect.BECOME})
# What would let somebody sign a token, change what a token is worth, or take a revocation back: Metadata that names
# resources -> their kinds, and the effects that count. A key set and a zone's records are there to be read.
_FORGING = {
    promises.SIGNING_KEYS: (("kms:key",), _ANY - {Effect.READ}),
    promises.MINTING_FUNCTIONS: (("lambda:function",), _CHANGE),
    promises.MINTING_ROLES: (("iam:role",), _CHANGE),
    # Reading changes nothing, but `allowed-actions` leaves keyed access to the properties of each table.
    promises.MINTING_TABLES: (("dynamodb:table",), _ANY),
    promises.MINTING_BUCKETS: (("s3:bucket", "s3:object"), _CHANGE),
    promises.MINTING_DISTRIBUTIONS: (("cloudfront:distribution",), _CHANGE),
    promises.MINTING_ZONES: (("route53:hostedzone",), _CHANGE),
}
# What would open the session role's trust, or take the guards off whoever asks.
_REWRITING = frozenset({Effect.GRANT})


@cache
def _actions_with(kinds: tuple[str, ...], effects: frozenset[Effect]) -> tuple[str, ...]:
    """Return the actions that have one of some effects on a kind of resource that a statement names."""
    found = (name for name in everything() if any(judgement(name).where_named(kind) & effects for kind in kinds))
    # Route 53 has no table: this changes records, which `route53:*` covers too.
    zones = ("route53:ChangeResourceRecordSets",) if "route53:hostedzone" in kinds else ()
    return (*(name for name in found if name not in _MARKING), *zones)


_MARKING = {"sts:SetContext", "sts:SetSourceIdentity", "sts:TagSession"}
"""What marks a session that another action makes."""


def promised(role: Role, key: str) -> list[Text]:
    """
    Return the ARNs a session role's Metadata names.

    Raises:
        UnmodelledError: One of them is not understood.
    """
    found: Any = role.metadata.get(key, [])
    texts = found if isinstance(found, list) else [found]
    for text in texts:
        if not isinstance(text, tuple):
            raise UnmodelledError(f"{role.id}: its Metadata {key} is not understood")
    return texts


def prove_token_minting(
    deployment: Deployment, item: SessionScope, compute: list[Role], tools: Sequence[SessionScope] = ()
) -> Result:
    """
    Prove that a session role is entered by its token's way alone, and that no agent code forges a token.

    Args:
        deployment: Everything the templates deploy.
        item: The session role.
        compute: Roles agent code runs under.
        tools: The session role's tools: their sessions are agent code as well.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    proof = Proof(deployment, item)
    sessions = {proof.role.id: proof, **{tool.role.id: Proof(deployment, tool) for tool in tools}}
    role, mode = item.role, token_minting_mode(item.role)
    if opened := _other_way(role, str(mode), item.declared):
        return proof.result(RULE, role.label, Status.VIOLATED, opened)
    if _can_lack_identity(proof):
        return proof.result(RULE, role.label, Status.VIOLATED, "a session can be made without a source identity")
    arns = promised(role, promises.COMPUTE_ROLES)
    if absent := next((arn for arn in arns if deployment.role_by_arn(arn) is None), None):
        detail = f"what {show(absent)} may do is not in these templates"
        return proof.result(RULE, role.label, Status.UNKNOWN, detail)
    named = [found for arn in arns if (found := deployment.role_by_arn(arn))]
    if mode == "credential-broker" and not promised(role, promises.MINTING_FUNCTIONS):
        return proof.result(RULE, role.label, Status.UNKNOWN, "no Metadata names the broker's function")
    brokers = promised(role, promises.MINTING_ROLES)
    if both := next((one for one in named if one.arn in brokers), None):
        return proof.result(RULE, role.label, Status.VIOLATED, f"agent code runs with {both.label}, which mints")
    # Without the guards nothing but the Metadata tells a broker from a compute role that mints.
    others = [one for one in compute if one.arn not in brokers]
    attackers = {one.id: one for one in (role, *(tool.role for tool in tools), *named, *others)}.values()
    for attacker in attackers:
        if broken := next((s.problem for s in attacker.identity if s.problem), None) or next(
            iter((*attacker.problems, *attacker.unmodelled_grants)), None
        ):
            raise UnmodelledError(broken)
        if forged := _forges(proof, attacker, sessions.get(attacker.id)):
            return proof.result(RULE, role.label, Status.VIOLATED, forged.summary, counterexample=forged)
    roles = len(attackers) - len(sessions)
    detail = f"only a signed token makes a session; {roles} compute roles and the sessions forge none"
    return proof.result(RULE, role.label, Status.PROVED, detail)


def _other_way(role: Role, mode: str, declared: tuple[str, ...]) -> str | None:
    """Return the statement of the trust policy that lets somebody in without the token's decision."""
    trusted = promised(role, promises.MINTING_ROLES) if mode == "credential-broker" else []
    for statement in (s for s in role.trust if s.allow and not s.problem):
        entries = [action for action in _ENTRIES if covers_action(statement, action)]
        if other := next((action for action in entries if action != MINTING_ENTRY[mode]), None):
            return f"{statement.where}: {other} makes a session whose tags no token decides"
        if not entries and not covers_action(statement, TAG_SESSION):
            continue
        if mode == "credential-broker":
            for kind, text in statement.principals:
                if kind != "AWS" or text not in trusted:
                    return f"{statement.where}: {show(text)} makes sessions beside the broker"
        keys = {condition.key.lower() for condition in statement.conditions}
        if missing := [key for key in declared if f"{REQUEST_TAG}{key}" not in keys]:
            return f"{statement.where}: it does not ask for the tag {missing[0]}"
        if entries and "sts:sourceidentity" not in keys:
            return f"{statement.where}: a session can be made without a source identity"
    return None


def _can_lack_identity(proof: Proof) -> bool:
    """Whether the trust policy admits a session without a source identity, whatever its statements speak of."""
    admission = proof.admission("A")
    there, _ = admission.call.single("sts:sourceidentity")
    return solve(admission.formula, negation(there)) is not None


def _forges(proof: Proof, attacker: Role, session: Proof | None) -> Counterexample | None:
    wanted = [(arn, _actions_with(*how)) for key, how in _FORGING.items() for arn in promised(proof.role, key)]
    rewriting = _actions_with(("iam:role",), _REWRITING)
    wanted += [(arn, rewriting) for arn in dict.fromkeys((proof.role.arn, attacker.arn))]
    caller = Proof(proof.deployment, SessionScope(attacker, (), proof.scoped.spelling, []))
    queries = (query for arn, actions in wanted for query in _queries(proof, attacker, session, arn, actions))
    return search(caller, queries)


def signs_tokens(role: Role, deployment: Deployment, scoped: Sequence[SessionScope]) -> bool:
    """
    Whether a role may forge what makes a session of a role for which tokens decide.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    items = [item for item in scoped if token_minting_mode(item.role) and role.id != item.role.id]
    return any(_forges(Proof(deployment, item), role, None) for item in items)


def _queries(
    proof: Proof, attacker: Role, session: Proof | None, arn: Text, actions: tuple[str, ...]
) -> Iterator[Query]:
    """Yield what would forge something, each with the policy on it that says whether it may be done."""
    given = (session.admission("A").formula,) if session else ()
    store = next((one for one in proof.deployment.stores.values() if one.arn == arn), None)
    role = proof.deployment.role_by_arn(arn)
    policy = store.policy if store else role.trust if role else ()
    who = "a session" if attacker is proof.role else f"a session of {attacker.label}" if session else attacker.label
    for action in representative_actions([*attacker.statements, *policy], actions):
        call = _call(proof, attacker, session)
        what = f"{who} may {action} on {show(arn)}, which decides what a token is worth"
        if store is None:
            # Its trust policy says nothing of IAM's own actions.
            target = role_target(role, proof.deployment, call.lookup) if role else other_target(arn, call.lookup)
            by_trust = action == _BECOMING and role is not None
            said = policy if by_trust else ()
            yield Query(call, action, target, arn, what, given, policy=said, must=by_trust, sampled=False)
        else:
            inside = store.kind == "bucket" and action in acting_on("bucket", inside=True)
            key = Key("inside the key set", frozenset(), 0) if inside else None
            target = store_target(store, key, call.lookup)
            yield Query(call, action, target, arn, what, given, inside=key, sampled=False)


_BECOMING = "sts:AssumeRole"


def _call(proof: Proof, attacker: Role, session: Proof | None) -> Call:
    if session:
        call = session.call("A", session.admission("A").session)
    else:
        alone = Proof(proof.deployment, scope_without_tags(attacker, proof.deployment, []))
        call = alone.call("compute", Session("compute", alone.scoped.spelling, attacker.tags))
    name_items(call, attacker.statements)
    return call
