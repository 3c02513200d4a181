"""What every property needs: the role in question, its symbolic sessions, and how to report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import z3

from session_scoping.aws.keys import carried
from session_scoping.verify.patterns.text import Text
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.conditions import UnmodelledOperatorError
from session_scoping.verify.policies.decision import Request
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.reports.report import Counterexample, Result, Status
from session_scoping.verify.scoping.infer import SessionScope
from session_scoping.verify.symbolic.calls import Call, Session, is_resource_tag
from session_scoping.verify.symbolic.conditions import LEADING_KEYS, ResourceTagError, UnmodelledError
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.solver import binding_of, free_context, replay, solve
from session_scoping.verify.symbolic.strings import TRUE, Bool, negation
from session_scoping.verify.symbolic.trust import Admission, admit


@dataclass
class Proof:
    """
    One session role under proof.

    Attributes:
        deployment: Everything the templates deploy.
        scoped: The role and what it protects.
        allow: Action patterns the user permits on top.
        taggers: Labels of those who may change tags of tenant data, the user's word aside.
        several: Ids of the tables and buckets that sessions of several roles are granted.
        same_resource: Whether all calls act on one resource, and see the same tags of it.
        samples: A handful of concrete sessions, once they are made.
    """

    deployment: Deployment
    scoped: SessionScope
    allow: tuple[str, ...] = ()
    taggers: tuple[str, ...] = ()
    several: frozenset[str] = frozenset()
    same_resource: bool = False
    _admissions: dict[str, Admission] = field(default_factory=dict)
    _inherited: dict[str, Text] | None = None
    samples: list[dict[str, str]] | None = None

    @property
    def role(self) -> Role:
        """The role."""
        return self.scoped.role

    def admission(self, label: str) -> Admission:
        """Return one of the role's symbolic sessions, the same for the same label."""
        if label not in self._admissions:
            session = Session(label, self.scoped.spelling, self.inherited())
            self._admissions[label] = admit(self.role, session)
        return self._admissions[label]

    def inherited(self) -> dict[str, Text]:
        """
        Return the role's own tags that some session of it may show.

        One that every session the trust admits carries a value of its own for is never seen, and would only make
        whatever compares the tag harder to decide.
        """
        if self._inherited is None:
            session = Session("A", self.scoped.spelling, self.role.tags)
            passed = [key for key in self.role.tags if key in session.keys]
            formula = admit(self.role, session).formula if passed else TRUE
            replaced = {key for key in passed if _never(formula, negation(session.carried(key)))}
            self._inherited = {key: text for key, text in self.role.tags.items() if key not in replaced}
        return self._inherited

    def call(self, label: str, session: Session) -> Call:
        """Return a request of a session of this role."""
        return Call(label, session, fixed=caller_keys(self.role), same_resource=self.same_resource)

    def result(self, rule: str, subject: str, status: Status, detail: str, **more: object) -> Result:
        """Return a result that points at the role."""
        return Result(rule, subject, status, detail, location=self.role.id, **more)  # type: ignore[arg-type]


def _never(*formulas: Bool) -> bool:
    """Whether formulas hold together for nothing at all, as far as the solver can tell."""
    try:
        return solve(*formulas) is None
    except UnmodelledError:
        return False


def caller_keys(role: Role) -> dict[str, Text]:
    """Return the condition keys AWS sets from the caller itself."""
    kind = "User" if role.kind == "user" else "AssumedRole"
    keys: dict[str, Text] = {"aws:principalarn": role.arn, "aws:principaltype": (kind,)}
    account = next((part for part in role.arn if not isinstance(part, str) and part.kind == "account"), None)
    if account:
        keys["aws:principalaccount"] = (account,)
    return keys


Attempt = Callable[[], Result]


