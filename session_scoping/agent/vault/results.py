"""What `resolve_token` returns: a token that no text shows, or the consent that is missing."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

_CHAIN_MAX = 16
_NAME_MAX = 256


class Hidden:
    """Text that must not show: no repr, log line, pickle or copy holds it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. The one place to look for in a review."""
        return self._text

    def __repr__(self) -> str:
        return "…"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled or copied: ask for it where it is used")


@dataclass(frozen=True)
class Delegation:
    """
    Who acts for whom, as a token says of itself. UNVERIFIED: for audit, never for a decision.

    Attributes:
        subject: The `sub` claim: the user. None when there is none.
        actors: The `sub` of each actor of the `act` claim, the current one first.

    Source:
        RFC 8693, section 4.1: the outermost `act` is the current actor, nested ones are prior actors.
    """

    subject: str | None
    actors: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Delegation({len(self.actors)} actors)"


@dataclass(frozen=True)
class Token:
    """
    A token of an integration.

    Attributes:
        provider: The credential provider.
        source: `token-vault`, or `secrets-manager` where the fallback was used.
        delegation: What its `act` claim says; None when it carries none or is no JWT.
        secret: The token; `token.secret.reveal()` shows it.
    """

    provider: str
    source: Literal["token-vault", "secrets-manager"]
    secret: Hidden
    delegation: Delegation | None = None

    def reveal(self) -> str:
        """Return the token's text."""
        return self.secret.reveal()


@dataclass(frozen=True)
class ConsentNeeded:
    """
    The user has to consent first: show them the address, and ask again once they have.

    Attributes:
        provider: The credential provider.
        authorization_url: Where the user consents; `reveal()` shows it. Give it to this user alone: the person who
            opens it ties their own account to this user's session.
        session_uri: Names the consent in later calls. None when AgentCore gave none.
        in_progress: Whether the user was sent there before and has not finished.
    """

    provider: str
    authorization_url: Hidden
    session_uri: str | None
    in_progress: bool = False


def delegation_of(token: str) -> Delegation | None:
    """
    Return what a JWT says of who acts for whom, unverified; None for an opaque token or one without `act`.

    Names that are not short printable text are shown as `?`, so that an audit line cannot be forged.
    """
    claims = _claims(token)
    if not isinstance(claims, dict) or not isinstance(claims.get("act"), dict):
        return None
    actors: list[str] = []
    actor: Any = claims["act"]
    while isinstance(actor, dict) and len(actors) < _CHAIN_MAX:
        actors.append(_name(actor.get("sub")) or "?")
        actor = actor.get("act")
    return Delegation(_name(claims.get("sub")), tuple(actors))


def _claims(token: str) -> Any:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _name(value: Any) -> str | None:
    if value is None:
        return None
    plain = isinstance(value, str) and 0 < len(value) <= _NAME_MAX and value.isprintable()
    return str(value) if plain else "?"
