"""`resolve_token`: one seam, vault first, nothing in text, and every failure in one class."""

import base64
import contextvars
import copy
import json
import logging
import pickle
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from botocore.stub import Stubber

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import (
    ConsentNeeded,
    Integration,
    SecretFallback,
    TaskSession,
    Token,
    TokenUnavailableError,
    complete_consent,
    resolve_token,
    workload_token_from,
)
from session_scoping.agent.vault.errors import TokenReason
from session_scoping.agent.vault.results import Delegation, Hidden, delegation_of
from tests.support.stand_in_identity import (
    ACCESS_TOKEN,
    API_KEY,
    CONSENT_URL,
    REQUEST_ID,
    SESSION_URI,
    SHARED_SECRET,
    WORKLOAD_TOKEN,
    Asked,
    StandInIdentity,
    running_identity,
)
from tests.support.task import AMBIENT_KEY

USER = "cognito+planted-user-7"
TAGS = SessionTags(user_id=USER, repo="org/name", task_id="T1")
GITHUB = Integration("github", scopes=("repo",), return_url="https://example.com/done")
PLANTED = (WORKLOAD_TOKEN, ACCESS_TOKEN, API_KEY, SHARED_SECRET, "PLANTEDjwt", "PLANTEDstate", "planted-user-7")


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInIdentity]:
    """Run the stand-in and point botocore at it."""
    with running_identity() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", server.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
        monkeypatch.setenv("AGENT_WORKLOAD_IDENTITY", "agent")
        yield server


@pytest.fixture
def task(make_session: Callable[..., TaskSession]) -> TaskSession:
    """Return the session of a task of one user."""
    return make_session(TAGS)


def jwt(**claims: Any) -> str:
    """Return an unsigned token with these claims."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({}, claims)]
    return ".".join([*parts, "c2ln"])


# --- the seam -----------------------------------------------------------------------------------------------------


def test_on_ecs_the_tasks_own_user_is_asserted(identity: StandInIdentity, task: TaskSession) -> None:
    """The user is the session's tag, and the session signs, so that IAM can compare the two."""
    token = resolve_token(GITHUB, task)
    assert isinstance(token, Token)
    assert (token.reveal(), token.source, token.provider) == (ACCESS_TOKEN, "token-vault", "github")
    first, second = identity.asked
    assert (first.operation, first.body) == (
        "GetWorkloadAccessTokenForUserId",
        {"workloadName": "agent", "userId": USER},
    )
    assert (second.operation, second.body) == (
        "oauth2/token",
        {
            "workloadIdentityToken": WORKLOAD_TOKEN,
            "resourceCredentialProviderName": "github",
            "scopes": ["repo"],
            "oauth2Flow": "USER_FEDERATION",
            "resourceOauth2ReturnUrl": "https://example.com/done",
        },
    )
    assert AMBIENT_KEY not in {one.signed_by for one in identity.asked}


def test_on_agentcore_the_token_handed_over_is_spent(identity: StandInIdentity, task: TaskSession) -> None:
    """With the invocation's header nothing is fetched, whatever its letter case."""
    with workload_token_from({"workloadaccesstoken": "handed"}):
        resolve_token(GITHUB, task)
    resolve_token(GITHUB, task, workload_token="passed")
    assert identity.operations() == ["oauth2/token"] * 2
    assert [one.body["workloadIdentityToken"] for one in identity.asked] == ["handed", "passed"]
    resolve_token(GITHUB, task)
    assert identity.operations()[2:] == ["GetWorkloadAccessTokenForUserId", "oauth2/token"]


def test_a_thread_sees_the_token_only_with_the_context(identity: StandInIdentity, task: TaskSession) -> None:
    """A context variable does not cross into a plain thread; a copied context takes it along."""
    with workload_token_from({"WorkloadAccessToken": "handed"}):
        inside = contextvars.copy_context()
        for run in (lambda: inside.run(resolve_token, GITHUB, task), lambda: resolve_token(GITHUB, task)):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert identity.operations() == ["oauth2/token", "GetWorkloadAccessTokenForUserId", "oauth2/token"]


