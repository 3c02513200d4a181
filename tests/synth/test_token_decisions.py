"""An independent simulator decides who makes a session where tokens decide, near misses included."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.support.matrix import SAMPLE_OR_WHOLE, SIGNING, TAGS, Case, failures
from tests.support.matrix.compute import compute_cases
from tests.support.matrix.minting import mint_requests, tagged
from tests.support.matrix.session import session_cases
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, World

COMPUTE_ROLES = ("AgentCoreExecutionRole", "EcsTaskRole")

# The simulator knows the keys of issuers AWS lists, so ours takes the name of one; the conditions stay as they are.
ISSUER, KNOWN = "tokens.example.com", "accounts.google.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{KNOWN}"
TOKEN = {f"{KNOWN}:aud": "agent-sessions", f"{KNOWN}:sub": "agent-task"}


@pytest.fixture(scope="module")
def broker(credential_broker_template: dict[str, Any]) -> World:
    """The reference stack with a credential broker."""
    return World(credential_broker_template)


@pytest.fixture(scope="module")
def web(web_identity_template: dict[str, Any]) -> World:
    """The reference stack with web identity, its issuer under a name the simulator knows."""
    return World(json.loads(json.dumps(web_identity_template).replace(ISSUER, KNOWN)))


def _requests() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield ways to ask for a session with a token: name, context, and whether it is a right one."""
    for one in mint_requests():
        yield one.name, {**one.context, "sts:SourceIdentity": "T1"}, one.allowed
    yield "no source identity", tagged(TAGS), False
    yield "an empty source identity", {**tagged(TAGS), "sts:SourceIdentity": ""}, False


RIGHT: dict[str, Any] = next(_requests())[1]


def test_the_broker_role_alone_mints_and_only_with_all_a_token_says(broker: World) -> None:
    """AssumeRole goes through for the function's role with all tags and a source identity, and for nobody else."""
    session = broker.role("SessionRole").arn
    cases = [
        Case(name, role, "sts:AssumeRole", session, right and role == "BrokerRole", context, {}, target="SessionRole")
        for role in ("BrokerRole", "OrchestratorRole", *COMPUTE_ROLES)
        for name, context, right in _requests()
    ]
    assert failures(broker, cases, ["everything"]) == []


def _by_token(web: World, asked: Iterable[tuple[str, str, dict[str, Any], bool]]) -> list[str]:
    """Return the name of each (name, action, context, right) that the trust policy decides wrongly for the issuer."""
    rows, role = list(asked), web.role("SessionRole")
    verdicts = decide(Question(PROVIDER, row[1], role.arn, ACCOUNT, row[2], [], role.trust) for row in rows)
    return [row[0] for row, verdict in zip(rows, verdicts, strict=True) if verdict.allowed != row[3]]


@pytest.mark.parametrize(("action", "context"), [
    ("sts:TagSession", tagged(TAGS)),
    ("sts:SetSourceIdentity", {"sts:SourceIdentity": "T1"}),
])  # fmt: skip
def test_the_other_two_actions_go_through_with_the_keys_they_have(
    broker: World, web: World, action: str, context: dict[str, Any]
) -> None:
    """TagSession has no source identity and SetSourceIdentity no tags: a condition on either would deny every mint."""
    session = broker.role("SessionRole").arn
    by_orchestrator = Case("its keys", "BrokerRole", action, session, True, context, {}, target="SessionRole")
    assert failures(broker, [by_orchestrator], ["deployed"]) == []
    assert _by_token(web, [("its keys", action, context, True), ("no keys", action, {}, False)]) == []


def test_sts_takes_tokens_of_one_issuer_audience_and_subject(web: World) -> None:
    """A token with another audience, subject or issuer, or without them, or with other tags, makes no session."""
    right = {**RIGHT, **TOKEN}
    contexts = [(name, {**context, **TOKEN}, allowed) for name, context, allowed in _requests()]
    contexts += [
        ("another audience", {**right, f"{KNOWN}:aud": "agent-sessions2"}, False),
        ("another subject", {**right, f"{KNOWN}:sub": "agent-task2"}, False),
        ("no audience", {k: v for k, v in right.items() if not k.endswith(":aud")}, False),
        ("no subject", {k: v for k, v in right.items() if not k.endswith(":sub")}, False),
    ]
    action = "sts:AssumeRoleWithWebIdentity"
    assert _by_token(web, ((name, action, context, allowed) for name, context, allowed in contexts)) == []
    role, other = web.role("SessionRole"), f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    (verdict,) = decide([Question(other, action, role.arn, ACCOUNT, right, [], role.trust)])
    assert not verdict.allowed


