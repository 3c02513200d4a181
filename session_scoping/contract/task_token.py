"""
Task tokens: one signed JWT per task, which says whose data the task may reach.

Standard library only: the orchestrator that issues, the broker that checks and the agent that spends a token
read it with the same code. The compact form is in `session_scoping.contract.jws`.

A token is a bearer credential: its holder gets the task's credentials until it expires. Nothing here
puts its text, or a claim's value, into a repr or an error.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.names import check_source_identity, session_name_for
from session_scoping.contract.tags import SessionTags

# Source: IAM User Guide, id_session-tags ("Passing session tags using AssumeRoleWithWebIdentity") and
# id_credentials_temp_control-access_monitor ("Using source identity with AssumeRoleWithWebIdentity").
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"
AWS_NAMESPACE = "https://aws.amazon.com/"

DEFAULT_SUBJECT = "agent-task"
"""`sub` of every token of a deployment: trust policies compare it exactly; the tags name the task."""

DEFAULT_LIFETIME_SECONDS = 28_800
"""Eight hours, a task's longest run. Source: AgentCore quotas, maximum session duration."""

LONGEST_LIFETIME_SECONDS = 43_200
"""Twelve hours: no token lasts longer than a role session may. Source: IAM, `MaxSessionDuration`."""

REVOCATION_ID, REVOCATION_ENDS = "id", "expires_at"
"""The partition key of the table of revocations, and its TTL attribute."""

# Source: IAM API_CreateOpenIDConnectProvider: https, no query, at most 255 characters; client ids the same.
_ISSUER = r"https://[A-Za-z0-9.-]{1,200}(?:/[A-Za-z0-9._~/-]{0,200})?"
_NAME_MAX = 255
_PLAIN = r"[!-~]{1,255}"
# Narrower than RFC 7519, so that it can go into a log line and a table's key as it is.
_TOKEN_ID = r"[A-Za-z0-9_-]{16,64}"  # noqa: S105 - a pattern
_LATEST = 253_402_300_799  # 9999-12-31, the last second a datetime can hold


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskToken:
    """
    The claims of one task's token, checked. The repr shows names of claims only. `for_task` fills in defaults.

    Attributes:
        tags: The task's tags. They become session tags unchanged.
        issuer: `iss`: an https URL without port or query.
        audience: `aud`: one text, 1 to 255 printable characters.
        subject: `sub`: the same for every token of a deployment, compared exactly.
        source_identity: What CloudTrail shows for every call of the session and of sessions it chains to.
        transitive_tag_keys: Tags that sessions chained from this one inherit.
        token_id: `jti`: 16 to 64 of `A-Za-z0-9_-`. No secret: log lines show it.
        issued_at: `iat`, whole seconds since 1970.
        not_before: `nbf`.
        expires_at: `exp`: after both, by at most 12 hours.

    Raises:
        InvalidInputError: A claim breaks one of these rules. The message shows no value.
    """

    tags: SessionTags
    issuer: str
    audience: str
    subject: str
    source_identity: str
    transitive_tag_keys: tuple[str, ...]
    token_id: str
    issued_at: int
    not_before: int
    expires_at: int

    def __post_init__(self) -> None:
        if not isinstance(self.tags, SessionTags):
            raise _bad("tags", f"a {type(self.tags).__name__}", "SessionTags")
        keys = self.transitive_tag_keys
        if not isinstance(keys, tuple) or len(set(keys)) != len(keys) or not set(keys) <= set(self.tags):
            raise _bad("transitive_tag_keys", f"{len(keys)} keys", "keys of the token's own tags, each once")
        check_source_identity(self.source_identity)
        check_issuer(self.issuer)
        check_plain("audience", self.audience)
        check_plain("subject", self.subject)
        _check_token_id(self.token_id)
        self._check_times()

    def _check_times(self) -> None:
        for name in ("issued_at", "not_before", "expires_at"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= _LATEST:
                raise _bad(name, f"a {type(value).__name__} out of range", "whole seconds since 1970")
        lasts = self.expires_at - min(self.issued_at, self.not_before)
        if self.expires_at <= max(self.issued_at, self.not_before) or lasts > LONGEST_LIFETIME_SECONDS:
            raise _bad("expires_at", f"a lifetime of {lasts} seconds", f"1 to {LONGEST_LIFETIME_SECONDS}")

    def __repr__(self) -> str:
        return f"TaskToken({', '.join(f'{name}=…' for name in self.claims())})"

    @classmethod
    def for_task(
        cls,
        tags: SessionTags,
        *,
        issuer: str,
        audience: str,
        subject: str = DEFAULT_SUBJECT,
        source_identity: str | None = None,
        transitive_tag_keys: Iterable[str] = (),
        issued_at: int | None = None,
        expires_at: int | None = None,
    ) -> "TaskToken":
        """
        Return the claims of a new token with a random id, valid from the moment it is issued.

        Args:
            tags: The task's tags.
            issuer: `iss`.
            audience: `aud`.
            subject: `sub`. Default: `agent-task`.
            source_identity: Default: the task's role session name.
            transitive_tag_keys: Default: none.
            issued_at: Whole seconds since 1970. Default: now.
            expires_at: The task's end. Default: eight hours after it is issued.
        """
        at = int(time.time()) if issued_at is None else issued_at
        return cls(
            tags=tags,
            issuer=issuer,
            audience=audience,
            subject=subject,
            source_identity=session_name_for(tags) if source_identity is None else source_identity,
            transitive_tag_keys=tuple(transitive_tag_keys),
            token_id=token_hex(16),
            issued_at=at,
            not_before=at,
            expires_at=at + DEFAULT_LIFETIME_SECONDS if expires_at is None else expires_at,
        )

    @property
    def session_name(self) -> str:
        """The role session name of the task, which the broker and the agent compute alike."""
        return session_name_for(self.tags)

    def claims(self) -> dict[str, Any]:
        """
        Return the claims in the shape STS reads them.

        Source:
            IAM User Guide, id_session-tags: `principal_tags` maps each key to a list of one value.
        """
        tags: dict[str, Any] = {"principal_tags": {key: [value] for key, value in self.tags.items()}}
        if self.transitive_tag_keys:
            tags["transitive_tag_keys"] = list(self.transitive_tag_keys)
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": self.subject,
            "iat": self.issued_at,
            "nbf": self.not_before,
            "exp": self.expires_at,
            "jti": self.token_id,
            TAGS_CLAIM: tags,
            SOURCE_IDENTITY_CLAIM: self.source_identity,
        }

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> "TaskToken":
        """
        Read claims, without judging whether they are the right ones or still valid.

        Every claim that `claims()` writes must be there, in the same shape. Others are ignored, as RFC 7519
        section 4 asks, except under `https://aws.amazon.com/`: STS could act on what a broker passes over.

        Raises:
            InvalidInputError: A claim is missing or has another shape. The message shows no value.
        """
        named = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", TAGS_CLAIM, SOURCE_IDENTITY_CLAIM)
        if missing := [name for name in named if name not in claims]:
            raise _bad(missing[0], "no such claim", "every claim a task token has")
        if any(name.startswith(AWS_NAMESPACE) and name not in named for name in claims):
            raise _bad("claims", f"an unknown one under {AWS_NAMESPACE}", "tags and source_identity alone")
        tags, transitive = _tags(claims[TAGS_CLAIM])
        return cls(
            tags=tags,
            issuer=claims["iss"],
            audience=claims["aud"],
            subject=claims["sub"],
            source_identity=claims[SOURCE_IDENTITY_CLAIM],
            transitive_tag_keys=transitive,
            token_id=claims["jti"],
            issued_at=claims["iat"],
            not_before=claims["nbf"],
            expires_at=claims["exp"],
        )


