"""A bucket is denied under every name that S3 has for it, where a role has no objects of its own too."""

import pytest

from session_scoping import ComputeBackend, Minting, ScopedComputeRole, TenantTable
from session_scoping.aws.token_vault import OTHER_DOORS
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.world import ACCOUNT, World
from tests.synth.test_token_minting import issuer

POINT = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/side"
WAYS = (
    ("s3:GetObject", f"{POINT}/object/x"),
    ("s3:PutObject", f"{POINT}/object/.well-known/jwks.json"),
    ("s3:CreateAccessPoint", POINT),
    ("s3:PutAccessPointPolicy", POINT),
    ("s3:GetDataAccess", f"arn:aws:s3:us-east-1:{ACCOUNT}:access-grants/default"),
    ("s3-object-lambda:PutObject", f"arn:aws:s3-object-lambda:us-east-1:{ACCOUNT}:accesspoint/side"),
    ("route53domains:UpdateDomainNameservers", "*"),
)


@pytest.fixture(scope="module")
def world() -> World:
    """Sessions of rows alone, minted by web identity, with the key set hosted in the stack."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    minting = Minting.by_web_identity(issuer(stack), compute_roles=[agent])
    stacks.session_role(stack, minting=minting, tables=[TenantTable(stacks.table(stack))])
    return World(stacks.template(stack))


@pytest.mark.parametrize("role", ["SessionRole", "AgentRole"])
def test_the_key_set_has_no_other_name(world: World, role: str) -> None:
    """Whatever is allowed later, no access point, access grant or Object Lambda leads to the keys that are trusted."""
    cases = [Case(f"{action} on {arn}", role, action, arn, allowed=False) for action, arn in WAYS]
    assert failures(world, cases, ["everything"]) == []


def test_a_vault_s_deny_holds_what_the_action_data_says() -> None:
    """What runs commands in a workload, asserts a user to one, or changes a provider of any kind is named."""
    named = {name.removeprefix("bedrock-agentcore:") for name in OTHER_DOORS}
    assert {"InvokeHarness", "InvokeAgentRuntimeCommand", "InvokeAgentRuntimeCommandShell"} <= named
    assert {f"{verb}PaymentCredentialProvider" for verb in ("Create", "Update", "Delete")} <= named
    assert {"InvokeAgentRuntimeForUser", "SetTokenVaultCMK", "UpdateWorkloadIdentity"} <= named
    assert not {"InvokeAgentRuntime", "GetResourceOauth2Token", "GetWorkloadIdentity"} & named
