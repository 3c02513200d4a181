"""What cdk-nag says of the constructs: nothing that they do not accept themselves, exactly and with a reason."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NagPack,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)
from constructs import Construct, IConstruct

from app import ReferenceStack
from session_scoping import (
    ComputeBackend,
    Minting,
    Models,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    TenantTablePolicy,
)
from session_scoping.constructs.cdk.documents import flatten
from tests.support import stacks

OTHER_PACKS = (HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks, ServerlessChecks)
MODES = ("compute", "orchestrator", "credentialBroker", "webIdentity")
# A function's runtime; the key set's public site: no geography, no firewall, no log of who reads public keys.
ACCEPTED = {"credentialBroker": ("L1",), "webIdentity": ("L1", "S1", "CFR1", "CFR2", "CFR3")}
FLAGS = tuple(stacks.FLAG_SETS)
Finding = tuple[str, str]


# --- reading packs without synth, and reports after it ------------------------------------------------------------


def findings(pack: type[NagPack], scope: Construct) -> set[Finding]:
    """
    Return rule and construct path of every finding that is not accepted, without synth.

    Asked directly, a pack knows only acknowledgements without its name in front; those with it, which leave an audit
    record in the report, are the CDK's to match. It matches id and construct exactly, and so does this.
    """
    report = pack().validate_scope(scope)
    name = pack().name
    return {
        (violation.rule_name, resource.construct_path)
        for violation in report.violations
        for resource in violation.violating_resources
        if resource.construct_path
        and f"{name}::{violation.rule_name}" not in accepted(_at(scope, resource.construct_path))
    }


def _at(scope: Construct, path: str) -> IConstruct:
    found: IConstruct = scope.node.root
    for id_ in path.split("/"):
        found = found.node.find_child(id_)
    return found


def accepted(construct: IConstruct) -> dict[str, str]:
    """Return the acknowledgements, with their reasons, on a construct and what it stands in."""
    found: dict[str, str] = {}
    for scope in construct.node.scopes:
        for entry in scope.node.metadata:
            if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY:
                found.update(entry.data)
    return found


def ours(scope: Construct) -> tuple[Construct, ...]:
    """Return what this library made under a scope."""
    made = (SessionRole, ScopedComputeRole, TenantTablePolicy)
    return tuple(one for one in scope.node.find_all() if isinstance(one, made))


def reported(app: cdk.App, pack: type[NagPack] = AwsSolutionsChecks) -> dict[str, Any]:
    """Synthesize with the pack attached and return its report."""
    cdk.Validations.of(app).add_plugins(pack(app))
    report = json.loads(Path(app.synth().directory, "validation-report.json").read_text())
    (found,) = (one for one in report["pluginReports"] if one["pluginName"] == pack().name)
    return dict(found)


# --- the reference stack ------------------------------------------------------------------------------------------


@cache
def _reference(mode: str, flags: str) -> ReferenceStack:
    return ReferenceStack(stacks.new_app(flags, minting=mode), "Reference")


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("mode", MODES)
def test_the_reference_stack_synthesizes_without_a_finding_of_aws_solutions(mode: str, flags: str) -> None:
    """Nothing in the whole stack is left unaccepted, and the audit record says what was accepted and why."""
    app = stacks.new_app(flags, minting=mode)
    ReferenceStack(app, "Reference")
    report = reported(app)
    assert report["violations"] == []
    accepted_rules = {one["ruleName"].split("[")[0] for one in report["suppressedViolations"]}
    assert accepted_rules == {f"AwsSolutions-{rule}" for rule in {"IAM5", "SMG4", *ACCEPTED.get(mode, ())}}
    assert all(len(one["reason"].split()) > 5 for one in report["suppressedViolations"])


@pytest.mark.parametrize("mode", MODES)
def test_the_reference_stack_has_no_finding_of_aws_solutions_before_synth_either(mode: str) -> None:
    """The acknowledgements are there as soon as the stack is built, for tests that never synthesize."""
    assert findings(AwsSolutionsChecks, _reference(mode, "recommended")) == set()


@pytest.mark.parametrize("pack", OTHER_PACKS)
@pytest.mark.parametrize("mode", MODES)
def test_other_packs_find_nothing_in_what_the_constructs_make(mode: str, pack: type[NagPack]) -> None:
    """Roles and policies pass the pack as they are, without any acknowledgement."""
    across = _across_stacks("recommended")[1]
    made = [*ours(_reference(mode, "recommended")), *ours(across)]
    assert {type(one) for one in made} == {SessionRole, ScopedComputeRole, TenantTablePolicy}
    assert [violation.rule_name for one in made for violation in pack().validate_scope(one).violations] == []


def test_every_acknowledgement_matches_a_finding() -> None:
    """No acknowledgement is wider than a finding or left over: exact ids of IAM5, each found on that policy."""
    for construct in ours(_reference("compute", "recommended")):
        found = {
            (f"AwsSolutions::{violation.rule_name}", resource.construct_path)
            for violation in AwsSolutionsChecks().validate_scope(construct).violations
            for resource in violation.violating_resources
        }
        given = {
            (id_, f"{one.node.path}/Resource")
            for one in construct.node.find_all()
            for entry in one.node.metadata
            if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY
            for id_ in entry.data
        }
        assert given == found


# --- several stacks -----------------------------------------------------------------------------------------------


def _across_stacks(flags: str) -> tuple[cdk.App, cdk.Stack]:
    app = stacks.new_app(flags)
    data, compute, session = (cdk.Stack(app, id_) for id_ in ("Data", "Compute", "Session"))
    key = kms.Key(data, "Key", enable_key_rotation=True)
    bucket = s3.Bucket(data, "Bucket", encryption=s3.BucketEncryption.KMS, encryption_key=key)
    role = ScopedComputeRole(compute, "Agent", backend=ComputeBackend.AGENTCORE)
    made = SessionRole(
        session,
        "SessionRole",
        minting=Minting.by_compute_roles(role),
        tables=[TenantTable(stacks.table(data, encryption_key=key))],
        objects=[TenantObjects.traces(bucket), TenantObjects.attachments(bucket)],
        models=Models.profile("us", ["anthropic.claude-sonnet-4-6"]),
    )
    TenantTablePolicy(session, "More", tables=[TenantTable(stacks.table(data, "More"))]).attach_to(made)
    return app, session


@pytest.mark.parametrize("flags", FLAGS)
def test_findings_on_references_between_stacks_are_accepted_at_synth(flags: str) -> None:
    """Exports and stack outputs change the finding's id at synth, and the acknowledgement follows."""
    app, session = _across_stacks(flags)
    cdk.Validations.of(session.node.root.node.find_child("Data")).acknowledge(
        *(
            cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason="Not ours")
            for rule in ("S1", "S10", "DDB3")
        )
    )
    report = reported(app)
    assert report["violations"] == []
    accepted_ids = " ".join(one["ruleName"] for one in report["suppressedViolations"])
    assert ("Fn::GetStackOutput" if flags == "recommended" else "ExportsOutput") in accepted_ids


