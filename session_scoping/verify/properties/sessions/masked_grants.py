"""`no-masked-grants`: what keeps data apart is what is allowed; no grant is stopped by a Deny alone."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from session_scoping.verify.patterns.text import Text
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.properties.agents.compute import prove_compute
from session_scoping.verify.properties.base import Proof, guarded
from session_scoping.verify.properties.memory import RULE as MEMORY
from session_scoping.verify.properties.memory import memories_of, prove_memory
from session_scoping.verify.properties.sessions.allowed_actions import prove_allowed_actions
from session_scoping.verify.properties.sessions.cross_role import prove_beside, prove_no_chaining
from session_scoping.verify.reports.report import Result, Status

RULE = "no-masked-grants"
_MASKED = "only a Deny stops it: "
"""Begins what is said of a grant that is masked, its counterexample included: the request itself is denied today."""
_Attempt = Callable[[], Result]


def prove_session_grants(proof: Proof, neighbours: Mapping[str, Sequence[Proof]]) -> Result:
    """
    Prove that a session role's isolation holds without any Deny.

    Args:
        proof: The role.
        neighbours: Store id, or `memory-isolation` -> the other roles with keys of their own there.

    Source:
        DynamoDB guide, best-practices for Deny in fine-grained access control: the Allow is the control, because a Deny
        is lost as soon as somebody detaches it or its condition does not match.
    """
    if not _has_denies(proof.role, proof.deployment.stores.values()):
        return _nothing_masked(proof.role)
    bare = _without_denies(proof)
    pairs: list[tuple[_Attempt, _Attempt]] = []
    for mine, store in zip(bare.scoped.stores, proof.scoped.stores, strict=True):
        near = neighbours.get(store.id, ())
        pairs.append((partial(prove_beside, bare, near, mine), partial(prove_beside, proof, near, store)))
    if memories_of(proof.role, proof.deployment):
        near = neighbours.get(MEMORY, ())
        pairs.append((partial(prove_memory, bare, near), partial(prove_memory, proof, near)))
    pairs += [(partial(prove, bare), partial(prove, proof)) for prove in (prove_allowed_actions, prove_no_chaining)]
    return _first_masked(proof.role, pairs)


def prove_compute_grants(
    deployment: Deployment,
    role: Role,
    stores: list[Store],
    *,
    perhaps_broker: bool = False,
    judged: Collection[Text] = (),
    trusted: Sequence[str] = (),
) -> Result:
    """Prove that a compute role reaches no tenant data even without the Denies on it."""
    if not _has_denies(role, stores):
        return _nothing_masked(role)
    prove = partial(prove_compute, deployment, perhaps_broker=perhaps_broker, judged=judged, trusted=trusted)
    pair = (partial(prove, _bare_role(role), list(map(_bare_store, stores))), partial(prove, role, stores))
    return _first_masked(role, [pair])


def _first_masked(role: Role, pairs: Sequence[tuple[_Attempt, _Attempt]]) -> Result:
    def failed(status: Status, detail: str) -> Result:
        return Result(RULE, role.label, status, detail, location=role.id)

    for bare, full in pairs:
        found = guarded(bare, failed)
        if found.status is Status.PROVED:
            continue
        if guarded(full, failed).status in {Status.VIOLATED, found.status}:
            continue  # what the Denies do not stop either is reported under its own rule
        example = found.counterexample
        return replace(
            failed(found.status, f"{_MASKED}{found.detail}"),
            counterexample=replace(example, summary=f"{_MASKED}{example.summary}") if example else None,
        )
    return _nothing_masked(role)


def _nothing_masked(role: Role) -> Result:
    detail = "nothing is held back by a Deny alone"
    return Result(RULE, role.label, Status.PROVED, detail, location=role.id)


def _has_denies(role: Role, stores: Iterable[Store]) -> bool:
    """Whether anything changes when the Denies go: without any, the other properties have said it all."""
    policies = (role.identity, *(store.policy for store in stores))
    return any(not statement.allow for policy in policies for statement in policy)


def _without_denies(proof: Proof) -> Proof:
    deployment, scoped = proof.deployment, proof.scoped
    role = _bare_role(scoped.role)
    return Proof(
        replace(deployment, stores={key: _bare_store(store) for key, store in deployment.stores.items()}),
        replace(scoped, role=role, stores=list(map(_bare_store, scoped.stores))),
        proof.allow,
        proof.taggers,
        proof.several,
    )


def _bare_role(role: Role) -> Role:
    """Return the role without the Denies of its own policies; a boundary is a limit, not a guard, and stays."""
    return replace(role, identity=tuple(_allows(role.identity)))


def _bare_store(store: Store) -> Store:
    return replace(store, policy=tuple(_allows(store.policy)))


def _allows(statements: Sequence[Statement]) -> Iterator[Statement]:
    return (statement for statement in statements if statement.allow)
