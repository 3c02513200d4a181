"""Secrets of the agent itself, read once at start. On the compute role."""

import json

import boto3

from examples.reference_agent.settings import Settings


def read_repository_token(settings: Settings) -> str:
    """Return the token that clones repositories; empty when no secret is configured."""
    if not settings.secret_id:
        return ""
    return str(boto3.client("secretsmanager").get_secret_value(SecretId=settings.secret_id)["SecretString"])


def read_webhook_keys(settings: Settings) -> dict[str, str]:
    """Return the keys that sign webhooks, by name; none when no secret is configured."""
    if not settings.secret_id:
        return {}
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=f"{settings.secret_id}-webhooks")
    return dict(json.loads(secret["SecretString"]))
