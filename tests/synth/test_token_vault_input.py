"""Every mistake around the token vault gets one clear sentence at construction."""

from collections.abc import Callable
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    ScopedComputeRole,
    TokenFlow,
    UserBinding,
    VaultProvider,
    grant_dispatch,
    on_behalf_of_config,
)
from session_scoping.contract.users import USER_ID_MAX, UserId, parse_user_id, user_id_for
from tests.support import stacks
from tests.support.vault_stack import BY_JWT, DIRECTORY, ISSUER, PLACE, VAULT, Vault

OBO = TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE
RUNTIME = f"{PLACE}runtime/agent-AbCdEfGhIj"
Attempt = Callable[[Vault], Any]


def _session(**options: Any) -> Attempt:
    return lambda vault: vault.grant(stacks.session_role(vault.stack), **options)


def _compute(**options: Any) -> Attempt:
    return lambda vault: vault.grant(
        ScopedComputeRole(vault.stack, "Agent", backend=ComputeBackend.ECS),
        **options,
    )


def _callback(of: Callable[[Vault], iam.IRole], **options: Any) -> Attempt:
    def attempt(vault: Vault) -> None:
        grant = vault.grant(stacks.session_role(vault.stack), **options)
        grant.grant_consent_callback(of(vault), user_binding=BY_JWT)

    return attempt


def _provider(arn: str) -> Attempt:
    return lambda _: VaultProvider.oauth2(arn)


def _session_role_of(vault: Vault) -> iam.IRole:
    found = vault.stack.node.find_child("Session").node.find_child("Role")
    return cast(iam.Role, found)


def _compute_role_of(vault: Vault) -> iam.IRole:
    return ScopedComputeRole(vault.stack, "Agent", backend=ComputeBackend.ECS)


def _twice(vault: Vault) -> None:
    role = stacks.session_role(vault.stack)
    vault.grant(role)
    vault.grant(role, id="Again")


def _by_name(vault: Vault) -> None:
    secret = secretsmanager.Secret.from_secret_name_v2(vault.stack, "ByName", "github")
    VaultProvider.oauth2(vault.github, secret=secret)


def _only_keys(vault: Vault) -> list[VaultProvider]:
    return [VaultProvider.api_key(vault.search)]


