"""SessionRole: whole statements, written out by hand from the facts they rest on."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from session_scoping import (
    DEFAULT_TAG_KEYS,
    ComputeBackend,
    InvalidInputError,
    Minting,
    Models,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    TenantTablePolicy,
)
from session_scoping.contract import environment
from session_scoping.verify import Status, verify
from tests.support import stacks

PATHS = ["*/*", "*..*", "."]


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    """A session role with one table, one bucket and one model."""
    stack = stacks.stack()
    bucket = stacks.bucket(stack)
    stacks.session_role(
        stack,
        tables=[TenantTable(stacks.table(stack), access=("get", "put"))],
        objects=[TenantObjects.traces(bucket), TenantObjects.attachments(bucket), TenantObjects.payload(bucket)],
        models=Models.profile("us", ["anthropic.claude-sonnet-4-6"]),
    )
    return stacks.template(stack)


def _own(template: dict[str, Any], path: str) -> dict[str, Any]:
    return {"Fn::Join": ["", [{"Fn::GetAtt": [stacks.ref(template, "Objects"), "Arn"]}, path]]}


def test_trust_is_one_statement_with_every_condition(full: dict[str, Any]) -> None:
    """Both STS actions demand all tags, no other tag, no path and no transitive tag."""
    assert stacks.trust(full, "SessionRole") == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": {"Fn::GetAtt": [stacks.ref(full, "Compute"), "Arn"]}},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringLike": {
                    "aws:RequestTag/user_id": "?*",
                    "aws:RequestTag/repo": "?*",
                    "aws:RequestTag/task_id": "?*",
                },
                "StringNotLike": {"aws:RequestTag/user_id": PATHS, "aws:RequestTag/task_id": PATHS},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["user_id", "repo", "task_id"]},
                "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
            },
        }
    ]


def test_session_lasts_one_hour_because_chaining_is_capped_there(full: dict[str, Any]) -> None:
    """MaxSessionDuration is the 3,600 seconds that role chaining allows."""
    assert full["Resources"][stacks.ref(full, "SessionRole")]["Properties"]["MaxSessionDuration"] == 3600


def test_permissions_are_exactly_the_tables_objects_and_models_named(full: dict[str, Any]) -> None:
    """Every Allow names exact resources and demands the tags its keys use; there is no other Allow."""
    table = {"Fn::GetAtt": [stacks.ref(full, "Tasks"), "Arn"]}
    model = stacks.arn("bedrock", "foundation-model/anthropic.claude-sonnet-4-6", region="*", account="")
    invoke = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    by_task, by_both = _tagged("task_id"), _tagged("user_id", "task_id")
    user, task = "${aws:PrincipalTag/user_id}", "${aws:PrincipalTag/task_id}"
    assert stacks.by_sid(stacks.policy(full, "SessionPermissions")) == {
        "Rows1": {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": table,
            "Condition": {
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [task]},
                "Null": {"dynamodb:LeadingKeys": "false"},
                **by_task,
            },
        },
        "Objects1": {
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"],
            "Resource": [
                _own(full, f"/traces/{user}/{task}.jsonl.gz"),
                _own(full, f"/traces/{user}/{task}/*"),
            ],
            "Condition": by_both,
        },
        "Objects2": {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": _own(full, f"/attachments/{user}/{task}/*"),
            "Condition": by_both,
        },
        "Objects3": {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": _own(full, f"/{task}/payload.json"),
            "Condition": by_task,
        },
        "Profiles": {
            "Effect": "Allow",
            "Action": invoke,
            "Resource": stacks.arn("bedrock", "inference-profile/us.anthropic.claude-sonnet-4-6"),
        },
        "Models": {
            "Effect": "Allow",
            "Action": invoke,
            "Resource": model,
            "Condition": {"ArnLike": {"bedrock:InferenceProfileArn": stacks.arn("bedrock", "inference-profile/us.*")}},
        },
    }


def _tagged(*keys: str) -> dict[str, Any]:
    return {"StringLike": {f"aws:PrincipalTag/{key}": "?*" for key in keys}}


def test_guards_deny_untagged_sessions_foreign_rows_other_objects_and_chaining(full: dict[str, Any]) -> None:
    """The Deny backstop is complete: one statement per tag, per way around the leading key, and for S3 and STS."""
    guards = stacks.by_sid(stacks.policy(full, "SessionGuards"))
    rows = stacks.arn("dynamodb", ["table/", {"Ref": stacks.ref(full, "Tasks")}], region="*")
    assert guards.pop("NoRepo") == _deny("*", "*", {"StringNotLike": {"aws:PrincipalTag/repo": "?*"}})
    for name, key in (("UserId", "user_id"), ("TaskId", "task_id")):
        wrong = {"StringLikeIfExists": {f"aws:PrincipalTag/{key}": ["", *PATHS]}}
        assert guards.pop(f"Bad{name}") == _deny("*", "*", wrong)
    foreign = {"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]}}
    assert guards.pop("ForeignRows") == _deny("dynamodb:*", "*", foreign)
    assert guards.pop("NoRows") == _deny("dynamodb:*", "*", {"Null": {"dynamodb:LeadingKeys": "true"}})
    assert guards.pop("Actions1") == {
        "Effect": "Deny",
        "NotAction": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "Resource": rows,
    }
    assert guards.pop("OtherTables") == {"Effect": "Deny", "Action": "dynamodb:*", "NotResource": rows}
    onward = ["sts:A*", "sts:GetD*", "sts:GetF*", "sts:GetS*", "sts:GetW*", "sts:S*", "sts:T*"]
    assert guards.pop("Chaining") == _deny(onward, "*")
    _check_object_guards(full, guards)
    assert guards == {}


def _check_object_guards(full: dict[str, Any], guards: dict[str, Any]) -> None:
    user, task = "${aws:PrincipalTag/user_id}", "${aws:PrincipalTag/task_id}"
    written = [f"/traces/{user}/{task}.jsonl.gz", f"/traces/{user}/{task}/*"]
    own = [*written, f"/attachments/{user}/{task}/*", f"/{task}/payload.json"]
    outside = guards.pop("OtherObjects")
    every = ["s3-object-lambda:*", "s3:*"]
    assert outside == {"Effect": "Deny", "Action": every, "NotResource": [_own(full, path) for path in own]}
    foreign = {
        "StringNotEquals": {"aws:ResourceAccount": stacks.HERE["AccountId"]},
        "Null": {"aws:ResourceAccount": "false"},
    }
    assert guards.pop("OtherAccounts") == _deny("s3:*", "*", foreign)
    for sid, header in (("ForeignKeys", "aws-kms-key-id"), ("CallerKeys", "customer-algorithm")):
        named = {"Null": {f"s3:x-amz-server-side-encryption-{header}": "false"}}
        assert guards.pop(sid) == _deny("s3:*", "*", named)


def _deny(action: Any, resource: Any, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Deny", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def test_allows_and_denies_are_in_documents_of_their_own(full: dict[str, Any]) -> None:
    """NIST's full-access rule reads a document as text, so a Deny on `*` must not share one with an Allow."""
    for resource in full["Resources"].values():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            effects = {statement["Effect"] for statement in resource["Properties"]["PolicyDocument"]["Statement"]}
            assert len(effects) == 1