def test_nobody_assumes_the_role_by_its_own_credentials_where_sts_takes_tokens(web: World) -> None:
    """Not a compute role, not the orchestrator, not with a colleague's `*`: there is no `sts:AssumeRole` at all."""
    session, right = web.role("SessionRole").arn, {**RIGHT, **TOKEN}
    cases = [
        Case("with all a token says", role, "sts:AssumeRole", session, False, right, {}, target="SessionRole")
        for role in ("OrchestratorRole", *COMPUTE_ROLES)
    ]
    assert failures(web, cases, ["everything"]) == []


def test_the_orchestrator_signs_in_one_form_and_nothing_else(broker: World, web: World) -> None:
    """`kms:Sign` with RS256 over a digest; no other algorithm, no other use of the key, no verifying."""
    for world in (broker, web):
        key = world.arn("TaskTokensSigningKey", "AWS::KMS::Key")
        cases = [
            Case(str(context), "OrchestratorRole", action, key, allowed, context, {})
            for action, context, allowed in (
                ("kms:Sign", SIGNING, True),
                ("kms:Sign", {**SIGNING, "kms:MessageType": "RAW"}, False),
                ("kms:Sign", {**SIGNING, "kms:SigningAlgorithm": "RSASSA_PSS_SHA_256"}, False),
                ("kms:Sign", {}, False),
                ("kms:Verify", SIGNING, False),
                ("kms:PutKeyPolicy", {}, False),
            )
        ]
        assert failures(world, cases, ["deployed"]) == []


def test_the_broker_may_do_its_own_work_and_no_more(broker: World) -> None:
    """It verifies, reads revocations, writes its log; it neither signs nor revokes nor reaches tenant data."""
    key = broker.arn("TaskTokensSigningKey", "AWS::KMS::Key")
    revoked = broker.arn("BrokerRevocations", "AWS::DynamoDB::Table")
    tasks = broker.arn("TaskTable", "AWS::DynamoDB::Table")
    log = broker.arn("BrokerLogs", "AWS::Logs::LogGroup").removesuffix("*") + "log-stream:s"
    rows = {"dynamodb:LeadingKeys": ["x"]}
    wanted: list[tuple[str, str, dict[str, Any], bool]] = [
        ("kms:Verify", key, SIGNING, True),
        ("kms:Verify", key, {**SIGNING, "kms:SigningAlgorithm": "RSASSA_PSS_SHA_256"}, False),
        ("kms:Sign", key, SIGNING, False),
        ("dynamodb:GetItem", revoked, rows, False),
        ("dynamodb:BatchGetItem", revoked, rows, True),
        ("dynamodb:PutItem", revoked, rows, False),
        ("dynamodb:DeleteItem", revoked, rows, False),
        ("dynamodb:GetItem", tasks, rows, False),
        ("logs:PutLogEvents", log, {}, True),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}, False),
    ]
    cases = [Case(str(asked), "BrokerRole", action, arn, right, asked, {}) for action, arn, asked, right in wanted]
    assert failures(broker, cases, ["deployed"]) == []


def test_compute_roles_exchange_tokens_at_the_one_function(broker: World) -> None:
    """They may invoke the broker, and no function named alike; a session may not, whatever it is allowed."""
    function, invoke = broker.arn("BrokerFunction", "AWS::Lambda::Function"), "lambda:InvokeFunction"
    cases = [
        Case("the broker", role, invoke, arn, arn == function, {}, {})
        for role in COMPUTE_ROLES
        for arn in (function, f"{function}2")
    ]
    assert failures(broker, cases, ["deployed"]) == []
    assert failures(broker, [Case("the broker", "SessionRole", invoke, function, allowed=False)], ["everything"]) == []


@pytest.mark.parametrize("mode", ["broker", "web"])
@pytest.mark.parametrize("choose", SAMPLE_OR_WHOLE)
def test_sessions_and_compute_roles_reach_what_they_reach_in_every_mode(
    request: pytest.FixtureRequest, mode: str, choose: Callable[[Iterable[Case]], list[Case]]
) -> None:
    """The request matrix holds as deployed and under a broad Allow."""
    world: World = request.getfixturevalue(mode)
    cases = list(session_cases(world))
    for role in COMPUTE_ROLES:
        cases += compute_cases(world, role, mints=False)
    assert failures(world, choose(cases), ["deployed", "broad allow"]) == []
