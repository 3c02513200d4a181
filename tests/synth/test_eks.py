"""Agent code in pods of EKS: which pods reach the compute role, and what their six tags may and may not open."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam

from session_scoping import (
    ComputeBackend,
    EksPods,
    InvalidInputError,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
    ToolScopedRole,
)
from session_scoping.contract.tags import POD_IDENTITY_TAGS
from session_scoping.verify import verify
from tests.support import stacks
from tests.support.matrix import TAGS, Case, failures
from tests.support.matrix.minting import mint_requests, tagged
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, World

CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/main"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
POD_TAGS = {
    "eks-cluster-arn": CLUSTER,
    "eks-cluster-name": "main",
    "kubernetes-namespace": "agents",
    "kubernetes-service-account": "worker",
    "kubernetes-pod-name": "worker-0",
    "kubernetes-pod-uid": "6f1c",
}
NAMED = {"namespace": "agents", "service_account": "worker"}


def pods(**options: Any) -> EksPods:
    """Return the pods of one service account."""
    return EksPods.pod_identity(**{"cluster": CLUSTER, **NAMED, **options})


def provider(scope: cdk.Stack) -> Any:
    """Return the OIDC provider of a cluster that exists."""
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
    return iam.OidcProviderNative.from_oidc_provider_arn(scope, "Oidc", arn)


def agent(scope: cdk.Stack, id: str = "Agent", which: EksPods | None = None) -> ScopedComputeRole:
    """Return the compute role of pods."""
    return ScopedComputeRole(scope, id, backend=ComputeBackend.EKS, pods=which or pods())


def session_role(scope: cdk.Stack, **options: Any) -> SessionRole:
    """Return a session role with a table and objects, minted by pods unless the options say otherwise."""
    options = {"minting": Minting.by_compute_roles(agent(scope)), **options} if "minting" not in options else options
    return stacks.session_role(scope, objects=[TenantObjects.traces(stacks.bucket(scope))], **options)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """Pods and a Fargate task that mint, and a tool of their sessions."""
    stack = stacks.stack()
    ecs = ScopedComputeRole(stack, "Ecs", backend=ComputeBackend.ECS)
    session = session_role(stack, minting=Minting.by_compute_roles(agent(stack), ecs), transitive_tag_keys=list(TAGS))
    notes = TenantTable(stacks.table(stack, "Notes"), access="get")
    ToolScopedRole(stack, "Tool", session_role=session, tool="notes", tables=[notes])
    return stacks.template(stack)


@pytest.fixture(scope="module")
def world(template: dict[str, Any]) -> World:
    """The same, as deployed."""
    return World(template)


def _decided(world: World, principal: str, action: str, contexts: dict[str, dict[str, Any]]) -> set[str]:
    """Return the names of the requests for the agent's role that its trust policy admits."""
    role = world.role("AgentRole")
    asked = [Question(principal, action, role.arn, ACCOUNT, context, [], role.trust) for context in contexts.values()]
    return {name for name, verdict in zip(contexts, decide(asked), strict=True) if verdict.allowed}


# --- who becomes the compute role -------------------------------------------------------------------------------------


def test_the_trust_demands_cluster_namespace_and_service_account(template: dict[str, Any]) -> None:
    """Unlike the standard trust, which admits every association of the account's clusters."""
    assert stacks.trust(template, "AgentRole") == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:RequestTag/eks-cluster-arn": CLUSTER,
                    "aws:RequestTag/kubernetes-namespace": "agents",
                    "aws:RequestTag/kubernetes-service-account": "worker",
                }
            },
        }
    ]


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession"])
def test_pods_of_another_place_are_refused(world: World, action: str) -> None:
    """The near miss of each demanded tag, an association without session tags, and another service."""
    contexts = {"the pods": tagged(POD_TAGS), "no tags": {}}
    for key in ("eks-cluster-arn", "kubernetes-namespace", "kubernetes-service-account"):
        for name, value in (("a longer", f"{POD_TAGS[key]}2"), ("an empty", ""), ("a starred", "*")):
            contexts[f"{name} {key}"] = tagged({**POD_TAGS, key: value})
        contexts[f"no {key}"] = tagged({name: value for name, value in POD_TAGS.items() if name != key})
    assert _decided(world, "pods.eks.amazonaws.com", action, contexts) == {"the pods"}
    for other in ("ec2.amazonaws.com", "eks.amazonaws.com", f"arn:aws:iam::{ACCOUNT}:role/admin"):
        assert _decided(world, other, action, contexts) == set()


