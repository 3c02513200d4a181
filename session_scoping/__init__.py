"""
AWS credentials that reach only one task's own data.

The public door. The constructs load on first use, so that an agent image, which has boto3 but no CDK, can import
the contract from here without starting Node; so does what an agent's start can do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.errors import (
    InvalidInputError,
    MissingExtraError,
    QuotaExceededError,
    SessionScopingError,
)
from session_scoping.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.constructs import (
        ComputeBackend,
        CredentialBroker,
        Minting,
        Models,
        ScopedComputeRole,
        SessionRole,
        TaskTokenIssuer,
        TenantObjects,
        TenantTable,
        TenantTablePolicy,
    )
    from session_scoping.layout import KeyFormat

_HOMES = {
    "ComputeBackend": "session_scoping.constructs",
    "CredentialBroker": "session_scoping.constructs",
    "KeyFormat": "session_scoping.layout",
    "Minting": "session_scoping.constructs",
    "Models": "session_scoping.constructs",
    "ScopedComputeRole": "session_scoping.constructs",
    "SessionRole": "session_scoping.constructs",
    "TaskTokenIssuer": "session_scoping.constructs",
    "TenantObjects": "session_scoping.constructs",
    "TenantTable": "session_scoping.constructs",
    "TenantTablePolicy": "session_scoping.constructs",
}

__all__ = [
    "ComputeBackend",
    "CredentialBroker",
    "InvalidInputError",
    "KeyFormat",
    "Minting",
    "MissingExtraError",
    "Models",
    "QuotaExceededError",
    "ScopedComputeRole",
    "SessionRole",
    "SessionScopingError",
    "SessionTags",
    "TaskTokenIssuer",
    "TenantObjects",
    "TenantTable",
    "TenantTablePolicy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
