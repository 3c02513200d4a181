"""Ways around the readers of templates: keys of users elsewhere, workloads that hand on, calls that give a role."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import Body, Template
from tests.support.verify.plain_template import allow, arn, document, plain_template, policy, sub
from tests.verify.test_ways_around import failing, role, trusts

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:x"


def resource(kind: str, **properties: Any) -> Body:
    """Return a resource."""
    return {"Type": kind, "Properties": properties}


def extended(resources: Body, **sections: Any) -> Template:
    """Return the plain template with more in it."""
    template = plain_template()
    template["Resources"] |= resources
    return {**template, **sections}


def legacy(**properties: Any) -> Body:
    """Return a user that reads every tenant's objects."""
    reads = {"PolicyName": "a", "PolicyDocument": document(allow("s3:GetObject", sub("${Bucket.Arn}/*")))}
    return resource("AWS::IAM::User", Policies=[reads], **properties)


SECRET = {"Fn::GetAtt": ["Key", "SecretAccessKey"]}
PAIR = sub("${Key} ${Key.SecretAccessKey}")
KEY = {"Legacy": legacy(), "Key": resource("AWS::IAM::AccessKey", UserName={"Ref": "Legacy"})}
ELSEWHERE: dict[str, tuple[Body, Any]] = {
    "a configuration": (resource("AWS::AppConfig::HostedConfigurationVersion", ApplicationId="a"), "Content"),
    "a pod": (resource("Custom::AWSCDK-EKS-KubernetesResource", ServiceToken=FUNCTION), "Manifest"),
    "a file of a deployment": (resource("Custom::CDKBucketDeployment", ServiceToken=FUNCTION), "SourceMarkers"),
    "a prompt": (resource("AWS::Bedrock::Prompt", Name="p"), "Variants"),
    "a state machine": (resource("AWS::StepFunctions::StateMachine", RoleArn=arn("Flow")), "DefinitionString"),
    "the input of a schedule": (resource("AWS::Scheduler::Schedule"), "Target"),
    "a document": (resource("AWS::SSM::Document", DocumentType="Command"), "Content"),
    "a connection": (resource("AWS::Events::Connection", AuthorizationType="BASIC"), "AuthParameters"),
    "a tag": (resource("AWS::SQS::Queue"), "Tags"),
}
FLOW = {"Flow": role(trusts({"Service": "states.amazonaws.com"}))}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_users_key_is_in_reach_wherever_it_is_kept(case: str) -> None:
    """Whoever reads it there signs as the user; the resource alone is no danger."""
    body, name = ELSEWHERE[case]
    value = {"RoleArn": arn("Flow"), "Arn": FUNCTION, "Input": PAIR} if name == "Target" else {"A": PAIR}
    kept = {**body, "Properties": {**body["Properties"], name: value}}
    assert failing(extended({**KEY, **FLOW, "X": kept})) == {"compute-isolation"}
    harmless = {**body, "Properties": {**body["Properties"], name: {"RoleArn": arn("Flow"), "Arn": FUNCTION}}}
    assert failing(extended({**KEY, **FLOW, "X": harmless})) == set()


def test_a_users_key_is_in_reach_in_outputs_and_metadata() -> None:
    """Both are answered to whoever describes the stack."""
    assert failing(extended(KEY, Outputs={"K": {"Value": SECRET}})) == {"compute-isolation"}
    assert failing(extended(KEY, Outputs={"U": {"Value": arn("Legacy")}})) == set()
    init = {"config": {"files": {"/home/agent/.aws/credentials": {"content": PAIR}}}}
    instance = resource("AWS::EC2::Instance", ImageId="ami-1")
    shown = {**instance, "Metadata": {"AWS::CloudFormation::Init": init}}
    assert failing(extended({**KEY, "X": shown})) == {"compute-isolation"}
    assert failing(extended({**KEY, "X": instance})) == set()


WORKER = {
    "Worker": role(trusts({"Service": "lambda.amazonaws.com"})),
    "Job": resource("AWS::Lambda::Function", Role=arn("Worker"), Environment={"Variables": {"K": SECRET}}),
}