@pytest.mark.parametrize("flags", FLAGS)
def test_findings_on_references_between_stacks_are_accepted_before_synth(flags: str) -> None:
    """Before synth the same finding has the id of a plain reference, and that is accepted too."""
    session = _across_stacks(flags)[1]
    assert findings(AwsSolutionsChecks, session) == set()
    assert AwsSolutionsChecks().validate_scope(session).violations, "there is nothing to accept"


@pytest.mark.parametrize("flags", FLAGS)
def test_findings_in_a_nested_stack_are_accepted(flags: str) -> None:
    """In a nested stack a bucket of the parent becomes a parameter, and the acknowledgement follows."""
    app = stacks.new_app(flags)
    parent = cdk.Stack(app, "Parent")
    child = cdk.NestedStack(parent, "Child")
    bucket = s3.Bucket(parent, "Bucket")
    minting = Minting.by_orchestrator(stacks.role(child, "Broker"))
    SessionRole(child, "SessionRole", minting=minting, objects=[TenantObjects.traces(bucket)])
    assert findings(AwsSolutionsChecks, child) == set()
    app.synth()
    assert findings(AwsSolutionsChecks, child) == set()


def test_a_renamed_logical_id_is_followed() -> None:
    """Overriding a bucket's logical id after the session role was made leaves no finding at synth."""
    app = stacks.new_app()
    stack = cdk.Stack(app, "Stack")
    bucket = s3.Bucket(stack, "Bucket")
    minting = Minting.by_orchestrator(stacks.role(stack, "Broker"))
    made = SessionRole(stack, "SessionRole", minting=minting, objects=[TenantObjects.traces(bucket)])
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    resource.override_logical_id("RenamedBucket")
    app.synth()
    assert findings(AwsSolutionsChecks, made) == set()


