"""
The actions that reach tenant data, by service, with what the service authorization reference says of each.

A pattern such as `dynamodb:Get*` is expanded over these lists. An action AWS adds later is represented by
`FUTURE`, which only patterns ending in `:*` or a bare `*` cover.
"""

import re
from functools import lru_cache

from session_scoping.verify.matching import action_matches

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
# What would let a role change what it or another principal may do, or become one that may more.
# Source: list_identityandaccessmanagement.
ESCALATION = (
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:AddRoleToInstanceProfile",
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreateOpenIDConnectProvider",
    "iam:CreatePolicyVersion",
    "iam:CreateRole",
    "iam:CreateSAMLProvider",
    "iam:CreateUser",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutGroupPolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "iam:UpdateOpenIDConnectProviderThumbprint",
    "iam:UpdateSAMLProvider",
)
ASSUME = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")
TAG_SESSION = "sts:TagSession"
OTHER_STS = (
    "sts:AssumeRoot",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "sts:SetSourceIdentity",
    TAG_SESSION,
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
# Ways to objects that do not name their bucket: jobs, access points and access grants do.
ROUNDABOUT = (
    "s3:CreateAccessGrant",
    "s3:CreateAccessPoint",
    "s3:CreateAccessPointForObjectLambda",
    "s3:CreateJob",
    "s3:DeleteAccessPointPolicy",
    "s3:GetDataAccess",
    "s3:PutAccessPointPolicy",
)
S3_ELSEWHERE = ("s3:ListAllMyBuckets", *ROUNDABOUT)

EVERYTHING = tuple(
    dict.fromkeys(
        (*KEYED, *PARTIQL, *UNKEYED, *TABLE_METADATA, *OBJECT, *OBJECT_ADMIN, *BUCKET, *INVOKE, *KEY_USE, *ESCALATION,
         *ASSUME, *OTHER_STS, *ELSEWHERE, *S3_ELSEWHERE, *FUTURE)
    )
)  # fmt: skip
# What tells of a table or bucket without its contents, as far as a name can say it.
_PASSIVE = re.compile(r"dynamodb:(describe|list)\w+|s3:(getbucket|getaccount|list)\w+|s3:get\w+configuration", re.I)


_SPELLING = {action.lower(): action for action in EVERYTHING}


# Source: STS API reference, GetCallerIdentity: "No permissions are required to perform this operation"; DynamoDB guide,
# transaction-apis-iam: a transaction is authorized by the actions in it.
NOTHING_GAINED = {"sts:getcalleridentity", "dynamodb:transactgetitems", "dynamodb:transactwriteitems"}
"""What no policy needs to allow, in lower case: whoever is allowed it gains nothing."""


@lru_cache(maxsize=65536)
def covers_listed(pattern: str) -> bool:
    """Whether an action, or a pattern of actions, is or covers one of those listed here."""
    return any(action_matches(pattern, action) for action in EVERYTHING)


def instance_of(pattern: str) -> str:
    """Return an action that a pattern covers."""
    return pattern.replace("*", "Zz").replace("?", "z")


def is_listed(action: str) -> bool:
    """Whether an action is one of those listed here."""
    return action.lower() in _SPELLING


def is_passive(action: str) -> bool:
    """Whether an action no list has tells of a table or bucket without its contents, by its name."""
    return _PASSIVE.fullmatch(action) is not None


def spelled(action: str) -> str:
    """Return an action as AWS writes it, where it is known here: IAM ignores letter case, and reports read better."""
    return _SPELLING.get(action.lower(), action)
