"""`session-policy`: a session policy only takes away from a role, and leaves something that can be used."""

from collections.abc import Iterator

from session_scoping.verify.policies.actions import INVOKE, of_sessions
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.decision import PolicySet, Request, decide
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof, name_items, representative_actions
from session_scoping.verify.properties.grant_targets import entry_arn
from session_scoping.verify.properties.samples import own_requests, sample_tags
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.symbolic.access import Target, encode_statement, resource_pattern
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.targets import store_target

RULE = "session-policy"
SELF_NARROWING = "sts:GetScopedCredentials"
_APPLIED_BY = {
    "allow": "",
    "implicit deny": f"; nothing allows {SELF_NARROWING}, so a session may not be able to apply it to itself",
    "explicit deny": f"; the role denies {SELF_NARROWING}, so a session cannot apply it to itself: its minter can",
}
"""Whether an Allow is needed is not documented; a Deny is known to be enough."""


def prove_session_policy(proof: Proof, policy: tuple[Statement, ...]) -> Result:
    """
    Show that a session policy can be read, and that some request of a session is left under it.

    No request is allowed under it and not without it: that holds for any policy, because STS intersects, and is not
    asked.

    Source: IAM guide, access_policies, Session policies.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    label = proof.role.label
    if broken := next((statement.problem for statement in policy if statement.problem), None):
        raise UnmodelledError(broken)
    for action, target in _targets(proof, policy):
        for statement in policy:
            encode_statement(statement, _call(proof), action, target)  # raises on what is not modelled
    left, gone = _left_and_gone(proof, policy)
    if not left:
        detail = "no request of a session is left under the policy: a session with it can do nothing here"
        return proof.result(RULE, label, Status.VACUOUS, detail)
    taken = f"; takes away {', '.join(gone)}" if gone else "; takes nothing away from what sessions are granted"
    applied = _APPLIED_BY[decide(_self_narrowing(proof), PolicySet(Binding().statements(proof.role.identity))).reason]
    return proof.result(RULE, label, Status.PROVED, f"leaves {', '.join(left)}{taken}{applied}")


def _call(proof: Proof) -> Call:
    call = proof.call("A", proof.admission("A").session)
    name_items(call, ())
    return call


def _targets(proof: Proof, policy: tuple[Statement, ...]) -> Iterator[tuple[str, Target]]:
    lookup = _call(proof).lookup
    for store in proof.scoped.stores:
        inside = None if store.kind == "table" else Key(f"inside {store.id}", frozenset(), 0)
        statements = [*proof.role.identity, *store.policy, *policy]
        for action in representative_actions(statements, of_sessions(store.kind)):
            yield action, store_target(store, inside, lookup)


def _left_and_gone(proof: Proof, policy: tuple[Statement, ...]) -> tuple[list[str], list[str]]:
    """Return what one ordinary session may still do, and what it may no longer."""
    binding = Binding()
    left: list[str] = []
    gone: list[str] = []
    identity = binding.statements(proof.role.identity)
    for request, where, resource_policy in _own_requests(proof):
        before = PolicySet(identity, resource=binding.statements(resource_policy))
        # A session policy bounds what identity policies grant, as a permissions boundary does.
        after = PolicySet(identity, boundary=binding.statements(policy), resource=before.resource)
        if not decide(request, before).allowed:
            continue
        kept = left if decide(request, after).allowed else gone
        kept.append(f"{request.action} on {where}")
    return list(dict.fromkeys(left)), list(dict.fromkeys(gone))


def _own_requests(proof: Proof) -> Iterator[tuple[Request, str, tuple[Statement, ...]]]:
    tags = sample_tags(proof)
    for store in proof.scoped.stores:
        for request in own_requests(proof, store, tags):
            yield request, store.label, store.policy
    for action in INVOKE:
        for statement in proof.role.identity:
            if statement.allow and covers_action(statement, action):
                yield from _model_requests(statement, action, _session_context(proof))


def _session_context(proof: Proof) -> dict[str, str]:
    binding = Binding()
    fixed = {key: binding.text(value) for key, value in _call(proof).fixed.items()}
    return {**fixed, **tag_context("aws:PrincipalTag/", sample_tags(proof))}


def _self_narrowing(proof: Proof) -> Request:
    return Request(SELF_NARROWING, "*", _session_context(proof))


def _model_requests(
    statement: Statement, action: str, context: dict[str, str]
) -> Iterator[tuple[Request, str, tuple[Statement, ...]]]:
    binding = Binding()
    profiles = [c.values for c in statement.conditions if c.key.lower() == "bedrock:inferenceprofilearn"]
    profile = {"bedrock:InferenceProfileArn": binding.text(profiles[0][0])} if profiles else {}
    for text in statement.resources or ():
        arn = binding.text(entry_arn(resource_pattern(text, statement)))
        yield Request(action, arn, {**context, **profile}), "models", ()
