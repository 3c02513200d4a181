"""Children's credentials over loopback: what the endpoint answers, and what their environment holds."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from session_scoping import InvalidInputError
from session_scoping.agent import TaskSession, child_environment, unsafe_ambient_session
from session_scoping.agent.children.environment import past_proxies, without_credentials
from tests.support.stand_in_sts import SECRET, TOKEN, Reply, StandInSts, error
from tests.support.task import LONG, TAGS, MovableClock

URI, AUTHORIZATION = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
SOURCES = [
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ACCOUNT_ID"),
    *("AWS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_SCOPE", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"),
    *("AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", "AMAZON_SESSION_TOKEN"),
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_LOGIN_CACHE_DIRECTORY", "BOTO_PATH"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
    *("AWS_BEARER_TOKEN_BEDROCK", "AWS_BEARER_TOKEN_ANOTHER_SERVICE", "AWS_AUTH_SCHEME_PREFERENCE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    *("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_LAMBDA_RUNTIME_API"),
    *("AWS_A_SOURCE_OF_NEXT_YEAR", "aws_access_key_id"),
    *("AGENT_SESSION_ROLE_ARN", "AGENT_TASK_TOKEN_FILE", "AGENT_CREDENTIAL_BROKER", "AGENT_WORKLOAD_IDENTITY"),
]
HARMLESS = {
    "HOME": "/home/agent",
    "PATH": "/bin",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_ENDPOINT_URL": "https://proxy.example",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://vpce.example",
    "AWS_CA_BUNDLE": "/etc/ca.pem",
    "AWS_MAX_ATTEMPTS": "5",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWSOME": "1",
    "MY_AWS_BUCKET": "b",
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer take as long as a busy machine needs."""
    monkeypatch.setattr("session_scoping.agent.children.endpoint._ANSWER_SECONDS", LONG)


@pytest.fixture
def environment(session: TaskSession) -> Iterator[dict[str, str]]:
    """Return the environment of children of one task."""
    with child_environment(session) as found:
        yield found


def get(environment: dict[str, str], *, path: str | None = None, token: str | None = None) -> tuple[int, Any]:
    """Ask as an SDK asks; return the status and the parsed body."""
    headers = {"Authorization": environment[AUTHORIZATION] if token is None else token}
    parts = urlsplit(environment[URI])
    url = environment[URI] if path is None else f"{parts.scheme}://{parts.netloc}{path}"
    try:
        with urlopen(Request(url, headers=headers if token != "" else {}), timeout=LONG) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_it_serves_the_task_s_own_credentials(
    environment: dict[str, str], sts: StandInSts, clock: MovableClock
) -> None:
    """The answer has the container provider's four fields, the account, and nothing else, all of one set."""
    status, body = get(environment)
    assert status == 200
    assert body == {
        "AccessKeyId": "ASIATASKKEY000000001",
        "SecretAccessKey": f"{SECRET}1",
        "Token": f"{TOKEN}1",
        "Expiration": (clock() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "AccountId": "123456789012",
    }
    assert sts.requests[0].tags == dict(TAGS)


def test_all_children_share_one_set_and_its_refresh(
    environment: dict[str, str], sts: StandInSts, clock: MovableClock
) -> None:
    """Thirty at once make one AssumeRole; near its end the next one gets a new set."""
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: get(environment), range(30)))
    assert {body["AccessKeyId"] for _, body in answers} == {"ASIATASKKEY000000001"}
    assert sts.count() == 1
    clock.move(minutes=59, seconds=30)
    assert get(environment)[1]["AccessKeyId"] == "ASIATASKKEY000000002"
    assert sts.count() == 2


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\u00e9" * 43, "Bearer "])
def test_without_the_token_nothing_is_served(token: str, environment: dict[str, str], sts: StandInSts) -> None:
    """A missing or another token is 401, and STS is not asked."""
    status, body = get(environment, token=token)
    assert status == 401
    assert body["Code"] == "Unauthorized"
    assert environment[AUTHORIZATION] not in json.dumps(body)
    status, _ = get(environment, token=environment[AUTHORIZATION][:-1])
    assert status == 401
    assert sts.requests == []


def test_another_path_is_not_found(environment: dict[str, str], sts: StandInSts) -> None:
    """Only the address in the variable serves credentials."""
    for path in ("/", "/credentials/", "/credentials?x=1"):
        assert get(environment, path=path)[0] == 404
    assert sts.requests == []


def test_two_blocks_have_two_tokens(session: TaskSession) -> None:
    """A token opens its own endpoint, and has 256 bits."""
    with child_environment(session) as one, child_environment(session) as other:
        assert one[AUTHORIZATION] != other[AUTHORIZATION]
        assert len(one[AUTHORIZATION]) == 43
        assert get(one, token=other[AUTHORIZATION])[0] == 401


def test_it_listens_on_loopback_and_ends_with_the_block(session: TaskSession) -> None:
    """The address is 127.0.0.1; after the block nobody answers there, and no thread is left."""
    with child_environment(session) as environment:
        parts = urlsplit(environment[URI])
        assert parts.hostname == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(parts.port or 0)), timeout=LONG)
    assert not [thread for thread in threading.enumerate() if thread.name == "session-scoping-endpoint"]


