"""`client()` and `resource()` of a session, with the types that boto3's stubs give them where those are installed."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3


class Clients:
    """
    Makes clients and resources as `boto3.Session` does, for the length of a `with` block if it is used in one.

    To a type checker `client` and `resource` are boto3's own methods, overload by overload: with `boto3-stubs` a
    service's name decides the client's type; without, it is `Any`.

    Args:
        session: The boto3 session that makes them.

    Attributes:
        kept: Whether a TaskSessions keeps it: then it outlives the `with` block, for other requests may use it.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._boto3 = session
        self.kept = False
        if TYPE_CHECKING:
            self.client = session.client
            self.resource = session.resource

    @property
    def boto3_session(self) -> boto3.Session:
        """The boto3 session, for libraries that take one."""
        return self._boto3

    def close(self) -> None:
        """Do nothing, where there is no task that could end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.kept:
            self.close()

    if not TYPE_CHECKING:

        def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
            """
            Return a boto3 client. No call is made.

            Args:
                service_name: The service, such as `dynamodb`.
                arguments: As boto3.Session.client takes them.
                options: The same by name: `region_name`, `config`, `endpoint_url`. A task's session takes no keys.

            Raises:
                InvalidInputError: `aws_access_key_id` or another credential was passed to a task's session.
                TaskCredentialsError: There is no Region, or the session is closed: `NoRegion`, `Closed`.
            """
            return self._boto3.client(service_name, *arguments, **options)

        def resource(self, service_name: str, *arguments: Any, **options: Any) -> Any:
            """Return a boto3 resource, as `client` does for clients."""
            return self._boto3.resource(service_name, *arguments, **options)
