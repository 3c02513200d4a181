"""Which modules of the CDK an app loads for the constructs: some take longer to load than a small app to synthesize."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

import session_scoping

# Public name -> the CDK modules that every app with it uses. What these load themselves comes along.
USED: Mapping[str, tuple[str, ...]] = {
    "ComputeBackend": ("aws_iam",),
    "CredentialBroker": ("aws_cloudwatch", "aws_dynamodb", "aws_iam", "aws_kms", "aws_lambda", "aws_logs"),
    "EksPods": ("aws_iam",),
    "ExternalTokenGrant": ("aws_iam",),
    "Minting": ("aws_iam",),
    "Models": (),
    "Revocation": ("aws_iam",),
    "ScopedComputeRole": ("aws_iam",),
    "SessionBrokerRole": ("aws_iam", "aws_ssm"),
    "SessionRole": ("aws_iam",),
    "TaskTokenIssuer": ("aws_iam", "aws_kms", "aws_logs"),
    "TenantMemory": (),
    "TenantObjects": (),
    "TenantParameters": (),
    "TenantSecrets": (),
    "TenantTable": (),
    "TenantTablePolicy": ("aws_iam",),
    "TokenFlow": (),
    "TokenVaultGrant": ("aws_iam",),
    "ToolScopedRole": ("aws_iam",),
    "UserBinding": (),
    "VaultProvider": (),
    "WebIdentity": ("aws_iam",),
    "WorkloadBinding": ("aws_iam",),
    "endpoint_policy_for": ("aws_iam",),
    "grant_dispatch": ("aws_iam",),
    "on_behalf_of_config": (),
    **dict.fromkeys(("InvalidInputError", "KeyFormat", "MissingExtraError", "QuotaExceededError"), ()),
    **dict.fromkeys(("SessionScopingError", "SessionTags", "SourceIdentity", "user_id_for"), ()),
    **dict.fromkeys(("ARTIFACT_PREFIX", "ATTACHMENT_PREFIX", "DEFAULT_TAG_KEYS", "TRACE_OBJECT"), ()),
}

# One process, whose CDK is loaded once; each line of its input runs in a fork of it.
FORKS = """
import json, os, sys, traceback
import aws_cdk
for line in sys.stdin:
    if (child := os.fork()) == 0:
        try:
            exec(json.loads(line), {})
            print(json.dumps([name for name in sys.modules if name.startswith("aws_cdk.aws_")]), flush=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)  # what jsii does at an ordinary exit would wait for a kernel that is its parent's
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def modules_after(lines: Iterable[str]) -> list[set[str]]:
    """Return the CDK modules each line of code makes a process load that has loaded `aws_cdk` itself."""
    given = "\n".join(map(json.dumps, lines))
    done = subprocess.run([sys.executable, "-c", FORKS], input=given, capture_output=True, text=True, check=True)
    return [set(json.loads(line)) for line in done.stdout.splitlines()]


def test_each_public_construct_loads_what_every_app_with_it_uses() -> None:
    """Importing one loads no CDK module that only a type, or only some apps, would need."""
    assert set(USED) == set(session_scoping.__all__)
    wanted = ["import aws_cdk" + "".join(f", aws_cdk.{module}" for module in modules) for modules in USED.values()]
    ours = [f"from session_scoping import {name}" for name in USED]
    found = modules_after([*ours, *wanted])
    loaded, allowed = found[: len(ours)], found[len(ours) :]
    surplus = {name: had - may for name, had, may in zip(USED, loaded, allowed, strict=True)}
    assert surplus == {name: set() for name in USED}


STACK = """
import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb, aws_iam as iam, aws_s3 as s3
stack = cdk.Stack(cdk.App(), "Stack")
key = dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING)
table = dynamodb.Table(stack, "Table", partition_key=key)
bucket = s3.Bucket(stack, "Bucket", encryption=s3.BucketEncryption.KMS)
{roles}
stack.node.root.synth()
"""
BY_HAND = """
statement = iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.bucket_arn])
role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
iam.ManagedPolicy(stack, "Policy", statements=[statement], roles=[role])
"""
CONSTRUCTS = """
from session_scoping import ComputeBackend, EksPods, Minting, Models, Revocation, ScopedComputeRole, SessionRole
from session_scoping import TenantObjects, TenantTable, WorkloadBinding
cluster = "arn:aws:eks:eu-west-1:111122223333:cluster/main"
pods = EksPods.pod_identity(cluster, namespace="agents", service_account="worker")
where = {one: {"pods": pods} if one is ComputeBackend.EKS else {} for one in ComputeBackend}
roles = [ScopedComputeRole(stack, one.name, backend=one, **options) for one, options in where.items()]
restrictions = [Revocation.issued_before("2026-01-01T00:00:00Z"), WorkloadBinding(vpc="vpc-1")]
session = SessionRole(
    stack, "SessionRole", minting=Minting.by_compute_roles(*roles[:2]),
    models=Models.profile("us", ["amazon.nova-pro-v1:0"]),
    tables=[TenantTable(table)], objects=[TenantObjects.traces(bucket)], restrictions=restrictions,
)
session.deny_tenant_data_to(*roles[2:])
"""


def test_a_synth_with_the_constructs_loads_what_one_by_hand_does() -> None:
    """From a table and a bucket to the template, checks of the finished tree included, no CDK module is loaded more."""
    by_hand, ours = (modules_after([STACK.format(roles=roles)])[0] for roles in (BY_HAND, CONSTRUCTS))
    assert "aws_cdk.aws_dynamodb" in by_hand
    assert ours - by_hand == set()
