"""
The policies of each stack and variant, as a file a person can review: `snapshots/<name>.json`.

A golden proves that nothing changed, not that it is right: the other tests do that. Rewrite with `make goldens`.
"""

import json
from typing import Any

import pytest
from aws_cdk import aws_bedrockagentcore as bedrockagentcore
from aws_cdk import aws_kms as kms
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from session_scoping import (
    Minting,
    Models,
    Revocation,
    SessionBrokerRole,
    TenantMemory,
    TenantObjects,
    TenantParameters,
    TenantSecrets,
    TenantTable,
    TenantTablePolicy,
    UserBinding,
    WebIdentity,
    WorkloadBinding,
    grant_dispatch,
)
from tests.support import ROOT, stacks
from tests.support.vault_stack import PLACE, Vault

GOLDENS = (
    "kinds-of-data",
    "models",
    "reference-orchestrator",
    "reference-compute",
    "reference-tools",
    "reference-credential-broker",
    "reference-web-identity",
    "revocation",
    "session-broker",
    "single-table-kms",
    "table-policy",
    "token-vault",
    "workload-binding",
)

LINE_MAX, LINES_MAX = 120, 600


class PlainJson(JSONSnapshotExtension):
    """One readable JSON file per golden, in the top-level folder."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:  # noqa: ARG003 - syrupy's signature
        """Return the folder of all goldens."""
        return str(ROOT / "snapshots")

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:  # noqa: ARG003
        """Return the name the test gives."""
        return str(index)

    def serialize(self, data: Any, **_: Any) -> str:
        """Return the data as JSON; what fits one line is on one line."""
        return written(data) + "\n"


def written(value: Any, indent: str = "", key: str = "") -> str:
    """Return a value as JSON behind its key, cut into lines only where it does not fit one."""
    line = f"{key}{json.dumps(value, ensure_ascii=False, sort_keys=True)}"
    if len(indent + line) < LINE_MAX or not isinstance(value, dict | list):
        return line
    inner = f"{indent}  "
    if isinstance(value, dict):
        opened, closed = "{}"
        parts = [written(value[name], inner, f"{json.dumps(name)}: ") for name in sorted(value)]
    else:
        opened, closed = "[]"
        parts = [written(part, inner) for part in value]
    return f"{key}{opened}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closed}"


@pytest.fixture
def golden(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare with `snapshots/<name>.json`."""
    return snapshot.use_extension(PlainJson)


def policies(template: dict[str, Any]) -> dict[str, Any]:
    """Return what decides access: roles and policies, by logical id, without what is the CDK's own filler."""
    kept: dict[str, Any] = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"].startswith("AWS::IAM::"):
            properties = {key: value for key, value in resource["Properties"].items() if value not in ("", "/")}
            kept[logical_id] = {"Type": resource["Type"], **readable(properties)}
    return kept


