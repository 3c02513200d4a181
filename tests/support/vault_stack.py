"""A small stack with a vault: one workload identity, two providers, a secret, and the roles that take tokens."""

from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

from session_scoping import SessionRole, TokenFlow, TokenVaultGrant, UserBinding, VaultProvider
from tests.support import stacks
from tests.support.world import World

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example"
PLACE = "arn:aws:bedrock-agentcore:us-east-1:111122223333:"
DIRECTORY = f"{PLACE}workload-identity-directory/default"
VAULT = f"{PLACE}token-vault/default"
BY_TAG = UserBinding.session_tag()
BY_JWT = UserBinding.jwt(issuer=ISSUER, audiences=["agents"], client_ids=["client-1"])
BOTH = (TokenFlow.M2M, TokenFlow.USER_FEDERATION)


@dataclass
class Vault:
    """The resources, made in a stack, before anything is granted."""

    stack: cdk.Stack
    identity: agentcore.WorkloadIdentity = field(init=False)
    secret: secretsmanager.Secret = field(init=False)
    github: agentcore.CfnOAuth2CredentialProvider = field(init=False)
    search: agentcore.ApiKeyCredentialProvider = field(init=False)

    def __post_init__(self) -> None:
        """Make them."""
        self.identity = agentcore.WorkloadIdentity(self.stack, "Identity", workload_identity_name="agent")
        self.secret = secretsmanager.Secret(self.stack, "Secret")
        self.github = agentcore.CfnOAuth2CredentialProvider(
            self.stack,
            "GitHub",
            name="github",
            credential_provider_vendor="GithubOauth2",
            oauth2_provider_config_input={
                "githubOauth2ProviderConfig": {
                    "clientId": "client",
                    "clientSecretSource": "EXTERNAL",
                    "clientSecretConfig": {"secretId": self.secret.secret_arn, "jsonKey": "client_secret"},
                }
            },
        )
        self.search = agentcore.ApiKeyCredentialProvider(
            self.stack, "Search", api_key=cdk.SecretValue.unsafe_plain_text("planted")
        )

    def providers(self) -> list[VaultProvider]:
        """Return both providers; only the OAuth2 one names its secret."""
        return [VaultProvider.oauth2(self.github, secret=self.secret), VaultProvider.api_key(self.search)]

    def grant(self, grantee: SessionRole | iam.IRole, **options: Any) -> TokenVaultGrant:
        """Return a grant on everything here, for sessions bound by their tag unless the options say otherwise."""
        options = {"flows": BOTH, "user_binding": BY_TAG, "providers": self.providers(), **options}
        options.setdefault("workload_identity", self.identity)
        return TokenVaultGrant(self.stack, options.pop("id", "Vault"), grantee=grantee, **options)


def session_stack(**options: Any) -> dict[str, Any]:
    """Return the template of a session role with a grant."""
    vault = Vault(stacks.stack())
    vault.grant(stacks.session_role(vault.stack), **options)
    return stacks.template(vault.stack)


def secret_arn(template: dict[str, Any]) -> str:
    """Return the ARN of the provider's own secret."""
    return str(World(template).fill({"Ref": stacks.ref(template, "Secret")}))


def names(template: dict[str, Any]) -> tuple[str, str, str]:
    """Return the ARNs of the identity, the OAuth2 provider and the API key provider."""
    world = World(template)
    kinds = ("WorkloadIdentity", "OAuth2CredentialProvider", "ApiKeyCredentialProvider")
    ids = ("Identity", "GitHub", "Search")
    return tuple(world.arn(one, f"AWS::BedrockAgentCore::{kind}") for one, kind in zip(ids, kinds, strict=True))  # type: ignore[return-value]
