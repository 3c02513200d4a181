"""`memory-isolation`: a session reaches events and records of its own in AgentCore Memory, and no others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import z3

from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Variable, Wildcard, is_exact, show
from session_scoping.verify.policies.actions import acting_on, gains_nothing
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action, grants_directly
from session_scoping.verify.properties.base import Proof, deciding_statements, representative_actions
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.properties.sessions.cross_role import of_one_family
from session_scoping.verify.properties.sharing import show_pattern
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import SessionScope, tags_in
from session_scoping.verify.symbolic.access import access
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key, PathAbove, key_for
from session_scoping.verify.symbolic.strings import FALSE, TRUE, Bool, conjunction, disjunction, negation
from session_scoping.verify.symbolic.targets import store_target
from session_scoping.verify.symbolic.trust import tag_may_hold

RULE = "memory-isolation"
ACTOR, SESSION = "bedrock-agentcore:actorid", "bedrock-agentcore:sessionid"
NAMESPACE, PATH = "bedrock-agentcore:namespace", "bedrock-agentcore:namespacepath"
# Sources: service authorization reference, list_amazonbedrockagentcore (which action carries which key); API reference,
# ListMemoryRecords: records of this very namespace, or of all below a namespacePath; one of the two is required.
_OF_EVENTS = (
    "bedrock-agentcore:CreateEvent", "bedrock-agentcore:DeleteEvent", "bedrock-agentcore:GetEvent",
    "bedrock-agentcore:ListEvents",
)  # fmt: skip
_OF_ACTORS = ("bedrock-agentcore:ListSessions",)
_OF_RECORDS = ("bedrock-agentcore:ListMemoryRecords", "bedrock-agentcore:RetrieveMemoryRecords")
KEYED = (*_OF_EVENTS, *_OF_ACTORS, *_OF_RECORDS)
"""Actions whose requests say whose the event or record is."""
_SAYING = frozenset({ACTOR, SESSION, NAMESPACE, PATH})


def memories_of(role: Role, deployment: Deployment) -> list[Store]:
    """Return the Memories that a role's sessions are granted events or records of, each by its ARN or its policy."""
    known = {store.arn: store for store in deployment.of_kind("memory")}
    found = {store.arn: store for store in known.values() if any(grants_directly(s, role) for s in store.policy)}
    for text in (text for s in role.identity if _granted(s) for text in s.resources or () if is_exact(text)):
        found[text] = known.get(text) or deployment.doubted(Store("memory", show(text), show(text), text, text))
    return list(found.values())


def kept_in(deployment: Deployment, roles: Iterable[Role]) -> list[Store]:
    """Return the Memories in which some roles' sessions keep what is their own, by what their requests carry."""
    keyed = (role for role in roles if any(_granted(s) and _says_whose(s) for s in role.identity))
    return list({store.arn: store for role in keyed for store in memories_of(role, deployment)}.values())


def _says_whose(statement: Statement) -> bool:
    return any(condition.key.lower() in _SAYING for condition in statement.conditions)


def beside(item: SessionScope, everybody: Sequence[SessionScope], deployment: Deployment) -> list[SessionScope]:
    """Return the other session roles that share a Memory with a role, one for all that are granted it alike."""
    mine = memories_of(item.role, deployment)
    found: dict[object, SessionScope] = {}
    for other in (one for one in everybody if not of_one_family(one.role, item.role)):
        theirs = memories_of(other.role, deployment)
        if any(a.arn == b.arn or _may_be(a, b, deployment) for a in mine for b in theirs):
            found.setdefault(_likeness(other.role), other)
    found.pop(_likeness(item.role), None)
    return list(found.values())


def _may_be(one: Store, other: Store, deployment: Deployment) -> bool:
    """Whether two ARNs that differ may be of one Memory: where no template makes one, its id may be any."""
    made = {store.arn for store in deployment.of_kind("memory")}
    if one.arn == other.arn or {one.arn, other.arn} <= made:
        return False
    return not z3.is_false(store_target(other, None, Call("respelled").lookup).match(one.arn).over)


