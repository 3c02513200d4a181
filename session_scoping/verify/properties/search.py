"""The one search: find a request that gets through although it must not, replay it through `decide`, report it."""

from dataclasses import dataclass

import z3
from z3 import z3util

from session_scoping.verify.patterns.text import Text
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.properties.base import Proof, Witness, confirm, items_named
from session_scoping.verify.properties.samples import sample_attempt
from session_scoping.verify.reports.report import Counterexample
from session_scoping.verify.symbolic.access import Target, access
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import TRUE, Bool, Key


@dataclass(frozen=True)
class Attempt:
    """
    A request that must not get through.

    Attributes:
        action: The action.
        target: What it acts on.
        arn: The target's ARN, as far as the templates have it.
        what: What its getting through means.
        inside: What follows the ARN. Default: nothing does.
    """

    action: str
    target: Target
    arn: Text
    what: str
    inside: Key | None = None


def search(
    proof: Proof,
    call: Call,
    attempt: Attempt,
    given: Bool = TRUE,
    *,
    sampled: bool = True,
    policy: tuple[Statement, ...] | None = None,
    must: bool = False,
) -> Counterexample | None:
    """
    Look for a request of a role's sessions that is allowed.

    Args:
        proof: Whose role asks.
        call: The request, its action and target left open.
        attempt: What is tried.
        given: What holds besides, such as that the trust policy admits the session. Default: nothing does.
        sampled: Whether a few plain requests are tried first, which spares the solver's. Default: they are.
        policy: The policy on the target, for the replay. Default: the store's.
        must: Whether that policy has to allow as well.

    Raises:
        UnmodelledError: There may be one, as far as an over-approximation can tell; `decide` does not confirm it.
    """
    action, target, store = attempt.action, attempt.target, attempt.target.store
    reach = access(proof.role, call, action, target)
    if z3.is_false(reach):
        return None
    inside = attempt.inside is not None
    if sampled and (found := sample_attempt(proof, action, attempt.arn, inside, store, attempt.what)):
        return found
    # What a name may look like matters only to a pattern that could match it: deciding it takes z3 seconds.
    named = attempt.inside is not None or any(str(one).startswith("token ") for one in z3util.get_vars(reach))
    model = solve(target.domain if named else TRUE, call.domain(), given, reach)
    if model is None:
        return None
    mark = store.before_key if store else "/"
    end = mark + attempt.inside.read(model) if attempt.inside else ""
    witness = Witness(action, attempt.arn, end, items_named(call, model))
    policy = (store.policy if store else ()) if policy is None else policy
    found = confirm(proof, call, model, [witness], attempt.what, policy=policy, must=must)
    if found is None:
        raise UnmodelledError(f"{attempt.what}, as far as an over-approximation can tell; `decide` does not confirm it")
    return found
