"""Secrets, parameters, AgentCore Memory and lists, written by hand: what isolates is PROVED, and no near miss is."""

import json
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.verify.hand_written import allow, by_hand, policy, role, rows, tag, trust
from tests.support.verify.mutations import Body

TASK, USER = tag("task_id"), tag("user_id")
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
PARAMETER = "arn:aws:ssm:us-east-1:111122223333:parameter"
MEMORY = "arn:aws:bedrock-agentcore:us-east-1:111122223333:memory/mem-1234567890"
BUCKET = {"Fn::GetAtt": ["Bucket", "Arn"]}
ACTOR, SESSION, SPACE = (f"bedrock-agentcore:{key}" for key in ("actorId", "sessionId", "namespace"))
OWN_EVENTS = allow(
    "bedrock-agentcore:ListEvents", MEMORY,
    Condition={"StringEquals": {ACTOR: USER, SESSION: TASK}, "Null": {ACTOR: "false", SESSION: "false"}},
)  # fmt: skip
OWN_SECRET = allow("secretsmanager:GetSecretValue", f"{SECRET}app/{TASK}/*")
OWN_PARAMETER = allow("ssm:GetParameter", f"{PARAMETER}/app/{TASK}/*")


def _lists(operator: str, prefix: str) -> Body:
    return allow("s3:ListBucket", BUCKET, Condition={operator: {"s3:prefix": prefix}})


def _memory(action: str, **condition: Any) -> Body:
    return allow(f"bedrock-agentcore:{action}", MEMORY, **({"Condition": condition} if condition else {}))


OWN = {
    "a secret below one's name": OWN_SECRET,
    "a secret with its suffix": allow("secretsmanager:GetSecretValue", f"{SECRET}app/{TASK}-??????"),
    "a parameter": OWN_PARAMETER,
    "parameters by path": allow("ssm:GetParametersByPath", f"{PARAMETER}/app/{TASK}"),
    "events": OWN_EVENTS,
    "a list": _lists("StringLike", f"traces/{USER}/{TASK}/*"),
    "rows behind a separator": rows(f"{TASK}#*"),
}
NEAR = {
    "all secrets of the app": allow("secretsmanager:GetSecretValue", f"{SECRET}app/*"),
    "secrets in one call": allow("secretsmanager:BatchGetSecretValue", "*"),
    "a name that only begins alike": allow("secretsmanager:GetSecretValue", f"{SECRET}app/{TASK}*"),
    "the policy of a secret": allow("secretsmanager:PutResourcePolicy", f"{SECRET}app/{TASK}/*"),
    "all parameters of the app": allow("ssm:GetParameter", f"{PARAMETER}/app/*"),
    "a path above one's own": allow("ssm:GetParametersByPath", f"{PARAMETER}/app"),
    "the path of all": allow("ssm:GetParametersByPath", f"{PARAMETER}/"),
    "a path that only begins alike": allow("ssm:GetParametersByPath", f"{PARAMETER}/app/{TASK}*"),
    "all events": _memory("GetEvent"),
    "events of a user": _memory("ListEvents", StringEquals={ACTOR: USER}),
    "actors that begin alike": _memory("ListEvents", StringLike={ACTOR: f"{USER}*"}, StringEquals={SESSION: TASK}),
    "records by id": _memory("GetMemoryRecord"),
    "a namespace without an end": _memory("RetrieveMemoryRecords", StringLike={SPACE: f"/u/{USER}*"}),
    "a namespace if there is one": _memory("RetrieveMemoryRecords", StringLikeIfExists={SPACE: f"/u/{USER}/*"}),
    "all of a prefix": _lists("StringLike", "traces/*"),
    "a list without a prefix": allow("s3:ListBucket", BUCKET),
    "a list if there is a prefix": _lists("StringLikeIfExists", f"traces/{USER}/{TASK}/*"),
    "rows behind what a tag may hold": rows(f"{TASK}-*"),
    "rows of a user": rows(f"{USER}#*"),
}
AGENT = {
    "secrets": (OWN_SECRET, allow("secretsmanager:GetSecretValue", f"{SECRET}app/*")),
    "parameters": (OWN_PARAMETER, allow("ssm:GetParameter", f"{PARAMETER}/app/*")),
    "parameters by path": (OWN_PARAMETER, allow("ssm:GetParametersByPath", f"{PARAMETER}/app")),
    "parameters by the path of all": (OWN_PARAMETER, allow("ssm:GetParametersByPath", f"{PARAMETER}/")),
    "events": (OWN_EVENTS, _memory("ListEvents")),
    "records": (OWN_EVENTS, _memory("GetMemoryRecord")),
    "a Memory": (OWN_EVENTS, _memory("UpdateMemory")),
}


