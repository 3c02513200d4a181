"""Fixtures: a stand-in AWS with the real handler behind it, a revocation table, tokens."""

import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from session_scoping import orchestrator
from session_scoping.contract import environment
from session_scoping.contract.jws import compact, signing_input
from session_scoping.contract.task_token import TaskToken
from session_scoping.lambdas.credential_broker import handler as handler_module
from session_scoping.orchestrator import TaskTokenSigner
from tests.support.stand_in_aws import KEY_ARN, KEY_ID, Context, StandInAws, running_aws, sign
from tests.support.stand_in_sts import ROLE_ARN
from tests.support.task import TAGS, MovableClock, patiently
from tests.support.task import ambient as ambient
from tests.support.task import clock as clock
from tests.support.task import logs as logs
from tests.support.task import sts as sts

ISSUER = "https://tokens.example.com/agents"
AUDIENCE = "session-scoping"
TABLE = "Revocations"
FUNCTION = "CredentialBroker"
SETTINGS = {
    environment.BROKER_SIGNING_KEY_ARN: KEY_ARN,
    environment.BROKER_ISSUER: ISSUER,
    environment.BROKER_AUDIENCE: AUDIENCE,
    environment.BROKER_SUBJECT: "agent-task",
    environment.BROKER_SESSION_ROLE_ARN: ROLE_ARN,
    environment.BROKER_TAG_KEYS: "user_id,repo,task_id",
    environment.BROKER_REVOCATION_TABLE: TABLE,
}

Broker = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def dynamodb(moto_of_the_run: str) -> Any:
    """Return DynamoDB as the owner of the account sees it."""
    return boto3.Session("owner", "owner", region_name="eu-west-1").client("dynamodb", endpoint_url=moto_of_the_run)


@pytest.fixture
def aws(dynamodb: Any, moto_url: str, sts: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInAws]:  # noqa: ARG001
    """Run a stand-in AWS with the real handler behind Invoke and an empty revocation table."""
    for name in (environment.CREDENTIAL_BROKER, environment.TASK_TOKEN_FILE, environment.BROKER_TRANSITIVE_TAG_KEYS):
        monkeypatch.delenv(name, raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler_module, "_kept", None)
    for config in ("lambdas.credential_broker.exchange.CONFIG", "orchestrator._CONFIG"):
        patiently(monkeypatch, f"session_scoping.{config}")
    for name in ("botocore", "urllib3"):  # which the handler quietens in its own process
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    with running_aws() as server:
        server.dynamodb = moto_url
        server.function = handler_module.handler
        for service in ("KMS", "DYNAMODB", "LAMBDA"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield server


@pytest.fixture
def now(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Return a clock that the session, STS and the handler share."""
    monkeypatch.setattr(handler_module, "_clock", lambda: clock().timestamp())
    monkeypatch.setattr(orchestrator, "_clock", lambda: clock().timestamp())
    return clock


@pytest.fixture
def signer(aws: StandInAws, now: MovableClock) -> TaskTokenSigner:  # noqa: ARG001
    """Return the orchestrator's signer."""
    return TaskTokenSigner(KEY_ARN, issuer=ISSUER, audience=AUDIENCE, clock=lambda: now().timestamp())


@pytest.fixture
def token(signer: TaskTokenSigner) -> str:
    """Return a token of one task that lasts two hours."""
    return signer.issue(TAGS, lifetime=timedelta(hours=2))


@pytest.fixture
def broker(aws: StandInAws, now: MovableClock, capsys: pytest.CaptureFixture[str]) -> Broker:  # noqa: ARG001
    """Return the handler, called as Lambda calls it; its answer is held to be JSON, its output one line."""

    def call(event: object, *, milliseconds: int = 15_000) -> dict[str, Any]:
        capsys.readouterr()
        answer = handler_module.handler(event, Context(milliseconds))
        [line] = capsys.readouterr().out.splitlines()
        return {**json.loads(json.dumps(answer)), "line": json.loads(line)}

    return call


def claims_at(now: MovableClock, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, with some changed, or taken away when the change is `...`."""
    at = int(now().timestamp())
    claims = TaskToken.for_task(TAGS, issuer=ISSUER, audience=AUDIENCE, issued_at=at, expires_at=at + 7200).claims()
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def signed_claims(claims: dict[str, Any]) -> str:
    """Return a token of claims that nobody checked, signed without KMS."""
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    parts = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims)]
    return compact(".".join(parts), sign(".".join(parts).encode()))


def signed(token: TaskToken, key_id: str = KEY_ID, *, kid: str = KEY_ID) -> str:
    """Return a token of any claims, signed without KMS."""
    part = signing_input(token, key_id=kid)
    return compact(part, sign(part.encode(), key_id))
