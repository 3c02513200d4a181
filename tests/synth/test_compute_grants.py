"""What somebody grants to a ScopedComputeRole: it lands, or it is an error that names the actions; nothing vanishes."""

from collections.abc import Callable
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn

from session_scoping import (
    ComputeBackend,
    Minting,
    ScopedComputeRole,
    SessionBrokerRole,
    SessionRole,
    TenantObjects,
    TenantSecrets,
    TenantTable,
    TenantTablePolicy,
)
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.world import ACCOUNT, World

Grant = Callable[[cdk.Stack, ScopedComputeRole], Any]


def _statement(*actions: str, resources: tuple[str, ...] = ("*",), **options: Any) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources), **options)


def _function(stack: cdk.Stack, role: iam.IRole | None = None, **options: Any) -> lambda_.Function:
    code = lambda_.Code.from_inline("pass")
    runtime = lambda_.Runtime.PYTHON_3_12
    return lambda_.Function(stack, "Function", runtime=runtime, handler="i.h", code=code, role=role, **options)


def _runtime(stack: cdk.Stack) -> agentcore.Runtime:
    image = agentcore.AgentRuntimeArtifact.from_ecr_repository(ecr.Repository(stack, "Images"), "v1")
    return agentcore.Runtime(stack, "Runtime", agent_runtime_artifact=image)


