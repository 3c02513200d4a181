"""The issuer's two public documents: a private bucket behind CloudFront, written by a custom resource."""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import PolicySeries
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import allow, deny
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.data.bucket_names import deny_buckets
from session_scoping.constructs.minting.functions import acknowledge, function_of
from session_scoping.contract import environment
from session_scoping.contract import metadata as metadata_keys
from session_scoping.lambdas import bundle

_PATHS = (".well-known/openid-configuration", ".well-known/jwks.json")

_ACKNOWLEDGED = {
    "CFR1": "STS fetches the key set from wherever it runs; the two documents are public.",
    "CFR2": "Two small public documents without input: there is nothing a firewall could filter.",
    "CFR3": "The documents hold public keys; who read them says nothing. The bucket's own access can be logged.",
}


class KeySetHosting(Construct):
    """Made by `TaskTokenIssuer`; see there."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        issuer: str,
        keys: Sequence[kms.IKey],
        certificate: acm.ICertificate,
        hosted_zone: route53.IHostedZone | None,
        access_logs: s3.IBucket | None,
        log_retention: logs.RetentionDays,
    ) -> None:
        """Make the bucket, the distribution, the writer and the documents; arguments as TaskTokenIssuer's."""
        super().__init__(scope, id)
        self._zone = hosted_zone
        self._bucket = self._make_bucket(access_logs)
        domain_name = issuer.removeprefix("https://")
        self._distribution = self._make_distribution(domain_name, certificate)
        if hosted_zone:
            target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self._distribution))
            route53.ARecord(self, "Record", zone=hosted_zone, record_name=f"{domain_name}.", target=target)
        self._role, policies = self._make_writer_role(keys, log_retention)
        self._writer = self._make_writer(issuer, keys)
        # CloudFormation calls the function when a property changes; what it writes is in its own environment.
        documents = cdk.CustomResource(
            self,
            "Documents",
            resource_type="Custom::TaskTokenKeySet",
            service_token=self._writer.function_arn,
            properties={
                "Bucket": self._bucket.bucket_name,
                "Issuer": issuer,
                "Keys": [key.key_arn for key in keys],
            },
        )
        documents.node.add_dependency(*policies)

    def _make_bucket(self, access_logs: s3.IBucket | None) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            server_access_logs_bucket=access_logs,
        )
        if access_logs is None:
            acknowledge(bucket, {"S1": "It holds two public documents, read by one distribution; logging is a choice."})
        return bucket

    def _make_distribution(self, domain_name: str, certificate: acm.ICertificate) -> cloudfront.Distribution:
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment="Public keys of task tokens",
            domain_names=[domain_name],
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(self._bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            ),
        )
        acknowledge(distribution, _ACKNOWLEDGED)
        return distribution

    def _make_writer_role(
        self, keys: Sequence[kms.IKey], log_retention: logs.RetentionDays
    ) -> tuple[iam.Role, list[iam.ManagedPolicy]]:
        context = StackContext.of(self)
        self._log_group = logs.LogGroup(self, "Logs", retention=log_retention)
        role = iam.Role(
            self,
            "WriterRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Writes the public keys of task tokens",
        )
        objects = [self._bucket.arn_for_objects(path) for path in _PATHS]
        statements = [
            allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [self._log_group.log_group_arn]),
            allow("ReadPublicKeys", ["kms:GetPublicKey"], [key.key_arn for key in keys]),
            allow("WriteDocuments", ["s3:DeleteObject", "s3:PutObject"], objects),
        ]
        series = PolicySeries(self, "WriterPermissions", context, PolicySizer.at(context))
        series.write([Section.whole(*statements)], [role])
        SynthChecks.of(context).add(series.finished)
        return role, series.policies

    def _make_writer(self, issuer: str, keys: Sequence[kms.IKey]) -> lambda_.Function:
        return function_of(
            self,
            "Writer",
            bundle=bundle.KEY_SET,
            role=self._role,
            log_group=self._log_group,
            description="Writes the public keys of task tokens; runs at deployments",
            timeout=cdk.Duration.minutes(2),
            environment={
                environment.KEY_SET_BUCKET: self._bucket.bucket_name,
                environment.KEY_SET_ISSUER: issuer,
                environment.KEY_SET_KEYS: ",".join(key.key_arn for key in keys),
            },
        )

    def guarded(self) -> list[Section]:
        """
        Return the Denies on what decides which keys are trusted.

        The domain name decides it as much as the bucket does: an alias can be moved to another distribution of the
        account, which the first two actions name, a record to any server, and the registration to other name servers.

        Source: CloudFront guide, alternate-domain-names-move; service authorization reference, list_amazoncloudfront
        and list_amazonroute53domains (its actions have no resources).
        """
        bucket, writer = self._bucket.bucket_arn, self._writer.function_arn
        moves = ["cloudfront:AssociateAlias", "cloudfront:UpdateDomainAssociation", "route53domains:*"]
        moving = {"Action": moves, "Resource": ["*"]}
        zone = {"Action": ["route53:*"], "Resource": [self._zone.hosted_zone_arn]} if self._zone else None
        return [
            Section.whole(
                deny("DenyKeySetAlias", moving),
                *([deny("DenyKeySetZone", zone)] if zone else []),
                deny_buckets("DenyKeySet", [bucket], StackContext.of(self)),
                deny("DenyKeySetSite", {"Action": ["cloudfront:*"], "Resource": [self._distribution.distribution_arn]}),
                deny("DenyKeySetWriter", {"Action": ["lambda:*"], "Resource": [writer, f"{writer}:*"]}),
                deny(
                    "DenyKeySetRole",
                    {"Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": [self._role.role_arn]},
                ),
            )
        ]

    def metadata(self) -> Mapping[str, Any]:
        """Return the same for the verifier."""
        return {
            metadata_keys.MINTING_FUNCTIONS: [self._writer.function_arn],
            metadata_keys.MINTING_ROLES: [self._role.role_arn],
            metadata_keys.MINTING_BUCKETS: [self._bucket.bucket_arn],
            metadata_keys.MINTING_DISTRIBUTIONS: [self._distribution.distribution_arn],
            **({metadata_keys.MINTING_ZONES: [self._zone.hosted_zone_arn]} if self._zone else {}),
        }
