"""What a type checker knows of a session's clients: `make lint` checks the types said here, with boto3's stubs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import pytest
from mypy_boto3_dynamodb import DynamoDBClient, DynamoDBServiceResource
from mypy_boto3_s3 import S3Client
from mypy_boto3_sts import STSClient

from session_scoping.agent import TaskSession, unsafe_ambient_session
from tests.support import ROOT
from tests.support.stand_in_sts import ROLE_ARN

SAMPLE = """
from session_scoping import SessionTags
from session_scoping.agent import TaskSession, TaskSessions

def rows(session: TaskSession) -> int:
    with session.scoped(seconds=900) as narrow:
        client = narrow.client("dynamodb", region_name="eu-west-1")
        reveal_type(client)
        return len(client.scan(TableName="tasks")["Items"])

session: TaskSession = TaskSessions(max=2).get(SessionTags(task_id="T1"))
rows(session.derive(session_policy="{}"))
session.resource("s3").Bucket("b")
session.close(1)
"""


@pytest.mark.filterwarnings("ignore::session_scoping.agent.UnsafeAmbientWarning")
def test_a_services_name_decides_the_clients_type(make_session: Callable[..., TaskSession]) -> None:
    """Clients and resources have the types that boto3's stubs give; options are checked; derived sessions alike."""
    session = make_session()
    assert_type(session.client("dynamodb"), DynamoDBClient)
    assert_type(session.client("s3", region_name="eu-west-1"), S3Client)
    assert_type(session.derive(tool_role_arn=ROLE_ARN).client("sts"), STSClient)
    assert_type(session.resource("dynamodb"), DynamoDBServiceResource)
    assert_type(unsafe_ambient_session().client("s3"), S3Client)
    with pytest.raises(TypeError):
        session.client("s3", no_such_option=1)  # type: ignore[call-overload]


def test_a_program_checks_without_stubs_too(tmp_path: Path) -> None:
    """Where boto3 has no types a client is `Any`, and nothing of ours is an error in a strict program that uses it."""
    (tmp_path / "sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-site-packages", "--ignore-missing-imports"]
    options = ["--follow-imports", "silent", "--cache-dir", str(tmp_path), "--no-error-summary", "sample.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    note, fault = done.stdout.splitlines()
    assert note == 'sample.py:8: note: Revealed type is "Any"'
    assert fault == 'sample.py:14: error: Too many arguments for "close" of "TaskSession"  [call-arg]'
