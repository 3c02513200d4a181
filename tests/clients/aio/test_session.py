"""The async session: one refresh for all that wait, no other credentials, and an event loop that goes on."""

import asyncio
import copy
import os
import pickle
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import boto3
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import NoAuthTokenError

from session_scoping import InvalidInputError
from session_scoping.agent import NotScopedError, TaskCredentialsError, TaskSession, unsafe_ambient_session
from session_scoping.agent.aio import AioTaskSession
from tests.clients.conftest import only_the_task_signed
from tests.clients.services import Services
from tests.support.stand_in_sts import Reply, Request, StandInSts, error
from tests.support.task import LONG, MovableClock, key_of


async def get_item(aio: AioTaskSession, **options: Any) -> None:
    """Make one call to DynamoDB."""
    async with aio.client("dynamodb", **options) as client:
        await client.get_item(TableName="tasks", Key={"task_id": {"S": "task-0042"}})


async def ticking(until: threading.Event, ticks: int = 20) -> None:
    """Let the event loop turn, then open the way: a loop that is blocked never does."""
    for _ in range(ticks):
        await asyncio.sleep(0)
    until.set()


def held(sts: StandInSts, *, action: str = "AssumeRole") -> threading.Event:
    """Let STS answer once the event is set, and fail when nobody sets it."""
    opened = threading.Event()

    def behave(request: Request) -> Reply | None:
        if request.action == action and not opened.wait(LONG):
            return error("InternalFailure", 500)
        return None

    sts.behave = behave
    return opened


def test_many_tasks_share_one_refresh(session: TaskSession, sts: StandInSts, services: Services) -> None:
    """A hundred calls at once, before there are any credentials, make one AssumeRole and sign with one set."""
    aio = AioTaskSession(session)

    async def run() -> None:
        async with aio.client("dynamodb") as client:
            await asyncio.gather(*(client.list_tables() for _ in range(100)))

    asyncio.run(run())
    assert sts.count() == 1
    assert len(services.calls) == 100
    only_the_task_signed(services, "dynamodb")
    assert len(services.signers()) == 1


