"""The request matrix of a template: what its session roles are there to do, and the near miss of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from session_scoping.aws.actions import action as tabled
from session_scoping.aws.keys import is_list
from session_scoping.contract.arns import Arn
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import REVOKED
from session_scoping.contract.revocations import ISSUE_TIME, from_text
from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.text import Part, Text, Token, Unmodelled, Variable, Wildcard, lit, plain
from session_scoping.verify.policies.actions import KEYED, SERVICE, acting_on
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.conditions import UnmodelledOperatorError, is_negated, split_operator
from session_scoping.verify.policies.decision import PolicySet, Request, decide
from session_scoping.verify.policies.model import Condition, Deployment, Role, Statement, Store
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.samples import own_key
from session_scoping.verify.scoping.infer import SessionScope

Tags = Mapping[str, str]
Context = dict[str, str | list[str]]
LEADING_KEYS = "dynamodb:LeadingKeys"
OWN, FOREIGN = "its own", "another session's"


@dataclass(frozen=True)
class Case:
    """
    One request of one session role, and what the verifier says of it.

    Attributes:
        subject: The table, bucket or other resource, for a reader.
        title: What kind of request, such as `its own` or `no tags`.
        expected: What `decide` says by the role's identity policies and boundary alone.
    """

    role: Role
    subject: str
    title: str
    action: str
    resource: str
    context: Mapping[str, str | list[str]]
    expected: bool = False


def probe_tags(scoped: SessionScope, name: Callable[[str], str]) -> dict[str, str]:
    """Return the tags of a session that no tenant has."""
    return {scoped.spelling[key]: name(key) for key in scoped.declared}


def cases_of(scoped: SessionScope, deployment: Deployment, binding: Binding) -> list[Case]:
    """
    Return the matrix of one session role, decided by the verifier.

    Raises:
        InvalidInputError: A policy holds an operator that IAM does not document.
    """
    own = probe_tags(scoped, lambda key: f"probe-{key.replace('_', '-')}-1")
    other = {key: f"{value[:-1]}2" for key, value in own.items()}
    role = scoped.role
    policies = identity_of(role, binding)
    principal = binding.text(role.arn)
    asked: dict[object, Case] = {}
    for case in _cases(scoped, deployment, binding, own, other):
        mark = (case.action, case.resource, str(sorted(case.context.items())))
        if mark not in asked:
            request = Request(case.action, case.resource, case.context, principal, "probe")
            asked[mark] = replace(case, expected=_decided(request, policies))
    return list(asked.values())


def _decided(request: Request, policies: PolicySet) -> bool:
    try:
        return decide(request, policies).allowed
    except UnmodelledOperatorError as error:
        raise InvalidInputError(
            f"the condition operator {error} is not one IAM documents",
            got="a policy that cannot be decided",
            expected="documented operators",
            why="there would be nothing to compare AWS's answer with",
            fix="correct the operator; `session-scoping verify` names the statement",
        ) from error


def identity_of(role: Role, binding: Binding) -> PolicySet:
    """Return what the policy simulator can see of a role: its identity policies and its boundary, concrete."""
    boundary = None if role.boundary is None else binding.statements(role.boundary)
    return PolicySet(binding.statements(role.identity), boundary)


def _cases(scoped: SessionScope, deployment: Deployment, binding: Binding, own: Tags, other: Tags) -> Iterator[Case]:
    for statement in scoped.role.identity:
        if statement.allow and not statement.problem and statement.resources is not None:
            yield from _granted(scoped, statement, binding, own, other)
    for store in scoped.stores:
        if store.id in deployment.stores:
            yield from _beside(scoped, store, binding, own)
    yield from _onward(scoped, deployment, binding, own)
    yield from _revoked(scoped, binding, own)


def _granted(scoped: SessionScope, statement: Statement, binding: Binding, own: Tags, other: Tags) -> Iterator[Case]:
    """Yield what a grant is for, and the requests that differ from it in one thing."""
    tags = tag_context("aws:PrincipalTag/", own)
    for text in statement.resources or ():
        mine, theirs = (_request(statement, text, binding, whose) for whose in (own, other))
        if mine is None or theirs is None:
            continue
        (arn, needs), (their_arn, their_needs) = mine, theirs
        variants = [(OWN, arn, {**tags, **needs})]
        if (arn, needs) != (their_arn, their_needs):
            variants.append((FOREIGN, their_arn, {**tags, **their_needs}))
        if LEADING_KEYS in needs:
            both = [*needs[LEADING_KEYS], *their_needs[LEADING_KEYS]]
            variants.append(("its own and another session's", arn, {**tags, **needs, LEADING_KEYS: both}))
        variants += [
            (f"no {key}", arn, {name: value for name, value in {**tags, **needs}.items() if name != key})
            for key in needs
        ]
        variants.append(("no tags", arn, dict(needs)))
        for action in _actions(statement):
            for title, resource, context in variants:
                yield Case(scoped.role, _subject(scoped, arn, binding), title, action, resource, context)


def _actions(statement: Statement) -> list[str]:
    named = [action for action in statement.actions or () if "*" not in action and "?" not in action]
    known = [
        name for kind in SERVICE for deep in (False, True) for name in acting_on(kind, inside=deep) if tabled(name)
    ]
    return list(dict.fromkeys([*named, *(action for action in known if covers_action(statement, action))]))


def _request(statement: Statement, text: Text, binding: Binding, tags: Tags) -> tuple[str, Context] | None:
    """Return a resource and the condition keys that a grant asks for, filled in for a session."""
    arn = _fill(text, binding, tags, as_arn=True)
    needs: Context = {}
    for condition in statement.conditions:
        value = _satisfying(condition, binding, tags)
        if value is not None:
            needs.setdefault(condition.key, value)
    return None if arn is None else (arn, needs)


def _satisfying(condition: Condition, binding: Binding, tags: Tags) -> str | list[str] | None:
    quantifier, base, if_exists = split_operator(condition.operator)
    key = condition.key.lower()
    if key.startswith(PRINCIPAL_TAG) or base == "null" or if_exists or is_negated(base) or not condition.values:
        return None
    if not base.startswith(("string", "arn")) and base != "bool":
        return None
    value = _fill(condition.values[0], binding, tags, as_arn=base.startswith("arn"))
    return value if value is None or not (quantifier or is_list(key)) else [value]


def _fill(text: Text, binding: Binding, tags: Tags, *, as_arn: bool) -> str | None:
    """Return a pattern as one text it matches; None where it needs more than tags. `*` as a Region is the stack's."""
    pattern = parsed(text, True, True)
    if isinstance(pattern, Unmodelled):
        return None
    lowered = {key.lower(): value for key, value in tags.items()}
    fields = split_fields(pattern)
    is_arn = as_arn and len(fields) == 6
    pieces: list[str] = []
    for number, field in enumerate(fields):
        found = [_part(part, number if is_arn else -1, binding, lowered) for part in field]
        if None in found:
            return None
        pieces.append("".join(piece for piece in found if piece is not None))
    return ":".join(pieces)


