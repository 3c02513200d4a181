"""WorkloadBinding: whole statements, what synth demands of the network, and what is refused."""

from collections.abc import Callable
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_lambda as lambda_

from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    Models,
    ScopedComputeRole,
    SessionBrokerRole,
    SessionRole,
    TenantObjects,
    WorkloadBinding,
    endpoint_policy_for,
)
from session_scoping.contract.tags import DEFAULT_TAG_KEYS
from session_scoping.verify import verify
from tests.support import stacks
from tests.support.reference import synthesize_reference

DIRECT = {"BoolIfExists": {"aws:ViaAWSService": "false"}}
EVERYTHING = {"Action": "*", "Effect": "Deny", "Resource": "*"}
SONNET = "anthropic.claude-sonnet-4-6"


def bound(scope: cdk.Stack, binding: WorkloadBinding, **options: Any) -> SessionRole:
    """Return a session role under a binding."""
    if "minting" not in options:
        options["minting"] = Minting.by_compute_roles(stacks.role(scope))
    return stacks.session_role(scope, restrictions=[binding], **options)


@pytest.mark.parametrize("flags", stacks.FLAG_SETS)
def test_every_trust_statement_demands_the_vpc_and_its_region(flags: str) -> None:
    """In addition to the tags, each statement asks where STS is called from; a missing key admits nobody."""
    stack = stacks.stack(flags)
    bound(stack, WorkloadBinding(vpc="vpc-1"))
    statements = stacks.trust(stacks.template(stack), "SessionRole")
    for statement in statements:
        assert statement["Condition"]["StringEquals"] == {
            "aws:SourceVpc": "vpc-1",
            "aws:RequestedRegion": stacks.HERE["Region"],
        }
        assert "aws:RequestTag/task_id" in statement["Condition"]["StringLike"]


def test_guards_deny_what_comes_from_elsewhere() -> None:
    """Outside the VPC everything, in another Region everything but routed inference; AWS's own calls excepted."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc="vpc-1", region="eu-west-1"))
    guards = stacks.by_sid(stacks.policy(stacks.template(stack), "SessionGuards"))
    assert guards["DenyOutsideVpc"] == {
        **EVERYTHING,
        "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}, **DIRECT},
    }
    assert guards["DenyOtherRegions"] == {
        "NotAction": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
        "Effect": "Deny",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}, **DIRECT},
    }
    assert "DenyWithoutPin" not in guards


def test_a_pin_denies_other_addresses_and_a_missing_pin() -> None:
    """The variable stands under a string operator: IAM fills none in under IpAddress."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc="vpc-1", task_ip=True), tag_keys=[*DEFAULT_TAG_KEYS, "task_ip"])
    guards = stacks.by_sid(stacks.policy(stacks.template(stack), "SessionGuards"))
    assert guards["DenyAwayFromTask"] == {
        **EVERYTHING,
        "Condition": {"StringNotEquals": {"aws:VpcSourceIp": "${aws:PrincipalTag/task_ip}"}, **DIRECT},
    }
    assert guards["DenyWithoutPin"] == {
        **EVERYTHING,
        "Condition": {"StringNotLike": {"aws:PrincipalTag/task_ip": "?*"}},
    }


