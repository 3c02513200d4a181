"""
AWS credentials that reach only one task's own data.

The public door. Names load on first use, so that an agent image, which has boto3 but no CDK, can import the
contract from here without starting Node.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.errors import InvalidInputError, MissingExtraError, SessionScopingError
from session_scoping.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.constructs import (
        ScopedComputeRole as ScopedComputeRole,
    )
    from session_scoping.constructs import (
        SessionRole as SessionRole,
    )
    from session_scoping.constructs import (
        TenantTablePolicy as TenantTablePolicy,
    )

_CONSTRUCTS = ("ScopedComputeRole", "SessionRole", "TenantTablePolicy")

__all__ = [
    "InvalidInputError",
    "MissingExtraError",
    "ScopedComputeRole",
    "SessionRole",
    "SessionScopingError",
    "SessionTags",
    "TenantTablePolicy",
]


def __getattr__(name: str) -> Any:
    if name not in _CONSTRUCTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("session_scoping.constructs"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
