"""The secrets of the reference stack."""

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct


def github_secret(scope: Construct, id: str, description: str) -> secretsmanager.Secret:
    """Return a secret that GitHub issues."""
    secret = secretsmanager.Secret(scope, id, description=description)
    cdk.Validations.of(secret).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions::AwsSolutions-SMG4",
            reason="GitHub issues this token; there is nothing AWS could rotate.",
        )
    )
    return secret
