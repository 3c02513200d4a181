"""The adopter's example: what it adds lands where it should, and the CDK's own grants do not."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from cdk_nag import AwsSolutionsChecks

from examples.existing_stack import app as example
from session_scoping import ComputeBackend, Minting, ScopedComputeRole
from tests.support import RECOMMENDED_FLAGS, ROOT, stacks

EXAMPLE_FLAGS = json.loads((ROOT / "examples/existing_stack/cdk.json").read_text())["context"]
FLAGS: Mapping[str, dict[str, Any]] = {"no-flags": {}, "own-flags": EXAMPLE_FLAGS, "recommended": RECOMMENDED_FLAGS}
CASES = [("imported", "own-flags"), ("imported", "recommended"), ("created", "no-flags"), ("created", "own-flags")]
ROLE_ARN = "arn:aws:iam::111122223333:role/acme-agent-session"


class Example:
    """The example, synthesized with the AwsSolutions pack attached as its `main` does."""

    def __init__(self, data: str, flags: str) -> None:
        """Build and synthesize; an unacknowledged finding of the pack would raise here."""
        app = cdk.App(context={**FLAGS[flags], "data": data})
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        example.build(app)
        assembly = app.synth()
        self.data_source = data
        self.templates: dict[str, stacks.Template] = {stack.stack_name: stack.template for stack in assembly.stacks}
        self.dependencies = {
            stack.stack_name: {found.id for found in stack.dependencies if found.id in {"AcmeData", "AcmeCompute"}}
            for stack in assembly.stacks
        }
        self.reports = json.loads((ROOT / assembly.directory / "validation-report.json").read_text())["pluginReports"]


build_example = cache(Example)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def adopted(request: pytest.FixtureRequest) -> Example:
    """Return the example, for each source of data and set of feature flags."""
    return build_example(*request.param)


def test_the_data_stack_needs_the_compute_stack_and_nothing_leads_back(adopted: Example) -> None:
    """The two stacks depend on each other in one direction only."""
    assert adopted.dependencies == {"AcmeData": {"AcmeCompute"}, "AcmeCompute": set()}


def test_containers_get_the_session_role_s_name_without_a_reference_to_its_stack(adopted: Example) -> None:
    """Runtime and task carry the ARN spelled from the role's name, and it is the name the role has."""
    compute, data = adopted.templates["AcmeCompute"], adopted.templates["AcmeData"]
    (runtime,) = stacks.resources(compute, "AWS::BedrockAgentCore::Runtime").values()
    (task,) = stacks.resources(compute, "AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    (session_role,) = stacks.resources(data, "AWS::IAM::Role").values()
    in_task = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    for variables in (runtime["EnvironmentVariables"], in_task):
        assert stacks.deployed(variables["AGENT_SESSION_ROLE_ARN"]) == ROLE_ARN
        assert variables["AGENT_SESSION_TAG_KEYS"] == "user_id,repo,task_id"
    assert session_role["RoleName"] == "acme-agent-session"


def test_runtime_and_task_run_under_the_scoped_roles(adopted: Example) -> None:
    """The roles the containers get are the ones the constructs made."""
    compute = adopted.templates["AcmeCompute"]
    (runtime,) = stacks.resources(compute, "AWS::BedrockAgentCore::Runtime").values()
    (task,) = stacks.resources(compute, "AWS::ECS::TaskDefinition").values()
    roles = stacks.resources(compute, "AWS::IAM::Role")
    for arn, service in ((runtime["RoleArn"], "bedrock-agentcore"), (task["TaskRoleArn"], "ecs-tasks")):
        (statement,) = roles[arn["Fn::GetAtt"][0]]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}


