"""Ask STS who a session is, and compare."""

import re
from collections.abc import Callable
from random import SystemRandom
from typing import Any, NamedTuple

import botocore.session

from session_scoping.agent.errors import Failure, NotScopedError, TaskCredentialsError
from session_scoping.agent.failures import describe
from session_scoping.agent.names import RoleArn
from session_scoping.agent.session.clock import Clock
from session_scoping.agent.session.pace import ATTEMPT_GAP_SECONDS, ATTEMPTS_MAX
from session_scoping.agent.session.refresh_attempt import Round, within_deadline
from session_scoping.agent.sources.assume_role import refuse_fragment
from session_scoping.agent.sources.compute_role import STS_CONFIG

_SESSION_ARN = "arn:[^:]+:sts::[0-9]{12}:assumed-role/([^/]+)/([^/]+)"


class Identity(NamedTuple):
    """
    Who a proven session is.

    Attributes:
        arn: `arn:<partition>:sts::<account>:assumed-role/<role>/<session name>`; holds the task id.
        account: 12 digits.
    """

    arn: str
    account: str


def prove(
    session: botocore.session.Session,
    *,
    role: RoleArn | None,
    session_name: str,
    learned: Callable[[], RoleArn | None] | None = None,
    clock: Clock,
) -> Identity:
    """
    Return the session's identity, or raise NotScopedError when it is another one, TaskCredentialsError when none.

    GetCallerIdentity is asked up to five times while it fails for a passing reason, as AssumeRole is.

    Args:
        session: The task's session.
        role: The role it should be a session of.
        session_name: The name it should have.
        learned: Returns the role that the minter has named, once there are credentials. Default: none is named.
        clock: The time.
    """
    if role is None and learned is None:
        raise _no_role()
    credentials: Any = session.get_credentials()
    credentials.get_frozen_credentials()  # has a deadline of its own
    outcome = _caller_arn_patiently(session, clock)
    if isinstance(outcome, Failure):
        raise _no_answer(outcome)
    role = role or (learned() if learned else None)
    if role is None:
        raise _no_role()
    expected = role.session_arn(session_name)
    if outcome == expected:
        return Identity(expected, role.account)
    raise _not_scoped(_difference(outcome, role, session_name), f"a session of {role.text}", _FIX)


def prove_patiently(
    session: botocore.session.Session,
    *,
    role: RoleArn | None,
    session_name: str,
    patience_seconds: float,
    learned: Callable[[], RoleArn | None] | None = None,
    clock: Clock,
) -> Identity:
    """As `prove`, but wait and ask again while there are no credentials, or no answer, for a passing reason."""
    begun = clock.mark()
    while True:
        pause = ATTEMPT_GAP_SECONDS * SystemRandom().uniform(1, 1.5)
        try:
            return prove(session, role=role, session_name=session_name, learned=learned, clock=clock)
        except TaskCredentialsError as error:
            # Written so that a patience of NaN is none.
            if not error.transient or not clock.since(begun) + pause <= patience_seconds:
                raise
        clock.sleep(pause)


_FIX = "do not start the task; look at AWS_ENDPOINT_URL_STS, and at who hands out these credentials"
_EXPECTED = "an answer to GetCallerIdentity"
_NO_ARN = Failure("Malformed", "an answer that names nobody", _EXPECTED, _FIX)


def _caller_arn_patiently(session: botocore.session.Session, clock: Clock) -> str | Failure:
    current = Round(clock, ATTEMPTS_MAX)
    while True:
        outcome = _caller_arn(session, current.seconds_left)
        if isinstance(outcome, str) or not current.may_try_again(outcome):
            return outcome


def _caller_arn(session: botocore.session.Session, seconds: float) -> str | Failure:
    try:
        client: Any = session.create_client("sts", config=STS_CONFIG)
        client.meta.events.register("before-parse.sts.GetCallerIdentity", refuse_fragment)
        arn = within_deadline(lambda: client.get_caller_identity().get("Arn"), seconds)
    except TaskCredentialsError:
        raise
    except Exception as error:
        return describe(error, source="STS")
    return arn if isinstance(arn, str) else _NO_ARN


def _difference(arn: str, role: RoleArn, session_name: str) -> str:
    match = re.fullmatch(_SESSION_ARN, arn)
    if match is None:
        return "an identity that is no role session"
    if match[1] != role.name:
        return "a session of another role"
    return "another session name" if match[2] != session_name else "another account or partition"


def _no_role() -> NotScopedError:
    return _not_scoped(
        "no role to compare with",
        "the role the provider's sessions belong to",
        "pass role_arn= or set AGENT_SESSION_ROLE_ARN",
    )


def _no_answer(failure: Failure) -> TaskCredentialsError:
    fix = failure.fix if failure.transient else _FIX  # what is lasting speaks of AssumeRole, which succeeded
    return TaskCredentialsError(
        failure._replace(expected=_EXPECTED, fix=fix),
        fault="the session is not proven to be the task's own",
        why="an unproven session must not start the task",
    )


def _not_scoped(got: str, expected: str, fix: str) -> NotScopedError:
    return NotScopedError(
        f"the session is not proven to be the task's own: got {got}, expected {expected}; "
        f"its calls could reach other tenants; fix: {fix}"
    )
