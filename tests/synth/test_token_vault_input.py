"""Every mistake around the token vault gets one clear sentence at construction."""

from collections.abc import Callable
from typing import Any, cast

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
