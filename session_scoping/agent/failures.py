"""Turn whatever an attempt raised into a `Failure` that quotes nothing from the wire."""

import re
from typing import Any

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from session_scoping.agent.errors import AnswerRefusedError, Failure, Reason

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
REDIRECT = Failure(
    "Redirect", "a redirect from STS", _EXPECTED, "look at what answers on the STS endpoint: STS never redirects"
)
_REQUEST_ID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_BAD_ENDPOINT = Failure(
    "BadEndpoint",
    "a setting of the STS endpoint that makes no address",
    "an https address, or no setting",
    "correct or unset AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL; nothing was sent",
)

_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Failure], ...] = (
    (
        (botocore_errors.ConnectTimeoutError, botocore_errors.ReadTimeoutError),
        Failure("Timeout", "no answer from STS in time", _EXPECTED, _WAIT),
    ),
    (
        # Before the ValueError below, which the second one is.
        (botocore_errors.NoRegionError, botocore_errors.InvalidRegionError),
        Failure(
            "NoRegion",
            "no AWS Region, or a name that cannot be one",
            "the Region whose STS endpoint to use",
            "set AWS_REGION",
        ),
    ),
    (
        # The plain ones are what botocore's parser raises on XML of another shape or a date that is none.
        (ResponseParserError, KeyError, ValueError, TypeError, AttributeError),
        Failure(
            "Malformed",
            "an answer from STS that cannot be read",
            _EXPECTED,
            "look at what answers on the STS endpoint: a proxy or a wrong AWS_ENDPOINT_URL_STS",
        ),
    ),
    (
        (
            botocore_errors.NoCredentialsError,
            botocore_errors.PartialCredentialsError,
            botocore_errors.CredentialRetrievalError,
            botocore_errors.MetadataRetrievalError,
            botocore_errors.SSOError,
        ),
        Failure(
            "NoSourceCredentials",
            "no credentials of the compute role to sign AssumeRole with",
            "a task role, execution role or profile",
            "give the container a role (AgentCore execution role, ECS task role) that it can reach",
        ),
    ),
    (
        (
            botocore_errors.ProfileNotFound,
            botocore_errors.ConfigNotFound,
            botocore_errors.ConfigParseError,
            botocore_errors.InvalidConfigError,
        ),
        Failure(
            "BadProfile",
            "an AWS profile or configuration file that cannot be read or lacks something",
            "a profile that exists, or none",
            "unset AWS_PROFILE, or correct AWS_CONFIG_FILE",
        ),
    ),
    (
        (botocore_errors.HTTPClientError, botocore_errors.ConnectionError),
        Failure("NoConnection", "no connection to STS, or one that broke", _EXPECTED, _WAIT),
    ),
    (
        (botocore_errors.ParamValidationError,),
        Failure(
            "BadRequest",
            "a request botocore refused to send",
            "a request within the rules of STS",
            "report it: tags and names are checked before they get here",
        ),
    ),
)


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
        return _unforeseen("Provider", error, source)
    if isinstance(error, botocore_errors.ClientError):
        return _refusal(error.response)
    if _is_bad_endpoint(error):
        return _BAD_ENDPOINT
    for kinds, failure in _BY_TYPE:
        if isinstance(error, kinds):
            return failure
    return _unforeseen("Unexpected", error, source)


def _unforeseen(reason: Reason, error: Exception, source: str) -> Failure:
    return Failure(
        reason,
        f"a {type(error).__name__} from {source}",
        "new credentials",
        "look into what it does; its text is not shown because it may hold secrets",
    )


def _is_bad_endpoint(error: Exception) -> bool:
    # botocore raises a plain ValueError for an endpoint; only its text tells it from an answer that is none.
    return isinstance(error, ValueError) and str(error).startswith("Invalid endpoint")


def _refusal(response: Any) -> Failure:
    code = str(response.get("Error", {}).get("Code", ""))
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    known = next((reason for reason in _FIXES if reason == code), None)
    shown = f"{known} from STS" if known else "an error from STS that this library does not know"
    request_id = str(metadata.get("RequestId", ""))
    request = f", request {request_id}" if re.fullmatch(_REQUEST_ID, request_id) else ""
    got = f"{shown} (HTTP {status}{request})"
    if known:
        return Failure(known, got, _EXPECTED, _FIXES[known])
    if isinstance(status, int) and status >= 500:
        return Failure("ServerError", got, _EXPECTED, _WAIT)
    if isinstance(status, int) and 300 <= status < 400:
        return Failure(REDIRECT.reason, got, _EXPECTED, REDIRECT.fix)
    return Failure(
        "Refused", got, _EXPECTED, "look the request up in CloudTrail, and at what answers on the STS endpoint"
    )
