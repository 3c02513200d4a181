"""
Which sessions are revoked, and the Deny that says so: what the construct, the command and the verifier agree on.

Standard library only. A revocation is one statement, named by its content, so that the same one is never written
twice and each can be lifted alone.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import TAG_VALUE_MAX, is_tag_character, parse_tag_keys

POLICY_NAME = "SessionScopingRevocation"
"""Name of the inline policy that holds what `session-scoping revoke` puts."""

ISSUE_TIME = "aws:TokenIssueTime"
_PRINCIPAL_TAG = "aws:PrincipalTag/"
_SID = "DenyRevoked"
_DATE = "%Y-%m-%dT%H:%M:%SZ"
# fromisoformat also takes dates, weeks and basic forms; a revocation wants one instant, spelled one way.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class RevokedSessions:
    """
    One revocation: sessions issued before a time, or that carry tags, or both together.

    Build it with `revoked_sessions`, which checks what it is given.

    Attributes:
        before: Instant in UTC as IAM reads it, `2026-11-21T10:00:00Z`. None: whenever they were issued.
        tags: Tag key -> values. A session is meant when every key has one of its values. Empty: whatever its tags.
    """

    before: str | None = None
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def sid(self) -> str:
        """Its statement's name: the keys for a reader, a digest so that two never share one."""
        content = json.dumps([self.before, sorted(self.tags.items())])
        keys = "".join(c for c in "".join(key.title() for key in self.tags) if c.isascii() and c.isalnum())
        when = "Before" if self.before else ""
        return f"{_SID}{when}{keys}{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def statement(self) -> dict[str, Any]:
        """
        Return the Deny.

        `DateLessThan` does not match a request without the key. No attacker gains from that: the key is absent
        only where a request is signed with long-lived keys, and a role has none; the caller cannot leave it out,
        because AWS reads it from the session token. `IfExists` would only deny more: what AWS asks on behalf of a
        new session, should it leave the key out.

        Source:
            IAM id_roles_use_revoke-sessions (AWS's own AWSRevokeOlderSessions has this shape);
            reference_policies_condition-keys, aws:TokenIssueTime.
        """
        conditions: dict[str, dict[str, Any]] = {}
        if self.tags:
            tags = {f"{_PRINCIPAL_TAG}{key}": list(values) for key, values in self.tags.items()}
            conditions["StringEquals"] = tags
        if self.before:
            conditions["DateLessThan"] = {ISSUE_TIME: self.before}
        return {"Sid": self.sid, "Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": conditions}

    def as_text(self) -> str:
        """Return it as one line for the role's Metadata, where the verifier reads it."""
        content = {"before": self.before, "tags": {key: list(values) for key, values in self.tags.items()}}
        return json.dumps({key: value for key, value in content.items() if value}, sort_keys=True)


def revoked_sessions(
    before: datetime | str | None = None, tags: Mapping[str, str | Sequence[str]] | None = None
) -> RevokedSessions:
    """
    Check and return one revocation.

    Args:
        before: Instant with a time zone, as `datetime` or ISO 8601 text. Default: whenever they were issued.
        tags: Tag key -> value or values. Default: whatever their tags.

    Raises:
        InvalidInputError: Neither is given; the time has no zone; a tag breaks STS's rules, so that it could be a
            wildcard or a policy variable, or names no session; or a value cannot be written in a policy.
    """
    given = {key: (value,) if isinstance(value, str) else tuple(value) for key, value in (tags or {}).items()}
    if before is None and not given:
        raise InvalidInputError(
            "a revocation names no session",
            got="neither a time nor a tag",
            expected="a time, or at least one tag",
            why="it would deny every session for ever",
            fix="give the time of the incident, or the tag of the task",
        )
    if given:
        parse_tag_keys(given)
    for key, values in given.items():
        _check_values(key, values)
    ordered = {key: tuple(sorted(set(given[key]))) for key in sorted(given)}
    return RevokedSessions(None if before is None else _instant(before).strftime(_DATE), ordered)


def is_ahead(revoked: RevokedSessions, now: datetime) -> bool:
    """Whether sessions issued from now on are revoked as well, until the time comes."""
    # `before` is rounded up to a second.
    return revoked.before is not None and _instant(revoked.before) - now > timedelta(seconds=1)


def from_text(text: str) -> RevokedSessions:
    """
    Read what `as_text` wrote.

    Raises:
        InvalidInputError: It is something else.
    """
    try:
        content = json.loads(text)
        return revoked_sessions(content.get("before"), content.get("tags"))
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            "a revocation cannot be read",
            got="other text",
            expected="what a Revocation writes into the role's Metadata",
            why="what the Metadata declares would be unknown",
            fix="let the construct write it",
        ) from error


def from_statement(statement: Mapping[str, Any]) -> RevokedSessions | None:
    """Return the revocation a statement is, or None where it is anything else."""
    condition = statement.get("Condition", {})
    try:
        tags = {key.removeprefix(_PRINCIPAL_TAG): value for key, value in condition.get("StringEquals", {}).items()}
        found = revoked_sessions(condition.get("DateLessThan", {}).get(ISSUE_TIME), tags)
    except (InvalidInputError, AttributeError, TypeError):
        return None
    return found if found.statement() == statement else None


def document_of(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return statements as a policy document."""
    return {"Version": "2012-10-17", "Statement": [dict(statement) for statement in statements]}


def _check_values(key: str, values: tuple[Any, ...]) -> None:
    if not values:
        raise InvalidInputError(
            f"tag `{key}` has no value to revoke",
            got="an empty list",
            expected="at least one value",
            why="the Deny would never fire and look as if it did",
            fix="drop the tag or name a value",
        )
    for value in values:
        if not isinstance(value, str) or not 1 <= len(value) <= TAG_VALUE_MAX:
            raise InvalidInputError(
                f"a value of tag `{key}` names no session",
                got=f"{len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}",
                expected=f"text of 1 to {TAG_VALUE_MAX} characters",
                why="no session carries it, so the Deny would never fire",
                fix="give the whole value",
            )
        # What STS lets a tag hold is neither a wildcard nor the beginning of a policy variable.
        if not all(map(is_tag_character, value)):
            raise InvalidInputError(
                f"a value of tag `{key}` holds a character STS refuses",
                got="a character outside the allowed set",
                expected="letters, digits, spaces and _ . : / = + - @",
                why="no session carries it, and IAM may read it as a policy variable",
                fix="give one value, whole; wildcards revoke nothing",
            )
        if any(ord(character) > 0xFF for character in value):
            raise InvalidInputError(
                f"a value of tag `{key}` cannot be written in a policy",
                got="a character above U+00FF",
                expected="characters up to U+00FF",
                why="IAM refuses the policy",
                fix="revoke by time, or by another tag of the same session",
            )


def _instant(value: datetime | str) -> datetime:
    if isinstance(value, str):
        if not _INSTANT.fullmatch(value):
            raise _bad_time("text that is no instant with a time zone")
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise _bad_time("text that is no date") from error
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        raise _bad_time("a time without a time zone" if isinstance(value, datetime) else f"a {type(value).__name__}")
    # Up to the next whole second: cut off, a session of the same second would slip through.
    whole = value.astimezone(UTC).replace(microsecond=0)
    return whole + timedelta(seconds=1 if value.microsecond else 0)


def _bad_time(got: str) -> InvalidInputError:
    return InvalidInputError(
        "the time of a revocation is not one instant",
        got=got,
        expected="an aware datetime, or text such as `2026-11-21T10:00:00Z`",
        why="a time read in another zone leaves hours of sessions alive",
        fix="write it in UTC, with a Z",
    )