def check_issuer(issuer: str) -> str:
    """Return an issuer, or refuse it with InvalidInputError."""
    if not isinstance(issuer, str) or len(issuer) > _NAME_MAX or not re.fullmatch(_ISSUER, issuer):
        raise _bad("issuer", _length(issuer), "https://host[/path], at most 255 characters, no port, no query")
    return issuer


def check_plain(name: str, text: str) -> str:
    """Return an audience or a subject, or refuse it with InvalidInputError."""
    if not isinstance(text, str) or not re.fullmatch(_PLAIN, text):
        raise _bad(name, _length(text), "one text of 1 to 255 printable ASCII characters without spaces")
    return text


def revocation_of_token(token_id: str) -> str:
    """Return the id under which the list of revocations holds one token; InvalidInputError: no token has this id."""
    _check_token_id(token_id)
    return f"token#{token_id}"


def revocation_of_tag(key: str, value: str) -> str:
    """Return the id under which the list of revocations holds every token with a tag."""
    return f"tag#{key}#{value}"


def _check_token_id(token_id: str) -> None:
    if not isinstance(token_id, str) or not re.fullmatch(_TOKEN_ID, token_id):
        raise _bad("token_id", _length(token_id), "16 to 64 of A-Z a-z 0-9 _ -")


def _tags(claim: object) -> tuple[SessionTags, tuple[str, ...]]:
    if not isinstance(claim, Mapping) or set(claim) - {"principal_tags", "transitive_tag_keys"}:
        raise _bad(TAGS_CLAIM, "another shape", "principal_tags and transitive_tag_keys alone")
    values, transitive = claim.get("principal_tags"), claim.get("transitive_tag_keys", [])
    if not isinstance(values, Mapping) or not all(isinstance(one, list) and len(one) == 1 for one in values.values()):
        raise _bad(TAGS_CLAIM, "tags of another shape", "each key with a list of one value")
    if not isinstance(transitive, list) or not all(isinstance(key, str) for key in transitive):
        raise _bad(TAGS_CLAIM, "transitive keys of another shape", "a list of keys")
    try:
        return SessionTags(**{key: one for key, (one,) in values.items()}), tuple(transitive)
    except InvalidInputError:
        pass  # its message names keys, which the token's author chose
    raise _bad(TAGS_CLAIM, "tags STS refuses", "tags within the rules of STS")


def _length(value: object) -> str:
    return f"{len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"


def _bad(name: str, got: str, expected: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} of the task token is not acceptable",
        got=got,
        expected=expected,
        why="a token that two readers understand differently could reach another tenant",
        fix="issue tokens with TaskTokenSigner",
    )
