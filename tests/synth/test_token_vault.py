"""TokenVaultGrant: what it writes, statement by statement, in every place it can stand."""

import json
from collections.abc import Iterable
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from cdk_nag import AwsSolutionsChecks

from session_scoping import ComputeBackend, ScopedComputeRole, TokenFlow, TokenVaultGrant, VaultProvider
from session_scoping.aws.token_vault import OTHER_DOORS, VENDING
from session_scoping.contract.users import user_id_for
from tests.support import stacks
from tests.support.reference import synthesize_reference
from tests.support.vault_stack import (
    BOTH,
    BY_JWT,
    BY_TAG,
    DIRECTORY,
    ISSUER,
    PLACE,
    VAULT,
    Vault,
    names,
    secret_arn,
    session_stack,
)
from tests.support.world import World, statements

CORE = "bedrock-agentcore"
USER = user_id_for("cognito", "7d1f")
OTHER_USER = user_id_for("cognito", "9a2c")
TAGS = {"user_id": USER, "repo": "org/name", "task_id": "T1"}
TAGGED = {"aws:PrincipalTag/user_id": "?*", "aws:PrincipalTag/repo": "?*", "aws:PrincipalTag/task_id": "?*"}
CLAIM = "bedrock-agentcore:InboundJwtClaim/"


def filled(template: dict[str, Any], prefix: str) -> dict[str, dict[str, Any]]:
    """Return one policy's statements by Sid, with names filled in and lists sorted."""
    world = World(template)

    def plain(statement: dict[str, Any]) -> dict[str, Any]:
        lists = {key: [value] if isinstance(value, str) else value for key, value in world.fill(statement).items()}
        return {
            key: sorted(value)
            if key in {"Action", "Resource", "NotResource"}
            else value[0]
            if key == "Effect"
            else value
            for key, value in lists.items()
        }

    return stacks.by_sid([{**plain(one), "Sid": one["Sid"]} for one in stacks.policy(template, prefix)])


# --- whole statements ---------------------------------------------------------------------------------------------


def test_a_session_is_allowed_its_own_users_tokens_by_exact_arn() -> None:
    """The Allows name the directory, the identity, the vault and each provider, and demand the session's tags."""
    template = session_stack()
    identity, github, search = names(template)
    base = [DIRECTORY, identity]

    def allowed(action: str, resources: Iterable[str], **conditions: Any) -> dict[str, Any]:
        condition = {"StringLike": TAGGED, **conditions}
        return {"Effect": "Allow", "Action": [action], "Resource": sorted(resources), "Condition": condition}

    own = {"bedrock-agentcore:userid": "${aws:PrincipalTag/user_id}"}
    assert filled(template, "VaultPermissions") == {
        "TokenOfAgent": allowed(f"{CORE}:GetWorkloadAccessToken", base),
        "TokenOfUser": allowed(f"{CORE}:GetWorkloadAccessTokenForUserId", base, StringEquals=own),
        "Oauth2Tokens": allowed(f"{CORE}:GetResourceOauth2Token", [*base, VAULT, github]),
        "ApiKeys": allowed(f"{CORE}:GetResourceApiKey", [*base, VAULT, search]),
        "ReadSecrets": allowed(
            "secretsmanager:GetSecretValue", [secret_arn(template)], Bool={"aws:ViaAWSService": "true"}
        ),
    }


def test_the_guards_deny_every_other_identity_provider_user_and_door() -> None:
    """Each Deny stands by itself, so that one way of being somebody else is enough to be refused."""
    template = session_stack()
    identity, github, search = names(template)
    given = {"GetResourceApiKey", "GetResourceOauth2Token", "GetWorkloadAccessToken", "GetWorkloadAccessTokenForUserId"}
    everything = sorted([DIRECTORY, identity, VAULT, github, search])
    for_user = {"Effect": "Deny", "Action": [f"{CORE}:GetWorkloadAccessTokenForUserId"], "Resource": ["*"]}
    own = {"bedrock-agentcore:userid": "${aws:PrincipalTag/user_id}"}
    assert filled(template, "VaultGuards") == {
        "DenyOtherVaultActions": {
            "Effect": "Deny",
            "Action": sorted({*VENDING, *OTHER_DOORS} - {f"{CORE}:{name}" for name in given}),
            "Resource": ["*"],
        },
        "DenyOtherVaultResources": {
            "Effect": "Deny",
            "Action": [f"{CORE}:{name}" for name in sorted(given)],
            "NotResource": everything,
        },
        "DenyOtherUsers": {**for_user, "Condition": {"StringNotEquals": own}},
        "DenyNoUser": {**for_user, "Condition": {"StringNotLike": {"aws:PrincipalTag/user_id": "?*"}}},
        "DenySecretsByHand": {
            "Effect": "Deny",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [secret_arn(template)],
            "Condition": {"BoolIfExists": {"aws:ViaAWSService": "false"}},
        },
    }


