"""Each line of docs/your-library.md against its real package: the task's keys sign every request, ambient ones none."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from session_scoping.agent import TaskSession
from session_scoping.testing.moto_server import empty, moto_server
from tests.clients.conftest import only_the_task_signed
from tests.clients.page import run, sections
from tests.clients.services import Answer, Call, Services
from tests.support.task import AMBIENT_KEY

TABLES = {
    "checkpoints": ("PK", "SK"),
    "memories": ("PK", "SK"),
    "idempotency": ("id",),
    "parameters": ("id",),
    "tasks": ("id",),
}
BUCKET = "agent-traces"


@pytest.fixture(scope="module")
def moto_of_the_module() -> Iterator[str]:
    """Run a moto server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def stores(services: Services, moto_of_the_module: str) -> Services:
    """Answer for S3 and DynamoDB by moto, with the tables and the bucket that the page names; Bedrock by hand."""
    empty(moto_of_the_module)
    owner: dict[str, Any] = {
        "endpoint_url": moto_of_the_module,
        "aws_access_key_id": "owner",
        "aws_secret_access_key": "x",
        "region_name": "eu-west-1",
    }
    dynamodb: Any = boto3.Session().client("dynamodb", **owner)
    for name, keys in TABLES.items():
        dynamodb.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    boto3.Session().client("s3", **owner).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    services.moto = moto_of_the_module
    services.answers |= {"bedrock": bedrock, "bedrock-agentcore": lambda _: Answer(b'{"events": []}')}
    return services


def bedrock(call: Call) -> Answer:
    """Answer as Bedrock and its runtime."""
    if call.path.endswith("/converse"):
        said = {"output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}}, "stopReason": "end_turn"}
        return _json(
            {
                **said,
                "usage": dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 1),
                "metrics": {"latencyMs": 1},
            }
        )
    if call.path.endswith("/invoke"):
        return _json({"embedding": [0.5], "embeddingsByType": {"float": [0.5]}})
    if "inference-profile" in call.path:
        return _json({"models": [{"modelArn": "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0"}]})
    return Answer()


def _json(body: dict[str, Any]) -> Answer:
    return Answer(json.dumps(body).encode())


def test_boto3_s_default_session(session: TaskSession, stores: Services) -> None:
    """`boto3.client` and `boto3.resource` sign with the task's keys from then on."""
    run("boto3's default session", session)
    boto3.client("dynamodb").list_tables()
    boto3.client("bedrock").list_foundation_models()
    boto3.resource("s3").Object(BUCKET, "k").put(Body=b"x")
    assert len(stores.calls) == 3
    only_the_task_signed(stores, "dynamodb", "bedrock", "s3")


