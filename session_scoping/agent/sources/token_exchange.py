"""From a task token to a way to credentials: the credential broker, or STS itself."""

import os
from collections.abc import Callable
from datetime import datetime

from session_scoping.agent.environment import check_declared, require_role
from session_scoping.agent.errors import AnswerRefusedError, Failure, TaskCredentialsError
from session_scoping.agent.names import find_role_arn
from session_scoping.agent.session.refresh_attempt import within_deadline
from session_scoping.agent.session.task_role import TaskRole
from session_scoping.agent.sources.assume_role import DURATION_SECONDS
from session_scoping.agent.sources.credential_broker import BrokeredRole
from session_scoping.agent.sources.token_source import Token, TokenSource
from session_scoping.agent.sources.web_identity import WebIdentityRole, check_duration
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import TaskToken


def task_role_of_token(
    token: Token | None,
    *,
    broker: str | None,
    role_arn: str | None,
    duration_seconds: int,
    region_name: str | None,
    now: Callable[[], datetime],
) -> TaskRole:
    """Return the way to credentials a token opens; `TaskSession.from_token` says what the arguments mean."""
    check_duration(duration_seconds)
    function = os.environ.get(environment.CREDENTIAL_BROKER) if broker is None else broker
    role = find_role_arn(role_arn) if function is not None else require_role(role_arn)
    tokens = TokenSource(_found(token))
    task = _first(tokens)
    check_declared(task.tags)
    if function is not None:
        brokered = BrokeredRole(
            function=function, tokens=tokens, role=role, session_name=task.session_name, region_name=region_name
        )
        return TaskRole(
            tags=task.tags,
            role=role,
            session_name=task.session_name,
            fetch=brokered,
            source="the credential broker",
            longest=DURATION_SECONDS,
            learned=lambda: brokered.role,
            after_success=brokered.learn_signer,
        )
    identified = WebIdentityRole(
        role=require_role(role_arn),
        tokens=tokens,
        session_name=task.session_name,
        duration_seconds=duration_seconds,
        region_name=region_name,
        now=now,
    )
    return TaskRole(task.tags, role, task.session_name, identified, "STS", duration_seconds)


def _found(token: Token | None) -> Token:
    found = os.environ.get(environment.TASK_TOKEN_FILE) if token is None else token
    if not (callable(found) or isinstance(found, (str, os.PathLike))) or not found:
        raise InvalidInputError(
            "there is no task token",
            got=f"no token and no {environment.TASK_TOKEN_FILE}" if found is None else f"a {type(found).__name__}",
            expected="the path of the token's file, or a function that returns the token",
            why="the process's own credentials reach every tenant and are never used instead",
            fix=f"set {environment.TASK_TOKEN_FILE}",
        )
    if isinstance(found, str) and found.count(".") == 2 and found.startswith("eyJ"):
        raise InvalidInputError(
            "token is the token itself",
            got="a text that looks like a JWT",
            expected="the path of its file, or a function that returns it",
            why="a renewed token would never be seen, and a path may be logged",
            fix="pass a function that returns the token",
        )
    return found


def _first(tokens: TokenSource) -> TaskToken:
    failure: Failure
    try:
        return within_deadline(lambda: tokens.read()[1])
    except AnswerRefusedError as error:
        failure = error.failure
    raise TaskCredentialsError(failure, fault="the task token cannot be used")
