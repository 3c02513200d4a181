"""IAM users and groups, who holds their keys, and what runs with which role."""

from typing import Any

import pytest

from session_scoping.verify.patterns.text import show
from session_scoping.verify.policies.model import Deployment, Held
from tests.support.verify.hand_written import COMPUTE, SESSION, allow, by_hand, document
from tests.support.verify.internals import deployment_of, deployment_of_stacks
from tests.support.verify.mutations import Body

READ = {"PolicyName": "read", "PolicyDocument": document(allow("s3:GetObject", "*"))}
IN_GROUP = {"Users": [{"Ref": "User"}], "GroupName": {"Ref": "Group"}}


def resource(kind: str, **properties: Any) -> Body:
    """Return one resource."""
    return {"Type": kind, "Properties": properties}


def user(**properties: Any) -> Body:
    """Return an IAM user."""
    return resource("AWS::IAM::User", **properties)


GRANTED: dict[str, dict[str, Body]] = {
    "inline": {"User": user(Policies=[READ])},
    "a managed policy of AWS": {"User": user(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"])},
    "a policy of its own": {"User": user(), "More": resource("AWS::IAM::UserPolicy", UserName={"Ref": "User"}, **READ)},
    "a policy of several": {"User": user(), "More": resource("AWS::IAM::Policy", Users=[{"Ref": "User"}], **READ)},
    "a managed policy": {"User": user(), "More": resource("AWS::IAM::ManagedPolicy", Users=[{"Ref": "User"}], **READ)},
    "by name": {"User": user(UserName="ci"), "More": resource("AWS::IAM::Policy", Users=["ci"], **READ)},
    "its group": {"Group": resource("AWS::IAM::Group", Policies=[READ]), "User": user(Groups=[{"Ref": "Group"}])},
    "a group it is added to": {
        "Group": resource("AWS::IAM::Group"),
        "User": user(),
        "More": resource("AWS::IAM::GroupPolicy", GroupName={"Ref": "Group"}, **READ),
        "In": resource("AWS::IAM::UserToGroupAddition", **IN_GROUP),
    },
    "a group's policy of several": {
        "Group": resource("AWS::IAM::Group", GroupName="readers"),
        "User": user(Groups=["readers"]),
        "More": resource("AWS::IAM::Policy", Groups=["readers"], **READ),
    },
}


@pytest.mark.parametrize("case", GRANTED)
def test_what_a_user_may_is_read(case: str) -> None:
    """Whatever attaches it; a role of the templates has nothing of it."""
    deployment = deployment_of(by_hand(**GRANTED[case]))
    (found,) = deployment.users.values()
    assert found.kind == "user"
    assert not found.problems
    assert any("s3:Get" in action for one in found.identity for action in one.actions or ())
    assert {role.kind for role in deployment.roles.values()} == {"role"}
    assert not any("read" in one.where or "More" in one.where for r in deployment.roles.values() for one in r.identity)


@pytest.mark.parametrize("groups", [["somebody-elses"], {"Ref": "Missing"}, [{"Fn::Nothing": "x"}]])
def test_a_group_that_no_template_makes_is_a_problem_of_its_users(groups: Any) -> None:
    """What its policies allow is not in the template."""
    deployment = deployment_of(by_hand(User=user(Groups=groups)))
    assert deployment.users["Template.User"].problems


def test_a_user_that_something_else_changes_is_a_doubt() -> None:
    """As a role is."""
    call = '{"service":"iam","action":"attachUserPolicy","UserName":"ci"}'
    mine = resource("Custom::AWS", ServiceToken="f", Create=call)
    assert deployment_of(by_hand(User=user(UserName="ci"), Mine=mine)).users["Template.User"].problems


SECRET = {"Fn::GetAtt": ["Key", "SecretAccessKey"]}
KEY = {"User": user(), "Key": resource("AWS::IAM::AccessKey", UserName={"Ref": "User"})}


def task(**container: Any) -> Body:
    """Return a task that agent code runs in."""
    return resource("AWS::ECS::TaskDefinition", TaskRoleArn=COMPUTE, ContainerDefinitions=[{"Name": "a", **container}])


HELD: dict[str, dict[str, Body]] = {
    "a task": {"Task": task(Environment=[{"Name": "AWS_SECRET_ACCESS_KEY", "Value": SECRET}])},
    "a task, in text": {"Task": task(Command=[{"Fn::Sub": "run --key ${Key.SecretAccessKey}"}])},
    "a task, by a secret": {
        "Kept": resource("AWS::SecretsManager::Secret", SecretString=SECRET),
        "Task": task(Secrets=[{"Name": "AWS_SECRET_ACCESS_KEY", "ValueFrom": {"Ref": "Kept"}}]),
    },
    "a function": {"Task": resource("AWS::Lambda::Function", Role=COMPUTE, Environment={"Variables": {"K": SECRET}})},
    "a runtime": {
        "Task": resource("AWS::BedrockAgentCore::Runtime", RoleArn=COMPUTE, EnvironmentVariables={"K": SECRET})
    },
}


@pytest.mark.parametrize("case", HELD)
def test_who_holds_a_users_key_is_read(case: str) -> None:
    """Code in a container signs with the key, whatever its own role may."""
    deployment = deployment_of(by_hand(**KEY, **HELD[case]))
    compute = deployment.roles["Template.Compute"].arn
    assert Held("Template.Task", compute, "Template.User") in deployment.holds
    assert (Held("Template.Kept", None, "Template.User") in deployment.holds) is ("Kept" in HELD[case])


def test_a_key_from_another_stack_is_held_too() -> None:
    """It comes by an export."""
    there = {"Resources": KEY, "Outputs": {"K": {"Value": SECRET, "Export": {"Name": "the-key"}}}}
    here = by_hand(Task=task(Environment=[{"Name": "K", "Value": {"Fn::ImportValue": "the-key"}}]))
    holds = deployment_of_stacks({"There": there, "Here": here}).holds
    assert {(held.holder, held.user) for held in holds} == {
        (one, "There.User") for one in ("Here.Task", "There.Outputs.K")
    }


def test_nobody_holds_a_key_that_stands_nowhere() -> None:
    """A user with a key is no danger to what has not got the key."""
    assert deployment_of(by_hand(**KEY, Task=task())).holds == []


def test_a_type_that_is_no_text_is_no_workload() -> None:
    """Nothing deploys it."""
    deployment = deployment_of(by_hand(**KEY, Odd={"Type": ["AWS::Lambda::Function"], "Properties": {"Role": SECRET}}))
    assert not deployment.workloads
    assert not deployment.holds


def roles_of(deployment: Deployment) -> dict[str, set[str]]:
    """Return the roles of each workload, as they are written."""
    found: dict[str, set[str]] = {}
    for one in deployment.workloads:
        found.setdefault(one.id, set()).add(show(one.role))
    return found


def test_what_runs_with_which_role_is_read() -> None:
    """Each type names its role in a property of its own."""
    more = {
        "F": resource("AWS::Lambda::Function", Role=COMPUTE, Environment={"Variables": {"T": {"Ref": "Table"}}}),
        "Pods": resource("AWS::EKS::PodIdentityAssociation", RoleArn=COMPUTE, TargetRoleArn=SESSION),
        "Nightly": resource("AWS::Scheduler::Schedule", Target={"Arn": "x", "RoleArn": COMPUTE, "Input": "{}"}),
        "Profile": resource("AWS::IAM::InstanceProfile", Roles=[{"Ref": "Compute"}]),
        "Host": resource("AWS::EC2::Instance", IamInstanceProfile={"Ref": "Profile"}),
        "Chosen": resource("AWS::CodeBuild::Project", ServiceRole={"Fn::If": ["C", COMPUTE, SESSION]}),
        "Rule": resource("AWS::Events::Rule", Targets=[{"Arn": "x", "RoleArn": COMPUTE}, {"Arn": "y"}]),
    }
    deployment = deployment_of(by_hand(**more))
    compute, session = (show(deployment.roles[f"Template.{one}"].arn) for one in ("Compute", "Session"))
    assert roles_of(deployment) == {
        "Template.F": {compute}, "Template.Pods": {compute, session}, "Template.Nightly": {compute},
        "Template.Host": {"{Template.Compute}"}, "Template.Chosen": {compute, session},
        "Template.Rule": {compute},
    }  # fmt: skip
    (function,) = [one for one in deployment.workloads if one.id == "Template.F"]
    assert (function.service, [show(text) for text in function.environment]) == ("lambda", ["{Template.Table}"])
    assert all(deployment.role_by_arn(one.role) for one in deployment.workloads)
