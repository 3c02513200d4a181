"""s3fs with a task's session."""

import asyncio

import s3fs

from session_scoping.agent import TaskSession
from session_scoping.agent.aio import AioTaskSession
from tests.clients.conftest import only_the_task_signed
from tests.clients.services import Answer, Call, Services


def body(call: Call) -> Answer:
    """Answer as S3: an object's head or its four bytes."""
    head = {"Content-Type": "binary/octet-stream", "ETag": '"e"', "Last-Modified": "Sun, 01 Mar 2026 12:00:00 GMT"}
    if call.method == "PUT":
        return Answer(b"", 200, {"ETag": '"e"'})
    return Answer(b"" if call.method == "HEAD" else b"data", 200, {**head, "Content-Length": "4"})


def test_s3fs_signs_with_the_task_s_keys(session: TaskSession, services: Services) -> None:
    """Reading, writing, and a connection that is made anew all go through the session."""
    services.answers["s3"] = body
    files = s3fs.S3FileSystem(session=AioTaskSession(session).aiobotocore_session)
    assert files.cat("bucket/traces/u/t.txt") == b"data"
    files.pipe("bucket/traces/u/t.txt", b"data")
    files.connect(refresh=True)
    files.invalidate_cache()
    assert files.cat("bucket/traces/u/t.txt") == b"data"
    only_the_task_signed(services, "s3")


def test_an_asynchronous_s3fs_does_so_as_well(session: TaskSession, services: Services) -> None:
    """Inside an event loop of the agent's own."""
    services.answers["s3"] = body

    async def run() -> bytes:
        files = s3fs.S3FileSystem(session=AioTaskSession(session).aiobotocore_session, asynchronous=True)
        client = await files.set_session()
        try:
            return bytes(await files._cat_file("bucket/traces/u/t.txt"))
        finally:
            await client.close()

    assert asyncio.run(run()) == b"data"
    only_the_task_signed(services, "s3")
