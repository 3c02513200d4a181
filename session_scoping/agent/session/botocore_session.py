"""A botocore session whose clients sign with one provider's credentials or not at all."""

from typing import Any, NoReturn
from weakref import WeakSet

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver
from botocore.exceptions import ConfigParseError, NoRegionError, ProfileNotFound
from botocore.tokens import TokenProviderChain

from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import share_models
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.refresh import CLOSED, METHOD, TaskCredentials
from session_scoping.contract.errors import InvalidInputError


class OneProvider(CredentialProvider):
    """A credential provider that knows one session's credentials and nothing else."""

    METHOD = METHOD
    CANONICAL_NAME = "custom-session-scoping"

    def __init__(self, credentials: TaskCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> TaskCredentials:
        """Return the credentials, which fetch themselves when they are looked at."""
        return self._credentials


class LockedSession(botocore.session.Session):
    """Refuses keys by any other way than the provider, and lets threads make clients at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._client_lock = ForkSafeLock()
        self._dependents: WeakSet[Any] = WeakSet()
        self.closed = False
        # Also for what signs with keys that a service gave, as S3 Express does: botocore keeps those five minutes.
        self.register("before-sign", self._refuse_when_closed)

    def create_client(self, service_name: str, *positional: Any, **options: Any) -> Any:
        """Return a client, unless it is given keys."""
        options = client_options(service_name, positional, options, Config)
        # botocore's own lazy parts are not thread-safe: two first clients at once can miss one.
        with self._client_lock:
            self._refuse_when_closed()
            try:
                client = super().create_client(service_name, *positional, **options)
            except NoRegionError:
                raise TaskCredentialsError(_NO_REGION, fault="a client cannot be made") from None
            self._dependents.add(client)
            return client

    def set_credentials(self, *_: object, **__: object) -> None:
        """Refuse."""
        refuse_keys()

    def close_with(self, dependent: Any) -> None:
        """Close something that was made of this session when it is closed, as its clients are."""
        with self._client_lock:
            self._refuse_when_closed()
            self._dependents.add(dependent)

    def close(self) -> None:
        """Let no client sign any more; close their connections and what else depends on this session."""
        with self._client_lock:
            self.closed = True
            dependents = list(self._dependents)
        for dependent in dependents:
            dependent.close()

    def _refuse_when_closed(self, **_: object) -> None:
        if self.closed:
            raise TaskCredentialsError(CLOSED)


_NO_REGION = Failure("NoRegion", "no AWS Region", "one, for the endpoint", "set AWS_REGION or pass region_name=")


def client_options(
    service_name: str, positional: tuple[Any, ...], options: dict[str, Any], config: type[Config]
) -> dict[str, Any]:
    """
    Return the options of a client that signs with the session's own keys, or refuse others.

    Args:
        service_name: The service.
        positional: The arguments of `create_client` after it.
        options: Its keyword arguments.
        config: The session's class of `config`.
    """
    # Keys come seventh and later when given by position (botocore.session.Session.create_client).
    if any(value is not None for value in positional[5:]) or any(
        value is not None for name, value in options.items() if name.startswith("aws_")
    ):
        refuse_keys()
    if not service_name.startswith("bedrock"):
        return options
    # botocore prefers the ambient AWS_BEARER_TOKEN_BEDROCK unless a signature version is set in code.
    given, signed = options.get("config"), config(signature_version="v4")
    return {**options, "config": signed if given is None else given if given.signature_version else given.merge(signed)}


def refuse_keys() -> NoReturn:
    """Refuse keys for a client or a session of a task."""
    raise InvalidInputError(
        "a client of a task session was given credentials",
        got="aws_access_key_id or another credential argument",
        expected="none",
        why="the client would reach beyond the task",
        fix="drop the argument; for other credentials build a boto3 session of your own",
    )


def session_with_one_provider(credentials: TaskCredentials, region_name: str | None) -> LockedSession:
    """
    Return a session with a credential chain of one and no bearer tokens.

    Args:
        credentials: The only credentials its clients sign with.
        region_name: Default Region. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
    """
    session = LockedSession()
    share_models(session)
    session.register_component("credential_provider", CredentialResolver([OneProvider(credentials)]))
    session.register_component("token_provider", TokenProviderChain([]))
    set_region(session, region_name)
    return session


def boto3_session_of(session: botocore.session.Session) -> boto3.Session:
    """Return the boto3 session of a botocore session, or raise InvalidInputError where the profile cannot be read."""
    try:
        return boto3.Session(botocore_session=session)
    except (ProfileNotFound, ConfigParseError):
        raise InvalidInputError(
            "the AWS configuration cannot be read",
            got="AWS_PROFILE or AWS_CONFIG_FILE naming something that is missing or broken",
            expected="a profile that exists, or none",
            why="Region and endpoints come from it",
            fix="unset AWS_PROFILE: a task session takes no credentials from a profile",
        ) from None
