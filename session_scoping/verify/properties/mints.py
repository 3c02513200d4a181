"""Replays a mint that a model proposes through `decide`, as each principal the trust policy lets in."""

from dataclasses import replace

import z3

from session_scoping.verify.policies.actions import ASSUME, TAG_SESSION
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.decision import PolicySet, Request, decide
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.properties.base import Proof, request_tags
from session_scoping.verify.reports.report import Counterexample
from session_scoping.verify.symbolic.solver import binding_of, free_context


def replay_mint(proof: Proof, model: z3.ModelRef, summary: str) -> Counterexample | None:
    """Replay the mint a model proposes through `decide`, as each principal in turn."""
    role, admission = proof.role, proof.admission("A")
    session = admission.session
    binding = binding_of(model)
    tags = session.read(model)
    context = request_tags(admission.call, model) | free_context(admission.call, model)
    trust = binding.statements(role.trust)
    arn = binding.text(role.arn)
    for minter in minters(proof, binding):
        policies = PolicySet(resource=as_caller(trust, minter))
        for action in ASSUME:
            decisions = [
                decide(Request(name, arn, context, principal=CALLER), policies)
                for name in ([action, TAG_SESSION] if tags else [action])
            ]
            if all(decision.allowed for decision in decisions):
                statement = decisions[0].statement
                where = statement.where if statement else ""
                return Counterexample(
                    summary, session=tags, action=action, resource=arn, context=dict(context), decided_by=where
                )
    return None


CALLER = "arn:aws:iam::111122223333:role/minter"


def minters(proof: Proof, binding: Binding) -> list[tuple[str, str]]:
    """Return every principal the trust policy lets in, as kind and concrete name."""
    pairs = [(kind, binding.text(text)) for s in proof.role.trust if s.allow for kind, text in s.principals]
    return list(dict.fromkeys(pairs))


def as_caller(trust: tuple[Statement, ...], minter: tuple[str, str]) -> tuple[Statement, ...]:
    """Return the trust policy with one of its principals spelled as the caller of the replay."""
    found: list[Statement] = []
    for statement in trust:
        names = {(kind, "".join(map(str, text))) for kind, text in statement.principals}
        if minter in names or ("*", "*") in names:
            found.append(replace(statement, principals=(("AWS", (CALLER,)),)))
    return tuple(found)
