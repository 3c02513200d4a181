"""An independent simulator decides who makes a session where tokens decide, near misses included."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cases import PATHS, TAGS, compute_cases, failures, session_cases
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, World

COMPUTE_ROLES = ("AgentCoreExecutionRole", "EcsTaskRole")

# The simulator knows the keys of issuers AWS lists, so ours takes the name of one; the conditions stay as they are.
ISSUER, KNOWN = "tokens.example.com", "accounts.google.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{KNOWN}"
TOKEN = {f"{KNOWN}:aud": "agent-sessions", f"{KNOWN}:sub": "agent-task"}

SIGNING = {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms:MessageType": "DIGEST"}
# What a key's own policy says unless told otherwise: the account's IAM policies decide (KMS guide, default key policy).
BY_IAM = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
CARELESS = {"Effect": "Allow", "Action": ["*"], "Resource": "*"}


@pytest.fixture(scope="module")
def broker(credential_broker_template: dict[str, Any]) -> World:
    """The reference stack with a credential broker."""
    return World(credential_broker_template)


@pytest.fixture(scope="module")
def web(web_identity_template: dict[str, Any]) -> World:
    """The reference stack with web identity."""
    return World(web_identity_template)


def _ask(
    world: World, role: str, action: str, resource: str, context: dict[str, Any], *, careless: bool = False
) -> Question:
    """Return what a role asks for, by its own policies and, if careless, with everything allowed on top."""
    caller = world.role(role)
    tags = {f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()} if role == "SessionRole" else {}
    policies = [*caller.policies, *([{"Version": "2012-10-17", "Statement": [CARELESS]}] if careless else [])]
    by_iam = {"Version": "2012-10-17", "Statement": [BY_IAM]} if action.startswith("kms:") else None
    return Question(caller.session(), action, resource, ACCOUNT, {**tags, **context}, policies, by_iam)


def _renamed(trust: dict[str, Any]) -> dict[str, Any]:
    renamed: dict[str, Any] = json.loads(json.dumps(trust).replace(ISSUER, KNOWN))
    return renamed


def _tagged(tags: dict[str, str]) -> dict[str, Any]:
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**context, "aws:TagKeys": list(tags)} if tags else context


def _entries(**claims: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield ways to ask for a session: name, context, and whether it is the right one."""
    right: dict[str, Any] = {**_tagged(TAGS), "sts:SourceIdentity": "T1", **claims}
    yield "the token's own way", right, True
    yield "no source identity", {k: v for k, v in right.items() if k != "sts:SourceIdentity"}, False
    yield "an empty source identity", {**right, "sts:SourceIdentity": ""}, False
    yield "no tags", {"sts:SourceIdentity": "T1", **claims}, False
    yield "an extra tag", {**right, **_tagged({**TAGS, "admin": "yes"})}, False
    yield "a transitive tag", {**right, "sts:TransitiveTagKeys": ["task_id"]}, False
    yield "its tag keys hidden", {k: v for k, v in right.items() if k != "aws:TagKeys"}, False
    for key in TAGS:
        fewer = {name: value for name, value in TAGS.items() if name != key}
        yield f"no {key}", {"sts:SourceIdentity": "T1", **claims, **_tagged(fewer)}, False
        yield f"an empty {key}", {**right, **_tagged({**TAGS, key: ""})}, False
    for value in PATHS:
        yield f"a path {value!r}", {**right, **_tagged({**TAGS, "task_id": value})}, False


def test_the_broker_role_alone_mints_and_only_with_all_a_token_says(broker: World) -> None:
    """AssumeRole goes through for the function's role with all tags and a source identity, and for nobody else."""
    session, trust = broker.role("SessionRole").arn, broker.role("SessionRole").trust
    asked, expected = [], []
    for role in ("BrokerRole", "OrchestratorRole", *COMPUTE_ROLES):
        caller = broker.role(role)
        for name, context, right in _entries():
            policies = [*caller.policies, {"Version": "2012-10-17", "Statement": [CARELESS]}]
            asked.append(Question(caller.session(), "sts:AssumeRole", session, ACCOUNT, context, policies, trust))
            expected.append((role, name, right and role == "BrokerRole"))
    found = [(role, name, verdict.allowed) for (role, name, _), verdict in zip(expected, decide(asked), strict=True)]
    assert found == expected


