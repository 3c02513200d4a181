"""
What boto3 raised, sorted in one place for the agent and the Lambda functions.

Standard library only: botocore's classes are known by their names.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "answer",
    "bad-profile",
    "bad-region",
    "no-connection",
    "no-credentials",
    "no-region",
    "no-service",
    "other",
    "parameters",
    "timeout",
    "unparsed",
    "unreadable",
]

_KINDS: Mapping[str, Kind] = {
    "ClientError": "answer",
    "ConfigNotFound": "bad-profile",
    "ConfigParseError": "bad-profile",
    "InvalidConfigError": "bad-profile",
    "ProfileNotFound": "bad-profile",
    "InvalidRegionError": "bad-region",
    "ConnectionError": "no-connection",
    "HTTPClientError": "no-connection",
    "IncompleteReadError": "no-connection",
    "CredentialRetrievalError": "no-credentials",
    "MetadataRetrievalError": "no-credentials",
    "NoCredentialsError": "no-credentials",
    "PartialCredentialsError": "no-credentials",
    "SSOError": "no-credentials",
    "NoRegionError": "no-region",
    "UnknownServiceError": "no-service",
    "ParamValidationError": "parameters",
    "ConnectTimeoutError": "timeout",
    "ReadTimeoutError": "timeout",
    "ResponseParserError": "unparsed",
}
_REQUEST_ID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def kind_of(error: Exception) -> Kind:
    """Return what happened: an `answer` of AWS, or why there is none; of its bases the most specific one decides."""
    for base in type(error).__mro__:
        if base.__module__.startswith("botocore.") and base.__name__ in _KINDS:
            return _KINDS[base.__name__]
    # What botocore's parser raises on XML of another shape or a date that is none.
    return "unreadable" if isinstance(error, KeyError | ValueError | TypeError | AttributeError) else "other"


class Answer(NamedTuple):
    """
    An error that AWS answered with; `response` of botocore's ClientError.

    Attributes:
        code: AWS's own code. Only a known one may be shown: any other is text that somebody else chose.
        status: The HTTP status.
        request_id: The request's id, or nothing where it does not look like one.
    """

    code: str
    status: Any
    request_id: str

    @classmethod
    def of(cls, error: Exception) -> "Answer":
        """Return the answer in an error of kind `answer`."""
        response: Any = vars(error)["response"]
        metadata = response.get("ResponseMetadata", {})
        request_id = str(metadata.get("RequestId", ""))
        return cls(
            str(response.get("Error", {}).get("Code", "")),
            metadata.get("HTTPStatusCode", 0),
            request_id if _REQUEST_ID.fullmatch(request_id) else "",
        )

    @property
    def family(self) -> int:
        """The first digit of the status; 0 where it is no number."""
        return self.status // 100 if isinstance(self.status, int) else 0

    @property
    def trace(self) -> str:
        """What a reader looks the request up by."""
        return f"(HTTP {self.status}{f', request {self.request_id}' if self.request_id else ''})"
