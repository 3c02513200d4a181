"""Resources that nothing else reads: a doubt about what they name, and none where they name nothing of tenants."""

import json
from typing import Any

import pytest

from session_scoping.verify.deployment.resource_types import reading_of, reviewed
from session_scoping.verify.reports.report import Status
from tests.support.verify.hand_written import (
    BUCKET,
    COMPUTE,
    SESSION,
    TABLE,
    allow,
    by_hand,
    document,
    judged,
    policy,
    rows,
    tag,
)
from tests.support.verify.mutations import Body, Template

RULES = ("partition-isolation", "object-isolation", "compute-isolation", "no-external-access")
THERE = "444455556666"
QUEUE = f"arn:aws:sqs:eu-west-1:{THERE}:partner"
STREAM = {"Fn::GetAtt": ["Table", "StreamArn"]}


def statuses(template: Template, **options: Any) -> set[Status]:
    """Return what is said of isolation, of agent code's role and of external principals."""
    template.setdefault("Parameters", {"Which": {"Type": "String"}})
    return {result.status for result in judged(template, *RULES, **options)}


def resource(kind: str, **properties: Any) -> Body:
    """Return one resource."""
    return {"Type": kind, "Properties": properties}


def custom(**properties: Any) -> Body:
    """Return a custom resource whose function is not in the template."""
    return resource("Custom::Mine", ServiceToken="arn:aws:lambda:eu-west-1:111122223333:function:f", **properties)


def sdk(*parts: Any) -> Body:
    """Return a custom resource that makes an SDK call, as the CDK writes it."""
    return resource("Custom::AWS", ServiceToken="f", Create={"Fn::Join": ["", [*parts]]})


def schedule(call: Any, text: Any = "{}") -> Body:
    """Return a schedule that calls an API."""
    return resource("AWS::Scheduler::Schedule", Target={"Arn": call, "RoleArn": "arn:aws:iam::1:role/r", "Input": text})


def machine(call: str, **arguments: Any) -> Body:
    """Return a state machine that calls an API."""
    return resource(
        "AWS::StepFunctions::StateMachine",
        Definition={"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": call, "Arguments": arguments}}},
    )


SCHEDULER, STATES = "arn:aws:scheduler:::aws-sdk:", "arn:aws:states:::aws-sdk:"
TEXT = json.dumps(document(allow("dynamodb:Scan", "*")))
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
AUTOMATION = {"mainSteps": [{"action": "aws:executeAwsApi", "inputs": {"Service": "iam", "Api": "AttachRolePolicy"}}]}
SCRIPT = "boto3.client('iam').put_role_policy(RoleName=r)"

