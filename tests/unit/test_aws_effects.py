"""What actions may do: the judgements, asked as an attacker would."""

import pytest

from session_scoping.aws.actions import Level, action, covers_unlisted, matching, resource_types
from session_scoping.aws.effects import EVERY_EFFECT, Effect, judgement
from session_scoping.aws.table import service

TABLE, STREAM, OBJECT, BUCKET, KEY, SECRET = (
    "dynamodb:table", "dynamodb:stream", "s3:object", "s3:bucket", "kms:key", "secretsmanager:Secret",
)  # fmt: skip
PARAMETER, MEMORY, ROLE, USER, POLICY = (
    "ssm:parameter", "bedrock-agentcore:memory", "iam:role", "iam:user", "iam:policy",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "effect"),
    [
        # What an external principal gets by a bucket's or table's policy.
        ("s3:UpdateObjectEncryption", OBJECT, Effect.WRITE),
        ("s3:GetObjectVersionForReplication", OBJECT, Effect.READ),
        ("s3:GetObjectTorrent", OBJECT, Effect.READ),
        ("s3:GetObjectVersionTorrent", OBJECT, Effect.READ),
        ("s3:ReplicateObject", OBJECT, Effect.WRITE),
        ("s3:ReplicateTags", OBJECT, Effect.TAG),
        ("s3:InitiateReplication", OBJECT, Effect.COPY),
        ("s3:ObjectOwnerOverrideToBucketOwner", OBJECT, Effect.GRANT),
        ("s3:ListBucketVersions", BUCKET, Effect.NAMES),
        ("dynamodb:ReadDataForReplication", TABLE, Effect.READ),
        ("dynamodb:WriteDataForReplication", TABLE, Effect.WRITE),
        ("dynamodb:AssociateTableReplica", TABLE, Effect.COPY),
        ("dynamodb:StartBulkPutItems", TABLE, Effect.WRITE),
        # What a session's or a compute role's grant reaches beyond the items it names.
        ("dynamodb:ExportTableToPointInTime", TABLE, Effect.COPY),
        ("dynamodb:UpdateTimeToLive", TABLE, Effect.WRITE),
        ("dynamodb:PartiQLSelect", TABLE, Effect.READ),
        ("dynamodb:PartiQLDelete", TABLE, Effect.WRITE),
        ("dynamodb:PutItem", TABLE, Effect.READ),
        ("dynamodb:GetRecords", STREAM, Effect.READ),
        ("dynamodb:UpdateContributorInsights", TABLE, Effect.COPY),
        ("dynamodb:PutResourcePolicy", TABLE, Effect.GRANT),
        ("dynamodb:PutResourcePolicy", STREAM, Effect.GRANT),
        ("dynamodb:TagResource", TABLE, Effect.TAG),
        ("dax:GetItem", TABLE, Effect.READ),
        ("s3:PutBucketPolicy", BUCKET, Effect.GRANT),
        ("s3:PutReplicationConfiguration", BUCKET, Effect.COPY),
        ("s3:PutLifecycleConfiguration", BUCKET, Effect.WRITE),
        ("s3:CreateAccessPoint", BUCKET, Effect.GRANT),
        ("s3:GetDataAccess", OBJECT, Effect.READ),
        ("s3:CreateJob", OBJECT, Effect.COPY),
        ("s3-object-lambda:GetObject", OBJECT, Effect.READ),
        ("s3files:ClientMount", OBJECT, Effect.READ),
        ("kms:CreateGrant", KEY, Effect.GRANT),
        ("kms:Decapsulate", KEY, Effect.READ),
        ("kms:Sign", KEY, Effect.BECOME),
        ("kms:ReplicateKey", KEY, Effect.GRANT),
        ("secretsmanager:AssociateCrossAccountReplica", SECRET, Effect.COPY),
        ("secretsmanager:RotateSecret", SECRET, Effect.COPY),
        ("ssm:GetParametersByPath", PARAMETER, Effect.READ),
        ("bedrock-agentcore:RetrieveMemoryRecords", MEMORY, Effect.READ),
        ("bedrock-agentcore:IngestData", MEMORY, Effect.WRITE),
        # Copies, and doors that show what a bucket or table holds.
        ("backup:StartCopyJob", TABLE, Effect.COPY),
        ("backup:PutBackupVaultAccessPolicy", BUCKET, Effect.GRANT),
        ("datasync:CreateLocationS3", OBJECT, Effect.COPY),
        ("glue:CreateIntegration", TABLE, Effect.COPY),
        ("redshift:CreateIntegration", TABLE, Effect.COPY),
        ("lakeformation:GetTemporaryGlueTableCredentials", OBJECT, Effect.READ),
        ("cloudfront:UpdateDistributionWithStagingConfig", OBJECT, Effect.GRANT),
        ("cloudfront:CreateOriginAccessControl", BUCKET, Effect.GRANT),
        # Changing who may, and becoming somebody.
        ("iam:PassRole", ROLE, Effect.BECOME),
        ("iam:CreateRole", ROLE, Effect.BECOME),
        ("iam:AcquireRole", ROLE, Effect.BECOME),
        ("iam:TagRole", ROLE, Effect.TAG),
        ("iam:UpdateAssumeRolePolicy", ROLE, Effect.GRANT),
        ("iam:CreatePolicyVersion", ROLE, Effect.GRANT),
        ("iam:SetDefaultPolicyVersion", ROLE, Effect.GRANT),
        ("iam:CreateServiceSpecificCredential", USER, Effect.BECOME),
        ("iam:CreateOpenIDConnectProvider", ROLE, Effect.BECOME),
        ("sts:AssumeRole", ROLE, Effect.BECOME),
        ("sts:AssumeRoot", ROLE, Effect.BECOME),
        ("sts:GetFederationToken", USER, Effect.BECOME),
        ("sts:TagSession", ROLE, Effect.TAG),
        ("sso:PutInlinePolicyToPermissionSet", ROLE, Effect.GRANT),
        ("cloudformation:UpdateStack", ROLE, Effect.BECOME),
        ("organizations:AttachPolicy", ROLE, Effect.GRANT),
        ("lambda:UpdateFunctionCode", "lambda:function", Effect.BECOME),
        ("lambda:InvokeFunction", "lambda:function", Effect.ASK),
        ("ecs:RunTask", "ecs:task-definition", Effect.BECOME),
        ("ecs:ExecuteCommand", "ecs:task", Effect.BECOME),
        ("states:UpdateStateMachine", "states:statemachine", Effect.BECOME),
        ("scheduler:CreateSchedule", "scheduler:schedule", Effect.BECOME),
        ("ssm:SendCommand", "ec2:instance", Effect.BECOME),
        ("ssm:StartSession", "ecs:task", Effect.BECOME),
        ("ssm:GetAccessToken", "ssm:opsitem", Effect.BECOME),
        ("bedrock-agentcore:InvokeAgentRuntimeCommandShell", "bedrock-agentcore:runtime", Effect.BECOME),
        ("bedrock-agentcore:InvokeAgentRuntimeCommand", "bedrock-agentcore:runtime", Effect.BECOME),
        ("bedrock-agentcore:InvokeHarness", "bedrock-agentcore:harness", Effect.ASK),
        ("bedrock-agentcore:CreatePaymentCredentialProvider", "bedrock-agentcore:token-vault", Effect.GRANT),
    ],
)
def test_an_attacker_gains(name: str, kind: str, effect: Effect) -> None:
    """Each of these reaches that kind of resource or principal in that way."""
    assert action(name) is not None
    found = judgement(name)
    assert found.judged or name.startswith(("organizations:", "states:", "scheduler:"))
    assert effect in found.on(kind)


