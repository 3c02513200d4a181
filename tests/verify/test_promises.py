"""What a role's Metadata promises of its sessions: proved on a good stack, violated by every weakening."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from session_scoping import Minting, Models, SessionBrokerRole, TenantObjects, WebIdentity, WorkloadBinding
from session_scoping.contract.tags import DEFAULT_TAG_KEYS
from session_scoping.verify import Result, Status, verify
from tests.support import stacks
from tests.support.verify.corpus import results_of

Template = dict[str, Any]
SONNET = "anthropic.claude-sonnet-4-6"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC"


@cache
def attributed() -> Template:
    """A session broker with everything it can have, and no session role beside it."""
    stack = stacks.stack()
    SessionBrokerRole(
        stack,
        "Broker",
        tenant="acme",
        callers=[stacks.role(stack, "Dispatcher"), WebIdentity(ISSUER, "system:serviceaccount:agents:runtime")],
        models=Models.profile("us", [SONNET]) + Models.in_region([SONNET]),
        chain_to=[stacks.role(stack, "Next")],
        pod_identity=True,
        restrictions=[WorkloadBinding(vpc="vpc-1")],
    )
    return stacks.template(stack)


@cache
def bound(*, pinned: bool = False) -> Template:
    """A session role with a table, objects and a model, bound to a VPC of the same template."""
    stack = stacks.stack()
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=1, restrict_default_security_group=False)
    binding = WorkloadBinding(vpc=vpc, task_ip=pinned, endpoints_elsewhere=["sts", "s3", "dynamodb", "bedrock-runtime"])
    stacks.session_role(
        stack,
        objects=[TenantObjects.artifacts(stacks.bucket(stack))],
        models=Models.profile("us", [SONNET]),
        tag_keys=[*DEFAULT_TAG_KEYS, "task_ip"] if pinned else DEFAULT_TAG_KEYS,
        restrictions=[binding],
    )
    return stacks.template(stack)


def result(of: Template, rule: str) -> Result:
    """Return what the verifier says of the one role with such a promise."""
    (found,) = results_of(of, rule)
    return found


_OURS = ("BrokerRole", "BrokerGuards", "BrokerPermissions", "SessionRole", "SessionGuards", "SessionPermissions")


def statements(of: Template, kind: str, sid: str | None = None) -> list[dict[str, Any]]:
    """Return the trust statements of the promising role, or its policies' statements, by Sid where one is given."""
    key = "AssumeRolePolicyDocument" if kind == "trust" else "PolicyDocument"
    found = [
        statement
        for logical_id, resource in of["Resources"].items()
        if key in resource.get("Properties", {}) and logical_id.startswith(_OURS)
        for statement in resource["Properties"][key]["Statement"]
    ]
    return [one for one in found if sid is None or one.get("Sid") == sid]


def test_a_good_broker_is_proved_without_any_session_role() -> None:
    """A role told apart by source identity alone is something to prove, a pod's tags and a web identity included."""
    report = verify(attributed())
    assert report.proved, [(one.rule, one.status, one.detail) for one in report.failures()]
    assert {one.rule for one in report.results} == {"attribution", "workload-binding"}


@pytest.mark.parametrize("pinned", [False, True])
def test_a_good_bound_role_is_proved_in_every_property(pinned: bool) -> None:
    """The binding takes nothing away from what a session needs."""
    report = verify(bound(pinned=pinned))
    assert report.proved, [(one.rule, one.status, one.detail) for one in report.failures()]
    assert "workload-binding" in {one.rule for one in report.results}


# --- weakenings -------------------------------------------------------------------------------------------------------

Weakening = Callable[[Template], None]


def trust(change: Callable[[dict[str, Any]], object]) -> Weakening:
    """Weaken the first trust statement."""

    def apply(of: Template) -> None:
        change(statements(of, "trust")[0]["Condition"])

    return apply


def dropped(sid: str, *, allow: bool = True) -> Weakening:
    """Take a guard away, and let a colleague allow everything."""

    def apply(of: Template) -> None:
        for resource in of["Resources"].values():
            document = resource.get("Properties", {}).get("PolicyDocument", {})
            document["Statement"] = [one for one in document.get("Statement", []) if one.get("Sid") != sid]
        if allow:
            careless(of)

    return apply


