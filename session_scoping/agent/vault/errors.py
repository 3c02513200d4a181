"""Why no token came: one class, one line, nothing quoted that came over the wire."""

from collections.abc import Mapping
from typing import Literal

from session_scoping.contract.boto_errors import Answer, Kind, kind_of
from session_scoping.contract.errors import SessionScopingError

TokenReason = Literal[
    # AgentCore or Secrets Manager refused: their own codes.
    "AccessDeniedException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "UnauthorizedException",
    "ValidationException",
    # They refused with another code, by status.
    "Refused",
    "ServerError",
    # The user's consent ended without a token.
    "ConsentFailed",
    # No answer came, or none that can be read.
    "Malformed",
    "NoConnection",
    "Timeout",
    # Nothing was asked.
    "NoRegion",
    "NoWorkloadIdentity",
    "NoUser",
    "OldBoto3",
    "TaskCredentials",
    "Unexpected",
]
"""Every value of `TokenUnavailableError.reason`. docs/token-vault.md says what happened and what to do."""

_TRANSIENT = frozenset({"NoConnection", "ServerError", "ThrottlingException", "Timeout"})
# What AgentCore and Secrets Manager refuse with. Only these codes are shown: another is text that somebody else chose.
_REFUSALS: Mapping[TokenReason, str] = {
    "AccessDeniedException": (
        "see the table in docs/token-vault.md: another workload identity, provider or user than the policy names, or "
        "a provider's secret it may not read"
    ),
    "ResourceNotFoundException": "check the names of the workload identity, provider or secret, and the Region",
    "ThrottlingException": "ask again after a pause, and less often",
    "UnauthorizedException": "the workload access token or JWT is not valid any more: ask with a new one",
    "ValidationException": "check scopes, flow and return URL against the provider",
}
_Known = tuple[TokenReason, str, str]  # reason, got, fix
_MALFORMED: _Known = (
    "Malformed",
    "a request or an answer that cannot be read",
    "look at what answers on the endpoint, and at the integration's own values",
)
_BY_KIND: Mapping[Kind, _Known] = {
    "timeout": (
        "Timeout",
        "no answer in time",
        "ask again; in a VPC, see that it has an endpoint or a way out for bedrock-agentcore",
    ),
    "no-region": ("NoRegion", "no AWS Region", "set AWS_REGION"),
    "no-service": ("OldBoto3", "a boto3 without bedrock-agentcore", "upgrade boto3"),
    "no-connection": (
        "NoConnection",
        "no connection, or one that broke",
        "ask again; look at the network and the endpoint settings",
    ),
    "bad-region": _MALFORMED,
    "parameters": _MALFORMED,
    "unparsed": _MALFORMED,
    "unreadable": _MALFORMED,
}


class TokenUnavailableError(SessionScopingError):
    """
    There is no token for this integration, and none was taken from elsewhere.

    Attributes:
        reason: One word to branch on: one of `TokenReason`.
        transient: Whether the same call may succeed later with nothing changed.
    """

    def __init__(self, reason: TokenReason, *, what: str, got: str, fix: str, transient: bool | None = None) -> None:
        super().__init__(f"{what}: got {got}, expected a token; the integration cannot be used; fix: {fix}")
        self.reason = reason
        self.transient = reason in _TRANSIENT if transient is None else transient


def describe(error: Exception, what: str) -> TokenUnavailableError:
    """
    Return the error for whatever a call raised.

    Args:
        error: What boto3 raised.
        what: What was asked for. No value of it.
    """
    from session_scoping.agent.errors import TaskCredentialsError  # here: it loads botocore's errors

    if isinstance(error, TaskCredentialsError):
        fix = f"see the reason `{error.reason}` in docs/agent.md"
        got = "no credentials of the task to sign with"
        return TokenUnavailableError("TaskCredentials", what=what, got=got, fix=fix, transient=error.transient)
    if (kind := kind_of(error)) == "answer":
        return _refusal(Answer.of(error), what)
    name = type(error).__name__
    unforeseen: _Known = ("Unexpected", f"a {name}", "its text may hold a secret: look into the code")
    reason, got, fix = _BY_KIND.get(kind, unforeseen)
    return TokenUnavailableError(reason, what=what, got=got, fix=fix)


def _refusal(answer: Answer, what: str) -> TokenUnavailableError:
    for reason, fix in _REFUSALS.items():
        if reason == answer.code:
            return TokenUnavailableError(reason, what=what, got=f"{reason} {answer.trace}", fix=fix)
    got = f"an error this library does not know {answer.trace}"
    if answer.family >= 5:
        return TokenUnavailableError("ServerError", what=what, got=got, fix="ask again after a pause")
    return TokenUnavailableError("Refused", what=what, got=got, fix="look the request up in CloudTrail")