def test_irsa_trusts_one_service_account_of_one_issuer() -> None:
    """Issuer, audience and subject are exact, and no tag can come with the token."""
    stack = stacks.stack()
    session_role(stack, minting=Minting.by_compute_roles(agent(stack, which=EksPods.irsa(provider(stack), **NAMED))))
    template = stacks.template(stack)
    assert stacks.trust(template, "AgentRole") == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                    f"{ISSUER}:sub": "system:serviceaccount:agents:worker",
                }
            },
        }
    ]
    # IRSA's sessions carry no tags, so the session role admits none of a pod's.
    assert "kubernetes" not in str(stacks.trust(template, "SessionRole"))


@pytest.mark.parametrize("kind", ["L1", "L2", "imported"])
def test_a_cluster_is_named_by_its_arn(kind: str) -> None:
    """An L1, an L2 and an import of a cluster give the ARN that EKS puts into the tag."""
    stack = stacks.stack()
    cluster: Any
    if kind == "L1":
        vpc = eks.CfnCluster.ResourcesVpcConfigProperty(subnet_ids=["subnet-1"])
        cluster = eks.CfnCluster(stack, "C", role_arn=f"arn:aws:iam::{ACCOUNT}:role/c", resources_vpc_config=vpc)
    elif kind == "L2":
        cluster = eks.Cluster.from_cluster_attributes(stack, "C", cluster_name="main")
    else:
        cluster = CLUSTER
    agent(stack, which=pods(cluster=cluster))
    (statement,) = stacks.trust(stacks.template(stack), "AgentRole")
    named = statement["Condition"]["StringEquals"]["aws:RequestTag/eks-cluster-arn"]
    expected = {
        "L1": {"Fn::GetAtt": ["C", "Arn"]},
        "L2": stacks.arn("eks", "cluster/main"),
        "imported": CLUSTER,
    }
    assert named == expected[kind]


# --- what a pod's tags open -------------------------------------------------------------------------------------------


def _with(request: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Return a request with a pod's tags that came along."""
    keys = request.get("aws:TagKeys")
    inherited = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**request, **inherited, **({"aws:TagKeys": [*keys, *tags]} if keys is not None else {})}


def _mints(arn: str) -> Iterator[Case]:
    """Yield requests for a session by a pod, whose tags come along, and by a task that has none."""
    handed_on = {"sts:TransitiveTagKeys": list(TAGS)}
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for one in mint_requests():
            if one.name == "a transitive tag":
                continue  # here all tags may be handed on
            context = {**handed_on, **one.context}
            pod, more = _with(context, POD_TAGS), ["sts:TransitiveTagKeys"]
            counted = {**pod, more[0]: [*TAGS, *POD_TAGS]}
            # A pod's own keys are in the list with those it hides: one that shows no list at all is refused.
            for name, role, asked, right in (
                ("by a pod", "AgentRole", pod, one.allowed),
                ("by a pod, its tags counted as transitive", "AgentRole", counted, one.allowed),
                ("by a pod without its tags", "AgentRole", context, one.allowed),
                ("by a task", "EcsRole", context, one.allowed),
                ("by a task with a pod's tags", "EcsRole", pod, False),
            ):
                yield Case(f"{one.name} {name}", role, action, arn, right, asked, {}, target="SessionRole")
        plain = {**tagged(TAGS), **handed_on}
        for key in ("kubernetes-node", "kubernetes-namespace2", "admin"):
            name = f"a pod that passes {key}"
            context = _with(plain, {**POD_TAGS, key: "x"})
            yield Case(name, "AgentRole", action, arn, False, context, {}, target="SessionRole")
        context = {**_with(plain, POD_TAGS), "sts:TransitiveTagKeys": [*TAGS, "admin"]}
        yield Case("another transitive tag", "AgentRole", action, arn, False, context, {}, target="SessionRole")


@pytest.mark.parametrize("variant", ["deployed", "everything"])
def test_a_pods_tags_come_along_and_open_nothing(world: World, variant: str) -> None:
    """Its session is minted with the declared tags and its own six; no other minter may pass those."""
    cases = list(_mints(world.role("SessionRole").arn))
    assert sum(case.allowed for case in cases) > 8
    assert failures(world, cases, [variant]) == []