def test_it_starts_without_asking_dns(session: TaskSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer holds no child up: the endpoint has no use for the host's name."""
    monkeypatch.setattr("socket.getfqdn", lambda *_: pytest.fail("a look-up"))
    with child_environment(session) as environment:
        assert get(environment)[0] == 200


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (error("AccessDenied", 403, "planted-user-7 may not"), 403, "AccessDenied"),
        (Reply("<truncated"), 403, "Malformed"),
        (error("Throttling", 400), 503, "Throttling"),
        (Reply("", 500), 503, "ServerError"),
    ],
)
def test_an_error_says_why_and_holds_no_keys(
    reply: Reply, status: int, code: str, environment: dict[str, str], sts: StandInSts
) -> None:
    """403 for what lasts and 503 for what passes, with the reason; nothing from the wire and no ambient key."""
    sts.behave = lambda _: reply
    found, body = get(environment)
    assert (found, body["Code"]) == (status, code)
    assert set(body) == {"Code", "Message"}
    assert "fix:" in body["Message"]
    assert "planted" not in json.dumps(body).lower()


def test_an_error_nobody_foresaw_shows_its_type_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold secrets."""

    def fail(_: object) -> None:
        raise RuntimeError("PLANTED")

    monkeypatch.setattr("session_scoping.agent.session.refresh.TaskCredentials.current", fail)
    status, body = get(environment)
    assert (status, body["Code"]) == (500, "Unexpected")
    assert "RuntimeError" in body["Message"]
    assert "PLANTED" not in body["Message"]


def test_a_silent_client_delays_nobody(environment: dict[str, str]) -> None:
    """One that connects and says nothing holds up no other."""
    parts = urlsplit(environment[URI])
    with socket.create_connection((parts.hostname, parts.port), timeout=LONG):
        assert get(environment)[0] == 200


def test_a_source_that_hangs_is_an_error_before_an_sdk_gives_up(
    environment: dict[str, str], sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 says why, while the source is asked once for all who wait; its answer serves the next one."""
    monkeypatch.setattr("session_scoping.agent.children.endpoint._ANSWER_SECONDS", 0.1)
    answered = threading.Event()

    def hang(_: object) -> None:
        answered.wait(LONG)

    sts.behave = hang
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: get(environment), range(5)))
    assert {(status, body["Code"]) for status, body in answers} == {(503, "Timeout")}
    answered.set()
    monkeypatch.setattr("session_scoping.agent.children.endpoint._ANSWER_SECONDS", LONG)
    assert get(environment)[1]["AccessKeyId"] == "ASIATASKKEY000000001"
    assert sts.count() == 1


def test_an_unscoped_session_is_refused() -> None:
    """Only a TaskSession's credentials are handed to children."""
    with pytest.warns(UserWarning, match="ambient"):
        unsafe: Any = unsafe_ambient_session()
    with pytest.raises(InvalidInputError, match="UnsafeAmbientSession"), child_environment(unsafe):
        pass


def test_a_narrower_session_can_be_given(session: TaskSession, sts: StandInSts) -> None:
    """A derived session's credentials are the ones its policy narrows."""
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
    with child_environment(session.derive(session_policy=policy)) as environment:
        assert get(environment)[0] == 200
    assert json.loads(sts.requests[-1].form["Policy"]) == json.loads(policy)


# --- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_no_source_of_credentials_is_left(name: str) -> None:
    """Whatever an SDK reads of AWS's, known or not, and our own variables are gone."""
    assert name not in without_credentials({name: "planted"})


def test_the_rest_stays() -> None:
    """HOME, Region, endpoints and other people's variables are the parent's."""
    found = without_credentials(HARMLESS)
    assert {name: found[name] for name in HARMLESS} == HARMLESS


def test_files_are_looked_for_nowhere() -> None:
    """HOME stays, so each file with keys has a variable that points at an empty one; instance metadata is off."""
    assert without_credentials({"AWS_CONFIG_FILE": "/planted", "AWS_EC2_METADATA_DISABLED": "false"}) == {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CREDENTIAL_PROFILES_FILE": os.devnull,
        "AWS_CREDENTIAL_FILE": os.devnull,
        "BOTO_CONFIG": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_the_endpoint_is_the_one_source(session: TaskSession) -> None:
    """What the parent says of a container endpoint is replaced, not completed."""
    parent = {URI: "http://planted", AUTHORIZATION: "planted", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/planted"}
    with child_environment(session, parent=parent) as environment:
        assert "planted" not in str(environment)
        assert get(environment)[0] == 200


def test_the_session_s_region_is_said_under_both_names(session: TaskSession) -> None:
    """No profile is left that could say it; what the parent says itself is not changed."""
    with child_environment(session, parent={}) as environment:
        assert (environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    with child_environment(session, parent={"AWS_REGION": "eu-north-1"}) as environment:
        assert (environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]) == ("eu-north-1", "eu-west-1")


def test_the_token_goes_through_no_proxy() -> None:
    """With a proxy, loopback is excepted under the name that is in use; without one nothing is added."""
    assert past_proxies({}, "127.0.0.1") == {}
    both = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    assert past_proxies({"HTTP_PROXY": "http://p"}, "127.0.0.1") == both
    assert past_proxies({"http_proxy": "p", "no_proxy": "x.example"}, "127.0.0.1") == {
        "no_proxy": "x.example,127.0.0.1"
    }
    assert past_proxies({"ALL_PROXY": "p", "NO_PROXY": "*"}, "127.0.0.1") == {}
