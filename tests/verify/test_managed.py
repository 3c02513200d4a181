"""AWS managed policies that ordinary compute roles carry."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import allow, by_hand, document, judged

LETS_BE = (
    "AmazonBedrockReadOnly",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonSQSFullAccess",
    "AWSXRayDaemonWriteAccess",
    "CloudWatchLogsFullAccess",
    "service-role/AmazonECSTaskExecutionRolePolicy",
    "AmazonSSMManagedInstanceCore",
    "CloudWatchAgentServerPolicy",
    "CloudWatchLambdaInsightsExecutionRolePolicy",
    "service-role/AWSLambdaKinesisExecutionRole",
    "service-role/AWSLambdaSQSQueueExecutionRole",
)


def compute_with(name: str) -> set[Status]:
    """Return what is said of a compute role with a managed policy."""
    template = by_hand()
    arn = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{name}"}
    template["Resources"]["Compute"]["Properties"]["ManagedPolicyArns"] = [arn]
    return {result.status for result in judged(template, "compute-isolation")}


@pytest.mark.parametrize("name", LETS_BE)
def test_a_managed_policy_without_tenant_data_is_harmless(name: str) -> None:
    """Logs, queues and agents of AWS reach no table and no bucket."""
    assert compute_with(name) == {Status.PROVED}


def test_the_policy_for_table_streams_reads_tenant_data() -> None:
    """It reads the changes of every table."""
    assert compute_with("service-role/AWSLambdaDynamoDBExecutionRole") == {Status.VIOLATED}


@pytest.mark.parametrize("name", ["AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "AmazonS3ReadOnlyAccess"])
def test_a_managed_policy_for_everything_reads_tenant_data(name: str) -> None:
    """It covers every table or bucket of the account."""
    assert compute_with(name) == {Status.VIOLATED}


def test_a_managed_policy_that_is_not_known_is_unknown() -> None:
    """What is not written down here may grant anything."""
    assert compute_with("service-role/AmazonNewestRole") == {Status.UNKNOWN}


@pytest.mark.parametrize("reference", [{"Ref": "Shared"}, {"Fn::GetAtt": ["Shared", "PolicyArn"]}])
@pytest.mark.parametrize(("actions", "status"), [("s3:GetObject", Status.VIOLATED), ("logs:Put*", Status.PROVED)])
def test_a_policy_of_the_template_is_read_however_its_arn_is_referred_to(
    reference: Any, actions: str, status: Status
) -> None:
    """`Ref` and the attribute `PolicyArn` are both its ARN, and what it grants counts."""
    shared = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document(allow(actions, "*"))}}
    template = by_hand(Shared=shared)
    template["Resources"]["Compute"]["Properties"]["ManagedPolicyArns"] = [reference]
    assert {result.status for result in judged(template, "compute-isolation")} == {status}