def test_the_role_says_what_it_is_bound_to() -> None:
    """The verifier reads VPC, Region and pin from the role's Metadata."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc="vpc-1", task_ip=True), tag_keys=["task_id", "task_ip"])
    template = stacks.template(stack)
    metadata = template["Resources"][stacks.ref(template, "SessionRole")]["Metadata"]
    assert {key: value for key, value in metadata.items() if key.startswith("session-scoping:")} == {
        "session-scoping:bound-to": "vpc-1",
        "session-scoping:bound-region": stacks.HERE["Region"],
        "session-scoping:pinned-by": "task_ip",
    }


def test_without_a_binding_nothing_changes() -> None:
    """Off by default: no condition, no Deny, no Metadata."""
    stack = stacks.stack()
    stacks.session_role(stack)
    text = str(stacks.template(stack))
    assert "SourceVpc" not in text
    assert "session-scoping:bound" not in text


def test_a_session_broker_is_bound_the_same_way() -> None:
    """The restriction knows no kind of role."""
    stack = stacks.stack()
    SessionBrokerRole(
        stack, "Broker", tenant="acme", callers=[stacks.role(stack)], restrictions=[WorkloadBinding(vpc="vpc-1")]
    )
    template = stacks.template(stack)
    (statement,) = stacks.trust(template, "BrokerRole")
    assert statement["Condition"]["StringEquals"]["aws:SourceVpc"] == "vpc-1"
    assert "DenyOutsideVpc" in stacks.by_sid(stacks.policy(template, "BrokerGuards"))


# --- endpoints --------------------------------------------------------------------------------------------------------


def network(scope: cdk.Stack, *services: str) -> ec2.Vpc:
    """Return a VPC with endpoints for these services."""
    vpc = ec2.Vpc(scope, "Vpc", nat_gateways=0, max_azs=1, restrict_default_security_group=False)
    interfaces = {
        "sts": ec2.InterfaceVpcEndpointAwsService.STS,
        "bedrock-runtime": ec2.InterfaceVpcEndpointAwsService.BEDROCK_RUNTIME,
    }
    gateways = {
        "s3": ec2.GatewayVpcEndpointAwsService.S3,
        "dynamodb": ec2.GatewayVpcEndpointAwsService.DYNAMODB,
    }
    for name in services:
        if name in interfaces:
            vpc.add_interface_endpoint(name, service=interfaces[name])
        else:
            vpc.add_gateway_endpoint(name, service=gateways[name])
    return vpc


def everything_used(stack: cdk.Stack) -> dict[str, Any]:
    """Return options of a session role that calls all four services."""
    return {
        "objects": [TenantObjects.artifacts(stacks.bucket(stack))],
        "models": Models.profile("us", [SONNET]),
    }


def test_missing_endpoints_fail_synth_by_name() -> None:
    """A request that passes no endpoint carries no VPC, so each missing one is named, with the line that adds it."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc=network(stack, "sts", "s3")), **everything_used(stack))
    with pytest.raises(RuntimeError, match=r"got none for bedrock-runtime, dynamodb, expected") as caught:
        stacks.template(stack)
    assert "GatewayVpcEndpointAwsService.DYNAMODB" in str(caught.value)
    assert "InterfaceVpcEndpointAwsService.STS" not in str(caught.value)


@pytest.mark.parametrize("missing", ["sts", "s3", "dynamodb", "bedrock-runtime"])
def test_each_service_a_session_calls_needs_its_endpoint(missing: str) -> None:
    """Sessions come from STS and use the three others, so no endpoint can replace another one."""
    stack = stacks.stack()
    there = {"sts", "s3", "dynamodb", "bedrock-runtime"} - {missing}
    bound(stack, WorkloadBinding(vpc=network(stack, *sorted(there))), **everything_used(stack))
    with pytest.raises(RuntimeError, match=f"got none for {missing}, expected"):
        stacks.template(stack)


@pytest.mark.parametrize("env", [None, cdk.Environment(account="111122223333", region="us-gov-west-1")])
def test_a_vpc_with_its_endpoints_passes(env: cdk.Environment | None) -> None:
    """All four are found, in a concrete environment and without one."""
    stack = stacks.stack(env=env)
    vpc = network(stack, "sts", "s3", "dynamodb", "bedrock-runtime")
    bound(stack, WorkloadBinding(vpc=vpc), **everything_used(stack))
    assert stacks.template(stack)


def test_only_the_endpoints_sessions_use_are_demanded() -> None:
    """A role with one table needs STS and DynamoDB."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc=network(stack, "sts", "dynamodb")))
    assert stacks.template(stack)


def test_endpoints_made_elsewhere_can_be_named() -> None:
    """Another app may own an endpoint of this VPC."""
    stack = stacks.stack()
    bound(stack, WorkloadBinding(vpc=network(stack, "dynamodb"), endpoints_elsewhere=["sts"]))
    assert stacks.template(stack)


def test_endpoints_of_another_vpc_do_not_count() -> None:
    """The endpoints must stand in the VPC sessions are bound to."""
    stack = stacks.stack()
    network(stack, "sts", "dynamodb")
    other = ec2.Vpc(stack, "Other", nat_gateways=0, max_azs=1, restrict_default_security_group=False)
    bound(stack, WorkloadBinding(vpc=other))
    with pytest.raises(RuntimeError, match="bound to VPC `Small/Other`, which lacks endpoints"):
        stacks.template(stack)


def test_an_imported_vpc_is_taken_at_its_word() -> None:
    """Its endpoints cannot be seen from here; the Denies hold all the same."""
    stack = stacks.stack()
    vpc = ec2.Vpc.from_vpc_attributes(stack, "Vpc", vpc_id="vpc-9", availability_zones=["us-east-1a"])
    bound(stack, WorkloadBinding(vpc=vpc))
    (statement,) = stacks.trust(stacks.template(stack), "SessionRole")
    assert statement["Condition"]["StringEquals"]["aws:SourceVpc"] == "vpc-9"


def test_a_vpc_of_another_stack_is_referenced_and_checked() -> None:
    """The network may stand in a stack of its own."""
    stack = stacks.stack()
    vpc = network(cdk.Stack(cast(cdk.App, stack.node.root), "Network"), "sts")
    bound(stack, WorkloadBinding(vpc=vpc))
    with pytest.raises(RuntimeError, match="got none for dynamodb, expected"):
        stacks.template(stack)


def test_the_endpoint_policy_names_the_roles_and_nobody_else() -> None:
    """Gateway endpoints take `*` as principal only, so a condition says who."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    session = bound(stack, WorkloadBinding(vpc="vpc-1"), minting=Minting.by_compute_roles(agent))
    (statement,) = endpoint_policy_for(session, agent)
    rendered = stack.resolve(statement.to_statement_json())
    assert rendered == {
        "Action": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": stack.resolve([session.role_arn, agent.role_arn])}},
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Resource": "*",
        "Sid": "TheseRolesOnly",
    }
    with pytest.raises(InvalidInputError, match="names nobody"):
        endpoint_policy_for()


