"""
The CDK constructs (extra `[cdk]`).

Data flows one way: tables, objects and models render statements; documents pack them into managed policies; the
constructs attach those to roles.

Each name loads its own module on first use, and a module only those of the CDK that every app with it uses; any other
is reached as `cdk.aws_...`, which the CDK loads on first use. An app pays for what it makes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.contract.errors import MissingExtraError

try:
    import aws_cdk  # noqa: F401 - asked for here, so that its absence gets one clear sentence
except ImportError as error:
    raise MissingExtraError(
        "the constructs need the CDK: got no module `aws_cdk`, expected it to be installed; it is an extra because "
        'agent images do without it; fix: pip install "session-scoping[cdk]"'
    ) from error

if TYPE_CHECKING:
    from session_scoping.aws.token_vault import TokenFlow
    from session_scoping.constructs.attribution.role import SessionBrokerRole
    from session_scoping.constructs.attribution.statements import WebIdentity
    from session_scoping.constructs.compute.dispatch import grant_dispatch
    from session_scoping.constructs.compute.role import ComputeBackend, ScopedComputeRole
    from session_scoping.constructs.data.models import Models
    from session_scoping.constructs.data.objects import TenantObjects
    from session_scoping.constructs.data.table_policy import TenantTablePolicy
    from session_scoping.constructs.data.tables import TenantTable
    from session_scoping.constructs.minting.credential_broker import CredentialBroker
    from session_scoping.constructs.minting.minting import Minting
    from session_scoping.constructs.minting.task_token_issuer import TaskTokenIssuer
    from session_scoping.constructs.restrictions.binding import WorkloadBinding, endpoint_policy_for
    from session_scoping.constructs.restrictions.revocation import Revocation
    from session_scoping.constructs.session.role import SessionRole
    from session_scoping.constructs.tools.external_tokens import ExternalTokenGrant
    from session_scoping.constructs.tools.role import ToolScopedRole
    from session_scoping.constructs.vault.grant import TokenVaultGrant
    from session_scoping.constructs.vault.resources import VaultProvider
    from session_scoping.constructs.vault.user_binding import UserBinding

_HOMES = {
    "ComputeBackend": "session_scoping.constructs.compute.role",
    "CredentialBroker": "session_scoping.constructs.minting.credential_broker",
    "ExternalTokenGrant": "session_scoping.constructs.tools.external_tokens",
    "Minting": "session_scoping.constructs.minting.minting",
    "Models": "session_scoping.constructs.data.models",
    "Revocation": "session_scoping.constructs.restrictions.revocation",
    "ScopedComputeRole": "session_scoping.constructs.compute.role",
    "SessionBrokerRole": "session_scoping.constructs.attribution.role",
    "SessionRole": "session_scoping.constructs.session.role",
    "TaskTokenIssuer": "session_scoping.constructs.minting.task_token_issuer",
    "TenantObjects": "session_scoping.constructs.data.objects",
    "TenantTable": "session_scoping.constructs.data.tables",
    "TenantTablePolicy": "session_scoping.constructs.data.table_policy",
    "TokenFlow": "session_scoping.aws.token_vault",
    "TokenVaultGrant": "session_scoping.constructs.vault.grant",
    "ToolScopedRole": "session_scoping.constructs.tools.role",
    "UserBinding": "session_scoping.constructs.vault.user_binding",
    "VaultProvider": "session_scoping.constructs.vault.resources",
    "WebIdentity": "session_scoping.constructs.attribution.statements",
    "WorkloadBinding": "session_scoping.constructs.restrictions.binding",
    "endpoint_policy_for": "session_scoping.constructs.restrictions.binding",
    "grant_dispatch": "session_scoping.constructs.compute.dispatch",
}

__all__ = [
    "ComputeBackend",
    "CredentialBroker",
    "ExternalTokenGrant",
    "Minting",
    "Models",
    "Revocation",
    "ScopedComputeRole",
    "SessionBrokerRole",
    "SessionRole",
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
