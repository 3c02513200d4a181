"""An OIDC issuer whose tokens a session role trusts, spelled out so that a person can review the trust policy."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import check_issuer, check_plain

AnyProvider = Any
"""A TaskTokenIssuer, an `iam.IOidcProvider` or an `iam.IOpenIdConnectProvider`."""

_PROVIDER_ARN = re.compile(r"arn:[^:*?]+:iam::[^:*?]+:oidc-provider/([^:*?]+)")

_KEPT_AS = "_session_scoping_forgers"


@dataclass(frozen=True)
class Forgers:
    """
    What could make a TaskTokenIssuer's tokens; of another issuer that is not known here.

    Attributes:
        guarded: Returns what is denied to compute roles and sessions.
        metadata: Returns what the verifier holds those Denies to.
    """

    guarded: Callable[[], Sequence[Section]]
    metadata: Callable[[], Mapping[str, Any]]

    def keep(self, issuer: Construct) -> None:
        """Keep them with the issuer; they are asked for when a session role trusts it."""
        vars(issuer)[_KEPT_AS] = self


@dataclass(frozen=True)
class TrustedIssuer:
    """
    Whose tokens are trusted, and which of them.

    Attributes:
        provider_arn: The IAM OIDC provider.
        issuer: Host and path of the issuer, without `https://`: it begins the names of condition keys.
        audience: The one `aud`.
        subject: The one `sub`.
        guarded: What is denied to compute roles and sessions, because it could make tokens.
        metadata: What the verifier holds those Denies to.
    """

    provider_arn: str
    issuer: str
    audience: str
    subject: str
    guarded: Sequence[Section] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, provider: AnyProvider, *, issuer: str | None, audience: str | None, subject: str) -> "TrustedIssuer":
        """
        Check and read an issuer.

        Raises:
            InvalidInputError: See `Minting.by_web_identity`.
        """
        arn = _arn_of(provider)
        known = _PROVIDER_ARN.fullmatch(arn) if not is_token(arn.rpartition("oidc-provider/")[2]) else None
        given = issuer or getattr(provider, "issuer", None) or (f"https://{known[1]}" if known else None)
        audience = audience or getattr(provider, "audience", None)
        for name, text in (("issuer", given), ("audience", audience), ("subject", subject)):
            _require_literal(name, text)
        host = check_issuer(str(given)).removeprefix("https://")
        if known and known[1] != host:
            raise InvalidInputError(
                "`issuer` is not the provider's",
                got="an OIDC provider of another issuer",
                expected="the issuer that ends the provider's ARN",
                why="the conditions would speak of keys no token has, and nobody could mint",
                fix="name the issuer of this provider, or leave it out",
            )
        identity = cls(arn, host, check_plain("audience", str(audience)), check_plain("subject", subject))
        if forgers := vars(provider).get(_KEPT_AS):
            return replace(identity, guarded=forgers.guarded(), metadata=forgers.metadata())
        return identity

    def conditions(self) -> Conditions:
        """
        Return what is demanded of the token itself.

        Source:
            IAM reference_policies_iam-condition-keys, "Available keys for AWS OIDC federation": the keys are
            `<issuer>:aud` and `<issuer>:sub`, the issuer without `https://`.
        """
        return {"StringEquals": {f"{self.issuer}:aud": self.audience, f"{self.issuer}:sub": self.subject}}


def _arn_of(provider: AnyProvider) -> str:
    for name in ("provider_arn", "oidc_provider_arn", "open_id_connect_provider_arn"):
        if isinstance(arn := getattr(provider, name, None), str):
            break
    else:
        raise InvalidInputError(
            "the provider of web identity is none",
            got=f"a {type(provider).__name__}",
            expected="a TaskTokenIssuer, or an IAM OIDC provider",
            why="the trust policy names whose tokens it takes",
            fix="pass the provider; import one with OidcProviderNative.from_oidc_provider_arn",
        )
    if has_wildcard(arn):
        raise InvalidInputError(
            "the provider of web identity is not one provider",
            got="an ARN with a wildcard",
            expected="the exact ARN of one OIDC provider",
            why="a principal that can make a provider of a fitting name could mint",
            fix="name the provider",
        )
    return arn


def _require_literal(name: str, text: str | None) -> None:
    """
    Refuse what is known only at deployment, or a pattern.

    The issuer begins a condition key, where CloudFormation takes no intrinsic function. A custom resource could
    write it there; then nobody could review or verify the trust policy. See docs/decisions/0021.
    """
    unknown = not isinstance(text, str) or is_token(text)
    if unknown or has_wildcard(str(text)):
        raise InvalidInputError(
            f"`{name}` of web identity is not spelled out",
            got="a value known only at deployment" if unknown else "a pattern",
            expected="literal text",
            why="CloudFormation takes no reference in a condition key, and nobody could review or verify it",
            fix="pass the text that is in the token",
        )
