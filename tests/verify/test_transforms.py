"""Templates that name a transform: what it may add is a doubt, and what it is known to make is read."""

from typing import Any

import pytest

from session_scoping.verify import verify
from session_scoping.verify.reports.report import Status
from tests.support.verify.hand_written import SESSION, TABLE, allow, by_hand, document, judged, policy, table
from tests.support.verify.internals import deployment_of
from tests.support.verify.mutations import Body, Template

RULES = ("session-tags", "partition-isolation", "object-isolation", "compute-isolation", "no-external-access")
SAM, EXTENSIONS = "AWS::Serverless-2016-10-31", "AWS::LanguageExtensions"


def transformed(*names: Any, **more: Body) -> Template:
    """Return a stack with transforms."""
    return {**by_hand(**more), "Transform": list(names) if len(names) > 1 else names[0]}


def statuses(template: Template) -> set[Status]:
    """Return what is said of it."""
    return {result.status for result in judged(template, *RULES)}


def reading(name: Body) -> Template:
    """Return a stack whose compute role may read the bucket of a name, beside the tenants' bucket."""
    arn = {"Fn::Sub": ["arn:aws:s3:::${N}/*", {"N": name}]}
    template = transformed(EXTENSIONS, More=policy("Compute", allow("s3:GetObject", arn)))
    template["Resources"]["Bucket"]["Properties"]["BucketName"] = "tenant-data"
    return template


def function(**properties: Any) -> Body:
    """Return a function of a serverless template."""
    return {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "a.b", **properties}}


@pytest.mark.parametrize("names", [(EXTENSIONS,), (SAM,), (EXTENSIONS, SAM)])
def test_a_transform_that_has_nothing_to_do_changes_nothing(names: tuple[str, ...]) -> None:
    """The template is what is deployed."""
    assert statuses(transformed(*names)) == {Status.PROVED}


@pytest.mark.parametrize(
    "names", [("Own",), (EXTENSIONS, "Own"), ({"Name": "AWS::Include"},), ("AWS::CodeDeployBlueGreen",)]
)
def test_another_transform_may_add_anything(names: tuple[Any, ...]) -> None:
    """Its code is not in the template."""
    assert Status.PROVED not in statuses(transformed(*names))


def looping(over: Any, made: Body, *, extensions: bool = True, loops: int = 1) -> Template:
    """Return a stack with a loop of `${N}` over some values, or with one in another."""
    template = transformed(EXTENSIONS if extensions else SAM, Other=table("name"))
    template["Parameters"] = {"Names": {"Type": "CommaDelimitedList"}}
    body: Body = made
    for depth in range(loops):
        body = {f"Fn::ForEach::Loop{depth}": [f"N{depth or ''}", over, body]}
    template["Resources"].update(body)
    return template


def of_loop(resource: Any) -> Body:
    """Return a policy that each turn of a loop attaches to the role that agent code runs with."""
    return policy("Compute", allow("dynamodb:GetItem", resource))


HARMLESS_LOOPS: dict[str, Template] = {
    "of queues": looping(["In", "Out"], {"Queue${N}": {"Type": "AWS::SQS::Queue"}}),
    "of policies on another table": looping(["Other"], {"P${N}": of_loop({"Fn::GetAtt": ["${N}", "Arn"]})}),
    "by signs": looping(["10.0/8", "10.1/8"], {"Queue&{N}": {"Type": "AWS::SQS::Queue"}}),
    "in a loop": looping(["a", "b"], {"Queue${N}${N1}": {"Type": "AWS::SQS::Queue"}}, loops=2),
}
OTHER_LOOPS: dict[str, Template] = {
    "of policies on the tenants' table too": looping(
        ["Other", "Table"], {"P${N}": of_loop({"Fn::GetAtt": ["${N}", "Arn"]})}
    ),
    "of names by reference": looping(
        ["Table"], {"P${N}": of_loop({"Fn::GetAtt": [{"Ref": "N"}, "Arn"]}), "Q${N}": of_loop("*")}
    ),
    "over what a parameter holds": looping({"Ref": "Names"}, {"Queue${N}": {"Type": "AWS::SQS::Queue"}}),
    "of the same name twice": looping(["a", "b"], {"Queue": {"Type": "AWS::SQS::Queue"}}),
    "of a name that is there": looping(["Table"], {"${N}": {"Type": "AWS::SQS::Queue"}}),
    "by signs that are alike": looping(["1/2", "12"], {"Queue&{N}": {"Type": "AWS::SQS::Queue"}}),
    "that nobody unrolls": looping(["a"], {"Queue${N}": {"Type": "AWS::SQS::Queue"}}, extensions=False),
    "that make more than deploys": looping(
        [str(number) for number in range(50)], {"Q${N}x${N1}x${N2}": {"Type": "AWS::SQS::Queue"}}, loops=3
    ),
    "in properties": looping(
        ["a"],
        {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"Fn::ForEach::P": ["M", {"Ref": "Names"}, {"${M}": 1}]}}},
    ),
}


