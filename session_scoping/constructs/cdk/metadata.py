"""What is written about a role: Metadata for the verifier, and what another role's owner must add."""

import json
from collections.abc import Mapping
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct


def write_metadata(role: iam.Role, entries: Mapping[str, Any]) -> None:
    """Write down in the role's Metadata what the verifier holds it to; the keys are those of `contract.metadata`."""
    if not entries:
        return  # asking for the resource is a trip to the CDK
    resource = cast(cdk.CfnResource, role.node.default_child)
    for key, value in entries.items():
        resource.add_metadata(key, value)


def tell_owner(scope: Construct, role: iam.IRole, what: str, document: object, more: str = "") -> None:
    """Print at synth what the owner of a role that cannot be changed from here must add."""
    text = f"add {what} {role.node.path}, which cannot be changed from here: {json.dumps(document)}{more}"
    cdk.Annotations.of(scope).add_info(text)
