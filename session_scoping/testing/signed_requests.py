"""What stands in a signed request of boto3, before it is sent."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from botocore.awsrequest import AWSPreparedRequest


def json_of(request: AWSPreparedRequest) -> dict[str, Any]:
    """Return the body of a request of the JSON protocol."""
    body: dict[str, Any] = json.loads(text_of(request) or "{}")
    return body


def region_of(request: AWSPreparedRequest) -> str:
    """Return the Region a request is signed for."""
    scope = header_of(request, "Authorization").partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 2 else "us-east-1"


def text_of(request: AWSPreparedRequest) -> str:
    """Return the body of a request as text."""
    body = request.body
    return body.decode() if isinstance(body, bytes | bytearray) else body if isinstance(body, str) else ""


def header_of(request: AWSPreparedRequest, name: str) -> str:
    """Return a header of a request; nothing for one that is not there."""
    value = request.headers.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def form_of(request: AWSPreparedRequest) -> dict[str, str]:
    """Return the parameters of a request of the query protocol."""
    return dict(parse_qsl(text_of(request), keep_blank_values=True))


def form_tags(form: Mapping[str, str]) -> dict[str, str]:
    """Return the session tags that an AssumeRole request passes."""
    keys = [name for name in form if name.startswith("Tags.member.") and name.endswith(".Key")]
    return {form[name]: form[name.removesuffix("Key") + "Value"] for name in keys}


def access_key_of(request: AWSPreparedRequest) -> str:
    """Return the access key a request is signed with; nothing for one that is not signed."""
    return header_of(request, "Authorization").partition("Credential=")[2].partition("/")[0]
