"""
AWS credentials that reach only one task's own data.

The public door. The constructs load on first use, so that an agent image, which has boto3 but no CDK, can import
the contract from here without starting Node; so does what an agent's start can do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.contract.errors import (
    InvalidInputError,
    MissingExtraError,
    QuotaExceededError,
    SessionScopingError,
)
from session_scoping.contract.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.constructs import (
        ComputeBackend,
        CredentialBroker,
        ExternalTokenGrant,
        Minting,
        Models,
        Revocation,
        ScopedComputeRole,
        SessionBrokerRole,
        SessionRole,
        TaskTokenIssuer,
        TenantObjects,
        TenantTable,
        TenantTablePolicy,
        TokenFlow,
        TokenVaultGrant,
        ToolScopedRole,
        UserBinding,
        VaultProvider,
        WebIdentity,
        WorkloadBinding,
        endpoint_policy_for,
        grant_dispatch,
    )
    from session_scoping.contract.key_formats import KeyFormat
    from session_scoping.contract.source_identity import SourceIdentity

_HOMES = {
    "ComputeBackend": "session_scoping.constructs",
    "CredentialBroker": "session_scoping.constructs",
    "ExternalTokenGrant": "session_scoping.constructs",
    "KeyFormat": "session_scoping.contract.key_formats",
    "Minting": "session_scoping.constructs",
    "Models": "session_scoping.constructs",
    "Revocation": "session_scoping.constructs",
    "ScopedComputeRole": "session_scoping.constructs",
    "SessionBrokerRole": "session_scoping.constructs",
    "SessionRole": "session_scoping.constructs",
    "SourceIdentity": "session_scoping.contract.source_identity",
    "TaskTokenIssuer": "session_scoping.constructs",
    "TenantObjects": "session_scoping.constructs",
    "TenantTable": "session_scoping.constructs",
    "TenantTablePolicy": "session_scoping.constructs",
    "TokenFlow": "session_scoping.constructs",
    "TokenVaultGrant": "session_scoping.constructs",
    "ToolScopedRole": "session_scoping.constructs",
    "UserBinding": "session_scoping.constructs",
    "VaultProvider": "session_scoping.constructs",
    "WebIdentity": "session_scoping.constructs",
    "WorkloadBinding": "session_scoping.constructs",
    "endpoint_policy_for": "session_scoping.constructs",
    "grant_dispatch": "session_scoping.constructs",
}

__all__ = [
    "ComputeBackend",
    "CredentialBroker",
    "ExternalTokenGrant",
    "InvalidInputError",
    "KeyFormat",
    "Minting",
    "MissingExtraError",
    "Models",
    "QuotaExceededError",
    "Revocation",
    "ScopedComputeRole",
    "SessionBrokerRole",
    "SessionRole",
    "SessionScopingError",
    "SessionTags",
    "SourceIdentity",
    "TaskTokenIssuer",
    "TenantObjects",
    "TenantTable",
    "TenantTablePolicy",
    "TokenFlow",
    "TokenVaultGrant",
    "ToolScopedRole",
    "UserBinding",
    "VaultProvider",
    "WebIdentity",
    "WorkloadBinding",
    "endpoint_policy_for",
    "grant_dispatch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
