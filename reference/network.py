"""The VPC that sessions are tied to."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

_CIDR = "10.0.0.0/16"


def agent_vpc(scope: Construct, *, brokered: bool) -> ec2.Vpc:
    """
    Make a VPC without a way out: sessions reach AWS through its endpoints only.

    Args:
        scope: Parent construct.
        brokered: Whether a credential broker runs in it: agents then call Lambda, and the broker calls KMS.
    """
    vpc = ec2.Vpc(
        scope,
        "AgentVpc",
        ip_addresses=ec2.IpAddresses.cidr(_CIDR),
        max_azs=2,
        nat_gateways=0,
        subnet_configuration=[ec2.SubnetConfiguration(name="agents", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
        restrict_default_security_group=False,
    )
    vpc.add_flow_log("FlowLog")
    vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
    from_inside = ec2.SecurityGroup(scope, "EndpointSecurityGroup", vpc=vpc, allow_all_outbound=False)
    from_inside.add_ingress_rule(ec2.Peer.ipv4(_CIDR), ec2.Port.tcp(443))
    broker = {"Lambda": ec2.InterfaceVpcEndpointAwsService.LAMBDA_, "Kms": ec2.InterfaceVpcEndpointAwsService.KMS}
    services = {
        "Sts": ec2.InterfaceVpcEndpointAwsService.STS,
        "BedrockRuntime": ec2.InterfaceVpcEndpointAwsService.BEDROCK_RUNTIME,
        **(broker if brokered else {}),
    }
    for id, service in services.items():
        vpc.add_interface_endpoint(id, service=service, open=False, security_groups=[from_inside])
    return vpc