def test_a_workload_that_has_a_key_shows_it_to_whom_its_service_answers() -> None:
    """GetFunctionConfiguration returns the environment."""
    asks = {"Asks": policy("Compute", allow("lambda:GetFunctionConfiguration", "*"))}
    assert failing(extended(KEY | WORKER)) == set()
    assert failing(extended(KEY | WORKER | asks)) == {"compute-isolation"}


def in_a_task(value: Any) -> Body:
    """Return a task of agents that is handed a value."""
    container = {"Name": "app", "Image": "app", "Environment": [{"Name": "PW", "Value": value}]}
    return resource("AWS::ECS::TaskDefinition", TaskRoleArn=arn("Compute"), ContainerDefinitions=[container])


PASSWORDS: dict[str, Any] = {
    "text": "Hunter2-Hunter2",
    "a parameter": {"Ref": "Password"},
    "a dynamic reference": "{{resolve:ssm-secure:legacy}}",
}


@pytest.mark.parametrize("case", PASSWORDS)
def test_a_users_password_is_as_good_as_its_key(case: str) -> None:
    """Whoever has it signs in as the user."""
    parameters = {"Password": {"Type": "String", "NoEcho": True}}
    user = {"Legacy": legacy(LoginProfile={"Password": PASSWORDS[case]})}
    assert "compute-isolation" in failing(extended(user | {"X": in_a_task(PASSWORDS[case])}, Parameters=parameters))
    kept = {"compute-isolation"} if "resolve" in str(PASSWORDS[case]) else set()
    assert failing(extended(user | {"X": in_a_task("other")}, Parameters=parameters)) == kept


def test_a_password_that_a_secret_makes_is_kept_there() -> None:
    """Whoever reads the secret has it."""
    made = resource("AWS::SecretsManager::Secret", GenerateSecretString={})
    user = legacy(LoginProfile={"Password": sub("{{resolve:secretsmanager:${Made}}}")})
    found = results_of(extended({"Made": made, "Legacy": user}), "compute-isolation")
    assert Status.UNKNOWN in {result.status for result in found}


AGENT = {"Agent": resource("AWS::Lambda::Function", Role=arn("Compute"))}
WIDE = {
    "Wide": role(trusts({"Service": "lambda.amazonaws.com"})),
    "Scans": policy("Wide", allow("dynamodb:Scan", arn("Table"))),
}
UPDATES = '{"FunctionName":"${Agent}","Role":"${Wide.Arn}"}'
WARMS = '{"FunctionName":"${Agent}","Timeout":30}'


def machine(resource_arn: str, parameters: str, more: str = '"End":true') -> Body:
    """Return a state machine that makes one call."""
    task = f'{{"Type":"Task","Resource":"{resource_arn}","Parameters":{parameters},{more}}}'
    text = sub(f'{{"StartAt":"A","States":{{"A":{task}}}}}')
    return resource("AWS::StepFunctions::StateMachine", RoleArn=arn("Flow"), DefinitionString=text)


def schedule(target: str, text: str) -> Body:
    """Return a schedule that makes one call."""
    return resource("AWS::Scheduler::Schedule", Target={"Arn": target, "RoleArn": arn("Flow"), "Input": sub(text)})


def deployed(action: str, parameters: str) -> Body:
    """Return a call that is made at deployment."""
    call = sub(f'{{"service":"Lambda","action":"{action}","parameters":{parameters}}}')
    return resource("Custom::AWS", ServiceToken=FUNCTION, Create=call)


