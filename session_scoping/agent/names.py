"""The agent's side of the names: which role the argument or the environment names."""

import os

from session_scoping.contract import environment
from session_scoping.contract.names import RoleArn as RoleArn
from session_scoping.contract.names import check_session_name as check_session_name
from session_scoping.contract.names import session_name_for as session_name_for


def find_role_arn(argument: str | None) -> RoleArn | None:
    """
    Return the role from the argument, or from AGENT_SESSION_ROLE_ARN; nothing when neither is given.

    Raises:
        InvalidInputError: One is given and is not a role ARN. A blank one counts as given.
    """
    if argument is not None:
        return RoleArn.parse(argument, where="role_arn")
    if (text := os.environ.get(environment.SESSION_ROLE_ARN)) is not None:
        return RoleArn.parse(text, where=environment.SESSION_ROLE_ARN)
    return None
