"""`CredentialSet`: one set of keys with its expiry, and the rules an answer must keep to become one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.contract.errors import InvalidInputError

MANDATORY_SECONDS = 60.0
"""Time left below which credentials no longer sign: room for a slow call to arrive while they still count."""

SKEW_SECONDS = 300.0
"""How far an expiry may lie past the longest possible one. Source: SigV4 accepts clocks five minutes off."""

PROVIDER_LONGEST_SECONDS = 43_200.0
"""Source: STS, `MaxSessionDuration` of a role is at most 12 hours."""

_PRINTABLE = "[!-~]{1,16384}"
_FIELDS = {
    "access_key_id": "AccessKeyId",
    "secret_access_key": "SecretAccessKey",
    "session_token": "SessionToken",
}


@dataclass(frozen=True, repr=False)
class CredentialSet:
    """
    Temporary credentials and the moment they end. The repr hides the keys; pickling and copying are refused.

    Attributes:
        access_key_id: The access key id.
        secret_access_key: The secret key.
        session_token: The session token. Never empty: long-lived keys are not accepted.
        expiration: When they end, an aware datetime.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime

    def __repr__(self) -> str:
        return "CredentialSet(…)"

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    @classmethod
    def from_answer(cls, answer: object) -> "CredentialSet":
        """
        Read a provider's answer: a CredentialSet, or a mapping in the spelling of STS.

        The mapping has `AccessKeyId`, `SecretAccessKey`, `SessionToken` and `Expiration` (an aware
        datetime or ISO 8601 text with a zone).
        """
        if isinstance(answer, CredentialSet):
            values: dict[str, Any] = {name: getattr(answer, name) for name in (*_FIELDS, "expiration")}
        elif isinstance(answer, Mapping):
            values = {name: answer.get(key) for name, key in {**_FIELDS, "expiration": "Expiration"}.items()}
        else:
            raise _malformed(f"a {type(answer).__name__}")
        for name, key in _FIELDS.items():
            if not isinstance(values[name], str) or not re.fullmatch(_PRINTABLE, values[name]):
                raise _malformed(f"an answer whose {key} is missing or not printable text")
        values["expiration"] = _aware(values["expiration"])
        return cls(**values)

    def lifetime(self, *, now: datetime, longest: float) -> float:
        """
        Return the seconds these credentials may be used for, or refuse them.

        Args:
            now: The time of day just before they were asked for.
            longest: The most seconds they can last, by the rules of their source.
        """
        left = (self.expiration - now).total_seconds()
        check_left(left)
        if left > longest + SKEW_SECONDS:
            raise AnswerRefusedError(
                Failure(
                    "TooFar",
                    f"credentials that end in {left:.0f} seconds by this machine's clock",
                    f"at most {longest:.0f} seconds and {SKEW_SECONDS:.0f} of clock skew",
                    "set this machine's clock (NTP) if it runs behind, otherwise look at what answered",
                )
            )
        return min(left, longest)


def check_left(left: float) -> None:
    """Refuse credentials that have too few seconds left."""
    if left > MANDATORY_SECONDS:
        return
    raise AnswerRefusedError(
        Failure(
            "Expired",
            f"credentials with {left:.0f} seconds left by this machine's clock",
            f"more than {MANDATORY_SECONDS:.0f} seconds",
            "set this machine's clock (NTP) if it runs ahead, otherwise look at what answered",
        )
    )


def refuse_copy(value: object) -> NoReturn:
    """Refuse to pickle or copy an object that holds credentials."""
    raise TypeError(
        f"a {type(value).__name__} cannot be pickled or copied: it holds credentials, which must not travel; "
        "fix: send the task's tags and build a TaskSession where they arrive"
    )


def check_provider(credentials: object, **minted: str | None) -> None:
    """Refuse a provider that is none, and what only the minter can set."""
    if not callable(credentials):
        raise InvalidInputError(
            "credentials is not callable",
            got=f"a {type(credentials).__name__}",
            expected="a function that returns a new credential set each time",
            why="one fixed set would end within the task",
            fix="pass the function that asks the broker",
        )
    for name, value in minted.items():
        if value is not None:
            raise InvalidInputError(
                f"{name} has no effect on credentials that a provider mints",
                got=f"both {name} and credentials",
                expected="one of them",
                why="it would be left out silently",
                fix="let the provider pass it to STS",
            )


def _aware(expiration: object) -> datetime:
    if isinstance(expiration, str):
        try:
            expiration = datetime.fromisoformat(expiration)
        except ValueError:
            expiration = None
    if not isinstance(expiration, datetime) or expiration.tzinfo is None:
        raise _malformed("an answer whose Expiration is missing or not a time with a zone")
    # A date at the edge of the calendar overflows when it is compared.
    if not 2000 <= expiration.year <= 9000:
        raise _malformed("an answer whose Expiration is no plausible date")
    return expiration


def _malformed(got: str) -> AnswerRefusedError:
    return AnswerRefusedError(
        Failure(
            "Malformed",
            got,
            "AccessKeyId, SecretAccessKey, SessionToken and Expiration",
            "look at what answers: a proxy, a wrong endpoint or a broken credential provider",
        )
    )
