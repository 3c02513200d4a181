"""The Lambda functions this library brings: its own files, boto3 of the runtime, one exact role, one log group."""

import tempfile
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from session_scoping.contract.errors import InvalidInputError
from session_scoping.lambdas.bundle import Bundle


def function_of(
    scope: Construct,
    id: str,
    *,
    bundle: Bundle,
    role: iam.Role,
    log_group: logs.ILogGroup,
    **options: Any,
) -> lambda_.Function:
    """Return a function whose code is what the bundle puts into a directory."""
    with tempfile.TemporaryDirectory() as folder:
        function = lambda_.Function(
            scope,
            id,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=bundle.handler,
            code=lambda_.Code.from_asset(str(bundle.stage(folder))),
            # As it is, so that a tracing option or a later grant does not widen it.
            role=role.without_policy_updates(),
            log_group=log_group,
            **options,
        )
    acknowledge(function, {"L1": "A release of this library is tested with one runtime, which AWS still supports."})
    return function


def acknowledge(construct: Construct, reasons: Mapping[str, str]) -> None:
    """Accept findings of cdk-nag's AwsSolutions pack on a construct, each with its reason."""
    found = [cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=why) for rule, why in reasons.items()]
    cdk.Validations.of(construct).acknowledge(*found)


def check_network(vpc: object, subnets: object, groups: object) -> None:
    """
    Refuse a function's network without its VPC.

    Raises:
        InvalidInputError: Subnets or security groups without a VPC, or the VPC is none.
    """
    if vpc is None and (subnets or groups):
        raise InvalidInputError(
            "the function's network has no VPC",
            got="subnets or security groups alone",
            expected="`vpc` with them",
            why="the function would run in no VPC, and a binding would deny each of its mints",
            fix="pass vpc=, or leave the others out",
        )
    if vpc is not None and not hasattr(vpc, "vpc_id"):
        raise InvalidInputError(
            "the function's VPC is none",
            got=f"a {type(vpc).__name__}",
            expected="an ec2.IVpc",
            why="the function needs its subnets as well as its id",
            fix="pass the VPC; import one with Vpc.from_vpc_attributes or Vpc.from_lookup",
        )
