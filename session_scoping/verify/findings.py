"""Structural findings on a template, without a solver: what a rule pack can say in the synth itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from session_scoping.verify.actions import BUCKET, KEYED, OBJECT, PARTIQL, UNKEYED
from session_scoping.verify.matching import parsed, split_fields
from session_scoping.verify.model import Estate, Role, Statement, Store
from session_scoping.verify.reach import (
    AGENT_RUNTIMES,
    PRINCIPAL_TAG,
    covers_action,
    keys_used,
    may_be_role,
    uses_tags,
)
from session_scoping.verify.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, join_text, lit, show

_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:TagSession")
_SERVICES = {"table": "dynamodb", "bucket": "s3"}
_REACHING = {"table": (*KEYED, *PARTIQL, *UNKEYED), "bucket": (*OBJECT, *BUCKET)}


@dataclass(frozen=True)
class NagRule:
    """One rule of the pack: a stable id, what it says, what to do."""

    id: str
    description: str
    fix: str


UNSCOPED_STATEMENT = NagRule(
    "SessionScoping-UnscopedStatement",
    "A statement on a session role reaches items or objects that no session tag limits.",
    "Condition items on dynamodb:LeadingKeys with ForAllValues and Null, and put the tag into the object's ARN.",
)
TENANT_GRANT_ON_COMPUTE_ROLE = NagRule(
    "SessionScoping-TenantGrantOnComputeRole",
    "A role that agent code runs with is granted a tenant table or bucket directly.",
    "Remove the grant, and let the code use its session.",
)
UNCONDITIONED_TRUST = NagRule(
    "SessionScoping-UnconditionedTrust",
    "A trust statement of a session role does not ask for the session tags.",
    "Condition it on aws:RequestTag/<key> for every tag, and pin aws:TagKeys.",
)
UNKEYED_ACCESS = NagRule(
    "SessionScoping-UnkeyedAccess",
    "A session role may scan, use PartiQL or reach an index or stream, where leading keys do not limit it.",
    "Grant GetItem or Query on the table itself.",
)
RESERVED_TAG = NagRule(
    "SessionScoping-ReservedTag",
    "A session role carries one of its own session tag keys as a role tag, which an untagged session would inherit.",
    "Exclude the role from Tags.of(...).add, or rename the tag.",
)
NAG_RULES = (UNSCOPED_STATEMENT, TENANT_GRANT_ON_COMPUTE_ROLE, UNCONDITIONED_TRUST, UNKEYED_ACCESS, RESERVED_TAG)


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold, on the role with this id (stack and logical id), at a place in its policies."""

    rule: NagRule
    role: Role
    where: str


def findings(estate: Estate) -> Iterator[Finding]:
    """Yield everything the rules object to, deployment-wide."""
    sessions = [role for role in estate.roles.values() if uses_tags(role)]
    for role in sessions:
        yield from _of_session_role(role)
    stores = _tenant_stores(estate, sessions)
    for role in _compute_roles(estate, sessions):
        for statement in _grants(role):
            if any(_reaches(statement, store) for store in stores):
                yield Finding(TENANT_GRANT_ON_COMPUTE_ROLE, role, statement.where)


def _of_session_role(role: Role) -> Iterator[Finding]:
    for statement in _grants(role):
        if any(covers_action(statement, action) for action in (*PARTIQL, *UNKEYED)) or _names_index(statement):
            yield Finding(UNKEYED_ACCESS, role, statement.where)
        if not _scoped(statement):
            yield Finding(UNSCOPED_STATEMENT, role, statement.where)
    for statement in role.trust:
        if statement.allow and any(covers_action(statement, action) for action in _ASSUMING) and not _asks(statement):
            yield Finding(UNCONDITIONED_TRUST, role, statement.where)
    keys = {key.removeprefix(PRINCIPAL_TAG) for key in keys_used(role.identity) if key.startswith(PRINCIPAL_TAG)}
    for key in sorted(keys & set(role.tags)):
        yield Finding(RESERVED_TAG, role, f"{role.id} tag {key}")


def _grants(role: Role) -> Iterator[Statement]:
    return (statement for statement in role.identity if statement.allow)


def _names_index(statement: Statement) -> bool:
    if not any(covers_action(statement, action) for action in KEYED):
        return False
    for text in statement.resources or ():
        path = "".join(part for part in text if isinstance(part, str))
        if "/index/" in path or "/stream/" in path:
            return True
    return False


def _scoped(statement: Statement) -> bool:
    """Whether every item and object a statement reaches is limited by a session tag."""
    items = any(covers_action(statement, action) for action in KEYED)
    objects = any(covers_action(statement, action) for action in OBJECT)
    if items and not any(c.key.lower() == "dynamodb:leadingkeys" and _has_tag(c.values) for c in statement.conditions):
        return False
    texts = statement.resources if statement.resources is not None else (lit("*"),)
    return not objects or all(_has_tag([text]) or _service(text) not in {"s3", "*"} for text in texts)


def _has_tag(texts: object) -> bool:
    for text in texts:  # type: ignore[attr-defined]
        pattern = parsed(text, True, True)
        if isinstance(pattern, Unmodelled) or not _tagged(pattern):
            return False
    return True


