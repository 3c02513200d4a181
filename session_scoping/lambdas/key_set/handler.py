"""
The custom resource's function: writes the discovery document and the key set into the issuer's bucket.

INVARIANT: what it publishes, and where, comes from its own environment. The resource's properties only make
CloudFormation call it again when they change: a principal that may invoke the function chooses nothing with them.

It always answers CloudFormation, which would otherwise wait for an hour.
"""

import json
import logging
import os
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

from session_scoping.contract import environment
from session_scoping.contract.arns import field_of
from session_scoping.contract.jws import key_id_of
from session_scoping.lambdas.key_set.jwk import jwk_of

# Source: OpenID Connect Discovery 1.0 section 4; the path of the key set is ours.
DISCOVERY, KEY_SET = ".well-known/openid-configuration", ".well-known/jwks.json"

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
_log = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: Any) -> None:
    """
    Publish the keys, or take them down when the resource is deleted.

    Args:
        event: CloudFormation's request. Its `ResourceProperties` are not read.
        context: Lambda's context.
    """
    status, reason = "SUCCESS", ""
    try:
        bucket = os.environ[environment.KEY_SET_BUCKET]
        s3 = boto3.client("s3", config=_CONFIG)
        if event["RequestType"] == "Delete":
            for name in (DISCOVERY, KEY_SET):
                s3.delete_object(Bucket=bucket, Key=name)
        else:
            keys = [_jwk(arn) for arn in os.environ[environment.KEY_SET_KEYS].split(",")]
            for name, document in documents(os.environ[environment.KEY_SET_ISSUER], keys).items():
                s3.put_object(
                    Bucket=bucket,
                    Key=name,
                    Body=json.dumps(document).encode(),
                    ContentType="application/json",
                    CacheControl="max-age=300",
                )
    except Exception as error:
        _log.exception("the key set was not written")
        status, reason = "FAILED", f"{type(error).__name__}; see log stream {context.log_stream_name}"
    _answer(event, status, reason)


def documents(issuer: str, keys: list[dict[str, str]]) -> dict[str, Any]:
    """
    Return the issuer's documents by their path.

    Source:
        IAM User Guide, id_roles_providers_create_oidc, "Prerequisites": the fields IAM demands.
    """
    discovery = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/{KEY_SET}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"],
    }
    return {DISCOVERY: discovery, KEY_SET: {"keys": keys}}


def _jwk(key_arn: str) -> dict[str, str]:
    kms = boto3.client("kms", region_name=field_of(key_arn, "region"), config=_CONFIG)
    return jwk_of(kms.get_public_key(KeyId=key_arn)["PublicKey"], key_id=key_id_of(key_arn))


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    """
    Tell CloudFormation how it went.

    Source:
        CloudFormation User Guide, crpg-ref-responses. The physical id never changes, so that an update is no
        replacement, whose clean-up would take the documents down.
    """
    body = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": f"key-set-of-{os.environ.get(environment.KEY_SET_BUCKET)}",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = Request(event["ResponseURL"], data=json.dumps(body).encode(), method="PUT")  # noqa: S310 - AWS's own URL
    request.add_header("Content-Type", "")
    with urlopen(request, timeout=10):  # noqa: S310
        pass