GIVING: dict[str, tuple[Body, bool]] = {
    "a state machine": (machine("arn:aws:states:::aws-sdk:lambda:updateFunctionConfiguration", UPDATES), False),
    "a schedule": (schedule("arn:aws:scheduler:::aws-sdk:lambda:updateFunctionConfiguration", UPDATES), False),
    "a deployment": (deployed("updateFunctionConfiguration", UPDATES), False),
    "a role of the caller's": (
        machine(
            "arn:aws:states:::aws-sdk:lambda:updateFunctionConfiguration", '{"FunctionName":"a","Role.$":"$.role"}'
        ),
        False,
    ),
    "a profile": (
        machine("arn:aws:states:::aws-sdk:ec2:associateIamInstanceProfile", '{"IamInstanceProfile":{"Name":"p"}}'),
        False,
    ),
    "an override": (
        machine("arn:aws:states:::ecs:runTask", '{"Overrides":{"TaskRoleArn":"${Wide.Arn}"}}'),
        False,
    ),
    "somebody's own resource": (
        resource("Custom::Setup", ServiceToken=FUNCTION, Function={"Ref": "Agent"}, Role=arn("Wide")),
        False,
    ),
    "a state machine that sets a timeout": (
        machine("arn:aws:states:::aws-sdk:lambda:updateFunctionConfiguration", WARMS),
        True,
    ),
    "a schedule that invokes": (schedule("arn:aws:scheduler:::aws-sdk:lambda:invoke", WARMS), True),
    "a deployment that invokes": (deployed("invoke", WARMS), True),
    "a task": (machine("arn:aws:states:::ecs:runTask.sync", '{"TaskDefinition":"t","LaunchType":"FARGATE"}'), True),
    "a training job": (
        machine("arn:aws:states:::sagemaker:createTrainingJob.sync", '{"RoleArn":"${Wide.Arn}"}'),
        True,
    ),
    "somebody's own resource without a role": (
        resource("Custom::Setup", ServiceToken=FUNCTION, Function={"Ref": "Agent"}),
        True,
    ),
}


@pytest.mark.parametrize("case", GIVING)
def test_a_call_that_gives_agent_code_a_role_is_noticed(case: str) -> None:
    """What runs has the role from then on, whatever the template says of the function."""
    body, proved = GIVING[case]
    runs = {
        "Task": resource("AWS::ECS::TaskDefinition", TaskRoleArn=arn("Compute")),
        "Profile": resource("AWS::IAM::InstanceProfile", Roles=[{"Ref": "Compute"}]),
        "Instance": resource("AWS::EC2::Instance", IamInstanceProfile={"Ref": "Profile"}),
    }
    found = failing(extended({**AGENT, **WIDE, **FLOW, **runs, "X": body}))
    assert ("compute-isolation" not in found) is proved
    assert proved is (not found)


SCAN = ("arn:aws:states:::aws-sdk:dynamodb:scan", '{"TableName":"${Table}"}')
GET = ("arn:aws:states:::dynamodb:getItem", '{"TableName":"${Table}","Key":{"task_id":{"S.$":"$.task"}}}')


def two_calls(first: tuple[str, str], resource_arn: str, parameters: str = "{}") -> Body:
    """Return a state machine that reads, and makes a call with what it read."""
    task = f'"Type":"Task","Resource":"{resource_arn}","Parameters":{parameters},"End":true'
    return machine(*first, more=f'"Next":"B"}},"B":{{{task}')