def test_permissions_are_deployed_after_the_guards(full: dict[str, Any]) -> None:
    """The role never has its Allows without its Denies, not even for the seconds of a deployment."""
    permissions = full["Resources"][stacks.ref(full, "SessionPermissions")]
    assert permissions["DependsOn"] == [stacks.ref(full, "SessionGuards")]


def test_compute_role_may_mint_and_reaches_no_tenant_data(full: dict[str, Any]) -> None:
    """The minter gets exactly the two STS actions on the role, and Denies on its tables and bucket."""
    role = {"Fn::GetAtt": [stacks.ref(full, "SessionRole"), "Arn"]}
    mint = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": role}
    assert stacks.by_sid(stacks.policy(full, "SessionMint")) == {"MintSessions": mint}
    table = {"Ref": stacks.ref(full, "Tasks")}
    bucket = {"Fn::GetAtt": [stacks.ref(full, "Objects"), "Arn"]}
    kinds = (("s3-object-lambda", "accesspoint"), ("s3", "access-grants"), ("s3", "accesspoint"))
    points = [stacks.arn(service, f"{kind}/*", region="*", account="*") for service, kind in kinds]
    assert stacks.by_sid(stacks.policy(full, "SessionComputeGuards")) == {
        "DenyTenantTables": _deny("dynamodb:*", stacks.arn("dynamodb", ["table/", table], region="*")),
        "DenyTenantTablesBelow": _deny("dynamodb:*", stacks.arn("dynamodb", ["table/", table, "/*"], region="*")),
        "DenyTenantBuckets": _deny(["s3-object-lambda:*", "s3:*"], [bucket, *points, _own(full, "/*")]),
    }
    for name in ("SessionMint", "SessionComputeGuards"):
        attached = full["Resources"][stacks.ref(full, name)]["Properties"]["Roles"]
        assert attached == [{"Ref": stacks.ref(full, "Compute")}]