def _fences(adopted: Example) -> dict[str, stacks.Statement]:
    """Return what the session role puts on every compute role, written out by hand."""
    if adopted.data_source == "imported":
        tables = [f"arn:aws:dynamodb:*:111122223333:table/{name}" for name in ("acme-task-events", "acme-tasks")]
        bucket = "arn:aws:s3:::acme-task-traces"
    else:
        ids = {
            str(properties.get("TableName", properties.get("BucketName"))): logical_id
            for type_ in ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
            for logical_id, properties in stacks.resources(adopted.templates["AcmeData"], type_).items()
        }
        tables = [f"arn:aws:dynamodb:*:111122223333:table/<{ids[name]}>" for name in ("acme-tasks", "acme-task-events")]
        bucket = f"<{ids['acme-task-traces']}.Arn>"
    keys = [f"<{key}.Arn>" for key in stacks.resources(adopted.templates["AcmeData"], "AWS::KMS::Key")]
    direct = {"Null": {"kms:ViaService": "true"}}
    key_guard: dict[str, stacks.Statement] = {
        "DenyTenantKeysDirectly": {"Effect": "Deny", "Action": ["kms:*"], "Resource": keys, "Condition": direct}
    }
    (session_role,) = stacks.resources(adopted.templates["AcmeData"], "AWS::IAM::Role")
    names = ("s3:*:*:accesspoint/*", "s3:*:*:access-grants/*", "s3-object-lambda:*:*:accesspoint/*")
    buckets = [bucket, f"{bucket}/*", *(f"arn:aws:{name}" for name in names)]
    below = [f"{arn}/*" for arn in tables]
    role_actions = ["sts:AssumeRole", "sts:AssumeRoot", "sts:SetSourceIdentity", "sts:TagSession"]
    session = [f"<{session_role}.Arn>"]
    return {
        "DenyTenantTables": {"Effect": "Deny", "Action": ["dynamodb:*"], "Resource": sorted(tables)},
        "DenyTenantTablesBelow": {"Effect": "Deny", "Action": ["dynamodb:*"], "Resource": sorted(below)},
        "DenyTenantBuckets": {"Effect": "Deny", "Action": ["s3-object-lambda:*", "s3:*"], "Resource": sorted(buckets)},
        "DenyOtherRoles": {"Effect": "Deny", "Action": role_actions, "NotResource": session},
        "MintSessions": {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": session},
        **(key_guard if keys else {}),
    }


def _models() -> dict[str, stacks.Statement]:
    invoke = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    profiles = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/us"
    profile = f"{profiles}.anthropic.claude-sonnet-4-6"
    return {
        "Profiles": {"Effect": "Allow", "Action": invoke, "Resource": [profile]},
        "Models": {
            "Effect": "Allow",
            "Action": invoke,
            "Resource": ["arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-6"],
            "Condition": {
                "ArnLike": {"bedrock:InferenceProfileArn": profile.replace("anthropic.claude-sonnet-4-6", "*")}
            },
        },
    }


def _logical_id(adopted: Example, type_: str) -> str:
    (logical_id,) = stacks.resources(adopted.templates["AcmeCompute"], type_)
    return logical_id


def _on(adopted: Example, role: str) -> dict[str, stacks.Statement]:
    return stacks.by_sid(stacks.deployed(statement) for statement in stacks.attached(adopted.templates, role))


def test_the_fargate_task_role_has_these_statements_and_no_other(adopted: Example) -> None:
    """The task definition's own grants do not land on the task role."""
    log_group = f"<{_logical_id(adopted, 'AWS::Logs::LogGroup')}.Arn>"
    write = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [log_group]}
    roles = stacks.resources(adopted.templates["AcmeCompute"], "AWS::IAM::Role")
    role = next(id_ for id_ in roles if "TaskRole" in id_)
    assert _on(adopted, role) == {"WriteLogs": write, **_models(), **_fences(adopted)}


