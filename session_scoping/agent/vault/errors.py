"""Why no token came: one class, one line, nothing quoted that came over the wire."""

import re
from typing import Any, Literal

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
_REQUEST_ID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOOK = "look the request up in CloudTrail"
_FIXES: dict[str, str] = {
    "AccessDeniedException": (
        "see the table in docs/token-vault.md: another workload identity, provider or user than the policy names, or "
        "a provider's secret it may not read"
    ),
    "ResourceNotFoundException": "check the names of the workload identity, provider or secret, and the Region",
    "ThrottlingException": "ask again after a pause, and less often",
    "UnauthorizedException": "the workload access token or JWT is not valid any more: ask with a new one",
    "ValidationException": "check scopes, flow and return URL against the provider",
    "ServerError": "ask again after a pause",
    "Refused": _LOOK,
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
    from botocore import exceptions as botocore_errors
    from botocore.parsers import ResponseParserError

    from session_scoping.agent.errors import TaskCredentialsError

    if isinstance(error, botocore_errors.ClientError):
        return _refusal(error.response, what)
    if isinstance(error, TaskCredentialsError):
        fix = f"see the reason `{error.reason}` in docs/agent.md"
        got = "no credentials of the task to sign with"
        return TokenUnavailableError("TaskCredentials", what=what, got=got, fix=fix, transient=error.transient)
    kinds: tuple[tuple[Any, TokenReason, str, str], ...] = (
        (
            (botocore_errors.ConnectTimeoutError, botocore_errors.ReadTimeoutError),
            "Timeout",
            "no answer in time",
            "ask again; in a VPC, see that it has an endpoint or a way out for bedrock-agentcore",
        ),
        (botocore_errors.NoRegionError, "NoRegion", "no AWS Region", "set AWS_REGION"),
        (botocore_errors.UnknownServiceError, "OldBoto3", "a boto3 without bedrock-agentcore", "upgrade boto3"),
        (
            (botocore_errors.HTTPClientError, botocore_errors.ConnectionError),
            "NoConnection",
            "no connection, or one that broke",
            "ask again; look at the network and the endpoint settings",
        ),
        (
            (
                KeyError,
                ValueError,
                TypeError,
                AttributeError,
                ResponseParserError,
                botocore_errors.ParamValidationError,
            ),
            "Malformed",
            "a request or an answer that cannot be read",
            "look at what answers on the endpoint, and at the integration's own values",
        ),
    )
    for kind, reason, got, fix in kinds:
        if isinstance(error, kind):
            return TokenUnavailableError(reason, what=what, got=got, fix=fix)
    return TokenUnavailableError(
        "Unexpected", what=what, got=f"a {type(error).__name__}", fix="its text may hold a secret: look into the code"
    )


def _refusal(response: Any, what: str) -> TokenUnavailableError:
    code, metadata = str(response.get("Error", {}).get("Code", "")), response.get("ResponseMetadata", {})
    status, request_id = metadata.get("HTTPStatusCode", 0), str(metadata.get("RequestId", ""))
    other: TokenReason = "ServerError" if isinstance(status, int) and status >= 500 else "Refused"
    known: tuple[TokenReason, ...] = (
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ThrottlingException",
        "UnauthorizedException",
        "ValidationException",
    )
    reason = next((one for one in known if one == code), other)
    # Only codes of the list are shown: another one is text that somebody else chose.
    shown = reason if reason == code else "an error this library does not know"
    request = f", request {request_id}" if _REQUEST_ID.fullmatch(request_id) else ""
    return TokenUnavailableError(reason, what=what, got=f"{shown} (HTTP {status}{request})", fix=_FIXES[reason])
