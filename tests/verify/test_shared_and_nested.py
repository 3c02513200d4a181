"""Objects that all sessions share on purpose, and the rule pack over nested stacks and Stages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from session_scoping import TenantObjects, TenantTable
from session_scoping.commands.main import main
from session_scoping.testing.rule_pack import SessionScopingChecks
from session_scoping.verify import Status, verify
from tests.support import stacks


def scan() -> iam.PolicyStatement:
    """Return a careless grant."""
    return iam.PolicyStatement(actions=["dynamodb:Scan"], resources=["*"])


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    """A session role with its own objects, and a grant on documents that every session reads."""
    stack = stacks.stack()
    documents = "arn:aws:s3:::shared-docs/*"
    role = stacks.session_role(
        stack, objects=[TenantObjects.traces(stacks.bucket(stack))], other_objects=[documents]
    ).role  # fmt: skip
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[documents]))
    return stacks.template(stack)


def test_objects_that_all_sessions_read_are_a_violation_that_says_what_to_do(shared: dict[str, Any]) -> None:
    """Nothing tells the verifier that they are nobody's: the request is shown, and the option that says it."""
    (failure,) = verify(shared).failures()
    assert (failure.rule, failure.status) == ("object-isolation", Status.VIOLATED)
    assert "--store" in failure.detail
    assert failure.counterexample is not None
    assert (failure.counterexample.action, failure.counterexample.resource) == (
        "s3:GetObject",
        "arn:aws:s3:::shared-docs/x",
    )


def test_naming_the_tenant_stores_leaves_the_shared_ones_out(shared: dict[str, Any], tmp_path: Path) -> None:
    """The user's word for what is the tenants' own; a store that stands in no template can be named too."""
    file = tmp_path / "shared.template.json"
    file.write_text(json.dumps(shared))
    assert main(["verify", str(file), "--store", "Tasks", "--store", "Objects"]) == 0
    assert main(["verify", str(file), "--store", "shared-docs"]) == 1


def nested_policy(app: cdk.App) -> None:
    """The Scan stands in a nested stack, the session role in its parent."""
    parent = cdk.Stack(app, "Parent")
    table = stacks.table(cdk.NestedStack(parent, "Data"))
    role = stacks.session_role(parent, tables=[TenantTable(table, access="get")]).role
    iam.ManagedPolicy(
        cdk.NestedStack(parent, "Later"), "Extra", roles=[role], statements=[scan()]
    )  # fmt: skip


def nested_role(app: cdk.App) -> None:
    """Both stand in a nested stack."""
    child = cdk.NestedStack(cdk.Stack(app, "Parent"), "Child")
    stacks.session_role(child).role.add_to_policy(scan())


def staged(app: cdk.App) -> None:
    """A Stage with the role in one stack and the Scan in another."""
    stage = cdk.Stage(app, "Prod")
    role = stacks.session_role(cdk.Stack(stage, "Sessions")).role
    statement = scan()
    iam.ManagedPolicy(cdk.Stack(stage, "Later"), "Extra", roles=[role], statements=[statement])


@pytest.mark.parametrize("build", [nested_policy, nested_role, staged])
def test_the_rule_pack_sees_nested_stacks_and_stages(build: Callable[[cdk.App], None]) -> None:
    """A Scan that a policy elsewhere in the app puts on a session role fails the synth."""
    app = cdk.App()
    build(app)
    cdk.Validations.of(app).add_plugins(SessionScopingChecks())
    with pytest.raises(RuntimeError, match="A session role may scan"):
        app.synth()


def test_the_rule_pack_passes_sound_roles_in_nested_stacks_and_stages() -> None:
    """Our own constructs break no rule there."""
    app = cdk.App()
    stacks.session_role(cdk.NestedStack(cdk.Stack(app, "Parent"), "Child"))
    stacks.session_role(cdk.Stack(cdk.Stage(app, "Prod"), "Sessions"))
    cdk.Validations.of(app).add_plugins(SessionScopingChecks())
    app.synth()  # raises on a finding
    report = json.loads((Path(app.outdir) / "validation-report.json").read_text())
    assert report["pluginReports"] == []  # it lists the packs with findings
