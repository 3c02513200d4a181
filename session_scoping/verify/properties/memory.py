"""`memory-isolation`: a session reaches events and records of its own in AgentCore Memory, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from session_scoping.verify.patterns.matching import parsed
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, plain
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.decision import Request
from session_scoping.verify.policies.model import Condition, Role, Statement
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.base import Proof, caller_keys
from session_scoping.verify.properties.samples import admits, own_key, sample_tags
from session_scoping.verify.properties.sharing import show_pattern
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import tags_in
from session_scoping.verify.symbolic.solver import replay
from session_scoping.verify.symbolic.trust import tag_may_hold

RULE = "memory-isolation"
ACTOR, SESSION = "bedrock-agentcore:actorid", "bedrock-agentcore:sessionid"
NAMESPACE, PATH = "bedrock-agentcore:namespace", "bedrock-agentcore:namespacepath"
# Sources: service authorization reference, list_amazonbedrockagentcore (which action carries which key); AgentCore
# devguide, memory-organization (namespacePath is the beginning of a namespace).
_OF_EVENTS = (
    "bedrock-agentcore:CreateEvent", "bedrock-agentcore:DeleteEvent", "bedrock-agentcore:GetEvent",
    "bedrock-agentcore:ListEvents",
)  # fmt: skip
_OF_ACTORS = ("bedrock-agentcore:ListSessions",)
_OF_RECORDS = ("bedrock-agentcore:ListMemoryRecords", "bedrock-agentcore:RetrieveMemoryRecords")
KEYED_BY = {
    **dict.fromkeys(_OF_EVENTS, ((ACTOR, SESSION),)),
    **dict.fromkeys(_OF_ACTORS, ((ACTOR,),)),
    **dict.fromkeys(_OF_RECORDS, ((NAMESPACE,), (PATH,))),
}
"""Action -> the ways to say whose it is, each as the condition keys that say it together."""


def uses_memory(role: Role) -> bool:
    """Whether a role is granted what sessions keep in a Memory, by requests that say whose it is."""
    return any(_grants(statement) for statement in role.identity)


def memories_of(role: Role) -> Iterator[Text]:
    """Yield the Memories that a role's sessions keep events and records of their own in."""
    for statement in (one for one in role.identity if _grants(one)):
        yield from statement.resources or ()


def _grants(statement: Statement) -> list[str]:
    """Return the actions that a statement limits by what they carry."""
    speaks = any(condition.key.lower() in _SAYING for condition in statement.conditions)
    return [action for action in KEYED_BY if covers_action(statement, action)] if statement.allow and speaks else []


_SAYING = frozenset({ACTOR, SESSION, NAMESPACE, PATH})


def without_own_memory(proof: Proof) -> Proof:
    """Return the proof without the statements that reach a session's own part of a Memory and nothing else."""
    role = proof.role
    kept = tuple(statement for statement in role.identity if not own_parts(proof, statement))
    return replace(proof, scoped=replace(proof.scoped, role=replace(role, identity=kept)), _admissions={}, samples=None)


def prove_memory(proof: Proof) -> Result:
    """
    Prove that each grant says whose the request is, by the session's own tags.

    A positive comparison with one's own tags holds for nobody else's value, and for no request without the key.
    """
    shown: dict[str, None] = {}
    for statement in (one for one in proof.role.identity if _grants(one)):
        parts = own_parts(proof, statement)
        if not parts:
            detail = f"{statement.where} may reach what is not the session's own: an actor and session, or a namespace"
            return proof.result(
                RULE, proof.role.label, Status.UNKNOWN, f"{detail} up to its `/`, is compared with tags"
            )
        shown |= dict.fromkeys(show_pattern(pattern) for pattern in parts)
        if not _works(proof, statement):
            detail = f"no session can use {statement.where}: it is denied or can never apply"
            return proof.result(RULE, proof.role.label, Status.VACUOUS, detail)
    return proof.result(RULE, proof.role.label, Status.PROVED, f"only what is called {', '.join(shown)}")


def own_parts(proof: Proof, statement: Statement) -> list[Pattern]:
    """Return what a statement compares requests with, where it allows a session's own alone; else nothing."""
    actions = _named(statement)
    if not actions or statement.problem or not _one_memory_each(statement):
        return []
    found: list[Pattern] = []
    for action in actions:
        ways = [_compared(proof, statement, way) for way in KEYED_BY[action]]
        used = [way for way in ways if way]
        # What a request with a namespace and a path means is not documented: one of them must be ruled out.
        if len(used) != 1 or (
            len(ways) > 1 and not _rules_out(statement, KEYED_BY[action][1 - ways.index(used[0])][0])
        ):
            return []
        if not all(_tells_apart(proof, values) for values in product(*used[0])):
            return []
        found += [pattern for values in used[0] for pattern in values]
    return list(dict.fromkeys(found))


