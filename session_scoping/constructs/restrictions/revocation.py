"""Revocation: Denies that end sessions before their credentials expire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions
from session_scoping.constructs.restrictions.restriction import Restriction
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import REVOKED
from session_scoping.contract.revocations import RevokedSessions, is_ahead, revoked_sessions

_WARN_AHEAD = "session-scoping:revocation-ahead"


@dataclass(frozen=True)
class Revocation(Restriction):
    """
    A restriction that ends sessions: `SessionRole(..., restrictions=[Revocation.of_sessions(task_id="T1")])`.

    A Deny of everything is among the role's guards, and explicit denies win over every grant, now and later. A
    revoked tag is also refused at the door: the trust policy admits no new session that carries it.

    A ToolScopedRole holds its session role's revocations too. On a SessionBrokerRole, whose sessions carry no declared
    tag, only `issued_before` without tags is possible.

    NOT PROTECTED: what a session has read already; credentials of other roles it went on to. `issued_before` stops no
    new session: a minter can mint again. Cut the minter off first, or revoke the tag.

    Attributes:
        sessions: Whom it ends.
    """

    sessions: RevokedSessions

    @classmethod
    def issued_before(cls, time: datetime | str, **tags: str | Sequence[str]) -> "Revocation":
        """
        Return the revocation of the sessions issued before a time.

        With tags, of those among them that carry the tags: a task whose credentials leaked goes on with fresh ones.

        Args:
            time: Instant with a time zone, as `datetime` or ISO 8601 text. One ahead denies new sessions too,
                until it has come; synth warns.
            tags: Tag key -> value or values. Default: all sessions.

        Raises:
            InvalidInputError: The time has no zone; or as `of_sessions`.
        """
        return cls(revoked_sessions(time, tags))

    @classmethod
    def of_sessions(cls, **tags: str | Sequence[str]) -> "Revocation":
        """
        Return the revocation of the sessions that carry tags: one task, or everything of one user.

        Args:
            tags: Tag key -> value or values. Several keys together mean sessions that carry all of them.

        Raises:
            InvalidInputError: No tag, an empty value, or one that STS refuses, so that no wildcard and no policy
                variable gets in. The role refuses a tag it does not declare.
        """
        return cls(revoked_sessions(None, tags))

    def check(self, scope: Construct, tag_keys: Sequence[str]) -> None:
        """Refuse a tag no session carries; warn where new sessions are denied as well."""
        if unknown := [key for key in self.sessions.tags if key not in tag_keys]:
            raise InvalidInputError(
                "a revocation names a tag that sessions of this role do not carry",
                got=", ".join(f"`{key}`" for key in unknown),
                expected=f"some of {', '.join(tag_keys)}, spelled as declared" if tag_keys else "no tag",
                why="the Deny would never fire and look as if it did",
                fix="name a declared tag" if tag_keys else "revoke by time: Revocation.issued_before(...)",
            )
        if is_ahead(self.sessions, datetime.now(UTC)):
            message = (
                f"the revocation of what was issued before {self.sessions.before} lies ahead: until then new sessions "
                "are denied as well, so that no task can work"
            )
            cdk.Validations.of(scope).add_warning(_WARN_AHEAD, message)

    def trust_conditions(self, context: StackContext) -> Conditions:  # noqa: ARG002
        """
        Refuse new sessions of a revoked tag.

        For one tag only: conditions of a statement are ANDed, so two tags would refuse every session that has either
        one. There the Deny alone carries: it holds for a new session as for an old one. A negated operator is true
        where the tag is absent; the positive condition on every tag covers that.
        """
        tags = self.sessions.tags
        if self.sessions.before or len(tags) != 1:
            return {}
        return {"StringNotEquals": {f"aws:RequestTag/{key}": list(values) for key, values in tags.items()}}

    def guards(self, context: StackContext) -> list[Section]:  # noqa: ARG002
        """Return the Deny of everything."""
        return [Section.whole(self.sessions.statement())]

    def metadata(self, context: StackContext) -> Mapping[str, Any]:  # noqa: ARG002
        """Return whom the verifier must find dead."""
        return {REVOKED: [self.sessions.as_text()]}
