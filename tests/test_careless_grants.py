"""A colleague's `*` on every role that agent code acts as, decided by an independent simulator."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cases import TAGS
from tests.conftest import synthesize_reference
from tests.simulator import Question, decide
from tests.world import ACCOUNT, REGION, World

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