@pytest.mark.parametrize("case", HARMLESS_LOOPS)
def test_what_a_loop_makes_is_read(case: str) -> None:
    """Its values stand in keys, in text and as references."""
    assert statuses(HARMLESS_LOOPS[case]) == {Status.PROVED}


@pytest.mark.parametrize("case", OTHER_LOOPS)
def test_a_loop_that_opens_something_or_is_not_known_is_noticed(case: str) -> None:
    """One that cannot be followed may make anything."""
    assert statuses(OTHER_LOOPS[case]) != {Status.PROVED}


def test_a_loop_over_a_parameter_is_read_once_its_values_are_said() -> None:
    """The values decide what there is."""
    template = looping({"Ref": "Names"}, {"P${N}": of_loop({"Fn::GetAtt": ["${N}", "Arn"]})})
    for names, proved in (("Other", True), ("Other, Table", False)):
        assert verify(template, parameters={"Names": names}).proved is proved


@pytest.mark.parametrize(
    ("default", "key", "status"),
    [
        ("logs", "there", Status.VIOLATED),
        ("logs", "missing", Status.PROVED),
        ("tenant-data", "missing", Status.VIOLATED),
    ],
)
def test_the_default_of_a_mapping_counts_where_the_mapping_has_nothing(default: str, key: str, status: Status) -> None:
    """What the mapping has comes first."""
    found = {"Fn::FindInMap": ["Names", "main", key, {"DefaultValue": default}]}
    template = reading(found)
    template["Mappings"] = {"Names": {"main": {"there": "tenant-data"}}}
    (result,) = judged(template, "compute-isolation")
    assert result.status is status


def test_a_default_counts_besides_where_the_key_is_only_known_at_deploy_time() -> None:
    """Either may be what is deployed."""
    found = {"Fn::FindInMap": ["Names", {"Ref": "AWS::Region"}, "n", {"DefaultValue": "tenant-data"}]}
    template = reading(found)
    template["Mappings"] = {"Names": {"eu-west-1": {"n": "logs"}}}
    (result,) = judged(template, "compute-isolation")
    assert result.status is not Status.PROVED


