"""
The reference agent with real boto3 against a moto server, each request decided by the synthesized policies.

Its own work succeeds; every way to reach another task's data is denied and changes nothing.
"""

import gzip
import os
from itertools import groupby
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from examples import isolation_demo as demo
from examples.crossings import crossings
from examples.isolation_demo import ALICE, BOB
from session_scoping.agent import TaskCredentialsError
from session_scoping.testing.enforcement import Enforce, EnforcedPolicies

pytest_plugins = ["session_scoping.testing.enforcement"]

OTHER_TASK = {**ALICE, "task_id": "task-c"}
"""Another task of the same user."""
VICTIMS = {"another user": BOB, "the same user's other task": OTHER_TASK}


@pytest.fixture
def policies(
    compute_template: dict[str, Any], enforced_policies: Enforce, monkeypatch: pytest.MonkeyPatch
) -> EnforcedPolicies:
    """The reference stack with three tasks, deployed to moto, with its policies enforced."""
    enforced: EnforcedPolicies = enforced_policies(compute_template, region=demo.REGION)
    enforced.deploy(boto3.Session())
    demo.seed(enforced, ALICE, BOB, OTHER_TASK)
    for name, value in demo.agent_environment(enforced).items():
        monkeypatch.setenv(name, value)
    return enforced


def rows(policies: EnforcedPolicies, table: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    """Return a task's rows, as the owner sees them."""
    prefix = f"{table} {tags['task_id']} "
    return [row for key, row in demo.snapshot(policies).items() if key.startswith(prefix)]  # type: ignore[misc]


def test_the_agent_does_the_work_of_two_users_tasks(policies: EnforcedPolicies, tmp_path: Path) -> None:
    """Rows, messages, progress, attachments, the approvals transaction and the trace: all of it is allowed."""
    for tags in (ALICE, BOB):
        assert demo.run_agent(policies, tags, tmp_path) == 0
    assert [str(one.decision) for one in policies.log if not one.decision.allowed] == []
    after = demo.snapshot(policies)
    for tags in (ALICE, BOB):
        (task,) = rows(policies, "TaskTable", tags)
        assert task["status"]["S"] == "DONE"
        asked = [row for row in rows(policies, "TaskApprovalsTable", tags) if row["request_id"]["S"] != "1"]
        assert [row["request_id"]["S"] for row in asked] == [task["approval_id"]["S"]]
        assert len(rows(policies, "TaskEventsTable", tags)) == 3
        assert all("read_by_agent" in row for row in rows(policies, "TaskNudgesTable", tags))
        trace = after[f"TraceArtifactBucket traces/{tags['user_id']}/{tags['task_id']}.jsonl.gz"]
        assert isinstance(trace, bytes)
        assert b'"exit_code": 0' in gzip.decompress(trace)
        read = f"arn:aws:s3:::{policies.name('AttachmentsBucket')}/attachments/{tags['user_id']}/{tags['task_id']}/1/"
        assert f"{read}notes.txt" in {one.resource for one in policies.log if one.action == "s3:GetObject"}
    assert [row["status"]["S"] for row in rows(policies, "TaskTable", OTHER_TASK)] == ["QUEUED"]


@pytest.mark.parametrize("victim", VICTIMS)
def test_every_crossing_is_denied_and_changes_nothing(victim: str, policies: EnforcedPolicies) -> None:
    """Each table by each call, batches and transactions mixed with own rows, objects by each call, lists and copies."""
    before = demo.snapshot(policies)
    attempts = crossings(demo.session_of(policies, ALICE), policies.name, ALICE, VICTIMS[victim])
    assert len(attempts) > 80
    for place, here in groupby(attempts, key=lambda one: one.place):
        assert {demo.answer_to(one): one.what for one in here}.keys() == {"AccessDenied"}, place
        assert demo.snapshot(policies) == before, place


def test_each_crossing_would_succeed_without_the_policies(policies: EnforcedPolicies) -> None:
    """The attempts are real ones: the owner of the account makes each of them, or fails for another reason."""
    owner = boto3.Session(region_name=demo.REGION)
    answers = {(one.place, one.what): demo.answer_to(one) for one in crossings(owner, policies.name, ALICE, BOB)}
    assert {answer for (_, what), answer in answers.items() if "upload" not in what and "parts" not in what} == {"done"}
    assert "AccessDenied" not in answers.values()


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"user_id": "alice", "repo": "r"},
        {**ALICE, "task_id": ""},
        {**ALICE, "user_id": "a/b"},
        {**ALICE, "extra": "x"},
    ],
)
def test_a_session_with_wrong_tags_cannot_be_made(tags: dict[str, str], policies: EnforcedPolicies) -> None:
    """Untagged, incomplete, empty, path-like and additional tags are refused by the trust policy."""
    with pytest.raises(ClientError, match="AccessDenied"):
        demo.session_of(policies, tags)