def careless(of: Template) -> None:
    """Add a colleague's Allow of everything to the promising role."""
    (role,) = [key for key, one in of["Resources"].items() if "session-scoping:bound-to" in one.get("Metadata", {})]
    statement = {"Sid": "Careless", "Effect": "Allow", "Action": "*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    properties = {"PolicyDocument": document, "PolicyName": "careless", "Roles": [{"Ref": role}]}
    of["Resources"]["Careless"] = {"Type": "AWS::IAM::Policy", "Properties": properties}


def guard(sid: str, change: Callable[[dict[str, Any]], object]) -> Weakening:
    """Weaken a guard's conditions, and let a colleague allow everything."""

    def apply(of: Template) -> None:
        (statement,) = statements(of, "policy", sid)
        change(statement)
        careless(of)

    return apply


def loose(of: Template) -> None:
    """A colleague's trust statement without conditions."""
    (first, *_), extra = statements(of, "trust"), "sts:AssumeRole"
    for resource in of["Resources"].values():
        listed = resource.get("Properties", {}).get("AssumeRolePolicyDocument", {}).get("Statement", [])
        if first in listed:
            listed.append({"Action": extra, "Effect": "Allow", "Principal": first["Principal"]})


UNATTRIBUTED: dict[str, Weakening] = {
    "trust without the condition": trust(lambda c: c.pop("StringLike")),
    "any source identity": trust(lambda c: c["StringLike"].update({"sts:SourceIdentity": "*"})),
    "any agent's": trust(lambda c: c["StringLike"].update({"sts:SourceIdentity": "agent=*"})),
    "another tenant's too": trust(
        lambda c: c["StringLike"].update({"sts:SourceIdentity": ["agent=acme=?*", "agent=other=?*"]})
    ),
    "a tenant that begins alike": trust(lambda c: c["StringLike"].update({"sts:SourceIdentity": "agent=acme*"})),
    "an empty session": trust(lambda c: c["StringLike"].update({"sts:SourceIdentity": "agent=acme=*"})),
    "only if there is one": trust(lambda c: c.update({"StringLikeIfExists": c.pop("StringLike")})),
    "a loose statement": loose,
    "no guard": dropped("DenyUnattributed"),
    "a guard of some services": guard("DenyUnattributed", lambda s: s.update({"Action": "bedrock:*"})),
    "a guard with a way out": guard(
        "DenyUnattributed", lambda s: s.update({"NotAction": "s3:GetObject"}) or s.pop("Action")
    ),
    "a guard where there is an identity": guard(
        "DenyUnattributed", lambda s: s["Condition"].update({"Null": {"aws:SourceIdentity": "false"}})
    ),
    "a guard of one bucket": guard("DenyUnattributed", lambda s: s.update({"Resource": "arn:aws:s3:::a/*"})),
}


@pytest.mark.parametrize("name", UNATTRIBUTED)
def test_a_weakened_attribution_is_violated_with_a_witness(name: str) -> None:
    """Each weakening is found, and the counterexample replays."""
    weak = copy.deepcopy(attributed())
    UNATTRIBUTED[name](weak)
    found = result(weak, "attribution")
    assert found.status is Status.VIOLATED, found.detail
    assert found.counterexample is not None


EQUALS = "StringEquals"
UNBOUND: dict[str, Weakening] = {
    "trust without the VPC": trust(lambda c: c[EQUALS].pop("aws:SourceVpc")),
    "trust without the Region": trust(lambda c: c[EQUALS].pop("aws:RequestedRegion")),
    "another VPC too": trust(lambda c: c[EQUALS].update({"aws:SourceVpc": [c[EQUALS]["aws:SourceVpc"], "vpc-2"]})),
    "another Region too": trust(lambda c: c[EQUALS].update({"aws:RequestedRegion": [{"Ref": "AWS::Region"}, "x"]})),
    "another VPC instead": trust(lambda c: c[EQUALS].update({"aws:SourceVpc": "vpc-2"})),
    "only if there is a VPC": trust(lambda c: c.update({"StringEqualsIfExists": c.pop(EQUALS)})),
    "any VPC": trust(lambda c: (c[EQUALS].pop("aws:SourceVpc"), c.update({"Null": {"aws:SourceVpc": "false"}}))),
    "no guard": dropped("DenyOutsideVpc"),
    "no guard and no Allow beside": dropped("DenyOutsideVpc", allow=False),
    "no guard of the Region": dropped("DenyOtherRegions"),
    "a guard of two VPCs": guard(
        "DenyOutsideVpc", lambda s: s["Condition"]["StringNotEquals"].update({"aws:SourceVpc": ["vpc-1", "vpc-2"]})
    ),
    "a guard where there is a VPC": guard(
        "DenyOutsideVpc",
        lambda s: (
            s["Condition"].update({"StringNotEqualsIfExists": s["Condition"].pop("StringNotEquals")})
            or s["Condition"].update({"Null": {"aws:SourceVpc": "false"}})
        ),
    ),
    "a guard only where AWS says who calls": guard(
        "DenyOutsideVpc", lambda s: s["Condition"].update({"Bool": s["Condition"].pop("BoolIfExists")})
    ),
    "a guard of AWS's own calls": guard(
        "DenyOutsideVpc", lambda s: s["Condition"].update({"BoolIfExists": {"aws:ViaAWSService": "true"}})
    ),
    "a guard with a way out": guard("DenyOutsideVpc", lambda s: s.update({"NotAction": ["s3:*"]}) or s.pop("Action")),
}


@pytest.mark.parametrize("name", UNBOUND)
@pytest.mark.parametrize("kind", ["session", "broker"])
def test_a_weakened_binding_is_violated_with_a_witness(name: str, kind: str) -> None:
    """On either kind of role each weakening is found, and the counterexample replays."""
    weak = copy.deepcopy(bound() if kind == "session" else attributed())
    UNBOUND[name](weak)
    found = result(weak, "workload-binding")
    assert found.status is Status.VIOLATED, found.detail
    assert found.counterexample is not None


UNPINNED: dict[str, Weakening] = {
    "no guard of other addresses": dropped("DenyAwayFromTask"),
    "a guard of one address": guard(
        "DenyAwayFromTask", lambda s: s["Condition"]["StringNotEquals"].update({"aws:VpcSourceIp": "10.0.0.1"})
    ),
    "a guard by another tag": guard(
        "DenyAwayFromTask",
        lambda s: s["Condition"]["StringNotEquals"].update({"aws:VpcSourceIp": "${aws:PrincipalTag/task_id}"}),
    ),
    "a guard where there is an address": guard(
        "DenyAwayFromTask", lambda s: s["Condition"].update({"Null": {"aws:VpcSourceIp": "false"}})
    ),
}


@pytest.mark.parametrize("name", UNPINNED)
def test_a_weakened_pin_is_violated(name: str) -> None:
    """A session that may be used from another address is found."""
    weak = copy.deepcopy(bound(pinned=True))
    UNPINNED[name](weak)
    assert result(weak, "workload-binding").status is Status.VIOLATED


HARMLESS: dict[str, Weakening] = {
    "a careless Allow": careless,
    "a narrower trust": trust(lambda c: c["StringEquals"].update({"aws:PrincipalOrgID": "o-1"})),
    "a guard of AWS's own calls too": lambda of: statements(of, "policy", "DenyOutsideVpc")[0]["Condition"].pop(
        "BoolIfExists"
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_takes_nothing_away_stays_proved(name: str) -> None:
    """The guards hold under a colleague's Allow, and a stricter policy is as good."""
    changed = copy.deepcopy(bound())
    HARMLESS[name](changed)
    assert result(changed, "workload-binding").status is Status.PROVED


def test_an_identity_nobody_may_set_is_no_proof() -> None:
    """Where the trust policy forgets sts:SetSourceIdentity no session can be made at all."""
    broken = copy.deepcopy(attributed())
    for resource in broken["Resources"].values():
        for one in resource.get("Properties", {}).get("AssumeRolePolicyDocument", {}).get("Statement", []):
            if isinstance(one["Action"], list):
                one["Action"] = [action for action in one["Action"] if action != "sts:SetSourceIdentity"]
            elif one["Action"] == "sts:SetSourceIdentity":
                one["Action"] = "sts:GetCallerIdentity"
    assert result(broken, "attribution").status is Status.VACUOUS


def test_a_bucket_policy_that_names_the_role_is_seen() -> None:
    """A resource policy opens what the role's own policies do not; without the guard that is a violation."""
    stack = stacks.stack()
    made = SessionBrokerRole(stack, "Broker", tenant="acme", callers=[stacks.role(stack)])
    bucket: s3.IBucket = stacks.bucket(stack)
    who = [iam.ArnPrincipal(made.role_arn)]
    bucket.add_to_resource_policy(
        iam.PolicyStatement(actions=["s3:GetObject"], principals=list(who), resources=[bucket.arn_for_objects("*")])
    )
    template = stacks.template(stack)
    assert result(template, "attribution").status is Status.PROVED
    dropped("DenyUnattributed", allow=False)(template)
    assert result(template, "attribution").status is not Status.PROVED


@pytest.mark.parametrize("pattern", ["s3:*Object", "*:Get*", "s3:Get?bject"])
def test_an_action_pattern_that_cannot_be_told_apart_is_unknown(pattern: str) -> None:
    """What is not modelled never reads as a proof."""
    odd = copy.deepcopy(bound())
    careless(odd)
    odd["Resources"]["Careless"]["Properties"]["PolicyDocument"]["Statement"][0]["Action"] = pattern
    assert result(odd, "workload-binding").status is Status.UNKNOWN


def test_a_promise_in_the_metadata_opens_nothing() -> None:
    """A role that promises attribution and uses session tags is still proved by its tags."""
    stack = stacks.stack()
    stacks.session_role(stack, minting=Minting.by_orchestrator(stacks.role(stack)))
    template = stacks.template(stack)
    role = template["Resources"][stacks.ref(template, "SessionRole")]
    role.setdefault("Metadata", {})["session-scoping:attributed-to"] = "*"
    rules = {one.rule for one in verify(template).results}
    assert {"session-tags", "partition-isolation", "attribution"} <= rules
