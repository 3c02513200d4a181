"""The fixture for an adopter's own tests: it works as documented, and no request of it leaves the machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing.enforcement import Enforce, EnforcedPolicies
from session_scoping.testing.moto_server import empty, moto_server, refuse_aws
from tests.support import ROOT, stacks

pytest_plugins = ["session_scoping.testing.enforcement"]

AGENT = """
import os
import boto3
from session_scoping import SessionTags
from session_scoping.agent import TaskSession

def run_my_agent():
    tags = SessionTags(user_id="alice", repo="org/app", task_id="task-a")
    table = TaskSession(tags, role_arn=os.environ["AGENT_SESSION_ROLE_ARN"]).client("dynamodb")
    name = os.environ["TASK_TABLE_NAME"]
    table.put_item(TableName=name, Item={"task_id": {"S": "task-a"}})
    if os.environ.get("TRESPASS"):
        try:
            table.get_item(TableName=name, Key={"task_id": {"S": "task-b"}})
        except table.exceptions.ClientError:
            pass
"""
REAL = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_SESSION_TOKEN": "real"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """A stack with one table."""
    stack = stacks.stack()
    stacks.session_role(stack)
    return stacks.template(stack)


def documented() -> str:
    """Return the test in docs/verify.md."""
    section = (ROOT / "docs" / "verify.md").read_text().partition("## Your agent's own tests")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("trespass", ["", "yes"])
def test_the_documented_test_runs_as_it_stands(trespass: str, compute_template: dict[str, Any], tmp_path: Path) -> None:
    """Without endpoint, with somebody's real keys, it passes; and fails where the agent asks for another task's row."""
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "cdk.out" / "Stack.template.json").write_text(json.dumps(compute_template))
    (tmp_path / "my_agent.py").write_text(AGENT)
    (tmp_path / "test_agent.py").write_text(documented())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_agent.py"]
    environment = {**kept, **REAL, "TRESPASS": trespass, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ("1 failed" if trespass else "1 passed") in run.stdout, run.stdout + run.stderr
    assert ("dynamodb:GetItem" in run.stdout) == bool(trespass)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_request_to_aws_is_an_error_and_is_not_sent(
    mode: Any, template: dict[str, Any], enforced_policies: Enforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with an endpoint of its own is refused in every retry mode, the owner's requests included."""
    sent: list[str] = []
    monkeypatch.setattr("botocore.endpoint.Endpoint._send", lambda _, request: sent.append(request.url))
    enforced_policies(template)
    for url in ("https://dynamodb.us-east-1.amazonaws.com", "http://moto:5000", "http://localhost.evil.example"):
        client = boto3.client("dynamodb", endpoint_url=url, config=Config(retries={"mode": mode}))
        with pytest.raises(InvalidInputError, match="would leave the machine"):
            client.list_tables()
    assert sent == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "bucket.localhost"])
def test_loopback_is_let_through(host: str) -> None:
    """Every spelling of loopback is the machine itself, a bucket's name before it included."""
    assert not _is_refused(f"http://{host}:5000/x")


def _is_refused(url: str) -> bool:
    try:
        refuse_aws(url)
    except InvalidInputError:
        return True
    return False


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "169.254.169.254", "10.0.0.1", "user@aws.com"]
)
def test_what_only_looks_like_loopback_is_refused(host: str) -> None:
    """Names that begin like loopback, and other addresses, lead elsewhere."""
    with pytest.raises(InvalidInputError, match=r"127\.0\.0\.1 or ::1"):
        refuse_aws(f"http://{host}:5000/x")


def test_the_fixture_replaces_keys_and_region_and_restores_them(
    template: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Real keys, token and profile are out of reach while the fixture is in use, and back afterwards."""
    with pytest.MonkeyPatch.context() as outer:
        for name, value in {**REAL, "AWS_PROFILE": "production", "AWS_DEFAULT_REGION": "eu-west-1"}.items():
            outer.setenv(name, value)
        outer.delenv("AWS_ENDPOINT_URL", raising=False)
        before = dict(os.environ)
        enforce: Enforce = request.getfixturevalue("enforced_policies")
        policies = enforce(template, region="eu-central-1")
        policies.deploy(boto3.Session())
        signer = boto3.Session().get_credentials()
        assert signer is not None
        assert (signer.access_key, signer.token) == ("owner", None)
        assert boto3.Session().region_name == os.environ["AWS_REGION"] == "eu-central-1"
        assert "AWS_PROFILE" not in os.environ
        request.getfixturevalue("monkeypatch").undo()
        changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
        assert changed <= {"PYTEST_CURRENT_TEST"}


@pytest.mark.parametrize("leftover", ["first", "second"])
def test_each_test_finds_an_empty_server(leftover: str, template: dict[str, Any], enforced_policies: Enforce) -> None:
    """What the test before deployed under the same names is gone, and whatever else it made."""
    policies: EnforcedPolicies = enforced_policies(template)
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    boto3.client("s3").create_bucket(Bucket=leftover)
    policies.deploy(boto3.Session())
    assert boto3.client("dynamodb").list_tables()["TableNames"] == [policies.name("Tasks")]


def test_a_configured_server_is_used_and_left_as_it_is(
    template: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Where AWS_ENDPOINT_URL names a server, the fixture starts none and deletes nothing in it."""
    with moto_server() as url, pytest.MonkeyPatch.context() as outer:
        outer.setenv("AWS_ENDPOINT_URL", url)
        empty(url)
        owner = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        owner.create_bucket(Bucket="kept-by-the-adopter")
        enforce: Enforce = request.getfixturevalue("enforced_policies")
        enforce(template)
        client = boto3.client("s3")
        assert client.meta.endpoint_url == url
        assert [one["Name"] for one in client.list_buckets()["Buckets"]] == ["kept-by-the-adopter"]
        client.delete_bucket(Bucket="kept-by-the-adopter")
        # The fixture's own way back leads to the environment inside this block, which must be gone after it.
        request.getfixturevalue("monkeypatch").undo()
