"""A colleague's `*` on every role that agent code acts as, decided by an independent simulator."""

from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk import aws_kms as kms

from session_scoping import CredentialBroker, Minting, SessionBrokerRole, TenantTable
from tests.support import stacks
from tests.support.cases import TAGS
from tests.support.reference import synthesize_reference
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, REGION, World

AGENT_CODE = ("SessionRole", "AttachmentReaderToolRole", "AgentCoreExecutionRole", "EcsTaskRole")
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": "*"}]}
# What a key's own policy says unless told otherwise: the account's IAM policies decide.
_ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
BY_IAM = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": _ROOT, "Action": "kms:*", "Resource": "*"}],
}
REWRITING = ("UpdateAssumeRolePolicy", "PutRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRolePolicy")

Attempt = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module", params=["credentialBroker", "webIdentity"])
def world(request: pytest.FixtureRequest) -> World:
    """The reference stack with a tool, in both modes where tokens decide."""
    return World(synthesize_reference(minting=request.param, tools="on"))


def _iam(world: World) -> Iterator[Attempt]:
    """Yield what makes a token unnecessary: trust rewritten, guards taken off, a signer's role passed to a function."""
    for role in AGENT_CODE:
        yield from ((f"iam:{action}", world.role(role).arn, {}) for action in REWRITING)
    yield "iam:PassRole", world.role("OrchestratorRole").arn, {"iam:PassedToService": "lambda.amazonaws.com"}
    yield "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/Guards", {}
    yield "iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/admin", {}


def _tokens(world: World) -> Iterator[Attempt]:
    """Yield what signs a token or changes what one is worth."""
    key = world.arn("TaskTokensSigningKey", "AWS::KMS::Key")
    signing = {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms:MessageType": "DIGEST"}
    yield "kms:Sign", key, signing
    yield from ((f"kms:{action}", key, {}) for action in ("CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion"))
    code = ("UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "PublishVersion")
    for function in world.arns("AWS::Lambda::Function"):
        yield from ((f"lambda:{action}", function, {}) for action in code)
    for bucket in (one for one in world.arns("AWS::S3::Bucket") if "hosting" in one):
        yield "s3:PutObject", f"{bucket}/.well-known/jwks.json", {}
        yield "s3:PutBucketPolicy", bucket, {}
    for table in (one for one in world.arns("AWS::DynamoDB::Table") if "Revocations" in one):
        yield from ((f"dynamodb:{name}", table, {}) for name in ("DeleteItem", "DeleteTable", "PutResourcePolicy"))
        replica = table.replace(REGION, "eu-west-1")
        yield "dynamodb:DeleteItem", replica, {}
        yield "dynamodb:PutResourcePolicy", f"{table}/stream/1", {}
    for distribution in world.arns("AWS::CloudFront::Distribution"):
        yield "cloudfront:UpdateDistribution", distribution, {}
        another = f"{distribution.rpartition('/')[0]}/ATTACKERS"
        yield "cloudfront:AssociateAlias", another, {}
        yield "cloudfront:UpdateDomainAssociation", another, {}


def _ask(world: World, role: str, attempt: Attempt) -> Question:
    caller = world.role(role)
    tagged = role in ("SessionRole", "AttachmentReaderToolRole")
    context = {f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()} if tagged else {}
    action, resource, more = attempt
    by_iam = BY_IAM if action.startswith("kms:") else None
    policies = [*caller.policies, EVERYTHING]
    return Question(caller.session(), action, resource, ACCOUNT, {**context, **more}, policies, by_iam)


@pytest.mark.parametrize("attempts", [_iam, _tokens])
@pytest.mark.parametrize("role", AGENT_CODE)
def test_agent_code_gets_no_way_around_tokens(world: World, role: str, attempts: Any) -> None:
    """Under `*` no agent code, a tool's included, forges a token, and none rewrites who needs one."""
    asked = list(attempts(world))
    verdicts = decide(_ask(world, role, attempt) for attempt in asked)
    assert [attempt[:2] for attempt, verdict in zip(asked, verdicts, strict=True) if verdict.allowed] == []
    # A role nobody guards may do all of it: the Denies decide, not the questions.
    assert all(verdict.allowed for verdict in decide(_ask(world, "OrchestratorRole", attempt) for attempt in asked))


def _careless(world: World, role: str, *attempt: Any) -> bool:
    """Return whether the simulator allows it to a role with everything allowed on top."""
    (verdict,) = decide([_ask(world, role, attempt)])
    return verdict.allowed


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
    for place in (arn, arn.replace(REGION, "eu-west-1")):
        signing = ("kms:Sign", place, {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"})
        assert not _careless(world, "Compute", *signing)
        assert not _careless(world, "SessionRole", *signing)
        assert _careless(world, "Bystander", *signing)


def test_a_tenants_role_is_fenced_from_task_data_where_that_is_asked_for() -> None:
    """A SessionBrokerRole knows no session role's data; `deny_tenant_data_to` puts the Denies on it."""
    reached = []
    for fenced in (False, True):
        stack = stacks.stack()
        session = stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="get")])
        tenant = SessionBrokerRole(stack, "Acme", tenant="acme", callers=[stacks.role(stack, "Dispatcher")])
        if fenced:
            session.deny_tenant_data_to(tenant.role)
        world = World(stacks.template(stack))
        rows = {"dynamodb:LeadingKeys": ["T2"], "aws:SourceIdentity": "agent=acme=s1"}
        table = world.arn("Tasks", "AWS::DynamoDB::Table")
        reached.append(_careless(world, "AcmeRole", "dynamodb:GetItem", table, rows))
    assert reached == [True, False]


def test_the_reference_switch_ends_a_tenants_sessions_too() -> None:
    """`revokedBefore` says which sessions are over, and a tenant's are sessions."""
    world = World(synthesize_reference(sessionBroker="acme", revokedBefore="2026-11-21T10:00:00Z", revokedTasks="T1"))
    who = {"aws:SourceIdentity": "agent=acme=s1"}
    for time, allowed in (("2026-11-21T09:59:59Z", False), ("2026-11-21T10:00:01Z", True)):
        asked = ("s3:ListAllMyBuckets", "*", {**who, "aws:TokenIssueTime": time})
        assert _careless(world, "SessionBrokerRole", *asked) is allowed