def _tagged(pattern: Pattern) -> bool:
    return any(
        isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG) and part.default is None for part in pattern
    )


def _service(text: Text) -> str:
    pattern = parsed(text, True, True)
    fields = split_fields(pattern) if not isinstance(pattern, Unmodelled) else ()
    if len(fields) < 3:
        return "*"
    field = fields[2]
    return "*" if any(isinstance(part, Wildcard) for part in field) else "".join(str(part) for part in field)


def _asks(statement: Statement) -> bool:
    return any(condition.key.lower().startswith("aws:requesttag/") for condition in statement.conditions)


def _compute_roles(estate: Estate, sessions: list[Role]) -> list[Role]:
    """
    Return the roles agent code is taken to run with: who may mint, or is kept from it, and agent runtimes.

    What `find_compute_roles` says of brokers is said again here: that one loads the solver, with the stores it needs.
    """
    others = [role for role in estate.roles.values() if role not in sessions]
    minters = {role.id for role in others if any(_names(statement, role) for s in sessions for statement in s.trust)}
    kept_out = {role.id for role in others if any(_denied_to_mint(role, session) for session in sessions)}
    runtimes = {role.id for role in others if any(name.startswith(AGENT_RUNTIMES) for name in role.services)}
    found = (kept_out | runtimes) - (minters - kept_out) if kept_out else minters | runtimes
    return [role for role in others if role.id in found]


def _names(statement: Statement, role: Role) -> bool:
    """Whether an Allow's Principal names a role."""
    return statement.allow and any(
        kind == "AWS" and (text == role.arn or may_be_role(text, role)) for kind, text in statement.principals
    )


def _denied_to_mint(role: Role, session: Role) -> bool:
    """Whether a role carries an unconditional Deny on assuming this very session role."""
    return any(
        not statement.allow
        and not statement.conditions
        and covers_action(statement, "sts:AssumeRole")
        and session.arn in (statement.resources or ())
        for statement in role.identity
    )


def _tenant_stores(estate: Estate, sessions: list[Role]) -> list[Store]:
    """Return what session roles are granted, by their own policies or the store's, imported ones included."""
    known = [store for store in estate.stores.values() if store.kind in _SERVICES]
    found = [
        store
        for store in known
        if any(_reaches(statement, store) for role in sessions for statement in _grants(role))
        or any(_names(statement, role) for role in sessions for statement in store.policy)
    ]
    return [*found, *(store for role in sessions for statement in _grants(role) for store in _written(statement))]


def _written(statement: Statement) -> Iterator[Store]:
    """Yield the tables and buckets a statement spells out, whether or not they stand in a template."""
    for kind, service in _SERVICES.items():
        if any(covers_action(statement, action) for action in _REACHING[kind]):
            for text in statement.resources or ():
                arn = _store_arn(text, kind, service)
                if arn is not None:
                    yield Store(kind, show(arn), show(arn), arn, arn)


def _store_arn(text: Text, kind: str, service: str) -> Text | None:
    """Return a resource up to the end of the table's or bucket's name; None where that is not written out."""
    if text and isinstance(text[0], Token):
        # A whole ARN that another stack exports, or that is a parameter.
        arn = _up_to_slash(text, 1)
        return arn if len(arn) == 1 else None
    arn = _up_to_slash(text, 2 if kind == "table" else 1)
    fields = split_fields(arn)
    if len(fields) < 6 or fields[2] != (service,) or any(isinstance(p, str) and set("*?$") & set(p) for p in arn):
        return None
    path = fields[5]
    if kind == "table":
        is_table = path != ("table/",) and bool(path) and isinstance(path[0], str) and path[0].startswith("table/")
        return arn if is_table else None
    # An access point's ARN has a Region and an account, a bucket's has neither.
    return arn if path and not fields[3] and not fields[4] else None


def _up_to_slash(text: Text, count: int) -> Text:
    """Return a text up to its `count`th slash, or all of it."""
    found: list[str | Token] = []
    for part in text:
        pieces = part.split("/") if isinstance(part, str) else []
        if len(pieces) > count:
            return join_text((*found, "/".join(pieces[:count])))
        count -= max(len(pieces) - 1, 0)
        found.append(part)
    return tuple(found)


def _reaches(statement: Statement, store: Store) -> bool:
    if not any(covers_action(statement, action) for action in _REACHING[store.kind]):
        return False
    for text in statement.resources if statement.resources is not None else (lit("*"),):
        if text == lit("*") or text[: len(store.arn)] == store.arn or _begins(text, store.arn):
            return True
    return False


def _begins(text: Text, arn: Text) -> bool:
    """Whether a resource is the store or lies inside it: equal up to the end of the ARN, then `/`, `*` or nothing."""
    if len(text) < len(arn) or text[: len(arn) - 1] != arn[:-1]:
        return False
    last, theirs = text[len(arn) - 1], arn[-1]
    if isinstance(last, str) and isinstance(theirs, str):
        return last == theirs or last.startswith((f"{theirs}/", f"{theirs}*"))
    return last == theirs
