"""The reference agent, run against a moto server, and the division of its clients."""

import gzip
from pathlib import Path
from typing import Any

import boto3
import pytest

from examples.reference_agent import attachments, config, memory, task_state
from examples.reference_agent.run import run_task
from examples.reference_agent.settings import Settings
from session_scoping import SessionTags
from session_scoping.agent import NotScopedError, TaskSession
from session_scoping.agent.audit import audit
from tests.support.stand_in_sts import StandInSts
from tests.support.task import AMBIENT_KEY

SOURCE = Path(__file__).parents[2] / "examples" / "reference_agent"
TAGS = SessionTags(user_id="u-7", repo="org/repo", task_id="task-0042")
SETTINGS = Settings(
    task_table="tasks",
    event_table="events",
    approval_table="approvals",
    nudge_table="nudges",
    trace_bucket="traces-bucket",
    attachment_bucket="attachments-bucket",
    log_group="/agent",
    secret_id="repository-token",
)


def test_six_clients_use_the_session_and_eight_the_compute_role() -> None:
    """Tenant data goes through the session; secrets, logs and memory stay on the compute role."""
    report = audit(SOURCE)
    assert report.problems == ()
    scoped = sorted((found.path.stem, found.service) for found in report.signed_by("session"))
    assert scoped == [
        ("attachments", "s3"),
        ("nudge_reader", "dynamodb"),
        ("progress_writer", "dynamodb"),
        ("task_state", "dynamodb"),
        ("task_state", "dynamodb"),
        ("telemetry", "s3"),
    ]
    compute = sorted((found.path.stem, found.service) for found in report.signed_by("ambient"))
    assert compute == [
        ("config", "secretsmanager"),
        ("config", "secretsmanager"),
        ("memory", "bedrock-agentcore"),
        ("server", "logs"),
        ("server", "logs"),
        ("shell", "logs"),
        ("telemetry", "logs"),
        ("telemetry", "logs"),
    ]
    assert report.signed_by("unknown") == ()


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """Make the stack's tables, buckets, log group and secrets, as the stack's owner would."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    owner = boto3.Session()
    dynamodb = owner.client("dynamodb")
    for table, sort in (
        ("tasks", ""),
        ("events", "event_id"),
        ("approvals", "request_id"),
        ("nudges", "nudge_id"),
    ):
        keys: list[Any] = [{"AttributeName": "task_id", "KeyType": "HASH"}]
        keys += [{"AttributeName": sort, "KeyType": "RANGE"}] if sort else []
        dynamodb.create_table(
            TableName=table,
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    for bucket in ("traces-bucket", "attachments-bucket"):
        owner.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    owner.client("logs").create_log_group(logGroupName="/agent")
    owner.client("secretsmanager").create_secret(Name="repository-token", SecretString="a-token")
    owner.client("secretsmanager").create_secret(Name="repository-token-webhooks", SecretString='{"github": "key"}')
    dynamodb.put_item(
        TableName="tasks",
        Item={"task_id": {"S": "task-0042"}, "description": {"S": "fix it"}, "status": {"S": "QUEUED"}},
    )
    return owner


def nudge(aws: boto3.Session, task_id: str, text: str) -> None:
    """Send a message to a task."""
    aws.client("dynamodb").put_item(
        TableName="nudges", Item={"task_id": {"S": task_id}, "nudge_id": {"S": "n1"}, "text": {"S": text}}
    )


def test_a_task_runs_from_start_to_end(aws: boto3.Session) -> None:
    """The agent reads its row and messages, and writes progress, a trace and its status, over real wires."""
    nudge(aws, "task-0042", "hurry")
    nudge(aws, "task-0043", "not for you")
    heard: list[tuple[str, list[str]]] = []

    def work(description: str, nudges: list[str]) -> int:
        heard.append((description, nudges))
        return 0

    session = TaskSession(TAGS)
    assert run_task(session, SETTINGS, work) == 0
    assert heard == [("fix it", ["hurry"])]
    assert task_state.read_task(session, SETTINGS)["status"] == "DONE"
    events = aws.client("dynamodb").scan(TableName="events")["Items"]
    assert [event["text"]["S"] for event in sorted(events, key=lambda one: one["event_id"]["S"])] == [
        "started",
        "ended",
    ]
    body = aws.client("s3").get_object(Bucket="traces-bucket", Key="traces/u-7/task-0042.jsonl.gz")["Body"]
    assert b'"exit_code": 0' in gzip.decompress(body.read())
    assert config.read_webhook_keys(SETTINGS) == {"github": "key"}


def test_an_approval_is_one_transaction_over_two_tables(aws: boto3.Session) -> None:
    """The request and the hold of the task are written together or not at all."""
    session = TaskSession(TAGS)
    client = aws.client("dynamodb")
    with pytest.raises(Exception, match="TransactionCanceled"):
        task_state.request_approval(session, SETTINGS, "may I?")
    assert client.scan(TableName="approvals")["Count"] == 0
    task_state.set_status(session, SETTINGS, "RUNNING")
    request_id = task_state.request_approval(session, SETTINGS, "may I?")
    row = client.get_item(TableName="approvals", Key={"task_id": {"S": "task-0042"}, "request_id": {"S": request_id}})[
        "Item"
    ]
    assert row["status"]["S"] == "PENDING"
    assert task_state.read_task(session, SETTINGS)["status"] == "AWAITING_APPROVAL"


def test_an_attachment_lands_in_the_folder(aws: boto3.Session, tmp_path: Path) -> None:
    """The file comes from the session's own prefix; a name that leaves it is refused."""
    aws.client("s3").put_object(
        Bucket="attachments-bucket", Key="attachments/u-7/task-0042/a1/notes.txt", Body=b"notes"
    )
    session = TaskSession(TAGS)
    path = attachments.download_attachment(session, SETTINGS, "a1", "notes.txt", tmp_path)
    assert path.read_bytes() == b"notes"
    for bad in (("a1", "../../x"), ("..", "x"), ("a1", ".."), ("", "x")):
        with pytest.raises(ValueError, match="plain"):
            attachments.download_attachment(session, SETTINGS, *bad, tmp_path)