@pytest.mark.parametrize(
    "name",
    [
        "dynamodb:DescribeTable", "dynamodb:ListTables", "s3:GetBucketLocation", "s3:GetBucketPolicy",
        "kms:DescribeKey",
        "sts:GetCallerIdentity", "sts:GetScopedCredentials", "iam:GetRole", "iam:SimulatePrincipalPolicy",
        "bedrock:InvokeModel", "bedrock-agentcore:GetMemory", "secretsmanager:GetRandomPassword",
        "secretsmanager:ValidateResourcePolicy", "cloudformation:CreateResource",
    ],
)  # fmt: skip
def test_an_attacker_gains_nothing(name: str) -> None:
    """What returns settings, or does what the caller may do anyway, has no effect, and a rule says why."""
    found = judgement(name)
    assert found.judged
    assert found.effects == found.beyond_effects == frozenset()
    assert found.why


@pytest.mark.parametrize("name", ["polly:SynthesizeSpeech", "translate:TranslateText", "ecr:NewThing"])
def test_an_unjudged_action_stays_in_its_own_service(name: str) -> None:
    """Every effect on its own service's resources, and none on tables, buckets or principals."""
    found = judgement(name)
    assert not found.judged
    assert found.on(f"{name.split(':')[0]}:anything") == EVERY_EFFECT
    assert all(not found.on(kind) for kind in (TABLE, OBJECT, KEY, SECRET, ROLE))


