"""Policies of other services: one that names a role makes it UNKNOWN, one for everybody is listed."""

import json
from typing import Any

import pytest

from session_scoping.verify import Report, Status
from tests.support.verify.corpus import verify_stacks
from tests.support.verify.examples import example
from tests.support.verify.mutations import Template, edit, session_role


def with_resource(kind: str, **properties: Any) -> Report:
    """Return the report on the small example beside a stack with one resource, which knows its role by an export."""
    base = example("small").template

    def export(template: Template) -> None:
        value = {"Fn::GetAtt": [session_role(base), "Arn"]}
        template["Outputs"] = {"Arn": {"Value": value, "Export": {"Name": "shared-role"}}}

    more = {"Resources": {"More": {"Type": kind, "Properties": properties}}}
    return verify_stacks({"Small": edit(base, "export", export).template, "More": more})


ROLE = {"Fn::ImportValue": "shared-role"}
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NAMING: dict[str, tuple[str, dict[str, Any]]] = {
    "a secret": (
        "AWS::SecretsManager::ResourcePolicy",
        {"SecretId": "s", "ResourcePolicy": {"Statement": [{**ALLOW, "Principal": {"AWS": ROLE}}]}},
    ),
    "a queue, by the role's ARN in text": (
        "AWS::SQS::QueuePolicy",
        {"Queues": [], "PolicyDocument": {"Statement": [
            {**ALLOW, "Principal": "*", "Condition": {"ArnEquals": {
                "aws:PrincipalArn": {"Fn::Sub": ["${Who}", {"Who": ROLE}]}}}},
        ]}},
    ),
    "a function": ("AWS::Lambda::Permission", {"Action": "lambda:InvokeFunction", "Principal": ROLE}),
    "an access grant": (
        "AWS::S3::AccessGrant",
        {"Permission": "READ", "Grantee": {"GranteeType": "IAM", "GranteeIdentifier": ROLE}},
    ),
    "a custom resource that changes it": (
        "Custom::AWS",
        {"Create": {"Fn::Join": ["", ['{"service":"IAM","action":"putRolePolicy","RoleName":"', ROLE, '"}']]}},
    ),
    "a data lake": (
        "AWS::LakeFormation::PrincipalPermissions", {"Principal": {"DataLakePrincipalIdentifier": ROLE}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMING)
def test_a_policy_of_another_service_that_names_the_role_is_unknown(case: str) -> None:
    """What it grants is not modelled; the role is found through an import too."""
    kind, properties = NAMING[case]
    report = with_resource(kind, **properties)
    assert {result.status for result in report.failures()} == {Status.UNKNOWN}
    assert any("More.More" in result.detail for result in report.failures())


def test_a_policy_of_another_service_for_everybody_is_listed() -> None:
    """A public queue crosses no sessions; that nothing of tenants is in it is an assumption, and is said."""
    policy = {"Statement": [{**ALLOW, "Principal": "*"}]}
    report = with_resource("AWS::SQS::QueuePolicy", Queues=["q"], PolicyDocument=policy)
    assert report.proved, report.failures()
    assert any("More.More (AWS::SQS::QueuePolicy) lets everybody in" in text for text in report.assumptions)


def test_a_policy_that_names_somebody_else_says_nothing() -> None:
    """A queue for a topic has nothing to do with sessions."""
    policy = {"Statement": [{**ALLOW, "Principal": {"Service": "sns.amazonaws.com"}}]}
    report = with_resource("AWS::SQS::QueuePolicy", Queues=["q"], PolicyDocument=policy)
    assert report.proved, report.failures()
    assert not any("lets everybody in" in text for text in report.assumptions)


def test_an_ordinary_custom_resource_says_nothing() -> None:
    """Emptying a bucket, or calling another service for a role, changes no role."""
    create = {"Fn::Join": ["", ['{"service":"S3","action":"putBucketNotification","role":"', ROLE, '"}']]}
    assert with_resource("Custom::AWS", Create=create).proved


def test_the_policy_of_a_vpc_endpoint_says_nothing() -> None:
    """It only takes away, so that naming the role in it gives the role nothing."""
    policy = {"Statement": [{**ALLOW, "Principal": {"AWS": ROLE}}]}
    report = with_resource("AWS::EC2::VPCEndpoint", VpcId="vpc-1", ServiceName="s3", PolicyDocument=policy)
    assert report.proved, report.failures()


def test_a_policy_of_another_service_that_only_denies_says_nothing() -> None:
    """A Deny that names the role gives it nothing, beside an Allow for somebody else too."""
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": {"AWS": ROLE}}
    policy = {"Statement": [deny, {**ALLOW, "Principal": {"Service": "sns.amazonaws.com"}}]}
    report = with_resource("AWS::SQS::QueuePolicy", Queues=["q"], PolicyDocument=policy)
    assert report.proved, report.failures()


@pytest.mark.parametrize(("effect", "status"), [("Deny", set()), ("Allow", {Status.UNKNOWN})])
def test_a_single_statement_that_denies_says_nothing(effect: str, status: set[Status]) -> None:
    """A statement that stands alone, as in the policy of an event bus, is read as one in a list is."""
    one = {"Effect": effect, "Action": "*", "Resource": "*", "Principal": {"AWS": ROLE}}
    bus = with_resource("AWS::Events::EventBusPolicy", StatementId="s", Statement=one)
    queue = with_resource("AWS::SQS::QueuePolicy", Queues=["q"], PolicyDocument={"Statement": one})
    assert {result.status for result in bus.failures()} == status
    assert {result.status for result in queue.failures()} == status


def test_what_others_make_of_a_role_is_unknown() -> None:
    """A third party's type that is given the role may change it; without it, it may not."""
    kind = "Vendor::Cloud::Agent"
    report = with_resource(kind, Parameters=[{"Value": ROLE}])
    assert {result.status for result in report.failures()} == {Status.UNKNOWN}
    assert with_resource(kind, Parameters=[{"Value": "none"}]).proved


@pytest.mark.parametrize(
    "kind", ["AWS::CloudFormation::StackSet", "AWS::ServiceCatalog::CloudFormationProvisionedProduct"]
)
def test_what_deploys_another_template_is_unknown(kind: str) -> None:
    """What a stack set or a product deploys, into this account too, is not in the template."""
    report = with_resource(kind, StackSetName="more", PermissionModel="SELF_MANAGED")
    assert {result.status for result in report.failures()} == {Status.UNKNOWN}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::SQS::QueuePolicy", {"Queues": ["q"]}),
        ("AWS::SNS::TopicPolicy", {"Topics": ["t"]}),
        ("AWS::SecretsManager::ResourcePolicy", {"SecretId": "s"}),
        ("AWS::Backup::BackupVault", {"BackupVaultName": "v"}),
    ],
)
def test_a_queue_for_a_compute_role_gives_it_no_tenant_data(kind: str, properties: dict[str, Any]) -> None:
    """Its own queue, topic or secret is not tenant data; a vault of backups may hold some."""
    base = example("small").template
    (compute,) = [key for key, body in base["Resources"].items() if _is_compute(body)]
    statement = {**ALLOW, "Principal": {"AWS": {"Fn::GetAtt": [compute, "Arn"]}}}
    document = {"Statement": [statement]}
    more = {"Type": kind, "Properties": {**properties, "PolicyDocument": document, "ResourcePolicy": document}}
    report = verify_stacks({"Small": edit(base, "more", lambda t: t["Resources"].update(More=more)).template})
    assert report.proved is not kind.startswith("AWS::Backup"), report.failures()


def _is_compute(body: dict[str, Any]) -> bool:
    trusted = json.dumps(body.get("Properties", {}).get("AssumeRolePolicyDocument", ""))
    return body["Type"] == "AWS::IAM::Role" and "ecs-tasks" in trusted
