"""Who mints in the reference stack: its compute roles, an orchestrator, or the tokens an orchestrator signs."""

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping import CredentialBroker, Minting, ScopedComputeRole, TaskTokenIssuer

MODES = ("compute", "orchestrator", "credentialBroker", "webIdentity")


def minting(
    scope: Construct, mode: str, compute_roles: list[ScopedComputeRole], vpc: ec2.IVpc | None = None
) -> Minting:
    """Return the choice that context `minting` names, and make what it needs. A broker runs in the VPC, if any."""
    if mode == "compute":
        return Minting.by_compute_roles(*compute_roles)
    signs = mode != "orchestrator"
    orchestrator = iam.Role(
        scope,
        "OrchestratorRole",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"Starts tasks; the only role that {'signs their tokens' if signs else 'mints sessions'}",
    )
    if not signs:
        return Minting.by_orchestrator(orchestrator, compute_roles=compute_roles)
    hosted = mode == "webIdentity"
    issuer = TaskTokenIssuer(
        scope,
        "TaskTokens",
        domain_name="tokens.example.com",
        audience="agent-sessions",
        certificate=_certificate(scope) if hosted else None,
    )
    issuer.grant_issue(orchestrator)
    if hosted:
        return Minting.by_web_identity(issuer, compute_roles=compute_roles, max_session=cdk.Duration.hours(8))
    broker = CredentialBroker(
        scope, "Broker", signing_key=issuer.signing_key, issuer=issuer.issuer, audience=issuer.audience, vpc=vpc
    )
    broker.add_alarms()
    broker.grant_revoke(orchestrator)
    cdk.CfnOutput(scope, "RevocationTable", value=broker.revocation_table.table_name)
    return Minting.by_credential_broker(broker, compute_roles=compute_roles)


def _certificate(scope: Construct) -> acm.ICertificate:
    arn = scope.node.try_get_context("certificateArn") or f"arn:aws:acm:us-east-1:111122223333:certificate/{'0' * 36}"
    return acm.Certificate.from_certificate_arn(scope, "Certificate", str(arn))
