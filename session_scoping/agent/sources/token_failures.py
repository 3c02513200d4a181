"""Failures of spending a task token, in the words of the table in docs/agent.md."""

from session_scoping.agent.errors import AnswerRefusedError, Failure, Reason
from session_scoping.agent.failures import describe
from session_scoping.contract.boto_errors import kind_of
from session_scoping.contract.errors import RefusalCode

_EXPECTED = "new credentials from the credential broker"
_REISSUE = "let the orchestrator issue a new token, if the task is still to run"
_SLOW_DOWN = "start fewer tasks at once, or raise the broker's concurrency; the next attempt comes by itself"
_WAIT = "look at the broker's log and at the AWS Health Dashboard; the next attempt comes by itself"

# The broker's own words, by its stable codes.
REFUSALS: dict[RefusalCode, Failure] = {
    "TokenMalformed": Failure(
        "TokenMalformed", "a task token the broker cannot read", _EXPECTED, "deploy agent and broker of one release"
    ),
    "TokenRefused": Failure(
        "TokenRefused",
        "a task token the broker does not accept",
        _EXPECTED,
        "look in the broker's log which check failed: signature, key, issuer, audience, subject or tags",
    ),
    "TokenExpired": Failure("TokenExpired", "a task token that has expired", _EXPECTED, _REISSUE),
    "TokenNotYetValid": Failure(
        "TokenNotYetValid",
        "a task token that is not valid yet",
        _EXPECTED,
        "set the orchestrator's clock (NTP); the next attempt comes by itself",
    ),
    "TokenRevoked": Failure(
        "TokenRevoked",
        "a task token that has been revoked",
        _EXPECTED,
        "end the task: the token, or one of its tags, is on the revocation list",
    ),
    "Throttled": Failure("Throttled", "a broker that AWS throttles", _EXPECTED, _SLOW_DOWN),
    "Unavailable": Failure("Unavailable", "a broker that gets no answer from AWS", _EXPECTED, _WAIT),
    "Misconfigured": Failure(
        "Misconfigured",
        "a broker that is not set up correctly",
        _EXPECTED,
        "look in the broker's log which call failed, and why",
    ),
}

BROKER_FAILED = Failure("BrokerFailed", "a broker function that crashed or timed out", _EXPECTED, _WAIT)

BROKER_MALFORMED = Failure(
    "Malformed",
    "an answer from the credential broker that cannot be read",
    _EXPECTED,
    "look at which function AGENT_CREDENTIAL_BROKER names, and at AWS_ENDPOINT_URL_LAMBDA",
)

_INVOKE_FIXES: dict[Reason, str] = {
    "AccessDenied": "let the compute role call lambda:InvokeFunction on the broker",
    "AccessDeniedException": "let the compute role call lambda:InvokeFunction on the broker",
    "BadEndpoint": "correct or unset AWS_ENDPOINT_URL_LAMBDA and AWS_ENDPOINT_URL; nothing was sent",
    "Malformed": BROKER_MALFORMED.fix,
    "TooManyRequestsException": _SLOW_DOWN,
    "ThrottlingException": _SLOW_DOWN,
    "RequestLimitExceeded": _SLOW_DOWN,
    "Throttling": _SLOW_DOWN,
}

# As a web identity, what STS says is about the token and its issuer, not about the compute role.
_WEB_IDENTITY_FIXES: dict[Reason, str] = {
    "AccessDenied": "let the trust policy admit the token's provider, audience, subject and exactly its tag keys",
    "AccessDeniedException": "let the trust policy admit the token's provider, audience, subject and its tag keys",
    "ExpiredToken": _REISSUE,
    "ExpiredTokenException": _REISSUE,
    "IDPCommunicationError": "look at the issuer's discovery document and key set; the next attempt comes by itself",
    "IDPRejectedClaim": "let the OIDC provider in IAM know the token's issuer and audience",
    "InvalidIdentityToken": "look at the issuer's key set, which STS must reach, and at the provider in IAM; the next "
    "attempt comes by itself",
    "PackedPolicyTooLarge": "shorten the tag values",
    "ValidationError": "ask for no longer a session than the role's MaxSessionDuration",
}


def of_invoke(error: Exception) -> Failure:
    """Return what went wrong on the way to the broker's function."""
    if isinstance(error, AnswerRefusedError):
        return error.failure
    if kind_of(error) == "parameters":
        return Failure(
            "BadRequest",
            "a function name botocore refused",
            "the name or ARN of the broker's function",
            "correct AGENT_CREDENTIAL_BROKER",
        )
    failure = describe(error, source="STS")
    fix = _INVOKE_FIXES.get(failure.reason, failure.fix.replace("STS", "Lambda"))
    return failure._replace(got=failure.got.replace("STS", "Lambda"), expected=_EXPECTED, fix=fix)


def of_web_identity(error: Exception) -> Failure:
    """Return what went wrong when STS was shown the token."""
    failure = describe(error, source="STS")
    return failure._replace(fix=_WEB_IDENTITY_FIXES.get(failure.reason, failure.fix))