FOREIGN = '{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/444455556666/q","MessageBody.$":"$"}'
WEB = '{"ApiEndpoint":"https://example.com/x","Method":"POST","RequestBody.$":"$"}'
OWN = '{"QueueUrl":"${Queue}","MessageBody.$":"$.status"}'
STREAM = {"Fn::GetAtt": ["Table", "StreamArn"]}
ROW = {"EcsTaskParameters": {"TaskDefinitionArn": {"Ref": "Task"}}, "InputTemplate": "<$.dynamodb>"}
HANDING: dict[str, tuple[Body, bool]] = {
    "rows to another account": (two_calls(SCAN, "arn:aws:states:::sqs:sendMessage", FOREIGN), False),
    "a row to another account": (two_calls(GET, "arn:aws:states:::sqs:sendMessage", FOREIGN), False),
    "rows to an address": (two_calls(SCAN, "arn:aws:states:::http:invoke", WEB), False),
    "rows to agent code": (two_calls(SCAN, "${Agent.Arn}"), False),
    "rows to agent code by invoke": (
        two_calls(SCAN, "arn:aws:states:::lambda:invoke", '{"FunctionName":"${Agent}","Payload.$":"$"}'),
        False,
    ),
    "rows to a function by its name": (
        two_calls(SCAN, "arn:aws:states:::lambda:invoke", '{"FunctionName":"agent","Payload.$":"$"}'),
        False,
    ),
    "rows to a queue": (two_calls(SCAN, "arn:aws:states:::sqs:sendMessage", OWN), False),
    "a stream to agent code": (resource("AWS::Pipes::Pipe", Source=STREAM, Target=arn("Agent")), False),
    "a stream to tasks": (
        resource("AWS::Pipes::Pipe", Source=STREAM, Target=arn("Cluster"), TargetParameters=ROW),
        False,
    ),
    "a stream mapped to agent code": (
        resource("AWS::Lambda::EventSourceMapping", EventSourceArn=STREAM, FunctionName={"Ref": "Agent"}),
        False,
    ),
    "a stream to an address": (resource("AWS::Pipes::Pipe", Source=STREAM, Target=arn("Destination")), False),
    "rows to another function": (two_calls(SCAN, "${Other.Arn}"), True),
    "a task's own row to agent code": (two_calls(GET, "${Agent.Arn}"), True),
    "a message about a row": (two_calls(GET, "arn:aws:states:::sqs:sendMessage", OWN), True),
    "an address without rows": (machine("arn:aws:states:::http:invoke", WEB), True),
    "a stream to another function": (resource("AWS::Pipes::Pipe", Source=STREAM, Target=arn("Other")), True),
    "a queue to agent code": (resource("AWS::Pipes::Pipe", Source=arn("Queue"), Target=arn("Agent")), True),
    "a queue mapped to agent code": (
        resource("AWS::Lambda::EventSourceMapping", EventSourceArn=arn("Queue"), FunctionName={"Ref": "Agent"}),
        True,
    ),
}


@pytest.mark.parametrize("case", HANDING)
def test_rows_that_are_handed_on_are_noticed(case: str) -> None:
    """Agent code and strangers need no permission for what a workload of the template hands them."""
    body, proved = HANDING[case]
    runs = {
        "Task": resource("AWS::ECS::TaskDefinition", TaskRoleArn=arn("Compute")),
        "Cluster": resource("AWS::ECS::Cluster"),
        "Queue": resource("AWS::SQS::Queue"),
        "Other": resource("AWS::Lambda::Function", Role=arn("Wide")),
        "Destination": resource("AWS::Events::ApiDestination", InvocationEndpoint="https://example.com"),
    }
    assert (failing(extended({**AGENT, **WIDE, **FLOW, **runs, "X": body})) == set()) is proved


def test_what_is_handed_to_agent_code_may_be_trusted() -> None:
    """A user may know that it hands each task its own rows."""
    template = extended({**AGENT, "X": resource("AWS::Pipes::Pipe", Source=STREAM, Target=arn("Agent"))})
    assert failing(template) == {"compute-isolation"}
    assert failing(template, trusted=("X",)) == set()


def test_a_journal_of_all_objects_is_a_copy() -> None:
    """S3 writes keys, tags and metadata of objects to a table bucket of its own."""
    template = plain_template()
    template["Resources"]["Bucket"]["Properties"]["MetadataConfiguration"] = {"JournalTableConfiguration": {}}
    assert "object-isolation" in failing(template)


