"""`revocation`: a revoked session can do nothing at all, whatever is granted now or later."""

from collections.abc import Iterator
from dataclasses import replace

import z3

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import REVOKED
from session_scoping.contract.revocations import ISSUE_TIME, RevokedSessions, from_text
from session_scoping.verify.patterns.text import lit, plain
from session_scoping.verify.policies.actions import everything
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.base import Proof, Witness, confirm
from session_scoping.verify.properties.samples import own_requests
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError, encode_condition, instant_of
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Bool, conjunction, disjunction, negation

RULE = "revocation"
_ASSUMPTION = f"every request of a role session carries {ISSUE_TIME}, because its credentials are temporary"
_NARROW = "sts:GetScopedCredentials"
_LATER = Statement("a grant somebody adds later", allow=True, actions=("*",), resources=(lit("*"),))


def promises_revocation(role: Role) -> bool:
    """Whether the role's Metadata says that sessions are revoked."""
    return REVOKED in role.metadata


def prove_revocation(proof: Proof) -> Result:
    """
    Prove that a Deny of every action on every resource fires for each session the role's Metadata calls revoked.

    Which sessions the trust admits is left out on purpose: the ones in question were made before it refused them.
    """
    found = _promised(proof.role)
    for revoked in found:
        example = _alive(proof, revoked)
        if example:
            detail = "a revoked session is not denied everything"
            return proof.result(RULE, proof.role.label, Status.VIOLATED, detail, counterexample=example)
    if any(revoked.before for revoked in found) and _narrows(proof.role):
        detail = (
            "a session may make credentials of another issue time by sts:GetScopedCredentials, so a revocation by time "
            "may not reach them; revoke by tag, or deny the action"
        )
        return proof.result(RULE, proof.role.label, Status.UNKNOWN, detail)
    detail = f"{len(found)} revocation{'s' if len(found) > 1 else ''}: nothing is allowed, whatever else is granted"
    notes = (_ASSUMPTION,) if any(revoked.before for revoked in found) else ()
    return proof.result(RULE, proof.role.label, Status.PROVED, detail, assumptions=notes)


def _promised(role: Role) -> list[RevokedSessions]:
    texts = role.metadata[REVOKED]
    if not isinstance(texts, list) or not texts:
        raise UnmodelledError(f"{role.id}: its Metadata {REVOKED} is no list of revocations")
    found: list[RevokedSessions] = []
    for text in texts:
        written = plain(text) if isinstance(text, tuple) else None
        try:
            found.append(from_text(written or ""))
        except InvalidInputError as error:
            raise UnmodelledError(f"{role.id}: a revocation in its Metadata cannot be read") from error
    return found


def _alive(proof: Proof, revoked: RevokedSessions) -> Counterexample | None:
    session = Session("R", {**proof.scoped.spelling, **{key.lower(): key for key in revoked.tags}}, proof.role.tags)
    call = proof.call("R", session)
    meant = _meant(revoked, call)
    fires = disjunction([_denies(statement, call) for statement in _whole_denies(proof.role)])
    model = solve(session.domain(), meant, negation(fires))
    if model is None:
        return None
    who = [
        name for name, is_meant in (("issued too early", revoked.before), ("revoked by tag", revoked.tags)) if is_meant
    ]
    example = _request(proof, call, model, f"a session {' and '.join(who)} can still act")
    if example is None:
        raise UnmodelledError(
            "no single Deny covers everything for a revoked session, and no request shows that one must"
        )
    return example


def _narrows(role: Role) -> bool:
    """
    Whether a session may call GetScopedCredentials: no Deny closes it, and whether it needs an Allow is not documented.

    Source: IAM guide, id_credentials_temp_control-access_getscopedcredentials; which aws:TokenIssueTime the result
    carries is not documented, so a caller that goes on until the Deny has arrived may outlive it.
    """
    covering = [s for s in (*role.identity, *(role.boundary or ())) if s.problem or covers_action(s, _NARROW)]
    closed = any(
        not s.allow and lit("*") in (s.resources or ()) and not (s.conditions or s.template_conditions or s.problem)
        for s in covering
    )
    return not closed


def _meant(revoked: RevokedSessions, call: Call) -> Bool:
    """Return the formula of a request by a revoked session."""
    found: list[Bool] = []
    if revoked.before:
        there, value = call.moment(ISSUE_TIME.lower())
        instant = instant_of(lit(revoked.before))
        found += [there, value < z3.RealVal(str(instant))]
    for key, values in revoked.tags.items():
        there, tag = call.single(f"{PRINCIPAL_TAG}{key.lower()}")
        found += [there, disjunction([tag == z3.StringVal(value) for value in values])]
    return conjunction(found)


def _whole_denies(role: Role) -> Iterator[Statement]:
    """Yield the Denies of every action on every resource: no other one holds for a grant nobody has made yet."""
    for statement in (*role.identity, *(role.boundary or ())):
        whole = "*" in (statement.actions or ()) and lit("*") in (statement.resources or ())
        if not statement.allow and whole and not statement.problem:
            yield statement


def _denies(statement: Statement, call: Call) -> Bool:
    given = [z3.Bool(f"condition {name}") == value for name, value in statement.template_conditions]
    try:
        conditions = [
            encode_condition(c, call, over=False, variables=statement.variables) for c in statement.conditions
        ]
    except UnmodelledError:
        # Left out, it denies less: that can cost the proof and never make one.
        return z3.BoolVal(False)
    return conjunction([*given, *conditions])


def _request(proof: Proof, call: Call, model: z3.ModelRef, summary: str) -> Counterexample | None:
    """Look for a request the role's own grants let through, else for one that any later grant would."""
    witnesses = [*_own(proof, call, model), *_any(proof)]
    later = replace(proof.role, identity=(*proof.role.identity, _LATER))
    opened = replace(proof, scoped=replace(proof.scoped, role=later))
    for one in (proof, opened):
        found = confirm(one, call, model, witnesses, summary)
        if found:
            return found
    return None


def _own(proof: Proof, call: Call, model: z3.ModelRef) -> Iterator[Witness]:
    """Yield requests on the session's own keys, which the role is there to allow."""
    tags = call.session.read(model) if call.session else {}
    for store in proof.scoped.stores:
        for request in own_requests(proof, store, tags):
            keys = request.context.get("dynamodb:LeadingKeys", ())
            yield Witness(request.action, lit(request.resource), "", tuple(keys))


def _any(proof: Proof) -> Iterator[Witness]:
    """Yield one request per action that is known, and per action a Deny leaves out."""
    arns = {store.kind: store.arn for store in proof.scoped.stores}
    homes = {
        "dynamodb": (arns.get("table", lit("*")), ""),
        "s3": (arns.get("bucket", lit("arn:aws:s3:::bucket")), "/key"),
    }
    left_out = [action for s in proof.role.identity if not s.allow for action in s.not_actions]
    for action in (*everything(), *(text.replace("*", "ZzFutureAction").replace("?", "z") for text in left_out)):
        resource, suffix = homes.get(action.partition(":")[0], (lit("*"), ""))
        yield Witness(action, resource, suffix)
