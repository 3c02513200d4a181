"""Tenant data in AgentCore Memory: whose events and records a session reaches, and the guards around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import asked_once, has_wildcard
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, tags_present
from session_scoping.constructs.data.access import (
    LIST_SESSIONS,
    MEMORY_ACCESS,
    READ_RECORDS,
    actions_for,
    as_words,
    require_attribute,
)
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat

# Source: AgentCore devguide, memory-organization: `namespace` is compared as a whole, `namespacePath` as a beginning; a
# request has one of them, and each key is of the parameter that it is called like.
ACTOR, SESSION = "bedrock-agentcore:actorId", "bedrock-agentcore:sessionId"
NAMESPACES = ("bedrock-agentcore:namespace", "bedrock-agentcore:namespacePath")


@dataclass(frozen=True)
class TenantMemory:
    """
    One AgentCore Memory that tenants share, and what a session may do with its own part of it.

    NOT PROTECTED: what a Memory's strategies make of events, under the namespaces they name; the Memory's own policy.

    Args:
        memory: The Memory.
        access: Access words, see `access.MEMORY_ACCESS`.
        actor: What the actor id of the session's own events looks like. Default: the `user_id` tag.
        session: What the session id of its own events looks like, such as `{task_id}`. Default: every session of
            its actor.
        namespaces: What the namespaces of its own records begin with, such as `/users/{user_id}/`. Default: none, and
            then it reads no records.
    """

    memory: cdk.aws_bedrockagentcore.IMemory
    access: str | Sequence[str]
    actor: str = "{user_id}"
    session: str | None = None
    namespaces: Sequence[str] = ()

    def __post_init__(self) -> None:
        require_attribute(self.memory, "memory_arn", what="a Memory", example='Memory(self, "Memory", ...)')
        for name in ("access", "namespaces"):
            object.__setattr__(self, name, as_words(getattr(self, name), name))

    def bind(self, tag_keys: Sequence[str]) -> BoundMemory:
        """
        Check the entry against the tag keys.

        Raises:
            InvalidInputError: Unknown access word, a format that cannot isolate, a word without what limits it, or a
                wildcard in the ARN.
        """
        actions = actions_for(self.access, MEMORY_ACCESS, "a tenant Memory")
        arn: str = asked_once(self.memory, "memory_arn")
        actor, session = self._value(self.actor, tag_keys), self._value(self.session, tag_keys)
        given = (self.namespaces,) if isinstance(self.namespaces, str) else tuple(self.namespaces)
        namespaces = tuple(KeyFormat.object_key(one.removeprefix("/"), tag_keys) for one in given)
        reads = any(action in READ_RECORDS for action in actions)
        faults = [
            (has_wildcard(arn), "the Memory's ARN is a pattern", "import the Memory by its exact ARN"),
            (reads and not given, "`read-records` has no namespace", 'pass namespaces=["/users/{user_id}/"]'),
            (bool(given) and not reads, "namespaces are given and nothing reads them", "add the word `read-records`"),
            (
                not all(one.is_prefix and text.startswith("/") for one, text in zip(namespaces, given, strict=True)),
                "a namespace does not begin and end with `/`",
                "write it as `/users/{user_id}/`, and the Memory's strategies too",
            ),
            (
                session is not None and LIST_SESSIONS in actions,
                "`list-sessions` is given with a session of its own",
                "leave `session` out, or the word",
            ),
        ]
        for wrong, what, fix in faults:
            if wrong:
                raise InvalidInputError(
                    what,
                    got=", ".join(f"`{one}`" for one in given) or f"access {', '.join(as_tuple(self.access))}",
                    expected="access that a condition limits to the session",
                    why="a session would reach another tenant's memory, or nothing",
                    fix=fix,
                )
        return BoundMemory(arn, actions, actor, session, namespaces)

    def _value(self, text: str | None, tag_keys: Sequence[str]) -> KeyFormat | None:
        found = None if text is None else KeyFormat.leading_key(text, tag_keys)
        if found is not None and found.is_prefix:
            raise InvalidInputError(
                f"`{text}` is a pattern",
                got="a `*`",
                expected="a whole actor or session id, such as `{user_id}`",
                why="the condition compares the whole id",
                fix="leave the `*` out",
            )
        return found


def as_tuple(words: str | Sequence[str]) -> tuple[str, ...]:
    """Return words as a tuple."""
    return (words,) if isinstance(words, str) else tuple(words)


@dataclass(frozen=True)
class BoundMemory:
    """A tenant Memory as the statements need it: plain strings, some of them CDK tokens."""

    arn: str
    actions: tuple[str, ...]
    actor: KeyFormat | None
    session: KeyFormat | None
    namespaces: tuple[KeyFormat, ...]

    @property
    def formats(self) -> list[KeyFormat]:
        """What distinguishes sessions, one format for the events and one for each namespace."""
        whose = [one for one in (self.actor, self.session) if one is not None]
        tags = tuple(dict.fromkeys(tag for one in whose for tag in one.tags))
        events = [KeyFormat("#".join(one.text for one in whose), tags, False)] if self.event_actions else []
        return [*events, *self.namespaces]

    @property
    def event_actions(self) -> list[str]:
        """The granted actions that carry an actor id."""
        return [action for action in self.actions if action not in READ_RECORDS]

    @property
    def record_actions(self) -> list[str]:
        """The granted actions that carry a namespace."""
        return [action for action in self.actions if action in READ_RECORDS]

    def of_events(self) -> dict[str, str]:
        """Return the condition keys of events, each with the session's own value."""
        own = {ACTOR: self.actor, SESSION: self.session}
        return {key: one.policy_variables() for key, one in own.items() if one is not None}

    def of_records(self) -> list[str]:
        """Return the patterns of the session's own namespaces."""
        return [f"/{one.policy_variables()}*" for one in self.namespaces]


