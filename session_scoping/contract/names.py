"""
The names a session is known by: its role, its role session name, its source identity.

Standard library only: the agent, the orchestrator and the credential broker compute the same names.
"""

import hashlib
import re
from typing import NamedTuple

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags

# Patterns are compiled where they are first used: importing the agent half must stay cheap.
# Source: IAM CreateRole and reference-arns. The path is not kept.
_ROLE_ARN = r"(?a)arn:(aws[a-z-]{0,20}):iam::([0-9]{12}):role/(?:[!-.0-~]{1,128}/)*([\w+=,.@-]{1,64})"
# Source: STS API_AssumeRole, RoleSessionName and SourceIdentity: the same 2 to 64 characters, without a colon.
_NAME = r"(?a)[\w+=,.@-]{2,64}"
_SESSION_ARN = r"(?a)arn:(aws[a-z-]{0,20}):sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/([\w+=,.@-]{2,64})"
_ILLEGAL = r"(?a)[^\w+,.@-]"
_DIGEST_LENGTH = 24
_DIGEST_FORM = rf".*=[0-9a-f]{{{_DIGEST_LENGTH}}}"


class RoleArn(NamedTuple):
    """A parsed role ARN. `name` has no path: STS leaves the path out of session ARNs."""

    text: str
    partition: str
    account: str
    name: str

    @classmethod
    def parse(cls, text: object, *, where: str) -> "RoleArn":
        """
        Parse a role ARN.

        Args:
            text: The ARN.
            where: The argument or environment variable it came from, for the message.

        Raises:
            InvalidInputError: It is not the ARN of an IAM role.
        """
        match = re.fullmatch(_ROLE_ARN, text) if isinstance(text, str) else None
        if match is None:
            raise InvalidInputError(
                f"{where} is not the ARN of a role",
                got=_shown(text),
                expected="arn:<partition>:iam::<12 digits>:role/<name>",
                why="there is no role to assume, and no other credentials may be used instead",
                fix="set it to the output of SessionRole.role_arn",
            )
        return cls(match[0], match[1], match[2], match[3])

    @classmethod
    def of_session(cls, arn: object, session_name: str) -> "RoleArn | None":
        """Return the role of a session's ARN, without its path, or nothing when it is another session's."""
        match = re.fullmatch(_SESSION_ARN, arn) if isinstance(arn, str) else None
        if match is None or match[4] != session_name:
            return None
        return cls(f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}", match[1], match[2], match[3])

    def session_arn(self, session_name: str) -> str:
        """Return the ARN GetCallerIdentity gives for a session of this role: the role's path is dropped."""
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}/{session_name}"


def _shown(text: object) -> str:
    if not isinstance(text, str):
        return f"a {type(text).__name__}"
    if not text.strip():
        return "a blank value"
    return repr(text[:120]) if text.startswith("arn:") else f"{len(text)} characters, not starting with `arn:`"


def session_name_for(tags: SessionTags) -> str:
    r"""
    Return the role session name of a task: the task id itself wherever STS allows it.

    An id that is too short, too long or holds other characters becomes `<start of the id>=<24 hexadecimal
    digits of its SHA-256>`, and so does an id that already looks like that: two ids never share a name.
    Tags without `task_id` give `session=<digest of all tags>`, since CloudTrail and AccessDenied messages
    show the name and another tag may be personal.

    Source:
        STS API_AssumeRole: RoleSessionName is 2 to 64 of `[\w+=,.@-]`.
    """
    task_id = tags.get("task_id")
    if task_id is None:
        pairs = sorted(tags.items())
        return f"session={_digest(repr(pairs))}"
    if re.fullmatch(_NAME, task_id) and not re.fullmatch(_DIGEST_FORM, task_id):
        return task_id
    start = re.sub(_ILLEGAL, "-", task_id)[: 64 - _DIGEST_LENGTH - 1]
    return f"{start}={_digest(task_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def check_session_name(name: str) -> str:
    """Return a role session name the caller chose, or refuse it with InvalidInputError."""
    return _checked(name, "role_session_name", fix="leave it out to have it made from the task id")


def check_source_identity(identity: str) -> str:
    r"""
    Return a source identity, or refuse it with InvalidInputError.

    Source:
        STS API_AssumeRole, SourceIdentity: 2 to 64 of `[\w+=,.@-]`. A colon is illegal, so neither
        `agent:<tenant>` nor the reserved prefix `aws:` can be written.
    """
    return _checked(identity, "source_identity", fix="use a name without colons, slashes or spaces")


def _checked(name: str, argument: str, *, fix: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise InvalidInputError(
            f"{argument} breaks the rules of STS",
            got=f"{len(name)} characters" if isinstance(name, str) else f"a {type(name).__name__}",
            expected="2 to 64 of letters, digits and _ + = , . @ -",
            why="STS would refuse every session of this task",
            fix=fix,
        )
    return name
