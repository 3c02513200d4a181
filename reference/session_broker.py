"""One tenant's sessions with a source identity."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping import Models, Revocation, SessionBrokerRole, WorkloadBinding


def add_session_broker(
    scope: Construct, tenant: str, models: Models, restrictions: Sequence[WorkloadBinding | Revocation]
) -> SessionBrokerRole:
    """Make the tenant's role, and the dispatcher that assumes it once for each session."""
    dispatcher = iam.Role(
        scope,
        "DispatcherRole",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description="Assumes a session of the tenant with a source identity",
    )
    return SessionBrokerRole(
        scope, "SessionBroker", tenant=tenant, callers=[dispatcher], models=models, restrictions=restrictions
    )