def test_without_transitive_tags_of_its_own_a_session_still_admits_a_pods() -> None:
    """Whether STS counts inherited tags as transitive is not documented: both are admitted, a declared tag is not."""
    stack = stacks.stack()
    session_role(stack)
    small = World(stacks.template(stack))
    arn, pod = small.role("SessionRole").arn, _with(tagged(TAGS), POD_TAGS)
    cases = [
        Case(f"{action} {name}", "AgentRole", action, arn, right, {**pod, **more}, {}, target="SessionRole")
        for action in ("sts:AssumeRole", "sts:TagSession")
        for name, more, right in (
            ("not counted", {}, True),
            ("counted", {"sts:TransitiveTagKeys": list(POD_TAGS)}, True),
            ("with the task's tag", {"sts:TransitiveTagKeys": [*POD_TAGS, "task_id"]}, False),
            ("another's", {"sts:TransitiveTagKeys": ["kubernetes-node"]}, False),
        )
    ]
    assert failures(small, cases, ["deployed", "everything"]) == []


@pytest.mark.parametrize("variant", ["deployed", "broad allow"])
def test_a_session_of_a_pod_reaches_its_tool_under_its_own_tags(world: World, variant: str) -> None:
    """The six tags come along again; another task, and another tag, is refused as ever."""
    arn, name = world.role("ToolRole").arn, {"sts:RoleSessionName": "T1"}
    carried = {**TAGS, **POD_TAGS}
    cases = []
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for what, context, right in (
            ("its own tags", _with(tagged(TAGS), POD_TAGS), True),
            ("another task", _with(tagged({**TAGS, "task_id": "T2"}), POD_TAGS), False),
            ("a further tag", _with(tagged(TAGS), {**POD_TAGS, "admin": "yes"}), False),
            ("only the pod's tags", tagged(POD_TAGS), False),
        ):
            asked = {**context, **name}
            cases.append(
                Case(f"{action}: {what}", "SessionRole", action, arn, right, asked, carried, target="ToolRole")
            )
    assert failures(world, cases, [variant]) == []


def test_roles_that_trust_pods_are_recognized_and_others_are_named() -> None:
    """A role made here shows it; of an imported one, or one of another app, `pod_identity` says it."""
    stack = stacks.stack()
    own = iam.Role(stack, "Own", assumed_by=iam.ServicePrincipal("pods.eks.amazonaws.com").with_session_tags())
    session_role(stack, minting=Minting.by_orchestrator(own))
    imported = iam.Role.from_role_arn(stack, "Imported", f"arn:aws:iam::{ACCOUNT}:role/pods", mutable=True)
    tables = [TenantTable(stacks.table(stack, "More"), access="get")]
    minting = Minting.by_orchestrator(imported)
    SessionRole(stack, "Silent", minting=minting, tables=tables)
    said = [TenantTable(stacks.table(stack, "Third"), access="get")]
    SessionRole(stack, "Said", minting=minting, tables=said, pod_identity=True)
    template = stacks.template(stack)
    found = {
        id: "kubernetes-pod-uid" in str(stacks.trust(template, f"{id}Role")) for id in ("Session", "Silent", "Said")
    }
    assert found == {"Session": True, "Silent": False, "Said": True}


def test_a_pod_that_is_admitted_later_gets_a_statement_of_its_own() -> None:
    """`admit` writes the six tags for it alone; after a tool, whose trust lacks them, it is refused."""
    stack = stacks.stack()
    ecs = ScopedComputeRole(stack, "Ecs", backend=ComputeBackend.ECS)
    session = session_role(stack, minting=Minting.by_compute_roles(ecs), transitive_tag_keys=list(TAGS))
    session.admit(agent(stack))
    texts = [str(one) for one in stacks.trust(stacks.template(stack), "SessionRole")]
    assert ["kubernetes-pod-uid" in text for text in texts] == ["AgentRole" in text for text in texts]
    stack = stacks.stack()
    ecs = ScopedComputeRole(stack, "Ecs", backend=ComputeBackend.ECS)
    session = session_role(stack, minting=Minting.by_compute_roles(ecs), transitive_tag_keys=list(TAGS))
    ToolScopedRole(stack, "Tool", session_role=session, tool="x")
    with pytest.raises(InvalidInputError, match="has tools that do not admit a pod's tags"):
        session.admit(agent(stack))


# --- proved, and not proved when one thing is missing -----------------------------------------------------------------