def _named(statement: Statement) -> list[str]:
    """Return the actions of a statement that names these and no others."""
    by_name = {action.lower(): action for action in KEYED_BY}
    if not statement.allow or not statement.actions or not {one.lower() for one in statement.actions} <= by_name.keys():
        return []
    return [by_name[one.lower()] for one in statement.actions]


def _one_memory_each(statement: Statement) -> bool:
    for text in statement.resources or ():
        pattern = parsed(text, statement.variables, True)
        if isinstance(pattern, Unmodelled) or any(isinstance(part, Variable | Wildcard) for part in pattern):
            return False
        if any(isinstance(part, Token) and part.kind == "free" for part in pattern):
            return False
    return bool(statement.resources)


def _compared(proof: Proof, statement: Statement, way: tuple[str, ...]) -> list[list[Pattern]]:
    """Return the values that each key of a way is compared with; nothing where the first is not."""
    found = [_values(proof, statement, key) for key in way]
    return [values for values in found if values] if found[0] else []


def _values(proof: Proof, statement: Statement, key: str) -> list[Pattern]:
    for condition in (one for one in statement.conditions if one.key.lower() == key):
        operator = condition.operator.lower()
        if operator not in {"stringequals", "stringlike"}:
            continue
        patterns = [parsed(value, statement.variables, operator == "stringlike") for value in condition.values]
        own = [one for one in patterns if not isinstance(one, Unmodelled) and _is_exact(proof, one, key)]
        if own and len(own) == len(condition.values):
            return own
    return []


def _is_exact(proof: Proof, pattern: Pattern, key: str) -> bool:
    """Whether a pattern is one value for the same tags, or all below one up to a slash, and another for other tags."""
    is_path = key in {NAMESPACE, PATH}
    head = pattern[:-1] if is_path and pattern[-1:] == (Wildcard("*"),) else pattern
    variables = [part for part in head if isinstance(part, Variable)]
    if any(not isinstance(part, str | Variable) for part in head) or any(
        not part.key.startswith(PRINCIPAL_TAG) or part.default is not None for part in variables
    ):
        return False
    if is_path and not (isinstance(head[-1], str) and head[-1].endswith("/") and _never(proof, variables, "/")):
        return False
    return all(any(_never(proof, variables, sign) for sign in gap) for gap in _gaps(head))


def _gaps(head: Pattern) -> list[str]:
    """Return the texts between one variable and the next."""
    gaps: list[str] = []
    for part in head:
        if isinstance(part, Variable):
            gaps.append("")
        elif gaps:
            gaps[-1] += str(part)
    return gaps[:-1]


def _never(proof: Proof, variables: list[Variable], character: str) -> bool:
    return not any(tag_may_hold(proof.role, variable, character, proof.inherited()) for variable in variables)


def _rules_out(statement: Statement, key: str) -> bool:
    return any(_is_null(condition, key) for condition in statement.conditions)


def _is_null(condition: Condition, key: str) -> bool:
    values = [plain(value) for value in condition.values]
    return condition.key.lower() == key and condition.operator.lower() == "null" and values == ["true"]


def _tells_apart(proof: Proof, values: tuple[Pattern, ...]) -> bool:
    """Whether the tags of the values distinguish sessions, or it is declared that sessions share by them."""
    tags = frozenset(tag for pattern in values for tag in tags_in(pattern))
    agreed = any(shared <= tags for shared in proof.scoped.shared_by)
    return bool(tags) and (proof.scoped.identity <= tags or agreed)


def _works(proof: Proof, statement: Statement) -> bool:
    """Whether an ordinary session is admitted, and some request for its own is allowed."""
    tags = sample_tags(proof)
    return admits(proof, tags) and any(
        replay(proof.role, request, Binding()).allowed for request in _requests(proof, statement, tags)
    )


def _requests(proof: Proof, statement: Statement, tags: dict[str, str]) -> Iterator[Request]:
    binding = Binding()
    base = {key: binding.text(value) for key, value in caller_keys(proof.role).items()}
    context: dict[str, str | list[str]] = {**base, **tag_context("aws:PrincipalTag/", tags)}
    for action, text in product(_named(statement), statement.resources or ()):
        for way in KEYED_BY[action]:
            values = [_values(proof, statement, key) for key in way]
            own = {key: own_key(found[0], tags, binding) or "" for key, found in zip(way, values, strict=True) if found}
            asked = {**context, **own}
            yield Request(action, binding.text(text), asked, binding.text(proof.role.arn), "session")