DOUBTS: dict[str, Body] = {
    # Custom resources that are handed a policy
    "statements": custom(Who=SESSION, Statements=[allow("dynamodb:Scan", "*")]),
    "statements in small letters": custom(role={"Ref": "Session"}, effect="allow", actions=["dynamodb:Scan"]),
    "a document as text": custom(Role=SESSION, Document=TEXT),
    "the name of a policy": custom(Role=COMPUTE, PolicyArns=[ADMIN]),
    "the name of a policy alone": custom(Role=COMPUTE, Managed={"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/X"}),
    "a policy for a role of a parameter": custom(Role={"Ref": "Which"}, PolicyDocument=document(allow("*", "*"))),
    "a policy, to a type of a third party": resource("Acme::IAM::Grant", Role=SESSION, Level="all"),
    "a policy, to the CDK's own type": sdk(f'{{"policy":{json.dumps(TEXT)},"role":"', SESSION, '"}'),
    "a bucket for another account": custom(Bucket={"Ref": "Bucket"}, With=THERE),
    "a table to export": custom(Table={"Ref": "Table"}, ExportTo="partner"),
    # Custom resources that call IAM and the stores' services
    "attachRolePolicy": sdk('{"service":"IAM","action":"attachRolePolicy","RoleName":"', {"Ref": "Session"}, '"}'),
    "a client and a command": sdk(
        '{"service":"@aws-sdk/client-iam","action":"PutRolePolicyCommand","r":"', SESSION, '"}'
    ),
    "a new version of an attached policy": sdk(
        '{"service":"iam","action":"createPolicyVersion","PolicyArn":"', {"Ref": "Extra"}, '"}'
    ),
    "the default version of an attached policy": sdk(
        '{"service":"iam","action":"setDefaultPolicyVersion","PolicyArn":"', {"Ref": "Extra"}, '"}'
    ),
    "an IAM call of a later day": sdk('{"service":"iam","action":"grantEverything","Role":"', SESSION, '"}'),
    "updateAssumeRolePolicy": sdk('{"service":"iam","action":"updateAssumeRolePolicy","r":"', {"Ref": "Session"}, '"}'),
    "tagRole": sdk('{"service":"iam","action":"tagRole","r":"', {"Ref": "Compute"}, '"}'),
    "a computed call": sdk('{"service":"', {"Ref": "Which"}, '","action":"x","r":"', SESSION, '"}'),
    "putBucketOwnershipControls": sdk(
        '{"service":"s3","action":"putBucketOwnershipControls","b":"', {"Ref": "Bucket"}, '"}'
    ),
    "updateTable": sdk('{"service":"dynamodb","action":"updateTable","t":"', {"Ref": "Table"}, '"}'),
    "createGlobalTable": sdk('{"service":"dynamodb","action":"createGlobalTable","t":"', {"Ref": "Table"}, '"}'),
    # What calls AWS when it runs
    "a schedule that attaches": schedule(f"{SCHEDULER}iam:putRolePolicy", {"Fn::Sub": '{"RoleName":"${Session}"}'}),
    "a schedule for a bucket": schedule(f"{SCHEDULER}s3:putBucketPolicy", {"Fn::Sub": '{"Bucket":"${Bucket}"}'}),
    "a schedule of a computed call": schedule({"Fn::Sub": "arn:aws:scheduler:::aws-sdk:${Which}"}, TABLE),
    "a schedule that exports": schedule(
        f"{SCHEDULER}dynamodb:exportTableToPointInTime", {"Fn::Sub": '{"T":"${Table.Arn}"}'}
    ),
    "a state machine that attaches": machine(f"{STATES}iam:attachRolePolicy", RoleName={"Ref": "Session"}),
    "a state machine that copies": machine(f"{STATES}s3:copyObject", CopySource={"Fn::Sub": "${Bucket}/x"}),
    "a state machine that assumes": machine(f"{STATES}sts:assumeRole", RoleArn=SESSION),
    "an automation": resource("AWS::SSM::Document", Content=AUTOMATION, Role=SESSION),
    "an automation's script": resource("AWS::SSM::Document", Content={"Script": SCRIPT, "Role": {"Ref": "Compute"}}),
    "an interface to IAM": resource(
        "AWS::ApiGateway::Method",
        Integration={"Uri": "arn:aws:apigateway:eu-west-1:iam:action/PutRolePolicy", "T": {"Ref": "Session"}},
    ),
    "an interface to a table": resource("AWS::ApiGateway::Method", Integration={"T": {"Fn::Sub": "${Table}"}}),
    # Copies
    "an integration": resource("AWS::RDS::Integration", SourceArn=TABLE, TargetArn=f"arn:aws:redshift:x:{THERE}:n"),
    "an integration in Glue": resource("AWS::Glue::Integration", SourceArn=TABLE, TargetArn={"Ref": "Which"}),
    "a pipe": resource("AWS::Pipes::Pipe", Source=STREAM, Target=QUEUE),
    "a source of events elsewhere": resource(
        "AWS::Lambda::EventSourceMapping", EventSourceArn=STREAM, FunctionName=QUEUE
    ),
    "a crawler": resource("AWS::Glue::Crawler", Targets={"S3Targets": [{"Path": {"Fn::Sub": "s3://${Bucket}/"}}]}),
    "a transfer": resource("AWS::DataSync::LocationS3", S3BucketArn=BUCKET),
    "an endpoint of a migration": resource("AWS::DMS::Endpoint", S3Settings={"BucketName": {"Ref": "Bucket"}}),
    "a flow": resource("AWS::AppFlow::Flow", SourceFlowConfig={"BucketName": {"Ref": "Bucket"}}),
    "an inventory": resource(
        "AWS::S3::Bucket",
        InventoryConfigurations=[{"Destination": {"BucketArn": "arn:aws:s3:::partner", "BucketAccountId": THERE}}],
    ),
    "notices to another account": resource(
        "AWS::S3::Bucket", NotificationConfiguration={"QueueConfigurations": [{"Event": "s3:*", "Queue": QUEUE}]}
    ),
    "a global table of another account": resource(
        "AWS::DynamoDB::GlobalTable",
        GlobalTableSourceArn=f"arn:aws:dynamodb:x:{THERE}:table/t",
        KeySchema=[{"AttributeName": "task_id", "KeyType": "HASH"}],
    ),
    "a vault for another account": resource(
        "AWS::Backup::BackupVault",
        AccessPolicy=document({**allow("backup:*", "*"), "Principal": {"AWS": f"arn:aws:iam::{THERE}:root"}}),
    ),
    # Automations and policies of what is not in the template
    "an automation of AWS": resource("AWS::SSM::Association", Name="AWS-Any", Parameters={"B": [{"Ref": "Bucket"}]}),
    "a rule that starts an automation": resource(
        "AWS::Events::Rule",
        Targets=[
            {
                "Arn": "arn:aws:ssm:eu-west-1:111122223333:automation-definition/Own:$DEFAULT",
                "Input": {"Fn::Sub": '{"Role":["${Session}"]}'},
            }
        ],
    ),
    "a remedy": resource("AWS::Config::RemediationConfiguration", Parameters={"Role": {"Ref": "Session"}}),
    "a policy of an unknown access point": resource("AWS::S3::MultiRegionAccessPointPolicy", MrapName="p"),
    "a policy for a role whose name is made of a parameter": custom(
        Role={"Fn::Sub": "arn:aws:iam::111122223333:role/ours-${Which}"}, PolicyArns=[ADMIN]
    ),
    # Types that nobody has listed
    "a new type with a table": resource("AWS::Newest::Thing", Table={"Ref": "Table"}),
    "a new type with a bucket's name": resource("AWS::Newest::Thing", Deep=[{"Url": {"Fn::Sub": "s3://${Bucket}/x"}}]),
    "a new type with a session's role": resource("AWS::Newest::Thing", RoleArn=SESSION),
    "a new type with a role's policy": resource("AWS::Newest::Thing", Managed=[{"Ref": "Extra"}]),
    "a new type with a parameter": resource("AWS::Newest::Thing", Source={"Ref": "Which"}),
    "a new type, by an import": resource("AWS::Newest::Thing", Source={"Fn::ImportValue": "somebody-exports-it"}),
    "an entry to a cluster": resource("AWS::EKS::AccessEntry", ClusterName="c", PrincipalArn=COMPUTE),
    "a user of a file transfer": resource("AWS::Transfer::User", HomeDirectory={"Fn::Sub": "/${Bucket}/"}),
    "an access point with a function": resource(
        "AWS::S3ObjectLambda::AccessPoint",
        ObjectLambdaConfiguration={"SupportingAccessPoint": "arn:aws:s3:x:1:accesspoint/p"},
    ),
}
IN_PLACE_OF = {
    "an inventory": "Bucket",
    "notices to another account": "Bucket",
    "a global table of another account": "Table",
}
EXTRA = {
    "Type": "AWS::IAM::ManagedPolicy",
    "Properties": {"Roles": [{"Ref": "Session"}], "PolicyDocument": document(allow("logs:PutLogEvents", "*"))},
}


