"""A botocore session whose clients sign with one provider's credentials or not at all."""

from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver
from botocore.exceptions import NoRegionError
from botocore.tokens import TokenProviderChain

from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import share_models
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.agent.session.refresh import METHOD, TaskCredentials
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


class _LockedSession(botocore.session.Session):
    """Refuses keys by any other way than the provider, and lets threads make clients at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._client_lock = ForkSafeLock()

    def create_client(self, service_name: str, *positional: Any, **options: Any) -> Any:
        # Keys come seventh and later when given by position (botocore.session.Session.create_client).
        if any(value is not None for value in positional[5:]) or any(
            value is not None for name, value in options.items() if name.startswith("aws_")
        ):
            _refuse_keys()
        if service_name.startswith("bedrock"):
            options["config"] = _signed_with_keys(options.get("config"))
        # botocore's own lazy parts are not thread-safe: two first clients at once can miss one.
        with self._client_lock:
            try:
                return super().create_client(service_name, *positional, **options)
            except NoRegionError:
                raise TaskCredentialsError(_NO_REGION, fault="a client cannot be made") from None

    def set_credentials(self, *_: object, **__: object) -> None:
        _refuse_keys()


_NO_REGION = Failure("NoRegion", "no AWS Region", "one, for the endpoint", "set AWS_REGION or pass region_name=")


def _refuse_keys() -> None:
    raise InvalidInputError(
        "a client of a task session was given credentials",
        got="aws_access_key_id or another credential argument",
        expected="none",
        why="the client would reach beyond the task",
        fix="drop the argument; for other credentials build a boto3 session of your own",
    )


def _signed_with_keys(config: Config | None) -> Config:
    # botocore prefers the ambient AWS_BEARER_TOKEN_BEDROCK unless a signature version is set in code.
    signed = Config(signature_version="v4")
    return signed if config is None else signed.merge(config)


def session_with_one_provider(credentials: TaskCredentials, region_name: str | None) -> botocore.session.Session:
    """
    Return a session with a credential chain of one and no bearer tokens.

    Args:
        credentials: The only credentials its clients sign with.
        region_name: Default Region. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
    """
    session = _LockedSession()
    share_models(session)
    session.register_component("credential_provider", CredentialResolver([OneProvider(credentials)]))
    session.register_component("token_provider", TokenProviderChain([]))
    set_region(session, region_name)
    return session