def test_event_loops_and_threads_share_one_refresh(session: TaskSession, sts: StandInSts, services: Services) -> None:
    """Event loops in several threads, and plain threads of the TaskSession, wait for the same AssumeRole."""
    aio = AioTaskSession(session)
    threads = [threading.Thread(target=lambda: asyncio.run(get_item(aio))) for _ in range(4)]
    threads += [threading.Thread(target=key_of, args=(session,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert sts.count() == 1
    assert len(services.calls) == 4
    only_the_task_signed(services)


def test_the_event_loop_goes_on_while_credentials_are_fetched(
    session: TaskSession, sts: StandInSts, services: Services
) -> None:
    """STS answers only after the event loop has turned; a blocked loop would never let it."""
    opened = held(sts)

    async def run() -> None:
        await asyncio.gather(get_item(AioTaskSession(session)), ticking(opened))

    asyncio.run(run())
    assert (sts.count(), len(services.calls)) == (1, 1)  # a blocked loop would have made STS fail, and ask again
    only_the_task_signed(services)


def test_nobody_waits_while_keys_are_valid(
    session: TaskSession, sts: StandInSts, services: Services, clock: MovableClock
) -> None:
    """Seven minutes are left and STS hangs: calls sign with the present set before STS has answered."""
    aio = AioTaskSession(session)
    asyncio.run(get_item(aio))
    clock.move(minutes=53)
    opened = held(sts)

    async def run() -> None:
        await asyncio.gather(*(get_item(aio) for _ in range(5)))

    asyncio.run(run())
    assert not opened.is_set()
    assert len(services.calls) == 6
    assert len(services.signers()) == 1
    opened.set()


def test_the_event_loop_goes_on_while_the_session_is_verified(session: TaskSession, sts: StandInSts) -> None:
    """`verify` waits for STS in a thread, and says what the TaskSession's own says."""
    opened = held(sts, action="GetCallerIdentity")

    async def run() -> Any:
        return (await asyncio.gather(AioTaskSession(session).verify(), ticking(opened)))[0]

    identity = asyncio.run(run())
    sts.behave = lambda _: None
    assert identity == session.verify()


def test_another_identity_is_not_scoped(session: TaskSession, sts: StandInSts) -> None:
    """`verify` raises what the TaskSession's raises."""
    sts.behave = lambda request: (
        sts.identity(request, arn="arn:aws:sts::123456789012:assumed-role/Other/x")
        if request.action == "GetCallerIdentity"
        else None
    )
    with pytest.raises(NotScopedError):
        asyncio.run(AioTaskSession(session).verify())


@pytest.mark.parametrize("answer", [error("AccessDenied", 403), Reply("<nonsense/>"), error("ExpiredToken", 400)])
def test_without_credentials_nothing_is_sent(
    session: TaskSession, sts: StandInSts, services: Services, answer: Reply
) -> None:
    """Every waiting call raises the library's error, and no ambient key or bearer token replaces the task's."""
    sts.behave = lambda _: answer
    aio = AioTaskSession(session)

    async def run() -> list[Any]:
        calls: list[Awaitable[None]] = [get_item(aio) for _ in range(5)]
        return await asyncio.gather(*calls, return_exceptions=True)

    raised = asyncio.run(run())
    assert [type(one) for one in raised] == [TaskCredentialsError] * 5
    assert services.calls == []


def test_a_failure_is_not_kept(session: TaskSession, sts: StandInSts, services: Services, clock: MovableClock) -> None:
    """Once STS answers again, the next attempt has credentials."""
    aio = AioTaskSession(session)
    sts.behave = lambda _: error("AccessDenied", 403)
    with pytest.raises(TaskCredentialsError):
        asyncio.run(get_item(aio))
    sts.behave = lambda _: None
    clock.move(minutes=1)
    asyncio.run(get_item(aio))
    only_the_task_signed(services)


def test_eight_hours_of_calls_are_signed_by_the_task(
    session: TaskSession, sts: StandInSts, services: Services, clock: MovableClock
) -> None:
    """A call a minute for eight hours: no set is used beyond its end, and each hour takes one or two."""
    aio = AioTaskSession(session)
    ended: list[str] = []

    async def run() -> None:
        async with aio.client("dynamodb") as client:
            for _ in range(8 * 60):
                await client.list_tables()
                if sts.serve(services.calls[-1].signed_by).status != 200:
                    ended.append(services.calls[-1].signed_by)
                clock.move(minutes=1)

    asyncio.run(run())
    assert ended == []
    assert len(services.calls) == 480
    assert 8 <= sts.count() <= 20
    only_the_task_signed(services)


def test_a_cancelled_caller_takes_nothing_from_the_others(
    session: TaskSession, sts: StandInSts, services: Services
) -> None:
    """One of two waiting calls is cancelled; the other one gets its credentials from the same AssumeRole."""
    opened = held(sts)
    aio = AioTaskSession(session)

    async def run() -> None:
        first, second = asyncio.ensure_future(get_item(aio)), asyncio.ensure_future(get_item(aio))
        while not sts.requests:
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        opened.set()
        await second

    asyncio.run(run())
    assert sts.count() == 1
    assert len(services.calls) == 1


def test_an_event_loop_that_ends_waits_for_no_answer(session: TaskSession, sts: StandInSts) -> None:
    """A call that is cancelled while STS hangs ends at once, and so does its event loop."""
    opened = held(sts)
    aio = AioTaskSession(session)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(get_item(aio), 0.2)

    asyncio.run(run())
    assert not opened.is_set()  # STS has not answered, and the loop is closed
    opened.set()
    assert key_of(session).startswith("ASIATASKKEY")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_its_parent_s_thread(session: TaskSession, sts: StandInSts) -> None:
    """The thread that fetches exists in the parent alone: the child fetches for itself."""
    opened = held(sts)
    aio = AioTaskSession(session)

    async def one() -> str:
        credentials: Any = await aio.aiobotocore_session.get_credentials()
        return str((await credentials.get_frozen_credentials()).access_key)

    async def begun() -> None:
        waiting = asyncio.ensure_future(one())
        while not sts.requests:
            await asyncio.sleep(0.01)
        waiting.cancel()

    asyncio.run(begun())
    opened.set()
    child = os.fork()
    if child == 0:
        key = asyncio.run(asyncio.wait_for(one(), LONG))
        os._exit(0 if key.startswith("ASIATASKKEY") else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_closed_session_signs_nothing_more(session: TaskSession, services: Services) -> None:
    """Neither a client that was made before nor a new one, nor a URL that would be signed without a call."""
    aio = AioTaskSession(session)

    async def run() -> None:
        async with aio.client("dynamodb") as client, aio.client("s3") as s3:
            await client.list_tables()
            session.close()
            with pytest.raises(TaskCredentialsError, match="closed"):
                await client.list_tables()
            with pytest.raises(TaskCredentialsError, match="closed"):
                await s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
        with pytest.raises(TaskCredentialsError, match="closed"):
            aio.client("dynamodb")

    asyncio.run(run())
    assert len(services.calls) == 1


def test_a_derived_session_is_one_for_asyncio_too(session: TaskSession, sts: StandInSts, services: Services) -> None:
    """It signs with its own keys, and the session it comes from signs for them."""
    tool = session.derive(tool_role_arn="arn:aws:iam::123456789012:role/Tool")
    asyncio.run(get_item(AioTaskSession(tool)))
    assert [request.form["RoleArn"].rpartition("/")[2] for request in sts.requests] == ["AgentSession", "Tool"]
    only_the_task_signed(services)


def test_a_session_that_cannot_narrow_itself_says_why(session: TaskSession) -> None:
    """Aiobotocore pins a botocore without GetScopedCredentials."""
    with pytest.raises(InvalidInputError, match="installed botocore, which lacks sts:GetScopedCredentials"):
        session.scoped(seconds=900)


@pytest.mark.parametrize(
    "make",
    [
        lambda aio: aio.client("s3", aws_access_key_id="AKIAFOREIGN", aws_secret_access_key="x"),
        lambda aio: aio.client("s3", aws_session_token="x"),
        lambda aio: aio.aiobotocore_session.create_client("s3", None, None, True, None, None, "AKIAFOREIGN", "x"),
        lambda aio: aio.aiobotocore_session.set_credentials("AKIAFOREIGN", "x"),
    ],
)
def test_other_keys_are_refused(session: TaskSession, make: Callable[[AioTaskSession], object]) -> None:
    """Neither a client nor the session takes keys by keyword or by position."""
    with pytest.raises(InvalidInputError, match="was given credentials"):
        make(AioTaskSession(session))


@pytest.mark.parametrize(
    "config", [None, AioConfig(read_timeout=7), AioConfig(connector_args={"use_dns_cache": False})]
)
def test_a_bedrock_bearer_token_signs_nothing(session: TaskSession, services: Services, config: Any) -> None:
    """AWS_BEARER_TOKEN_BEDROCK is in the environment; the task's keys sign all the same."""

    async def run() -> Any:
        async with AioTaskSession(session).client("bedrock-runtime", config=config) as client:
            await client.invoke_model(modelId="m", body=b"{}")
            return client.meta.config

    used = asyncio.run(run())
    only_the_task_signed(services, "bedrock")
    if config is not None:
        assert used.read_timeout == config.read_timeout
        assert used.connector_args == config.connector_args


def test_a_client_that_asks_for_a_bearer_token_gets_none(session: TaskSession, services: Services) -> None:
    """The session has no token provider: a signature version that needs one fails, and nothing is sent."""

    async def run() -> None:
        async with AioTaskSession(session).client("bedrock-runtime", config=AioConfig(signature_version="bearer")) as c:
            await c.invoke_model(modelId="m", body=b"{}")

    with pytest.raises(NoAuthTokenError):
        asyncio.run(run())
    assert services.calls == []


def test_two_tasks_in_one_event_loop_sign_for_themselves(
    make_session: Callable[..., TaskSession], sts: StandInSts, services: Services
) -> None:
    """Each session signs with the keys of its own AssumeRole."""
    sessions = [AioTaskSession(make_session(role_session_name=f"task-{number}")) for number in range(2)]

    async def run() -> None:
        await asyncio.gather(*(get_item(aio) for aio in sessions))

    asyncio.run(run())
    assert sts.count() == 2
    assert len(services.signers()) == 2
    only_the_task_signed(services)


def test_an_async_session_is_made_of_a_task_session_only(session: TaskSession) -> None:
    """Anything else would sign with other credentials."""
    with pytest.warns(UserWarning, match="unsafe_ambient_session"):
        ambient = unsafe_ambient_session()
    for other in (ambient, boto3.Session(), session.boto3_session, None, "session"):
        with pytest.raises(InvalidInputError, match="expected a TaskSession"):
            AioTaskSession(other)  # type: ignore[arg-type]


def test_credentials_do_not_travel(session: TaskSession) -> None:
    """Neither the session nor its credentials can be pickled or copied, and the repr shows no key."""
    aio = AioTaskSession(session)
    credentials = asyncio.run(aio.aiobotocore_session.get_credentials())
    for value in (aio, credentials):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(value)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.copy(value)
    assert "planted" not in repr(aio)
    assert aio.tags == session.tags


def test_the_getters_agree_with_the_set(session: TaskSession) -> None:
    """What a library reads one by one is what the signer reads as a whole."""

    async def run() -> tuple[Any, Any]:
        credentials: Any = await AioTaskSession(session).aiobotocore_session.get_credentials()
        one_by_one = (
            await credentials.get_access_key(),
            await credentials.get_secret_key(),
            await credentials.get_token(),
            await credentials.get_account_id(),
        )
        return one_by_one, await credentials.get_frozen_credentials()

    one_by_one, frozen = asyncio.run(run())
    assert one_by_one == tuple(frozen)
    assert one_by_one[3] == "123456789012"
