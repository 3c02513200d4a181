"""
The actions of AgentCore Identity, by what they do; constructs and verifier read the same lists.

Source: service authorization reference, list_amazonbedrockagentcore: each action is authorized against every one of
its resources, so a Deny on any of them refuses the call.
"""

from enum import Enum

from session_scoping.aws.actions import actions_of
from session_scoping.aws.effects import Effect, judgement

TOKEN_OF_AGENT = "bedrock-agentcore:GetWorkloadAccessToken"  # noqa: S105 - an action
TOKEN_FOR_JWT = "bedrock-agentcore:GetWorkloadAccessTokenForJWT"  # noqa: S105
TOKEN_FOR_USER_ID = "bedrock-agentcore:GetWorkloadAccessTokenForUserId"  # noqa: S105
OAUTH2_TOKEN = "bedrock-agentcore:GetResourceOauth2Token"  # noqa: S105
API_KEY = "bedrock-agentcore:GetResourceApiKey"
COMPLETE = "bedrock-agentcore:CompleteResourceTokenAuth"
INVOKE = "bedrock-agentcore:InvokeAgentRuntime"
INVOKE_FOR_USER = "bedrock-agentcore:InvokeAgentRuntimeForUser"
READ_SECRET = "secretsmanager:GetSecretValue"  # noqa: S105

VENDING = (
    TOKEN_OF_AGENT,
    TOKEN_FOR_JWT,
    TOKEN_FOR_USER_ID,
    OAUTH2_TOKEN,
    API_KEY,
    "bedrock-agentcore:GetResourcePaymentToken",
    COMPLETE,
)
"""What hands out a workload access token or something from the vault."""

_CHANGING = frozenset({Effect.GRANT, Effect.WRITE, Effect.BECOME})
_RUNNING = frozenset({Effect.ASK, Effect.BECOME})
# Where tokens are kept, and who may ask for them.
_IDENTITY = frozenset(
    f"bedrock-agentcore:{kind}"
    for kind in (
        "apikeycredentialprovider",
        "consent-portal",
        "oauth2credentialprovider",
        "paymentcredentialprovider",
        "token-vault",
        "workload-identity",
        "workload-identity-directory",
    )
)
# Whose code acts with tokens of its own, for a user the request names or inside another task's session.
_WORKLOADS = frozenset(
    f"bedrock-agentcore:{kind}" for kind in ("harness", "harness-endpoint", "runtime", "runtime-endpoint")
)
# A runtime decides itself what it does for a caller it is asked by; it is told of no user.
_ASKED = (INVOKE, "bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStream")


def _opens_another_way(name: str) -> bool:
    found = judgement(name)
    kinds = set(found.own)
    return bool((kinds & _IDENTITY and found.effects & _CHANGING) or (kinds & _WORKLOADS and found.effects & _RUNNING))


OTHER_DOORS = tuple(
    one.name
    for one in actions_of("bedrock-agentcore")
    if one.name not in (*VENDING, *_ASKED) and _opens_another_way(one.name)
)
"""
What changes identities and providers, asserts a user to a workload, runs commands in one or changes it.

No part of using the vault. By the action data: what AgentCore adds joins when the table is made anew.
"""


class TokenFlow(Enum):
    """
    The OAuth2 flows, in the words of GetResourceOauth2Token's `oauth2Flow`.

    Attributes:
        M2M: The agent acts as itself.
        USER_FEDERATION: The agent acts for a user who has consented.
        ON_BEHALF_OF_TOKEN_EXCHANGE: The agent exchanges its user's token for one of another service.

    Source: botocore's bedrock-agentcore model, Oauth2FlowType.
    """

    M2M = "M2M"
    USER_FEDERATION = "USER_FEDERATION"
    ON_BEHALF_OF_TOKEN_EXCHANGE = "ON_BEHALF_OF_TOKEN_EXCHANGE"  # noqa: S105 - a flow
