"""Everything about a token that can be decided without a call: done before any call that costs."""

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.jws import UnverifiedToken
from session_scoping.lambdas.credential_broker.refusal import RefusedError
from session_scoping.lambdas.credential_broker.settings import Settings

SKEW_SECONDS = 60
"""How far the orchestrator's clock may run ahead of the broker's. Nothing is added to the end of a token."""

LEAST_SECONDS_LEFT = 60
"""A token with less left is refused: the agent would not sign with credentials that end so soon."""


def read_token(event: object) -> UnverifiedToken:
    """Return the token of a request, or refuse the request as malformed."""
    if not isinstance(event, dict) or set(event) != {"token"}:
        raise RefusedError("TokenMalformed", "request")
    try:
        return UnverifiedToken.parse(event["token"])
    except InvalidInputError:
        pass
    raise RefusedError("TokenMalformed", "form")


def check_claims(token: UnverifiedToken, settings: Settings, now: float) -> None:
    """Refuse a token that was not made for this broker, or not for now."""
    claims = token.claims
    for check, matches in (
        ("key", token.key_id == settings.key_id),
        ("issuer", claims.issuer == settings.issuer),
        ("audience", claims.audience == settings.audience),
        ("subject", claims.subject == settings.subject),
        ("tags", set(claims.tags) == settings.tag_keys),
        ("transitive", set(claims.transitive_tag_keys) <= settings.transitive_tag_keys),
    ):
        if not matches:
            raise RefusedError("TokenRefused", check)
    if max(claims.issued_at, claims.not_before) > now + SKEW_SECONDS:
        raise RefusedError("TokenNotYetValid", "time")
    if claims.expires_at - now < LEAST_SECONDS_LEFT:
        raise RefusedError("TokenExpired", "time")