@pytest.mark.parametrize("name", OWN)
def test_what_is_named_by_the_tags_is_proved(name: str) -> None:
    """The ordinary grant of a session's own."""
    report = verify(by_hand(Extra=policy("Session", OWN[name])))
    assert report.proved, report.failures()


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_is_never_proved(name: str) -> None:
    """A grant that reaches further, or does where a request leaves something out."""
    assert not verify(by_hand(Extra=policy("Session", NEAR[name]))).proved


@pytest.mark.parametrize("name", AGENT)
def test_agent_code_reaches_none_of_it(name: str) -> None:
    """What sessions have by their names and values is tenant data for the roles of agent code as well."""
    session, compute = AGENT[name]
    template = by_hand(Extra=policy("Session", session), Also=policy("Compute", compute))
    found = {result.status for result in verify(template, only="compute-isolation").results}
    assert Status.VIOLATED in found


def _secret_of(principal: Any, **more: Any) -> Body:
    statement = {**allow("secretsmanager:GetSecretValue", "*", Principal=principal), **more}
    properties = {"SecretId": f"{SECRET}app/t1/x-AbCdEf", "ResourcePolicy": {"Statement": [statement]}}
    return {"Type": "AWS::SecretsManager::ResourcePolicy", "Properties": properties}


def _here(text: str) -> Body:
    return {
        "Fn::Sub": text.replace("us-east-1:111122223333", "${AWS::Region}:${AWS::AccountId}").replace("${aws", "${!aws")
    }


def _given(value: Any) -> Body:
    container = {"Name": "a", "Image": "i", "Environment": [{"Name": "GIVEN", "Value": value}]}
    task = {"TaskRoleArn": {"Fn::GetAtt": ["Compute", "Arn"]}, "ContainerDefinitions": [container]}
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": task}


NAMED: Body = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "app/t1/x"}}
PATH = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/app/t1/x", "Type": "String", "Value": "v"}}
AROUND: dict[str, dict[str, Body]] = {
    "a secret's policy with a computed effect": {
        "Opened": _secret_of("*", Effect={"Fn::Join": ["", ["Al", "low"]]}),
    },
    "a secret's policy from elsewhere": {
        "Opened": {
            "Type": "AWS::SecretsManager::ResourcePolicy",
            "Properties": {"SecretId": "x", "ResourcePolicy": {"Fn::ImportValue": "policy"}},
        },
    },
    "a session's secret that the template makes": {
        "Named": NAMED,
        "Reads": policy("Compute", allow("secretsmanager:GetSecretValue", {"Ref": "Named"})),
    },
    "a session's parameter that the template makes": {
        "Named": PATH,
        "Reads": policy("Compute", allow("ssm:GetParameter", _here(f"{PARAMETER}${{Named}}"))),
    },
    "a session's secret in a task's environment": {
        "Given": _given("{{resolve:secretsmanager:app/t1/x:SecretString:password}}"),
    },
    "a session's parameter in a task's environment": {
        "Given": _given({"Fn::Sub": "{{resolve:ssm:/app/t1/${AWS::Region}}}"}),
    },
    "a secret's replica": {
        "Named": {**NAMED, "Properties": {"Name": "app/t1/x", "ReplicaRegions": [{"Region": "eu-west-1"}]}},
        "Reads": policy(
            "Compute",
            allow("secretsmanager:GetSecretValue", _here(f"{SECRET}app/*".replace("us-east-1", "eu-west-1"))),
        ),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", AROUND)
def test_ways_around_a_name_are_not_proved(name: str) -> None:
    """What opens a secret by its own policy, and what agent code reads of those that the template makes."""
    session = {"Extra": policy("Session", *map(_placed, (OWN_SECRET, OWN_PARAMETER)))}
    assert verify(by_hand(**session)).proved
    assert not verify(by_hand(**session, **AROUND[name])).proved


def _placed(statement: Body) -> Body:
    return {**statement, "Resource": _here(statement["Resource"])}


def test_what_agent_code_keeps_for_itself_is_no_session_s() -> None:
    """A secret with a name of its own, one that CloudFormation names, and a policy of a secret that only denies."""
    resources = {
        "Named": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "config/agent"}},
        "Other": {"Type": "AWS::SecretsManager::Secret", "Properties": {}},
        "Closed": _secret_of("*", Effect="Deny"),
        "Given": _given("{{resolve:secretsmanager:config/agent}} {{resolve:ssm:/app}}"),
        "Reads": policy("Compute", allow("secretsmanager:GetSecretValue", [{"Ref": "Named"}, {"Ref": "Other"}])),
    }
    report = verify(by_hand(Extra=policy("Session", _placed(OWN_SECRET)), **resources))
    assert report.proved, report.failures()


def _keys(**named: str) -> Body:
    keys: Body = {f"bedrock-agentcore:{key}": value for key, value in named.items()}
    return {"StringEquals": keys, "Null": dict.fromkeys(keys, "false")}


