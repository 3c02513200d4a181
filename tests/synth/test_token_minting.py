"""Minting by token: whole statements, what is refused, and where the constructs may stand."""

import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from session_scoping import (
    ComputeBackend,
    CredentialBroker,
    InvalidInputError,
    Minting,
    Revocation,
    ScopedComputeRole,
    SessionRole,
    TaskTokenIssuer,
    TenantTable,
    ToolScopedRole,
    WorkloadBinding,
)
from session_scoping.constructs.cdk.policy_sizes import TRUST_POLICY_MAX, PolicySizer
from session_scoping.contract import environment
from session_scoping.lambdas import bundle
from session_scoping.verify import verify
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.world import World

ISSUER, HOST, AUDIENCE = "https://tokens.example.com", "tokens.example.com", "sessions"
TAGS: dict[str, Any] = {
    "StringLike": {"aws:RequestTag/user_id": "?*", "aws:RequestTag/repo": "?*", "aws:RequestTag/task_id": "?*"},
    "StringNotLike": {
        "aws:RequestTag/user_id": ["*/*", "*..*", "."],
        "aws:RequestTag/task_id": ["*/*", "*..*", "."],
    },
    "ForAllValues:StringEquals": {"aws:TagKeys": ["user_id", "repo", "task_id"]},
    "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
}
NAMED = {"sts:SourceIdentity": "?*"}
SIGNING = {"StringEquals": {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms:MessageType": "DIGEST"}}


def signing_key(scope: cdk.Stack, id: str = "Key", **options: Any) -> kms.Key:
    """Return a key that signs."""
    options = {"key_spec": kms.KeySpec.RSA_2048, "key_usage": kms.KeyUsage.SIGN_VERIFY, **options}
    return kms.Key(scope, id, **options)


def broker(scope: cdk.Stack, id: str = "Broker", **options: Any) -> CredentialBroker:
    """Return a broker with a key of its own unless the options say otherwise."""
    key = options.pop("signing_key", None) or signing_key(scope, f"{id}Key")
    return CredentialBroker(scope, id, signing_key=key, **{"issuer": ISSUER, "audience": AUDIENCE, **options})


def provider(scope: cdk.Stack) -> iam.OidcProviderNative:
    """Return a provider made in the app."""
    return iam.OidcProviderNative(scope, "Provider", url=ISSUER, client_ids=[AUDIENCE])


def issuer(scope: cdk.Stack, **options: Any) -> TaskTokenIssuer:
    """Return an issuer with hosting."""
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/1"
    certificate = acm.Certificate.from_certificate_arn(scope, "Certificate", arn)
    return TaskTokenIssuer(
        scope, "Tokens", **{"domain_name": HOST, "audience": AUDIENCE, "certificate": certificate, **options}
    )


@pytest.fixture(scope="module")
def brokered() -> dict[str, Any]:
    """A small stack with a credential broker."""
    stack = stacks.stack()
    made = broker(stack, signing_key=signing_key(stack))
    stacks.session_role(stack, minting=Minting.by_credential_broker(made, compute_roles=[stacks.role(stack)]))
    made.grant_issue(stacks.role(stack, "Orchestrator"))
    made.grant_revoke(stacks.role(stack, "Operator"))
    return stacks.template(stack)


@pytest.fixture(scope="module")
def federated() -> dict[str, Any]:
    """A small stack where STS takes the tokens."""
    stack = stacks.stack()
    minting = Minting.by_web_identity(
        provider(stack), issuer=ISSUER, audience=AUDIENCE, compute_roles=[stacks.role(stack)],
        max_session=cdk.Duration.hours(12),
    )  # fmt: skip
    stacks.session_role(stack, minting=minting)
    return stacks.template(stack)


def _both(one: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    merged = {operator: dict(keys) for operator, keys in one.items()}
    for other in others:
        for operator, keys in other.items():
            merged.setdefault(operator, {}).update(keys)
    return merged


def test_the_broker_role_is_trusted_with_one_statement_for_each_action(brokered: dict[str, Any]) -> None:
    """AssumeRole asks for tags and source identity, TagSession for tags, SetSourceIdentity for the identity."""
    principal = {"AWS": {"Fn::GetAtt": [stacks.ref(brokered, "BrokerRole"), "Arn"]}}
    assert stacks.trust(brokered, "SessionRole") == [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole",
         "Condition": _both(TAGS, {"StringLike": NAMED})},
        {"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession", "Condition": TAGS},
        {"Effect": "Allow", "Principal": principal, "Action": "sts:SetSourceIdentity",
         "Condition": {"StringLike": NAMED}},
    ]  # fmt: skip


def test_the_issuer_is_trusted_with_its_audience_and_subject(federated: dict[str, Any]) -> None:
    """The web-identity statement pins the token; the other two hold no key their action does not have."""
    principal = {"Federated": {"Ref": stacks.ref(federated, "Provider")}}
    pinned = {"StringEquals": {f"{HOST}:aud": AUDIENCE, f"{HOST}:sub": "agent-task"}}
    assert stacks.trust(federated, "SessionRole") == [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity",
         "Condition": _both(TAGS, {"StringLike": NAMED}, pinned)},
        {"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession", "Condition": TAGS},
        {"Effect": "Allow", "Principal": principal, "Action": "sts:SetSourceIdentity",
         "Condition": {"StringLike": NAMED}},
    ]  # fmt: skip


def test_sessions_last_twelve_hours_by_web_identity_only(brokered: dict[str, Any], federated: dict[str, Any]) -> None:
    """Role chaining is capped at one hour, so nothing longer is set where a role assumes the role."""
    lasting = [
        template["Resources"][stacks.ref(template, "SessionRole")]["Properties"]["MaxSessionDuration"]
        for template in (brokered, federated)
    ]
    assert lasting == [3600, 43_200]


def test_the_broker_may_verify_read_revocations_and_log(brokered: dict[str, Any]) -> None:
    """Its own policy has these three statements; minting comes from the session role's."""
    key, revoked, log = (
        {"Fn::GetAtt": [stacks.ref(brokered, id), "Arn"]} for id in ("Key", "BrokerRevocations", "BrokerLogs")
    )
    assert stacks.by_sid(stacks.policy(brokered, "BrokerPermissions")) == {
        "WriteLogs": {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": log},
        "VerifyTokens": {"Effect": "Allow", "Action": "kms:Verify", "Resource": key, "Condition": SIGNING},
        "ReadRevocations": {
            "Effect": "Allow", "Action": "dynamodb:BatchGetItem", "Resource": revoked,
        },
    }  # fmt: skip
    session = {"Fn::GetAtt": [stacks.ref(brokered, "SessionRole"), "Arn"]}
    mint = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert stacks.policy(brokered, "SessionMint") == [
        {"Sid": "MintSessions", "Effect": "Allow", "Action": mint, "Resource": session}
    ]


def test_compute_roles_may_invoke_the_function_and_are_denied_what_forges(brokered: dict[str, Any]) -> None:
    """One Allow; Denies on the session role, the key, the rest of the function, the revocations and the role."""
    names = ("SessionRole", "Key", "BrokerFunction", "BrokerRole")
    revoked = {"Ref": stacks.ref(brokered, "BrokerRevocations")}
    session, key, function, role = ({"Fn::GetAtt": [stacks.ref(brokered, name), "Arn"]} for name in names)
    become = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    table = ["arn:", {"Ref": "AWS::Partition"}, ":dynamodb:*:", {"Ref": "AWS::AccountId"}, ":table/", revoked]
    anywhere = [{"Fn::Join": ["", [*table, *below]]} for below in (["/*"], [])]
    assert stacks.policy(brokered, "SessionExchange") == [
        {"Sid": "ExchangeTokens", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    ]
    guards = stacks.by_sid(stacks.policy(brokered, "SessionComputeGuards"))
    assert {sid: guards[sid] for sid in guards if "Tenant" not in sid} == {
        "DenyMinting": {"Effect": "Deny", "Action": become, "Resource": session},
        "DenySigning": {"Effect": "Deny", "Action": "kms:*", "Resource": key},
        "DenyBroker": {
            "Effect": "Deny", "NotAction": "lambda:InvokeFunction",
            "Resource": [function, {"Fn::Join": ["", [function, ":*"]]}],
        },
        "DenyRevocations": {"Effect": "Deny", "Action": "dynamodb:*", "Resource": anywhere},
        "DenyBrokerRole": {"Effect": "Deny", "Action": become, "Resource": role},
        "DenyIam": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
    }  # fmt: skip


def test_the_orchestrator_signs_and_the_operator_revokes(brokered: dict[str, Any]) -> None:
    """`grant_issue` is kms:Sign in one form; `grant_revoke` is three actions on the one table."""
    key, revoked = ({"Fn::GetAtt": [stacks.ref(brokered, id), "Arn"]} for id in ("Key", "BrokerRevocations"))
    templates = {"Small": brokered}
    assert stacks.attached(templates, "Orchestrator") == [
        {"Effect": "Allow", "Action": "kms:Sign", "Resource": key, "Condition": SIGNING}
    ]
    actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    assert [{**s, "Action": sorted(s["Action"])} for s in stacks.attached(templates, "Operator")] == [
        {"Effect": "Allow", "Action": actions, "Resource": revoked}
    ]


def test_the_function_is_the_staged_bundle_with_every_setting(brokered: dict[str, Any]) -> None:
    """Handler, runtime, timeout and environment are what the handler reads; ten calls at once are reserved."""
    function = brokered["Resources"][stacks.ref(brokered, "BrokerFunction")]["Properties"]
    assert function["Handler"] == bundle.CREDENTIAL_BROKER.handler
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert (function["Timeout"], function["ReservedConcurrentExecutions"]) == (15, 10)
    assert function["Role"] == {"Fn::GetAtt": [stacks.ref(brokered, "BrokerRole"), "Arn"]}
    assert function["Environment"]["Variables"] == {
        environment.BROKER_SIGNING_KEY_ARN: {"Fn::GetAtt": [stacks.ref(brokered, "Key"), "Arn"]},
        environment.BROKER_ISSUER: ISSUER,
        environment.BROKER_AUDIENCE: AUDIENCE,
        environment.BROKER_SUBJECT: "agent-task",
        environment.BROKER_SESSION_ROLE_ARN: {"Fn::GetAtt": [stacks.ref(brokered, "SessionRole"), "Arn"]},
        environment.BROKER_TAG_KEYS: "user_id,repo,task_id",
        environment.BROKER_REVOCATION_TABLE: {"Ref": stacks.ref(brokered, "BrokerRevocations")},
    }


def test_revocations_expire_and_are_recoverable(brokered: dict[str, Any]) -> None:
    """The table is keyed on `id`, expires at `expires_at`, is encrypted and kept when the stack goes."""
    resource = brokered["Resources"][stacks.ref(brokered, "BrokerRevocations")]
    assert resource["DeletionPolicy"] == "Retain"
    properties = resource["Properties"]
    assert properties["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_the_container_learns_what_its_mode_needs() -> None:
    """A broker's function by ARN and no role; by web identity the role; tag keys in both; the token's file in none."""
    stack = stacks.stack()
    made = broker(stack)
    session = stacks.session_role(stack, minting=Minting.by_credential_broker(made))
    assert set(session.environment) == {environment.SESSION_TAG_KEYS, environment.CREDENTIAL_BROKER}
    assert session.environment[environment.CREDENTIAL_BROKER] == made.function.function_arn
    other = SessionRole(stack, "Other", minting=Minting.by_web_identity(provider(stack), issuer=ISSUER, audience="web"))
    assert set(other.environment) == {environment.SESSION_TAG_KEYS, environment.SESSION_ROLE_ARN}


def test_transitive_tags_reach_the_function_and_the_trust() -> None:
    """A token may make transitive what the session role says, and the function is set up for the same."""
    stack = stacks.stack()
    stacks.session_role(stack, minting=Minting.by_credential_broker(broker(stack)), transitive_tag_keys=["task_id"])
    template = stacks.template(stack)
    variables = template["Resources"][stacks.ref(template, "BrokerFunction")]["Properties"]["Environment"]["Variables"]
    assert variables[environment.BROKER_TRANSITIVE_TAG_KEYS] == "task_id"
    assume, tag, _ = stacks.trust(template, "SessionRole")
    for statement in (assume, tag):
        assert statement["Condition"]["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"] == ["task_id"]


@pytest.mark.parametrize("mode", ["brokered", "federated"])
def test_the_trust_policy_with_default_tags_leaves_room(request: pytest.FixtureRequest, mode: str) -> None:
    """As rendered, unknown names at the length CloudFormation gives them, it stays under IAM's 2,048 characters."""
    document = {"Version": "2012-10-17", "Statement": stacks.trust(request.getfixturevalue(mode), "SessionRole")}
    assert PolicySizer("x" * 64).document(document) < TRUST_POLICY_MAX - 300


def test_alarms_are_made_when_asked_for() -> None:
    """None by default; three on request, and refusals are counted from the log, where the function answers them."""
    stack = stacks.stack()
    made = broker(stack)
    stacks.session_role(stack, minting=Minting.by_credential_broker(made))
    alarms = made.add_alarms()
    assert [alarm.node.id for alarm in alarms] == ["ErrorsAlarm", "ThrottlesAlarm", "RefusalsAlarm"]
    resources = stacks.template(stack)["Resources"].values()
    metrics = {r["Properties"]["MetricName"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"}
    (counted,) = (r["Properties"] for r in resources if r["Type"] == "AWS::Logs::MetricFilter")
    assert metrics == {"Errors", "Throttles", counted["MetricTransformations"][0]["MetricName"]}
    assert counted["MetricTransformations"][0]["MetricNamespace"] == "SessionScoping"  # dashboards name it
    assert counted["FilterPattern"] == '{ $.event = "task_token" && $.code != "Issued" }'


def test_a_grant_is_returned_as_the_cdk_s_are() -> None:
    """So that what needs it can wait for it."""
    stack = stacks.stack()
    made, tokens = broker(stack), issuer(stack)
    for grant in (made.grant_invoke, made.grant_issue, made.grant_revoke, tokens.grant_issue):
        assert grant(stacks.role(stack, f"{grant.__qualname__.replace('.', '')}")).success


# --- what is refused ----------------------------------------------------------------------------------------------

Attempt = Callable[[cdk.Stack], object]

REFUSED: list[tuple[str, Attempt]] = [
    ("a SYMMETRIC_DEFAULT key", lambda s: broker(s, signing_key=kms.Key(s, "K"))),
    ("RSA_2048 key for ENCRYPT_DECRYPT",
     lambda s: broker(s, signing_key=signing_key(s, "K", key_usage=kms.KeyUsage.ENCRYPT_DECRYPT))),
    ("ECC_NIST_P256", lambda s: broker(s, signing_key=signing_key(s, "K", key_spec=kms.KeySpec.ECC_NIST_P256))),
    ("an alias", lambda s: broker(s, signing_key=kms.Alias.from_alias_name(s, "A", "alias/x"))),
    ("no key", lambda s: broker(s, signing_key="arn:aws:kms:us-east-1:111122223333:key/1")),
    ("issuer of the task token", lambda s: broker(s, issuer="http://tokens.example.com")),
    ("audience of the task token", lambda s: broker(s, audience="")),
    ("subject of the task token", lambda s: broker(s, subject="a b")),
    ("reserved_concurrency", lambda s: broker(s, reserved_concurrency=0)),
    ("cannot hold revocations", lambda s: broker(s, revocation_table=stacks.table(s, "T", partition_key="token"))),
    ("expected a CredentialBroker", lambda s: Minting.by_credential_broker(stacks.role(s))),  # type: ignore[arg-type]
    ("max_session", lambda s: Minting.by_web_identity(
        provider(s), issuer=ISSUER, audience=AUDIENCE, max_session=cdk.Duration.hours(13))),
    ("not spelled out: got a value known only", lambda s: Minting.by_web_identity(provider(s), audience=AUDIENCE)),
    ("`issuer` of web identity", lambda s: Minting.by_web_identity(
        provider(s), issuer=cdk.Aws.ACCOUNT_ID, audience="a")),
    ("`audience` of web identity", lambda s: Minting.by_web_identity(provider(s), issuer=ISSUER)),
    ("a pattern", lambda s: Minting.by_web_identity(provider(s), issuer=ISSUER, audience="*")),
    ("`subject` of web identity", lambda s: Minting.by_web_identity(
        provider(s), issuer=ISSUER, audience="a", subject="task-*")),
    ("subject of the task token", lambda s: Minting.by_web_identity(
        provider(s), issuer=ISSUER, audience="a", subject="a b")),
    ("audience of the task token", lambda s: Minting.by_web_identity(provider(s), issuer=ISSUER, audience="a b")),
    ("another issuer", lambda s: Minting.by_web_identity(
        iam.OpenIdConnectProvider.from_open_id_connect_provider_arn(
            s, "P", "arn:aws:iam::111122223333:oidc-provider/evil.example.com"), issuer=ISSUER, audience="a")),
    ("an ARN with a wildcard", lambda s: Minting.by_web_identity(
        iam.OpenIdConnectProvider.from_open_id_connect_provider_arn(
            s, "P", "arn:aws:iam::111122223333:oidc-provider/*"), issuer=ISSUER, audience="a")),
    ("an IAM OIDC provider", lambda s: Minting.by_web_identity(stacks.role(s), issuer=ISSUER, audience="a")),
    ("got 26 characters", lambda s: TaskTokenIssuer(s, "I", domain_name="https://tokens.example.com", audience="a")),
    ("got a value known only", lambda s: TaskTokenIssuer(s, "I", domain_name=cdk.Aws.URL_SUFFIX, audience="a")),
    ("no VPC: got subnets", lambda s: broker(s, vpc_subnets=ec2.SubnetSelection())),
    ("VPC is none: got a str", lambda s: broker(s, vpc="vpc-1")),
    ("no OIDC provider", lambda s: Minting.by_web_identity(
        TaskTokenIssuer(s, "I", domain_name=HOST, audience="a"))),
    ("without a certificate", lambda s: TaskTokenIssuer(
        s, "I", domain_name=HOST, audience="a", access_logs=stacks.bucket(s))),
]  # fmt: skip


@pytest.mark.parametrize(("says", "attempt"), REFUSED, ids=[f"{n}-{says}" for n, (says, _) in enumerate(REFUSED)])
def test_what_would_fail_or_open_later_is_refused_at_once(says: str, attempt: Attempt) -> None:
    """One line, with what was got, what is expected and the fix, before anything reaches the CDK."""
    with pytest.raises(InvalidInputError) as error:
        attempt(stacks.stack())
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert "; fix: " in str(error.value)


def test_a_broker_serves_one_session_role() -> None:
    """A second one is refused: a token would choose between roles nobody named in it."""
    stack = stacks.stack()
    minting = Minting.by_credential_broker(broker(stack))
    stacks.session_role(stack, minting=minting)
    with pytest.raises(InvalidInputError, match="would serve two session roles"):
        SessionRole(stack, "Second", minting=minting)


REPLICAS = [f"arn:aws:kms:{region}:111122223333:key/mrk-{'0' * 32}" for region in ("us-east-1", "eu-west-1")]


def by_web(scope: cdk.Stack, host: str = HOST, **options: Any) -> Minting:
    """Return minting by tokens of the one issuer, or of another host's."""
    arn = f"arn:aws:iam::111122223333:oidc-provider/{host}"
    imported = iam.OidcProviderNative.from_oidc_provider_arn(scope, f"P{len(scope.node.children)}", arn)
    return Minting.by_web_identity(imported, **{"audience": AUDIENCE, **options})


def _in_a_stage(stack: cdk.Stack) -> cdk.Stack:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    return cdk.Stack(cdk.Stage(app, "Stage"), "S")


SHARED: list[tuple[str, Attempt, Attempt]] = [
    ("issuer, audience and subject", lambda s: stacks.session_role(s, minting=by_web(s)),
     lambda s: SessionRole(s, "Second", minting=by_web(s))),
    ("issuer, audience and subject", lambda s: stacks.session_role(s, minting=by_web(s)),
     lambda s: SessionRole(_in_a_stage(s), "Second", minting=by_web(s))),
    ("issuer, audience and subject", lambda s: stacks.session_role(s, minting=by_web(s)),
     lambda s: SessionRole(s, "Second", minting=by_web(s, HOST.upper()))),
    ("issuer, audience and subject", lambda s: stacks.session_role(s, minting=by_web(s)),
     lambda s: SessionRole(s, "Second", minting=by_web(s, f"{HOST}/"))),
    ("signing key and audience", lambda s: broker(s, "A", signing_key=signing_key(s)),
     lambda s: broker(s, "B", signing_key=s.node.find_child("Key"))),
    ("signing key and audience", lambda s: broker(s, "A", signing_key=signing_key(s)),
     lambda s: broker(s, "B", signing_key=s.node.find_child("Key"), subject="other")),
    ("signing key and audience", lambda s: broker(s, "A", signing_key=kms.Key.from_key_arn(s, "K1", REPLICAS[0])),
     lambda s: broker(s, "B", signing_key=kms.Key.from_key_arn(s, "K2", REPLICAS[1]))),
    ("issuer, audience and subject", broker, lambda s: SessionRole(s, "Second", minting=by_web(s))),
    ("issuer, audience and subject", lambda s: stacks.session_role(s, minting=by_web(s)), broker),
]  # fmt: skip


@pytest.mark.parametrize(("says", "first", "second"), SHARED, ids=range(len(SHARED)))
def test_one_token_opens_one_role(says: str, first: Attempt, second: Attempt) -> None:
    """Two roles, two brokers, or one of each that would take the same token are refused, and told apart how."""
    stack = stacks.stack()
    first(stack)
    with pytest.raises(InvalidInputError, match=f"got the same {says}, expected an audience of its own") as error:
        second(stack)
    assert "\n" not in str(error.value)


def test_tokens_that_differ_open_roles_of_their_own() -> None:
    """Another audience is enough everywhere; between two roles that STS opens, so is another subject."""
    stack = stacks.stack()
    key = signing_key(stack)
    stacks.session_role(stack, minting=by_web(stack))
    SessionRole(stack, "Subject", minting=by_web(stack, subject="other"))
    SessionRole(stack, "Audience", minting=by_web(stack, audience="other"))
    SessionRole(stack, "Path", minting=by_web(stack, f"{HOST}/a"))
    SessionRole(stack, "OtherPath", minting=by_web(stack, f"{HOST}/A"))
    broker(stack, "One", signing_key=key, audience="one")
    broker(stack, "Two", signing_key=key, audience="two")
    broker(stack, "OwnKey", issuer="https://else.example.com", audience="one")
    made = stacks.template(stack)["Resources"]
    trusts = [
        json.dumps(one["Properties"]["AssumeRolePolicyDocument"]) for one in made.values() if "Role" in one["Type"]
    ]
    web = [one for one in trusts if "AssumeRoleWithWebIdentity" in one]
    assert len(set(web)) == 5


@pytest.mark.parametrize("revocations", [False, True])
def test_a_compute_role_beside_a_broker_takes_grants_as_ever(revocations: bool) -> None:
    """A table without tasks' data lands; the broker's table of revocations is an error."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    exchange = broker(stack)
    stacks.session_role(stack, minting=Minting.by_credential_broker(exchange, compute_roles=[agent]))
    table = exchange.revocation_table if revocations else stacks.table(stack, "Settings", "name")
    table.grant_read_data(agent)
    if revocations:
        with pytest.raises(RuntimeError, match="is granted tenant data"):
            stacks.template(stack)
    else:
        assert "dynamodb:GetItem" in json.dumps(stacks.attached({"Small": stacks.template(stack)}, "Agent"))


def test_a_tool_takes_no_tokens_of_its_own() -> None:
    """Sessions become it, whatever minted them: it does not share its session role's tokens."""
    stack = stacks.stack()
    tags = ["user_id", "repo", "task_id"]
    session = stacks.session_role(stack, minting=by_web(stack), transitive_tag_keys=tags)
    assert ToolScopedRole(stack, "Tool", session_role=session, tool="x").tag_keys == tuple(tags)


@pytest.mark.parametrize("mode", ["broker", "web"])
def test_nobody_is_admitted_where_tokens_decide(mode: str) -> None:
    """`admit` and `admit_trust_only` are refused: the role would choose tags without a token."""
    stack = stacks.stack()
    session = stacks.session_role(stack, minting=_minting(stack, mode))
    for admit in (session.admit, session.admit_trust_only):
        with pytest.raises(InvalidInputError, match="is minted by token"):
            admit(stacks.role(stack, f"Late{admit.__name__}"))


def _minting(stack: cdk.Stack, mode: str) -> Minting:
    if mode == "broker":
        return Minting.by_credential_broker(broker(stack))
    return Minting.by_web_identity(provider(stack), issuer=ISSUER, audience=AUDIENCE)


def _statement(principal: iam.IPrincipal, action: str, conditions: dict[str, Any] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(principals=[principal], actions=[action], conditions=conditions)


@pytest.mark.parametrize("mode", ["broker", "web"])
@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession", "sts:AssumeRoleWithWebIdentity", "sts:*"])
@pytest.mark.parametrize("conditions", [None, _both(TAGS, {"StringLike": NAMED})], ids=["bare", "conditioned"])
def test_a_colleagues_statement_on_the_trust_fails_the_synth(
    mode: str, action: str, conditions: dict[str, Any] | None
) -> None:
    """A trust policy that admits anybody else, with our own conditions or without, fails the synth."""
    stack = stacks.stack()
    session = stacks.session_role(stack, minting=_minting(stack, mode))
    policy = session.role.assume_role_policy
    assert policy is not None
    policy.add_statements(_statement(iam.ArnPrincipal(stacks.role(stack).role_arn), action, conditions))
    said = f"admits a caller without the token: got a statement allowing {re.escape(action)}, expected"
    with pytest.raises(RuntimeError, match=said):
        stacks.template(stack)


def test_a_colleagues_deny_on_the_trust_is_welcome() -> None:
    """A Deny only takes away."""
    stack = stacks.stack()
    session = stacks.session_role(stack, minting=_minting(stack, "web"))
    policy = session.role.assume_role_policy
    assert policy is not None
    policy.add_statements(
        iam.PolicyStatement(effect=iam.Effect.DENY, principals=[iam.AnyPrincipal()], actions=["sts:AssumeRole"])
    )
    assert len(stacks.trust(stacks.template(stack), "SessionRole")) == 4


def test_a_binding_and_a_revocation_narrow_every_statement_by_web_identity() -> None:
    """Both are in all three statements, with what the token must hold; the policy still fits."""
    stack = stacks.stack()
    restrictions = [WorkloadBinding(vpc="vpc-0123456789abcdef0"), Revocation.of_sessions(task_id="T1")]
    minting = Minting.by_web_identity(provider(stack), issuer=ISSUER, audience=AUDIENCE)
    stacks.session_role(stack, minting=minting, restrictions=restrictions)
    statements = stacks.trust(stacks.template(stack), "SessionRole")
    assert [statement["Condition"]["StringEquals"]["aws:SourceVpc"] for statement in statements] == [
        "vpc-0123456789abcdef0"
    ] * 3
    assert all(s["Condition"]["StringNotEquals"] == {"aws:RequestTag/task_id": ["T1"]} for s in statements)
    document = {"Version": "2012-10-17", "Statement": statements}
    assert PolicySizer("x" * 64).document(document) < TRUST_POLICY_MAX


def _vpc(stack: cdk.Stack, id: str = "Vpc") -> ec2.Vpc:
    vpc = ec2.Vpc(stack, id, nat_gateways=0, max_azs=1, restrict_default_security_group=False)
    vpc.add_interface_endpoint("Sts", service=ec2.InterfaceVpcEndpointAwsService.STS)
    vpc.add_gateway_endpoint("Tables", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
    return vpc


@pytest.mark.parametrize("runs_in", ["none", "another"])
def test_a_binding_refuses_a_credential_broker_elsewhere(runs_in: str) -> None:
    """The function calls STS from where it runs: in no VPC, or in another one, the binding would deny every mint."""
    stack = stacks.stack()
    made = broker(stack, vpc=_vpc(stack, "Other") if runs_in == "another" else None)
    with pytest.raises(InvalidInputError, match=f"a function that runs in {runs_in}") as error:
        stacks.session_role(
            stack, minting=Minting.by_credential_broker(made), restrictions=[WorkloadBinding(vpc="vpc-1")]
        )
    assert "CredentialBroker(vpc=...)" in str(error.value)


def test_a_broker_in_the_vpc_goes_with_the_binding() -> None:
    """The function stands in the VPC; its role may have Lambda make interfaces, and the function's code may not."""
    stack = stacks.stack()
    vpc = _vpc(stack)
    made = broker(stack, vpc=vpc)
    stacks.session_role(
        stack, minting=Minting.by_credential_broker(made), restrictions=[WorkloadBinding(vpc=vpc, region="eu-west-1")]
    )
    assert made.vpc is vpc
    template = stacks.template(stack)
    (function,) = stacks.resources(template, "AWS::Lambda::Function").values()
    assert function["VpcConfig"].keys() == {"SecurityGroupIds", "SubnetIds"}
    role = template["Resources"][stacks.ref(template, "BrokerRole")]["Properties"]
    assert "ManagedPolicyArns" not in role
    actions = stacks.by_sid(stacks.policy(template, "BrokerPermissions"))["NetworkInterfaces"]["Action"]
    (denied,) = stacks.policy(template, "BrokerGuards")
    assert denied == {
        "Sid": "DenyInterfacesToCode",
        "Effect": "Deny",
        "Action": actions,
        "Resource": "*",
        "Condition": {"Null": {"lambda:SourceFunctionArn": "false"}},
    }
    assert all(
        statement["Condition"]["StringEquals"]["aws:SourceVpc"] == {"Ref": stacks.ref(template, "Vpc")}
        for statement in stacks.trust(template, "SessionRole")
    )
    assert {(one.rule, one.status.name) for one in verify(template).results if one.status.name != "PROVED"} == set()


def test_lambda_makes_a_brokers_interfaces_and_its_code_does_not() -> None:
    """Decided for requests by Lambda and by the function's own code, which carry the function's ARN."""
    stack = stacks.stack()
    broker(stack, vpc=_vpc(stack))
    world = World(stacks.template(stack))
    by_code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:{stacks.ACCOUNT}:function:broker"}
    cases = [
        Case(f"{action} {who}", "BrokerRole", f"ec2:{action}", resource, who == "by Lambda", context, {})
        for action, resource in (
            ("CreateNetworkInterface", f"arn:aws:ec2:us-east-1:{stacks.ACCOUNT}:network-interface/*"),
            ("DeleteNetworkInterface", f"arn:aws:ec2:us-east-1:{stacks.ACCOUNT}:network-interface/eni-1"),
            ("DescribeNetworkInterfaces", "*"),
        )
        for who, context in (("by Lambda", {}), ("by its code", by_code))
    ]
    assert failures(world, cases, ["deployed"]) == []


# --- where they stand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", tuple(stacks.FLAG_SETS))
def test_broker_compute_data_and_session_role_may_be_in_four_stacks(flags: str) -> None:
    """The session role's stack depends on the others and none on it, once the role has a name."""
    app = stacks.new_app(flags)
    data, compute, tokens, session = (cdk.Stack(app, id_) for id_ in ("Data", "Compute", "Tokens", "Session"))
    issued = TaskTokenIssuer(tokens, "Issuer", domain_name=HOST, audience=AUDIENCE)
    made = broker(tokens, signing_key=issued.signing_key)
    role = ScopedComputeRole(compute, "Task", backend=ComputeBackend.ECS)
    scoped = SessionRole(
        session,
        "SessionRole",
        minting=Minting.by_credential_broker(made, compute_roles=[role]),
        tables=[TenantTable(stacks.table(data), access="get")],
        role_name="acme-session",
    )
    cdk.CfnOutput(compute, "Broker", value=scoped.environment[environment.CREDENTIAL_BROKER])
    issued.grant_issue(ScopedComputeRole(compute, "Orchestrator", backend=ComputeBackend.LAMBDA))
    assembly = app.synth()
    ours = {"Data", "Compute", "Tokens", "Session"}
    needs = {one.stack_name: {found.id for found in one.dependencies} & ours for one in assembly.stacks}
    assert needs == {"Data": set(), "Tokens": set(), "Compute": {"Tokens"}, "Session": ours - {"Session"}}


def test_a_broker_in_another_stack_needs_a_named_session_role() -> None:
    """Without a name the two stacks would need each other, and the error says what to do."""
    app = stacks.new_app()
    made = broker(cdk.Stack(app, "Tokens"))
    with pytest.raises(InvalidInputError, match="give the SessionRole a role_name"):
        SessionRole(cdk.Stack(app, "Session"), "SessionRole", minting=Minting.by_credential_broker(made))


@pytest.mark.parametrize("partition", tuple(stacks.REGIONS))
def test_a_broker_may_be_in_every_partition(partition: str) -> None:
    """Concrete environments of all three partitions, in a Stage, synthesize, and no ARN names another partition."""
    app = stacks.new_app()
    stage = cdk.Stage(app, "Prod", env=stacks.environment(partition))
    stack = cdk.Stack(stage, "Stack")
    stacks.session_role(stack, minting=Minting.by_credential_broker(broker(stack), compute_roles=[stacks.role(stack)]))
    text = json.dumps(list(stacks.synth(app).values()))
    others = {f"arn:{name}:" for name in stacks.REGIONS if name != partition}
    assert not [other for other in others if other in text]


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_the_key_set_is_not_hosted_where_it_cannot_be(partition: str) -> None:
    """Outside the commercial partition hosting is refused; signing is not."""
    stack = cdk.Stack(stacks.new_app(), "Stack", env=stacks.environment(partition))
    TaskTokenIssuer(stack, "Keys", domain_name=HOST, audience=AUDIENCE)
    with pytest.raises(InvalidInputError, match="cannot be hosted here"):
        issuer(stack)


def test_imported_key_table_and_provider_serve() -> None:
    """Nothing of them is changed; statements name their ARNs."""
    stack = stacks.stack()
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/k")
    revoked = dynamodb.Table.from_table_arn(stack, "Old", "arn:aws:dynamodb:us-east-1:111122223333:table/revoked")
    made = broker(stack, signing_key=key, revocation_table=revoked)
    stacks.session_role(stack, minting=Minting.by_credential_broker(made))
    arn = f"arn:aws:iam::111122223333:oidc-provider/{HOST}/tenant"
    imported = iam.OpenIdConnectProvider.from_open_id_connect_provider_arn(stack, "Provider", arn)
    SessionRole(stack, "Web", minting=Minting.by_web_identity(imported, audience=AUDIENCE))
    template = stacks.template(stack)
    verify = stacks.by_sid(stacks.policy(template, "BrokerPermissions"))
    assert verify["VerifyTokens"]["Resource"].endswith(":key/k")
    assert verify["ReadRevocations"]["Resource"].endswith(":table/revoked")
    entry = stacks.trust(template, "WebRole")[0]
    assert entry["Principal"] == {"Federated": arn}
    assert set(entry["Condition"]["StringEquals"]) == {f"{HOST}/tenant:aud", f"{HOST}/tenant:sub"}


def test_a_table_under_a_customer_managed_key_is_readable_through_dynamodb_only() -> None:
    """The broker and a role that revokes may decrypt as DynamoDB asks for it."""
    stack = stacks.stack()
    own = kms.Key(stack, "TableKey")
    revoked = stacks.table(stack, "Old", partition_key="id", encryption_key=own)
    made = broker(stack, revocation_table=revoked)
    made.grant_revoke(stacks.role(stack, "Operator"))
    template = stacks.template(stack)
    wanted = stacks.by_sid(stacks.policy(template, "BrokerPermissions"))["DecryptRevocations"]
    assert wanted["Action"] == "kms:Decrypt"
    assert "kms:ViaService" in wanted["Condition"]["StringEquals"]
    (theirs,) = (s for s in stacks.attached({"Small": template}, "Operator") if s["Action"] == "kms:Decrypt")
    assert theirs["Condition"] == wanted["Condition"]


# --- the issuer ---------------------------------------------------------------------------------------------------


def test_the_hosted_issuer_is_private_and_speaks_https_only() -> None:
    """A private bucket behind a distribution of the one domain name, and a provider of the one audience."""
    stack = stacks.stack()
    stacks.session_role(stack, minting=Minting.by_web_identity(issuer(stack)))
    template = stacks.template(stack)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in template["Resources"].values():
        by_type.setdefault(resource["Type"], []).append(resource["Properties"])
    (bucket,), (site,), (oidc,) = (
        by_type[f"AWS::{kind}"] for kind in ("S3::Bucket", "CloudFront::Distribution", "IAM::OIDCProvider")
    )
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert site["DistributionConfig"]["Aliases"] == [HOST]
    assert site["DistributionConfig"]["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "https-only"
    assert oidc == {"Url": ISSUER, "ClientIdList": [AUDIENCE]}
    (documents,) = by_type["Custom::TaskTokenKeySet"]
    # What the function reads is in its environment; the same values in the request make CloudFormation call it again.
    assert set(documents) == {"ServiceToken", "Bucket", "Issuer", "Keys"}
    (keys,) = documents["Keys"]
    (writer,) = (one for one in by_type["AWS::Lambda::Function"] if "key_set" in one["Handler"])
    read = {environment.KEY_SET_BUCKET: documents["Bucket"], environment.KEY_SET_ISSUER: ISSUER}
    assert writer["Environment"]["Variables"] == {**read, environment.KEY_SET_KEYS: keys}
    assert stacks.resources(template, "AWS::S3::Bucket").keys() == {documents["Bucket"]["Ref"]}
    assert documents["Issuer"] == ISSUER
    assert len(documents["Keys"]) == 1


def test_two_keys_are_published_while_one_signs() -> None:
    """During a rotation both stand in the key set, and agent code is denied both; the orchestrator signs with one."""
    stack = stacks.stack()
    old = signing_key(stack, "Old")
    tokens = issuer(stack, also_published=[old])
    tokens.grant_issue(stacks.role(stack, "Orchestrator"))
    stacks.session_role(stack, minting=Minting.by_web_identity(tokens, compute_roles=[stacks.role(stack)]))
    template = stacks.template(stack)
    both = [{"Fn::GetAtt": [stacks.ref(template, id_), "Arn"]} for id_ in ("TokensSigningKey", "Old")]
    (documents,) = (r for r in template["Resources"].values() if r["Type"] == "Custom::TaskTokenKeySet")
    assert documents["Properties"]["Keys"] == both
    denied = stacks.by_sid(stacks.policy(template, "SessionComputeGuards"))["DenySigning"]["Resource"]
    assert sorted(map(str, denied)) == sorted(map(str, both))
    (sign,) = stacks.attached({"Small": template}, "Orchestrator")
    assert sign["Resource"] == both[0]
