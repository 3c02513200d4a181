"""
The CDK constructs (extra `[cdk]`).

Data flows one way: tables, objects and models render statements; documents pack them into managed policies; the
constructs attach those to roles.
"""

from session_scoping.errors import MissingExtraError

try:
    import aws_cdk  # noqa: F401 - asked for here, so that its absence gets one clear sentence
except ImportError as error:
    raise MissingExtraError(
        "the constructs need the CDK: got no module `aws_cdk`, expected it to be installed; it is an extra because "
        'agent images do without it; fix: pip install "session-scoping[cdk]"'
    ) from error

from session_scoping.constructs.attribution import WebIdentity
from session_scoping.constructs.binding import WorkloadBinding, endpoint_policy_for
from session_scoping.constructs.compute_role import ComputeBackend, ScopedComputeRole
from session_scoping.constructs.credential_broker import CredentialBroker
from session_scoping.constructs.dispatch import grant_dispatch
from session_scoping.constructs.external_tokens import ExternalTokenGrant
from session_scoping.constructs.minting import Minting
from session_scoping.constructs.models import Models
from session_scoping.constructs.objects import TenantObjects
from session_scoping.constructs.revocation import Revocation
from session_scoping.constructs.session_broker import SessionBrokerRole
from session_scoping.constructs.session_role import SessionRole
from session_scoping.constructs.table_policy import TenantTablePolicy
from session_scoping.constructs.tables import TenantTable
from session_scoping.constructs.task_token_issuer import TaskTokenIssuer
from session_scoping.constructs.token_vault import TokenVaultGrant
from session_scoping.constructs.tool_role import ToolScopedRole
from session_scoping.constructs.user_binding import UserBinding
from session_scoping.constructs.vault_resources import VaultProvider
from session_scoping.vault_actions import TokenFlow

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
