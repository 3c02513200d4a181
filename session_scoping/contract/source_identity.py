"""
The source identity of an agent session: `agent=<tenant>=<session>`, built and parsed in one place.

STS writes it into every CloudTrail event of the session and of the sessions it chains to, and nobody can change it
once it is set. Standard library only: the constructs and the agent image import the same module.
"""

import re
from dataclasses import dataclass

from session_scoping.contract.errors import InvalidInputError

# Source: STS API_AssumeRole, SourceIdentity: 2 to 64 of `[\w+=,.@-]`, ASCII, and nothing that begins `aws:`. A colon
# is illegal, so `agent:<tenant>:<session>` is refused by STS.
SOURCE_IDENTITY_MAX = 64
KIND = "agent"
SEPARATOR = "="
"""No part may hold it, so that a text reads one way only: see docs/decisions/0022-source-identity-form.md."""

_PART = re.compile(r"[A-Za-z0-9_.+,@-]+")
TENANT_MAX = SOURCE_IDENTITY_MAX - len(KIND) - 2 * len(SEPARATOR) - 1


@dataclass(frozen=True, repr=False)
class SourceIdentity:
    """
    Who acts: one session of one tenant.

    The repr shows neither, so that a log or traceback never holds a tenant's id.

    Args:
        tenant: The tenant's id: letters, digits and `_ . + , @ -`.
        session: The session's id, from the same characters. Both together at most 57 characters.

    Raises:
        InvalidInputError: A part is empty or holds another character, or the text would exceed 64 characters. It is
            never shortened: two sessions cut to the same text would be one in every log.

    Source:
        STS API_AssumeRole, SourceIdentity.
    """

    tenant: str
    session: str

    def __post_init__(self) -> None:
        _check_part("tenant", self.tenant)
        _check_part("session", self.session)
        if (length := len(self.for_sts())) > SOURCE_IDENTITY_MAX:
            raise InvalidInputError(
                "the source identity is too long",
                got=f"{length} characters",
                expected=f"at most {SOURCE_IDENTITY_MAX}",
                why="STS refuses it, and a cut-off one could name another session",
                fix="use shorter ids, such as a UUID without its dashes for the session",
            )

    @classmethod
    def parse(cls, text: str) -> "SourceIdentity":
        """
        Return the identity a text names, as CloudTrail shows it.

        Raises:
            InvalidInputError: The text has another form.
        """
        parts = text.split(SEPARATOR) if isinstance(text, str) else []
        if len(parts) != 3 or parts[0] != KIND:
            raise InvalidInputError(
                "that is no source identity of an agent session",
                got="text of another form" if isinstance(text, str) else f"a {type(text).__name__}",
                expected="`agent=<tenant>=<session>`",
                why="it would be attributed to a session by guessing",
                fix="build it with SourceIdentity(tenant, session)",
            )
        return cls(parts[1], parts[2])

    def for_sts(self) -> str:
        """Return the text for the `SourceIdentity` parameter of AssumeRole."""
        return SEPARATOR.join((KIND, self.tenant, self.session))

    def __repr__(self) -> str:
        return "SourceIdentity(tenant=…, session=…)"


def check_tenant(tenant: str) -> str:
    """
    Return the tenant's id, or refuse one that no source identity could carry.

    Raises:
        InvalidInputError: It is empty, holds another character, or leaves no room for a session.
    """
    _check_part("tenant", tenant)
    if len(tenant) > TENANT_MAX:
        raise InvalidInputError(
            "the tenant's id leaves no room for a session",
            got=f"{len(tenant)} characters",
            expected=f"at most {TENANT_MAX}, and fewer by the length of your session ids",
            why=f"STS takes {SOURCE_IDENTITY_MAX} characters for `agent=<tenant>=<session>`",
            fix="use a short stable id",
        )
    return tenant


def pattern_of(tenant: str) -> str:
    """Return the pattern of all source identities of one tenant, for `StringLike`."""
    return SEPARATOR.join((KIND, check_tenant(tenant), "?*"))


def ambiguous_pattern_of(tenant: str) -> str:
    """Return the pattern of what begins like the tenant's and has a part too many."""
    return SEPARATOR.join((KIND, check_tenant(tenant), "*", "*"))


def _check_part(name: str, part: str) -> None:
    if not isinstance(part, str) or not _PART.fullmatch(part):
        raise InvalidInputError(
            f"the {name} of a source identity is not legal",
            got=f"{len(part)} characters, some of them others" if isinstance(part, str) else f"a {type(part).__name__}",
            expected="one or more of A-Z a-z 0-9 _ . + , @ -",
            why="STS takes no others, and `=` would let one text name two tenants",
            fix="encode the id, for example with a hexadecimal digest",
        )