def _statuses(template: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for result in verify(template).results:
        found.setdefault(result.rule, set()).add(result.status.name)
    return found


def test_the_verifier_proves_pods_with_a_tool(template: dict[str, Any]) -> None:
    """Session tags, derivation and isolation are proved although six more tags are transitive."""
    statuses = _statuses(template)
    assert {"session-tags", "derivation"} <= statuses.keys()
    assert {status for found in statuses.values() for status in found} == {"PROVED"}
    details = [one.detail for one in verify(template).results if one.rule == "session-tags"]
    assert all(detail.endswith("; those of EKS Pod Identity may come along") for detail in details)


@pytest.mark.parametrize(
    ("role", "changes", "rule"),
    [
        ("SessionRole", {"kubernetes-pod-uid": "kubernetes-node"}, "session-tags"),
        (
            "SessionRole",
            {"kubernetes-pod-uid": "kubernetes-*", "ForAllValues:StringEquals": "ForAllValues:StringLike"},
            "session-tags",
        ),
        ("ToolRole", {"kubernetes-pod-uid": "kubernetes-node"}, "derivation"),
        ("ToolRole", {"kubernetes-pod-uid": "admin"}, "derivation"),
    ],
)
def test_a_tag_that_is_no_pods_is_noticed(
    template: dict[str, Any], role: str, changes: dict[str, str], rule: str
) -> None:
    """What is admitted by name is what EKS sets, and nothing that only looks like it."""
    changed = copy.deepcopy(template)
    properties = changed["Resources"][stacks.ref(changed, role)]["Properties"]
    text = json.dumps(properties["AssumeRolePolicyDocument"])
    for old, new in changes.items():
        assert f'"{old}"' in text
        text = text.replace(f'"{old}"', f'"{new}"')
    properties["AssumeRolePolicyDocument"] = json.loads(text)
    assert _statuses(changed)[rule] != {"PROVED"}


# --- bad input --------------------------------------------------------------------------------------------------------

Attempt = Callable[[cdk.Stack], object]
REFUSED: dict[str, Attempt] = {
    "got no `pods`": lambda s: ScopedComputeRole(s, "A", backend=ComputeBackend.EKS),
    "got a str": lambda s: ScopedComputeRole(s, "A", backend=ComputeBackend.EKS, pods="x"),  # type: ignore[arg-type]
    "does not belong": lambda s: ScopedComputeRole(s, "A", backend=ComputeBackend.ECS, pods=pods()),
    "an ARN with a wildcard": lambda _: pods(cluster=f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/*"),
    "another resource or form": lambda _: pods(cluster="main"),
    "another resource or form, ": lambda s: pods(cluster=s),
    "`namespace` is not one name": lambda _: pods(namespace="agents*"),
    "`namespace` is not one name of Kubernetes: got `a.b`": lambda _: pods(namespace="a.b"),
    "`namespace` is not one name of Kubernetes: got ``": lambda _: pods(namespace=""),
    "got `Worker`": lambda _: pods(service_account="Worker"),
    "got a NoneType": lambda _: pods(service_account=None),
    "got `*`": lambda s: EksPods.irsa(provider(s), namespace="agents", service_account="*"),
    "an IAM OIDC provider": lambda s: EksPods.irsa(s, **NAMED),
    "not spelled out": lambda s: EksPods.irsa(
        iam.OidcProviderNative(s, "O", url="https://tokens.example.com"), **NAMED),
}  # fmt: skip


@pytest.mark.parametrize("says", REFUSED)
def test_what_names_no_pods_is_refused(says: str) -> None:
    """One line, before anything reaches the CDK."""
    with pytest.raises(InvalidInputError) as error:
        REFUSED[says](stacks.stack())
    assert says.rstrip(", ") in str(error.value)
    assert "\n" not in str(error.value)


def test_every_tag_of_a_pod_is_admitted_by_name(template: dict[str, Any]) -> None:
    """The list is the one EKS documents."""
    assert set(POD_TAGS) == set(POD_IDENTITY_TAGS)
    (statement,) = (one for one in stacks.trust(template, "SessionRole") if "AgentRole" in str(one))
    lists = statement["Condition"]["ForAllValues:StringEquals"]
    assert lists == {name: [*TAGS, *POD_IDENTITY_TAGS] for name in ("aws:TagKeys", "sts:TransitiveTagKeys")}
