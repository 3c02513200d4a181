"""ScopedComputeRole and Models: whole statements, written out from the documented baseline of each backend."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager

from session_scoping import ComputeBackend, Minting, Models, ScopedComputeRole
from tests.support import stacks

INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
SONNET = "anthropic.claude-sonnet-4-6"
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


def _made(**options: Any) -> dict[str, Any]:
    stack = stacks.stack()
    ScopedComputeRole(stack, "Agent", **options)
    return stacks.template(stack)


def _allow(action: Any, resource: Any, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


@pytest.mark.parametrize(
    ("backend", "service", "source"),
    [(ComputeBackend.AGENTCORE, "bedrock-agentcore", "bedrock-agentcore"), (ComputeBackend.ECS, "ecs-tasks", "ecs")],
)
def test_trust_admits_the_service_for_this_account_only(backend: ComputeBackend, service: str, source: str) -> None:
    """The service may assume the role for resources of this account, and nobody else may."""
    assert stacks.trust(_made(backend=backend), "AgentRole") == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Condition": {
                "StringEquals": {"aws:SourceAccount": stacks.HERE["AccountId"]},
                "ArnLike": {"aws:SourceArn": stacks.arn(source, "*")},
            },
        }
    ]


def test_known_runtime_is_pinned_in_the_trust() -> None:
    """With the runtime's ARN at hand no other runtime of the account may use the role."""
    arn = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/agent-AbCdEfGhIj"
    (statement,) = stacks.trust(_made(backend=ComputeBackend.AGENTCORE, runtime_arn=arn), "AgentRole")
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": arn}


def test_lambda_trust_has_no_condition_because_one_fails_on_microvms() -> None:
    """A Lambda role can be passed within its account only; a SourceAccount condition was seen to fail."""
    (statement,) = stacks.trust(_made(backend=ComputeBackend.LAMBDA), "AgentRole")
    assert statement == {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }


def test_a_microvms_session_is_tagged() -> None:
    """Both of a MicroVM's roles are assumed with tags; the action is allowed to Lambda alone, without a condition."""
    (statement,) = stacks.trust(_made(backend=ComputeBackend.LAMBDA_MICROVM), "AgentRole")
    assert statement == {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": "lambda.amazonaws.com"},
    }


def test_agentcore_baseline_is_the_documented_one() -> None:
    """Logs, traces, metrics, one repository and one workload identity, as the AgentCore guide lists them."""
    stack = stacks.stack()
    repository = ecr.Repository(stack, "Images")
    ScopedComputeRole(
        stack, "Agent", backend=ComputeBackend.AGENTCORE, repository=repository, runtime_name="coding_agent"
    )
    made = stacks.template(stack)
    group = "log-group:/aws/bedrock-agentcore/runtimes/*"
    directory = "workload-identity-directory/default"
    traces = ["GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments"]
    tokens = ["GetWorkloadAccessToken", "GetWorkloadAccessTokenForJWT"]
    assert stacks.by_sid(stacks.policy(made, "AgentPermissions")) == {
        "RuntimeLogGroups": _allow(["logs:CreateLogGroup", "logs:DescribeLogStreams"], stacks.arn("logs", group)),
        "FindLogGroups": _allow("logs:DescribeLogGroups", stacks.arn("logs", "log-group:*")),
        "RuntimeLogStreams": _allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"], stacks.arn("logs", f"{group}:log-stream:*")
        ),
        "Traces": _allow([f"xray:{name}" for name in traces], "*"),
        "Metrics": _allow(
            "cloudwatch:PutMetricData", "*", {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
        ),
        "PullImage": _allow(
            ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            {"Fn::GetAtt": [stacks.ref(made, "Images"), "Arn"]},
        ),
        "RegistryLogin": _allow("ecr:GetAuthorizationToken", "*"),
        "WorkloadIdentity": _allow(
            [f"bedrock-agentcore:{name}" for name in tokens],
            [
                stacks.arn("bedrock-agentcore", directory),
                stacks.arn("bedrock-agentcore", f"{directory}/workload-identity/coding_agent-*"),
            ],
        ),
    }


def test_ecs_role_starts_empty_and_exec_is_opt_in() -> None:
    """An ECS task role has no baseline of its own, and ECS Exec only when it is asked for."""
    assert not [key for key in _made(backend=ComputeBackend.ECS)["Resources"] if "Permissions" in key]
    (statement,) = stacks.policy(_made(backend=ComputeBackend.ECS, ecs_exec=True), "AgentPermissions")
    channels = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"]
    assert statement["Action"] == [f"ssmmessages:{name}" for name in channels]


