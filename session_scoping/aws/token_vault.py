"""
The actions of AgentCore Identity, by what they do; constructs and verifier read the same lists.

Source: service authorization reference, list_amazonbedrockagentcore: each action is authorized against every one of
its resources, so a Deny on any of them refuses the call.
"""

from enum import Enum

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

# With the first two, agent code would start a runtime that acts for any user it names.
OTHER_DOORS = (
    INVOKE_FOR_USER,
    "bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStreamForUser",
    "bedrock-agentcore:CreateApiKeyCredentialProvider",
    "bedrock-agentcore:CreateOauth2CredentialProvider",
    "bedrock-agentcore:CreateWorkloadIdentity",
    "bedrock-agentcore:DeleteApiKeyCredentialProvider",
    "bedrock-agentcore:DeleteOauth2CredentialProvider",
    "bedrock-agentcore:DeleteWorkloadIdentity",
    "bedrock-agentcore:SetTokenVaultCMK",
    "bedrock-agentcore:UpdateApiKeyCredentialProvider",
    "bedrock-agentcore:UpdateOauth2CredentialProvider",
    "bedrock-agentcore:UpdateWorkloadIdentity",
)
"""What changes identities and providers, or asserts a user to a runtime: no part of using the vault."""


class TokenFlow(Enum):
    """
    The OAuth2 flows, in the words of GetResourceOauth2Token's `oauth2Flow`.

    Source: botocore's bedrock-agentcore model, Oauth2FlowType.
    """

    M2M = "M2M"
    USER_FEDERATION = "USER_FEDERATION"
    ON_BEHALF_OF_TOKEN_EXCHANGE = "ON_BEHALF_OF_TOKEN_EXCHANGE"  # noqa: S105 - a flow
