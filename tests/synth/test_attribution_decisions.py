"""An independent simulator decides who may make an attributed or bound session, and what it may do."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from session_scoping import Models, SessionBrokerRole, TenantTable, WebIdentity, WorkloadBinding
from session_scoping.contract.tags import DEFAULT_TAG_KEYS
from tests.support import cases, stacks
from tests.support.matrix import TAGS, Case, failures
from tests.support.matrix.minting import tagged
from tests.support.world import ACCOUNT, World

SONNET = "anthropic.claude-sonnet-4-6"
MODEL = f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"
OTHER_MODEL = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
SUBJECT = "system:serviceaccount:agents:runtime"
VPC = {"aws:SourceVpc": "vpc-1", "aws:RequestedRegion": "us-east-1", "aws:ViaAWSService": "false"}
MINTS = ("sts:AssumeRole", "sts:SetSourceIdentity")
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


def ask(
    role: str, action: str, resource: str, context: Context, allowed: bool, tags: Context | None = None, **more: Any
) -> Case:
    """Return one request of a role; without tags it is no session of a task."""
    return Case(f"with {dict(context)}", role, action, resource, allowed, dict(context), dict(tags or {}), **more)


# --- who may make an attributed session -------------------------------------------------------------------------------

IDENTITIES: dict[str | None, bool] = {
    **{row["text"]: row["tenant"] == "acme" for row in cases("source_identities") if row["legal"]},
    "": False,
    None: False,
}


def carrying(key: str, identity: str | None) -> dict[str, str]:
    """Return the context of a request with this source identity, or with none."""
    return {} if identity is None else {key: identity}


def test_a_session_is_made_with_a_source_identity_of_its_tenant_only() -> None:
    """No identity, another tenant's, one that only begins alike: none of them is let through."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    asked = [
        ask("Dispatcher", action, arn, carrying("sts:SourceIdentity", identity), allowed, target="BrokerRole")
        for action in MINTS
        for identity, allowed in IDENTITIES.items()
    ]
    assert failures(world, asked, ["deployed"]) == []


def test_a_role_that_is_no_caller_makes_no_session() -> None:
    """A broad Allow of its own and the right identity are worth nothing: the trust policy decides."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    context = {"sts:SourceIdentity": "agent=acme=s-1"}
    asked = [ask("Stranger", action, arn, context, False, target="BrokerRole") for action in MINTS]
    assert failures(world, asked, ["deployed", "everything"]) == []


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
    asked = [
        ask("Dispatcher", "sts:TagSession", arn, {"aws:TagKeys": keys} if keys else {}, allowed, target="BrokerRole")
        for keys, allowed in PODS
    ]
    assert failures(world, asked, ["deployed"]) == []


def test_a_caller_may_assume_this_role_and_no_other() -> None:
    """Its permission is one ARN, under the tenant's form."""
    world = attributed()
    arn = world.role("BrokerRole").arn
    named = {"sts:SourceIdentity": "agent=acme=s-1"}
    rows = [(arn, named, True), (f"{arn}2", named, False), (arn, {}, False)]
    asked = [ask("Dispatcher", action, *row) for action in MINTS for row in rows]
    assert failures(world, asked, ["deployed"]) == []


# --- what an attributed session may do --------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["deployed", "allows only", "everything"])
def test_a_session_acts_under_its_tenants_identity_only(variant: str) -> None:
    """The Allows ask for the identity, and the guard holds when a colleague allows everything."""
    asked = [
        ask("BrokerRole", "bedrock:InvokeModel", MODEL, carrying("aws:SourceIdentity", identity), allowed)
        for identity, allowed in IDENTITIES.items()
        if identity != ""
    ]
    assert failures(attributed(), asked, [variant]) == []


