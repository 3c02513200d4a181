"""Spend a task token at STS itself: AssumeRoleWithWebIdentity, signed by nobody."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleWithWebIdentityCredentialFetcher, CredentialResolver

from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.agent.names import RoleArn
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import share_models
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.sources.assume_role import check_answer, refuse_fragment
from session_scoping.agent.sources.compute_role import STS_CONFIG
from session_scoping.agent.sources.token_failures import of_web_identity
from session_scoping.agent.sources.token_source import TokenSource
from session_scoping.contract.errors import InvalidInputError

WEB_IDENTITY_LONGEST = 43_200
"""Seconds. Not chained, so the role's MaxSessionDuration is the limit. Source: STS API_AssumeRoleWithWebIdentity."""

WEB_IDENTITY_SHORTEST = 900
"""Seconds. Source: the same. So credentials may outlive their token by as much."""

_CALL = "sts.AssumeRoleWithWebIdentity"


def check_duration(seconds: int) -> int:
    """Return the length of a web identity session, or refuse it with InvalidInputError."""
    if type(seconds) is not int or not WEB_IDENTITY_SHORTEST <= seconds <= WEB_IDENTITY_LONGEST:
        raise InvalidInputError(
            "duration_seconds is out of range",
            got=f"{seconds}" if type(seconds) is int else f"a {type(seconds).__name__}",
            expected=f"{WEB_IDENTITY_SHORTEST} to {WEB_IDENTITY_LONGEST}, and within the role's MaxSessionDuration",
            why="STS would refuse every session of this task",
            fix="leave it out for one hour",
        )
    return seconds


class WebIdentityRole:
    """
    Assume the session role with the task's token, once per call. Tags and source identity come from the token.

    **Not protected:** the role session name is the caller's to choose; only the source identity is signed.

    Args:
        role: The session role.
        tokens: Where the token comes from.
        session_name: The role session name.
        duration_seconds: How long a session lasts, while the token does.
        region_name: Region of the STS endpoint. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
        now: Returns the time of day.
    """

    def __init__(
        self,
        *,
        role: RoleArn,
        tokens: TokenSource,
        session_name: str,
        duration_seconds: int,
        region_name: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._role = role
        self._tokens = tokens
        self._session_name = session_name
        self._expected_arn = role.session_arn(session_name)
        self._duration = check_duration(duration_seconds)
        self._now = now
        self._unsigned = botocore.session.Session()
        # Nothing here may sign, so there is nothing to look up either.
        self._unsigned.register_component("credential_provider", CredentialResolver([]))
        share_models(self._unsigned)
        set_region(self._unsigned, region_name)

    def __call__(self) -> CredentialSet:
        """Return new credentials, or raise AnswerRefusedError."""
        token, claims = self._tokens.read()
        left = claims.expires_at - self._now().timestamp()
        if left <= 0:
            raise AnswerRefusedError(_EXPIRED)
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
            self._sts_client,
            lambda: token,
            self._role.text,
            extra_args={
                "RoleSessionName": self._session_name,
                "DurationSeconds": max(WEB_IDENTITY_SHORTEST, min(self._duration, int(left))),
            },
        )
        failure: Failure
        try:
            answer = fetcher.fetch_credentials()
            return CredentialSet(
                access_key_id=answer["access_key"],
                secret_access_key=answer["secret_key"],
                session_token=answer["token"],
                expiration=datetime.fromisoformat(answer["expiry_time"]),
            )
        except Exception as error:
            failure = of_web_identity(error)
        raise AnswerRefusedError(failure)

    def _sts_client(self, service_name: str, *, config: Config) -> Any:
        client: Any = self._unsigned.create_client(service_name, config=STS_CONFIG.merge(config))
        client.meta.events.register(f"before-parse.{_CALL}", refuse_fragment)
        client.meta.events.register(f"after-call.{_CALL}", self._check_answer)
        return client

    def _check_answer(self, http_response: Any, parsed: dict[str, Any], **_: object) -> None:
        check_answer(http_response, parsed, expected_arn=self._expected_arn)


_EXPIRED = Failure(
    "TokenExpired",
    "a task token that has expired by this machine's clock",
    "one that lasts until the task ends",
    "let the orchestrator issue a new token, if the task is still to run; nothing was sent",
)