@pytest.mark.parametrize(
    ("integration", "options", "operation"),
    [
        (GITHUB, {"jwt": "PLANTEDjwt.a.b"}, "GetWorkloadAccessTokenForJWT"),
        (GITHUB, {"user": "cognito+else"}, "GetWorkloadAccessTokenForUserId"),
        (Integration("github", flow="M2M"), {}, "GetWorkloadAccessToken"),
        (Integration("github", flow="ON_BEHALF_OF_TOKEN_EXCHANGE"), {"jwt": "a.b.c"}, "GetWorkloadAccessTokenForJWT"),
        (Integration("search", kind="api-key"), {}, "GetWorkloadAccessToken"),
        (Integration("search", kind="api-key"), {"user": USER}, "GetWorkloadAccessTokenForUserId"),
    ],
)
def test_each_flow_asks_for_the_workload_token_it_needs(
    identity: StandInIdentity, task: TaskSession, integration: Integration, options: dict[str, Any], operation: str
) -> None:
    """A JWT goes before an asserted user, and where there is no user the agent asks for itself."""
    resolve_token(integration, task, **options)
    assert identity.operations()[0] == operation
    assert identity.asked[1].body.get("oauth2Flow", "none") in (integration.flow, "none")


def test_an_api_key_comes_the_same_way(identity: StandInIdentity, task: TaskSession) -> None:
    """Keys and OAuth2 tokens have one result."""
    token = resolve_token(Integration("search", kind="api-key"), task)
    assert isinstance(token, Token)
    assert token.reveal() == API_KEY
    assert identity.operations() == ["GetWorkloadAccessToken", "api-key"]


def test_requests_and_answers_have_botocores_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stubber checks every request and answer with the service's own model."""
    client = boto3.client("bedrock-agentcore", region_name="us-east-1")

    class Session:
        def client(self, service_name: str, **_: Any) -> Any:
            assert service_name == "bedrock-agentcore"
            return client

    monkeypatch.setenv("AGENT_WORKLOAD_IDENTITY", "agent")
    with Stubber(client) as stub:
        stub.add_response(
            "get_workload_access_token_for_jwt",
            {"workloadAccessToken": "w"},
            {"workloadName": "agent", "userToken": "a.b.c"},
        )
        stub.add_response(
            "get_resource_oauth2_token",
            {"authorizationUrl": CONSENT_URL, "sessionUri": SESSION_URI, "sessionStatus": "IN_PROGRESS"},
            {
                "workloadIdentityToken": "w",
                "resourceCredentialProviderName": "github",
                "scopes": [],
                "oauth2Flow": "ON_BEHALF_OF_TOKEN_EXCHANGE",
                "sessionUri": SESSION_URI,
                "customParameters": {"kind": "api"},
            },
        )
        stub.add_response(
            "complete_resource_token_auth", {}, {"sessionUri": SESSION_URI, "userIdentifier": {"userId": USER}}
        )
        exchange = Integration(
            "github", flow="ON_BEHALF_OF_TOKEN_EXCHANGE", parameters={"customParameters": {"kind": "api"}}
        )
        found = resolve_token(exchange, Session(), jwt="a.b.c", session_uri=SESSION_URI)
        assert isinstance(found, ConsentNeeded)
        assert found.in_progress
        complete_consent(Session(), SESSION_URI, user=USER)
        stub.assert_no_pending_responses()


# --- consent ------------------------------------------------------------------------------------------------------


