"""`AioTaskSession`: the session of one task for aiobotocore and aioboto3, which no other credentials can sign for."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NoReturn

from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentialResolver
from aiobotocore.session import AioSession
from botocore.credentials import CredentialProvider
from botocore.tokens import TokenProviderChain

from session_scoping.agent.aio.credentials import AioTaskCredentials, in_thread
from session_scoping.agent.errors import TaskCredentialsError
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import share_models
from session_scoping.agent.session.botocore_session import client_options, refuse_keys
from session_scoping.agent.session.credential_set import refuse_copy
from session_scoping.agent.session.refresh import CLOSED, METHOD
from session_scoping.agent.session.task_session import TaskSession
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.agent.session.identity import Identity


class AioTaskSession:
    """
    The AWS session of one task, for asyncio.

    It signs with the credentials of a TaskSession, of any source: both share each set and each refresh. Its promises
    are the TaskSession's. Waiting for new credentials never blocks the event loop; reading valid ones takes no thread.
    Tasks and event loops may share one. Whatever fails, no other credentials sign: TaskCredentialsError is raised.
    When the TaskSession is closed, this signs nothing more; its clients are closed by their `async with`.

    Args:
        session: The task's session.

    Raises:
        InvalidInputError: It is no TaskSession, such as a boto3 session or an unsafe ambient one.
    """

    def __init__(self, session: TaskSession) -> None:
        if not isinstance(session, TaskSession):
            raise InvalidInputError(
                "an async session can only be made of a task's session",
                got=f"a {type(session).__name__}",
                expected="a TaskSession",
                why="its calls would be signed by other credentials",
                fix="pass TaskSession(tags), a derived one, or TaskSession.from_token()",
            )
        credentials = session.boto3_session.get_credentials()
        self._task = session
        self._botocore = _OneTaskSession(session, AioTaskCredentials(credentials))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"AioTaskSession({self._task!r})"

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    @property
    def tags(self) -> SessionTags:
        """The task's tags."""
        return self._task.tags

    @property
    def aiobotocore_session(self) -> AioSession:
        """The aiobotocore session, for libraries that take one: `aioboto3.Session(botocore_session=...)`, s3fs."""
        return self._botocore

    def client(self, service_name: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        """
        Return an aiobotocore client of this task, to be entered with `async with`. No call is made to AWS.

        Args:
            service_name: The service, such as `dynamodb`.
            options: What AioSession.create_client takes (`region_name`, `config`, `endpoint_url`), but no keys.

        Raises:
            InvalidInputError: `aws_access_key_id` or another credential was passed.
            TaskCredentialsError: The TaskSession is closed; its reason is `Closed`.
        """
        client: AbstractAsyncContextManager[Any] = self._botocore.create_client(service_name, **options)
        return client

    async def verify(self, *, patience_seconds: float = 0.0) -> "Identity":
        """
        Prove that the session is the task's own, as TaskSession.verify does, without blocking the event loop.

        Args:
            patience_seconds: How long to go on while STS throttles or cannot be reached. Default: 0, as there.

        Raises:
            TaskCredentialsError: There are no credentials, or GetCallerIdentity got no answer that can be read.
            NotScopedError: The identity is not this role and session name, or there is no role to compare with.
        """
        return await asyncio.wrap_future(in_thread(lambda: self._task.verify(patience_seconds=patience_seconds)))


class _OneProvider(CredentialProvider):
    METHOD = METHOD
    CANONICAL_NAME = "custom-session-scoping"

    def __init__(self, credentials: AioTaskCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    async def load(self) -> AioTaskCredentials:
        return self._credentials


class _OneTaskSession(AioSession):
    """Has a credential chain of one, no bearer tokens, and refuses keys by any other way."""

    def __init__(self, task: TaskSession, credentials: AioTaskCredentials) -> None:
        super().__init__()
        self._task = task
        # Also for what signs with keys that a service gave, as S3 Express does.
        self.register("before-sign", self._refuse_when_closed)
        share_models(self)
        self.register_component("credential_provider", AioCredentialResolver([_OneProvider(credentials)]))
        self.register_component("token_provider", TokenProviderChain([]))
        set_region(self, task.boto3_session.region_name)

    def create_client(self, service_name: str, *positional: Any, **options: Any) -> Any:
        self._refuse_when_closed()
        options = client_options(service_name, positional, options, AioConfig)
        return super().create_client(service_name, *positional, **options)

    def set_credentials(self, *_: object, **__: object) -> None:
        refuse_keys()

    def _refuse_when_closed(self, **_: object) -> None:
        if self._task.closed:
            raise TaskCredentialsError(CLOSED)
