"""aioboto3 with a task's session."""

import asyncio

import aioboto3
import pytest

from session_scoping import InvalidInputError
from session_scoping.agent import TaskSession
from session_scoping.agent.aio import AioTaskSession
from tests.clients.conftest import only_the_task_signed
from tests.clients.services import Services


def test_aioboto3_signs_with_the_task_s_keys(session: TaskSession, services: Services) -> None:
    """Clients and resources of `aioboto3.Session(botocore_session=...)`."""
    aws = aioboto3.Session(botocore_session=AioTaskSession(session).aiobotocore_session)

    async def run() -> None:
        async with aws.client("dynamodb") as client:
            await client.list_tables()
        async with aws.resource("dynamodb") as resource:
            table = await resource.Table("tasks")
            await table.get_item(Key={"task_id": "task-0042"})

    asyncio.run(run())
    assert len(services.calls) == 2
    only_the_task_signed(services, "dynamodb")


def test_aioboto3_takes_no_other_keys(session: TaskSession) -> None:
    """Keys for the session or for one client are refused."""
    botocore = AioTaskSession(session).aiobotocore_session
    with pytest.raises(InvalidInputError, match="was given credentials"):
        aioboto3.Session("AKIAFOREIGN", "x", botocore_session=botocore)
    with pytest.raises(InvalidInputError, match="was given credentials"):
        aioboto3.Session(botocore_session=botocore).client("s3", aws_access_key_id="AKIAFOREIGN")