def test_a_jwt_is_pinned_to_issuer_audience_and_client() -> None:
    """ForAllValues never stands without Null, and each claim has a Deny of its own."""
    template = session_stack(user_binding=BY_JWT, flows=[TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE])
    permissions, guards = filled(template, "VaultPermissions"), filled(template, "VaultGuards")
    assert "TokenOfAgent" not in permissions
    assert permissions["TokenOfUser"]["Action"] == [f"{CORE}:GetWorkloadAccessTokenForJWT"]
    assert permissions["TokenOfUser"]["Condition"] == {
        "StringLike": TAGGED,
        "StringEquals": {f"{CLAIM}iss": ISSUER, f"{CLAIM}client_id": ["client-1"]},
        "ForAllValues:StringEquals": {f"{CLAIM}aud": ["agents"]},
        "Null": {f"{CLAIM}aud": "false"},
    }
    denied = {sid: one["Condition"] for sid, one in guards.items() if sid.startswith(("DenyForeign", "DenyNo"))}
    assert denied == {
        "DenyForeignIssuer": {"StringNotEquals": {f"{CLAIM}iss": ISSUER}},
        "DenyForeignAudience": {"ForAnyValue:StringNotEquals": {f"{CLAIM}aud": ["agents"]}},
        "DenyNoAudience": {"Null": {f"{CLAIM}aud": "true"}},
        "DenyForeignClient": {"StringNotEquals": {f"{CLAIM}client_id": ["client-1"]}},
    }


@pytest.mark.parametrize(
    ("flows", "binding", "wanted"),
    [
        ([TokenFlow.M2M], None, {"GetWorkloadAccessToken"}),
        ([TokenFlow.USER_FEDERATION], BY_TAG, {"GetWorkloadAccessTokenForUserId"}),
        ([TokenFlow.USER_FEDERATION], BY_JWT, {"GetWorkloadAccessTokenForJWT"}),
        ([TokenFlow.USER_FEDERATION], None, set()),
        ([TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE], BY_JWT, {"GetWorkloadAccessTokenForJWT"}),
        ([TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE], None, set()),
        (BOTH, BY_TAG, {"GetWorkloadAccessToken", "GetWorkloadAccessTokenForUserId"}),
        (BOTH, None, {"GetWorkloadAccessToken"}),
    ],
)
def test_each_flow_gets_the_actions_it_needs(flows: Any, binding: Any, wanted: set[str]) -> None:
    """A flow without a binding relies on the token AgentCore Runtime hands over and may ask for none."""
    allows = filled(session_stack(flows=flows, user_binding=binding), "VaultPermissions")
    given = {action.partition(":")[2] for one in allows.values() for action in one["Action"]}
    assert given == {*wanted, "GetResourceOauth2Token", "GetResourceApiKey", "GetSecretValue"}


def test_no_allow_holds_a_wildcard() -> None:
    """Neither `workload-identity/*` nor `bedrock-agentcore-identity!*`, nor any other pattern."""
    allows = [
        one for key, _, one in statements(session_stack()) if key.startswith("Vault") and one["Effect"] == "Allow"
    ]
    assert len(allows) == 5
    assert not [one for one in allows if any(mark in json.dumps(one["Resource"]) for mark in "*?!")]


def test_cdk_nag_has_nothing_to_say() -> None:
    """AwsSolutions finds nothing on what the grant makes, so nothing is acknowledged."""
    vault = Vault(stacks.stack())
    grant = vault.grant(stacks.session_role(vault.stack))
    grant.grant_consent_callback(stacks.role(vault.stack, "Callback"), user_binding=BY_JWT)
    found = AwsSolutionsChecks().validate_scope(vault.stack).violations
    paths = [one.construct_path for violation in found for one in violation.violating_resources]
    assert not [path for path in paths if path and ("/Vault/" in path or "/Callback" in path)]


# --- places and grantees ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_every_partition_reads_alike(partition: str) -> None:
    """A concrete stack in a partition renders what an environment-agnostic one becomes there."""

    def built(env: cdk.Environment | None) -> Any:
        app = stacks.new_app()
        stack = cdk.Stack(app, "Small", env=env)
        vault = Vault(stack)
        vault.grant(stacks.session_role(stack))
        found = stacks.attached(stacks.synth(app), "SessionRole")
        ours = {*filled(session_stack(), "VaultPermissions"), *filled(session_stack(), "VaultGuards")}
        return [stacks.deployed(one, partition) for one in found if one["Sid"] in ours]

    here, anywhere = built(stacks.environment(partition)), built(None)
    assert here == anywhere
    assert len(here) == 10
    assert all(f"arn:{partition}:" in json.dumps(one) for one in here if "NotResource" in one)