@pytest.mark.parametrize("case", DOUBTS)
def test_what_nothing_reads_is_a_doubt_about_what_it_names(case: str) -> None:
    """It may change who reaches tenant data, or take it along; nothing else in the template says so."""
    backed_up = resource(
        "AWS::Backup::BackupSelection", BackupPlanId={"Ref": "Plan"}, BackupSelection={"Resources": [TABLE]}
    )
    plan = resource("AWS::Backup::BackupPlan", BackupPlan={"BackupPlanRule": [{"TargetBackupVault": "Default"}]})
    template = by_hand(Extra=EXTRA, Plan=plan, Chosen=backed_up, **{IN_PLACE_OF.get(case, "More"): DOUBTS[case]})
    template["Resources"]["Session"]["Properties"]["RoleName"] = "ours-sessions"
    assert Status.UNKNOWN in statuses(template)


HARMLESS: dict[str, Body] = {
    "a custom resource with a name": custom(Name="x", Table={"Ref": "Table"}),
    "a custom resource with a parameter": custom(Name={"Ref": "Which"}),
    "a policy for somebody else": custom(Role="somebody", Statements=[allow("sqs:SendMessage", "*")]),
    "emptying a bucket": resource("Custom::S3AutoDeleteObjects", ServiceToken="f", BucketName={"Ref": "Bucket"}),
    "a seed": sdk('{"service":"DynamoDB","action":"putItem","TableName":"', {"Ref": "Table"}, '"}'),
    "a schedule that starts a task": schedule("arn:aws:scheduler:::aws-sdk:ecs:runTask"),
    "a schedule of a function": schedule({"Ref": "Which"}),
    "a schedule for another role": schedule(f"{SCHEDULER}iam:putRolePolicy", '{"RoleName":"somebody"}'),
    "a state machine that writes": machine("arn:aws:states:::dynamodb:putItem", TableName="other"),
    "a rule": resource("AWS::Events::Rule", Targets=[{"Id": "a", "Arn": {"Ref": "Which"}}]),
    "an alarm of the table": resource("AWS::CloudWatch::Alarm", Dimensions=[{"Name": "T", "Value": {"Ref": "Table"}}]),
    "the table in a function's environment": resource(
        "AWS::Lambda::Function", Role=COMPUTE, Environment={"Variables": {"T": {"Ref": "Table"}, "E": {"Ref": "Which"}}}
    ),
    "a task": resource("AWS::ECS::TaskDefinition", TaskRoleArn=COMPUTE, Family={"Ref": "Which"}),
    "scaling": resource("AWS::ApplicationAutoScaling::ScalableTarget", ResourceId={"Fn::Sub": "table/${Table}"}),
    "a parameter of the store": resource("AWS::SSM::Parameter", Value={"Ref": "Table"}),
    "a database": resource("AWS::RDS::DBCluster", MasterUsername={"Ref": "Which"}),
    "a new type with nothing of tenants": resource(
        "AWS::Newest::Thing", Name="x", Role={"Fn::Sub": "${AWS::StackName}"}
    ),
    "backups in the own account": resource(
        "AWS::Backup::BackupSelection", BackupPlanId={"Ref": "Plan"}, BackupSelection={"Resources": [TABLE]}
    ),
    "a stream's function": resource(
        "AWS::Lambda::EventSourceMapping", EventSourceArn=STREAM, FunctionName={"Ref": "Projector"}
    ),
    "an integration of something else": resource(
        "AWS::RDS::Integration", SourceArn="arn:aws:rds:x:1:cluster:c", TargetArn=QUEUE
    ),
    "pods": resource("AWS::EKS::PodIdentityAssociation", RoleArn=COMPUTE, ServiceAccount={"Ref": "Which"}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_ordinary_resources_are_no_doubt(case: str) -> None:
    """They are listed with the reason, or name nothing of tenants."""
    plan = resource("AWS::Backup::BackupPlan", BackupPlan={"BackupPlanRule": [{"TargetBackupVault": "Default"}]})
    function = resource("AWS::Lambda::Function", Role="arn:aws:iam::1:role/projector")
    template = by_hand(Plan=plan, Projector=function, Extra=EXTRA, More=HARMLESS[case])
    assert statuses(template) == {Status.PROVED}


@pytest.mark.parametrize(
    "chosen",
    [
        {"Resources": [TABLE]},
        {"Resources": ["*"]},
        {"ListOfTags": [{"ConditionKey": "backup"}]},
        {"Resources": [BUCKET]},
    ],
)
def test_a_backup_that_is_copied_elsewhere_is_unknown_until_it_is_trusted(chosen: Body) -> None:
    """Who may restore from the other vault is not in the template."""
    vault = f"arn:aws:backup:eu-west-1:{THERE}:backup-vault:partner"
    plan = resource("AWS::Backup::BackupPlan", BackupPlan={"BackupPlanRule": [{
        "CopyActions": [{"DestinationBackupVaultArn": vault}]}]})  # fmt: skip
    chooses = resource("AWS::Backup::BackupSelection", BackupPlanId={"Ref": "Plan"}, BackupSelection=chosen)
    assert Status.UNKNOWN in statuses(by_hand(Plan=plan, Chooses=chooses))
    assert statuses(by_hand(Plan=plan, Chooses=chooses), trusted=(vault,)) == {Status.PROVED}


@pytest.mark.parametrize("account", ["111122223333", "{AWS::AccountId}"])
def test_a_table_that_no_template_makes_is_doubted_too(account: str) -> None:
    """A policy names it, and so does what takes it along."""
    arn = {"Fn::Sub": f"arn:aws:dynamodb:eu-west-1:{account.replace('{', '${')}:table/rows-of-all"}
    template = by_hand(
        More=policy("Session", rows(tag("task_id"), resource=arn)),
        Pipe=resource("AWS::Pipes::Pipe", Source={"Fn::Sub": [f"{arn['Fn::Sub']}/stream/1", {}]}, Target=QUEUE),
    )
    assert Status.UNKNOWN in statuses(template)


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "iam:PutRolePolicy", "lambda:InvokeFunction", "*"])
def test_a_custom_resource_does_what_its_function_may(action: str) -> None:
    """Where function and role stand in the template, and the role may change nothing, neither does the resource."""
    service = allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document(service)}}
    function = resource("AWS::Lambda::Function", Role={"Fn::GetAtt": ["Own", "Arn"]})
    mine = resource("Custom::Mine", ServiceToken={"Fn::GetAtt": ["F", "Arn"]}, GrantTo=SESSION)
    template = by_hand(Own=role, F=function, OwnPolicy=policy("Own", allow(action, "arn:aws:x:::y")), Mine=mine)
    assert (statuses(template) == {Status.PROVED}) is (action == "dynamodb:PutItem")


def test_the_replicas_that_the_cdk_makes_by_a_custom_resource_are_replicas() -> None:
    """An exception for the table's ARN does not except them."""
    grant = policy("Compute", {"Effect": "Allow", "Action": "dynamodb:Query", "NotResource": TABLE})
    replica = resource("Custom::DynamoDBReplica", TableName={"Ref": "Table"}, Region="us-east-1")
    (found,) = judged(by_hand(More=grant, Replica=replica), "compute-isolation")
    assert found.status is not Status.PROVED


def test_each_resource_type_is_listed_once_and_with_a_reason() -> None:
    """Two groups would disagree, and a type without a reason was not reviewed."""
    groups = ("read", "harmless", "calls", "copies", "doubt")
    kinds = [kind for group in groups for entry in reviewed()[group] for kind in entry["types"].split()]
    assert len(kinds) == len(set(kinds))
    assert all(entry["why"] for group in groups for entry in reviewed()[group])
    assert reading_of("AWS::Newest::Thing").group == "doubt"