def _part(part: Part, field: int, binding: Binding, tags: Tags) -> str | None:
    if isinstance(part, Variable):
        return tags.get(part.key.removeprefix(PRINCIPAL_TAG))
    if isinstance(part, Token):
        return binding.token(part)
    if isinstance(part, Wildcard):
        # `x` is neither a Region nor an account, and AWS may not take it for one.
        home = {3: Token("AWS::Region", "region"), 4: Token("AWS::AccountId", "account")}.get(field)
        return binding.token(home) if home else "x"
    return part


def _beside(scoped: SessionScope, store: Store, binding: Binding, own: Tags) -> Iterator[Case]:
    """Yield requests on a tenant's table or bucket that no grant should cover."""
    arn, tags = binding.text(store.arn), tag_context("aws:PrincipalTag/", own)

    def case(title: str, action: str, resource: str, more: Context | None = None) -> Case:
        return Case(scoped.role, store.label.rpartition("/")[2], title, action, resource, {**tags, **(more or {})})

    if store.kind == "table":
        named = [own_key(pattern, dict(own), binding) for pattern in scoped.formats[store.id]]
        keys: Context = {LEADING_KEYS: [key for key in named if key is not None][:1]}
        for action in KEYED:
            yield case("its own, by another action", action, arn, keys)
        yield case("the whole table", "dynamodb:Scan", arn)
        yield case("an index", "dynamodb:Query", f"{arn}/index/probe", keys)
        yield case("the stream", "dynamodb:GetRecords", f"{arn}/stream/2026-01-01T00:00:00.000")
        yield case("the table itself", "dynamodb:DeleteTable", arn)
    elif store.kind == "bucket":
        account: Context = {"aws:ResourceAccount": binding.token(Token("AWS::AccountId", "account"))}
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            yield case("another object", action, f"{arn}/probe-outside/key", account)
        yield case("a listing", "s3:ListBucket", arn, {**account, "s3:prefix": "probe"})


