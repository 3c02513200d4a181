"""Structural findings on a template, without a solver: what a rule pack can say in the synth itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from session_scoping.verify.patterns.matching import readable, split_fields
from session_scoping.verify.patterns.text import Pattern, Text, Wildcard
from session_scoping.verify.policies.actions import KEYED, on_objects, reading_or_writing
from session_scoping.verify.policies.model import Deployment, Role, Statement
from session_scoping.verify.policies.statement_queries import (
    PRINCIPAL_TAG,
    covers_action,
    grants_directly,
    is_session_tag,
    keys_used,
    uses_tags,
)
from session_scoping.verify.properties.agents.compute_roles import find_compute_roles
from session_scoping.verify.scoping.infer import Options, scope_of, stores_of
from session_scoping.verify.scoping.principals import reaches, touches

_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:TagSession")


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


def findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield everything the rules object to, deployment-wide."""
    sessions = [role for role in deployment.roles.values() if uses_tags(role)]
    for role in sessions:
        yield from _of_session_role(role)
    scoped = [scope_of(role, deployment, Options()) for role in sessions]
    stores = stores_of(scoped)
    for role in find_compute_roles(deployment, scoped, Options()).roles:
        for statement in _grants(role):
            if any(reaches(statement, store) for store in stores):
                yield Finding(TENANT_GRANT_ON_COMPUTE_ROLE, role, statement.where)
        for store in stores:
            for statement in store.policy:
                if grants_directly(statement, role) and touches(statement, store):
                    yield Finding(TENANT_GRANT_ON_COMPUTE_ROLE, role, statement.where)


def _of_session_role(role: Role) -> Iterator[Finding]:
    for statement in _grants(role):
        if any(covers_action(statement, action) for action in _unkeyed()) or _names_index(statement):
            yield Finding(UNKEYED_ACCESS, role, statement.where)
        if not _scoped(statement):
            yield Finding(UNSCOPED_STATEMENT, role, statement.where)
    for statement in role.trust:
        if statement.allow and any(covers_action(statement, action) for action in _ASSUMING) and not _asks(statement):
            yield Finding(UNCONDITIONED_TRUST, role, statement.where)
    keys = {key.removeprefix(PRINCIPAL_TAG) for key in keys_used(role.identity) if key.startswith(PRINCIPAL_TAG)}
    for key in sorted(keys & set(role.tags)):
        yield Finding(RESERVED_TAG, role, f"{role.id} tag {key}")


def _unkeyed() -> list[str]:
    return [action for action in reading_or_writing("table") if action not in KEYED]


def _grants(role: Role) -> Iterator[Statement]:
    return (statement for statement in role.identity if statement.allow)


def _names_index(statement: Statement) -> bool:
    if not any(covers_action(statement, action) for action in KEYED):
        return False
    return any(map(_may_name_index, readable(statement.named_resources, statement.variables)))


def _may_name_index(pattern: Pattern) -> bool:
    """Whether a resource may be an index or stream of a table: a wildcard in a name reaches past slashes."""
    fields = split_fields(pattern)
    if len(fields) < 6:
        return any(isinstance(part, Wildcard) for part in pattern)
    of_tables = fields[2] == ("dynamodb",) or any(isinstance(part, Wildcard) for part in fields[2])
    path = "".join(part for part in fields[5] if isinstance(part, str))
    wide = Wildcard("*") in fields[5] or "/index/" in path or "/stream/" in path
    return of_tables and wide


def _scoped(statement: Statement) -> bool:
    """Whether every item and object a statement reaches is limited by a session tag."""
    items = any(covers_action(statement, action) for action in KEYED)
    objects = any(covers_action(statement, action) for action in on_objects())
    if items and not any(c.key.lower() == "dynamodb:leadingkeys" and _has_tag(c.values) for c in statement.conditions):
        return False
    return not objects or all(_has_tag([text]) or not _of_objects(text) for text in statement.named_resources)


def _has_tag(texts: Sequence[Text]) -> bool:
    """Whether each of some texts holds a session tag."""
    patterns = readable(texts)
    return len(patterns) == len(texts) and all(any(map(is_session_tag, pattern)) for pattern in patterns)


def _of_objects(text: Text) -> bool:
    """Whether a resource may be one of S3."""
    fields = [split_fields(pattern) for pattern in readable([text])]
    services = [one[2] for one in fields if len(one) > 2]
    return not services or services[0] == ("s3",) or any(isinstance(part, Wildcard) for part in services[0])


def _asks(statement: Statement) -> bool:
    return any(condition.key.lower().startswith("aws:requesttag/") for condition in statement.conditions)
