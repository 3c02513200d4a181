"""`allowed-actions`: a session role holds nothing beyond keyed items, its own objects, named models and keys."""

from collections.abc import Iterator

import z3

from session_scoping.aws.token_vault import READ_SECRET, VENDING
from session_scoping.verify.actions import (
    BUCKET,
    EVERYTHING,
    FUTURE,
    INVOKE,
    KEY_USE,
    KEYED,
    OBJECT,
    OBJECT_ADMIN,
    PARTIQL,
    TABLE_METADATA,
    UNKEYED,
)
from session_scoping.verify.arns import is_open
from session_scoping.verify.matching import action_matches, split_fields
from session_scoping.verify.model import Statement, Store
from session_scoping.verify.properties.base import Proof, Witness, classes, confirm, relevant
from session_scoping.verify.properties.derivation import BECOMING, tools_of
from session_scoping.verify.properties.entries import entry_arn, entry_target, may_be_access_point
from session_scoping.verify.properties.listing import without_own_listing
from session_scoping.verify.properties.samples import sample_attempt
from session_scoping.verify.properties.use import key_faults, key_policy_faults, model_faults
from session_scoping.verify.reach import covers_action
from session_scoping.verify.report import Counterexample, Result, Status
from session_scoping.verify.representatives import further, limits_of, unlisted
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.policies import Target, allowed, resource_pattern
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Key
from session_scoping.verify.symbolic.targets import store_target, where_granted
from session_scoping.verify.text import Pattern, Text, lit, plain

RULE = "allowed-actions"
_ON_TABLE = (*PARTIQL, *UNKEYED, *TABLE_METADATA)
_INSIDE_TABLE = (*KEYED, *_ON_TABLE, FUTURE[0])
_ON_BUCKET = (*BUCKET, FUTURE[1])
_ON_OBJECT = OBJECT_ADMIN


def prove_allowed_actions(proof: Proof) -> Result:
    """Prove that no action outside the allowed set is possible, on any resource."""
    rest = without_own_listing(proof)
    for action, target, arn, suffix, what in _attempts(rest):
        if any(action_matches(pattern, action) for pattern in proof.allow):
            continue
        found = _try(rest, action, target, arn, suffix, what)
        if found:
            return proof.result(RULE, proof.role.label, Status.VIOLATED, found.summary, counterexample=found)
    for fault in (*model_faults(proof), *key_faults(proof), *key_policy_faults(proof)):
        return proof.result(RULE, proof.role.label, Status.VIOLATED, fault.summary, counterexample=fault)
    detail = "nothing but keyed items, own objects and their names, named models and the keys of its stores"
    if proof.allow:
        detail += f", and {', '.join(proof.allow)} as given"
    return proof.result(RULE, proof.role.label, Status.PROVED, detail)


_Attempt = tuple[str, Target, Text, str, str]


def _attempts(proof: Proof) -> Iterator[_Attempt]:
    call = proof.call("A", proof.admission("A").session)
    for store in proof.scoped.stores:
        yield from _store_attempts(proof, store)
    limits = limits_of(proof.role)
    seen: set[tuple[str, Text]] = set()
    tools = {tool.arn for tool in tools_of(proof.estate, proof.role)}
    for statement in proof.role.identity:
        if not statement.allow:
            continue
        if statement.problem:
            raise UnmodelledError(statement.problem)
        for action in _named_actions(statement, limits):
            if action in (*INVOKE, *KEY_USE) or _answered_elsewhere(action, statement):
                continue
            for pattern in _entries(statement):
                if _handled(action, pattern) or (action in BECOMING and pattern in tools):
                    continue
                arn = entry_arn(pattern)
                if (action, arn) not in seen:
                    seen.add((action, arn))
                    yield action, entry_target(pattern, call.lookup), arn, "", f"{action} is allowed"


def _entries(statement: Statement) -> list[Pattern]:
    if statement.resources is None:
        return [resource_pattern(lit("*"), statement)]
    return [resource_pattern(text, statement) for text in statement.resources]


def _named_actions(statement: Statement, limits: tuple[str, ...]) -> list[str]:
    """Return the known actions a statement covers, and those it spells out, or a limit of it does."""
    listed = [action for action in EVERYTHING if covers_action(statement, action)]
    return [*listed, *unlisted(statement, limits)]


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


def _handled(action: str, pattern: Pattern) -> bool:
    """Whether the isolation properties and the attempts on stores already answer for an action."""
    fields = split_fields(pattern)
    service = action.partition(":")[0].lower()
    if service in {"dynamodb", "s3"}:
        wide = is_open(pattern) or len(fields) < 6
        item = action in (*KEYED, *OBJECT)
        return item and (wide or not may_be_access_point(pattern))
    return False


def _store_attempts(proof: Proof, store: Store) -> Iterator[_Attempt]:
    statements = relevant(proof.role, store)
    # What the store's own policy grants besides; what the role's own policies do is tried wherever they grant it.
    more = further(store.policy, limits_of(proof.role), "dynamodb" if store.kind == "table" else "s3")
    call = proof.call("A", proof.admission("A").session)
    lookup = call.lookup
    inside = Key(f"inside {store.id}", frozenset(), 0)
    if store.kind == "table":
        place = where_granted(store, statements)
        for action in classes(statements, (*_ON_TABLE, *more)):
            yield action, store_target(place, None, lookup), place.arn, "", f"{action} is allowed on {store.label}"
        for action in classes(statements, (*_INSIDE_TABLE, *more)):
            what = f"{action} is allowed on an index, stream or backup of {store.label}"
            yield action, store_target(place, inside, lookup), place.arn, "/", what
        return
    for action in classes(statements, (*_ON_BUCKET, *more)):
        yield action, store_target(store, None, lookup), store.arn, "", f"{action} is allowed on {store.label}"
    for action in classes(statements, (*_ON_OBJECT, *more)):
        what = f"{action} is allowed on objects of {store.label}"
        yield action, store_target(store, inside, lookup), store.arn, "/", what


def _try(proof: Proof, action: str, target: Target, arn: Text, suffix: str, what: str) -> Counterexample | None:
    """Look for a request; one with leading keys as well, because a condition on them may let it through."""
    admission = proof.admission("A")
    call = proof.call("A", admission.session)
    own = Key("any key", frozenset(), 0)
    call.leading_keys = [(z3.Bool("A names a key"), own)]
    reach = allowed(proof.role, call, action, target)
    if z3.is_false(reach):
        return None
    found = sample_attempt(proof, action, arn, bool(suffix), target.store, what)
    if found:
        return found
    model = solve(target.domain, call.domain(), reach, admission.formula)
    if model is None:
        return None
    named = z3.is_true(model.eval(call.leading_keys[0][0], model_completion=True))
    keys = (own.read(model),) if named else ()
    inside = Key(f"inside {target.store.id}", frozenset(), 0) if target.store and suffix else None
    end = suffix + (inside.read(model) if inside else "")
    policy = target.store.policy if target.store else ()
    found = confirm(proof, call, model, [Witness(action, arn, end, keys)], what, policy=policy)
    if found is None:
        raise UnmodelledError(f"{what}, as far as an over-approximation can tell; `decide` does not confirm it")
    return found
