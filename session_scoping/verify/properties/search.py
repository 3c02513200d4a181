"""The one search: find a request that gets through although it must not, replay it through `decide`, report it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import z3
from z3 import z3util

from session_scoping.verify.patterns.text import Text, plain
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.properties.base import Proof, Witness, confirm, items_named
from session_scoping.verify.properties.samples import sample_attempt
from session_scoping.verify.reports.report import Counterexample
from session_scoping.verify.symbolic.access import Target, access
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Bool


@dataclass(frozen=True)
class Query:
    """
    A request that must not get through: what a property asks.

    Attributes:
        call: The request, its action and target left open.
        action: The action.
        target: What it acts on.
        arn: The target's ARN, as far as the templates have it.
        what: What its getting through means.
        given: What holds besides, such as that the trust policy admits the session. Default: nothing does.
        inside: What follows the ARN. Default: nothing does.
        witnesses: The requests to replay for a model. Default: one, on the target.
        victim: The session whose data it would reach. Default: nobody's in particular.
        policy: The policy on the target, for the replay. Default: the store's.
        must: Whether that policy has to allow as well.
        role: Who asks, where it is not the role under proof, such as one with at least its grants.
        sampled: Whether a few plain requests are tried first, which spares the solver's. Default: they are.
        keyed: Whether leading keys are tried among those. Default: they are.
        wanted: Whether it is rather to get through; then the resource may have whatever tag a policy asks for.
        about: The strings whose comparisons may decide it alone. Default: all of them decide.
    """

    call: Call
    action: str
    target: Target
    arn: Text
    what: str
    given: tuple[Bool, ...] = ()
    inside: Key | None = None
    witnesses: Callable[[z3.ModelRef], Iterable[Witness]] | None = None
    victim: Session | None = None
    policy: tuple[Statement, ...] | None = None
    must: bool = False
    role: Role | None = None
    sampled: bool = True
    keyed: bool = True
    wanted: bool = False
    about: tuple[str, ...] = ()


def search(proof: Proof, queries: Iterable[Query]) -> Counterexample | None:
    """
    Look for a request of a role's sessions that is allowed, one query after the other.

    Args:
        proof: Whose role asks.
        queries: What must not get through.

    Raises:
        UnmodelledError: Something that decides it is not modelled, the solver gave up, or there may be a request that
            `decide` does not confirm: what is not known counts as dangerous.
    """
    doubt = ""
    for query in queries:
        reach = access(query.role or proof.role, query.call, query.action, query.target)
        if z3.is_false(reach):
            continue
        if query.sampled and (found := _sampled(proof, query)):
            return found
        model = model_of(query, reach)
        if model is None:
            continue
        found = confirm(
            proof, query.call, model, _witnesses(query, model), "" if query.wanted else query.what,
            victim=query.victim, policy=_policy(query), must=query.must,
        )  # fmt: skip
        if found is not None:
            return found
        doubt = (
            doubt
            or f"{query.what}, as far as an over-approximation can tell; `decide` does not confirm it{_open(query)}"
        )
    if doubt:
        raise UnmodelledError(doubt)
    return None


def _open(query: Query) -> str:
    """Return what a reader may do about a name that only CloudFormation knows."""
    store = query.target.store
    made = store is not None and store.made and plain(store.name) is None and not store.stack
    return (
        f"; CloudFormation names {store.label}: a name of its own, or a cdk.out, settles it" if store and made else ""
    )


def model_of(query: Query, reach: Bool) -> z3.ModelRef | None:
    """
    Return a model of a query, or None when no request gets through.

    Args:
        query: The query.
        reach: When the request is allowed.

    Raises:
        UnmodelledError: The solver gave up.
    """
    # What a name may look like matters only to a pattern that could match it: deciding it takes z3 seconds.
    named = query.inside is not None or query.victim is not None
    named = named or any(str(one).startswith("token ") for one in z3util.get_vars(reach))
    domain = query.target.domain if named else TRUE
    return solve(domain, query.call.domain(), *query.given, reach, about=query.about, readable=not query.wanted)


def _sampled(proof: Proof, query: Query) -> Counterexample | None:
    inside = query.inside is not None
    store = query.target.store
    return sample_attempt(proof, query.action, query.arn, inside, store, query.what, keyed=query.keyed)


def _witnesses(query: Query, model: z3.ModelRef) -> Iterable[Witness]:
    if query.witnesses is not None:
        return query.witnesses(model)
    store = query.target.store
    mark = store.before_key if store else "/"
    end = mark + query.inside.read(model) if query.inside else ""
    return (Witness(query.action, query.arn, end, items_named(query.call, model)),)


def _policy(query: Query) -> tuple[Statement, ...]:
    if query.policy is not None:
        return query.policy
    return query.target.store.policy if query.target.store else ()
