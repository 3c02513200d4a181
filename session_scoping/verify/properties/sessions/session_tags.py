"""`session-tags`: every session the trust policy admits carries exactly the declared tags, none empty."""

import z3

from session_scoping.contract.tags import POD_IDENTITY_TAGS
from session_scoping.verify.patterns.naming import is_account
from session_scoping.verify.patterns.text import Token, plain, show
from session_scoping.verify.policies.actions import ASSUME, TAG_SESSION
from session_scoping.verify.policies.conditions import UnmodelledOperatorError
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.mints import replay_mint
from session_scoping.verify.properties.outside.external_trust import unpinned
from session_scoping.verify.properties.samples import samples
from session_scoping.verify.properties.sessions.derivation import admits, tool_of
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import tags_in
from session_scoping.verify.symbolic.calls import Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Bool
from session_scoping.verify.symbolic.trust import lacks_tag, takes_pods_only

RULE = "session-tags"


def prove_session_tags(proof: Proof) -> Result:
    """
    Prove that no session lacks a tag, has one too many, passes one on, or is made by just anybody.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    role = proof.role

    def result(status: Status, detail: str, counterexample: Counterexample | None = None) -> Result:
        return proof.result(RULE, role.label, status, detail, counterexample=counterexample)

    stranger = _stranger(proof)
    if stranger:
        return result(*stranger)
    admission = proof.admission("A")
    if not _one_is_at_hand(proof) and solve(admission.formula) is None:
        return result(Status.VACUOUS, "the trust policy admits no session at all")
    for question, summary in _questions(proof, admission.session):
        model = solve(admission.formula, question)
        if model is None:
            continue
        found = replay_mint(proof, model, summary)
        if found is None:
            raise UnmodelledError(f"{summary}, as far as the approximation of the trust policy can tell")
        return result(Status.VIOLATED, summary, found)
    tags = ", ".join(proof.scoped.spelling[key] for key in proof.scoped.declared)
    how = "none of them empty or passed on" if tool_of(role) is None else "none of them empty"
    if any(admits(role, key) for key in POD_IDENTITY_TAGS if key not in proof.scoped.declared):
        how += "; those of EKS Pod Identity may come along"
    return result(Status.PROVED, f"every session carries exactly {tags}, {how}")


def _one_is_at_hand(proof: Proof) -> bool:
    """Whether a plain session is admitted; the solver may take long to make one up after a trust policy's patterns."""
    try:
        return bool(samples(proof))
    except (UnmodelledOperatorError, TypeError):
        return False


def _questions(proof: Proof, session: Session) -> list[tuple[Bool, str]]:
    spelling = proof.scoped.spelling
    admission = proof.admission("A")
    found: list[tuple[Bool, str]] = [(z3.Not(session.any_tag()), "a session can be made without any tag")]
    for key in proof.scoped.declared:
        found.append((lacks_tag(admission, key), f"a session can be made without a value for {spelling[key]}"))
    asked_for = _transitive_asked_for(proof)
    handed_on = {key for key in POD_IDENTITY_TAGS if admits(proof.role, key)}
    for key in spelling:
        if key not in proof.scoped.declared and key not in handed_on:
            found.append((session.carried(key), f"a session can be made with the undeclared tag {spelling[key]}"))
        if key in _path_tags(proof):
            value = session.value(key)
            dotted = z3.Or(value == z3.StringVal("."), z3.Contains(value, z3.StringVal("..")))
            summary = f"{spelling[key]} can be `.` or hold `..`, so that a reader that joins paths leaves the prefix"
            found.append((z3.And(session.carried(key), dotted), summary))
        # What a tool's session inherits stays transitive, whatever its role says.
        if key not in asked_for | handed_on and tool_of(proof.role) is None:
            found.append((session.transitive(key), f"the tag {spelling[key]} can be passed on to further sessions"))
    return found


def _path_tags(proof: Proof) -> frozenset[str]:
    """Return the tags that become part of an object key."""
    buckets = [store for store in proof.scoped.stores if store.kind == "bucket"]
    return frozenset(tag for store in buckets for p in proof.scoped.formats[store.id] for tag in tags_in(p))


def _transitive_asked_for(proof: Proof) -> set[str]:
    """Return the tags the trust policy names as transitive on purpose."""
    found: set[str] = set()
    for statement in (s for s in proof.role.trust if s.allow):
        found |= set(POD_IDENTITY_TAGS) if takes_pods_only(statement) else set()
        for condition in statement.conditions:
            if condition.key.lower() == "sts:transitivetagkeys" and condition.operator.lower() != "null":
                found |= {str(plain(value)).lower() for value in condition.values}
    return found


def _stranger(proof: Proof) -> tuple[Status, str] | None:
    """Return why a principal of the trust policy is not one known role."""
    for statement in proof.role.trust:
        if statement.problem or not statement.allow:
            continue
        if not any(covers_action(statement, action) for action in (*ASSUME, TAG_SESSION)):
            continue
        if statement.not_principal:
            return Status.UNKNOWN, f"{statement.where}: NotPrincipal is not modelled"
        for kind, text in statement.principals:
            if kind == "*":
                return Status.VIOLATED, f"{statement.where}: anybody in any account may make a session"
            enters = any(covers_action(statement, action) for action in ASSUME)
            if kind == "Federated" and enters and (problem := unpinned(statement, text)):
                return problem
            if kind == "AWS" and is_account(text):
                detail = f"{statement.where}: any principal of {show(text)} that its policies allow may make a session"
                return Status.UNKNOWN, f"{detail}, and those policies are not all in the templates"
            if kind == "AWS" and any(isinstance(part, Token) and part.kind == "free" for part in text):
                return Status.UNKNOWN, f"{statement.where}: who may make a session is only known at deploy time"
    return None
