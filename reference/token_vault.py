"""Commit as the user: a GitHub token per user from AgentCore's vault, and M2M where there is no user."""

from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from constructs import Construct

from reference.secret import github_secret
from session_scoping import SessionRole, TokenFlow, TokenVaultGrant, UserBinding, VaultProvider


def add_token_vault(scope: Construct, session_role: SessionRole) -> TokenVaultGrant:
    """Make the provider and its secret; let sessions take their own user's token, and a callback finish consents."""
    secret = github_secret(scope, "GitHubClientSecret", "Client secret of the GitHub app; AgentCore reads it")
    github = agentcore.CfnOAuth2CredentialProvider(
        scope,
        "GitHubProvider",
        name="session-scoping-github",
        credential_provider_vendor="GithubOauth2",
        oauth2_provider_config_input={
            "githubOauth2ProviderConfig": {
                "clientId": str(scope.node.try_get_context("githubClientId") or "your-github-client-id"),
                # The secret is ours: its ARN is known, and no secret stands in the template.
                "clientSecretSource": "EXTERNAL",
                "clientSecretConfig": {"secretId": secret.secret_arn, "jsonKey": "client_secret"},
            }
        },
    )
    vault = TokenVaultGrant(
        scope,
        "TokenVault",
        grantee=session_role,
        workload_identity=agentcore.WorkloadIdentity(
            scope, "AgentIdentity", workload_identity_name="session-scoping-agent"
        ),
        providers=[VaultProvider.oauth2(github, secret=secret)],
        flows=[TokenFlow.M2M, TokenFlow.USER_FEDERATION],
        user_binding=UserBinding.session_tag("user_id"),
    )
    callback = iam.Role(
        scope,
        "ConsentCallbackRole",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description="Finishes a consent once it has seen that the user is the one who asked",
    )
    vault.grant_consent_callback(callback, user_binding=UserBinding.identity_provider("cognito"))
    return vault