def _policy_of(principal: Any, **more: Any) -> Body:
    document = {"Statement": [allow("bedrock-agentcore:ListEvents", "*", Principal=principal, **more)]}
    properties = {"ResourceArn": {"Fn::GetAtt": ["Mem", "MemoryArn"]}, "Policy": json.dumps(document)}
    if isinstance(principal, dict):
        properties["Policy"] = document
    return {"Type": "AWS::BedrockAgentCore::ResourcePolicy", "Properties": properties}


def _beside(condition: Body, *keys: str, memory: Any = None) -> dict[str, Body]:
    """Return a second session role with events of the Memory."""
    minting = allow(["sts:AssumeRole", "sts:TagSession"], {"Fn::GetAtt": ["Second", "Arn"]})
    grant = allow("bedrock-agentcore:ListEvents", memory or {"Ref": "Mem"}, Condition=condition)
    return {"Second": role(trust(*keys)), "Seconds": policy("Second", grant), "Mints": policy("Compute", minting)}


STREAM = {"Kinesis": {"DataStreamArn": "arn:aws:kinesis:us-east-1:999999999999:stream/x"}}
PUT = {"service": "bedrock-agentcore-control", "action": "putResourcePolicy", "parameters": {"policy": "{}"}}
MEM: Body = {"Type": "AWS::BedrockAgentCore::Memory", "Properties": {"Name": "m", "EventExpiryDuration": 30}}
AROUND_MEMORY: dict[str, dict[str, Body]] = {
    "actor and session the other way round": _beside(_keys(actorId=TASK, sessionId=USER), "task_id", "user_id"),
    "another role with all of a user": _beside(_keys(actorId=USER), "user_id"),
    "tags by other names": _beside(_keys(actorId=tag("owner"), sessionId=tag("job")), "owner", "job"),
    "another role, by the id that the Memory got": _beside(
        _keys(actorId=TASK, sessionId=USER), "task_id", "user_id", memory=_here(MEMORY)
    ),
    "a policy for everybody, as text": {"Opened": _policy_of("*")},
    "a policy for another account": {"Opened": _policy_of({"AWS": "999999999999"})},
    "a policy for the agent's role": {"Opened": _policy_of({"AWS": {"Fn::GetAtt": ["Compute", "Arn"]}})},
    "a policy for sessions": {"Opened": _policy_of({"AWS": {"Fn::GetAtt": ["Session", "Arn"]}})},
    "a policy of some Memory": {
        "Opened": {
            "Type": "AWS::BedrockAgentCore::ResourcePolicy",
            "Properties": {"ResourceArn": {"Fn::ImportValue": "arn"}, "Policy": "{}"},
        },
    },
    "a policy by a call": {"Opened": {"Type": "Custom::AWS", "Properties": {"Create": json.dumps(PUT)}}},
    "records streamed to another account": {
        "Mem": {**MEM, "Properties": {**MEM["Properties"], "StreamDeliveryResources": {"Resources": [STREAM]}}},
    },
    "the agent may write its policy": {
        "Writes": policy("Compute", allow("bedrock-agentcore:PutResourcePolicy", {"Ref": "Mem"})),
    },
    "the agent reads it by its id": {
        "Reads": policy(
            "Compute",
            allow(
                "bedrock-agentcore:ListEvents",
                {"Fn::Sub": "arn:aws:bedrock-agentcore:${AWS::Region}:${AWS::AccountId}:memory/${Mem.MemoryId}"},
            ),
        ),
    },
}
OWN_OF_MEM = {**OWN_EVENTS, "Resource": {"Fn::GetAtt": ["Mem", "MemoryArn"]}}


@pytest.mark.parametrize("name", AROUND_MEMORY)
def test_ways_around_a_memory_s_keys_are_not_proved(name: str) -> None:
    """Other session roles, the Memory's own policy, and what takes its records along."""
    own = {"Mem": MEM, "Extra": policy("Session", OWN_OF_MEM)}
    assert verify(by_hand(**own)).proved
    assert not verify(by_hand(**{**own, **AROUND_MEMORY[name]})).proved


def test_two_roles_and_a_policy_that_keep_to_the_same_keys_are_proved() -> None:
    """A second role whose sessions carry both tags under the same names, and a policy that allows what grants do."""
    same = _beside(_keys(actorId=USER, sessionId=TASK), "task_id", "user_id")
    opened = _policy_of({"AWS": {"Fn::GetAtt": ["Session", "Arn"]}}, Condition=_keys(actorId=USER, sessionId=TASK))
    opened["Properties"]["Policy"]["Version"] = "2012-10-17"
    own = {"Mem": MEM, "Extra": policy("Session", OWN_OF_MEM)}
    report = verify(by_hand(**own, **same, Opened=opened))
    assert report.proved, report.failures()
