"""An independent simulator decides who may make an attributed or bound session, and what it may do."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pytest

from session_scoping import Models, SessionBrokerRole, TenantTable, WebIdentity, WorkloadBinding
from session_scoping.contract.tags import DEFAULT_TAG_KEYS
from tests.support import stacks
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, World, without_guards

SONNET = "anthropic.claude-sonnet-4-6"
MODEL = f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"
OTHER_MODEL = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
SUBJECT = "system:serviceaccount:agents:runtime"
VPC = {"aws:SourceVpc": "vpc-1", "aws:RequestedRegion": "us-east-1", "aws:ViaAWSService": "false"}
Context = Mapping[str, Any]


@cache
def attributed() -> World:
    """Tenant acme's broker: one dispatcher, one web identity, one model, one role further on; pods may call."""
    stack = stacks.stack()
    SessionBrokerRole(
        stack,
        "Broker",
        tenant="acme",
        callers=[stacks.role(stack, "Dispatcher"), WebIdentity(ISSUER, SUBJECT)],
        models=Models.in_region([SONNET]),
        chain_to=[stacks.role(stack, "Next")],
        pod_identity=True,
    )
    stacks.role(stack, "Stranger")
    return World(stacks.template(stack))


def ask(world: World, role: str, action: str, resource: str, context: Context, **how: Any) -> Question:
    """Return one request of a role; `broad` adds a colleague's Allow, `target` the trust of the role it asks for."""
    deployed = world.role(role)
    policies = deployed.policies
    if how.get("broad"):
        careless = {"Sid": "Careless", "Effect": "Allow", "Action": "*", "Resource": "*"}
        policies = [*policies, {"Version": "2012-10-17", "Statement": [careless]}]
    if how.get("unguarded"):
        policies = without_guards(policies)
    trust = world.role(how["target"]).trust if "target" in how else None
    return Question(deployed.session(), action, resource, ACCOUNT, dict(context), policies, trust)


Expected = Iterable[tuple[Question, bool]]


def wrong(asked: Expected) -> list[str]:
    """Return a sentence for every request that is decided wrongly; all of them in one process."""
    pairs = list(asked)
    assert pairs
    verdicts = decide([question for question, _ in pairs])
    return [
        f"{question.action} on {question.resource} with {question.context}: {verdict}, expected {allowed}"
        for (question, allowed), verdict in zip(pairs, verdicts, strict=True)
        if verdict.allowed != allowed
    ]


# --- who may make an attributed session -------------------------------------------------------------------------------

IDENTITIES = {
    "agent=acme=s-1": True,
    "agent=acme=a+b,c.d@e-f_G": True,
    "agent=acme=": False,
    "agent=acme=s=1": False,
    "agent=acme2=s-1": False,
    "agent=acm=s-1": False,
    "agent=other=s-1": False,
    "agent=other=acme=s-1": False,
    "agent=Acme=s-1": False,
    "Agent=acme=s-1": False,
    "acme=s-1": False,
    "xagent=acme=s-1": False,
    "": False,
    None: False,
}
MINTS = ("sts:AssumeRole", "sts:SetSourceIdentity")


def carrying(key: str, identity: str | None) -> dict[str, str]:
    """Return the context of a request with this source identity, or with none."""
    return {} if identity is None else {key: identity}


def test_a_session_is_made_with_a_source_identity_of_its_tenant_only() -> None:
    """No identity, another tenant's, one that only begins alike: none of them is let through."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    assert not wrong(
        (ask(world, "Dispatcher", action, arn, carrying("sts:SourceIdentity", identity), target="BrokerRole"), allowed)
        for action in MINTS
        for identity, allowed in IDENTITIES.items()
    )


def test_a_role_that_is_no_caller_makes_no_session() -> None:
    """A broad Allow of its own and the right identity are worth nothing: the trust policy decides."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    context = {"sts:SourceIdentity": "agent=acme=s-1"}
    assert not wrong(
        (ask(world, "Stranger", action, arn, context, target="BrokerRole", broad=broad), False)
        for action in MINTS
        for broad in (False, True)
    )


PODS = [
    (["eks-cluster-name", "kubernetes-namespace"], True),
    (["eks-cluster-name", "task_id"], False),
    (["admin"], False),
    ([], False),
]


def test_only_a_pods_own_tags_come_along() -> None:
    """Tags by other names, which another role's policies might read, are refused."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    assert not wrong(
        (
            ask(world, "Dispatcher", "sts:TagSession", arn, {"aws:TagKeys": keys} if keys else {}, target="BrokerRole"),
            allowed,
        )
        for keys, allowed in PODS
    )


def test_a_caller_may_assume_this_role_and_no_other() -> None:
    """Its permission is one ARN, under the tenant's form."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    named = {"sts:SourceIdentity": "agent=acme=s-1"}
    cases = [(arn, named, True), (f"{arn}2", named, False), (arn, {}, False)]
    assert not wrong(
        (ask(world, "Dispatcher", action, resource, context), allowed)
        for action in MINTS
        for resource, context, allowed in cases
    )


