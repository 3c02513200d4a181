"""
The environment of a child process: its parent's, without the variables by which AWS SDKs find credentials.

Of the variables that SDKs own only those stay that say nothing about credentials, so that the one a future SDK reads is
removed too. HOME stays.

Sources:
    botocore 1.44 `credentials.py`, `tokens.py`, `configprovider.py`; AWS SDK for JavaScript 3.1164
    `credential-provider-node`, `token-providers`; AWS SDK for Ruby `CredentialProviderChain` (`AMAZON_*`); AWS SDK for
    Java, migration of credential providers (`AWS_CREDENTIAL_PROFILES_FILE`); AWS SDKs and Tools Reference Guide.
"""

import os
from collections.abc import Mapping

from session_scoping.contract import environment

_SDK_PREFIXES = ("AWS_", "AMAZON_")
_KEPT_PREFIXES = ("AWS_ENDPOINT_URL", "AWS_XRAY_")
_KEPT = frozenset(
    {
        "AWS_ACCOUNT_ID_ENDPOINT_MODE",
        "AWS_CA_BUNDLE",
        "AWS_CLI_AUTO_PROMPT",
        "AWS_CLI_FILE_ENCODING",
        "AWS_DATA_PATH",
        "AWS_DEFAULTS_MODE",
        "AWS_DEFAULT_OUTPUT",
        "AWS_DEFAULT_REGION",
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "AWS_DISABLE_REQUEST_COMPRESSION",
        "AWS_ENABLE_ENDPOINT_DISCOVERY",
        "AWS_ENDPOINT_DISCOVERY_ENABLED",
        "AWS_EXECUTION_ENV",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_MAX_ATTEMPTS",
        "AWS_NODEJS_CONNECTION_REUSE_ENABLED",
        "AWS_PAGER",
        "AWS_REGION",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
        "AWS_RETRY_MODE",
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
        "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
        "AWS_S3_USE_ARN_REGION",
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
        "AWS_SDK_UA_APP_ID",
        "AWS_SIGV4A_SIGNING_REGION_SET",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    }
)
_OTHERS = frozenset(
    {
        "BOTO_PATH",  # where boto 2 looks for its configuration
        # Ours: a child that builds a session from them leaves the narrowing behind, and a task token needs no signer.
        environment.SESSION_ROLE_ARN,
        environment.SESSION_TAG_KEYS,
        environment.SESSION_TRANSITIVE_TAG_KEYS,
        environment.SESSION_BROKER_ROLE_ARN,
        environment.CREDENTIAL_BROKER,
        environment.TASK_TOKEN_FILE,
        environment.WORKLOAD_IDENTITY,
    }
)
# Unset, they would be looked for in HOME and in /etc. Not a path that is missing: botocore fails on one in
# AWS_CREDENTIAL_FILE.
_FILES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CREDENTIAL_PROFILES_FILE",
    "AWS_CREDENTIAL_FILE",
    "BOTO_CONFIG",
)


def without_credentials(parent: Mapping[str, str]) -> dict[str, str]:
    """
    Return an environment in which no AWS SDK finds keys, a profile, a token, a role or instance metadata.

    Args:
        parent: The environment to start from.
    """
    kept = {name: value for name, value in parent.items() if not _may_lead_to_credentials(name)}
    return {**kept, **dict.fromkeys(_FILES, os.devnull), "AWS_EC2_METADATA_DISABLED": "true"}


def _may_lead_to_credentials(name: str) -> bool:
    if name.upper().startswith(_SDK_PREFIXES):
        return name not in _KEPT and not name.startswith(_KEPT_PREFIXES)
    return name in _OTHERS


def past_proxies(parent: Mapping[str, str], host: str) -> dict[str, str]:
    """
    Return the variables that keep requests to a host, and the token in them, away from a proxy; none without a proxy.

    Args:
        parent: The environment that may name a proxy.
        host: The host to reach directly.
    """
    if not any(name.lower() in {"http_proxy", "all_proxy"} for name in parent):
        return {}
    # Where one spelling is set, the other stays unset: some clients prefer it, and would miss what the first one lists.
    names = [name for name in ("no_proxy", "NO_PROXY") if name in parent] or ["no_proxy", "NO_PROXY"]
    return {name: ",".join(filter(None, (parent.get(name), host))) for name in names if parent.get(name) != "*"}
