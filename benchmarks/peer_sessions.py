"""The session that each package makes of the same role and tags, and the time they share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.credentials
import botocore.session

from tests.support.stand_in_sts import ROLE_ARN

NAME = "T1"
TAGS = {"user_id": "u-7", "repo": "org/repo", "task_id": NAME}
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Time:
    """The time of day that the package and STS share; it stands still until it is moved."""

    now = BEGIN

    @classmethod
    def read(cls) -> datetime:
        return cls.now


def _arguments() -> dict[str, Any]:
    return {"RoleSessionName": NAME, "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}


def botocore_fetcher() -> boto3.Session:
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )

    source, session = botocore.session.Session(), botocore.session.Session()
    fetcher = AssumeRoleCredentialFetcher(
        source.create_client, source.get_credentials(), ROLE_ARN, extra_args=_arguments()
    )

    class Provider(botocore.credentials.CredentialProvider):
        METHOD = "assume-role"

        def load(self) -> Any:
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    session.register_component("credential_provider", CredentialResolver([Provider()]))
    return boto3.Session(botocore_session=session)


def aws_assume_role_lib() -> boto3.Session:
    from aws_assume_role_lib import assume_role

    return assume_role(boto3.Session(), ROLE_ARN, **_arguments())  # type: ignore[no-any-return]


def boto_session_manager() -> boto3.Session:
    from boto_session_manager.api import BotoSesManager

    assumed = BotoSesManager().assume_role(ROLE_ARN, NAME, tags=_arguments()["Tags"], auto_refresh=True)
    return assumed.boto_ses  # type: ignore[no-any-return]


def boto3_refresh_session() -> boto3.Session:
    from boto3_refresh_session import RefreshableSession

    return RefreshableSession(assume_role_kwargs={"RoleArn": ROLE_ARN, **_arguments()})  # type: ignore[no-any-return]


def session_scoping() -> boto3.Session:
    from session_scoping import SessionTags
    from session_scoping.agent import TaskSession

    return TaskSession(SessionTags(**TAGS), role_arn=ROLE_ARN, clock=Time.read).boto3_session


SIDES: dict[str, Callable[[], boto3.Session]] = {
    "botocore": botocore_fetcher,
    "aws-assume-role-lib": aws_assume_role_lib,
    "boto-session-manager": boto_session_manager,
    "boto3-refresh-session": boto3_refresh_session,
    "session-scoping": session_scoping,
}