@pytest.mark.parametrize(("action", "context"), [
    ("sts:TagSession", _tagged(TAGS)),
    ("sts:SetSourceIdentity", {"sts:SourceIdentity": "T1"}),
])  # fmt: skip
def test_the_other_two_actions_go_through_with_the_keys_they_have(
    broker: World, web: World, action: str, context: dict[str, Any]
) -> None:
    """TagSession has no source identity and SetSourceIdentity no tags: a condition on either would deny every mint."""
    caller, target = broker.role("BrokerRole"), broker.role("SessionRole")
    by_orchestrator = Question(caller.session(), action, target.arn, ACCOUNT, context, caller.policies, target.trust)
    target = web.role("SessionRole")
    by_token = Question(PROVIDER, action, target.arn, ACCOUNT, context, [], _renamed(target.trust))
    empty = Question(PROVIDER, action, target.arn, ACCOUNT, {}, [], _renamed(target.trust))
    assert [verdict.allowed for verdict in decide([by_orchestrator, by_token, empty])] == [True, True, False]


def test_sts_takes_tokens_of_one_issuer_audience_and_subject(web: World) -> None:
    """A token with another audience, subject or issuer, or without them, or with other tags, makes no session."""
    target = web.role("SessionRole")
    trust = _renamed(target.trust)
    other = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    cases = [(name, PROVIDER, context, right) for name, context, right in _entries(**TOKEN)]
    right = cases[0][2]
    cases += [
        ("another audience", PROVIDER, {**right, f"{KNOWN}:aud": "agent-sessions2"}, False),
        ("another subject", PROVIDER, {**right, f"{KNOWN}:sub": "agent-task2"}, False),
        ("no audience", PROVIDER, {k: v for k, v in right.items() if not k.endswith(":aud")}, False),
        ("no subject", PROVIDER, {k: v for k, v in right.items() if not k.endswith(":sub")}, False),
        ("another issuer", other, right, False),
    ]
    asked = [
        Question(principal, "sts:AssumeRoleWithWebIdentity", target.arn, ACCOUNT, context, [], trust)
        for _, principal, context, _ in cases
    ]
    found = [(case[0], verdict.allowed) for case, verdict in zip(cases, decide(asked), strict=True)]
    assert found == [(name, allowed) for name, _, _, allowed in cases]


def test_nobody_assumes_the_role_by_its_own_credentials_where_sts_takes_tokens(web: World) -> None:
    """Not a compute role, not the orchestrator, not with a colleague's `*`: there is no `sts:AssumeRole` at all."""
    target = web.role("SessionRole")
    context = next(_entries(**TOKEN))[1]
    asked = []
    for role in ("OrchestratorRole", *COMPUTE_ROLES):
        caller = web.role(role)
        policies = [*caller.policies, {"Version": "2012-10-17", "Statement": [CARELESS]}]
        asked.append(
            Question(caller.session(), "sts:AssumeRole", target.arn, ACCOUNT, context, policies, _renamed(target.trust))
        )
    assert [verdict.allowed for verdict in decide(asked)] == [False] * len(asked)


def test_the_orchestrator_signs_in_one_form_and_nothing_else(broker: World, web: World) -> None:
    """`kms:Sign` with RS256 over a digest; no other algorithm, no other use of the key, no verifying."""
    cases = [
        ("kms:Sign", SIGNING, True),
        ("kms:Sign", {**SIGNING, "kms:MessageType": "RAW"}, False),
        ("kms:Sign", {**SIGNING, "kms:SigningAlgorithm": "RSASSA_PSS_SHA_256"}, False),
        ("kms:Sign", {}, False),
        ("kms:Verify", SIGNING, False),
        ("kms:PutKeyPolicy", {}, False),
    ]
    for world in (broker, web):
        key = world.arn("TaskTokensSigningKey", "AWS::KMS::Key")
        verdicts = decide(_ask(world, "OrchestratorRole", action, key, context) for action, context, _ in cases)
        assert [verdict.allowed for verdict in verdicts] == [allowed for *_, allowed in cases]


