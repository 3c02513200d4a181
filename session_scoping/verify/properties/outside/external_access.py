"""`no-external-access`: the policies of tenant tables, buckets and keys let nobody in from outside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import z3

from session_scoping.verify.patterns.text import Pattern, Variable, show
from session_scoping.verify.policies.action_samples import further
from session_scoping.verify.policies.actions import SERVICE, acting_on
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof, name_items, representative_actions
from session_scoping.verify.properties.outside.external_callers import Stranger, as_seen, strangers
from session_scoping.verify.properties.outside.external_principals import is_trusted, outsiders_of
from session_scoping.verify.properties.search import Query, search
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.strings import TRUE, Bool, disjunction
from session_scoping.verify.symbolic.targets import store_target

RULE = "no-external-access"
TENANT_DATA = "tenant data"
_DELIVERY = ("s3:PutObject", "s3:PutObjectAcl")
_ENCRYPTING = ("kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
_SERVING = {"cloudfront.amazonaws.com"}
"""Services that answer the public. Source: CloudFront guide, private-content-restricting-access-to-s3."""


Keys = Mapping[str, Sequence[Pattern]]
"""Store id -> the keys in it that belong to sessions."""


def prove_no_strangers(deployment: Deployment, stores: Sequence[Store], trusted: Sequence[str], keys: Keys) -> Result:
    """
    Prove that nobody outside these templates reaches tenant data by a policy on the data itself.

    Args:
        deployment: What the templates deploy.
        stores: Tenant tables and buckets, and the keys their sessions use.
        trusted: Principals the user lets in: ARNs, account ids or services as the policy spells them.
        keys: The keys that belong to sessions: a service may deliver logs and reports under others.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    notes: list[str] = []
    for store in stores:
        found = _let_in(deployment, store, stores, trusted, notes, keys.get(store.id, ()))
        if found is not None:
            return found
    detail = f"no policy of the {len(stores)} tables, buckets and keys gives access to anybody outside"
    return replace(_result(Status.PROVED, detail), assumptions=tuple(dict.fromkeys(notes)))


def _let_in(
    deployment: Deployment,
    store: Store,
    stores: Sequence[Store],
    trusted: Sequence[str],
    notes: list[str],
    owned: Sequence[Pattern],
) -> Result | None:
    """Look for somebody one table, bucket or key lets in; add to the notes who is of its own account."""
    problems = [*store.problems, *(statement.problem for statement in store.policy if statement.problem)]
    if problems:
        raise UnmodelledError(problems[0])
    for text in store.copies:
        if not is_trusted(text, trusted) and text not in [other.arn for other in stores]:
            detail = f"it is copied to {show(text)}, whose readers are not looked at; --trusted says that it may be"
            return _result(Status.UNKNOWN, detail, None, store)
    known = replace(store, policy=tuple(_without_services(store.policy, trusted)))
    for stranger in strangers(known.policy):
        if found := _entering(known, stranger, owned):
            # A service decrypts with a key what was handed to it, which it may have been for the owner.
            doubtful = stranger.service and store.kind == "key"
            return _result(Status.UNKNOWN if doubtful else Status.VIOLATED, found.summary, found, store)
    for statement in (s for s in known.policy if s.allow and _on_data(s, store)):
        for text, outsider in outsiders_of(statement, deployment, store.env):
            if is_trusted(text, trusted):
                continue
            if not outsider.of_the_account:
                detail = f"{statement.where}: {outsider.what} may reach {store.label}; --trusted says that it may"
                return _result(Status.UNKNOWN, detail, None, store)
            notes.append(f"{show(text)} may reach {store.label} by its policy, and agent code is not run with it")
    served = next(_served(known, trusted), None)
    return None if served is None else _result(Status.UNKNOWN, served, None, store)


def _served(store: Store, trusted: Sequence[str]) -> Iterator[str]:
    """Yield the services that hand on what they read, whoever asks them, and whichever resource they do it for."""
    reads = [action for action in acting_on(store.kind, inside=True) if action not in _DELIVERY]
    for statement in store.policy:
        names = [show(text) for kind, text in statement.principals if kind == "Service"]
        meant = any(is_trusted(value, trusted) for condition in statement.conditions for value in condition.values)
        if statement.allow and not meant and any(covers_action(statement, action) for action in reads):
            for name in (name for name in names if name in _SERVING):
                yield f"{statement.where}: {name} serves what it reads to whoever asks; --trusted {name} says it may"


def _without_services(policy: tuple[Statement, ...], trusted: Sequence[str]) -> Iterator[Statement]:
    for statement in policy:
        kept = tuple(pair for pair in statement.principals if pair[0] != "Service" or not is_trusted(pair[1], trusted))
        yield replace(statement, principals=kept) if statement.allow else statement


def _result(
    status: Status, detail: str, counterexample: Counterexample | None = None, store: Store | None = None
) -> Result:
    subject = store.label if store else TENANT_DATA
    return Result(RULE, subject, status, detail, counterexample, location=store.id if store else "")


def _on_data(statement: Statement, store: Store) -> bool:
    return any(
        covers_action(statement, action)
        for inside in (False, True)
        for action in _on(store, (statement,), inside=inside)
    )


def _entering(store: Store, stranger: Stranger, owned: Sequence[Pattern]) -> Counterexample | None:
    """Look for a request of a stranger that the store's policy lets through."""
    seen = tuple(as_seen(store.policy, stranger))
    if not any(statement.allow for statement in seen):
        return None
    nobody = Role(stranger.who, "", (), (), stranger.who)
    proof = Proof(Deployment(), SessionScope(nobody, (), {}, []))
    return search(proof, _queries(replace(store, policy=seen), stranger, owned))


def _queries(store: Store, stranger: Stranger, owned: Sequence[Pattern]) -> Iterator[Query]:
    key = Key(f"of a stranger inside {store.id}", frozenset(), 0)
    for action, inside in _attempts(store, store.policy, stranger):
        call = Call("stranger")
        name_items(call, store.policy)
        target = store_target(store, key if inside else None, call.lookup)
        theirs = [key.match(own, _anybody).over for own in owned] if action in _DELIVERY else []
        given = (target.domain, *([disjunction(theirs)] if theirs else []))
        what = f"{stranger.who} may {action} on {store.label}, by its own policy"
        yield Query(call, action, target, store.arn, what, given, key if inside else None, sampled=False)


def _anybody(variable: Variable) -> tuple[Bool, z3.SeqRef]:
    return TRUE, z3.String(f"of anybody {variable.key}")


def _attempts(store: Store, seen: Sequence[Statement], stranger: Stranger) -> Iterator[tuple[str, bool]]:
    for inside in (False, True):
        actions = _on(store, seen, inside=inside)
        # Services encrypt what they deliver, which shows them nothing.
        wanted = [action for action in actions if not (stranger.service and action in _ENCRYPTING)]
        yield from ((action, inside) for action in representative_actions(seen, wanted))


def _on(store: Store, policy: Sequence[Statement], *, inside: bool) -> tuple[str, ...]:
    """Return the actions on a store, or inside it, those that a policy spells out and the table lacks included."""
    known = acting_on(store.kind, inside=inside)
    if inside and store.kind == "key":
        return ()
    if inside and store.kind == "table":
        known = (*acting_on("table"), *known)
    limits = tuple(p for s in policy if not s.allow for p in (*(s.actions or ()), *s.not_actions))
    return (*known, *further(policy, limits, SERVICE[store.kind]))