P = {"Ref": "P"}
NAMES: dict[str, tuple[Any, bool]] = {
    "itself": (P, True),
    "joined": ({"Fn::Join": ["-", ["x", P]]}, True),
    "in a text": ({"Fn::Sub": "x-${P}"}, True),
    "by a variable": ({"Fn::Sub": ["x-${V}", {"V": P}]}, True),
    "another entry": ({"Fn::Select": [0, ["other", P]]}, False),
    "a variable that is not used": ({"Fn::Sub": ["x-${V}", {"V": "a", "P": P}]}, False),
    "a variable of the same name": ({"Fn::Sub": ["x-${P}", {"P": "a"}]}, False),
    "one of two": ({"Fn::If": ["C", P, "other"]}, False),
    "a key of a mapping": ({"Fn::FindInMap": ["M", P, "name"]}, False),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_parameter_is_a_name_if_a_name_surely_contains_it(case: str) -> None:
    """Another may be `*` when it is deployed."""
    value, proved = NAMES[case]
    more = {
        "Named": resource("AWS::S3::Bucket", BucketName=value),
        "Reads": policy("Compute", allow("s3:GetObject", sub("arn:aws:s3:::${P}/*"))),
    }
    sections = {"Parameters": {"P": {"Type": "String"}}, "Conditions": {"C": {"Fn::Equals": [P, "a"]}}}
    template = extended(more, **sections, Mappings={"M": {"a": {"name": "b"}}})
    assert failing(template) == (set() if proved else {"compute-isolation"})


CALLED = ("apigateway", "appsync", "credentials.iot", "iot", "rolesanywhere", "transfer")


@pytest.mark.parametrize("service", CALLED)
def test_a_role_for_callers_of_a_service_is_asked_about(service: str) -> None:
    """Such a service answers, or gives the role to, callers that no policy of the templates names."""
    front = {"Front": role(trusts({"Service": f"{service}.amazonaws.com"}))}
    reads = policy("Front", allow("dynamodb:Query", arn("Table")))
    logs = policy("Front", allow("logs:PutLogEvents", "*"))
    assert failing(extended({**front, "Reads": reads})) == {"compute-isolation"}
    assert failing(extended({**front, "Reads": reads}), trusted=("Front",)) == set()
    assert failing(extended({**front, "Reads": logs})) == set()


@pytest.mark.parametrize(
    "body",
    [
        resource("AWS::ApiGateway::Method", Integration={"Credentials": arn("Front")}),
        resource("AWS::ApiGatewayV2::Integration", CredentialsArn=arn("Front")),
    ],
    ids=["v1", "v2"],
)
def test_an_api_that_agent_code_may_call_acts_with_its_own_role(body: Body) -> None:
    """A role that is named as trusted may still be asked by agent code."""
    front = {
        "Front": role(trusts({"Service": "apigateway.amazonaws.com"})),
        "Reads": policy("Front", allow("dynamodb:Query", arn("Table"))),
        "X": body,
    }
    calls = policy("Compute", allow("execute-api:Invoke", "*"))
    assert failing(extended({**front, "Calls": calls})) == {"compute-isolation"}
    results = results_of(extended({**front, "Calls": calls}), "compute-isolation")
    assert Status.UNKNOWN in {one.status for one in results if one.location.endswith("Compute")}


OPEN_TO: dict[str, Any] = {"its own role": arn("Compute"), "everybody": "*"}


@pytest.mark.parametrize("case", OPEN_TO)
def test_a_function_is_invoked_by_its_own_policy_too(case: str) -> None:
    """In one account a function's policy alone lets a role invoke it; what it does then, nobody here knows."""
    reads = policy("Behind", allow("dynamodb:Scan", arn("Table")))
    function = resource("AWS::Lambda::Function", Role=arn("Behind"))
    lets = resource(
        "AWS::Lambda::Permission", Action="lambda:InvokeFunction", FunctionName={"Ref": "F"}, Principal=OPEN_TO[case]
    )
    behind = {"Behind": role(trusts({"Service": "lambda.amazonaws.com"})), "Reads": reads, "F": function}
    assert failing(extended(behind)) == set()
    assert "compute-isolation" in failing(extended({**behind, "Lets": lets}))
    by_rule = {"Principal": "events.amazonaws.com", "SourceAccount": {"Ref": "AWS::AccountId"}}
    service = {**lets, "Properties": {**lets["Properties"], **by_rule}}
    assert failing(extended({**behind, "Lets": service})) == set()
