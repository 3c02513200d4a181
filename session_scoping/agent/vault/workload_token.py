"""The workload access token: handed over by AgentCore Runtime, or fetched with boto3 everywhere else."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from session_scoping.agent.vault.errors import TokenUnavailableError
from session_scoping.agent.vault.results import Hidden
from session_scoping.contract import environment

HEADER = "WorkloadAccessToken"
"""The header AgentCore Runtime adds to each invocation. Source: AgentCore devguide, get-workload-access-token."""

_HANDED: ContextVar[Hidden | None] = ContextVar("session_scoping_workload_token", default=None)


class Clients(Protocol):
    """What makes boto3 clients: a TaskSession, or a boto3.Session."""

    @property
    def client(self) -> Callable[..., Any]:
        """What makes a boto3 client of a service."""


@contextmanager
def workload_token_from(headers: Mapping[str, str]) -> Iterator[None]:
    """
    Use the token of this invocation inside the block.

    A thread started inside does not see it: start it with `contextvars.copy_context().run`, or pass the token to
    `resolve_token`. There is no environment variable for it: child processes would inherit it.

    Args:
        headers: The request's headers, in any letter case. Without the header, a token is fetched.
    """
    found = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), None)
    mark = _HANDED.set(Hidden(found) if found else None)
    try:
        yield
    finally:
        _HANDED.reset(mark)


def handed_over() -> Hidden | None:
    """Return the token of this invocation, where there is one."""
    return _HANDED.get()


def fetch(client: Any, *, workload: str | None, user: str | None, jwt: Hidden | None, for_user: bool) -> Hidden:
    """
    Fetch a token with the session's own credentials: for a JWT, for a user id, or for the agent itself.

    Raises:
        TokenUnavailableError: No workload identity is named, or a flow for users has no user.
    """
    what = "the workload access token could not be asked for"
    name = workload or os.environ.get(environment.WORKLOAD_IDENTITY) or ""
    if not name.strip():
        fix = f"set {environment.WORKLOAD_IDENTITY}, or hand over the header {HEADER}"
        raise TokenUnavailableError("NoWorkloadIdentity", what=what, got="no workload identity's name", fix=fix)
    if not for_user:
        answer = client.get_workload_access_token(workloadName=name)
    elif jwt:
        answer = client.get_workload_access_token_for_jwt(workloadName=name, userToken=jwt.reveal())
    elif user:
        answer = client.get_workload_access_token_for_user_id(workloadName=name, userId=user)
    else:
        fix = "pass jwt or user, or use a TaskSession with the tag user_id"
        raise TokenUnavailableError("NoUser", what=what, got="a flow for users and no user", fix=fix)
    return Hidden(str(answer["workloadAccessToken"]))
