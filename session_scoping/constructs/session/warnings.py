"""What an engineer who deploys a session role must have seen: warnings at synth that can be acknowledged."""

import aws_cdk as cdk
from constructs import Construct

from session_scoping.constructs.minting.minting import Minting

_COMPUTE_MINTING = "session-scoping:compute-roles-mint"
_FENCE_OFF = "session-scoping:compute-roles-reach-tenant-data"


def warn(session_role: Construct, minting: Minting, *, deny_enabled: bool) -> None:
    """Warn where compute roles mint, and where they are not denied tenant data."""
    warnings = {}
    if minting.compute_roles_mint:
        warnings[_COMPUTE_MINTING] = (
            "compute roles mint sessions: code that reads a compute role's credentials can mint a session for any "
            "task. This bounds leaked session credentials and honest bugs, not a hijacked agent. "
            "Minting.by_orchestrator does; or acknowledge this warning."
        )
    if not deny_enabled:
        warnings[_FENCE_OFF] = (
            "compute roles are not denied tenant data: a grant that an old task still uses, or a new one added by "
            "mistake, reaches every tenant. Turn deny_tenant_data_to_compute_roles on once the old tasks ended."
        )
    for warning_id, message in warnings.items():
        cdk.Validations.of(session_role).add_warning(warning_id, message)
