"""What the broker's function may do, and what others may do with it."""

from collections.abc import Sequence

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions, allow, deny
from session_scoping.constructs.compute.role import AnyRole, policy_role
from session_scoping.constructs.minting.signing_keys import SIGNING


def own(context: StackContext, key: kms.IKey, table: dynamodb.ITable, log_group: logs.ILogGroup) -> list[Section]:
    """
    Return what the function needs in addition to minting.

    Source:
        Service authorization reference, list_awskeymanagementservice: Verify has `kms:SigningAlgorithm` and
        `kms:MessageType`.
    """
    statements = [
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn]),
        allow("VerifyTokens", ["kms:Verify"], [key.key_arn], SIGNING),
        allow("ReadRevocations", ["dynamodb:BatchGetItem"], [table.table_arn]),
    ]
    if table.encryption_key:
        key_arn = table.encryption_key.key_arn
        via: Conditions = {"StringEquals": {"kms:ViaService": context.via_service("dynamodb", [key_arn])}}
        statements.append(allow("DecryptRevocations", ["kms:Decrypt"], [key_arn], via))
    return [Section.whole(*statements)]


_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def interfaces() -> list[Section]:
    """
    Return what Lambda needs of the role of a function in a VPC.

    Source: AWS managed policy AWSLambdaVPCAccessExecutionRole, without its logs: the interfaces have no names yet.
    """
    return [Section.whole(allow("NetworkInterfaces", _INTERFACES, ["*"]))]


def interface_guards() -> list[Section]:
    """
    Deny the function's own code what Lambda alone needs.

    Source: Lambda guide, permissions-source-function-arn: the key is in each request that the function's code makes,
    and in none that Lambda makes for it.
    """
    by_code: Conditions = {"Null": {"lambda:SourceFunctionArn": "false"}}
    return [Section.whole(deny("DenyInterfacesToCode", {"Action": _INTERFACES, "Resource": ["*"]}, by_code))]


def granted(grantee: AnyRole, actions: Sequence[str], arn: str, conditions: Conditions | None = None) -> iam.Grant:
    """Let a role do something to one resource."""
    return iam.Grant.add_to_principal(
        grantee=policy_role(grantee), actions=list(actions), resource_arns=[arn], conditions=conditions
    )
