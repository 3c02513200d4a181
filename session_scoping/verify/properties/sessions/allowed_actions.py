"""`allowed-actions`: a session role holds nothing beyond keyed items, its own objects, named models and keys."""

from collections.abc import Iterator, Sequence

from session_scoping.aws.token_vault import READ_SECRET, VENDING
from session_scoping.verify.patterns.matching import action_matches, split_fields
from session_scoping.verify.patterns.naming import is_open, suffix_after_arn
from session_scoping.verify.patterns.text import Pattern, Text, Token, is_exact, lit, plain
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
from session_scoping.verify.properties.memory import KEYED as KEYED_IN_MEMORY
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.derivation import tools_of
from session_scoping.verify.properties.sessions.listing import without_own_listing
from session_scoping.verify.properties.sessions.use import uses
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.scoping.stores import begins_with
from session_scoping.verify.symbolic.access import resource_pattern
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.strings import Bool
from session_scoping.verify.symbolic.targets import store_target, where_granted

RULE = "allowed-actions"


def prove_allowed_actions(proof: Proof) -> Result:
    """Prove that no action outside the allowed set is possible, on any resource."""
    rest = without_own_listing(proof)
    for one, queries in ((rest, _queries(rest)), (proof, uses(proof))):
        wanted = (query for query in queries if not any(action_matches(text, query.action) for text in proof.allow))
        if found := search(one, wanted):
            return proof.result(RULE, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    detail = "nothing but keyed items, own objects and their names, named models and the keys of its stores"
    if proof.allow:
        detail += f", and {', '.join(proof.allow)} as given"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


def _queries(proof: Proof) -> Iterator[Query]:
    for store in proof.scoped.stores:
        yield from _on_store(proof, store)
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
                    call, what = _call(proof, proof.role.statements), f"{action} is allowed"
                    yield Query(call, action, entry_target(pattern, call.lookup), arn, what, _admitted(proof))


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
    if service in {"secretsmanager", "ssm"}:
        # Names without a tag are no session's own, and `name-isolation` does not look at them.
        own = [store for store in scoped.stores if SERVICE[store.kind] == service and action in of_sessions(store.kind)]
        return any(store.inside(suffix_after_arn(pattern, store) or ()) in store.names for store in own)
    if action in KEYED_IN_MEMORY:
        # `memory-isolation` asks about each Memory that is named.
        return all(isinstance(part, str | Token) for part in pattern) and is_exact(pattern)  # type: ignore[arg-type]
    if service not in {"dynamodb", "s3"}:
        return False
    answered = [store for store in scoped.stores if store.by_name and action in of_sessions(store.kind)]
    answered += scoped.shared if only_reads(action) else ()
    if any(begins_with(pattern, store) for store in answered):
        return True
    wide = is_open(pattern) or len(fields) < 6
    item = action in KEYED or action in on_objects()
    return item and (wide or not may_be_access_point(pattern))


def _on_store(proof: Proof, store: Store) -> Iterator[Query]:
    statements = deciding_statements(proof.role, store)
    # What the store's own policy grants besides; what the role's own policies do is tried wherever they grant it.
    more = further(store.policy, limits_of(proof.role), SERVICE[store.kind])
    inside = Key(f"inside {store.id}", frozenset(), 0)
    place = where_granted(store, statements)
    own = of_sessions(store.kind)
    direct, deeper = ((*acting_on(store.kind, inside=deep), *more) for deep in (False, True))
    for action in representative_actions(statements, [action for action in direct if action not in own]):
        call, what = _call(proof, statements), f"{action} is allowed on {store.label}"
        yield Query(call, action, store_target(place, None, call.lookup), place.arn, what, _admitted(proof))
    kind = "an index, stream or backup" if store.kind == "table" else "objects" if store.kind == "bucket" else "all"
    wanted = (*direct, *deeper) if store.kind == "table" else [action for action in deeper if action not in own]
    for action in representative_actions(statements, wanted):
        call, what = _call(proof, statements), f"{action} is allowed on {kind} of {store.label}"
        target = store_target(place, inside, call.lookup)
        yield Query(call, action, target, place.arn, what, _admitted(proof), inside)


def _call(proof: Proof, statements: Sequence[Statement]) -> Call:
    """Return a request that may have leading keys as well, because a condition on them may let it through."""
    call = proof.call("A", proof.admission("A").session)
    name_items(call, statements)
    return call


def _admitted(proof: Proof) -> tuple[Bool, ...]:
    return (proof.admission("A").formula,)