# --- what an attributed session may do --------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["deployed", "unguarded", "broad"])
def test_a_session_acts_under_its_tenants_identity_only(variant: str) -> None:
    """The Allows ask for the identity, and the guard holds when a colleague allows everything."""
    world = attributed()
    assert not wrong(
        (
            ask(
                world,
                "BrokerRole",
                "bedrock:InvokeModel",
                MODEL,
                carrying("aws:SourceIdentity", identity),
                **{variant: True},
            ),
            allowed,
        )
        for identity, allowed in IDENTITIES.items()
        if identity != ""
    )


def test_an_unattributed_session_is_denied_whatever_was_allowed() -> None:
    """A colleague's loose trust statement makes a session; it can do nothing."""
    world = attributed()
    anything = (
        ("s3:GetObject", "arn:aws:s3:::any/key"),
        ("dynamodb:Scan", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/any"),
        ("bedrock:InvokeModel", OTHER_MODEL),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x"),
    )
    assert not wrong(
        (
            ask(world, "BrokerRole", action, resource, carrying("aws:SourceIdentity", identity), broad=True),
            bool(identity),
        )
        for action, resource in anything
        for identity in (None, "agent=acme=s-1")
    )


def test_a_session_reaches_its_models_and_nothing_else() -> None:
    """Nothing but what was given."""
    world = attributed()
    identity = {"aws:SourceIdentity": "agent=acme=s-1"}
    cases = (
        ("bedrock:InvokeModelWithResponseStream", MODEL, True),
        ("bedrock:InvokeModel", OTHER_MODEL, False),
        ("s3:GetObject", "arn:aws:s3:::any/key", False),
    )
    assert not wrong(
        (ask(world, "BrokerRole", action, resource, identity), allowed) for action, resource, allowed in cases
    )


def test_a_session_goes_on_to_the_named_role_and_to_no_other() -> None:
    """Even a careless `*` opens no other role, and no other way leads to credentials."""
    world = attributed()
    identity = {"aws:SourceIdentity": "agent=acme=s-1"}
    there, elsewhere = world.role("Next").arn, world.role("Stranger").arn
    chain = ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")
    lost = ("sts:GetFederationToken", "sts:GetSessionToken", "sts:AssumeRoot")
    assert not wrong(
        [
            *((ask(world, "BrokerRole", action, there, identity, target="Next"), True) for action in chain),
            *(
                (ask(world, "BrokerRole", action, arn, identity, broad=True), False)
                for action in chain
                for arn in (elsewhere, f"{there}2")
            ),
            *((ask(world, "BrokerRole", action, "*", identity, broad=True), False) for action in lost),
        ]
    )


def test_the_role_further_on_asks_for_the_identity_itself() -> None:
    """Its trust policy admits the broker's sessions with the tenant's identity, and none without."""
    world = attributed()
    here, there = world.role("BrokerRole"), world.role("Next")

    def onward(context: Context) -> Question:
        return Question(here.session(), "sts:AssumeRole", there.arn, ACCOUNT, dict(context), [], there.trust)

    assert not wrong(
        [
            (onward({}), False),
            (onward({"aws:SourceIdentity": "agent=other=s-1"}), False),
            (onward({"aws:SourceIdentity": "agent=acme=s-1"}), True),
        ]
    )


# --- bound sessions ---------------------------------------------------------------------------------------------------


@cache
def bound(*, pinned: bool) -> World:
    """A session role over one table and one model, bound to vpc-1."""
    stack = stacks.stack()
    stacks.session_role(
        stack,
        tables=[TenantTable(stacks.table(stack), access="get")],
        models=Models.in_region([SONNET]),
        tag_keys=[*DEFAULT_TAG_KEYS, "task_ip"] if pinned else DEFAULT_TAG_KEYS,
        limits=[WorkloadBinding(vpc="vpc-1", task_ip=pinned)],
    )
    return World(stacks.template(stack))


def tags(**more: str) -> dict[str, str]:
    """Return the tags of a session."""
    return {"user_id": "u1", "repo": "org/name", "task_id": "T1", **more}


def without(context: Context, *keys: str) -> dict[str, Any]:
    """Return a context without some keys."""
    return {key: value for key, value in context.items() if key not in keys}


PLACES: dict[str, tuple[Context, bool]] = {
    "from the VPC": (VPC, True),
    "from another VPC": ({**VPC, "aws:SourceVpc": "vpc-2"}, False),
    "from a VPC named alike": ({**VPC, "aws:SourceVpc": "vpc-12"}, False),
    "from a VPC in capitals": ({**VPC, "aws:SourceVpc": "VPC-1"}, False),
    "from no VPC": (without(VPC, "aws:SourceVpc"), False),
    "in another Region": ({**VPC, "aws:RequestedRegion": "eu-west-1"}, False),
    "without a Region": (without(VPC, "aws:RequestedRegion"), False),
}
REQUESTS: dict[str, tuple[Context, bool]] = {
    **PLACES,
    "from the VPC, AWS silent on who calls": (without(VPC, "aws:ViaAWSService"), True),
    "from no VPC, AWS silent on who calls": (without(VPC, "aws:SourceVpc", "aws:ViaAWSService"), False),
    "by an AWS service": ({"aws:ViaAWSService": "true", "aws:RequestedRegion": "us-east-1"}, True),
    "by an AWS service in its own VPC": ({**VPC, "aws:SourceVpc": "vpc-9", "aws:ViaAWSService": "true"}, True),
}


def test_a_bound_session_is_made_in_its_vpc_only() -> None:
    """The minter with the right tags is refused anywhere else."""
    world = bound(pinned=False)
    asked = {f"aws:RequestTag/{key}": value for key, value in tags().items()} | {"aws:TagKeys": list(tags())}
    arn = world.role("SessionRole").arn
    assert not wrong(
        (ask(world, "Compute", action, arn, {**asked, **context}, target="SessionRole"), allowed)
        for action in ("sts:AssumeRole", "sts:TagSession")
        for context, allowed in PLACES.values()
    )


def get_item(world: World, carried: Context, context: Context, *, broad: bool) -> Question:
    """Return a session's request for its own row."""
    principal = {f"aws:PrincipalTag/{key}": value for key, value in carried.items()}
    asked = {**principal, **context, "dynamodb:LeadingKeys": ["T1"]}
    return ask(world, "SessionRole", "dynamodb:GetItem", world.arn("Tasks", "AWS::DynamoDB::Table"), asked, broad=broad)


@pytest.mark.parametrize("broad", [False, True])
def test_a_bound_session_is_used_in_its_vpc_only(broad: bool) -> None:
    """Stolen credentials are denied elsewhere, also when a colleague allows everything; AWS's own calls go on."""
    world = bound(pinned=False)
    assert not wrong((get_item(world, tags(), context, broad=broad), allowed) for context, allowed in REQUESTS.values())


def test_inference_routed_to_another_region_is_not_denied_for_its_region() -> None:
    """Cross-Region inference is authorized where it is routed to; other actions stay in the VPC's Region."""
    world = bound(pinned=False)
    principal = {f"aws:PrincipalTag/{key}": value for key, value in tags().items()}
    routed = {**principal, **VPC, "aws:RequestedRegion": "us-west-2"}
    outside = without(routed, "aws:SourceVpc")
    assert not wrong(
        (ask(world, "SessionRole", action, MODEL, context, broad=True), allowed)
        for action, context, allowed in (
            ("bedrock:InvokeModel", routed, True),
            ("bedrock:GetFoundationModel", routed, False),
            ("bedrock:InvokeModel", outside, False),
        )
    )


HOME = "10.0.0.5"
PINS: dict[str, tuple[Context, Context, bool]] = {
    "from its address": (tags(task_ip=HOME), {**VPC, "aws:VpcSourceIp": HOME}, True),
    "from another address": (tags(task_ip=HOME), {**VPC, "aws:VpcSourceIp": "10.0.0.6"}, False),
    "from an address that begins alike": (tags(task_ip=HOME), {**VPC, "aws:VpcSourceIp": "10.0.0.50"}, False),
    "from no known address": (tags(task_ip=HOME), VPC, False),
    "without a pin": (tags(), {**VPC, "aws:VpcSourceIp": HOME}, False),
    "with an empty pin": (tags(task_ip=""), {**VPC, "aws:VpcSourceIp": ""}, False),
    "with a pattern as pin": (tags(task_ip="*"), {**VPC, "aws:VpcSourceIp": HOME}, False),
    "in another VPC": (tags(task_ip=HOME), {**VPC, "aws:SourceVpc": "vpc-2", "aws:VpcSourceIp": HOME}, False),
    "by an AWS service": (
        tags(task_ip=HOME),
        {"aws:ViaAWSService": "true", "aws:RequestedRegion": "us-east-1"},
        True,
    ),
    "by an AWS service, without a pin": (
        tags(),
        {"aws:ViaAWSService": "true", "aws:RequestedRegion": "us-east-1"},
        False,
    ),
}


@pytest.mark.parametrize("broad", [False, True])
def test_a_pinned_session_is_used_from_its_address_only(broad: bool) -> None:
    """A missing pin denies, and so does every other address, under a broad Allow too."""
    world = bound(pinned=True)
    assert not wrong(
        (get_item(world, carried, context, broad=broad), allowed) for carried, context, allowed in PINS.values()
    )
