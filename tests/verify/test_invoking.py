"""What agent code and outsiders invoke, in one step or several: what acts for them in the end counts as theirs."""

import json
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.reference import synthesize_reference
from tests.support.verify.hand_written import TABLE, allow, by_hand, policy, role
from tests.support.verify.mutations import Body, Template

FUNCTION = {"Fn::GetAtt": ["F", "Arn"]}
OWN = {"Ref": "AWS::AccountId"}
CALLED = {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/GET/x"}
APIS: Body = {name: {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": name}} for name in ("Api", "Other")}


def failing(template: Template, **options: Any) -> dict[str, set[Status]]:
    """Return the properties that are not PROVED, each with how it came out."""
    found: dict[str, set[Status]] = {}
    for result in verify(json.loads(json.dumps(template)), **options).failures():
        found.setdefault(result.rule, set()).add(result.status)
    return found


def workload(kind: str, name: str, at: str, service: str, *statements: Body) -> Body:
    """Return something that runs, its role and what that may do."""
    return {
        name: {"Type": kind, "Properties": {at: {"Fn::GetAtt": [f"{name}Role", "Arn"]}}},
        f"{name}Role": role(allow("sts:AssumeRole", Principal={"Service": f"{service}.amazonaws.com"})),
        **({f"{name}Policy": policy(f"{name}Role", *statements)} if statements else {}),
    }


READER = workload("AWS::Lambda::Function", "F", "Role", "lambda", allow("dynamodb:Scan", TABLE))
MACHINE = workload(
    "AWS::StepFunctions::StateMachine", "M", "RoleArn", "states", allow("lambda:InvokeFunction", FUNCTION)
)


def asks(action: str, resource: Any = "*") -> Body:
    """Return a grant of the compute role."""
    return {"Asks": policy("Compute", allow(action, resource))}


def lets(principal: Any, function: Any = None, **more: Any) -> Body:
    """Return a statement of the function's own policy."""
    properties = {"FunctionName": function or {"Ref": "F"}, "Action": "lambda:InvokeFunction", "Principal": principal}
    return {"Lets": {"Type": "AWS::Lambda::Permission", "Properties": {**properties, **more}}}


def test_what_is_invoked_in_turn_is_followed() -> None:
    """A machine that agent code starts hands its input to a function, whatever role the machine itself has."""
    started = asks("states:StartExecution", {"Ref": "M"})
    assert failing(by_hand(**READER, **MACHINE)) == {}
    assert failing(by_hand(**READER, **MACHINE, **started)) == {"compute-isolation": {Status.UNKNOWN}}
    assert failing(by_hand(**READER, **MACHINE, **started), trusted=["F"]) == {}
    idle = workload("AWS::Lambda::Function", "F", "Role", "lambda")
    assert failing(by_hand(**idle, **MACHINE, **started)) == {}


def test_what_an_event_starts_is_not_followed() -> None:
    """A rule's role starts a machine: that is the documented limit, and no grant of the agent's own."""
    rule = workload("AWS::Events::Rule", "R", "RoleArn", "events", allow("states:StartExecution", {"Ref": "M"}))
    assert failing(by_hand(**READER, **MACHINE, **rule, **asks("events:PutEvents"))) == {}


def test_what_an_invoked_function_may_become_counts() -> None:
    """A function without data of its own takes a role that has it."""
    taking = workload(
        "AWS::Lambda::Function", "G", "Role", "lambda", allow("sts:AssumeRole", {"Fn::GetAtt": ["Data", "Arn"]})
    )
    data = {
        "Data": role(allow("sts:AssumeRole", Principal={"AWS": {"Fn::GetAtt": ["GRole", "Arn"]}})),
        "DataPolicy": policy("Data", allow("dynamodb:Scan", TABLE)),
    }
    assert failing(by_hand(**taking, **data)) == {}
    invoked = asks("lambda:InvokeFunction", {"Fn::GetAtt": ["G", "Arn"]})
    assert failing(by_hand(**taking, **data, **invoked)) == {"compute-isolation": {Status.UNKNOWN}}


@pytest.mark.parametrize(("api", "isolates"), [("Api", False), ("Other", True)])
def test_an_api_calls_the_functions_whose_policies_let_it_in(api: str, isolates: bool) -> None:
    """Who may call an API reaches the functions behind it, and not those behind another one."""
    grant = asks("execute-api:Invoke", {"Fn::Sub": f"arn:aws:execute-api:*:*:${{{api}}}/*"})
    behind = lets("apigateway.amazonaws.com", SourceArn=CALLED)
    assert failing(by_hand(**READER, **APIS, **behind)) == {}
    assert (failing(by_hand(**READER, **APIS, **behind, **grant)) == {}) is isolates
    assert failing(by_hand(**READER, **APIS, **behind, **asks("execute-api:*"))) != {}


@pytest.mark.parametrize(
    ("action", "isolates"),
    [("events:PutEvents", True), ("events:PutTargets", False), ("lambda:AddPermission", False),
     ("lambda:RemovePermission", True)],
)  # fmt: skip
def test_who_may_change_what_calls_a_function_calls_it(action: str, isolates: bool) -> None:
    """An event is not followed; a target with an input of the agent's own, or a permission for itself, is."""
    template = by_hand(**READER, **lets("events.amazonaws.com", SourceAccount=OWN), **asks(action, "*"))
    assert (failing(template) == {}) is isolates


def test_an_agent_calls_the_functions_that_let_its_service_in() -> None:
    """The ARN by which an agent of Bedrock is asked is its alias', the one by which it calls its own."""
    agent = allow("bedrock:InvokeAgent", "arn:aws:bedrock:us-east-1:111122223333:agent-alias/A/B")
    source = {"SourceArn": "arn:aws:bedrock:us-east-1:111122223333:agent/A"}
    template = by_hand(**READER, Asks=policy("Compute", agent), **lets("bedrock.amazonaws.com", **source))
    assert "compute-isolation" in failing(template)


OPEN: dict[str, Body] = {
    "another account": lets("444455556666"),
    "a role of another account": lets("arn:aws:iam::444455556666:role/theirs"),
    "everybody": lets("*"),
    "an address without authorization": lets("*", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"),
    "a service for anybody": lets("apigateway.amazonaws.com"),
    "a service, its domain by reference": lets({"Fn::Sub": "sns.${AWS::URLSuffix}"}),
    "a service for a bucket of any account": lets("s3.amazonaws.com", SourceArn="arn:aws:s3:::*"),
    "a service for another account": lets("sns.amazonaws.com", SourceAccount="444455556666"),
    "a principal only known at deploy time": lets({"Ref": "Who"}),
    "a function by its ARN": lets("444455556666", {"Fn::Sub": "${F.Arn}:live"}),
    "a function that may be any": lets("444455556666", {"Fn::ImportValue": "function"}),
}
CLOSED: dict[str, Body] = {
    "its own account": lets(OWN),
    "a service for its own account": lets("s3.amazonaws.com", SourceAccount=OWN),
    "a service for its own resource": lets("apigateway.amazonaws.com", SourceArn=CALLED),
    "a load balancer, which is of its own account": lets("elasticloadbalancing.amazonaws.com"),
}


@pytest.mark.parametrize("case", OPEN)
def test_whom_a_functions_policy_lets_in_from_outside(case: str) -> None:
    """A function that reaches tenant data decides what its caller gets; that it does, only the user can say."""
    where = {"Parameters": {"Who": {"Type": "String"}}}
    template = {**by_hand(**READER, **APIS, **OPEN[case]), **where}
    assert failing(template).get("no-external-access") == {Status.UNKNOWN}
    assert "no-external-access" not in failing(template, trusted=["F"])
    idle = workload("AWS::Lambda::Function", "F", "Role", "lambda")
    assert "no-external-access" not in failing({**by_hand(**idle, **APIS, **OPEN[case]), **where})


@pytest.mark.parametrize("case", CLOSED)
def test_whom_a_functions_policy_keeps_out(case: str) -> None:
    """Its own account, and services that work for a resource of it, are nobody from outside."""
    assert failing(by_hand(**READER, **APIS, **CLOSED[case])) == {}


def test_an_account_with_a_role_that_invokes_comes_in_by_it() -> None:
    """Who may become a role has what the role may invoke."""
    theirs = {
        "Theirs": role(allow("sts:AssumeRole", Principal={"AWS": "444455556666"})),
        "TheirsPolicy": policy("Theirs", allow("lambda:InvokeFunction", FUNCTION)),
    }
    assert failing(by_hand(**READER, **theirs)) == {"no-external-access": {Status.UNKNOWN}}
    assert failing(by_hand(**READER, **theirs), trusted=["444455556666"]) == {}


def test_agent_code_asks_nobody_who_signs_tokens() -> None:
    """A function that signs tokens signs one for any task it is asked for, unless it decides itself."""
    template = synthesize_reference(minting="credentialBroker")
    names = {prefix: next(one for one in template["Resources"] if one.startswith(prefix)) for prefix in ROLES}
    orchestrator, agent = (names[one] for one in ROLES)
    signer = {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": [orchestrator, "Arn"]}}}
    resources = {**template["Resources"], "F": signer, "Asks": policy(agent, allow("lambda:InvokeFunction", FUNCTION))}
    assert failing({**template, "Resources": resources}) == {"compute-isolation": {Status.UNKNOWN}}
    assert failing({**template, "Resources": resources}, trusted=["F"]) == {}


ROLES = ("OrchestratorRole", "EcsTaskRole")


def test_statements_run_with_the_roles_of_a_database() -> None:
    """A cluster of Aurora imports from the buckets that its role reads, for whoever may run statements."""
    cluster = role(allow("sts:AssumeRole", Principal={"Service": "rds.amazonaws.com"}))
    reads = policy("Cluster", allow("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}))
    assert failing(by_hand(Cluster=cluster, Reads=reads)) == {}
    found = failing(by_hand(Cluster=cluster, Reads=reads, **asks("rds-data:ExecuteStatement")))
    assert found["compute-isolation"] == {Status.VIOLATED}