@pytest.mark.parametrize("name", ["iam:NewThing", "sts:NewThing", "sso:NewThing", "zz:NewThing", "IAM:newthing"])
def test_an_unjudged_action_on_principals_reaches_anyone(name: str) -> None:
    """In a service that says who somebody is, and in one not known at all, it may become and change any principal."""
    found = judgement(name)
    assert not found.judged
    assert {Effect.BECOME, Effect.GRANT} <= found.on(ROLE)
    assert {Effect.BECOME, Effect.GRANT} <= found.anywhere("lambda:function")


@pytest.mark.parametrize(("name", "kind"), [("dynamodb:NewThing", TABLE), ("s3:NewThing", OBJECT), ("kms:New", KEY)])
def test_an_action_newer_than_the_table_reaches_data(name: str, kind: str) -> None:
    """An action that the table lacks has every effect on the data of its service, where `Resource` names it."""
    assert judgement(name).where_named(kind) == EVERY_EFFECT
    assert judgement(name).anywhere(kind) == frozenset()


def test_an_effect_limited_to_some_types_leaves_the_others() -> None:
    """What reports about nodes reads no parameter, though AWS lists no resource type for it."""
    found = judgement("ssm:GetCommandInvocation")
    assert action("ssm:GetCommandInvocation").resources == ()  # type: ignore[union-attr]
    assert found.on("ssm:document") == {Effect.READ}
    assert found.on(PARAMETER) == frozenset()


def test_names_ignore_case() -> None:
    """IAM ignores the case of actions, and so do the look-ups."""
    assert action("DYNAMODB:getitem") == action("dynamodb:GetItem")
    assert judgement("DynamoDB:GETITEM") == judgement("dynamodb:GetItem")
    assert [item.name for item in matching("DynamoDB:getitem")] == ["dynamodb:GetItem"]


def test_an_action_has_its_level_and_resource_types() -> None:
    """A query reads a table and may name an index."""
    query = action("dynamodb:Query")
    assert query is not None
    assert (query.level, query.service) == (Level.READ, "dynamodb")
    assert [(item.kind, item.required) for item in query.resources] == [(TABLE, True), ("dynamodb:index", False)]
    assert query.resources[0].arn == "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}"
    assert action("dynamodb:TransactGetItems") is None


def test_a_resource_type_is_of_the_service_in_its_arn() -> None:
    """STS names IAM's roles, and Systems Manager EC2's instances: one resource has one kind for each service."""
    assert "iam:role" in {item.kind for item in resource_types("sts")} & {item.kind for item in resource_types("iam")}
    arns = {item.kind: item.arn for item in resource_types("ssm")}
    assert arns["ec2:instance"] == "arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}"
    assert "ssm:instance" not in arns


@pytest.mark.parametrize(
    ("pattern", "services", "names"),
    [
        ("dynamodb:Batch*Item", None, ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]),
        ("*:ReEncrypt????", None, ["kms:ReEncryptFrom"]),
        ("s3*:CreateSession", None, ["s3express:CreateSession"]),
        ("*:PutItem", ("dynamodb",), ["dynamodb:PutItem"]),
        ("dynamodb:Nothing*", None, []),
        ("dynamodb.PutItem", None, []),
        ("dynamodb:PutItem", ("s3",), []),
    ],
)
def test_a_pattern_covers(pattern: str, services: tuple[str, ...] | None, names: list[str]) -> None:
    """`*` matches any text and `?` one character, in the service's part too."""
    assert [item.name for item in matching(pattern, services)] == names


def test_a_star_covers_every_action() -> None:
    """The bare star covers all services' actions, those added by hand included."""
    names = {item.name for item in matching("*")}
    assert {"sts:GetScopedCredentials", "dynamodb:GetItem", "ec2:RunInstances"} <= names
    assert names == {item.name for item in matching("*:*")}


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [("*", True), ("s3:*", True), ("*:*", True), ("s3:**", True), ("s3:Get*", False), ("s3:GetObject", False)],
)
def test_a_pattern_for_a_whole_service_covers_what_comes_later(pattern: str, covers: bool) -> None:
    """Only such a pattern covers actions that AWS adds after the table's date."""
    assert covers_unlisted(pattern) is covers


def test_workloads_run_with_roles_that_trust_these_services() -> None:
    """By a command on an instance one becomes a role that trusts EC2, not one that trusts SSM alone."""
    assert "ec2" in service("ssm").roles
    assert service("ecs").roles[0] == "ecs-tasks"
    assert service("polly").roles == ("polly",)