@pytest.mark.parametrize("backend", [ComputeBackend.AGENTCORE, ComputeBackend.ECS, ComputeBackend.LAMBDA])
def test_backends_get_the_same_permissions_on_top_of_their_baseline(backend: ComputeBackend) -> None:
    """Secret, logs, memory and models are the same statements on every backend."""
    stack = stacks.stack()
    key = kms.Key(stack, "Key")
    secret = secretsmanager.Secret(stack, "Token", encryption_key=key)
    group = logs.LogGroup(stack, "Logs")
    memory = agentcore.CfnMemory(stack, "Memory", name="memory", event_expiry_duration=30)
    ScopedComputeRole(
        stack,
        "Agent",
        backend=backend,
        secrets=[secret],
        log_groups=[group],
        memory=memory,
        models=Models.profile("eu", [SONNET]),
    )
    made = stacks.template(stack)
    statements = stacks.by_sid(stacks.policy(made, "AgentPermissions"))
    secret_arn = {"Ref": stacks.ref(made, "Token")}
    hosts = [
        ["secretsmanager.", stacks.HERE["Region"], ".amazonaws.com"],
        ["secretsmanager.", stacks.HERE["Region"], ".amazonaws.com.cn"],
    ]
    profile = stacks.arn("bedrock", f"inference-profile/eu.{SONNET}")
    memory_actions = [
        "CreateEvent",
        "GetEvent",
        "GetMemoryRecord",
        "ListEvents",
        "ListMemoryRecords",
        "RetrieveMemoryRecords",
    ]
    shared = {
        "WriteLogs": _allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": [stacks.ref(made, "Logs"), "Arn"]}
        ),
        "ReadSecrets": _allow("secretsmanager:GetSecretValue", secret_arn),
        "DecryptSecret1": _allow(
            "kms:Decrypt",
            {"Fn::GetAtt": [stacks.ref(made, "Key"), "Arn"]},
            {
                "StringEquals": {"kms:ViaService": [{"Fn::Join": ["", host]} for host in hosts]},
                "StringLike": {"kms:EncryptionContext:SecretARN": secret_arn},
            },
        ),
        "Memory": _allow(
            [f"bedrock-agentcore:{name}" for name in memory_actions], {"Fn::GetAtt": ["Memory", "MemoryArn"]}
        ),
        "Profiles": _allow(INVOKE, profile),
        "Models": _allow(
            INVOKE,
            stacks.arn("bedrock", f"foundation-model/{SONNET}", region="*", account=""),
            {"ArnLike": {"bedrock:InferenceProfileArn": stacks.arn("bedrock", "inference-profile/eu.*")}},
        ),
    }
    assert {sid: statements[sid] for sid in shared} == shared
    own = {sid for sid in statements if sid not in shared}
    assert bool(own) == (backend is not ComputeBackend.ECS)


def test_secret_imported_by_name_gets_its_six_character_suffix() -> None:
    """Secrets Manager appends six characters, so one `?` each and no `*`, which would match longer names."""
    stack = stacks.stack()
    secret = secretsmanager.Secret.from_secret_name_v2(stack, "Token", "github")
    ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS, secrets=[secret])
    (statement,) = stacks.policy(stacks.template(stack), "AgentPermissions")
    assert statement["Resource"] == stacks.arn("secretsmanager", "secret:github-??????")


@pytest.mark.parametrize("in_vpc", [False, True])
def test_the_lambda_baseline_is_the_documented_one(in_vpc: bool) -> None:
    """Its logs; in a VPC network interfaces too, for Lambda itself and not for the function's code."""
    made = _made(backend=ComputeBackend.LAMBDA, in_vpc=in_vpc)
    group = "log-group:/aws/lambda/*"
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ]
    expected = {
        "FunctionLogGroups": _allow("logs:CreateLogGroup", stacks.arn("logs", group)),
        "FunctionLogStreams": _allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"], stacks.arn("logs", f"{group}:log-stream:*")
        ),
    }
    if in_vpc:
        expected["NetworkInterfaces"] = _allow(interfaces, "*", {"Null": {"lambda:SourceFunctionArn": "true"}})
    assert stacks.by_sid(stacks.policy(made, "AgentPermissions")) == expected


SEEN: dict[str, Callable[[Any], Any]] = {
    "assume_role_action": str,
    "env": lambda env: [env.account, env.region],
    "grant_principal": lambda principal: principal.policy_fragment.principal_json,
    "policy_fragment": lambda fragment: fragment.principal_json,
    "principal_account": str,
    "role_ref": lambda reference: reference.role_arn,
    "stack": lambda stack: stack.stack_name,
}


@pytest.mark.parametrize("member", SEEN)
def test_the_construct_answers_as_its_role_does(member: str) -> None:
    """It has the members of `iam.IRole`; the CDK takes an object without them for no role at all."""
    stack = stacks.stack(env=cdk.Environment(account="111122223333", region="eu-west-1"))
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    mine, role = (stack.resolve(SEEN[member](getattr(one, member))) for one in (agent, agent.role))
    assert mine == role
    assert mine not in (None, "None")