# --- what runs under the compute roles --------------------------------------------------------------------------------


def runtime(stack: cdk.Stack, agent: ScopedComputeRole, network: agentcore.RuntimeNetworkConfiguration | None) -> None:
    """Make the real AgentCore runtime under the role."""
    image = agentcore.AgentRuntimeArtifact.from_image_uri("111122223333.dkr.ecr.us-east-1.amazonaws.com/agent:1")
    agentcore.Runtime(
        stack, "Runtime", agent_runtime_artifact=image, execution_role=agent, network_configuration=network
    )


def agent_of(stack: cdk.Stack, backend: ComputeBackend, **binding: Any) -> ScopedComputeRole:
    """Return a compute role whose sessions are bound."""
    agent = ScopedComputeRole(stack, "Agent", backend=backend)
    tags = [*DEFAULT_TAG_KEYS, "task_ip"] if binding.get("task_ip") else DEFAULT_TAG_KEYS
    given = {"vpc": "vpc-1", **binding}
    bound(stack, WorkloadBinding(**given), minting=Minting.by_compute_roles(agent), tag_keys=tags)
    return agent


@pytest.mark.parametrize("network", [None, agentcore.RuntimeNetworkConfiguration.using_public_network()])
def test_an_agentcore_runtime_in_public_mode_fails_synth(
    network: agentcore.RuntimeNetworkConfiguration | None,
) -> None:
    """Its requests pass no VPC endpoint, so every one would be denied; the error says so."""
    stack = stacks.stack()
    runtime(stack, agent_of(stack, ComputeBackend.AGENTCORE), network)
    with pytest.raises(RuntimeError, match=r"runs in network mode PUBLIC: .* carry no aws:SourceVpc"):
        stacks.template(stack)


def test_an_agentcore_runtime_in_the_vpc_passes() -> None:
    """With network mode VPC there is an endpoint to pass."""
    stack = stacks.stack()
    vpc = network(stack, "sts", "dynamodb")
    inside = agentcore.RuntimeNetworkConfiguration.using_vpc(stack, vpc=vpc)
    runtime(stack, agent_of(stack, ComputeBackend.AGENTCORE, vpc=vpc), inside)
    assert stacks.template(stack)


def test_a_public_runtime_under_another_role_is_no_concern() -> None:
    """Only code that uses bound sessions must stand in the VPC."""
    stack = stacks.stack()
    agent_of(stack, ComputeBackend.AGENTCORE)
    runtime(stack, ScopedComputeRole(stack, "Free", backend=ComputeBackend.AGENTCORE), None)
    assert stacks.template(stack)


def test_a_runtime_in_another_stack_is_found() -> None:
    """The check looks through the whole app."""
    stack = stacks.stack()
    agent = agent_of(stack, ComputeBackend.AGENTCORE)
    runtime(cdk.Stack(cast(cdk.App, stack.node.root), "Runtimes"), agent, None)
    with pytest.raises(RuntimeError, match="runtime `Runtimes/Runtime/"):
        stacks.template(stack)


