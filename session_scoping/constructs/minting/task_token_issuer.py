"""TaskTokenIssuer: the key that signs task tokens, and optionally its public documents and the IAM OIDC provider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.compute.role import AnyRole
from session_scoping.constructs.minting.signing_keys import grant_issue, require_signing_key, signing_guard
from session_scoping.constructs.minting.trusted_issuer import Forgers
from session_scoping.contract import metadata as metadata_keys
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import check_issuer, check_plain

if TYPE_CHECKING:
    from session_scoping.constructs.minting.key_set_hosting import KeySetHosting

_DOMAIN = re.compile(r"(?=.{4,200}\Z)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")


class TaskTokenIssuer(Construct):
    """
    Who signs task tokens.

    The private key never leaves KMS. Rotation, without a refused token: add the new key to `also_published` and
    deploy; swap the two and sign with the new one; take the old one out twelve hours later. Both are in the key set
    meanwhile, each under its key id. A CredentialBroker takes one key: there, running tasks need a new token.

    NOT PROTECTED: an administrator of the key, the bucket, the distribution or the domain name can mint anything.
    Compute roles, sessions and tools are denied it by the SessionRole, except a DNS zone that is not passed as
    `hosted_zone`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        domain_name: str,
        audience: str,
        signing_key: kms.IKey | None = None,
        also_published: Sequence[kms.IKey] = (),
        certificate: cdk.aws_certificatemanager.ICertificate | None = None,
        hosted_zone: cdk.aws_route53.IHostedZone | None = None,
        access_logs: cdk.aws_s3.IBucket | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        """
        Make the key and, with a certificate, what STS needs to check tokens.

        Args:
            scope: Parent construct.
            id: Construct id; part of logical ids.
            domain_name: The issuer's host, spelled out: `tokens.example.com` issues as `https://tokens.example.com`.
            audience: The one `aud` of its tokens.
            signing_key: The asymmetric RSA key that signs. Default: one is made (RSA 2048) and kept when the stack is
                deleted.
            also_published: Keys that sign no longer, or not yet. Default: none.
            certificate: Certificate of the domain name, from us-east-1. With it the discovery document and the key
                set are hosted (S3 behind CloudFront), and an IAM OIDC provider is made. Default: neither; enough for
                a CredentialBroker.
            hosted_zone: Zone the domain name's alias record is made in. Default: none; then IAM must find the record
                you made, or the provider fails at deployment: deploy it, make the record, deploy again.
            access_logs: Bucket for the server access logs of the documents' bucket. Default: none are kept.
            log_retention: How long the log of the documents' writer is kept. Default: one year.

        Raises:
            InvalidInputError: The domain name is no literal host, a key is of another kind, hosting is asked for where
                there is no CloudFront, or something of hosting is given without a certificate.
        """
        _check_domain(domain_name)
        check_plain("audience", audience)
        for key in (*([signing_key] if signing_key else []), *also_published):
            require_signing_key(key)
        _check_hosting(StackContext.of(scope), certificate, hosted_zone, access_logs)
        super().__init__(scope, id)
        self._issuer, self._audience = check_issuer(f"https://{domain_name}"), audience
        self._signing_key = signing_key or kms.Key(
            self,
            "SigningKey",
            description="Signs task tokens",
            key_spec=kms.KeySpec.RSA_2048,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
        )
        self._keys = (self._signing_key, *also_published)
        self._hosting: KeySetHosting | None = None
        self._provider: iam.CfnOIDCProvider | None = None
        if certificate:
            # Here: CloudFront and what belongs to it are not loaded where nothing is hosted.
            from session_scoping.constructs.minting.key_set_hosting import KeySetHosting

            self._hosting = KeySetHosting(
                self,
                "Hosting",
                issuer=self._issuer,
                keys=self._keys,
                certificate=certificate,
                hosted_zone=hosted_zone,
                access_logs=access_logs,
                log_retention=log_retention,
            )
            # No thumbprint: the certificate is of a public authority, which STS knows.
            # Source: IAM API_CreateOpenIDConnectProvider.
            self._provider = iam.CfnOIDCProvider(self, "Provider", url=self._issuer, client_id_list=[audience])
            self._provider.node.add_dependency(self._hosting)
        Forgers(self._guarded, self._metadata).keep(self)

    @property
    def issuer(self) -> str:
        """`iss` of its tokens."""
        return self._issuer

    @property
    def audience(self) -> str:
        """`aud` of its tokens."""
        return self._audience

    @property
    def signing_key(self) -> kms.IKey:
        """The key that signs."""
        return self._signing_key

    @property
    def provider_arn(self) -> str:
        """
        ARN of the IAM OIDC provider.

        Raises:
            InvalidInputError: There is none, for want of a certificate.
        """
        if self._provider is None:
            raise InvalidInputError(
                f"task token issuer `{self.node.path}` has no OIDC provider",
                got="no certificate",
                expected="a certificate of the domain name, from us-east-1",
                why="STS fetches the key set from the issuer over https",
                fix="pass certificate, or use a CredentialBroker, which needs no hosting",
            )
        return self._provider.ref

    def grant_issue(self, grantee: AnyRole) -> iam.Grant:
        """Let the orchestrator sign task tokens with the signing key, and nothing else."""
        return grant_issue(grantee, [self._signing_key])

    def _guarded(self) -> list[Section]:
        """Return what is denied to compute roles and sessions."""
        found = signing_guard(self._keys)
        return [*found, *self._hosting.guarded()] if self._hosting else found

    def _metadata(self) -> Mapping[str, Any]:
        """Return what the verifier holds those Denies to."""
        keys = {metadata_keys.SIGNING_KEYS: [key.key_arn for key in self._keys]}
        return {**keys, **(self._hosting.metadata() if self._hosting else {})}


def _check_domain(name: str) -> None:
    if not isinstance(name, str) or is_token(name) or not _DOMAIN.fullmatch(name):
        raise InvalidInputError(
            "`domain_name` is no host",
            got="a value known only at deployment" if is_token(str(name)) else f"{len(str(name))} characters",
            expected="a literal such as tokens.example.com, in small letters",
            why="it begins the condition keys of trust policies, where CloudFormation takes no reference",
            fix="spell the name out",
        )


def _check_hosting(
    context: StackContext,
    certificate: cdk.aws_certificatemanager.ICertificate | None,
    hosted_zone: cdk.aws_route53.IHostedZone | None,
    access_logs: cdk.aws_s3.IBucket | None,
) -> None:
    if certificate is None and (hosted_zone or access_logs):
        raise InvalidInputError(
            "nothing is hosted without a certificate",
            got="a hosted zone or a log bucket, and no certificate",
            expected="a certificate of the domain name, from us-east-1",
            why="STS fetches the key set over https",
            fix="pass certificate, or leave the others out",
        )
    if certificate and context.partition in ("aws-us-gov", "aws-cn"):
        raise InvalidInputError(
            "the key set cannot be hosted here",
            got=f"partition {context.partition}",
            expected="partition aws",
            why="GovCloud has no CloudFront, and China's takes no certificate of ours",
            fix="host the two documents elsewhere and name that issuer's provider, or use a CredentialBroker",
        )
