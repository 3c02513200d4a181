"""The keys that sign task tokens: what kind they must be, who may sign, and who may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, deny
from session_scoping.constructs.compute.role import AnyRole, policy_role
from session_scoping.contract.arns import Arn
from session_scoping.contract.errors import InvalidInputError

# RS256 over a digest: what TaskTokenSigner asks for and the broker verifies.
# Source: KMS API_Sign; service authorization reference, list_awskeymanagementservice.
SIGNING: Conditions = {
    "StringEquals": {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms:MessageType": "DIGEST"}
}

_RSA = ("RSA_2048", "RSA_3072", "RSA_4096")


def require_signing_key(key: cdk.aws_kms.IKey) -> None:
    """
    Refuse a key that cannot sign task tokens, as far as it is known.

    Raises:
        InvalidInputError: An alias, a pattern, or a key made in this app that is not RSA for signing.
    """
    arn = getattr(key, "key_arn", None)
    if not isinstance(arn, str) or "alias/" in arn or has_wildcard(arn):
        raise _refused("no key" if not isinstance(arn, str) else "an alias or a pattern")
    resource = key.node.default_child
    if isinstance(resource, cdk.aws_kms.CfnKey):
        spec, usage = resource.key_spec or "SYMMETRIC_DEFAULT", resource.key_usage or "ENCRYPT_DECRYPT"
        if not is_token(spec) and (spec not in _RSA or usage != "SIGN_VERIFY"):
            raise _refused(f"a {spec} key for {usage}")


def _refused(got: str) -> InvalidInputError:
    return InvalidInputError(
        "`signing_key` cannot sign task tokens",
        got=got,
        expected="one key: key_spec RSA_2048, 3072 or 4096, key_usage SIGN_VERIFY",
        why="tokens are RS256; an IAM policy on an alias' ARN matches nothing",
        fix="kms.Key(..., key_spec=kms.KeySpec.RSA_2048, key_usage=kms.KeyUsage.SIGN_VERIFY), or a TaskTokenIssuer",
    )


def grant_issue(grantee: AnyRole, keys: Iterable[cdk.aws_kms.IKey]) -> iam.Grant:
    """Let a role sign task tokens with these keys, in their one form, and nothing else."""
    return iam.Grant.add_to_principal(
        grantee=policy_role(grantee),
        actions=["kms:Sign"],
        resource_arns=[key.key_arn for key in keys],
        conditions=SIGNING,
    )


def signing_guard(keys: Sequence[cdk.aws_kms.IKey]) -> list[Section]:
    """Deny everything on the signing keys; it holds when somebody later allows `kms:*`."""
    scope = {"Action": ["kms:*"], "Resource": [every_replica(key) for key in keys]}
    return [Section.by_resource(deny("DenySigning", scope))]


def every_replica(key: cdk.aws_kms.IKey) -> str:
    """
    Return the key's ARN; of a multi-Region key for all Regions, because each replica signs the same.

    Source: KMS guide, multi-region-keys-overview: replicas share the key id, which begins with `mrk-`.
    """
    resource, arn = key.node.default_child, key.key_arn
    if isinstance(resource, cdk.aws_kms.CfnKey) and resource.multi_region:
        return cdk.Stack.of(key).format_arn(service="kms", region="*", resource="key", resource_name=key.key_id)
    fields = Arn.parse(arn)
    if fields and fields.service == "kms" and fields.resource.startswith("key/mrk-"):
        return str(fields._replace(region="*"))
    return arn