def _onward(scoped: SessionScope, deployment: Deployment, binding: Binding, own: Tags) -> Iterator[Case]:
    """Yield the ways from a session to more than it has; trust policies are out of the simulator's sight."""
    tags: Context = {**tag_context("aws:PrincipalTag/", own)}
    for role in deployment.roles.values():
        name = "itself" if role is scoped.role else role.label.rpartition("/")[2]
        yield Case(scoped.role, name, "becoming a role", "sts:AssumeRole", binding.text(role.arn), tags)
    arn = binding.text(scoped.role.arn)
    yield Case(scoped.role, "itself", "changing its own policies", "iam:PutRolePolicy", arn, tags)


def _revoked(scoped: SessionScope, binding: Binding, own: Tags) -> Iterator[Case]:
    """Yield what revoked sessions would otherwise be allowed."""
    texts = scoped.role.metadata.get(REVOKED)
    for text in texts if isinstance(texts, list) else ():
        revoked = from_text((plain(text) if isinstance(text, tuple) else None) or "")
        tags = {**own, **{key: values[0] for key, values in revoked.tags.items()}}
        issued: Context = {ISSUE_TIME: "2000-01-01T00:00:00Z"} if revoked.before else {}
        for statement in scoped.role.identity:
            asked = _request(statement, statement.resources[0], binding, tags) if statement.resources else None
            if statement.allow and not statement.problem and asked:
                context: Context = {**tag_context("aws:PrincipalTag/", tags), **asked[1], **issued}
                subject = _subject(scoped, asked[0], binding)
                for action in _actions(statement):
                    yield Case(scoped.role, subject, "a revoked session", action, asked[0], context)


def _subject(scoped: SessionScope, arn: str, binding: Binding) -> str:
    for store in scoped.stores:
        known = binding.text(store.arn)
        if arn == known or arn.startswith(f"{known}/"):
            return store.label.rpartition("/")[2]
    fields = Arn.parse(arn)
    return fields.resource if fields else arn


def documents_of(role: Role, binding: Binding) -> list[dict[str, object]]:
    """Return the role's identity policies as concrete documents, one per policy of the template."""
    return _documents(binding.statements(role.identity))


def boundary_of(role: Role, binding: Binding) -> dict[str, object] | None:
    """Return the permissions boundary as one concrete document."""
    found = _documents(binding.statements(role.boundary)) if role.boundary is not None else []
    return found[0] if found else None


def _documents(statements: tuple[Statement, ...]) -> list[dict[str, object]]:
    groups: dict[tuple[str, bool], list[dict[str, object]]] = {}
    for statement in statements:
        home = statement.where.partition("[")[0]
        groups.setdefault((home, statement.variables), []).append(_body(statement))
    return [
        {"Version": "2012-10-17" if variables else "2008-10-17", "Statement": bodies}
        for (_, variables), bodies in groups.items()
    ]


def _body(statement: Statement) -> dict[str, object]:
    def plain_texts(texts: tuple[Text, ...]) -> list[str]:
        return ["".join(map(str, text)) for text in texts]

    body: dict[str, object] = {"Effect": "Allow" if statement.allow else "Deny"}
    if statement.actions is not None:
        body["Action"] = list(statement.actions)
    else:
        body["NotAction"] = list(statement.not_actions)
    if statement.resources is not None:
        body["Resource"] = plain_texts(statement.resources)
    elif statement.not_resources:
        body["NotResource"] = plain_texts(statement.not_resources)
    else:
        body["Resource"] = plain_texts((lit("*"),))
    block: dict[str, dict[str, list[str]]] = {}
    for condition in statement.conditions:
        block.setdefault(condition.operator, {})[condition.key] = plain_texts(condition.values)
    return {**body, "Condition": block} if block else body
