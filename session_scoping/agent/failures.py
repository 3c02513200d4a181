"""Turn whatever an attempt raised into a `Failure` that quotes nothing from the wire."""

from collections.abc import Mapping
from http import HTTPStatus

from session_scoping.agent.errors import AnswerRefusedError, Failure, Reason
from session_scoping.contract.boto_errors import Answer, Kind, kind_of

_EXPECTED = "new credentials from STS"
_TRUST = (
    "let the compute role's policy allow sts:AssumeRole and sts:TagSession on the session role, and the "
    "trust policy of that admit the compute role with exactly these tag keys"
)
_SOURCE = "the compute role's own credentials are not valid: look at the task role, profile or environment"
_SLOW_DOWN = "start fewer tasks at once or raise the account's STS quota; the next attempt comes by itself"
_WAIT = "look at the AWS Health Dashboard and the way to the STS endpoint; the next attempt comes by itself"
_ISSUER = "look at the OIDC provider in IAM, and at the issuer's key set, which STS must reach"
_CLOCK = "set this machine's clock (NTP); otherwise the compute role's own credentials are wrong"

# Only codes listed here are shown: an unknown one is text that somebody else chose.
_FIXES: dict[Reason, str] = {
    "AccessDenied": _TRUST,
    "AccessDeniedException": _TRUST,
    "ExpiredToken": _SOURCE,
    "ExpiredTokenException": _SOURCE,
    "InvalidClientTokenId": _SOURCE,
    "UnrecognizedClientException": _SOURCE,
    "MissingAuthenticationToken": _SOURCE,
    "SignatureDoesNotMatch": _CLOCK,
    "RequestExpired": _CLOCK,
    "IncompleteSignature": _CLOCK,
    "IDPCommunicationError": _ISSUER,
    "IDPRejectedClaim": _ISSUER,
    "InvalidIdentityToken": _ISSUER,
    "ResourceNotFoundException": "look at which function AGENT_CREDENTIAL_BROKER names, and in which Region",
    "InsufficientSessionLifetime": _CLOCK,
    "InvalidSubjectCredentials": _SOURCE,
    "RegionDisabledException": "enable STS for this Region in the account, or use another Region",
    "MalformedPolicyDocument": "correct the session policy",
    "PackedPolicyTooLarge": "shorten the session policy or the tag values",
    "ValidationError": "check the tag values and the role: a chained session lasts 3600 seconds",
    "Throttling": _SLOW_DOWN,
    "ThrottlingException": _SLOW_DOWN,
    "RequestLimitExceeded": _SLOW_DOWN,
    "TooManyRequestsException": _SLOW_DOWN,
    "InternalFailure": _WAIT,
    "InternalError": _WAIT,
    "ServiceUnavailable": _WAIT,
}
# What botocore tries again under names that are not STS's own: a gateway before it may use one.
# Source: botocore.retries.standard, `_THROTTLED_ERROR_CODES`, `_TRANSIENT_ERROR_CODES`.
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "TransactionInProgressException",
    }
)
_TIMEOUTS = frozenset({"RequestTimeout", "RequestTimeoutException"})

REDIRECT = Failure(
    "Redirect", "a redirect from STS", _EXPECTED, "look at what answers on the STS endpoint: STS never redirects"
)
BROKEN_OFF = Failure("NoConnection", "no connection to STS, or one that broke", _EXPECTED, _WAIT)
_BAD_ENDPOINT = Failure(
    "BadEndpoint",
    "a setting of the STS endpoint that makes no address",
    "an https address, or no setting",
    "correct or unset AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL; nothing was sent",
)

_MALFORMED = Failure(
    "Malformed",
    "an answer from STS that cannot be read",
    _EXPECTED,
    "look at what answers on the STS endpoint: a proxy or a wrong AWS_ENDPOINT_URL_STS",
)
_NO_REGION = Failure(
    "NoRegion", "no AWS Region, or a name that cannot be one", "the Region whose STS endpoint to use", "set AWS_REGION"
)
_BY_KIND: Mapping[Kind, Failure] = {
    "timeout": Failure("Timeout", "no answer from STS in time", _EXPECTED, _WAIT),
    "no-region": _NO_REGION,
    "bad-region": _NO_REGION,
    "unparsed": _MALFORMED,
    "unreadable": _MALFORMED,
    "no-credentials": Failure(
        "NoSourceCredentials",
        "no credentials of the compute role to sign AssumeRole with",
        "a task role, execution role or profile",
        "give the container a role (AgentCore execution role, ECS task role) that it can reach",
    ),
    "bad-profile": Failure(
        "BadProfile",
        "an AWS profile or configuration file that cannot be read or lacks something",
        "a profile that exists, or none",
        "unset AWS_PROFILE, or correct AWS_CONFIG_FILE",
    ),
    "no-connection": BROKEN_OFF,
    "parameters": Failure(
        "BadRequest",
        "a request botocore refused to send",
        "a request within the rules of STS",
        "report it: tags and names are checked before they get here",
    ),
}


def describe(error: Exception, *, source: str) -> Failure:
    """
    Return what went wrong, without any text the other side chose.

    Args:
        error: What the attempt raised.
        source: Who was asked, for errors nobody foresaw: `STS` or `the credential provider`.
    """
    if isinstance(error, AnswerRefusedError):
        return error.failure
    if source != "STS":
        return _unforeseen("Provider", error, source)._replace(passing=_may_pass(error))
    kind = kind_of(error)
    if kind == "answer":
        return _refusal(Answer.of(error))
    if _is_bad_endpoint(error):
        return _BAD_ENDPOINT
    return _BY_KIND.get(kind) or _unforeseen("Unexpected", error, source)


def _may_pass(error: Exception) -> bool:
    """Whether a provider's error is a broken connection, a timeout, AWS's own passing failure, or says so itself."""
    kind = kind_of(error)
    if kind == "answer":
        return _refusal(Answer.of(error)).transient
    broken = isinstance(error, ConnectionError | TimeoutError) or kind in ("timeout", "no-connection")
    return broken or getattr(error, "transient", False) is True


def _unforeseen(reason: Reason, error: Exception, source: str) -> Failure:
    return Failure(
        reason,
        f"a {type(error).__name__} from {source}",
        "new credentials",
        "look into what it does; its text is not shown because it may hold secrets",
    )


def _is_bad_endpoint(error: Exception) -> bool:
    # botocore raises a plain ValueError for an endpoint; only its text distinguishes it from an unreadable answer.
    return isinstance(error, ValueError) and str(error).startswith("Invalid endpoint")


def refusal_without_code(status: int) -> Failure | None:
    """Return what an error whose body is not AWS's own means where it may pass, as those of gateways and proxies do."""
    failure = _refusal(Answer("", status, ""))
    return failure if failure.transient else None


def _refusal(answer: Answer) -> Failure:
    known = next((reason for reason in _FIXES if reason == answer.code), None)
    got = f"{known or 'an error'} from STS{'' if known else ' that this library does not know'} {answer.trace}"
    if known:
        return Failure(known, got, _EXPECTED, _FIXES[known])
    if answer.code in _THROTTLES or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure("Throttling", got, _EXPECTED, _SLOW_DOWN)
    if answer.code in _TIMEOUTS or answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return Failure("Timeout", got, _EXPECTED, _WAIT)
    if answer.family >= 5:
        return Failure("ServerError", got, _EXPECTED, _WAIT)
    if answer.family == 3:
        return REDIRECT._replace(got=got)
    return Failure(
        "Refused", got, _EXPECTED, "look the request up in CloudTrail, and at what answers on the STS endpoint"
    )