def guarded(attempt: Attempt, failed: Callable[[Status, str], Result]) -> Result:
    """Run one property; what is not modelled, or goes wrong, becomes UNKNOWN."""
    try:
        return attempt()
    except UnmodelledError as error:
        return failed(Status.UNKNOWN, str(error))
    except UnmodelledOperatorError as error:
        return failed(Status.UNKNOWN, f"the condition operator {error} is not modelled")
    except Exception as error:  # a bug here must never read as a proof, nor stop the other properties
        return failed(Status.UNKNOWN, f"the verifier failed: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class Witness:
    """A request a model proposes, with the session that makes it."""

    action: str
    resource: Text
    suffix: str = ""
    leading_keys: tuple[str, ...] = ()


def confirm(
    proof: Proof,
    call: Call,
    model: z3.ModelRef,
    witnesses: Iterable[Witness],
    summary: str,
    *,
    victim: Session | None = None,
    policy: Iterable[object] = (),
    must: bool = False,
) -> Counterexample | None:
    """
    Replay what the model proposes through `decide`.

    Raises:
        ResourceTagError: It is allowed where the resource has a tag that the templates do not give it.

    Returns:
        The counterexample of the first request that really is allowed; None when none is, so that the model
        owed its answer to an approximation.
    """
    binding = binding_of(model)
    tags = call.session.read(model) if call.session else {}
    role_tags = {key: binding.text(value) for key, value in proof.role.tags.items()}
    own = {**role_tags, **{key.lower(): value for key, value in tags.items()}}
    base = {key: binding.text(value) for key, value in call.fixed.items()}
    free = free_context(call, model)
    for witness in witnesses:
        context: dict[str, str | list[str]] = {**base, **free, **tag_context("aws:PrincipalTag/", own)}
        if witness.leading_keys:
            context["dynamodb:LeadingKeys"] = list(witness.leading_keys)
        context |= request_tags(call, model)
        request = Request(
            witness.action,
            binding.text(witness.resource) + witness.suffix,
            context,
            principal=binding.text(proof.role.arn),
            session_name="session",
        )
        decision = replay(proof.role, request, binding, tuple(policy), must=must)  # type: ignore[arg-type]
        if decision.allowed and summary and (tag := next(filter(is_resource_tag, free), None)):
            raise ResourceTagError(f"{summary} if {tag} is {free[tag]}")
        if decision.allowed:
            shown: dict[str, object] = {**free, **request_tags(call, model)}
            if witness.leading_keys:
                shown["dynamodb:LeadingKeys"] = list(witness.leading_keys)
            return Counterexample(
                summary,
                session=tags,
                victim=victim.read(model) if victim else {},
                action=witness.action,
                resource=request.resource,
                context=shown,
                decided_by=decision.statement.where if decision.statement else "",
                values=dict(binding.used),
            )
    return None


def attempt(
    proof: Proof, tags: Mapping[str, str], witness: Witness, summary: str, policy: tuple[Statement, ...] = ()
) -> Counterexample | None:
    """
    Ask `decide` about one request with plausible names, before a solver is asked about all of them.

    Args:
        proof: Whose role asks.
        tags: Tags of a session that the trust policy admits.
        witness: The request.
        summary: What its being allowed means.
        policy: The resource's own policy.

    Returns:
        The counterexample; None when it is denied, which proves nothing, or cannot be decided.
    """
    binding = Binding()
    if any(s.problem for s in (*proof.role.identity, *(proof.role.boundary or ()), *policy)):
        return None
    context: dict[str, str | list[str]] = {key: binding.text(value) for key, value in caller_keys(proof.role).items()}
    role_tags = {key: binding.text(value) for key, value in proof.role.tags.items()}
    context |= tag_context("aws:PrincipalTag/", {**role_tags, **{key.lower(): value for key, value in tags.items()}})
    if witness.leading_keys:
        context["dynamodb:LeadingKeys"] = list(witness.leading_keys)
    resource = binding.text(witness.resource) + witness.suffix
    request = Request(witness.action, resource, context, binding.text(proof.role.arn), "session")
    try:
        decision = replay(proof.role, request, binding, policy)
    except (UnmodelledOperatorError, TypeError):
        return None
    if not decision.allowed:
        return None
    keys = {"dynamodb:LeadingKeys": list(witness.leading_keys)} if witness.leading_keys else {}
    where = decision.statement.where if decision.statement else ""
    return Counterexample(summary, dict(tags), {}, witness.action, resource, dict(keys), where)


def request_tags(call: Call, model: z3.ModelRef) -> dict[str, str | list[str]]:
    """Return the tags an AssumeRole call passes, as condition keys."""
    if call.minted is None:
        return {}
    tags = call.minted.read(model)
    passed_on = [
        spelling
        for key, spelling in call.minted.keys.items()
        if z3.is_true(model.eval(call.minted.transitive(key), model_completion=True))
    ]
    context: dict[str, str | list[str]] = {**tag_context("aws:RequestTag/", tags)}
    context |= {"aws:TagKeys": list(tags)} if tags else {}
    return context | ({"sts:TransitiveTagKeys": passed_on} if passed_on else {})


def deciding_statements(role: Role, store: Store) -> list[Statement]:
    """Return the statements that decide over requests of a role's sessions on a store."""
    return [*role.statements, *store.policy]


def representative_actions(statements: Sequence[Statement], actions: Sequence[str]) -> list[str]:
    """
    Return one action for each set of actions that the same statements cover, and whose requests carry the same keys.

    INVARIANT: `statements` are all that decide, a boundary's included; else one action stands for what it does not.
    """
    seen: dict[object, str] = {}
    for action in actions:
        covering = tuple(covers_action(s, action) for s in statements)
        keys = {c.key.lower() for s, hit in zip(statements, covering, strict=True) if hit for c in s.conditions}
        seen.setdefault((covering, frozenset((key, carried(action, key).presence) for key in keys)), action)
    return list(seen.values())


def name_items(call: Call, statements: Sequence[Statement]) -> None:
    """Let a request name no item, or as many as a smallest one that some statements let through can need."""
    count = elements_needed(statements)
    call.leading_keys = [
        (z3.Bool(f"{call.label} names {i}"), Key(f"{call.label} item {i}", frozenset(), 0)) for i in range(count)
    ]


def items_named(call: Call, model: z3.ModelRef) -> tuple[str, ...]:
    """Return the items that a request of a model names."""
    named = ((there, key) for there, key in call.leading_keys)
    return tuple(key.read(model) for there, key in named if z3.is_true(model.eval(there, model_completion=True)))


def elements_needed(statements: Sequence[Statement]) -> int:
    """
    Return how many elements of dynamodb:LeadingKeys a smallest counterexample can need.

    One foreign key, one for each ForAnyValue of an Allow, one for each ForAllValues of a Deny it must escape.

    Raises:
        UnmodelledError: It takes more than can be tried.
    """
    needed = 1
    for statement in statements:
        for condition in statement.conditions:
            if condition.key.lower() == LEADING_KEYS:
                prefix = condition.operator.lower().partition(":")[0]
                needed += prefix == ("foranyvalue" if statement.allow else "forallvalues")
    if needed > _ELEMENTS_MAX:
        raise UnmodelledError(f"{needed} conditions on dynamodb:LeadingKeys interact")
    return needed


_ELEMENTS_MAX = 8