FUNCTIONS: dict[str, tuple[Body, bool]] = {
    "nothing of its own": (function(), True),
    "a role of its own": (function(Role="arn:aws:iam::111122223333:role/mine"), True),
    "a document": (function(Policies=[document(allow("dynamodb:Query", TABLE))]), True),
    "a managed policy": (function(Policies="AmazonSQSFullAccess"), True),
    "events of a table": (function(Events={"E": {"Type": "DynamoDB", "Properties": {}}}), True),
    "a policy template": (function(Policies=[{"DynamoDBCrudPolicy": {"TableName": {"Ref": "Table"}}}]), True),
    "two policy templates": (
        function(Policies=[{"AMIDescribePolicy": {}, "SQSPollerPolicy": {"QueueName": "q"}}]),
        False,
    ),
    "a policy template that there is not": (function(Policies=[{"OwnPolicy": {}}]), False),
    "a policy template without its table": (function(Policies=[{"DynamoDBCrudPolicy": {}}]), False),
    "a call by the schedule": (function(Events={"E": {"Type": "Schedule", "Properties": {}}}), True),
    "events of a broker with a password": (function(Events={"E": {"Type": "MQ", "Properties": {}}}), False),
    "an address for signed requests": (function(FunctionUrlConfig={"AuthType": "AWS_IAM"}), True),
    "an address for everybody": (function(FunctionUrlConfig={"AuthType": "NONE"}), False),
    "destinations": (function(EventInvokeConfig={"DestinationConfig": {}}), False),
    "a role that may be made": (
        function(Role={"Fn::If": ["Own", "arn:aws:iam::111122223333:role/mine", {"Ref": "AWS::NoValue"}]}),
        False,
    ),
    "a connector": ({**function(), "Connectors": {"C": {"Properties": {"Destination": {"Id": "Table"}}}}}, False),
    "a connector of another resource": (
        {"Type": "AWS::SQS::Queue", "Connectors": {"C": {"Properties": {"Destination": {"Id": "Table"}}}}},
        False,
    ),
    "a place for calls that fail": (
        function(Events={"E": {"Type": "SQS", "Properties": {"DestinationConfig": {"OnFailure": {"Type": "S3"}}}}}),
        False,
    ),
    "connecting others": ({"Type": "AWS::Serverless::Connector", "Properties": {"Source": {"Id": "Compute"}}}, False),
    "an application": ({"Type": "AWS::Serverless::Application", "Properties": {"Location": "x"}}, False),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_what_a_serverless_template_makes_is_read(case: str) -> None:
    """A function with a role and its policies, as ordinary templates have it; what is more is a doubt."""
    body, known = FUNCTIONS[case]
    assert (statuses(transformed(SAM, Made=body)) == {Status.PROVED}) is known


def test_the_role_that_is_made_for_a_function_is_a_role_of_the_estate() -> None:
    """With what its policies, its events and its tags say."""
    more = {"Policies": [document(allow("sts:AssumeRole", SESSION))], "Tags": {"team": "a"}}
    deployment = deployment_of(transformed(SAM, Made=function(**more, Events={"E": {"Type": "SQS"}})))
    role = deployment.roles["Template.MadeRole"]
    assert role.services == {"lambda.amazonaws.com"}
    assert {"sts:AssumeRole", "sqs:ReceiveMessage"} <= {action for one in role.identity for action in one.actions or ()}
    assert role.tags == {"team": ("a",)}


@pytest.mark.parametrize(
    ("policy_template", "proved"),
    [
        ({"DynamoDBCrudPolicy": {"TableName": {"Ref": "Other"}}}, True),
        ({"DynamoDBReadPolicy": {"TableName": {"Ref": "Table"}}}, False),
        ({"S3ReadPolicy": {"BucketName": {"Ref": "Bucket"}}}, False),
        ({"S3ReadPolicy": {"BucketName": "*"}}, False),
        ({"SQSSendMessagePolicy": {"QueueName": "jobs"}}, True),
    ],
)
def test_a_policy_template_says_what_the_function_reaches(policy_template: Body, proved: bool) -> None:
    """A function that makes sessions has what AWS publishes for the template, with the names it is given."""
    minting = document(allow(["sts:AssumeRole", "sts:TagSession"], SESSION))
    template = transformed(SAM, Made=function(Policies=[minting, policy_template]))
    template["Resources"]["Other"] = {"Type": "AWS::DynamoDB::Table", "Properties": {}}
    trust = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trust[0]["Principal"] = {"AWS": {"Fn::GetAtt": ["MadeRole", "Arn"]}}
    found = [result for result in judged(template, "compute-isolation") if result.subject.endswith("MadeRole")]
    assert ({result.status for result in found} == {Status.PROVED}) is proved


def test_a_simple_table_is_a_table() -> None:
    """Its key is called as the template says."""
    simple = {
        "Type": "AWS::Serverless::SimpleTable",
        "Properties": {"PrimaryKey": {"Name": "task_id", "Type": "String"}},
    }
    template = transformed(SAM, Table=simple, More=policy("Compute", allow("dynamodb:Scan", TABLE)))
    assert deployment_of(template).stores["Template.Table"].partition_key == "task_id"
    assert Status.VIOLATED in statuses(template)


@pytest.mark.parametrize(("shared", "known"), [({"Runtime": "python3.13"}, True), ({"Role": SESSION}, False)])
def test_what_is_said_of_all_functions_at_once_may_be_a_role(shared: Body, known: bool) -> None:
    """A runtime is no doubt."""
    template = {**transformed(SAM, Made=function()), "Globals": {"Function": shared}}
    assert (statuses(template) == {Status.PROVED}) is known