def test_a_missing_consent_is_an_outcome_with_the_address(identity: StandInIdentity, task: TaskSession) -> None:
    """The address is for this user alone, so it shows in no text; no fallback replaces a consent."""
    identity.behave = lambda asked: (
        (200, {"authorizationUrl": CONSENT_URL, "sessionUri": SESSION_URI}, "")
        if asked.operation == "oauth2/token"
        else None
    )
    used: list[object] = []
    found = resolve_token(GITHUB, task, fallback=SecretFallback("shared", used.append))
    assert isinstance(found, ConsentNeeded)
    assert found.authorization_url.reveal() == CONSENT_URL
    assert (found.session_uri, found.in_progress, used) == (SESSION_URI, False, [])
    assert "PLANTED" not in repr(found)


def test_the_vault_is_asked_three_times_at_most(
    identity: StandInIdentity, task: TaskSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token and the end of a consent alike; nothing else repeats these calls."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    identity.behave = refusing("ThrottlingException", 429)
    with pytest.raises(TokenUnavailableError):
        resolve_token(GITHUB, task, workload_token="handed")
    with pytest.raises(TokenUnavailableError):
        complete_consent(boto3.Session(), SESSION_URI, user=USER)
    assert [identity.operations().count(name) for name in dict.fromkeys(identity.operations())] == [3, 3]


def test_a_consent_has_not_begun_unless_it_is_said() -> None:
    """The user is sent to the address for the first time."""
    assert ConsentNeeded("github", Hidden(CONSENT_URL), None).in_progress is False


def test_a_consent_that_failed_is_a_failure(identity: StandInIdentity, task: TaskSession) -> None:
    """A consent that ran out asks for a new one, not for patience."""
    identity.behave = lambda asked: (
        (200, {"sessionStatus": "FAILED"}, "") if asked.operation == "oauth2/token" else None
    )
    with pytest.raises(TokenUnavailableError) as caught:
        resolve_token(GITHUB, task, session_uri=SESSION_URI)
    assert (caught.value.reason, caught.value.transient) == ("ConsentFailed", False)


def test_a_callback_finishes_a_consent_for_one_user(identity: StandInIdentity) -> None:
    """It names the user by JWT or by id, never both and never neither."""
    session = boto3.Session()
    complete_consent(session, SESSION_URI, user=USER)
    complete_consent(session, SESSION_URI, jwt="a.b.c")
    assert [one.body["userIdentifier"] for one in identity.asked] == [{"userId": USER}, {"userToken": "a.b.c"}]
    for options in ({}, {"user": USER, "jwt": "a.b.c"}, {"user": "no-provider"}):
        with pytest.raises(InvalidInputError):
            complete_consent(session, SESSION_URI, **options)
    identity.behave = lambda _: (403, {"message": "PLANTEDmessage"}, "AccessDeniedException")
    with pytest.raises(TokenUnavailableError, match="AccessDeniedException"):
        complete_consent(session, SESSION_URI, user=USER)


# --- failures and fallback ----------------------------------------------------------------------------------------


def refusing(code: str, status: int = 400) -> Callable[[Asked], Any]:
    """Refuse everything but Secrets Manager."""
    return lambda asked: (
        None if "secretsmanager" in asked.operation else (status, {"message": f"PLANTEDmessage {USER}"}, code)
    )


@pytest.mark.parametrize(
    ("code", "status", "reason", "transient"),
    [
        ("AccessDeniedException", 403, "AccessDeniedException", False),
        ("ResourceNotFoundException", 404, "ResourceNotFoundException", False),
        ("UnauthorizedException", 401, "UnauthorizedException", False),
        ("ValidationException", 400, "ValidationException", False),
        ("ThrottlingException", 429, "ThrottlingException", True),
        ("PLANTEDcode", 400, "Refused", False),
        ("PLANTEDcode", 500, "ServerError", True),
    ],
)
def test_a_refusal_is_one_line_that_quotes_nothing(
    identity: StandInIdentity, task: TaskSession, code: str, status: int, reason: str, transient: bool
) -> None:
    """The error says the code from a fixed list and the request id, and neither message nor user."""
    identity.behave = refusing(code, status)
    with pytest.raises(TokenUnavailableError) as caught:
        resolve_token(GITHUB, task)
    error, text = caught.value, "".join(traceback.format_exception(caught.value))
    assert (error.reason, error.transient) == (reason, transient)
    assert "\n" not in str(error)
    assert REQUEST_ID in str(error)
    assert "PLANTED" not in text
    assert error.__context__ is None
    assert pickle.loads(pickle.dumps(error)).reason == reason


def test_what_was_never_asked_has_its_own_reason(
    identity: StandInIdentity, task: TaskSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No workload identity, no user, no answer, and an answer without a token are different reasons."""

    def reason(session: Any = task, **options: Any) -> str:
        with pytest.raises(TokenUnavailableError) as caught:
            resolve_token(GITHUB, session, **options)
        return caught.value.reason

    assert reason(boto3.Session()) == "NoUser"
    assert identity.asked == []
    monkeypatch.delenv("AGENT_WORKLOAD_IDENTITY")
    assert reason() == "NoWorkloadIdentity"
    identity.behave = lambda _: (200, {"unexpected": "answer"}, "")
    assert reason(workload_token="handed") == "Malformed"
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:9")
    assert reason(workload_token="handed") == "NoConnection"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert reason(boto3.Session(), workload_token="handed") == "NoRegion"


def test_without_task_credentials_nobody_else_signs(
    identity: StandInIdentity, make_session: Callable[..., TaskSession]
) -> None:
    """A session that cannot get credentials asks nothing with the compute role's."""

    def broken() -> Any:
        raise RuntimeError("PLANTEDprovider")

    with pytest.raises(TokenUnavailableError) as caught:
        resolve_token(GITHUB, make_session(TAGS, credentials=broken))
    assert caught.value.reason == "TaskCredentials"
    assert identity.asked == []


def test_a_fallback_is_used_only_when_asked_for_and_is_reported(
    identity: StandInIdentity, task: TaskSession, caplog: pytest.LogCaptureFixture
) -> None:
    """The result, a warning and the callback say that a shared secret stood in, and why."""
    identity.behave = refusing("AccessDeniedException", 403)
    with pytest.raises(TokenUnavailableError):
        resolve_token(GITHUB, task)
    assert "secretsmanager.GetSecretValue" not in identity.operations()
    used: list[Any] = []
    token = resolve_token(GITHUB, task, fallback=SecretFallback("shared", used.append))
    assert isinstance(token, Token)
    assert (token.reveal(), token.source) == (SHARED_SECRET, "secrets-manager")
    assert used == [("github", "AccessDeniedException")]
    (warning,) = [record for record in caplog.records if record.name == "session_scoping.tokens"]
    assert warning.levelno == logging.WARNING
    assert "github" in warning.getMessage()


def test_a_fallback_that_cannot_be_reported_is_not_used(identity: StandInIdentity, task: TaskSession) -> None:
    """The callback runs before the secret is read, and what it raises stops the call."""
    identity.behave = refusing("ThrottlingException", 429)

    def fail(_: object) -> None:
        raise RuntimeError("the audit is down")

    with pytest.raises(RuntimeError, match="audit"):
        resolve_token(GITHUB, task, fallback=SecretFallback("shared", fail))
    assert "secretsmanager.GetSecretValue" not in identity.operations()
    identity.behave = lambda _: (403, {}, "AccessDeniedException")
    with pytest.raises(TokenUnavailableError, match="the fallback failed too"):
        resolve_token(GITHUB, task, fallback=SecretFallback("shared", lambda _: None))


@pytest.mark.parametrize("user", ["7d1f", "cognito+a/b"])
def test_a_user_without_its_identity_provider_is_refused(
    identity: StandInIdentity, task: TaskSession, user: str
) -> None:
    """Two providers may issue the same subject, so nothing is asked for a bare one."""
    with pytest.raises(InvalidInputError, match="user id"):
        resolve_token(GITHUB, task, user=user)
    assert identity.asked == []


def test_an_integration_names_a_known_flow() -> None:
    """A misspelt flow fails where it is written."""
    with pytest.raises(InvalidInputError, match="not one the vault knows"):
        Integration("github", flow="3LO")  # type: ignore[arg-type]


# --- nothing in text, and who acts for whom -----------------------------------------------------------------------


def test_no_secret_is_in_a_log_or_a_repr(
    identity: StandInIdentity, task: TaskSession, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG botocore logs requests and answers; for these calls nothing planted shows."""
    caplog.set_level(logging.DEBUG)
    token = resolve_token(GITHUB, task, user=USER)
    key = resolve_token(Integration("search", kind="api-key"), task, jwt="PLANTEDjwt.a.b")
    identity.behave = refusing("AccessDeniedException", 403)
    shared = resolve_token(GITHUB, task, fallback=SecretFallback("shared", lambda _: None))
    text = caplog.text + "".join(f"{one!r}{one!s}{vars(one)}" for one in (token, key, shared))
    assert not [planted for planted in PLANTED if planted in text]


def test_a_token_does_not_travel() -> None:
    """Neither pickled nor copied: a worker process asks for its own."""
    token = Token("github", "token-vault", Hidden(ACCESS_TOKEN))
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            travel(token.secret)
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_the_delegation_chain_is_surfaced_unverified(identity: StandInIdentity, task: TaskSession) -> None:
    """User, orchestrator and agent are read from nested `act` claims, the current actor first."""
    text = jwt(sub="user-1", act={"sub": "agent", "act": {"sub": "orchestrator"}})
    identity.behave = lambda asked: (200, {"accessToken": text}, "") if asked.operation == "oauth2/token" else None
    token = resolve_token(GITHUB, task)
    assert isinstance(token, Token)
    assert token.delegation == Delegation("user-1", ("agent", "orchestrator"))
    assert "user-1" not in repr(token)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("opaque", None),
        ("a.b.c", None),
        ("a.!!!.c", None),
        (jwt(sub="u"), None),
        (jwt(sub="u", act="agent"), None),
        (jwt(act={}), Delegation(None, ("?",))),
        (jwt(sub=7, act={"sub": "a\nforged line"}), Delegation("?", ("?",))),
        (jwt(sub="u", act={"sub": "x" * 300}), Delegation("u", ("?",))),
    ],
)
def test_a_hostile_chain_forges_no_audit_line(text: str, found: Delegation | None) -> None:
    """What is no short printable name is shown as `?`, and what is no JWT carries no chain."""
    assert delegation_of(text) == found


def test_a_chain_without_end_ends() -> None:
    """Nesting beyond reason is cut off and never a crash."""
    deep: dict[str, Any] = {"sub": "a"}
    for _ in range(40):
        deep = {"sub": "a", "act": deep}
    chain = delegation_of(jwt(sub="u", act=deep))
    assert chain is not None
    assert len(chain.actors) == 16
    assert delegation_of(".".join(["e30", base64.urlsafe_b64encode(b'{"act":' * 100_000).decode(), "x"])) is None


def test_importing_the_seam_loads_no_client_and_no_cdk() -> None:
    """The modules load neither aws_cdk nor botocore until a token is asked for."""
    code = (
        "import sys\nfrom session_scoping.agent import Integration, Token, resolve_token, workload_token_from\n"
        "assert not {'aws_cdk', 'z3', 'boto3', 'botocore'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_reason_is_documented() -> None:
    """The type users may branch on and the table in docs/token-vault.md name the same reasons."""
    page = (Path(__file__).parents[2] / "docs" / "token-vault.md").read_text("utf-8")
    rows = page.split("At three in the morning")[1].split("CloudTrail says denied")[0].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert {name for cell in cells for name in re.findall("`([A-Za-z0-9]+)`", cell)} == set(get_args(TokenReason))