def test_the_agentcore_role_has_these_statements_and_no_other(adopted: Example) -> None:
    """The Runtime's own grants, such as every workload identity, do not land on the execution role."""
    repository = f"<{_logical_id(adopted, 'AWS::ECR::Repository')}.Arn>"
    log_group = "arn:aws:logs:eu-west-1:111122223333:log-group:"
    runtimes = f"{log_group}/aws/bedrock-agentcore/runtimes/*"
    baseline: dict[str, stacks.Statement] = {
        "RuntimeLogGroups": {"Action": ["logs:CreateLogGroup", "logs:DescribeLogStreams"], "Resource": [runtimes]},
        "FindLogGroups": {"Action": ["logs:DescribeLogGroups"], "Resource": [f"{log_group}*"]},
        "RuntimeLogStreams": {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [f"{runtimes}:log-stream:*"],
        },
        "Traces": {
            "Action": [
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            "Resource": ["*"],
        },
        "Metrics": {
            "Action": ["cloudwatch:PutMetricData"],
            "Resource": ["*"],
            "Condition": {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}},
        },
        "PullImage": {"Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": [repository]},
        "RegistryLogin": {"Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]},
    }
    allowed = {sid: {"Effect": "Allow", **statement} for sid, statement in baseline.items()}
    roles = stacks.resources(adopted.templates["AcmeCompute"], "AWS::IAM::Role")
    role = next(id_ for id_ in roles if id_.startswith("AgentCoreRole"))
    assert _on(adopted, role) == {**allowed, **_models(), **_fences(adopted)}


def test_every_accepted_finding_of_nag_carries_its_reason(adopted: Example) -> None:
    """The pack ran, found the known wildcards, and each one is accepted on its construct with a sentence."""
    (report,) = (report for report in adopted.reports if report["pluginName"] == "AwsSolutions")
    assert report["violations"] == []
    assert any("AgentCoreRole/Permissions" in json.dumps(found) for found in report["suppressedViolations"])
    for found in report["suppressedViolations"]:
        text = json.dumps(found)
        assert found["ruleName"].startswith(("AwsSolutions-IAM5[Resource::", "AwsSolutions-ECS2")), text
        assert len(found["reason"]) > 20, text


def test_the_created_tables_and_bucket_open_their_key_to_the_session() -> None:
    """With a customer-managed key the session may decrypt through DynamoDB and S3 only, and only this data."""
    templates = build_example("created", "no-flags").templates
    (key,) = stacks.resources(templates["AcmeData"], "AWS::KMS::Key")
    statements = [stacks.deployed(one) for one in stacks.attached(templates, "SessionRole")]
    keyed = [one for one in statements if any(action.startswith("kms:") for action in one.get("Action", []))]
    assert {one["Sid"] for one in keyed} == {"DecryptTables", "EncryptObjects", "KeysOutsideTheirServices"}
    assert all(one["Resource"] == [f"<{key}.Arn>"] for one in keyed)


BACKENDS = (ComputeBackend.AGENTCORE, ComputeBackend.ECS)


def _real_constructs(attribute: str) -> dict[str, stacks.Template]:
    """Build a Runtime and a Fargate task on the role as the given property hands it out."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack")
    repository = ecr.Repository(stack, "Images")
    roles = {backend: ScopedComputeRole(stack, backend.name.title(), backend=backend) for backend in BACKENDS}
    image = agentcore.AgentRuntimeArtifact.from_ecr_repository(repository, "v1")
    agentcore.Runtime(
        stack,
        "Runtime",
        agent_runtime_artifact=image,
        execution_role=getattr(roles[ComputeBackend.AGENTCORE], attribute),
    )
    task = ecs.FargateTaskDefinition(
        stack, "Task", task_role=getattr(roles[ComputeBackend.ECS], attribute), execution_role=_execution_role(stack)
    )
    task.add_container("Agent", image=ecs.ContainerImage.from_registry("agent"), logging=_logging(stack))
    return stacks.synth(app)


def _execution_role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Execution", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))


def _logging(stack: cdk.Stack) -> ecs.LogDriver:
    return ecs.LogDriver.aws_logs(stream_prefix="agent", log_group=logs.LogGroup(stack, "Logs"))


def test_a_runtime_adds_nothing_to_the_role_and_widens_its_inner_role() -> None:
    """What `.role` keeps out is real: the same construct does widen `.policy_role`."""
    kept, opened = _real_constructs("role"), _real_constructs("policy_role")
    assert stacks.attached(kept, "EcsRole") == stacks.attached(opened, "EcsRole") == []
    assert any("workload-identity" in json.dumps(one) for one in stacks.attached(opened, "AgentcoreRole"))
    assert not any("workload-identity" in json.dumps(one) for one in stacks.attached(kept, "AgentcoreRole"))
    assert len(stacks.attached(opened, "AgentcoreRole")) > len(stacks.attached(kept, "AgentcoreRole"))


def test_without_a_role_name_the_same_two_stacks_are_a_cycle() -> None:
    """The known role name is what breaks the cycle: without it the synth says so, and which argument helps."""
    app = stacks.new_app()
    data, compute = cdk.Stack(app, "Data"), cdk.Stack(app, "Compute")
    role = ScopedComputeRole(compute, "Task", backend=ComputeBackend.ECS)
    session = stacks.session_role(data, minting=Minting.by_compute_roles(role))
    task = ecs.FargateTaskDefinition(compute, "TaskDefinition", task_role=role.role)
    task.add_container("Agent", image=ecs.ContainerImage.from_registry("agent"), environment=dict(session.environment))
    message = r"`Compute/TaskDefinition/Resource` needs the ARN of session role `Data/Session`.*fix: pass role_name="
    with pytest.raises(RuntimeError, match=message):
        app.synth()


@pytest.mark.parametrize("place", ["Data", "Elsewhere"])
def test_without_a_role_name_other_stacks_may_have_the_arn(place: str) -> None:
    """Only the stack that the session role's own refers to closes a cycle."""
    app = stacks.new_app()
    found = {name: cdk.Stack(app, name) for name in ("Data", "Compute", "Elsewhere")}
    role = ScopedComputeRole(found["Compute"], "Task", backend=ComputeBackend.ECS)
    session = stacks.session_role(found["Data"], minting=Minting.by_compute_roles(role))
    task = ecs.FargateTaskDefinition(found[place], "TaskDefinition")
    task.add_container("Agent", image=ecs.ContainerImage.from_registry("agent"), environment=dict(session.environment))
    (made,) = stacks.resources(stacks.synth(app)[place], "AWS::ECS::TaskDefinition").values()
    assert "SessionRole" in json.dumps(made["ContainerDefinitions"][0]["Environment"])