@pytest.mark.usefixtures("aws")
def test_tenant_calls_are_signed_by_the_task_and_others_by_the_compute_role(
    sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a whole task no DynamoDB or S3 request carries the ambient key, and logs and secrets do."""
    signed: list[tuple[str, str]] = []
    original = boto3.Session.client

    def watched(self: boto3.Session, service_name: str, *args: Any, **options: Any) -> Any:
        client = original(self, service_name, *args, **options)  # type: ignore[call-overload]
        client.meta.events.register(
            "before-send.*.*",
            lambda request, **_: signed.append((service_name, str(request.headers["Authorization"]))),
        )
        return client

    monkeypatch.setattr(boto3.Session, "client", watched)
    run_task(TaskSession(TAGS), SETTINGS, lambda *_: 0)
    ambient = {service for service, header in signed if AMBIENT_KEY in header}
    scoped = {service for service, header in signed if "ASIATASKKEY" in header}
    assert scoped == {"dynamodb", "s3"}
    assert ambient == {"logs", "secretsmanager"}
    assert sts.count() == 1


def test_an_unproven_session_touches_nothing(aws: boto3.Session, sts: StandInSts) -> None:
    """When verify() fails, the task's row is as it was."""
    sts.behave = lambda request: (
        sts.identity(request, arn="arn:aws:iam::123456789012:user/x") if request.action == "GetCallerIdentity" else None
    )
    with pytest.raises(NotScopedError):
        run_task(TaskSession(TAGS), SETTINGS, lambda *_: 0)
    row = aws.client("dynamodb").get_item(TableName="tasks", Key={"task_id": {"S": "task-0042"}})["Item"]
    assert row["status"]["S"] == "QUEUED"


def test_memory_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a memory no client is made, so nothing can be sent."""
    made: list[object] = []
    monkeypatch.setattr("boto3.client", lambda *service: made.append(service))
    memory.remember(SETTINGS, repo="org/repo", task_id="task-0042", text="x")
    assert made == []
