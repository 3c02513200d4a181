"""Makes sessions: with plain values for tags that a trust policy takes, and by replaying a mint of a model."""

import re
from collections.abc import Iterator
from dataclasses import replace

import z3

from session_scoping.verify.patterns.matching import parsed, pattern_regex
from session_scoping.verify.patterns.text import Pattern, Unmodelled, Wildcard
from session_scoping.verify.policies.actions import ASSUME, TAG_SESSION
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.decision import PolicySet, Request, decide
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.policies.statement_queries import REQUEST_TAG
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


_DEMANDING = {"stringlike", "stringequals"}


def fitting(role: Role, key: str, wanted: str) -> str:
    """
    Return a value for a tag: the one wanted, or one made after a pattern of the trust policy where that fits none.

    z3 takes long to make up a UUID after a pattern of its length, and gives up; filled with one letter it is at hand.

    Args:
        role: Whose trust policy.
        key: The tag, in lower case.
        wanted: The value, not empty; its last letter is the one to fill with.
    """
    patterns = list(_demanded(role, key))
    if not patterns or any(re.fullmatch(pattern_regex(p, {}), wanted, re.DOTALL) for p in patterns):
        return wanted
    letter = wanted[-1]
    # Another pattern for another letter: of tenants that are listed, two are two.
    chosen = patterns[ord(letter) % len(patterns)]
    return "".join(letter if isinstance(part, Wildcard) else str(part) for part in chosen)


def _demanded(role: Role, key: str) -> Iterator[Pattern]:
    """Yield what an Allow of the trust policy demands of a tag, as far as it is text and wildcards."""
    for statement in (s for s in role.trust if s.allow):
        for condition in statement.conditions:
            operator = condition.operator.lower()
            if condition.key.lower() != f"{REQUEST_TAG}{key}" or operator not in _DEMANDING:
                continue
            for value in condition.values:
                pattern = parsed(value, statement.variables, operator == "stringlike")
                if not isinstance(pattern, Unmodelled) and all(isinstance(part, str | Wildcard) for part in pattern):
                    yield pattern