def test_an_unattributed_session_is_denied_whatever_was_allowed() -> None:
    """A colleague's loose trust statement makes a session; it can do nothing."""
    anything = (
        ("s3:GetObject", "arn:aws:s3:::any/key"),
        ("dynamodb:Scan", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/any"),
        ("bedrock:InvokeModel", OTHER_MODEL),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x"),
    )
    asked = [
        ask("BrokerRole", action, resource, carrying("aws:SourceIdentity", identity), bool(identity))
        for action, resource in anything
        for identity in (None, "agent=acme=s-1")
    ]
    assert failures(attributed(), asked, ["everything"]) == []


def test_a_session_reaches_its_models_and_nothing_else() -> None:
    """Nothing but what was given."""
    identity = {"aws:SourceIdentity": "agent=acme=s-1"}
    asked = [
        ask("BrokerRole", "bedrock:InvokeModelWithResponseStream", MODEL, identity, True),
        ask("BrokerRole", "bedrock:InvokeModel", OTHER_MODEL, identity, False),
        ask("BrokerRole", "s3:GetObject", "arn:aws:s3:::any/key", identity, False),
    ]
    assert failures(attributed(), asked, ["deployed"]) == []


def test_a_session_goes_on_to_the_named_role_and_to_no_other() -> None:
    """Even a careless `*` opens no other role, and no other way leads to credentials."""
    world = attributed()
    identity = {"aws:SourceIdentity": "agent=acme=s-1"}
    there, elsewhere = world.role("Next").arn, world.role("Stranger").arn
    chain = ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")
    onward = [ask("BrokerRole", action, there, identity, True, target="Next") for action in chain]
    assert failures(world, onward, ["deployed"]) == []
    lost = [(action, "*") for action in ("sts:GetFederationToken", "sts:GetSessionToken", "sts:AssumeRoot")]
    lost += [(action, arn) for action in chain for arn in (elsewhere, f"{there}2")]
    asked = [ask("BrokerRole", action, resource, identity, False) for action, resource in lost]
    assert failures(world, asked, ["everything"]) == []


def test_the_role_further_on_asks_for_the_identity_itself() -> None:
    """Its trust policy admits the broker's sessions with the tenant's identity, and none without."""
    world = attributed()
    there = world.role("Next").arn
    asked = [
        ask("BrokerRole", "sts:AssumeRole", there, carrying("aws:SourceIdentity", identity), allowed, target="Next")
        for identity, allowed in ((None, False), ("agent=other=s-1", False), ("agent=acme=s-1", True))
    ]
    assert failures(world, asked, ["trust alone"]) == []


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
        restrictions=[WorkloadBinding(vpc="vpc-1", task_ip=pinned)],
    )
    return World(stacks.template(stack))


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
    arn = world.role("SessionRole").arn
    asked = [
        ask("Compute", action, arn, {**tagged(TAGS), **context}, allowed, target="SessionRole")
        for action in ("sts:AssumeRole", "sts:TagSession")
        for context, allowed in PLACES.values()
    ]
    assert failures(world, asked, ["deployed"]) == []


def get_item(world: World, tags: Context, context: Context, allowed: bool) -> Case:
    """Return a session's request for its own row."""
    table = world.arn("Tasks", "AWS::DynamoDB::Table")
    return ask("SessionRole", "dynamodb:GetItem", table, {**context, "dynamodb:LeadingKeys": ["T1"]}, allowed, tags)


def test_a_bound_session_is_used_in_its_vpc_only() -> None:
    """Stolen credentials are denied elsewhere, also when a colleague allows everything; AWS's own calls go on."""
    world = bound(pinned=False)
    asked = [get_item(world, TAGS, context, allowed) for context, allowed in REQUESTS.values()]
    assert failures(world, asked, ["deployed", "everything"]) == []


def test_inference_routed_to_another_region_is_not_denied_for_its_region() -> None:
    """Cross-Region inference is authorized where it is routed to; other actions stay in the VPC's Region."""
    routed = {**VPC, "aws:RequestedRegion": "us-west-2"}
    asked = [
        ask("SessionRole", "bedrock:InvokeModel", MODEL, routed, True, TAGS),
        ask("SessionRole", "bedrock:GetFoundationModel", MODEL, routed, False, TAGS),
        ask("SessionRole", "bedrock:InvokeModel", MODEL, without(routed, "aws:SourceVpc"), False, TAGS),
    ]
    assert failures(bound(pinned=False), asked, ["everything"]) == []


HOME = "10.0.0.5"
HERE = {**VPC, "aws:VpcSourceIp": HOME}
BY_AWS = {"aws:ViaAWSService": "true", "aws:RequestedRegion": "us-east-1"}
PINNED = {**TAGS, "task_ip": HOME}
PINS: dict[str, tuple[Context, Context, bool]] = {
    "from its address": (PINNED, HERE, True),
    "from another address": (PINNED, {**VPC, "aws:VpcSourceIp": "10.0.0.6"}, False),
    "from an address that begins alike": (PINNED, {**VPC, "aws:VpcSourceIp": "10.0.0.50"}, False),
    "from no known address": (PINNED, VPC, False),
    "without a pin": (TAGS, HERE, False),
    "with an empty pin": ({**TAGS, "task_ip": ""}, {**VPC, "aws:VpcSourceIp": ""}, False),
    "with a pattern as pin": ({**TAGS, "task_ip": "*"}, HERE, False),
    "in another VPC": (PINNED, {**HERE, "aws:SourceVpc": "vpc-2"}, False),
    "by an AWS service": (PINNED, BY_AWS, True),
    "by an AWS service, without a pin": (TAGS, BY_AWS, False),
}


def test_a_pinned_session_is_used_from_its_address_only() -> None:
    """A missing pin denies, and so does every other address, under a broad Allow too."""
    world = bound(pinned=True)
    asked = [get_item(world, tags, context, allowed) for tags, context, allowed in PINS.values()]
    assert failures(world, asked, ["deployed", "everything"]) == []
