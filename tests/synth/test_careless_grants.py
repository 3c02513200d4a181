"""A colleague's `*` on every role that agent code acts as, decided by an independent simulator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cdk import aws_kms as kms

from session_scoping import CredentialBroker, Minting, SessionBrokerRole, TenantTable
from tests.support import stacks
from tests.support.matrix import SIGNING, TAGS, Case, failures
from tests.support.reference import synthesize_reference
from tests.support.world import ACCOUNT, REGION, World

SESSIONS = ("SessionRole", "AttachmentReaderToolRole")
AGENT_CODE = (*SESSIONS, "AgentCoreExecutionRole", "EcsTaskRole")
REWRITING = ("UpdateAssumeRolePolicy", "PutRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRolePolicy")

Attempt = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module", params=["credentialBroker", "webIdentity"])
def world(request: pytest.FixtureRequest) -> World:
    """The reference stack with a tool, in both modes where tokens decide."""
    return World(synthesize_reference(minting=request.param, tools="on"))


def _iam(world: World) -> Iterator[Attempt]:
    """Yield what makes a token unnecessary: trust rewritten, guards taken off, a signer's role passed to a function."""
    for role in world.arns("AWS::IAM::Role"):
        yield from ((f"iam:{action}", role, {}) for action in REWRITING)
    yield "iam:PassRole", world.role("OrchestratorRole").arn, {"iam:PassedToService": "lambda.amazonaws.com"}
    yield "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/Guards", {}
    yield "iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/admin", {}
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/tokens.example.com"
    yield "iam:UpdateOpenIDConnectProviderThumbprint", provider, {}


def _tokens(world: World) -> Iterator[Attempt]:
    """Yield what signs a token or changes what one is worth."""
    key = world.arn("TaskTokensSigningKey", "AWS::KMS::Key")
    yield "kms:Sign", key, SIGNING
    yield from ((f"kms:{action}", key, {}) for action in ("CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion"))
    code = ("UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "PublishVersion", "DeleteFunction")
    for function in world.arns("AWS::Lambda::Function"):
        yield from ((f"lambda:{action}", function, {}) for action in code)
    for bucket in (one for one in world.arns("AWS::S3::Bucket") if "hosting" in one):
        yield "s3:PutObject", f"{bucket}/.well-known/jwks.json", {}
        yield "s3:PutBucketPolicy", bucket, {}
    for table in (one for one in world.arns("AWS::DynamoDB::Table") if "Revocations" in one):
        changes = ("DeleteItem", "PutItem", "UpdateItem", "DeleteTable", "PutResourcePolicy")
        yield from ((f"dynamodb:{name}", table, {}) for name in changes)
        replica = table.replace(REGION, "eu-west-1")
        yield "dynamodb:DeleteItem", replica, {}
        yield "dynamodb:PutResourcePolicy", f"{table}/stream/1", {}
    for distribution in world.arns("AWS::CloudFront::Distribution"):
        yield "cloudfront:UpdateDistribution", distribution, {}
        another = f"{distribution.rpartition('/')[0]}/ATTACKERS"
        yield "cloudfront:AssociateAlias", another, {}
        yield "cloudfront:UpdateDomainAssociation", another, {}


@pytest.mark.parametrize("attempts", [_iam, _tokens])
@pytest.mark.parametrize("role", AGENT_CODE)
def test_agent_code_gets_no_way_around_tokens(
    world: World, role: str, attempts: Callable[[World], Iterator[Attempt]]
) -> None:
    """Under `*` no agent code, a tool's included, forges a token, and none rewrites who needs one."""
    tags = TAGS if role in SESSIONS else {}
    asked = [Case("under *", role, *attempt[:2], False, attempt[2], tags) for attempt in attempts(world)]
    # A role nobody guards may do all of it: the Denies decide, not the questions.
    asked += [Case("under *", "OrchestratorRole", *one[:2], True, one[2], {}) for one in attempts(world)]
    assert failures(world, asked, ["everything"]) == []


@pytest.mark.parametrize("imported", [True, False])
def test_no_replica_of_a_signing_key_signs(imported: bool) -> None:
    """A multi-Region key signs in every Region it is replicated to, and is denied in each."""
    stack = stacks.stack()
    made: dict[str, Any] = {
        "key_spec": kms.KeySpec.RSA_2048,
        "key_usage": kms.KeyUsage.SIGN_VERIFY,
        "multi_region": True,
    }
    known = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-1234"
    key = kms.Key.from_key_arn(stack, "Key", known) if imported else kms.Key(stack, "Key", **made)
    issuer = "https://tokens.example.com"
    broker = CredentialBroker(stack, "Broker", signing_key=key, issuer=issuer, audience="sessions")
    stacks.session_role(stack, minting=Minting.by_credential_broker(broker, compute_roles=[stacks.role(stack)]))
    stacks.role(stack, "Bystander")
    world = World(stacks.template(stack))
    arn = known if imported else world.arn("Key", "AWS::KMS::Key")
    cases = [
        Case("signing", role, "kms:Sign", place, role == "Bystander", SIGNING, TAGS if role == "SessionRole" else {})
        for place in (arn, arn.replace(REGION, "eu-west-1"))
        for role in ("Compute", "SessionRole", "Bystander")
    ]
    assert failures(world, cases, ["everything"]) == []


@pytest.mark.parametrize("denied", [False, True])
def test_a_tenants_role_is_denied_task_data_where_that_is_asked_for(denied: bool) -> None:
    """A SessionBrokerRole knows no session role's data; `deny_tenant_data_to` puts the Denies on it."""
    stack = stacks.stack()
    session = stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get")])
    tenant = SessionBrokerRole(stack, "Acme", tenant="acme", callers=[stacks.role(stack, "Dispatcher")])
    if denied:
        session.deny_tenant_data_to(tenant.role)
    world = World(stacks.template(stack))
    rows = {"dynamodb:LeadingKeys": ["T2"], "aws:SourceIdentity": "agent=acme=s1"}
    table = world.arn("Tasks", "AWS::DynamoDB::Table")
    case = Case("a task's row", "AcmeRole", "dynamodb:GetItem", table, not denied, rows, {})
    assert failures(world, [case], ["everything"]) == []


def test_the_reference_switch_ends_a_tenants_sessions_too() -> None:
    """`revokedBefore` says which sessions are over, and a tenant's are sessions."""
    world = World(synthesize_reference(sessionBroker="acme", revokedBefore="2026-11-21T10:00:00Z", revokedTasks="T1"))
    cases = [
        Case(
            f"issued at {time}", "SessionBrokerRole", "s3:ListAllMyBuckets", "*", allowed,
            {"aws:SourceIdentity": "agent=acme=s1", "aws:TokenIssueTime": time}, {},
        )
        for time, allowed in (("2026-11-21T09:59:59Z", False), ("2026-11-21T10:00:01Z", True))
    ]  # fmt: skip
    assert failures(world, cases, ["everything"]) == []
