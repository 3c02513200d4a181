"""Whether the code that uses bound sessions can run in a VPC at all: asked of the finished tree."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, cast

import aws_cdk as cdk
from constructs import IConstruct

from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.restrictions.restriction import RestrictedRole

_ADD_ENDPOINT = {
    "sts": 'add_interface_endpoint("Sts", service=ec2.InterfaceVpcEndpointAwsService.STS)',
    "s3": 'add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)',
    "dynamodb": 'add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)',
    "bedrock-runtime": (
        'add_interface_endpoint("BedrockRuntime", service=ec2.InterfaceVpcEndpointAwsService.BEDROCK_RUNTIME)'
    ),
}


def compute_checks(restricted: RestrictedRole, *, task_ip: bool) -> Iterable[Check]:
    """
    Check the runtimes, functions and task definitions of this app that run under the compute roles.

    NOT PROTECTED: what runs under a compute role elsewhere, and a runtime's network given as a deploy-time value.
    """
    for resource in _resources(restricted.owner):
        properties = _kind(resource)
        if properties is None:
            continue
        role, network, fault = properties
        owners = [role, *(one.role_arn for one in restricted.compute_roles)]
        errors = partial(_compute_errors, restricted, resource.node.path, fault, task_ip)
        # Both in the resource's own stack, where an ARN and a reference to it read the same.
        stack = cdk.Stack.of(resource)
        yield Check({"known": stack.resolve(owners), "network": stack.resolve(network)}, errors)


_AGENTCORE = "AgentCore runtime"
_LAMBDA = "function"
_ECS = "task definition"


_KINDS = (
    (_AGENTCORE, "aws_bedrockagentcore", "CfnRuntime", "roleArn", "networkConfiguration"),
    (_LAMBDA, "aws_lambda", "CfnFunction", "role", "vpcConfig"),
    (_ECS, "aws_ecs", "CfnTaskDefinition", "taskRoleArn", "networkMode"),
)


def _kind(resource: IConstruct) -> tuple[Any, Any, str] | None:
    """Return the role, the network and the kind of a resource that runs code."""
    for kind, module, name, role, network in _KINDS:
        # Nothing is of a class whose module is not loaded, and loading ECS for that answer would take longest of all.
        loaded = sys.modules.get(f"aws_cdk.{module}")
        if loaded is not None and isinstance(resource, getattr(loaded, name)):
            found = properties_of(cast(cdk.CfnResource, resource))
            return found.get(role), found.get(network), kind
    return None


def _compute_errors(restricted: RestrictedRole, path: str, kind: str, task_ip: bool, found: Any) -> Iterator[str]:
    role, *compute_roles = found["known"]
    if role is None or role not in compute_roles:
        return
    network = found.get("network")
    begin = f"role `{restricted.owner.node.path}` is bound to a VPC, and {kind} `{path}` "
    if kind == _AGENTCORE and isinstance(network, dict) and network.get("networkMode") == "PUBLIC":
        yield (
            f"{begin}runs in network mode PUBLIC: got PUBLIC, expected VPC; its requests pass no VPC endpoint, so they "
            "carry no aws:SourceVpc and every one of them would be denied; fix: "
            "network_configuration=RuntimeNetworkConfiguration.using_vpc(...), or leave the binding out"
        )
    elif kind == _LAMBDA and not network:
        yield (
            f"{begin}runs outside any VPC: got no VPC configuration, expected one; its requests carry no aws:SourceVpc "
            "and every one of them would be denied; fix: give it `vpc` and `vpc_subnets`, or leave the binding out"
        )
    elif kind == _ECS and task_ip and network != "awsvpc":
        yield (
            f"{begin}shares its host's address: got network mode `{network}`, expected awsvpc; a pinned session is "
            "used from the task's own address; fix: network_mode=ecs.NetworkMode.AWS_VPC, or drop task_ip"
        )


def endpoint_checks(restricted: RestrictedRole, vpc: cdk.aws_ec2.Vpc, elsewhere: frozenset[str]) -> Iterable[Check]:
    """Check that the VPC has the endpoints sessions need; a request that goes around them is denied."""
    endpoints = [resource for resource in _resources(vpc) if isinstance(resource, cdk.aws_ec2.CfnVPCEndpoint)]
    stack = cdk.Stack.of(vpc)
    known = [(properties_of(endpoint)["vpcId"], properties_of(endpoint).get("serviceName")) for endpoint in endpoints]
    here = [stack.resolve(name) for of, name in known if of == vpc.vpc_id and name]
    names = {_last_part(name) for name in here}
    missing = sorted(restricted.services - names - elsewhere)
    yield Check({}, lambda _: _missing_errors(restricted, vpc, missing))


def _missing_errors(restricted: RestrictedRole, vpc: cdk.aws_ec2.Vpc, missing: list[str]) -> Iterator[str]:
    if missing:
        calls = "; ".join(f"vpc.{_ADD_ENDPOINT[name]}" for name in missing)
        yield (
            f"role `{restricted.owner.node.path}` is bound to VPC `{vpc.node.path}`, which lacks endpoints: got "
            f"none for {', '.join(missing)}, expected one for each service a session calls; a request that "
            "passes none carries no aws:SourceVpc and is denied; "
            f"fix: {calls}, or endpoints_elsewhere where another app makes them"
        )


def _last_part(service_name: Any) -> str:
    """Return `sts` of `com.amazonaws.<region>.sts`, whose Region may be a reference."""
    if isinstance(service_name, dict):
        service_name = service_name.get("Fn::Join", ["", [""]])[1][-1]
    return str(service_name).rpartition(".")[2]


def _resources(scope: IConstruct) -> list[IConstruct]:
    return [*scope.node.root.node.find_all()]