def test_pynamodb(session: TaskSession, stores: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model writes and reads a row."""
    from pynamodb.attributes import UnicodeAttribute
    from pynamodb.connection import base
    from pynamodb.models import Model

    monkeypatch.setattr(base, "get_session", base.get_session)  # as it was, after the test

    class Task(Model):
        class Meta:
            table_name = "tasks"
            region = "eu-west-1"

        id = UnicodeAttribute(hash_key=True)

    run("PynamoDB", session)
    Task("T1").save()
    assert Task.get("T1").id == "T1"
    only_the_task_signed(stores, "dynamodb")


def test_langchain(session: TaskSession, stores: Services) -> None:
    """A model and embeddings answer, and the second client asks for an inference profile."""
    named = run("LangChain", session)
    assert named["model"].invoke("?").content
    assert named["embeddings"].embed_query("?") == [0.5]
    profile = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"
    model = named["ChatBedrockConverse"](
        model=profile,
        provider="amazon",
        client=session.client("bedrock-runtime"),
        bedrock_client=session.client("bedrock"),
    )
    assert model.invoke("?").content
    assert any("inference-profile" in call.path and call.method == "GET" for call in stores.calls)
    only_the_task_signed(stores, "bedrock")


def test_langchain_with_one_client_is_signed_by_the_container(
    session: TaskSession, stores: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the page says two: the other client takes whatever credentials are around."""
    from langchain_aws import ChatBedrockConverse

    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")  # botocore sends it over https only
    profile = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"
    ChatBedrockConverse(model=profile, provider="amazon", client=session.client("bedrock-runtime"))
    assert stores.signers() == {AMBIENT_KEY}
    with pytest.raises(AssertionError):
        only_the_task_signed(stores)


def test_langgraph_checkpointers(session: TaskSession, stores: Services) -> None:
    """A checkpoint, a memory and a Bedrock session are asked for."""
    named = run("LangGraph checkpointers", session)
    config = {"configurable": {"thread_id": "T1", "checkpoint_ns": ""}}
    assert named["saver"].get_tuple(config) is None
    named["store"].put(("notes",), "k", {"v": 1})
    assert named["store"].get(("notes",), "k").value == {"v": 1}
    stores.answers["bedrock"] = lambda _: Answer(b'{"sessionSummaries": []}')
    named["sessions"].session_client.client.list_sessions()
    only_the_task_signed(stores, "dynamodb", "bedrock")


def test_a_library_without_a_session_takes_the_default_one(session: TaskSession, stores: Services) -> None:
    """AgentCore's checkpointer and browser client take none: they sign with the default session's keys."""
    from bedrock_agentcore.tools.browser_client import BrowserClient
    from langgraph_checkpoint_aws import AgentCoreMemorySaver

    run("boto3's default session", session)
    saver = AgentCoreMemorySaver("memory-1234567890", region_name="eu-west-1")
    list(saver.list({"configurable": {"thread_id": "T1", "actor_id": "u-7"}}))
    BrowserClient("eu-west-1").data_plane_client.list_browser_sessions(browserIdentifier="aws.browser.v1")
    only_the_task_signed(stores, "bedrock-agentcore")


def test_strands(session: TaskSession, stores: Services) -> None:
    """An agent asks its model, and a session is written to S3."""
    named = run("Strands", session)
    assert "yes" in str(named["agent"]("?"))
    assert named["history"]
    only_the_task_signed(stores, "bedrock", "s3")


def test_litellm(session: TaskSession, stores: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are passed for each call, and the Bedrock API key in the environment is not used."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    monkeypatch.setenv("AWS_BEDROCK_RUNTIME_ENDPOINT", stores.url)
    monkeypatch.setenv("AWS_REGION_NAME", "eu-west-1")
    named = run("LiteLLM", session)
    assert named["ask"]("?").choices[0].message.content == "yes"
    only_the_task_signed(stores, "bedrock")


def test_powertools(session: TaskSession, stores: Services) -> None:
    """Idempotency records, parameters and a streamed object."""
    session.client("s3").put_object(Bucket=BUCKET, Key="traces/u-7/T1.jsonl", Body=b"{}")
    session.client("dynamodb").put_item(TableName="parameters", Item={"id": {"S": "p"}, "value": {"S": "v"}})
    named = run("Powertools", session)
    named["idempotency"].configure(_idempotency())
    named["idempotency"].save_inprogress({"task": "T1"})
    assert named["parameters"].get("p") == "v"
    assert named["streamed"].read() == b"{}"
    only_the_task_signed(stores, "dynamodb", "s3")


def _idempotency() -> Any:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig

    return IdempotencyConfig()


def test_agentcore_sdk(session: TaskSession, stores: Services) -> None:
    """Memory and the code interpreter."""
    named = run("AgentCore SDK", session)
    named["memory"].list_events("memory-1234567890", "u-7", "T1")
    named["manager"].list_events("u-7", "T1")
    stores.answers["bedrock-agentcore"] = lambda _: Answer(b'{"items": []}')
    named["interpreter"].data_plane_client.list_code_interpreter_sessions(
        codeInterpreterIdentifier="aws.codeinterpreter.v1"
    )
    assert len(stores.calls) == 3
    only_the_task_signed(stores, "bedrock-agentcore")


def test_smart_open(session: TaskSession, stores: Services) -> None:
    """An object is written and read back."""
    named = run("smart_open", session)
    with named["smart_open"](
        f"s3://{BUCKET}/traces/u-7/T1.jsonl", transport_params={"client": named["client"]}
    ) as file:
        assert file.read() == "{}\n"
    only_the_task_signed(stores, "s3")


def test_awswrangler(session: TaskSession, stores: Services) -> None:
    """A table is written to S3 and read back."""
    named = run("awswrangler", session)
    path = f"s3://{BUCKET}/traces/u-7/T1.parquet"
    frame = named["wr"].s3.read_parquet(path, boto3_session=session.boto3_session)
    assert list(frame["step"]) == [1, 2]
    only_the_task_signed(stores, "s3")


def test_every_section_with_code_is_run() -> None:
    """A library that is added to the page is added here, or in tests/clients/aio."""
    elsewhere = {"s3fs", "aioboto3", "Does anything still use the container's credentials?"}
    run_here = set(re.findall(r'run\("([^"]+)", session\)', Path(__file__).read_text("utf-8")))
    assert run_here | elsewhere == {heading for heading, code in sections().items() if code}