def _likeness(role: Role) -> object:
    granted = frozenset((s.actions, s.resources, s.conditions) for s in role.identity if _granted(s))
    return granted, frozenset(s.conditions for s in role.trust if s.allow)


def _granted(statement: Statement) -> list[str]:
    return [action for action in KEYED if covers_action(statement, action)] if statement.allow else []


@dataclass(frozen=True)
class _Way:
    """One way to ask for an event or a record: the actions, and each key of a request as the item's."""

    actions: tuple[str, ...]
    keys: dict[str, tuple[Bool, Key | PathAbove]]


def prove_memory(proof: Proof, neighbours: Sequence[Proof]) -> Result:
    """
    Prove that no session reaches an event or record that another session reaches, of its own role or a neighbour's.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    label = proof.role.label
    for store in memories_of(proof.role, proof.deployment):
        _refuse_unlimited(proof.role)
        for other in (proof, *neighbours):
            theirs = memories_of(other.role, other.deployment)
            if respelled := next((one for one in theirs if _may_be(one, store, other.deployment)), None):
                raise UnmodelledError(f"{respelled.label} may be {store.label} by another spelling")
            if store.arn not in {one.arn for one in theirs}:
                continue
            if found := search(proof, _crossings(proof, other, store, both=False)):
                return proof.result(RULE, label, Status.VIOLATED, found.summary, counterexample=found)
            if search(proof, _crossings(proof, other, store, both=True)):
                detail = "what a request with a namespace and a namespacePath reaches is not documented: rule one out"
                raise UnmodelledError(f"{detail} by Null")
        if not _can_be_used(proof, store):
            detail = f"no session can use {store.label}: every grant is denied or can never apply"
            return proof.result(RULE, label, Status.VACUOUS, detail)
    compared = dict.fromkeys(show_pattern(one) for one in _patterns(proof.role) if tags_in(one))
    return proof.result(RULE, label, Status.PROVED, f"only what is called {', '.join(compared)}")


def _refuse_unlimited(role: Role) -> None:
    """Leave open what is granted beside keyed actions under their keys: which of them it carries, AWS may change."""
    others = [action for action in acting_on("memory") if action not in KEYED and not gains_nothing(action)]
    for statement in (s for s in role.identity if s.allow and _granted(s)):
        if _says_whose(statement) and (more := next((one for one in others if covers_action(statement, one)), None)):
            raise UnmodelledError(f"{statement.where} allows {more} besides, which does not say whose it is")


def _patterns(*roles: Role) -> list[Pattern]:
    """Return what the grants and Denies of some roles compare the keys with."""
    return [pattern for role in roles for statement in role.statements for pattern in _compared(statement)]


def _compared(statement: Statement) -> list[Pattern]:
    found = [
        parsed(value, statement.variables, "like" in condition.operator.lower())
        for condition in statement.conditions
        if condition.key.lower() in _SAYING
        for value in condition.values
    ]
    return [pattern for pattern in found if not isinstance(pattern, Unmodelled)]


def _crossings(proof: Proof, other: Proof, store: Store, *, both: bool) -> Iterator[Query]:
    mine, theirs = proof.admission("A"), other.admission("B")
    patterns = _patterns(proof.role, other.role)

    def holds(variable: Variable, character: str) -> bool:
        return any(tag_may_hold(one.role, variable, character, one.inherited()) for one in (proof, other))

    names = {key: key_for(key, [*patterns, *map(_below, patterns)], holds) for key in (ACTOR, SESSION, NAMESPACE)}
    item = conjunction([key.domain() for key in names.values()])
    statements = deciding_statements(proof.role, store)
    for group in (_OF_EVENTS, _OF_ACTORS, _OF_RECORDS):
        owned = _owned(proof, other, store, [*_ways(names, group, "B", False)], names_only=group == _OF_ACTORS)
        for way in _ways(names, group, "A", both):
            wanted = [one for one in way.actions if one not in proof.allow]
            for action in representative_actions(statements, wanted):
                call = proof.call("A", mine.session)
                call.keyed = way.keys
                what = f"a session reaches what another session keeps in {store.label}"
                yield Query(
                    call, action, store_target(store, None, call.lookup), store.arn, what,
                    (item, mine.formula, theirs.formula, owned), victim=theirs.session, sampled=False,
                )  # fmt: skip


def _owned(proof: Proof, other: Proof, store: Store, ways: Sequence[_Way], *, names_only: bool) -> Bool:
    """Return the formula that an item is the other session's by one of its grants, and that it is another session."""
    mine, theirs = proof.admission("A").session, other.admission("B").session
    found: list[Bool] = []
    for grant in (s for s in (*other.role.identity, *store.policy) if _granted(s)):
        alone = replace(other.role, identity=(grant,) if grant in other.role.identity else (), boundary=None)
        tags = frozenset(tag for one in _compared(grant) for tag in tags_in(one))
        for way in ways:
            call = other.call("B", theirs)
            call.keyed = way.keys
            target = store_target(replace(store, policy=(grant,) if grant in store.policy else ()), None, call.lookup)
            reach = disjunction([access(alone, call, action, target) for action in way.actions])
            differ = _differ(proof, mine, theirs, tags, names_only) if proof is other else _lacks(mine, theirs, tags)
            found.append(conjunction([reach, differ]))
    return disjunction(found)


