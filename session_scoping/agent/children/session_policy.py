"""Session policies: what narrows a session below its role."""

import json
import os

from session_scoping.agent.children.owner_file import OwnerFile
from session_scoping.agent.names import RoleArn
from session_scoping.aws.bedrock import INVOKE_ACTIONS
from session_scoping.contract import strict_json
from session_scoping.contract.errors import InvalidInputError

POLICY_MAX = 2048
"""Characters. Source: STS API_AssumeRole, Policy; managed session policies would share them."""


def models_only(role: RoleArn) -> str:
    """
    Return the session policy of a child that needs the models and nothing else.

    A session policy grants nothing: the child reaches the models that the session role itself may call.
    """
    bedrock = f"arn:{role.partition}:bedrock:"
    return parse_session_policy(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": list(INVOKE_ACTIONS),
                        "Resource": [
                            f"{bedrock}*::foundation-model/*",
                            f"{bedrock}*:{role.account}:inference-profile/*",
                            f"{bedrock}*:{role.account}:application-inference-profile/*",
                        ],
                    }
                ],
            }
        )
    )


def read_session_policy(path: str | os.PathLike[str]) -> str:
    """
    Read a session policy from a file that only its owner may read.

    Raises:
        InvalidInputError: The file is none that `OwnerFile` reads, or holds no session policy.
    """
    file = OwnerFile(path, what="the session policy file", maker="write the policy alone", chooses="what is reached")
    return parse_session_policy(file.read())


def parse_session_policy(text: str | bytes) -> str:
    """
    Return a session policy without white space, or refuse it.

    Raises:
        InvalidInputError: It is not a JSON policy of version 2012-10-17 with a statement, names a key twice,
            or is longer than 2,048 characters.
    """
    try:
        policy = strict_json.parse(text)
    except (TypeError, ValueError):
        policy = None
    if not isinstance(policy, dict) or policy.get("Version") != "2012-10-17" or not policy.get("Statement"):
        raise InvalidInputError(
            "the session policy is not an IAM policy",
            got="text that is no JSON object with Version and Statement, or names a key twice",
            expected='{"Version": "2012-10-17", "Statement": [...]}',
            why="a policy that STS reads otherwise than its author narrows nothing",
            fix="correct the policy",
        )
    compact = json.dumps(policy, separators=(",", ":"))
    if len(compact) > POLICY_MAX:
        raise InvalidInputError(
            "the session policy is too long",
            got=f"{len(compact)} characters without white space",
            expected=f"at most {POLICY_MAX}",
            why="STS refuses it",
            fix="name fewer resources, or use wildcards within the role's own limits",
        )
    return compact