def test_the_construct_is_granted_to_others_as_its_role_is() -> None:
    """Who may assume it, pass it or see it is decided on the role."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    grantee = stacks.role(stack, "Orchestrator")
    for grant in (
        agent.grant(grantee, "iam:GetRole"),
        agent.grant_assume_role(grantee),
        agent.grant_pass_role(grantee),
    ):
        assert grant.success
    agent.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    made = stacks.template(stack)
    resource = made["Resources"][stacks.ref(made, "AgentRole")]
    assert resource["DeletionPolicy"] == "Retain"
    (policy,) = (one for key, one in made["Resources"].items() if key.startswith("OrchestratorDefaultPolicy"))
    (allowed,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert sorted(allowed["Action"]) == ["iam:GetRole", "iam:PassRole", "sts:AssumeRole"]


def test_the_construct_itself_is_a_role_for_tasks_and_runtimes() -> None:
    """Handed over as it is, or as its `role`, it becomes the task's role."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    assert agent.role is agent
    ecs.FargateTaskDefinition(stack, "Task", task_role=agent)
    made = stacks.template(stack)
    task_role = made["Resources"][stacks.ref(made, "Task")]["Properties"]["TaskRoleArn"]
    assert task_role == {"Fn::GetAtt": [stacks.ref(made, "AgentRole"), "Arn"]}
    assert not [key for key in made["Resources"] if "DefaultPolicy" in key]


def test_regional_models_are_invoked_directly() -> None:
    """An in-Region model needs no profile, and is allowed in the stack's Region only."""
    statements = stacks.policy(_made(backend=ComputeBackend.ECS, models=Models.in_region([HAIKU])), "AgentPermissions")
    model = stacks.arn("bedrock", f"foundation-model/{HAIKU}", account="")
    assert stacks.by_sid(statements) == {"RegionalModels": _allow(INVOKE, model)}


def test_global_profiles_reach_the_regionless_model_too() -> None:
    """The worldwide profile routes to a model ARN without Region, in requests without Region."""
    statements = stacks.policy(
        _made(backend=ComputeBackend.ECS, models=Models.profile("global", [SONNET])), "AgentPermissions"
    )
    profile = stacks.arn("bedrock", f"inference-profile/global.{SONNET}")
    profiled = {"ArnLike": {"bedrock:InferenceProfileArn": stacks.arn("bedrock", "inference-profile/global.*")}}
    assert stacks.by_sid(statements) == {
        "ProfilesGlobal": _allow(INVOKE, profile),
        "ModelsGlobal": _allow(INVOKE, stacks.arn("bedrock", f"foundation-model/{SONNET}", account=""), profiled),
        "ModelsWorldwide": _allow(
            INVOKE,
            stacks.arn("bedrock", f"foundation-model/{SONNET}", region="", account=""),
            {**profiled, "StringEquals": {"aws:RequestedRegion": "unspecified"}},
        ),
    }


def test_application_profiles_are_limited_like_the_others() -> None:
    """An application profile opens its models only through itself."""
    profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3"
    models = Models.application_profile(profile, [SONNET]) + Models.in_region([HAIKU])
    statements = stacks.by_sid(stacks.policy(_made(backend=ComputeBackend.ECS, models=models), "AgentPermissions"))
    assert statements["Profiles"] == _allow(INVOKE, profile)
    assert statements["Models"]["Condition"] == {"ArnLike": {"bedrock:InferenceProfileArn": profile}}
    assert set(statements) == {"Profiles", "Models", "RegionalModels"}


@pytest.mark.parametrize("given", ["a.b,c.d", '["a.b", "c.d"]', ["a.b", "c.d"]])
def test_models_can_be_replaced_by_context(given: Any) -> None:
    """Context names other models, as a list or as text from the command line."""
    stack = cdk.Stack(stacks.new_app("no-flags", bedrockModels=given, bedrockGeo="jp"), "Small")
    models = Models.from_context(stack, model_ids=[SONNET], geography="us")
    assert models == Models.profile("jp", ["a.b", "c.d"])


@pytest.mark.parametrize("by", [Minting.by_compute_roles, Minting.by_orchestrator])
def test_the_inner_role_of_a_compute_role_counts_as_the_compute_role(by: Callable[..., Minting]) -> None:
    """Whoever passes `.policy_role` loses none of its guards."""
    agent = ScopedComputeRole(stacks.stack(), "Agent", backend=ComputeBackend.ECS)
    minting = by(agent.policy_role)
    assert minting.minters == (agent,)
    assert minting.compute_roles == ((agent,) if minting.compute_roles_mint else ())