def _to_task(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    secret = secretsmanager.Secret(stack, "Secret")
    task = ecs.FargateTaskDefinition(stack, "Task", task_role=agent)
    task.add_to_task_role_policy(_statement("secretsmanager:GetSecretValue", resources=(secret.secret_arn,)))


def _key(stack: cdk.Stack) -> kms.Key:
    return kms.Key(stack, "OtherKey")


LANDS: dict[str, tuple[Grant, str]] = {
    "a secret": (
        lambda stack, agent: secretsmanager.Secret(stack, "S").grant_read(agent),
        "secretsmanager:GetSecretValue",
    ),
    "a secret with a key": (
        lambda stack, agent: secretsmanager.Secret(stack, "S", encryption_key=_key(stack)).grant_read(agent),
        "secretsmanager:GetSecretValue",
    ),
    "a secret by name": (
        lambda stack, agent: secretsmanager.Secret.from_secret_name_v2(stack, "S", "github").grant_read(agent),
        "secretsmanager:GetSecretValue",
    ),
    "messages to a queue": (lambda stack, agent: sqs.Queue(stack, "Q").grant_send_messages(agent), "sqs:SendMessage"),
    "messages of a queue": (
        lambda stack, agent: sqs.Queue(stack, "Q").grant_consume_messages(agent.role),
        "sqs:ReceiveMessage",
    ),
    "a topic": (lambda stack, agent: sns.Topic(stack, "T").grant_publish(agent), "sns:Publish"),
    "a stream": (lambda stack, agent: kinesis.Stream(stack, "K").grant_read_write(agent), "kinesis:PutRecord"),
    "a parameter": (
        lambda stack, agent: ssm.StringParameter(stack, "P", string_value="x").grant_read(agent),
        "ssm:GetParameter",
    ),
    "an image": (lambda stack, agent: ecr.Repository(stack, "I").grant_pull(agent), "ecr:BatchGetImage"),
    "a log group": (lambda stack, agent: logs.LogGroup(stack, "L").grant_write(agent), "logs:PutLogEvents"),
    "another bucket": (lambda stack, agent: stacks.bucket(stack, "Other").grant_read_write(agent), "s3:GetObject*"),
    "another table": (
        lambda stack, agent: stacks.table(stack, "Other").grant_read_write_data(agent),
        "dynamodb:PutItem",
    ),
    "another key": (lambda stack, agent: _key(stack).grant_encrypt_decrypt(agent), "kms:Decrypt"),
    "a task's own statement": (_to_task, "secretsmanager:GetSecretValue"),
    "what has no resource": (
        lambda _, agent: agent.add_to_principal_policy(_statement("cloudwatch:PutMetricData")),
        "cloudwatch:PutMetricData",
    ),
    "a Deny": (
        lambda _, agent: agent.add_to_principal_policy(_statement("s3:*", effect=iam.Effect.DENY)),
        "s3:*",
    ),
    "an inline policy": (
        lambda stack, agent: agent.attach_inline_policy(
            iam.Policy(stack, "In", statements=[_statement("sqs:SendMessage", resources=("arn:aws:sqs:::q",))])
        ),
        "sqs:SendMessage",
    ),
}

REFUSED: dict[str, tuple[Grant, str]] = {
    "starting another agent": (
        lambda stack, agent: _runtime(stack).grant_invoke(agent),
        "bedrock-agentcore:InvokeAgentRuntime",
    ),
    "calling a function": (lambda stack, agent: _function(stack).grant_invoke(agent), "lambda:InvokeFunction"),
    "starting a state machine": (
        lambda stack, agent: sfn.StateMachine(
            stack, "M", definition_body=sfn.DefinitionBody.from_chainable(sfn.Pass(stack, "P"))
        ).grant_start_execution(agent),
        "states:StartExecution",
    ),
    "an event, which rules act on": (
        lambda stack, agent: events.EventBus(stack, "Bus").grant_put_events_to(agent),
        "events:PutEvents",
    ),
    "becoming another role": (lambda stack, agent: stacks.role(stack).grant_assume_role(agent), "sts:AssumeRole"),
    "passing a role": (lambda stack, agent: stacks.role(stack).grant_pass_role(agent), "iam:PassRole"),
    "signing": (
        lambda stack, agent: kms.Key(
            stack, "Sign", key_spec=kms.KeySpec.RSA_2048, key_usage=kms.KeyUsage.SIGN_VERIFY
        ).grant_sign(agent),
        "kms:Sign",
    ),
    "pushing an image": (lambda stack, agent: ecr.Repository(stack, "I").grant_push(agent), "ecr:PutImage"),
    "who may read objects": (lambda stack, agent: stacks.bucket(stack).grant_put_acl(agent), "s3:PutObjectAcl"),
    "everything of a table": (lambda stack, agent: stacks.table(stack).grant_full_access(agent), "dynamodb:*"),
    "every table": (lambda _, agent: agent.add_to_principal_policy(_statement("dynamodb:GetItem")), "dynamodb:GetItem"),
    "every table by its ARN": (
        lambda _, agent: agent.add_to_principal_policy(
            _statement("dynamodb:GetItem", resources=("arn:aws:dynamodb:*:*:table/*",))
        ),
        "dynamodb:GetItem",
    ),
    "every bucket": (
        lambda _, agent: agent.add_to_principal_policy(_statement("s3:GetObject", resources=("arn:aws:s3:::*/x",))),
        "s3:GetObject",
    ),
    "every directory bucket": (
        lambda _, agent: agent.add_to_principal_policy(_statement("s3express:CreateSession")),
        "s3express:CreateSession",
    ),
    "every secret under a condition": (
        lambda _, agent: agent.add_to_principal_policy(
            _statement("secretsmanager:GetSecretValue", conditions={"StringEquals": {"aws:ResourceTag/a": "b"}})
        ),
        "secretsmanager:GetSecretValue",
    ),
    "all but some resources": (
        lambda _, agent: agent.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:GetObject"], not_resources=["arn:aws:s3:::x/*"])
        ),
        "s3:GetObject",
    ),
    "all but some actions": (
        lambda _, agent: agent.add_to_principal_policy(iam.PolicyStatement(not_actions=["iam:*"], resources=["*"])),
        "NotAction",
    ),
    "an action nobody judged": (
        lambda _, agent: agent.add_to_principal_policy(_statement("polly:SynthesizeSpeech")),
        "polly:SynthesizeSpeech",
    ),
    "a principal's tags": (
        lambda _, agent: agent.add_to_principal_policy(
            _statement("iam:TagRole", resources=("arn:aws:iam::111122223333:role/x",))
        ),
        "iam:TagRole",
    ),
    "a table by its cache": (
        lambda _, agent: agent.add_to_principal_policy(
            _statement("dax:GetItem", resources=("arn:aws:dax:eu-west-1:111122223333:cache/x",))
        ),
        "dax:GetItem",
    ),
    "reading everything": (
        lambda _, agent: agent.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("ReadOnlyAccess")),
        r"and \d+ more",
    ),
    "a policy nobody can read": (
        lambda stack, agent: agent.add_managed_policy(iam.ManagedPolicy.from_managed_policy_name(stack, "P", "mine")),
        "not known",
    ),
    "an inline policy": (
        lambda stack, agent: agent.attach_inline_policy(
            iam.Policy(stack, "In", statements=[_statement("sts:AssumeRole")])
        ),
        "sts:AssumeRole",
    ),
}


def _agent(backend: ComputeBackend = ComputeBackend.ECS) -> tuple[cdk.Stack, ScopedComputeRole]:
    stack = stacks.stack()
    return stack, ScopedComputeRole(stack, "Agent", backend=backend)


def _granted(made: stacks.Template) -> list[str]:
    """Return the actions of what is on the role in addition to its own policies."""
    found: list[str] = []
    for properties in stacks.resources(made, "AWS::IAM::Policy").values():
        if "AgentRole" in str(properties["Roles"]):
            for statement in properties["PolicyDocument"]["Statement"]:
                found += stacks.deployed(statement)["Action"]
    return found


@pytest.mark.parametrize("flags", stacks.FLAG_SETS)
@pytest.mark.parametrize("what", LANDS)
def test_a_grant_of_named_resources_lands(what: str, flags: str) -> None:
    """The template carries it."""
    grant, action = LANDS[what]
    stack = stacks.stack(flags)
    grant(stack, ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS))
    assert any(name.startswith(action) for name in _granted(stacks.template(stack)))


@pytest.mark.parametrize("what", REFUSED)
def test_any_other_grant_is_an_error_that_names_its_actions(what: str) -> None:
    """The call fails, says which actions, and which role takes the grant if agent code is to have it."""
    grant, action = REFUSED[what]
    with pytest.raises((ValueError, RuntimeError), match=rf"(?s){action}.*agent\.policy_role"):
        grant(*_agent())


@pytest.mark.parametrize("what", [name for name in REFUSED if REFUSED[name][1] not in ("not known", r"and \d+ more")])
def test_the_inner_role_takes_every_grant(what: str) -> None:
    """Who decides on a grant makes it to `policy_role`."""
    stack, agent = _agent()
    REFUSED[what][0](stack, agent.policy_role)  # type: ignore[arg-type]
    assert str(stacks.template(stack)).count("AgentRole") > 1


@pytest.mark.parametrize("flag", [{}, {"@aws-cdk/aws-lambda:createNewPoliciesWithAddToRolePolicy": True}])
def test_a_function_s_grants_land_or_are_errors(flag: dict[str, Any]) -> None:
    """What is added through a function, its event source and its options counts as a grant to its role."""
    stack = cdk.Stack(stacks.new_app(**flag), "Small")
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.LAMBDA)
    function = _function(stack, agent, tracing=lambda_.Tracing.ACTIVE, dead_letter_queue_enabled=True)
    function.add_event_source(sources.SqsEventSource(sqs.Queue(stack, "Queue")))
    secret = secretsmanager.Secret(stack, "Secret")
    function.add_to_role_policy(_statement("secretsmanager:GetSecretValue", resources=(secret.secret_arn,)))
    with pytest.raises(RuntimeError, match=r"(?s)lambda:InvokeFunction.*agent\.policy_role"):
        function.add_to_role_policy(_statement("lambda:InvokeFunction"))
    expected = {"sqs:ReceiveMessage", "sqs:SendMessage", "xray:PutTraceSegments", "secretsmanager:GetSecretValue"}
    stack = cdk.Stack(stacks.new_app(**flag), "Small")
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.LAMBDA)
    function = _function(stack, agent, tracing=lambda_.Tracing.ACTIVE, dead_letter_queue_enabled=True)
    function.add_event_source(sources.SqsEventSource(sqs.Queue(stack, "Queue")))
    secret = secretsmanager.Secret(stack, "Secret")
    function.add_to_role_policy(_statement("secretsmanager:GetSecretValue", resources=(secret.secret_arn,)))
    assert expected <= set(_granted(stacks.template(stack)))


@pytest.mark.parametrize("ecs_exec", [True, False])
def test_ecs_exec_is_an_argument_of_the_role(ecs_exec: bool) -> None:
    """A service that opens it finds it in the baseline, or is told; a shell in a task is no small thing."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS, ecs_exec=ecs_exec)
    channels = [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]
    task = ecs.FargateTaskDefinition(stack, "Task", task_role=agent)
    if ecs_exec:
        task.add_to_task_role_policy(_statement(*channels))
        assert _granted(stacks.template(stack)) == []
    else:
        with pytest.raises(RuntimeError, match="ssmmessages:CreateControlChannel"):
            task.add_to_task_role_policy(_statement(*channels))


def test_a_policy_that_grows_after_it_was_attached_is_looked_at_at_synth() -> None:
    """The last word is the finished policy's."""
    stack, agent = _agent()
    policy = iam.Policy(stack, "In", statements=[_statement("sqs:SendMessage", resources=("arn:aws:sqs:::q",))])
    agent.attach_inline_policy(policy)
    iam.Policy(stack, "Own", roles=[agent], statements=[_statement("kms:Sign")])
    policy.add_statements(_statement("iam:PassRole"))
    with pytest.raises(RuntimeError, match=r"(?s)Small/Agent.*iam:PassRole.*kms:Sign"):
        stacks.template(stack)


def test_a_statement_that_grows_after_it_was_granted_is_looked_at_at_synth() -> None:
    """What was looked at when it was granted is not what is deployed."""
    stack, agent = _agent()
    statement = _statement("sqs:SendMessage", resources=("arn:aws:sqs:eu-west-1:111122223333:q",))
    agent.add_to_principal_policy(statement)
    statement.add_actions("iam:PassRole")
    with pytest.raises(RuntimeError, match=r"(?s)Small/Agent.*iam:PassRole"):
        stacks.template(stack)


# --- policies that name the role ------------------------------------------------------------------------------------

PASSES = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}]}
SENDS = _statement("sqs:SendMessage", resources=("arn:aws:sqs:eu-west-1:111122223333:q",))


def _inline(scope: cdk.Stack, *roles: str, document: Any = PASSES) -> None:
    iam.CfnPolicy(scope, "Names", policy_name="inline", policy_document=document, roles=list(roles))


def _elsewhere(stack: cdk.Stack) -> cdk.Stack:
    return cdk.Stack(cast(cdk.App, stack.node.root), "Elsewhere")


def _resource(agent: ScopedComputeRole) -> iam.CfnRole:
    return cast(iam.CfnRole, agent.policy_role.node.default_child)


def _by_hand(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _inline(stack, cdk.Fn.ref(stack.get_logical_id(_resource(agent))))


def _on_the_resource(document: Any) -> Grant:
    def attach(_: cdk.Stack, agent: ScopedComputeRole) -> None:
        _resource(agent).policies = [iam.CfnRole.PolicyProperty(policy_name="inline", policy_document=document)]

    return attach


def _arns(*arns: str) -> Grant:
    def attach(_: cdk.Stack, agent: ScopedComputeRole) -> None:
        _resource(agent).managed_policy_arns = list(arns)

    return attach


def _imported_by(scope: cdk.Stack, role: iam.IRole) -> None:
    assert role.add_to_principal_policy(_statement("iam:PassRole")).statement_added, scope


NAMES_THE_ROLE: dict[str, Grant] = {
    "a managed policy": lambda stack, agent: iam.ManagedPolicy(
        stack, "Names", roles=[agent], statements=[_statement("iam:PassRole")]
    ),
    "a managed policy, later": lambda stack, agent: iam.ManagedPolicy(
        stack, "Names", statements=[_statement("iam:PassRole")]
    ).attach_to_role(agent),
    "a managed policy of another stack": lambda stack, agent: iam.ManagedPolicy(
        _elsewhere(stack), "Names", roles=[agent], statements=[_statement("iam:PassRole")]
    ),
    "an inline policy of another stack": lambda stack, agent: iam.Policy(
        _elsewhere(stack), "Names", roles=[agent], statements=[_statement("iam:PassRole")]
    ),
    "an L1 policy": lambda stack, agent: _inline(stack, agent.role_name),
    "an L1 policy beside another role": lambda stack, agent: _inline(
        stack, stacks.role(stack).role_name, agent.role_name
    ),
    "an L1 policy of another stack": lambda stack, agent: _inline(_elsewhere(stack), agent.role_name),
    "an L1 managed policy": lambda stack, agent: iam.CfnManagedPolicy(
        stack, "Names", policy_document=PASSES, roles=[agent.role_name]
    ),
    "an L1 role policy": lambda stack, agent: iam.CfnRolePolicy(
        stack, "Names", policy_name="inline", policy_document=PASSES, role_name=agent.role_name
    ),
    "the physical name": lambda stack, _: _inline(stack, "acme-agent"),
    "the physical name in another stack": lambda stack, _: _inline(_elsewhere(stack), "acme-agent"),
    "an import by the physical name": lambda stack, _: _imported_by(
        stack, iam.Role.from_role_name(stack, "Import", "acme-agent")
    ),
    "a reference by hand": _by_hand,
    "an import by name": lambda stack, agent: _imported_by(
        stack, iam.Role.from_role_name(stack, "Import", agent.role_name)
    ),
    "an import by ARN": lambda stack, agent: _imported_by(
        stack, iam.Role.from_role_arn(stack, "Import", agent.role_arn)
    ),
    "an import by ARN in another stack": lambda stack, agent: _imported_by(
        stack, iam.Role.from_role_arn(_elsewhere(stack), "Import", agent.role_arn)
    ),
    "an inline policy of the resource": _on_the_resource(PASSES),
    "an inline policy that cannot be read": _on_the_resource({"Fn::If": ["Condition", PASSES, PASSES]}),
    "a statement that cannot be read": _on_the_resource({"Statement": [{"Fn::If": ["Condition", {}, {}]}]}),
    "an action that cannot be read": lambda stack, agent: _inline(
        stack,
        agent.role_name,
        document={"Statement": {"Effect": "Allow", "Action": {"Ref": "Action"}, "Resource": "*"}},
    ),
    "AWS's policy on the resource": _arns("arn:aws:iam::aws:policy/AdministratorAccess"),
    "an account's policy on the resource": _arns("arn:aws:iam::111122223333:policy/mine"),
}


@pytest.mark.parametrize("what", NAMES_THE_ROLE)
def test_a_policy_that_names_the_role_is_looked_at_as_a_grant_is(what: str) -> None:
    """It asks nobody when it is made; the synth names the policy and its actions."""
    stack = stacks.stack()
    name = "acme-agent" if "physical" in what else None
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS, role_name=name)
    NAMES_THE_ROLE[what](stack, agent)
    with pytest.raises(
        RuntimeError, match=r"(?s)`Small/Agent` is granted more than .*? by `\S+`: got .*agent\.policy_role"
    ):
        stacks.template(stack)


def _twin_s(stack: cdk.Stack, _: ScopedComputeRole) -> None:
    """Name a role whose logical id in its own stack is the same as the agent's."""
    other = _elsewhere(stack)
    twin = ScopedComputeRole(other, "Agent", backend=ComputeBackend.ECS)
    iam.ManagedPolicy(other, "Names", roles=[twin.policy_role], statements=[_statement("iam:PassRole")])
    arn = iam.Role(other, "Plain", assumed_by=iam.AccountRootPrincipal()).role_arn
    _imported_by(other, iam.Role.from_role_arn(other, "Import", arn))


NAMES_ANOTHER: dict[str, Grant] = {
    "the role for policies": lambda stack, agent: iam.ManagedPolicy(
        stack, "Names", roles=[agent.policy_role], statements=[_statement("iam:PassRole")]
    ),
    "the role for policies, from another stack": lambda stack, agent: iam.Policy(
        _elsewhere(stack), "Names", roles=[agent.policy_role], statements=[_statement("iam:PassRole")]
    ),
    "the role for policies, in an L1": lambda stack, agent: _inline(
        stack, agent.policy_role.role_name, _resource(agent).ref
    ),
    "a name that begins alike": lambda stack, _: _inline(stack, "acme-agent-2"),
    "another stack's role of the same id": _twin_s,
    "named resources": lambda stack, agent: iam.ManagedPolicy(stack, "Names", roles=[agent], statements=[SENDS]),
    "named resources, in an L1": lambda stack, agent: _inline(
        stack, agent.role_name, document=iam.PolicyDocument(statements=[SENDS])
    ),
    "a Deny": lambda stack, agent: _inline(
        stack,
        agent.role_name,
        document={"Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": {"Fn::Sub": "*"}}},
    ),
}


@pytest.mark.parametrize("what", NAMES_ANOTHER)
def test_a_policy_that_names_another_role_or_little_is_no_error(what: str) -> None:
    """A near miss of the check."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS, role_name="acme-agent")
    NAMES_ANOTHER[what](stack, agent)
    assert "Names" in str(stacks.synth(cast(cdk.App, stack.node.root)))


def test_a_second_synth_looks_at_what_has_come_since() -> None:
    """The tree is read once for all stacks of one synth, not for ever."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Small")
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    app.synth()
    _inline(stack, agent.role_name)
    with pytest.raises(RuntimeError, match="iam:PassRole"):
        app.synth(force=True)


# --- tenant data --------------------------------------------------------------------------------------------------


def _table(stack: cdk.Stack) -> dynamodb.Table:
    return stacks.table(stack, table_name="acme-tasks", stream=dynamodb.StreamViewType.NEW_IMAGE)


def _imported(stack: cdk.Stack, id: str) -> dynamodb.ITable:
    return dynamodb.Table.from_table_name(stack, id, "acme-tasks")


def _objects(stack: cdk.Stack, id: str) -> s3.IBucket:
    return s3.Bucket.from_bucket_name(stack, id, "acme-objects")


def _session(stack: cdk.Stack, agent: ScopedComputeRole, **data: Any) -> SessionRole:
    return stacks.session_role(stack, minting=Minting.by_compute_roles(agent), **data)


def _bucket(stack: cdk.Stack, **options: Any) -> tuple[s3.Bucket, list[TenantObjects]]:
    bucket = stacks.bucket(stack, **options)
    return bucket, [TenantObjects.artifacts(bucket)]


def _of_table(grant: Callable[[Any, ScopedComputeRole], Any]) -> Callable[[cdk.Stack, ScopedComputeRole], Any]:
    def reach(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
        table = _table(stack)
        _session(stack, agent, tables=[TenantTable(table)])
        grant(table, agent)

    return reach


def _of_bucket(grant: Callable[[Any, ScopedComputeRole], Any], **options: Any) -> Grant:
    def reach(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
        bucket, objects = _bucket(stack, **options)
        grant(bucket, agent)
        _session(stack, agent, objects=objects)

    return reach


def _imported_twice(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _session(stack, agent, tables=[TenantTable(_imported(stack, "One"))])
    _imported(stack, "Two").grant_read_data(agent)


def _made_and_imported(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _session(stack, agent, tables=[TenantTable(_table(stack))])
    _imported(stack, "Two").grant_read_data(agent)


def _imported_and_made(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _session(stack, agent, tables=[TenantTable(_imported(stack, "One"))])
    _table(stack).grant_read_data(agent)


def _in_three_stacks(stack: cdk.Stack, _: ScopedComputeRole) -> None:
    app = cast(cdk.App, stack.node.root)
    data, compute = cdk.Stack(app, "Data"), cdk.Stack(app, "Compute")
    agent = ScopedComputeRole(compute, "Agent", backend=ComputeBackend.ECS)
    table = stacks.table(data)
    table.grant_read_data(agent)
    _session(stack, agent, tables=[TenantTable(table)])


def _another_role_s(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = _table(stack)
    stacks.session_role(stack, tables=[TenantTable(table)])
    table.grant_read_data(agent)


def _by_pattern(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _session(stack, agent, tables=[], objects=[TenantObjects.artifacts(_objects(stack, "One"))])
    agent.add_to_principal_policy(_statement("s3:GetObject", resources=("arn:aws:s3:::acme-*/*",)))


def _by_a_table_policy(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = stacks.table(stack, "More")
    session = _session(stack, agent)
    TenantTablePolicy(stack, "Policy", tables=[TenantTable(table)]).attach_to(session)
    table.grant_read_data(agent)


def _in_a_policy(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = _table(stack)
    _session(stack, agent, tables=[TenantTable(table)])
    body = _statement("dynamodb:GetItem", resources=(table.table_arn,))
    agent.add_managed_policy(iam.ManagedPolicy(stack, "Managed", statements=[body]))


def _by_a_late_statement(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = _table(stack)
    _session(stack, agent, tables=[TenantTable(table)])
    statement = _statement("sqs:SendMessage", resources=("arn:aws:sqs:eu-west-1:111122223333:q",))
    agent.add_to_principal_policy(statement)
    statement.add_actions("dynamodb:GetItem")
    statement.add_resources(table.table_arn)


def _joined(*parts: Callable[[Any], str]) -> Callable[[Any, ScopedComputeRole], Any]:
    def grant(bucket: Any, agent: ScopedComputeRole) -> None:
        arn = cdk.Fn.join("", [part(bucket) for part in parts])
        agent.add_to_principal_policy(_statement("s3:GetObject", resources=(arn,)))

    return grant


def _a_tenant_s_secret(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    _session(stack, agent, secrets=[TenantSecrets(["agents/{user_id}/"])])
    secretsmanager.Secret.from_secret_name_v2(stack, "Secret", "agents/u1/key").grant_read(agent)


def _by_an_l1(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = _table(stack)
    _session(stack, agent, tables=[TenantTable(table)])
    reads = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": {"Fn::GetAtt": [_id_of(table), "Arn"]}}
    _inline(stack, agent.role_name, document={"Statement": reads})


def _id_of(table: dynamodb.Table) -> str:
    return table.stack.get_logical_id(cast(cdk.CfnElement, table.node.default_child))


def _by_name(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    table = _table(stack)
    _session(stack, agent, tables=[TenantTable(table)])
    body = _statement("dynamodb:GetItem", resources=(table.table_arn,))
    iam.ManagedPolicy(stack, "Managed", statements=[body], roles=[agent])


TENANT: dict[str, Grant] = {
    "an L1 policy that names the role": _by_an_l1,
    "a managed policy that names the role": _by_name,
    "a statement that grew": _by_a_late_statement,
    "objects, by a joined ARN": _of_bucket(_joined(lambda bucket: bucket.bucket_arn, lambda _: "/*")),
    "objects, by a joined name": _of_bucket(
        _joined(lambda _: "arn:aws:s3:::", lambda bucket: bucket.bucket_name, lambda _: "/*")
    ),
    "objects, by a name that was given": _of_bucket(
        _joined(lambda bucket: f"arn:{bucket.stack.partition}:s3:::", lambda _: "acme-given/*"),
        bucket_name="acme-given",
    ),
    "a secret by its name": _a_tenant_s_secret,
    "a table": _of_table(lambda table, agent: table.grant_read_data(agent)),
    "a table's stream": _of_table(lambda table, agent: table.grant_stream_read(agent)),
    "objects": _of_bucket(lambda bucket, agent: bucket.grant_read(agent)),
    "the key of objects": _of_bucket(
        lambda bucket, agent: bucket.encryption_key.grant_decrypt(agent), encryption=s3.BucketEncryption.KMS
    ),
    "one table under two imports": _imported_twice,
    "a table made here and imported": _made_and_imported,
    "a table imported and made here": _imported_and_made,
    "a table of another stack": _in_three_stacks,
    "another session role's table": _another_role_s,
    "a pattern that meets a bucket": _by_pattern,
    "a table of a TenantTablePolicy": _by_a_table_policy,
    "a managed policy": _in_a_policy,
}


@pytest.mark.parametrize("what", TENANT)
def test_a_grant_of_tenant_data_is_an_error(what: str) -> None:
    """Whichever comes first, the grant or the session role: the synth names the actions and both roles."""
    stack, agent = _agent()
    TENANT[what](stack, agent)
    with pytest.raises(RuntimeError, match=r"(?s)is granted tenant data of `Small/Session`.*agent\.policy_role"):
        stacks.template(stack)


def _neighbours(stack: cdk.Stack, agent: ScopedComputeRole) -> None:
    """Grant what lies next to tenant data: names that begin alike, other stacks' resources of the same path."""
    table, (_, objects) = _table(stack), _bucket(stack)
    _session(stack, agent, tables=[TenantTable(table)], objects=objects)
    dynamodb.Table.from_table_name(stack, "Alike", "acme-tasks-2").grant_read_data(agent)
    s3.Bucket.from_bucket_name(stack, "Config", "acme-config").grant_read(agent)
    agent.add_to_principal_policy(_statement("s3:GetObject", resources=("arn:aws:s3:::acme-config-*/*",)))
    there = dynamodb.Table.from_table_arn(
        stack, "There", "arn:aws:dynamodb:eu-west-1:444455556666:table/acme-tasks-of-others"
    )
    there.grant_read_data(agent)
    joined = cdk.Fn.join("", ["arn:", stack.partition, ":s3:::acme-config/*"])
    agent.add_to_principal_policy(_statement("s3:GetObject", resources=(joined,)))
    other = cdk.Fn.join("", [stacks.bucket(stack, "Shared").bucket_arn, "/*"])
    agent.add_to_principal_policy(_statement("s3:GetObject", resources=(other,)))


def test_data_next_to_tenant_data_is_granted() -> None:
    """A near miss of the check: none of these is the tenants'."""
    stack, agent = _agent()
    _neighbours(stack, agent)
    assert set(_granted(stacks.template(stack))) >= {"dynamodb:Query", "s3:GetObject"}


def test_equal_paths_in_two_stacks_are_two_tables() -> None:
    """The table `Tasks` of the agents' own stack is not the `Tasks` of the data stack."""
    app = stacks.new_app()
    data, compute = cdk.Stack(app, "Data"), cdk.Stack(app, "Compute")
    agent = ScopedComputeRole(compute, "Agent", backend=ComputeBackend.ECS)
    stacks.table(compute).grant_read_data(agent)
    _session(data, agent, tables=[TenantTable(stacks.table(data))])
    assert "dynamodb:Query" in _granted(stacks.synth(app)["Compute"])


# --- session roles are no compute roles -----------------------------------------------------------------------------


def _task(stack: cdk.Stack, **roles: Any) -> None:
    ecs.FargateTaskDefinition(stack, "Task", **roles)


def _agent_runtime(stack: cdk.Stack, role: Any) -> None:
    agentcore.CfnRuntime(
        stack,
        "L1",
        agent_runtime_name="agent",
        role_arn=role.role_arn,
        agent_runtime_artifact={"containerConfiguration": {"containerUri": "x"}},
        network_configuration={"networkMode": "PUBLIC"},
    )


RUNS_AS: dict[str, Callable[[cdk.Stack, Any], object]] = {
    "task role": lambda stack, role: _task(stack, task_role=role),
    "execution role": lambda stack, role: _task(stack, execution_role=role),
    "function role": _function,
    "runtime role": _agent_runtime,
}


@pytest.mark.parametrize("inner", [True, False], ids=["its .role", "itself"])
@pytest.mark.parametrize("kind", ["session", "tenant"])
@pytest.mark.parametrize("use", RUNS_AS)
def test_a_session_role_runs_nothing(use: str, kind: str, inner: bool) -> None:
    """No service can assume it, so the task would not start: the synth says which resource has it."""
    stack = stacks.stack()
    role: Any = (
        stacks.session_role(stack)
        if kind == "session"
        else SessionBrokerRole(stack, "Session", tenant="acme", callers=[stacks.role(stack)])
    )
    RUNS_AS[use](stack, role.role if inner else role)
    with pytest.raises(RuntimeError, match=r"(?s)role `Small/Session` is the role of `Small/(Task|Function|L1)"):
        stacks.template(stack)


def test_a_grant_to_a_session_role_is_answered_in_one_sentence() -> None:
    """It says what to do, and not which of the CDK's properties is undefined."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    with pytest.raises(RuntimeError, match=r"`Small/Session` is no grantee: .* fix: name the data") as caught:
        stacks.table(stack, "Other").grant_read_data(session)
    assert "\n" not in str(caught.value)


def test_a_runtime_says_at_once_that_a_session_role_is_none_of_its_kind() -> None:
    """AgentCore's construct grants to the role it is given."""
    stack = stacks.stack()
    image = agentcore.AgentRuntimeArtifact.from_ecr_repository(ecr.Repository(stack, "Images"), "v1")
    session: Any = stacks.session_role(stack)
    with pytest.raises(RuntimeError, match="`Small/Session` is no grantee"):
        agentcore.Runtime(stack, "Runtime", agent_runtime_artifact=image, execution_role=session)


# --- what the Lambda baseline opens ---------------------------------------------------------------------------------


def test_the_lambda_baseline_opens_its_logs_and_lambda_s_own_interfaces() -> None:
    """Not another log group, and no network interface for the function's own code."""
    stack = stacks.stack()
    ScopedComputeRole(stack, "Agent", backend=ComputeBackend.LAMBDA, in_vpc=True)
    world = World(stacks.template(stack))
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
    code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:agent"}
    interface = f"arn:aws:ec2:us-east-1:{ACCOUNT}:network-interface/*"
    cases = [
        Case("own logs", "AgentRole", "logs:PutLogEvents", f"{group}/aws/lambda/f:log-stream:s", True, {}, {}),
        Case("other logs", "AgentRole", "logs:PutLogEvents", f"{group}/aws/ecs/f:log-stream:s", False, {}, {}),
        Case("deleting logs", "AgentRole", "logs:DeleteLogStream", f"{group}/aws/lambda/f:log-stream:s", False, {}, {}),
        Case("Lambda itself", "AgentRole", "ec2:DeleteNetworkInterface", interface, True, {}, {}),
        Case("its code", "AgentRole", "ec2:DeleteNetworkInterface", interface, False, code, {}),
    ]
    assert failures(world, cases, ["deployed"]) == []
