"""
AWS credentials that reach only one task's own data.

The public door. Names load on first use, so that an agent image, which has boto3 but no CDK, can import the contract
from here without starting Node, and an app loads only the constructs it uses.
"""

from typing import TYPE_CHECKING

from session_scoping.contract.doors import door

if TYPE_CHECKING:
    from session_scoping.aws.token_vault import TokenFlow as TokenFlow
    from session_scoping.constructs.attribution.role import SessionBrokerRole as SessionBrokerRole
    from session_scoping.constructs.attribution.statements import WebIdentity as WebIdentity
    from session_scoping.constructs.compute.dispatch import grant_dispatch as grant_dispatch
    from session_scoping.constructs.compute.pods import EksPods as EksPods
    from session_scoping.constructs.compute.role import ComputeBackend as ComputeBackend
    from session_scoping.constructs.compute.role import ScopedComputeRole as ScopedComputeRole
    from session_scoping.constructs.data.memory import TenantMemory as TenantMemory
    from session_scoping.constructs.data.models import Models as Models
    from session_scoping.constructs.data.named_data import TenantParameters as TenantParameters
    from session_scoping.constructs.data.named_data import TenantSecrets as TenantSecrets
    from session_scoping.constructs.data.objects import TenantObjects as TenantObjects
    from session_scoping.constructs.data.table_policy import TenantTablePolicy as TenantTablePolicy
    from session_scoping.constructs.data.tables import TenantTable as TenantTable
    from session_scoping.constructs.minting.credential_broker import CredentialBroker as CredentialBroker
    from session_scoping.constructs.minting.minting import Minting as Minting
    from session_scoping.constructs.minting.task_token_issuer import TaskTokenIssuer as TaskTokenIssuer
    from session_scoping.constructs.restrictions.binding import WorkloadBinding as WorkloadBinding
    from session_scoping.constructs.restrictions.binding import endpoint_policy_for as endpoint_policy_for
    from session_scoping.constructs.restrictions.revocation import Revocation as Revocation
    from session_scoping.constructs.session.role import SessionRole as SessionRole
    from session_scoping.constructs.tools.external_tokens import ExternalTokenGrant as ExternalTokenGrant
    from session_scoping.constructs.tools.role import ToolScopedRole as ToolScopedRole
    from session_scoping.constructs.vault.exchange import on_behalf_of_config as on_behalf_of_config
    from session_scoping.constructs.vault.grant import TokenVaultGrant as TokenVaultGrant
    from session_scoping.constructs.vault.resources import VaultProvider as VaultProvider
    from session_scoping.constructs.vault.user_binding import UserBinding as UserBinding
    from session_scoping.contract.errors import InvalidInputError as InvalidInputError
    from session_scoping.contract.errors import MissingExtraError as MissingExtraError
    from session_scoping.contract.errors import QuotaExceededError as QuotaExceededError
    from session_scoping.contract.errors import SessionScopingError as SessionScopingError
    from session_scoping.contract.key_formats import ARTIFACT_PREFIX as ARTIFACT_PREFIX
    from session_scoping.contract.key_formats import ATTACHMENT_PREFIX as ATTACHMENT_PREFIX
    from session_scoping.contract.key_formats import TRACE_OBJECT as TRACE_OBJECT
    from session_scoping.contract.key_formats import KeyFormat as KeyFormat
    from session_scoping.contract.source_identity import SourceIdentity as SourceIdentity
    from session_scoping.contract.tags import DEFAULT_TAG_KEYS as DEFAULT_TAG_KEYS
    from session_scoping.contract.tags import SessionTags as SessionTags
    from session_scoping.contract.users import user_id_for as user_id_for

__getattr__, __dir__, __all__ = door(
    __name__,
    {
        "session_scoping.aws.token_vault": ("TokenFlow",),
        "session_scoping.constructs.attribution.role": ("SessionBrokerRole",),
        "session_scoping.constructs.attribution.statements": ("WebIdentity",),
        "session_scoping.constructs.compute.dispatch": ("grant_dispatch",),
        "session_scoping.constructs.compute.pods": ("EksPods",),
        "session_scoping.constructs.compute.role": (
            "ComputeBackend",
            "ScopedComputeRole",
        ),
        "session_scoping.constructs.data.memory": ("TenantMemory",),
        "session_scoping.constructs.data.models": ("Models",),
        "session_scoping.constructs.data.named_data": ("TenantParameters", "TenantSecrets"),
        "session_scoping.constructs.data.objects": ("TenantObjects",),
        "session_scoping.constructs.data.table_policy": ("TenantTablePolicy",),
        "session_scoping.constructs.data.tables": ("TenantTable",),
        "session_scoping.constructs.minting.credential_broker": ("CredentialBroker",),
        "session_scoping.constructs.minting.minting": ("Minting",),
        "session_scoping.constructs.minting.task_token_issuer": ("TaskTokenIssuer",),
        "session_scoping.constructs.restrictions.binding": (
            "WorkloadBinding",
            "endpoint_policy_for",
        ),
        "session_scoping.constructs.restrictions.revocation": ("Revocation",),
        "session_scoping.constructs.session.role": ("SessionRole",),
        "session_scoping.constructs.tools.external_tokens": ("ExternalTokenGrant",),
        "session_scoping.constructs.tools.role": ("ToolScopedRole",),
        "session_scoping.constructs.vault.exchange": ("on_behalf_of_config",),
        "session_scoping.constructs.vault.grant": ("TokenVaultGrant",),
        "session_scoping.constructs.vault.resources": ("VaultProvider",),
        "session_scoping.constructs.vault.user_binding": ("UserBinding",),
        "session_scoping.contract.errors": (
            "InvalidInputError",
            "MissingExtraError",
            "QuotaExceededError",
            "SessionScopingError",
        ),
        "session_scoping.contract.key_formats": ("ARTIFACT_PREFIX", "ATTACHMENT_PREFIX", "TRACE_OBJECT", "KeyFormat"),
        "session_scoping.contract.source_identity": ("SourceIdentity",),
        "session_scoping.contract.tags": ("DEFAULT_TAG_KEYS", "SessionTags"),
        "session_scoping.contract.users": ("user_id_for",),
    },
)
