"""
User ids: one value names a person as session tag `user_id`, as AgentCore vault user and in every log line.

Standard library only: orchestrator, agent image and constructs import the same module.
"""

import re
from typing import NamedTuple

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import is_tag_character, leaves_prefix

# Source: botocore's bedrock-agentcore model, UserIdType: 1 to 128 characters. A session tag would take 256.
USER_ID_MAX = 128
SEPARATOR = "+"
_PROVIDER = re.compile(r"[a-z][a-z0-9-]{0,31}")


class UserId(NamedTuple):
    """
    One person, as one identity provider knows them.

    Attributes:
        identity_provider: Short name of the identity provider, such as `cognito`.
        subject: The `sub` claim of that provider's tokens. Two providers may issue the same one.
    """

    identity_provider: str
    subject: str

    def __str__(self) -> str:
        return f"{self.identity_provider}{SEPARATOR}{self.subject}"

    def __repr__(self) -> str:
        return f"UserId({self.identity_provider}{SEPARATOR}…)"


def user_id_for(identity_provider: str, subject: str) -> str:
    """
    Return the user id: `user_id_for("cognito", sub)` gives `cognito+<sub>`.

    Args:
        identity_provider: Short name: a lower-case letter, then up to 31 lower-case letters, digits or `-`.
        subject: The `sub` claim, unchanged. Never shortened: two cut-off subjects could be one person to the vault.

    Raises:
        InvalidInputError: The name is another, or the id would be illegal as session tag, object key or vault user.

    Source:
        AgentCore devguide, get-workload-access-token: the caller makes ids of several identity providers distinct.
    """
    check_identity_provider(identity_provider)
    return str(parse_user_id(f"{identity_provider}{SEPARATOR}{subject}"))


def parse_user_id(text: str) -> UserId:
    """
    Return the parts of a user id; the first `+` parts them, because no provider's name holds one.

    Raises:
        InvalidInputError: It has no identity provider or no subject, or holds what a tag, an object key or the
            vault refuses.
    """
    if not isinstance(text, str) or len(text) > USER_ID_MAX:
        raise InvalidInputError(
            "a user id has a length the token vault refuses",
            got=f"{len(text)} characters" if isinstance(text, str) else f"a {type(text).__name__}",
            expected=f"text of up to {USER_ID_MAX} characters",
            why="a cut-off id could be another person's",
            fix="use the identity provider's `sub`, or a digest of it that every part of the system uses",
        )
    identity_provider, separator, subject = text.partition(SEPARATOR)
    if not separator or not subject:
        raise InvalidInputError(
            "a user id names no identity provider, or nobody",
            got="text without `+`, or with nothing after it",
            expected="`<identity provider>+<sub>`, such as `cognito+` and the `sub` claim",
            why="two identity providers may issue the same `sub`",
            fix="build it with user_id_for",
        )
    check_identity_provider(identity_provider)
    if leaves_prefix(subject) or not all(map(is_tag_character, subject)):
        raise InvalidInputError(
            "the subject of a user id holds a character that a session tag or object key cannot",
            got="`/`, `..` or a character outside the set STS accepts",
            expected="letters, digits, spaces and _ . : = + - @",
            why="no session could be minted for this user, or it would reach into another one's prefix",
            fix="let every part of the system use a hexadecimal digest of the `sub` instead",
        )
    return UserId(identity_provider, subject)


def check_identity_provider(name: str) -> str:
    """
    Return the short name of an identity provider.

    Raises:
        InvalidInputError: It is not a lower-case word.
    """
    if not isinstance(name, str) or not _PROVIDER.fullmatch(name):
        raise InvalidInputError(
            "an identity provider has an unfit short name",
            got=f"{len(name)} characters" if isinstance(name, str) else f"a {type(name).__name__}",
            expected="a lower-case letter, then up to 31 lower-case letters, digits or `-`",
            why="it is before the `+` of every user id, in tags and in policies",
            fix="use a word such as `cognito`",
        )
    return name
