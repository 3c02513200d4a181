"""`derivation`: a tool's role is reached by sessions of its own session role only, each with its own tags."""

from collections.abc import Iterable

import z3

from session_scoping.contract.metadata import TOOL_NAME_TAG, TOOL_OF
from session_scoping.contract.tags import POD_IDENTITY_TAGS
from session_scoping.verify.patterns.text import Pattern, Text, plain, show
from session_scoping.verify.policies.actions import TAG_SESSION
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import REQUEST_TAG, covers_action
from session_scoping.verify.properties.base import Proof, Witness, confirm
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.symbolic.access import Target, access
from session_scoping.verify.symbolic.calls import Call, Session
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Bool, Lookup, Match, conjunction, disjunction, negation
from session_scoping.verify.symbolic.targets import ALWAYS, NEVER, other_target
from session_scoping.verify.symbolic.trust import permits

RULE = "derivation"
BECOMING = ("sts:AssumeRole", "sts:SetSourceIdentity", TAG_SESSION)
_ASSUME = BECOMING[0]


def tool_of(role: Role) -> Text | None:
    """Return the ARN of the session role a role says it is a tool of."""
    found = role.metadata.get(TOOL_OF)
    return found if isinstance(found, tuple) else None


def tools_of(deployment: Deployment, session_role: Role) -> list[Role]:
    """Return the roles that say they are tools of a session role."""
    return [role for role in deployment.roles.values() if tool_of(role) == session_role.arn]


def role_keys(role: Role) -> dict[str, str]:
    """Return the tag keys a trust policy speaks of."""
    found: dict[str, str] = {}
    for condition in (condition for statement in role.trust for condition in statement.conditions):
        if condition.key.lower().startswith(REQUEST_TAG):
            name = condition.key[len(REQUEST_TAG) :]
            found[name.lower()] = name
        elif condition.key.lower() in {"aws:tagkeys", "sts:transitivetagkeys"} and condition.operator.lower() != "null":
            names = [plain(value) for value in condition.values]
            found |= {name.lower(): name for name in names if name and "*" not in name}
    return found


def role_target(role: Role, deployment: Deployment, lookup: Lookup) -> Target:
    """Return a role as the target of a call; another role of the templates is never the same one."""
    by_text = other_target(role.arn, lookup)

    def match(pattern: Pattern) -> Match:
        if pattern == role.arn:
            return ALWAYS
        if pattern in deployment.role_arns:
            return NEVER
        # What is known of the ARN's deploy-time parts slows z3 down, and matters only here.
        target.domain = by_text.domain
        return by_text.match(pattern)

    # A trust policy is the role's resource policy: one that names the session needs no identity policy.
    store = Store("role", role.id, role.label, role.arn, role.name, policy=role.trust)
    target = Target(match, store=store)
    return target


def prove_derivation(proof: Proof, tool: Role) -> Result:
    """
    Prove what a tool's role promises.

    Args:
        proof: The session role the tool says it belongs to.
        tool: The tool's role.
    """
    subject = f"{proof.role.label} → {tool.label}"

    def result(status: Status, detail: str, counterexample: Counterexample | None = None) -> Result:
        return Result(RULE, subject, status, detail, counterexample, location=tool.id)

    if stranger := _stranger(tool.trust, proof.role):
        return result(Status.VIOLATED, stranger)
    child = Session("tool", {**role_keys(tool), **proof.scoped.spelling})
    call = proof.call("A", proof.admission("A").session)
    call.minted = child
    target = role_target(tool, proof.deployment, call.lookup)
    trusted = _both(child, [permits(tool, call, action, target) for action in (_ASSUME, TAG_SESSION)])
    granted = _both(child, [access(proof.role, call, action, target) for action in (_ASSUME, TAG_SESSION)])
    admitted = proof.admission("A").formula
    for question, summary in _questions(proof, call, child, tool):
        # The trust alone answers most questions, and z3 answers a small one at once.
        if solve(child.domain(), trusted, question) is None:
            continue
        model = solve(child.domain(), trusted, question, target.domain, granted, admitted)
        if model is not None:
            return result(Status.VIOLATED, summary, _replayed(proof, call, model, tool, summary))
    handed_on = [proof.admission("A").session.transitive(key) for key in proof.scoped.declared]
    if solve(admitted, *handed_on) is None or solve(child.domain(), trusted, granted) is None:
        return result(Status.VACUOUS, "no session that hands its tags on can become the tool")
    named = ", named by its task" if name_tag(tool) else ""
    return result(Status.PROVED, f"only sessions of the role become the tool, each with its own tags{named}")