def _differ(proof: Proof, mine: Session, theirs: Session, tags: frozenset[str], names_only: bool) -> Bool:
    """Return the formula that two sessions are different ones, for what is named by these tags."""
    identity, agreed = proof.scoped.identity, proof.scoped.shared_by
    if names_only:
        return conjunction([mine.differs(theirs, sorted(kind)) for kind in (identity, *agreed)])
    shares = not identity <= tags and any(kind <= tags for kind in agreed)
    return mine.differs(theirs, sorted(tags if shares else tags | identity))


def _lacks(mine: Session, theirs: Session, tags: frozenset[str]) -> Bool:
    """Return the formula that a session has not all the tags that another role's item is named by."""
    pairs = [(mine.principal_tag(tag), theirs.principal_tag(tag)) for tag in sorted(tags)]
    return negation(conjunction([conjunction([a, b, one == two]) for (a, one), (b, two) in pairs]))


def _below(pattern: Pattern) -> Pattern:
    return pattern if pattern[-1:] == (Wildcard("*"),) else (*pattern, Wildcard("*"))


def _ways(names: dict[str, Key], group: tuple[str, ...], label: str, both: bool) -> Iterator[_Way]:
    """
    Yield how an item can be asked for.

    Args:
        names: What the item is called, by condition key.
        group: Actions on events, or on records.
        label: Of the request.
        both: Whether a request carries a namespace and a path, one of which is the item's and the other any.
    """
    if group != _OF_RECORDS and not both:
        named = [z3.Bool(f"{label} names {what}") if label == "A" else TRUE for what in ("an actor", "a session")]
        owning = group if label == "A" else (*_OF_EVENTS, *_OF_ACTORS)
        yield _Way(owning, {ACTOR: (named[0], names[ACTOR]), SESSION: (named[1], names[SESSION])})
    if group == _OF_RECORDS:
        exact, above = (TRUE, names[NAMESPACE]), (TRUE, PathAbove(names[NAMESPACE]))
        yield _Way(group, {NAMESPACE: exact} if both else {NAMESPACE: exact, PATH: (FALSE, names[NAMESPACE])})
        yield _Way(group, {PATH: above} if both else {PATH: above, NAMESPACE: (FALSE, names[NAMESPACE])})


def _can_be_used(proof: Proof, store: Store) -> bool:
    admission = proof.admission("A")
    statements = deciding_statements(proof.role, store)
    granted = [action for action in KEYED if any(s.allow and covers_action(s, action) for s in statements)]

    def queries(action: str) -> Iterator[Query]:
        call: Call = proof.call("A", admission.session)
        target = store_target(store, None, call.lookup)
        yield Query(call, action, target, store.arn, "", (admission.formula,), sampled=False, wanted=True)

    return any(search(proof, queries(action)) is not None for action in granted)