def changed(template: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Return the policies that the usual mode does not have, or has with other content."""
    known = policies(usual)
    return {key: value for key, value in policies(template).items() if known.get(key) != value}


def readable(value: Any) -> Any:
    """Return the value with documents as statements and intrinsic functions as text: `{Table.Arn}`, `{AWS::Region}`."""
    match value:
        case {"Version": "2012-10-17", "Statement": [*statements]} if len(value) == 2:
            return readable(statements)
        case {"Ref": target}:
            return f"{{{target}}}"
        case {"Fn::GetAtt": [target, attribute]}:
            return f"{{{target}.{attribute}}}"
        case {"Fn::Join": [delimiter, parts]}:
            return delimiter.join(readable(part) for part in parts)
        case dict():
            return {key: readable(part) for key, part in value.items()}
        case list():
            return [readable(part) for part in value]
    return value


def test_reference_stack_where_compute_roles_mint(golden: SnapshotAssertion, compute_template: dict[str, Any]) -> None:
    """The reference stack's roles and policies in the default mode are the reviewed ones."""
    assert policies(compute_template) == golden(name="reference-compute")


def test_reference_stack_where_an_orchestrator_mints(
    golden: SnapshotAssertion, orchestrator_template: dict[str, Any], compute_template: dict[str, Any]
) -> None:
    """What an orchestrator changes in the reference stack's roles and policies is what was reviewed."""
    assert changed(orchestrator_template, compute_template) == golden(name="reference-orchestrator")


def test_what_a_tool_adds_to_the_reference_stack(
    golden: SnapshotAssertion, compute_template: dict[str, Any], tools_template: dict[str, Any]
) -> None:
    """One tool role, and what changes on the session role for it; everything else is as without."""
    assert policies(compute_template).keys() <= policies(tools_template).keys()
    assert changed(tools_template, compute_template) == golden(name="reference-tools")


def test_reference_stack_where_a_function_exchanges_tokens(
    golden: SnapshotAssertion, credential_broker_template: dict[str, Any], compute_template: dict[str, Any]
) -> None:
    """What a credential broker changes in the reference stack's roles and policies is what was reviewed."""
    assert changed(credential_broker_template, compute_template) == golden(name="reference-credential-broker")


def test_reference_stack_where_sts_takes_tokens(
    golden: SnapshotAssertion, web_identity_template: dict[str, Any], compute_template: dict[str, Any]
) -> None:
    """What web identity changes in the reference stack's roles and policies is what was reviewed."""
    assert changed(web_identity_template, compute_template) == golden(name="reference-web-identity")


def test_single_table_with_a_customer_managed_key(golden: SnapshotAssertion) -> None:
    """One table keyed `TENANT#<id>`, one bucket with Bucket Keys, both under a customer-managed key."""
    stack = stacks.stack()
    key = kms.Key(stack, "Key")
    table = stacks.table(stack, partition_key="pk", encryption_key=key)
    bucket = stacks.bucket(stack, encryption_key=key, bucket_key_enabled=True)
    stacks.session_role(
        stack,
        tag_keys=["tenant_id"],
        tables=[TenantTable(table, access=("get", "query", "put"), leading_key="TENANT#{tenant_id}")],
        objects=[TenantObjects(bucket, ["uploads/{tenant_id}/"], access=("get", "put"))],
    )
    assert policies(stacks.template(stack)) == golden(name="single-table-kms")


def test_table_policy_on_a_role_of_its_own(golden: SnapshotAssertion) -> None:
    """TenantTablePolicy on a role that is no SessionRole."""
    stack = stacks.stack()
    policy = TenantTablePolicy(stack, "Tables", tables=[TenantTable(stacks.table(stack), access="append-only")])
    policy.attach_to(stacks.role(stack, "Worker"))
    assert policies(stacks.template(stack)) == golden(name="table-policy")


def test_every_kind_of_data(golden: SnapshotAssertion) -> None:
    """Secrets under a key, parameters, a Memory, listed objects, and a leading key that leaves its end open."""
    stack = stacks.stack()
    memory = bedrockagentcore.Memory(stack, "Memory", memory_name="agents")
    stacks.session_role(
        stack,
        tables=[TenantTable(stacks.table(stack), access=("get", "query"), leading_key="{task_id}#*")],
        objects=[TenantObjects(stacks.bucket(stack), ["artifacts/{task_id}/"], ("get", "list"))],
        secrets=[TenantSecrets(["agents/{user_id}/"], ("get", "put"), encryption_key=kms.Key(stack, "Key"))],
        parameters=[TenantParameters(["/agents/{user_id}/"], ("get", "list"))],
        memories=[TenantMemory(memory, ("read-events", "write-events"), session="{task_id}")],
    )
    assert policies(stacks.template(stack)) == golden(name="kinds-of-data")


def test_models_of_every_kind(golden: SnapshotAssertion) -> None:
    """Geographic, global, in-Region and application profile models side by side."""
    stack = stacks.stack()
    profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3"
    models = Models.profile("us", ["anthropic.claude-sonnet-4-6"]) + Models.profile("global", ["amazon.nova-pro-v1:0"])
    models += Models.in_region(["cohere.embed-english-v3"]) + Models.application_profile(profile, ["meta.llama4"])
    stacks.session_role(stack, minting=Minting.by_orchestrator(stacks.role(stack, "Broker")), models=models)
    assert policies(stacks.template(stack)) == golden(name="models")


def test_a_small_stack_with_revocations(golden: SnapshotAssertion) -> None:
    """One table; everything before an instant, two tasks, and one user's part in a repository are revoked."""
    stack = stacks.stack()
    restrictions = [
        Revocation.issued_before("2026-01-01T00:00:00Z"),
        Revocation.of_sessions(task_id=["T1", "T2"]),
        Revocation.of_sessions(user_id="u1", repo="org/name"),
    ]
    stacks.session_role(stack, restrictions=restrictions)
    assert policies(stacks.template(stack)) == golden(name="revocation")


def test_tokens_of_a_vault(golden: SnapshotAssertion) -> None:
    """A session's own tokens, the consent callback that makes them possible, and the dispatcher that names a user."""
    vault = Vault(stacks.stack())
    grant = vault.grant(stacks.session_role(vault.stack))
    grant.grant_consent_callback(
        stacks.role(vault.stack, "Callback"), user_binding=UserBinding.identity_provider("cognito")
    )
    grant_dispatch(stacks.role(vault.stack, "Orchestrator"), f"{PLACE}runtime/agent-AbCdEfGhIj", for_user=True)
    assert policies(stacks.template(vault.stack)) == golden(name="token-vault")


def test_session_broker_with_everything(golden: SnapshotAssertion) -> None:
    """A dispatcher, a web identity, pods' tags, a model and a role further on."""
    stack = stacks.stack()
    SessionBrokerRole(
        stack,
        "Broker",
        tenant="acme",
        callers=[
            stacks.role(stack, "Dispatcher"),
            WebIdentity("oidc.eks.eu-west-1.amazonaws.com/id/ABC", "system:serviceaccount:agents:runtime"),
        ],
        models=Models.profile("eu", ["anthropic.claude-sonnet-4-6"]),
        chain_to=[stacks.role(stack, "Next")],
        pod_identity=True,
    )
    assert policies(stacks.template(stack)) == golden(name="session-broker")


def test_session_role_bound_to_a_vpc_and_an_address(golden: SnapshotAssertion) -> None:
    """VPC, Region and task address on the trust and the guards of one session role."""
    stack = stacks.stack()
    binding = WorkloadBinding(vpc="vpc-1", task_ip=True)
    stacks.session_role(stack, tag_keys=["task_id", "task_ip"], restrictions=[binding])
    assert policies(stacks.template(stack)) == golden(name="workload-binding")


def test_the_folder_holds_these_goldens_and_no_other() -> None:
    """No golden is stale: syrupy cannot tell when the tests run in several processes. Each is short enough to read."""
    found = {path.name: path for path in (ROOT / "snapshots").iterdir()}
    assert set(found) == {f"{name}.json" for name in GOLDENS}
    assert all(len(path.read_text().splitlines()) <= LINES_MAX for path in found.values())