def _both(child: Session, formulas: list[Bool]) -> Bool:
    """Return when a role is reached: AssumeRole, and TagSession as soon as there is a tag."""
    # Unlike other resources, a role is never reached without its trust policy, so both halves are asked for.
    becomes, tags = formulas
    return conjunction([becomes, disjunction([negation(child.any_tag()), tags])])


def _questions(proof: Proof, call: Call, child: Session, tool: Role) -> Iterable[tuple[Bool, str]]:
    session = proof.admission("A").session
    for key in child.keys:
        spelling = proof.scoped.spelling.get(key, key)
        if key in proof.scoped.declared:
            there, value = session.principal_tag(key)
            other = disjunction([negation(there), child.value(key) != value])
            yield negation(child.carried(key)), f"a tool's session can lack the tag {spelling}"
            yield conjunction([child.carried(key), other]), f"a tool's session can carry another task's {spelling}"
        # A pod's tags come along with every session that has them, and no policy rests on one that is not declared.
        elif not (key in POD_IDENTITY_TAGS and admits(proof.role, key) and admits(tool, key)):
            yield child.carried(key), f"a tool's session can carry a tag its session does not have, such as {spelling}"
    if named_by := name_tag(tool):
        there, name = call.single("sts:rolesessionname")
        value = session.principal_tag(named_by.lower())[1]
        yield (
            disjunction([negation(there), name != value]),
            f"a tool's session can have a name that is not its {named_by}",
        )


def admits(role: Role, key: str) -> bool:
    """Whether a trust policy names a tag among those that may be passed."""
    lists = (c for s in role.trust if s.allow for c in s.conditions if c.key.lower() == "aws:tagkeys")
    return any(plain(value) == key for condition in lists for value in condition.values)


def name_tag(tool: Role) -> str | None:
    """Return the tag that names a tool's sessions."""
    found = tool.metadata.get(TOOL_NAME_TAG)
    return plain(found) if isinstance(found, tuple) else None


def _stranger(trust: tuple[Statement, ...], session_role: Role) -> str | None:
    """Return who else the tool's trust policy admits."""
    for statement in trust:
        if statement.problem:
            raise UnmodelledError(statement.problem)
        if not statement.allow or not any(covers_action(statement, action) for action in BECOMING):
            continue
        if statement.not_principal:
            return f"{statement.where}: everybody but some may become the tool"
        for kind, text in statement.principals:
            if kind != "AWS" or text != session_role.arn:
                return f"{statement.where}: {show(text)}, which is not the tool's session role, may become the tool"
    return None


def _replayed(proof: Proof, call: Call, model: z3.ModelRef, tool: Role, summary: str) -> Counterexample:
    """Return the request, after `decide` let it through under both actions."""
    found = None
    for action in (_ASSUME, TAG_SESSION):
        shown = confirm(proof, call, model, [Witness(action, tool.arn)], summary, policy=tool.trust, must=True)
        if shown is None and (action == _ASSUME or call.minted is None or call.minted.read(model)):
            raise UnmodelledError(f"{summary}, as far as an over-approximation can tell")
        found = found or shown
    assert found is not None  # noqa: S101 - the loop raised otherwise
    return found