@pytest.mark.parametrize(
    ("attempt", "fault"),
    [
        (_session(providers=[]), "`providers` is not what a token vault grant takes: got no provider"),
        (lambda vault: _session(providers=[vault.github])(vault), "grant takes: got something else among them"),
        (lambda vault: _session(providers=vault.providers()[:1] * 2)(vault), "named twice"),
        (_session(workload_identity=f"{DIRECTORY}/workload-identity/*"), "workload identity: got an ARN with a wild"),
        (_session(workload_identity=DIRECTORY), "not the ARN of one workload identity: got another resource"),
        (_session(workload_identity="agent"), "not the ARN of one workload identity"),
        (lambda vault: _session(workload_identity=vault.github)(vault), "that is no workload identity"),
        (_provider(f"{VAULT}/oauth2credentialprovider/*"), "one credential provider: got an ARN with a wildcard"),
        (_provider(f"{VAULT}/apikeycredentialprovider/x"), "one credential provider: got another resource"),
        (_provider(f"{VAULT}/oauth2credentialprovider/x".replace("bedrock-agentcore", "acps")), "not the ARN of one"),
        (lambda vault: VaultProvider.api_key(vault.github), "that is no credential provider of this kind"),
        (lambda vault: VaultProvider.oauth2(vault.search), "that is no credential provider of this kind"),
        (_by_name, "the ARN of a provider's secret is not complete"),
        (
            lambda vault: _session(
                providers=[
                    VaultProvider.oauth2(f"{VAULT}/oauth2credentialprovider/a"),
                    VaultProvider.oauth2(f"{VAULT}/oauth2credentialprovider/a".replace("us-east-1", "eu-west-1")),
                ]
            )(vault),
            "not in one place",
        ),
        (_session(flows=[]), "`flows` names no OAuth2 flow"),
        (_session(flows="M2M"), "`flows` names no OAuth2 flow"),
        (_session(user_binding=UserBinding.identity_provider("cognito")), "not for a role that takes tokens"),
        (_session(flows=[TokenFlow.M2M]), "a user binding has no flow"),
        (_session(flows=[OBO]), "an asserted user cannot be exchanged"),
        (lambda vault: _session(providers=_only_keys(vault))(vault), "a flow for users has no provider"),
        (_session(user_binding=UserBinding.session_tag("tenant_id")), "got a session role without `tenant_id`"),
        (_compute(), "do not carry the tag they are bound to: got a compute role"),
        (_twice, "has a token vault grant already"),
        (_callback(_session_role_of), "is no consent callback"),
        (_callback(_compute_role_of), "is no consent callback"),
        (lambda _: UserBinding.jwt(issuer=ISSUER), "does not pin the token"),
        (lambda _: UserBinding.jwt(issuer="", client_ids=["a"]), "does not pin the token"),
        (lambda _: UserBinding.jwt(issuer=ISSUER, client_ids=["*"]), "does not pin the token"),
        (lambda _: UserBinding.jwt(issuer=ISSUER, audiences="agents"), "does not pin the token"),
        (lambda _: UserBinding.jwt(issuer="${aws:PrincipalTag/x}", client_ids=["a"]), "does not pin the token"),
        (lambda _: UserBinding.session_tag(""), "a tag key has a length"),
        (lambda _: UserBinding.identity_provider("Cognito*"), "unfit short name"),
        (lambda vault: grant_dispatch(stacks.role(vault.stack), f"{PLACE}runtime/*"), "got an ARN with a wildcard"),
        (lambda vault: grant_dispatch(stacks.role(vault.stack), RUNTIME, endpoints=[]), "got no sequence of endpoints"),
        (lambda vault: grant_dispatch(stacks.role(vault.stack), RUNTIME, endpoints="DEFAULT"), "got no sequence of"),
        (lambda vault: grant_dispatch(stacks.session_role(vault.stack).role, RUNTIME), "runs agent code"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_one_line(attempt: Attempt, fault: str) -> None:
    """The message says what was got, what is expected, why, and the fix, on one line."""
    with pytest.raises(InvalidInputError) as caught:
        attempt(Vault(stacks.stack()))
    text = str(caught.value)
    assert fault in text
    assert "\n" not in text
    assert all(word in text for word in ("got ", "expected ", "fix: "))


def test_another_account_s_or_regions_vault_is_refused() -> None:
    """In a concrete stack an ARN of somewhere else can never be what the role's tokens open."""
    stack = stacks.stack(env=stacks.environment())
    vault = Vault(stack)
    with pytest.raises(InvalidInputError, match="not in one place"):
        vault.grant(stacks.session_role(stack), workload_identity=f"{DIRECTORY}/workload-identity/agent")


def test_a_role_that_cannot_be_changed_is_refused() -> None:
    """An immutable import would take the grant and render nothing."""
    vault = Vault(stacks.stack())
    role = iam.Role.from_role_arn(vault.stack, "Imported", "arn:aws:iam::111122223333:role/agent", mutable=False)
    with pytest.raises(InvalidInputError, match="cannot be changed"):
        vault.grant(role)
    with pytest.raises(InvalidInputError, match="cannot be changed"):
        grant_dispatch(role, RUNTIME)


def test_a_dispatcher_without_for_user_may_name_no_user() -> None:
    """Naming a user is a statement of its own, and endpoints may be constructs, names or ARNs."""
    stack = stacks.stack()
    endpoint = agentcore.CfnRuntimeEndpoint(stack, "Live", agent_runtime_id="agent-AbCdEfGhIj", name="live")
    granted = grant_dispatch(
        stacks.role(stack), RUNTIME, endpoints=["DEFAULT", endpoint, f"{RUNTIME}/runtime-endpoint/b"]
    )
    assert granted.success
    resources = stacks.template(stack)["Resources"]
    (policy,) = (one["Properties"] for one in resources.values() if one["Type"] == "AWS::IAM::Policy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    statement["Resource"].sort(key=str)
    assert statement == {
        "Sid": "Dispatch",
        "Effect": "Allow",
        "Action": "bedrock-agentcore:InvokeAgentRuntime",
        "Resource": [
            RUNTIME,
            f"{RUNTIME}/runtime-endpoint/DEFAULT",
            f"{RUNTIME}/runtime-endpoint/b",
            {"Fn::GetAtt": ["Live", "AgentRuntimeEndpointArn"]},
        ],
    }


def test_each_word_of_access_is_a_statement_of_its_own() -> None:
    """Stopping, commands and shells are given by name, each alone; a user is named by an invocation only."""
    stack = stacks.stack()
    words = ["invoke", "websocket", "stop", "command", "shell"]
    grant_dispatch(stacks.role(stack), RUNTIME, access=words, for_user=True)
    grant_dispatch(stacks.role(stack, "Operator"), RUNTIME, access=["stop"])
    policies = stacks.resources(stacks.template(stack), "AWS::IAM::Policy")
    found = {
        name[:7]: {one["Sid"]: one["Action"] for one in policy["PolicyDocument"]["Statement"]}
        for name, policy in policies.items()
    }
    action = "bedrock-agentcore:InvokeAgentRuntime"
    assert found == {
        "Compute": {
            "Dispatch": action,
            "DispatchStream": f"{action}WithWebSocketStream",
            "StopSessions": "bedrock-agentcore:StopRuntimeSession",
            "RunCommands": f"{action}Command",
            "OpenShells": f"{action}CommandShell",
            "DispatchForUser": f"{action}ForUser",
            "DispatchStreamForUser": f"{action}WithWebSocketStreamForUser",
        },
        "Operato": {"StopSessions": "bedrock-agentcore:StopRuntimeSession"},
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"access": ["kill"]}, "got `kill`, expected some of invoke, websocket, stop, command, shell"),
        ({"access": []}, "got no word"),
        ({"access": ["stop", "*"]}, "got `*`"),
        ({"access": ["stop"], "for_user": True}, "nothing to say a user to"),
    ],
)
def test_a_word_nobody_knows_is_refused(options: dict[str, Any], says: str) -> None:
    """Nothing is granted by guessing."""
    with pytest.raises(InvalidInputError) as error:
        grant_dispatch(stacks.role(stacks.stack()), RUNTIME, **options)
    assert says in str(error.value)


def _custom(stack: cdk.Stack, **options: Any) -> VaultProvider:
    provider = agentcore.CfnOAuth2CredentialProvider
    custom = provider.CustomOauth2ProviderConfigInputProperty(
        oauth_discovery={"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration"}, **options
    )
    made = provider(
        stack, "Custom", name="custom", credential_provider_vendor="CustomOauth2",
        oauth2_provider_config_input=provider.Oauth2ProviderConfigInputProperty(custom_oauth2_provider_config=custom),
    )  # fmt: skip
    return VaultProvider.oauth2(made)


def test_a_custom_provider_is_configured_for_the_exchange() -> None:
    """Without the configuration AgentCore refuses each request of the flow; with it the template holds it."""
    vault = Vault(stacks.stack())
    with pytest.raises(InvalidInputError, match="no provider exchanges a user's token"):
        vault.grant(stacks.session_role(vault.stack), providers=[_custom(vault.stack)], flows=[OBO], user_binding=None)
    vault = Vault(stacks.stack())
    config = on_behalf_of_config(actor="M2M", actor_scopes=["api"])
    custom = _custom(vault.stack, on_behalf_of_token_exchange_config=config)
    vault.grant(stacks.session_role(vault.stack), providers=[custom], flows=[OBO], user_binding=None)
    providers = stacks.resources(stacks.template(vault.stack), "AWS::BedrockAgentCore::OAuth2CredentialProvider")
    (made,) = (one for one in providers.values() if one["Name"] == "custom")
    assert made["Oauth2ProviderConfigInput"]["CustomOauth2ProviderConfig"]["OnBehalfOfTokenExchangeConfig"] == {
        "GrantType": "TOKEN_EXCHANGE",
        "TokenExchangeGrantTypeConfig": {"ActorTokenContent": "M2M", "ActorTokenScopes": ["api"]},
    }
    config = on_behalf_of_config("JWT_AUTHORIZATION_GRANT")
    assert config.token_exchange_grant_type_config is None


@pytest.mark.parametrize(
    "options",
    [
        {"grant_type": "PASSWORD"},
        {"actor": "SOMEBODY"},
        {"grant_type": "JWT_AUTHORIZATION_GRANT", "actor": "M2M"},
        {"actor_scopes": ["api"]},
        {"actor": "AWS_IAM_ID_TOKEN_JWT", "actor_scopes": ["api"]},
    ],
)
def test_an_exchange_that_agentcore_refuses_is_refused_here(options: dict[str, Any]) -> None:
    """Words and combinations of the service's model, before the deployment fails."""
    with pytest.raises(InvalidInputError, match="no exchange on behalf of a user"):
        on_behalf_of_config(**options)


def test_a_dispatcher_may_be_given_the_runtime_s_construct() -> None:
    """A CfnRuntime is named by its attribute."""
    stack = stacks.stack()
    runtime = agentcore.CfnRuntime(
        stack, "Runtime", agent_runtime_name="agent", role_arn="arn:aws:iam::111122223333:role/agent",
        agent_runtime_artifact={}, network_configuration={"networkMode": "PUBLIC"},
    )  # fmt: skip
    grant_dispatch(stacks.role(stack), runtime, endpoints=[f"{RUNTIME}/runtime-endpoint/b"])
    (policy,) = stacks.resources(stacks.template(stack), "AWS::IAM::Policy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert {"Fn::GetAtt": ["Runtime", "AgentRuntimeArn"]} in statement["Resource"]


def test_each_consent_callback_has_guards_of_its_own() -> None:
    """The first one's logical id has no number, and a second one does not change it."""
    vault = Vault(stacks.stack())
    grant = vault.grant(stacks.session_role(vault.stack))
    for name in ("One", "Two"):
        grant.grant_consent_callback(stacks.role(vault.stack, name), user_binding=BY_JWT)
    policies = stacks.resources(stacks.template(vault.stack), "AWS::IAM::ManagedPolicy")
    made = sorted(key[:-8] for key in policies if "Consent" in key)
    assert made == ["VaultConsentGuards", "VaultConsentGuardsOfRole2"]


def test_a_user_id_names_its_identity_provider() -> None:
    """Built and parsed, the same value fits a session tag, an object key and the vault."""
    assert user_id_for("cognito", "7d1f-22") == "cognito+7d1f-22"
    assert parse_user_id("okta+a+b") == UserId("okta", "a+b")
    assert len(user_id_for("cognito", "x" * (USER_ID_MAX - 8))) == USER_ID_MAX


@pytest.mark.parametrize(
    ("provider", "subject"),
    [("Cognito", "a"), ("", "a"), ("a+b", "c"), ("cognito", ""), ("cognito", "a/b"), ("cognito", ".."),
     ("cognito", "a*"), ("cognito", "x" * USER_ID_MAX), ("cognito", "secret|7")],
)  # fmt: skip
def test_a_user_id_that_something_refuses_is_never_built(provider: str, subject: str) -> None:
    """Nothing is cut off or replaced, and the message does not repeat the subject."""
    with pytest.raises(InvalidInputError) as caught:
        user_id_for(provider, subject)
    assert "secret" not in str(caught.value)
    assert "7d1f" not in repr(UserId("cognito", "7d1f"))
