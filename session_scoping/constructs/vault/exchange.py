"""What a custom OAuth2 provider needs to exchange a user's token for one of another service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import aws_cdk as cdk

from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.vault.resources import VaultProvider
from session_scoping.contract.errors import InvalidInputError

_ACTORS = ("NONE", "M2M", "AWS_IAM_ID_TOKEN_JWT")


def on_behalf_of_config(
    grant_type: Literal["TOKEN_EXCHANGE", "JWT_AUTHORIZATION_GRANT"] = "TOKEN_EXCHANGE",
    *,
    actor: Literal["NONE", "M2M", "AWS_IAM_ID_TOKEN_JWT"] = "NONE",
    actor_scopes: Sequence[str] = (),
) -> cdk.aws_bedrockagentcore.CfnOAuth2CredentialProvider.OnBehalfOfTokenExchangeConfigProperty:
    """
    Return what a custom OAuth2 provider needs for `TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE`.

    It is `on_behalf_of_token_exchange_config` of the provider's `CustomOauth2ProviderConfigInputProperty`.

    Args:
        grant_type: What the identity provider takes: `TOKEN_EXCHANGE` (RFC 8693) or `JWT_AUTHORIZATION_GRANT`
            (RFC 7523). Default: the first.
        actor: The token that says who acts for the user: `M2M` for one the agent gets as itself,
            `AWS_IAM_ID_TOKEN_JWT` for one that AWS signs. Default: `NONE`, and the new token names the user alone.
        actor_scopes: Scopes of an `M2M` actor token. Default: none.

    Raises:
        InvalidInputError: A word that AgentCore does not know, an actor outside a token exchange, or scopes of
            another actor.

    Source:
        botocore's bedrock-agentcore-control model: OnBehalfOfTokenExchangeConfigType, ActorTokenContentType.
    """
    exchange = grant_type == "TOKEN_EXCHANGE"
    known = grant_type in ("TOKEN_EXCHANGE", "JWT_AUTHORIZATION_GRANT") and actor in _ACTORS
    if not known or (not exchange and actor != "NONE") or (actor_scopes and actor != "M2M"):
        raise InvalidInputError(
            "that is no exchange on behalf of a user",
            got=f"grant type {grant_type}, actor {actor}, {'with' if actor_scopes else 'without'} scopes",
            expected=f"TOKEN_EXCHANGE with an actor of {', '.join(_ACTORS)}, or JWT_AUTHORIZATION_GRANT without one; "
            "scopes with M2M only",
            why="AgentCore refuses the provider at deployment",
            fix="see what the identity provider documents",
        )
    provider = cdk.aws_bedrockagentcore.CfnOAuth2CredentialProvider
    content = provider.TokenExchangeGrantTypeConfigProperty(
        actor_token_content=actor, actor_token_scopes=list(actor_scopes) or None
    )
    return provider.OnBehalfOfTokenExchangeConfigProperty(
        grant_type=grant_type, token_exchange_grant_type_config=content if exchange else None
    )


def lacks_exchange(provider: VaultProvider) -> bool:
    """
    Whether it is known of a provider that it exchanges no token on behalf of a user.

    Source: AgentCore devguide, on-behalf-of-token-exchange: a custom provider must be configured for it, others bring
    their own way.
    """
    node = getattr(provider.resource, "node", None)
    made = getattr(node, "default_child", None) or provider.resource
    if not isinstance(made, cdk.aws_bedrockagentcore.CfnOAuth2CredentialProvider):
        return False
    properties = made.stack.resolve(properties_of(made))
    given = properties.get("oauth2ProviderConfigInput") or {}
    custom = given.get("customOauth2ProviderConfig") if isinstance(given, dict) else None
    return isinstance(custom, dict) and not custom.get("onBehalfOfTokenExchangeConfig")