def test_a_session_cannot_make_another_session(policies: EnforcedPolicies) -> None:
    """Who holds a task's credentials cannot trade them for another task's."""
    client = demo.session_of(policies, ALICE).client("sts")
    tags: Any = [{"Key": key, "Value": value} for key, value in BOB.items()]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.assume_role(RoleArn=policies.arn("SessionRole"), RoleSessionName="bob", Tags=tags)


def test_the_compute_role_itself_reaches_no_data(policies: EnforcedPolicies) -> None:
    """Code that forgets the session and uses ambient credentials is denied, its own task's rows included."""
    before = demo.snapshot(policies)
    with policies.as_role("EcsTaskRole"):
        ambient = boto3.Session(region_name=demo.REGION)
        answers = [demo.answer_to(one) for one in crossings(ambient, policies.name, BOB, ALICE)]
    assert set(answers) == {"AccessDenied"}
    assert demo.snapshot(policies) == before


def test_a_foreign_encryption_key_is_denied_on_the_own_trace(policies: EnforcedPolicies) -> None:
    """A put that names somebody's KMS key would leave a trace the platform cannot read."""
    put = demo.session_of(policies, ALICE).client("s3").put_object
    there: Any = {"Bucket": policies.name("TraceArtifactBucket"), "Key": "traces/alice/task-a/x", "Body": b"x"}
    put(**there)
    with pytest.raises(ClientError, match="AccessDenied"):
        put(**there, ServerSideEncryption="aws:kms", SSEKMSKeyId="arn:aws:kms:us-east-1:444455556666:key/theirs")


def test_where_a_broker_mints_the_agent_gets_no_session(
    orchestrator_template: dict[str, Any], enforced_policies: Enforce
) -> None:
    """The compute role may not mint in that mode: the agent's own AssumeRole is denied and nothing is sent."""
    from session_scoping import SessionTags
    from session_scoping.agent import TaskSession

    policies: EnforcedPolicies = enforced_policies(orchestrator_template, region=demo.REGION)
    session = TaskSession(SessionTags(**ALICE), role_arn=policies.arn("SessionRole"))
    with policies.as_role("EcsTaskRole"), pytest.raises(TaskCredentialsError, match="AccessDenied"):
        session.verify()
    assert [(one.action, one.decision.allowed) for one in policies.log] == [("sts:AssumeRole", False)]


def test_the_demonstration_exits_0(
    compute_template: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make demo` shows own work allowed, crossings denied, and says so in its exit code."""
    environment = dict(os.environ)
    monkeypatch.setattr("examples.hostile_process.templates", lambda: {"compute": compute_template})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    try:
        assert demo.main() == 0
    finally:
        os.environ.clear()
        os.environ.update(environment)
    out = capsys.readouterr().out
    assert "not a byte has changed" in out
    assert "WRONG" not in out
    assert max(map(len, out.splitlines())) <= 100
