"""
The actions that reach tenant data, by service, with what the service authorization reference says of each.

A pattern such as `dynamodb:Get*` is expanded over these lists. An action AWS adds later is represented by
`FUTURE`, which only patterns ending in `:*` or a bare `*` cover.
"""

# Actions that carry dynamodb:LeadingKeys. Source: service authorization reference, list_amazondynamodb.
KEYED = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
PARTIQL = (
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
)
# Actions that read, change, copy or destroy items without carrying their keys.
UNKEYED = (
    "dynamodb:Scan",
    "dynamodb:SearchVectors",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ExportTableToPointInTime",
    "dynamodb:ImportTable",
    "dynamodb:CreateBackup",
    "dynamodb:RestoreTableFromBackup",
    "dynamodb:RestoreTableToPointInTime",
    "dynamodb:CreateGlobalTable",
    "dynamodb:CreateTableReplica",
    "dynamodb:EnableKinesisStreamingDestination",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateTimeToLive",
    "dynamodb:DeleteTable",
    "dynamodb:DeleteBackup",
    "dynamodb:PutResourcePolicy",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:StartAwsBackupJob",
    "dynamodb:RestoreTableFromAwsBackup",
)
TABLE_METADATA = (
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeStream",
    "dynamodb:ListTables",
    "dynamodb:ListStreams",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
)
# Object actions a session may hold on its own prefixes.
OBJECT = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
)
# Object actions that hand the object to others or lift its protection.
OBJECT_ADMIN = (
    "s3:BypassGovernanceRetention",
    "s3:GetObjectAcl",
    "s3:GetObjectTorrent",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:ObjectOwnerOverrideToBucketOwner",
    "s3:ReplicateObject",
    "s3:ReplicateDelete",
    "s3:RestoreObject",
    "s3:InitiateReplication",
)
BUCKET = (
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:CreateBucketMetadataTableConfiguration",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutReplicationConfiguration",
    "s3:PutInventoryConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketNotification",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
)
INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
KEY_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# What would let a role change its own or another role's permissions. Source: list_identityandaccessmanagement.
ESCALATION = (
    "iam:AttachRolePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
)
ASSUME = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")
OTHER_STS = (
    "sts:AssumeRoot",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "sts:SetSourceIdentity",
    "sts:TagSession",
)
# One action each of services that hold what tenants store elsewhere, for patterns such as `*`.
ELSEWHERE = (
    "lambda:InvokeFunction",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "sqs:ReceiveMessage",
    "logs:GetLogEvents",
    "bedrock-agentcore:GetMemoryRecord",
)
FUTURE = (
    "dynamodb:ZzFutureAction",
    "s3:ZzFutureAction",
    "kms:ZzFutureAction",
    "bedrock:ZzFutureAction",
    "zz:FutureAction",
)
S3_ELSEWHERE = ("s3:ListAllMyBuckets", "s3:CreateJob", "s3:CreateAccessPoint", "s3:GetDataAccess")

EVERYTHING = tuple(
    dict.fromkeys(
        (*KEYED, *PARTIQL, *UNKEYED, *TABLE_METADATA, *OBJECT, *OBJECT_ADMIN, *BUCKET, *INVOKE, *KEY_USE, *ESCALATION,
         *ASSUME, *OTHER_STS, *ELSEWHERE, *S3_ELSEWHERE, *FUTURE)
    )
)  # fmt: skip
_SPELLING = {action.lower(): action for action in EVERYTHING}


def spelled(action: str) -> str:
    """Return an action as AWS writes it, where it is known here: IAM ignores letter case, and reports read better."""
    return _SPELLING.get(action.lower(), action)