def test_identity_and_providers_may_come_from_another_stack_or_an_import() -> None:
    """Cross-stack references and imports by ARN give the same statements, with no cycle between the stacks."""
    app = stacks.new_app()
    first, second = cdk.Stack(app, "First"), cdk.Stack(app, "Second")
    role = stacks.session_role(first)
    vault = Vault(second)
    TokenVaultGrant(
        second,
        "Vault",
        grantee=role,
        workload_identity=f"{PLACE}workload-identity-directory/default/workload-identity/agent-1",
        providers=[
            VaultProvider.oauth2(
                agentcore.OAuth2CredentialProvider.from_o_auth2_credential_provider_attributes(
                    second,
                    "Imported",
                    credential_provider_arn=f"{VAULT}/oauth2credentialprovider/github",
                    credential_provider_vendor="GithubOauth2",
                    client_secret_arn="arn:aws:secretsmanager:us-east-1:111122223333:secret:github-AbCdEf",
                )
            ),
            VaultProvider.oauth2(vault.github, secret=vault.secret),
        ],
    )
    found = {one["Sid"]: one for one in stacks.attached(stacks.synth(app), "SessionRole")}
    assert f"{VAULT}/oauth2credentialprovider/github" in found["Oauth2Tokens"]["Resource"]
    assert (
        f"{DIRECTORY}/workload-identity/agent-1" in found["TokenOfAgent"]["Resource"]
        if "TokenOfAgent" in found
        else True
    )
    assert "arn:aws:secretsmanager:us-east-1:111122223333:secret:github-AbCdEf" in found["ReadSecrets"]["Resource"]


def test_a_compute_role_takes_the_tokens_it_is_handed() -> None:
    """On AgentCore the runtime's own identity is passed by its attribute, and the grant lands on the compute role."""
    vault = Vault(stacks.stack())
    agent = ScopedComputeRole(vault.stack, "Agent", backend=ComputeBackend.AGENTCORE)
    runtime = agentcore.CfnRuntime(
        vault.stack, "Runtime", agent_runtime_name="agent", role_arn=agent.role_arn,
        agent_runtime_artifact={}, network_configuration={"networkMode": "PUBLIC"},
    )  # fmt: skip
    own = runtime.get_att("WorkloadIdentityDetails.WorkloadIdentityArn").to_string()
    vault.grant(agent, workload_identity=own, flows=[TokenFlow.USER_FEDERATION], user_binding=None)
    template = stacks.template(vault.stack)
    role = stacks.policy(template, "VaultPermissions")[0]
    assert {"Fn::GetAtt": ["Runtime", "WorkloadIdentityDetails.WorkloadIdentityArn"]} in role["Resource"]
    policies = [one["Properties"] for key, one in template["Resources"].items() if key.startswith("VaultPermissions")]
    assert policies[0]["Roles"] == [{"Ref": stacks.ref(template, "AgentRole")}]


def test_the_reference_stack_has_the_vault_behind_a_switch() -> None:
    """`tokenVault=on` adds the grant and the consent callback; without it nothing of either is there."""
    off, on = synthesize_reference(), synthesize_reference(tokenVault="on")
    assert "vault" not in json.dumps(off).lower()
    for logical_id, resource in off["Resources"].items():
        # The session role's Metadata says what the grant declares; nothing else of what was there changes.
        assert {**on["Resources"][logical_id], "Metadata": resource.get("Metadata")} == {"Metadata": None, **resource}
    new = {on["Resources"][key]["Type"] for key in on["Resources"].keys() - off["Resources"].keys()}
    assert new == {
        "AWS::BedrockAgentCore::OAuth2CredentialProvider",
        "AWS::BedrockAgentCore::WorkloadIdentity",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::SecretsManager::Secret",
    }


def test_the_container_learns_the_identity_s_name() -> None:
    """On ECS the agent names its workload identity: cut out of the ARN, at deployment where it must be."""
    vault = Vault(stacks.stack())
    made = vault.grant(stacks.session_role(vault.stack)).environment
    arn = {
        "Fn::GetAtt": [
            vault.stack.get_logical_id(cast(cdk.CfnElement, vault.identity.node.default_child)),
            "WorkloadIdentityArn",
        ]
    }
    assert vault.stack.resolve(made) == {"AGENT_WORKLOAD_IDENTITY": {"Fn::Select": [3, {"Fn::Split": ["/", arn]}]}}
    known = vault.grant(
        stacks.role(vault.stack, "Other"),
        id="Known",
        workload_identity=f"{DIRECTORY}/workload-identity/agent-1",
        flows=[TokenFlow.M2M],
        user_binding=None,
    )
    assert known.environment == {"AGENT_WORKLOAD_IDENTITY": "agent-1"}
