"""What the constructs declared in the container's environment, checked before any call."""

import os
from typing import Any

from session_scoping.agent.names import RoleArn, find_role_arn
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags, parse_tag_keys


def require_role(role_arn: str | None) -> RoleArn:
    """Return the role from the argument or AGENT_SESSION_ROLE_ARN, or refuse with InvalidInputError."""
    role = find_role_arn(role_arn)
    if role is None:
        raise InvalidInputError(
            "there is no session role",
            got=f"no role_arn and no {environment.SESSION_ROLE_ARN}",
            expected="the ARN of the SessionRole, or a credential provider",
            why="the process's own credentials reach every tenant and are never used instead",
            fix=f"set {environment.SESSION_ROLE_ARN}, or for local work call unsafe_ambient_session()",
        )
    return role


def require_tags(tags: SessionTags) -> None:
    """Refuse what is no SessionTags with InvalidInputError."""
    if not isinstance(tags, SessionTags):
        raise InvalidInputError(
            "tags are not SessionTags",
            got=f"a {type(tags).__name__}",
            expected="SessionTags(user_id=..., repo=..., task_id=...)",
            why="unchecked values could name another tenant",
            fix="wrap them",
        )


def check_declared(tags: SessionTags) -> None:
    """
    Refuse tags that are not exactly the ones the role demands, when AGENT_SESSION_TAG_KEYS names them.

    Raises:
        InvalidInputError: `tags` is no SessionTags, or a tag is missing, unknown, or spelled in another case.
    """
    require_tags(tags)
    text = os.environ.get(environment.SESSION_TAG_KEYS)
    if text is None:
        return
    declared = parse_tag_keys(key.strip() for key in text.split(","))
    if set(declared) != set(tags):
        raise InvalidInputError(
            "the task's tags are not the ones the session role demands",
            got=", ".join(tags),
            expected=f"{', '.join(declared)} ({environment.SESSION_TAG_KEYS})",
            why="STS would refuse every session of this task",
            fix="pass one value for each of them",
        )


def tag_arguments(tags: SessionTags) -> dict[str, Any]:
    """
    Return AssumeRole's tag arguments: all tags, and the keys that are passed on when a tool's role is assumed.

    Raises:
        InvalidInputError: AGENT_SESSION_TRANSITIVE_TAG_KEYS names a tag the task does not have.
    """
    arguments: dict[str, Any] = {"Tags": tags.for_sts()}
    text = os.environ.get(environment.SESSION_TRANSITIVE_TAG_KEYS)
    if text is None:
        return arguments
    keys = parse_tag_keys(key.strip() for key in text.split(","))
    if unknown := [key for key in keys if key not in tags]:
        raise InvalidInputError(
            "a tag to be handed on is not one of the task's tags",
            got=", ".join(unknown),
            expected=f"some of {', '.join(tags)} ({environment.SESSION_TRANSITIVE_TAG_KEYS})",
            why="STS would refuse every session of this task",
            fix="set it to what SessionRole.environment says",
        )
    return {**arguments, "TransitiveTagKeys": list(keys)}
