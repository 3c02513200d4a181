"""
AWS credentials that reach only one task's own data.

The public door. The constructs load on first use, so that an agent image, which has boto3 but no CDK, can import
the contract from here without starting Node.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.errors import (
    InvalidInputError,
    MissingExtraError,
    QuotaExceededError,
    SessionScopingError,
)
from session_scoping.layout import KeyFormat
from session_scoping.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.constructs import (
        ComputeBackend,
        Minting,
        Models,
        ScopedComputeRole,
        SessionRole,
        TenantObjects,
        TenantTable,
        TenantTablePolicy,
    )

__all__ = [
    "ComputeBackend",
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
    "TenantObjects",
    "TenantTable",
    "TenantTablePolicy",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("session_scoping.constructs"), name)


def __dir__() -> list[str]:
    return list(__all__)
