"""`allowed-actions`: a session role holds nothing beyond keyed items, its own objects, named models and keys."""

from collections.abc import Iterator

from session_scoping.aws.token_vault import READ_SECRET, VENDING
from session_scoping.verify.patterns.arns import is_open
from session_scoping.verify.patterns.matching import action_matches, split_fields
from session_scoping.verify.patterns.text import Pattern, Text, lit, plain
from session_scoping.verify.policies.action_samples import further, limits_of, unlisted
from session_scoping.verify.policies.actions import (
    BECOMING,
    INVOKE,
    KEY_USE,
    KEYED,
    SERVICE,
    acting_on,
    all_covered,
    gains_nothing,
    of_sessions,
    on_objects,
    only_reads,
)
from session_scoping.verify.policies.model import Statement, Store
from session_scoping.verify.properties.base import Proof, deciding_statements, name_items, representative_actions
from session_scoping.verify.properties.grant_targets import entry_arn, entry_target, may_be_access_point, may_name
from session_scoping.verify.properties.search import Attempt, search
from session_scoping.verify.properties.sessions.derivation import tools_of
from session_scoping.verify.properties.sessions.listing import without_own_listing
from session_scoping.verify.properties.sessions.use import key_faults, key_policy_faults, model_faults
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.scoping.stores import begins_with
from session_scoping.verify.symbolic.access import resource_pattern
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.strings import Key
from session_scoping.verify.symbolic.targets import store_target, where_granted

RULE = "allowed-actions"


def prove_allowed_actions(proof: Proof) -> Result:
    """Prove that no action outside the allowed set is possible, on any resource."""
    rest = without_own_listing(proof)
    for attempt in _attempts(rest):
        if any(action_matches(pattern, attempt.action) for pattern in proof.allow):
            continue
        if found := _try(rest, attempt):
            return proof.result(RULE, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    for fault in (*model_faults(proof), *key_faults(proof), *key_policy_faults(proof)):
        if not any(action_matches(pattern, fault.action) for pattern in proof.allow):
            return proof.result(RULE, proof.role.label, Status.VIOLATED, fault.summary, counterexample=fault)
    detail = "nothing but keyed items, own objects and their names, named models and the keys of its stores"
    if proof.allow:
        detail += f", and {', '.join(proof.allow)} as given"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


def _attempts(proof: Proof) -> Iterator[Attempt]:
    call = proof.call("A", proof.admission("A").session)
    for store in proof.scoped.stores:
        yield from _store_attempts(proof, store)
    limits = limits_of(proof.role)
    seen: set[tuple[str, Text]] = set()
    tools = {tool.arn for tool in tools_of(proof.deployment, proof.role)}
    for statement in proof.role.identity:
        if not statement.allow:
            continue
        if statement.problem:
            raise UnmodelledError(statement.problem)
        for action in _named_actions(proof, statement, limits):
            if action in (*INVOKE, *KEY_USE) or _answered_elsewhere(action, statement):
                continue
            for pattern in _entries(statement):
                if not may_name(pattern, action) or _handled(action, pattern, proof.scoped):
                    continue
                if action in BECOMING and pattern in tools:
                    continue
                arn = entry_arn(pattern)
                if (action, arn) not in seen:
                    seen.add((action, arn))
                    yield Attempt(action, entry_target(pattern, call.lookup), arn, f"{action} is allowed")


def _entries(statement: Statement) -> list[Pattern]:
    if statement.resources is None:
        return [resource_pattern(lit("*"), statement)]
    return [resource_pattern(text, statement) for text in statement.resources]


def _named_actions(proof: Proof, statement: Statement, limits: tuple[str, ...]) -> list[str]:
    """Return the actions a statement covers that gain something, one for each set that all policies treat alike."""
    covered = [*all_covered(statement.actions, statement.not_actions), *unlisted(statement, limits)]
    gaining = [action for action in covered if not gains_nothing(action)]
    # Alike to the policies, not to this property: what is answered elsewhere stands for itself.
    own = [action for action in gaining if action in _OF_THEIR_OWN or action in on_objects()]
    return list(
        dict.fromkeys([*own, *representative_actions(proof.role.statements, [a for a in gaining if a not in own])])
    )


_OF_THEIR_OWN = frozenset({*INVOKE, *KEY_USE, *KEYED, *BECOMING, *VENDING, READ_SECRET})


def _answered_elsewhere(action: str, statement: Statement) -> bool:
    """
    Whether the `token-vault` property answers for an action, or the session cannot do it itself.

    AgentCore reads a provider's secret on the session's behalf, which is what aws:ViaAWSService says.
    """
    if action.lower() in {vending.lower() for vending in VENDING}:
        return True
    by_service = any(
        condition.operator.lower() == "bool"
        and condition.key.lower() == "aws:viaawsservice"
        and [plain(text) for text in condition.values] == ["true"]
        for condition in statement.conditions
    )
    return by_service and action == READ_SECRET


def _handled(action: str, pattern: Pattern, scoped: SessionScope) -> bool:
    """Whether the isolation properties and the attempts on stores already answer for an action."""
    fields = split_fields(pattern)
    service = action.partition(":")[0].lower()
    if service not in {"dynamodb", "s3"}:
        return False
    answered = [store for store in scoped.stores if store.by_name and action in of_sessions(store.kind)]
    answered += scoped.shared if only_reads(action) else ()
    if any(begins_with(pattern, store) for store in answered):
        return True
    wide = is_open(pattern) or len(fields) < 6
    item = action in KEYED or action in on_objects()
    return item and (wide or not may_be_access_point(pattern))


def _store_attempts(proof: Proof, store: Store) -> Iterator[Attempt]:
    statements = deciding_statements(proof.role, store)
    # What the store's own policy grants besides; what the role's own policies do is tried wherever they grant it.
    more = further(store.policy, limits_of(proof.role), SERVICE[store.kind])
    lookup = proof.call("A", proof.admission("A").session).lookup
    inside = Key(f"inside {store.id}", frozenset(), 0)
    place = where_granted(store, statements)
    own = of_sessions(store.kind)
    direct, deeper = ((*acting_on(store.kind, inside=deep), *more) for deep in (False, True))
    for action in representative_actions(statements, [action for action in direct if action not in own]):
        yield Attempt(action, store_target(place, None, lookup), place.arn, f"{action} is allowed on {store.label}")
    kind = "an index, stream or backup" if store.kind == "table" else "objects" if store.kind == "bucket" else "all"
    wanted = (*direct, *deeper) if store.kind == "table" else [action for action in deeper if action not in own]
    for action in representative_actions(statements, wanted):
        what = f"{action} is allowed on {kind} of {store.label}"
        yield Attempt(action, store_target(place, inside, lookup), place.arn, what, inside)


def _try(proof: Proof, attempt: Attempt) -> Counterexample | None:
    """Look for a request; one with leading keys as well, because a condition on them may let it through."""
    admission = proof.admission("A")
    call = proof.call("A", admission.session)
    store = attempt.target.store
    name_items(call, deciding_statements(proof.role, store) if store else proof.role.statements)
    return search(proof, call, attempt, admission.formula)