FLATTENED: list[tuple[Any, str]] = [
    ("arn:${AWS::Partition}:s3:::b/*", "arn:<AWS::Partition>:s3:::b/*"),
    ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::b/*"]]}, "arn:<AWS::Partition>:s3:::b/*"),
    ({"Fn::Join": ["/", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "*"]]}, "<Bucket.Arn>/*"),
    ({"Fn::ImportValue": "Data:Bucket"}, "Data:Bucket"),
    ({"Fn::Sub": "${Bucket.Arn}/*"}, "<Bucket.Arn>/*"),
    ({"Fn::Select": [0, ["a"]]}, '{"Fn::Select":[0,["a"]]}'),
]


@pytest.mark.parametrize(("value", "written"), FLATTENED)
def test_a_resource_is_written_as_the_pack_writes_it(value: Any, written: str) -> None:
    """Each function has the form in which cdk-nag shows it in a finding's id, which an acknowledgement must equal."""
    assert flatten(value) == written


# --- that these tests can fail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [AwsSolutionsChecks, *OTHER_PACKS])
def test_each_pack_does_find_what_it_is_asked_about(pack: type[NagPack]) -> None:
    """The silence above means something: an inline wildcard policy and an untraced function are found."""
    stack = cdk.Stack(stacks.new_app(), "Stack")
    role = stacks.role(stack, "Role")
    role.add_to_policy(iam.PolicyStatement(actions=["s3:*"], resources=["*"]))
    code = lambda_.CfnFunction.CodeProperty(zip_file="pass")
    lambda_.CfnFunction(stack, "Function", role=role.role_arn, code=code, handler="index.handler", runtime="python3.12")
    assert findings(pack, stack)


def test_a_grant_added_by_a_colleague_stays_a_finding() -> None:
    """The acknowledgements cover what the constructs wrote, not what others add to the same role."""
    stack = cdk.Stack(stacks.new_app(), "Stack")
    minting = Minting.by_orchestrator(stacks.role(stack, "Broker"))
    made = SessionRole(
        stack, "SessionRole", minting=minting, objects=[TenantObjects.traces(s3.Bucket(stack, "Bucket"))]
    )
    assert findings(AwsSolutionsChecks, made) == set()
    made.role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"]))
    path = "Stack/SessionRole/Role/DefaultPolicy/Resource"
    assert findings(AwsSolutionsChecks, made) == {("AwsSolutions-IAM5[Resource::*]", path)}


def test_an_acknowledgement_here_leaves_another_stack_s_role_found() -> None:
    """Before aws-cdk-lib 2.271 `IAM5[Resource::*]`, accepted on our baseline, was silent on every other role too."""
    app = stacks.new_app()
    ScopedComputeRole(cdk.Stack(app, "Agents"), "Agent", backend=ComputeBackend.AGENTCORE)
    other = cdk.Stack(app, "Others")
    stacks.role(other, "Role").add_to_policy(iam.PolicyStatement(actions=["xray:PutTraceSegments"], resources=["*"]))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match=r"(?s)Others/Role/DefaultPolicy.*IAM5\[Resource::\*\]"):
        app.synth()