def function(stack: cdk.Stack, agent: ScopedComputeRole, **options: Any) -> None:
    """Make a function under the role."""
    code = lambda_.CfnFunction.CodeProperty(zip_file="pass")
    lambda_.CfnFunction(stack, "Function", code=code, role=agent.role_arn, **options)


def test_a_function_outside_any_vpc_fails_synth() -> None:
    """Lambda without a VPC configuration calls AWS from AWS's own network."""
    stack = stacks.stack()
    function(stack, agent_of(stack, ComputeBackend.LAMBDA))
    with pytest.raises(RuntimeError, match=r"function `Small/Function` runs outside any VPC"):
        stacks.template(stack)


def test_a_function_in_a_vpc_passes() -> None:
    """A function with subnets is let through."""
    stack = stacks.stack()
    inside = lambda_.CfnFunction.VpcConfigProperty(subnet_ids=["subnet-1"], security_group_ids=["sg-1"])
    function(stack, agent_of(stack, ComputeBackend.LAMBDA), vpc_config=inside)
    assert stacks.template(stack)


@pytest.mark.parametrize(("mode", "passes"), [("awsvpc", True), ("bridge", False), ("host", False)])
def test_a_pin_needs_a_task_with_its_own_address(mode: str, passes: bool) -> None:
    """Tasks in other network modes share their host's address."""
    stack = stacks.stack()
    agent = agent_of(stack, ComputeBackend.ECS, task_ip=True)
    ecs.CfnTaskDefinition(stack, "Task", network_mode=mode, task_role_arn=agent.role_arn)
    if passes:
        assert stacks.template(stack)
        return
    with pytest.raises(RuntimeError, match=f"got network mode `{mode}`, expected awsvpc"):
        stacks.template(stack)


# --- bad input --------------------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "no VPC": (lambda _: WorkloadBinding(vpc=""), "the VPC's id does not name one"),
    "any VPC": (lambda _: WorkloadBinding(vpc="vpc-*"), "expected one name that begins `vpc-`, without wildcards"),
    "a subnet": (lambda _: WorkloadBinding(vpc="subnet-1"), "the VPC's id does not name one"),
    "a policy variable": (lambda _: WorkloadBinding(vpc="vpc-${aws:SourceVpc}"), "the VPC's id does not name one"),
    "something else": (lambda _: WorkloadBinding(vpc=7), "the binding has no VPC"),  # type: ignore[arg-type]
    "a table": (lambda s: WorkloadBinding(vpc=stacks.table(s)), "the binding has no VPC"),  # type: ignore[arg-type]
    "any Region": (lambda _: WorkloadBinding(vpc="vpc-1", region="*"), "got `*`, expected one name, without wildcards"),
    "no Region": (lambda _: WorkloadBinding(vpc="vpc-1", region=""), "the VPC's Region does not name one"),
    "a pin without its tag": (
        lambda s: bound(s, WorkloadBinding(vpc="vpc-1", task_ip=True)),
        "sessions are tied to an address they do not carry",
    ),
    "a bare VPC as a restriction": (
        lambda s: stacks.session_role(s, restrictions=["vpc-1"]),
        "`restrictions` is not what",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused_in_one_sentence(name: str) -> None:
    """Each message is one line and says what is wrong."""
    attempt, fault = MISTAKES[name]
    with pytest.raises(InvalidInputError) as caught:
        attempt(stacks.stack())
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_given_later_needs_its_endpoint_too() -> None:
    """What only the finished tree shows is checked there."""
    from session_scoping import TenantTable, TenantTablePolicy

    stack = stacks.stack()
    made = bound(stack, WorkloadBinding(vpc=network(stack, "sts")), tables=[])
    table: dynamodb.ITable = stacks.table(stack)
    TenantTablePolicy(stack, "More", tables=[TenantTable(table, access="get")]).attach_to(made)
    with pytest.raises(RuntimeError, match="got none for dynamodb, expected"):
        stacks.template(stack)


def test_the_reference_stack_binds_a_brokers_sessions() -> None:
    """With both switches the broker runs in the VPC, its endpoints are there, and everything is proved."""
    template = synthesize_reference(binding="vpc", minting="credentialBroker")
    (broker,) = (
        one for one in stacks.resources(template, "AWS::Lambda::Function").values() if "broker" in one["Handler"]
    )
    assert "VpcConfig" in broker
    text = str(stacks.resources(template, "AWS::EC2::VPCEndpoint"))
    assert all(f".{service}'" in text for service in ("kms", "lambda", "sts", "bedrock-runtime"))
    assert [one for one in verify(template).results if one.status.name != "PROVED"] == []
