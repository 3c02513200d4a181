"""Spend a task token at the credential broker: a Lambda function, invoked by the compute role."""

import json
import re
from typing import Any

from botocore.config import Config

from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.agent.names import RoleArn
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.sources.compute_role import ComputeRole
from session_scoping.agent.sources.token_failures import BROKER_FAILED, BROKER_MALFORMED, REFUSALS, of_invoke
from session_scoping.agent.sources.token_source import TokenSource
from session_scoping.contract import strict_json
from session_scoping.contract.errors import FUNCTION_TIMEOUT_SECONDS, InvalidInputError

# Source: Lambda API_Invoke, FunctionName; an ARN says its Region.
_FUNCTION = (
    r"(?:arn:aws[a-z-]{0,20}:lambda:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:function:)?"
    r"[A-Za-z0-9_-]{1,64}(?::[A-Za-z0-9$_-]{1,128})?"
)
_ANSWER_MAX = 65_536
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=FUNCTION_TIMEOUT_SECONDS + 1,
    # As for STS: the refresh spaces attempts, and a retry here would multiply them.
    retries={"total_max_attempts": 1, "mode": "standard"},
)


class BrokeredRole:
    """
    Exchange the task's token for credentials, once per call.

    Args:
        function: Name or ARN of the broker's function.
        tokens: Where the token comes from.
        role: The session role, to compare answers with. Without one, the first answer's role stays the task's.
        session_name: The role session name of the task.
        region_name: Region of the function. Default: the ARN's, then AWS_DEFAULT_REGION, AWS_REGION, the profile's.

    Attributes:
        role: The session role, once it is known.

    Raises:
        InvalidInputError: `function` cannot be the name of a function.
    """

    def __init__(
        self, *, function: str, tokens: TokenSource, role: RoleArn | None, session_name: str, region_name: str | None
    ) -> None:
        match = re.fullmatch(_FUNCTION, function) if isinstance(function, str) else None
        if match is None:
            raise InvalidInputError(
                "the credential broker is not named",
                got=f"{len(function)} characters" if isinstance(function, str) else f"a {type(function).__name__}",
                expected="the name or ARN of its Lambda function",
                why="there is nobody to spend the token at, and no other credentials may be used instead",
                fix="set AGENT_CREDENTIAL_BROKER to the output of CredentialBroker.function_arn",
            )
        self._function = function
        self._tokens = tokens
        self.role = role
        self._session_name = session_name
        self._compute = ComputeRole(_CONFIG, match["region"] or region_name)

    def learn_signer(self) -> None:
        """After a success, in the background: learn whose keys signed, where others may replace them."""
        self._compute.learn_signer()

    def __call__(self) -> CredentialSet:
        """Return new credentials, or raise AnswerRefusedError."""
        token, _ = self._tokens.read()
        failure: Failure
        try:
            return self._checked(self._ask(token))
        except Exception as error:
            failure = self._compute.renew(error) or of_invoke(error)
        raise AnswerRefusedError(failure)

    def _ask(self, token: str) -> dict[str, Any]:
        client = self._compute.client("lambda", self._compute.signer(), _CONFIG)
        answer = client.invoke(
            FunctionName=self._function,
            InvocationType="RequestResponse",
            Payload=json.dumps({"token": token}).encode(),
        )
        self._compute.worked()
        if answer.get("FunctionError") is not None:
            raise AnswerRefusedError(BROKER_FAILED)
        content = answer["Payload"].read(_ANSWER_MAX + 1)
        try:
            parsed = strict_json.parse(content) if len(content) <= _ANSWER_MAX else None
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise AnswerRefusedError(BROKER_MALFORMED)
        return parsed

    def _checked(self, answer: dict[str, Any]) -> CredentialSet:
        refusal = answer.get("error")
        if refusal is not None:
            code = refusal.get("code") if isinstance(refusal, dict) else None
            known = next((failure for name, failure in REFUSALS.items() if name == code), BROKER_MALFORMED)
            raise AnswerRefusedError(known)
        user = answer.get("AssumedRoleUser")
        role = RoleArn.of_session(user.get("Arn") if isinstance(user, dict) else None, self._session_name)
        # A role's path is not in a session's ARN.
        if role is None or (self.role is not None and role[1:] != self.role[1:]):
            raise AnswerRefusedError(
                Failure(
                    "WrongRole",
                    "credentials of another role or session, or of none",
                    "a new session of the task's",
                    "look at which function AGENT_CREDENTIAL_BROKER names",
                )
            )
        credentials = CredentialSet.from_answer(answer.get("Credentials"))
        self.role = self.role or role
        return credentials