def test_broker_mode_leaves_compute_roles_without_any_sts_permission() -> None:
    """Where a broker mints, compute roles are denied the session role and hold no Allow on STS."""
    stack = stacks.stack()
    broker = stacks.role(stack, "Broker")
    compute = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    session = stacks.session_role(stack, minting=Minting.by_orchestrator(broker, compute_roles=[compute]))
    made = stacks.template(stack)
    role = {"Fn::GetAtt": [stacks.ref(made, "SessionRole"), "Arn"]}
    assert stacks.trust(made, "SessionRole")[0]["Principal"] == {
        "AWS": {"Fn::GetAtt": [stacks.ref(made, "Broker"), "Arn"]}
    }
    assert made["Resources"][stacks.ref(made, "SessionMint")]["Properties"]["Roles"] == [
        {"Ref": stacks.ref(made, "Broker")}
    ]
    denied = stacks.by_sid(stacks.policy(made, "SessionComputeGuards"))["DenyMinting"]
    assert denied == _deny(["sts:AssumeRole", "sts:TagSession"], role)
    (others,) = stacks.policy(made, "SessionRolesGuard")
    assert (others["Effect"], others["Resource"]) == ("Deny", "*")
    assert environment.SESSION_ROLE_ARN not in session.environment


def test_environment_names_the_role_and_its_tags() -> None:
    """The container learns the role's ARN and the tag keys it demands."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    assert stack.resolve(dict(session.environment)) == {
        "AGENT_SESSION_ROLE_ARN": {"Fn::GetAtt": [stacks.ref(stacks.template(stack), "SessionRole"), "Arn"]},
        "AGENT_SESSION_TAG_KEYS": "user_id,repo,task_id",
    }


def test_environment_spells_a_named_role_without_a_reference() -> None:
    """With a known name the ARN refers to no resource, so that another stack's container makes no cycle."""
    stack = stacks.stack()
    session = stacks.session_role(stack, role_name="agents", path="/platform/")
    resolved = stack.resolve(session.environment["AGENT_SESSION_ROLE_ARN"])
    assert resolved == stacks.arn("iam", "role/platform/agents", region="")


