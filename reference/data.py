"""What a platform for coding agents has before session scoping: task tables, buckets and models. No roles."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

MODELS = (
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)


class DataStack(cdk.Stack):
    """The task tables and buckets of the reference stack."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Make the tables and buckets."""
        super().__init__(scope, id, **kwargs)
        self._make_tables()
        self._make_buckets()

    def _make_tables(self) -> None:
        self.tasks = self._table("TaskTable", stream=dynamodb.StreamViewType.NEW_IMAGE)
        _index(self.tasks, "UserStatusIndex", "user_id", "status_created_at")
        _index(self.tasks, "StatusIndex", "status", "created_at")
        _index(self.tasks, "IdempotencyIndex", "idempotency_key")
        self.events = self._table("TaskEventsTable", "event_id", stream=dynamodb.StreamViewType.NEW_IMAGE)
        self.approvals = self._table("TaskApprovalsTable", "request_id")
        _index(self.approvals, "UserStatusIndex", "user_id", "status")
        self.nudges = self._table("TaskNudgesTable", "nudge_id")

    def _table(self, id: str, sort_key: str | None = None, **options: Any) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            partition_key=_string("task_id"),
            sort_key=_string(sort_key) if sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="ttl",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            **options,
        )

    def _make_buckets(self) -> None:
        logs_bucket = self._bucket("AccessLogsBucket")
        self.traces = self._bucket("TraceArtifactBucket", server_access_logs_bucket=logs_bucket)
        self.attachments = self._bucket("AttachmentsBucket", server_access_logs_bucket=logs_bucket, versioned=True)

    def _bucket(self, id: str, **options: Any) -> s3.Bucket:
        return s3.Bucket(
            self,
            id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            **options,
        )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _index(table: dynamodb.Table, name: str, partition_key: str, sort_key: str | None = None) -> None:
    table.add_global_secondary_index(
        index_name=name,
        partition_key=_string(partition_key),
        sort_key=_string(sort_key) if sort_key else None,
    )