def test_the_broker_may_do_its_own_work_and_no_more(broker: World) -> None:
    """It verifies, reads revocations, writes its log; it neither signs nor revokes nor reaches tenant data."""
    key = broker.arn("TaskTokensSigningKey", "AWS::KMS::Key")
    revoked = broker.arn("BrokerRevocations", "AWS::DynamoDB::Table")
    tasks = broker.arn("TaskTable", "AWS::DynamoDB::Table")
    log = broker.arn("BrokerLogs", "AWS::Logs::LogGroup").removesuffix("*") + "log-stream:s"
    rows = {"dynamodb:LeadingKeys": ["x"]}
    cases: list[tuple[str, str, dict[str, Any], bool]] = [
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
    verdicts = decide(_ask(broker, "BrokerRole", a, r, c) for a, r, c, _ in cases)
    assert [verdict.allowed for verdict in verdicts] == [allowed for *_, allowed in cases]


def _forging(world: World, mode: str) -> list[tuple[str, str, dict[str, Any]]]:
    key = world.arn("TaskTokensSigningKey", "AWS::KMS::Key")
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("kms:Sign", key, SIGNING), ("kms:CreateGrant", key, {}), ("kms:PutKeyPolicy", key, {}),
    ]  # fmt: skip
    if mode == "broker":
        function = world.arn("BrokerFunction", "AWS::Lambda::Function")
        table = world.arn("BrokerRevocations", "AWS::DynamoDB::Table")
        names = ("UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "DeleteFunction")
        found += [(f"lambda:{name}", function, {}) for name in names]
        found += [(f"dynamodb:{name}", table, {}) for name in ("DeleteItem", "PutItem", "UpdateItem", "DeleteTable")]
        role = world.role("BrokerRole").arn
    else:
        bucket = world.arn("TaskTokensHostingBucket", "AWS::S3::Bucket")
        found += [("s3:PutObject", f"{bucket}/.well-known/jwks.json", {}), ("s3:PutBucketPolicy", bucket, {})]
        found.append(("lambda:UpdateFunctionCode", world.arn("TaskTokensHostingWriter", "AWS::Lambda::Function"), {}))
        provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
        found.append(("iam:UpdateOpenIDConnectProviderThumbprint", provider, {}))
        role = world.role("TaskTokensHostingWriterRole").arn
    return [*found, ("iam:UpdateAssumeRolePolicy", role, {}), ("iam:PutRolePolicy", role, {})]


@pytest.mark.parametrize("mode", ["broker", "web"])
def test_no_agent_code_forges_what_decides_even_with_everything_allowed(broker: World, web: World, mode: str) -> None:
    """With a colleague's `*` on it, a compute role or session neither signs nor changes what judges a token."""
    world = broker if mode == "broker" else web
    forging = _forging(world, mode)
    for role in ("SessionRole", *COMPUTE_ROLES):
        verdicts = decide(_ask(world, role, *attempt, careless=True) for attempt in forging)
        assert [attempt[0] for attempt, verdict in zip(forging, verdicts, strict=True) if verdict.allowed] == []
    # Somebody else with the same grant may do all of it: the Denies decide, not the questions.
    allowed = decide(_ask(world, "OrchestratorRole", *attempt, careless=True) for attempt in forging)
    assert all(verdict.allowed for verdict in allowed)


def test_compute_roles_exchange_tokens_at_the_one_function(broker: World) -> None:
    """They may invoke the broker, and no function named alike; a session may not."""
    function = broker.arn("BrokerFunction", "AWS::Lambda::Function")
    for role in COMPUTE_ROLES:
        asked = [_ask(broker, role, "lambda:InvokeFunction", arn, {}) for arn in (function, f"{function}2")]
        assert [verdict.allowed for verdict in decide(asked)] == [True, False]
    (verdict,) = decide([_ask(broker, "SessionRole", "lambda:InvokeFunction", function, {}, careless=True)])
    assert not verdict.allowed


@pytest.mark.parametrize("mode", ["broker", "web"])
def test_sessions_and_compute_roles_reach_what_they_reach_in_every_mode(broker: World, web: World, mode: str) -> None:
    """The whole request matrix holds as deployed and under a broad Allow."""
    world = broker if mode == "broker" else web
    cases = [*session_cases(world)]
    for role in COMPUTE_ROLES:
        cases += compute_cases(world, role, mints=False)
    assert failures(world, cases, ["deployed", "broad allow"]) == []
