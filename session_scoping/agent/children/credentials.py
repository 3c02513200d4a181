"""Credentials for a child process: the task's own, narrowed by a session policy."""

from functools import partial

import botocore.session

from session_scoping.agent.children.session_policy import models_only, parse_session_policy
from session_scoping.agent.environment import check_declared, require_role
from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.names import session_name_for
from session_scoping.agent.session.clock import Clock
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.session.pace import ATTEMPTS_MAX
from session_scoping.agent.session.refresh_attempt import Round, attempt, within_deadline
from session_scoping.agent.sources.assume_role import DURATION_SECONDS, AssumeRole
from session_scoping.contract.tags import SessionTags


def child_credentials(
    tags: SessionTags,
    *,
    role_arn: str | None = None,
    session_policy: str | None = None,
    region_name: str | None = None,
) -> CredentialSet:
    """
    Assume the session role, narrowed to what a child needs; a failure that may pass is tried again.

    Args:
        tags: The task's tags.
        role_arn: The session role. Default: AGENT_SESSION_ROLE_ARN.
        session_policy: JSON, up to 2,048 characters. It can only take away. Default: the models only.
        region_name: Region of the STS endpoint. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.

    Raises:
        InvalidInputError: The role, the tags or the policy are not acceptable; nothing was sent.
        TaskCredentialsError: STS gave no usable credentials.
    """
    check_declared(tags)
    role = require_role(role_arn)
    policy = models_only(role) if session_policy is None else parse_session_policy(session_policy)

    def fetch() -> CredentialSet:
        return AssumeRole(
            role=role,
            tags=tags,
            session_name=session_name_for(tags),
            region_name=region_name,
            policy=policy,
            compute=_compute_without_processes(),  # here: a profile that cannot be read is a failed attempt
        )()

    current = Round(clock := Clock(), ATTEMPTS_MAX)
    while True:
        ask = partial(within_deadline, fetch, current.seconds_left)
        outcome = attempt(ask, source="STS", longest=DURATION_SECONDS, clock=clock)
        if not isinstance(outcome, Failure):
            return outcome.credentials
        if not current.may_try_again(outcome):
            raise TaskCredentialsError(outcome)


def _compute_without_processes() -> botocore.session.Session:
    """Leave `credential_process` out of the compute role's chain: the child's profile names this command."""
    session = botocore.session.Session()
    session.get_component("credential_provider").remove("custom-process")
    return session