def test_other_tag_sets_and_single_table_keys_work_the_same_way() -> None:
    """A tenant_id alone isolates a single table keyed `TENANT#<id>`."""
    stack = stacks.stack()
    entry = TenantTable(stacks.table(stack, partition_key="pk"), access="read-only", leading_key="TENANT#{tenant_id}")
    stacks.session_role(stack, tag_keys=["tenant_id"], tables=[entry])
    made = stacks.template(stack)
    (allowed,) = stacks.policy(made, "SessionPermissions")
    assert allowed["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["TENANT#${aws:PrincipalTag/tenant_id}"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
        "StringLike": {"aws:PrincipalTag/tenant_id": "?*"},
    }
    assert stacks.trust(made, "SessionRole")[0]["Condition"] == {
        "StringLike": {"aws:RequestTag/tenant_id": "?*"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant_id"]},
        "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
    }


def test_transitive_tags_are_pinned_to_those_asked_for() -> None:
    """A declared transitive tag may be passed on, and no other one."""
    stack = stacks.stack()
    stacks.session_role(stack, transitive_tag_keys=["task_id"])
    condition = stacks.trust(stacks.template(stack), "SessionRole")[0]["Condition"]
    assert condition["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"] == ["task_id"]
    assert condition["Null"]["sts:TransitiveTagKeys"] == "false"


def test_user_reach_opens_all_tasks_of_one_user() -> None:
    """The seed's wording, a prefix per user, is there for those who ask for it."""
    stack = stacks.stack()
    bucket = stacks.bucket(stack)
    objects = [TenantObjects.traces(bucket, reach="user"), TenantObjects.attachments(bucket, reach="user")]
    stacks.session_role(stack, objects=objects)
    made = stacks.template(stack)
    statements = stacks.by_sid(stacks.policy(made, "SessionPermissions"))
    assert statements["Objects1"]["Resource"] == _own(made, "/traces/${aws:PrincipalTag/user_id}/*")
    assert statements["Objects2"]["Resource"] == _own(made, "/attachments/${aws:PrincipalTag/user_id}/*")


def test_other_objects_are_excepted_from_the_guard_and_granted_by_nobody() -> None:
    """A named exception loosens the Deny and adds no Allow."""
    stack = stacks.stack()
    shared = "arn:aws:s3:::shared-docs/*"
    stacks.session_role(stack, objects=[TenantObjects.payload(stacks.bucket(stack))], other_objects=[shared])
    made = stacks.template(stack)
    assert shared in stacks.by_sid(stacks.policy(made, "SessionGuards"))["OtherObjects"]["NotResource"]
    assert shared not in str(stacks.policy(made, "SessionPermissions"))


def test_without_objects_nothing_in_s3_is_denied() -> None:
    """A session role for tables only leaves a role's other buckets alone."""
    stack = stacks.stack()
    stacks.session_role(stack)
    assert "s3:" not in str(stacks.policy(stacks.template(stack), "SessionGuards"))


@pytest.mark.parametrize("flags", stacks.FLAG_SETS)
def test_admit_wires_both_halves(flags: str) -> None:
    """A role admitted later may mint, is trusted under the same conditions, and is denied tenant data."""
    stack = stacks.stack(flags)
    session = stacks.session_role(stack)
    session.admit(stacks.role(stack, "Late"))
    made = stacks.template(stack)
    late = stacks.ref(made, "Late")
    statements = stacks.trust(made, "SessionRole")
    assert {str(statement["Condition"]) for statement in statements} == {str(statements[0]["Condition"])}
    assert late in str([statement["Principal"] for statement in statements])
    for name in ("SessionMint", "SessionComputeGuards"):
        assert {"Ref": late} in made["Resources"][stacks.ref(made, name)]["Properties"]["Roles"]


def test_two_session_roles_may_share_a_compute_role() -> None:
    """The guard against other roles excepts every session role the compute role mints for."""
    stack = stacks.stack()
    compute = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    table = stacks.table(stack)
    stacks.session_role(stack, minting=Minting.by_compute_roles(compute), tables=[TenantTable(table)])
    SessionRole(stack, "Second", minting=Minting.by_compute_roles(compute), tables=[TenantTable(table)])
    made = stacks.template(stack)
    (guard,) = stacks.policy(made, "SessionRolesGuard")
    roles = {stacks.ref(made, name) for name in ("SecondRole", "SessionRole")}
    assert {excepted["Fn::GetAtt"][0] for excepted in guard["NotResource"]} == roles


def test_first_deployment_can_leave_the_compute_denies_out_and_warns() -> None:
    """While old tasks still run, the Denies are off and synth says so."""
    stack = stacks.stack()
    session = stacks.session_role(stack, deny_tenant_data_to_compute_roles=False)
    made = stacks.template(stack)
    assert not [key for key in made["Resources"] if "ComputeGuards" in key]
    assert "compute-roles-reach-tenant-data" in _warnings(session.node.path, stack)


def test_minting_by_compute_roles_warns_and_by_orchestrator_does_not() -> None:
    """The mode that does not contain a hijacked agent is visible at synth."""
    stack = stacks.stack()
    assert "compute-roles-mint" in _warnings(stacks.session_role(stack).node.path, stack)
    quiet = stacks.stack()
    session = stacks.session_role(quiet, minting=Minting.by_orchestrator(stacks.role(quiet, "Broker")))
    assert _warnings(session.node.path, quiet) == ""


def _warnings(path: str, stack: cdk.Stack) -> str:
    node = stack.node.find_child(path.rsplit("/", 1)[-1]).node
    return " ".join(str(entry.data) for entry in node.metadata if entry.type == "aws:cdk:warning")


def test_table_policy_on_a_session_role_extends_its_compute_denies() -> None:
    """A table added later by policy is closed to the compute roles like the first ones."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    more = TenantTablePolicy(stack, "More", tables=[TenantTable(stacks.table(stack, "Events"), access="append-only")])
    more.attach_to(session)
    made = stacks.template(stack)
    attached = [{"Ref": stacks.ref(made, "SessionRole")}]
    for name in ("MoreGuards", "MorePermissions"):
        assert made["Resources"][stacks.ref(made, name)]["Properties"]["Roles"] == attached
    denied = made["Resources"][stacks.ref(made, "MoreComputeGuards")]["Properties"]
    assert denied["Roles"] == [{"Ref": stacks.ref(made, "Compute")}]
    assert stacks.ref(made, "Events") in str(denied["PolicyDocument"])


def test_table_policy_on_another_role_carries_table_guards_only_and_warns() -> None:
    """On a role that is no session role nothing denies everything, and synth says that its trust is not ours."""
    stack = stacks.stack()
    other = stacks.role(stack, "Worker")
    policy = TenantTablePolicy(stack, "Tables", tables=[TenantTable(stacks.table(stack), access="query")])
    policy.attach_to(other)
    made = stacks.template(stack)
    sids = set(stacks.by_sid(stacks.policy(made, "TablesGuards")))
    assert sids == {
        "NoRowsWithoutTaskId",
        "ForeignRows",
        "NoRows",
        "Actions1",
        "Indexes",
    }
    (allowed,) = stacks.policy(made, "TablesPermissions")
    assert allowed["Condition"]["StringLike"] == {"aws:PrincipalTag/task_id": "?*"}
    assert "trust-is-not-ours" in _warnings("Tables", stack)


def test_unconditioned_trust_added_by_a_colleague_fails_synth() -> None:
    """With a trust statement without conditions anybody could mint anything, so the app does not synthesize."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    careless = iam.PolicyStatement(actions=["sts:AssumeRole"], principals=[iam.AccountRootPrincipal()])
    assert session.role.assume_role_policy is not None
    session.role.assume_role_policy.add_statements(careless)
    with pytest.raises(RuntimeError, match="admits a principal without its tags: got a statement with no Condition"):
        stacks.template(stack)


def test_trust_with_other_conditions_fails_synth_too() -> None:
    """A condition that asks for no session tag admits untagged sessions, whatever else it asks for."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    secure = {"Bool": {"aws:SecureTransport": "true"}}
    careless = iam.PolicyStatement(
        actions=["sts:AssumeRole"], principals=[iam.AccountRootPrincipal()], conditions=secure
    )
    assert session.role.assume_role_policy is not None
    session.role.assume_role_policy.add_statements(careless)
    with pytest.raises(RuntimeError, match="admits a principal without its tags: got a statement with other cond"):
        stacks.template(stack)


def test_generators_are_read_once_and_lose_nothing() -> None:
    """A generator in place of a list gives the same policies as the list."""
    made = []
    kinds: list[Any] = [list, iter]
    for kind in kinds:
        stack = stacks.stack()
        bucket, table = stacks.bucket(stack), stacks.table(stack)
        stacks.session_role(
            stack,
            tables=kind([TenantTable(table, access=kind(["get", "put"]))]),
            objects=kind([TenantObjects(bucket, kind(["a/{task_id}/"]), kind(["get"]))]),
            transitive_tag_keys=kind(["task_id"]),
            other_objects=kind(["arn:aws:s3:::docs/*"]),
        )
        made.append(stacks.template(stack))
    assert made[0] == made[1]


def test_inner_role_of_a_compute_role_is_guarded_like_the_whole() -> None:
    """Passing `.policy_role` in place of the ScopedComputeRole loses no Deny."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    stacks.session_role(stack, minting=Minting.by_compute_roles(agent.policy_role))
    assert stacks.policy(stacks.template(stack), "SessionRolesGuard")


def test_policy_on_a_session_roles_own_role_covers_its_compute_roles() -> None:
    """Passing `session.role` in place of the SessionRole denies the table to the compute roles all the same."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    more = TenantTablePolicy(stack, "More", tables=[TenantTable(stacks.table(stack, "Events"))])
    more.attach_to(session.role)
    assert stacks.policy(stacks.template(stack), "MoreComputeGuards")


@pytest.mark.parametrize("key", ["task_id", "TASK_ID"])
def test_session_tag_as_resource_tag_fails_synth(key: str) -> None:
    """A role's own tag replaces a missing session tag, whatever its case."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    cdk.Tags.of(session).add(key, "everyone")
    with pytest.raises(RuntimeError, match=f"tag `{key}` is a session tag of the role"):
        stacks.template(stack)


def test_harmless_resource_tags_synthesize() -> None:
    """Only session tag keys are refused."""
    stack = stacks.stack()
    cdk.Tags.of(stacks.session_role(stack)).add("team", "platform")
    assert stacks.template(stack)


def test_admitting_a_minter_twice_is_refused() -> None:
    """A repeated minter usually hides a missing one."""
    stack = stacks.stack()
    compute = stacks.role(stack)
    session = stacks.session_role(stack, minting=Minting.by_compute_roles(compute))
    with pytest.raises(InvalidInputError, match="admitted already"):
        session.admit(compute)


def test_a_session_may_narrow_itself_where_it_is_asked_for() -> None:
    """An Allow under the session's own tags, no Deny of the action left, and a tag that tells the revoke command."""
    stack = stacks.stack()
    stacks.session_role(stack, narrowing=True)
    template = stacks.template(stack)
    action = "sts:GetScopedCredentials"
    allowed = stacks.by_sid(stacks.policy(template, "SessionPermissions"))["NarrowSession"]
    assert (allowed["Effect"], allowed["Action"], allowed["Resource"]) == ("Allow", action, "*")
    assert allowed["Condition"] == {"StringLike": {f"aws:PrincipalTag/{key}": "?*" for key in DEFAULT_TAG_KEYS}}
    assert action not in str(stacks.policy(template, "SessionGuards"))
    role = template["Resources"][stacks.ref(template, "SessionRole")]["Properties"]
    assert role["Tags"] == [{"Key": "session-scoping:narrowing", "Value": "on"}]
    assert {one.status for one in verify(template).results} == {Status.PROVED}


def test_no_session_narrows_itself_by_default() -> None:
    """Without the option no Allow names the action, and the role has no tag."""
    stack = stacks.stack()
    stacks.session_role(stack)
    template = stacks.template(stack)
    assert "GetScopedCredentials" not in str(stacks.policy(template, "SessionPermissions"))
    assert "Tags" not in template["Resources"][stacks.ref(template, "SessionRole")]["Properties"]
