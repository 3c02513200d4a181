"""The few AWS managed policies whose content is known here. Any other one is UNKNOWN, never ignored."""

from typing import Any

from session_scoping.verify.text import PARTITIONS, Text

# Source: AWS Managed Policy Reference Guide, one page per policy: `reference/NAME.html`. AWS may change one any time.
_LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
_ENI = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
_XRAY = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:GetSamplingStatisticSummaries",
]
_PULL = [
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
]
# AmazonSSMManagedInstanceCore, v2.
_INSTANCE = [
    "ssm:DescribeAssociation",
    "ssm:DescribeDocument",
    "ssm:GetDeployablePatchSnapshotForInstance",
    "ssm:GetDocument",
    "ssm:GetManifest",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:Put*",
    "ssm:Update*",
    "ssmmessages:*",
    "ec2messages:*",
]
# CloudWatchAgentServerPolicy, which reads parameters named `AmazonCloudWatch-*` only.
_AGENT = [
    *_LOGS,
    *_XRAY,
    "cloudwatch:PutMetricData",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutRetentionPolicy",
    "ssm:GetParameter",
]
_DYNAMODB_STREAMS = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
]
_KINESIS_STREAMS = [
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:ListStreams",
    "kinesis:SubscribeToShard",
]

_ACTIONS = {
    "AdministratorAccess": ["*"],
    "AmazonDynamoDBFullAccess": ["dynamodb:*", "iam:PassRole", "kms:DescribeKey", "kms:ListAliases"],
    "AmazonS3FullAccess": ["s3:*", "s3-object-lambda:*"],
    "AmazonS3ReadOnlyAccess": [
        "s3:Get*",
        "s3:List*",
        "s3:Describe*",
        "s3-object-lambda:Get*",
        "s3-object-lambda:List*",
    ],
    "AWSXRayDaemonWriteAccess": _XRAY,
    "AWSXrayWriteOnlyAccess": _XRAY,
    "AmazonSSMManagedInstanceCore": _INSTANCE,
    "CloudWatchAgentServerPolicy": _AGENT,
    "CloudWatchLambdaInsightsExecutionRolePolicy": _LOGS,
    "service-role/AWSLambdaBasicExecutionRole": _LOGS,
    "service-role/AWSLambdaDynamoDBExecutionRole": [*_LOGS, *_DYNAMODB_STREAMS],
    "service-role/AWSLambdaKinesisExecutionRole": [*_LOGS, *_KINESIS_STREAMS],
    "service-role/AWSLambdaSQSQueueExecutionRole": [
        *_LOGS,
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ],
    "service-role/AWSLambdaVPCAccessExecutionRole": [*_LOGS, *_ENI],
    "service-role/AmazonECSTaskExecutionRolePolicy": [*_PULL, "logs:CreateLogStream", "logs:PutLogEvents"],
}


def managed_policy(arn: Text) -> dict[str, Any] | None:
    """Return the document of an AWS managed policy, over-approximated to `Resource: *`; None when unknown."""
    shape = "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in arn)
    for partition in (*PARTITIONS, "<partition>"):
        name = shape.removeprefix(f"arn:{partition}:iam::aws:policy/")
        if name != shape and name in _ACTIONS:
            statement = {"Effect": "Allow", "Action": _ACTIONS[name], "Resource": "*"}
            return {"Version": "2012-10-17", "Statement": [statement]}
    return None