def check_distinct(memories: Sequence[BoundMemory]) -> None:
    """
    Refuse a Memory that is listed twice.

    Raises:
        InvalidInputError: Two entries have one ARN.
    """
    if len({one.arn for one in memories}) < len(memories):
        raise InvalidInputError(
            "a Memory is listed twice",
            got="two entries for one Memory",
            expected="one entry for each Memory",
            why="each entry's guard denies what the other one allows",
            fix="merge the entries",
        )


def allow_sections(memories: Sequence[BoundMemory]) -> list[Section]:
    """Return the Allows: events by actor and session, records by one of the two ways to name a namespace."""
    statements = []
    for number, one in enumerate(memories, 1):
        if one.event_actions:
            own = one.of_events()
            events: Conditions = {"StringEquals": dict(own), "Null": dict.fromkeys(own, "false")}
            tags = tags_present(one.formats[0].tags)
            statements.append(allow(f"MemoryEvents{number}", one.event_actions, [one.arn], events, tags))
        tags = tags_present(dict.fromkeys(tag for namespace in one.namespaces for tag in namespace.tags))
        for key, other in zip(NAMESPACES, reversed(NAMESPACES), strict=True) if one.record_actions else ():
            # What a request with both means is not documented, so it is not allowed.
            records: Conditions = {"StringLike": {key: one.of_records()}, "Null": {key: "false", other: "true"}}
            sid = f"MemoryRecords{number}By{key.rpartition(':')[2].title()}"
            statements.append(allow(sid, one.record_actions, [one.arn], records, tags))
    return [Section.whole(statement) for statement in statements]


def guard_sections(memories: Sequence[BoundMemory]) -> list[Section]:
    """Return the Denies that hold when somebody later allows `bedrock-agentcore:*`; a negated operator needs no key."""
    statements: list[Statement] = []
    for one in memories:
        for key, value in one.of_events().items() if one.event_actions else ():
            foreign: Conditions = {"StringNotEquals": {key: value}}
            statements.append(deny("ForeignEvents", {"Action": one.event_actions, "Resource": [one.arn]}, foreign))
        scope = {"Action": one.record_actions, "Resource": [one.arn]}
        for key in NAMESPACES if one.record_actions else ():
            named: Conditions = {"StringNotLike": {key: one.of_records()}, "Null": {key: "false"}}
            statements.append(deny("ForeignRecords", scope, named))
        if one.record_actions:
            statements.append(deny("RecordsWithoutNamespace", scope, {"Null": dict.fromkeys(NAMESPACES, "true")}))
        statements.append(deny("OtherMemoryActions", {"NotAction": one.actions, "Resource": [one.arn]}))
    if memories:
        others = {"Action": [*OF_MEMORIES], "NotResource": [*dict.fromkeys(one.arn for one in memories)]}
        statements.append(deny("OtherMemories", others))
    return [Section.whole(statement) for statement in statements]


OF_MEMORIES = (
    "bedrock-agentcore:AllowVendedLogDeliveryForResource",
    "bedrock-agentcore:*Event*",
    "bedrock-agentcore:*Memor*",
    "bedrock-agentcore:IngestData",
    "bedrock-agentcore:ListActors",
    "bedrock-agentcore:ListSessions",
)
"""Patterns of all actions on Memories. A test holds them against the published actions."""


def compute_guard_sections(memories: Sequence[BoundMemory]) -> list[Section]:
    """Return the Deny for the compute roles: nothing in these Memories."""
    arns = [*dict.fromkeys(one.arn for one in memories)]
    scope = {"Action": ["bedrock-agentcore:*"], "Resource": arns}
    return [Section.by_resource(deny("DenyTenantMemories", scope))] if arns else []
