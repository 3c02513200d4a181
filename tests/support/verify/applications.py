"""Ordinary CDK applications, none of which knows session tags."""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_ecs_patterns as patterns
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import cloudformation_include as include

from tests.support import ROOT, stacks


def function(scope: cdk.Stack, id: str = "Handler") -> lambda_.Function:
    """Return a function that does nothing."""
    code = lambda_.Code.from_inline("def handler(event, context): ...")
    return lambda_.Function(scope, id, code=code, handler="index.handler", runtime=lambda_.Runtime.PYTHON_3_12)


def an_api(app: cdk.App) -> None:
    """A REST API, its function and its table."""
    stack = cdk.Stack(app, "Api")
    handler = function(stack)
    stacks.table(stack).grant_read_write_data(handler)
    apigateway.LambdaRestApi(stack, "Rest", handler=handler)


def a_fargate_service(app: cdk.App) -> None:
    """A service behind a load balancer with an encrypted bucket that empties itself."""
    stack = cdk.Stack(app, "Web")
    bucket = s3.Bucket(
        stack, "Files", encryption=s3.BucketEncryption.KMS, enforce_ssl=True,
        auto_delete_objects=True, removal_policy=cdk.RemovalPolicy.DESTROY,
    )  # fmt: skip
    image = patterns.ApplicationLoadBalancedTaskImageOptions(image=ecs.ContainerImage.from_registry("nginx"))
    vpc = ec2.Vpc(stack, "Vpc")
    service = patterns.ApplicationLoadBalancedFargateService(stack, "Service", vpc=vpc, task_image_options=image)
    bucket.grant_read_write(service.task_definition.task_role)


def nested_and_crossing(app: cdk.App) -> None:
    """A table two stacks deep, a queue in another stack, a Stage."""
    stage = cdk.Stage(app, "Prod")
    data, web = cdk.Stack(stage, "Data"), cdk.Stack(stage, "Web")
    table = stacks.table(cdk.NestedStack(cdk.NestedStack(data, "Outer"), "Inner"))
    table.grant_full_access(function(data))
    sqs.Queue(data, "Queue").grant_send_messages(function(web))


def parameters_and_conditions(app: cdk.App) -> None:
    """SSM and list parameters, a conditional policy, a service-linked role, other accounts and federation."""
    stack = cdk.Stack(app, "Parameters")
    name = cdk.CfnParameter(stack, "Name", type="AWS::SSM::Parameter::Value<String>", default="/x")
    roles = cdk.CfnParameter(stack, "Roles", type="CommaDelimitedList")
    condition = cdk.CfnCondition(stack, "Here", expression=cdk.Fn.condition_equals(cdk.Aws.REGION, "us-east-1"))
    statement = iam.PolicyStatement(actions=["s3:*"], resources=[f"arn:aws:s3:::{name.value_as_string}/*"])
    document = iam.PolicyDocument(statements=[statement])
    policy = iam.CfnPolicy(
        stack, "Policy", policy_name="p", policy_document=document, roles=roles.value_as_list
    )  # fmt: skip
    policy.cfn_options.condition = condition
    iam.CfnServiceLinkedRole(stack, "Linked", aws_service_name="es.amazonaws.com")
    iam.Role(stack, "External", assumed_by=iam.AccountPrincipal("444455556666"), external_ids=["x"])
    iam.Role(stack, "Ci", assumed_by=iam.WebIdentityPrincipal("oidc", {"StringLike": {"oidc:sub": "repo:a/*"}}))


def an_included_template(app: cdk.App) -> None:
    """YAML with short intrinsics, taken into the CDK."""
    include.CfnInclude(cdk.Stack(app, "Included"), "Template", template_file=str(YAML))


def four_hundred_resources(app: cdk.App) -> None:
    """Tables, functions, their roles and queues by the dozen."""
    stack = cdk.Stack(app, "Large")
    for number in range(67):
        handler = function(stack, f"Handler{number}")
        stacks.table(stack, f"Table{number}").grant_read_write_data(handler)
        sqs.Queue(stack, f"Queue{number}").grant_consume_messages(handler)


YAML = ROOT / "tests" / "support" / "verify" / "short_intrinsics.yaml"
ALL = (
    an_api, a_fargate_service, nested_and_crossing, parameters_and_conditions, an_included_template,
    four_hundred_resources,
)  # fmt: skip
