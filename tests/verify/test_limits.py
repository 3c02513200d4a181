"""Boundaries and Denies part what one grant covers: what is left of it is found, whichever action it is."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from session_scoping.verify import PolicySet, Request, Status, decide
from session_scoping.verify.policies.action_samples import meet
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.model import Deployment
from tests.support.verify.corpus import results_of
from tests.support.verify.internals import deployment_of
from tests.support.verify.mutations import Body, Template
from tests.support.verify.plain_template import allow, arn, document, plain_template, policy, sub


def limited(role: str, *statements: Body, boundary: list[Body] | None = None) -> Template:
    """Return the plain template with more statements on a role, and a boundary."""
    template = plain_template()
    template["Resources"]["More"] = policy(role, *statements)
    if boundary is not None:
        managed = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document(*boundary)}}
        template["Resources"]["Bound"] = managed
        template["Resources"][role]["Properties"]["PermissionsBoundary"] = {"Ref": "Bound"}
    return template


def outcome(template: Template, rule: str, *, masked_grants: bool = False) -> Status:
    """Return what one rule says."""
    (result,) = results_of(template, rule, masked_grants=masked_grants)
    return result.status


OWN_WORK = [allow(["dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:PutObject"], "*")]
BOUNDED: dict[str, tuple[str, Any, Any, list[Body]]] = {
    "scan": ("dynamodb:*", arn("Table"), "compute", [allow(["dynamodb:GetItem", "dynamodb:Scan"], "*")]),
    "items": ("dynamodb:*", arn("Table"), "compute", [allow(["dynamodb:GetItem", "dynamodb:PutItem"], "*")]),
    "but batches": ("dynamodb:*", arn("Table"), "compute", [
        allow("*", "*"), {"Effect": "Deny", "Action": "dynamodb:Batch*", "Resource": "*"}]),
    "objects": ("s3:*", sub("${Bucket.Arn}/*"), "compute", [allow(["s3:GetObject", "s3:PutObject"], "*")]),
    "a new action": ("dynamodb:*", arn("Table"), "compute", [allow("dynamodb:BrandNewRead", "*")]),
    "new actions": ("dynamodb:*", arn("Table"), "compute", [allow("dynamodb:Brand*", "*")]),
    "a replica": ("dynamodb:Scan", "*", "compute", [
        allow("*", sub("arn:aws:dynamodb:eu-west-2:${AWS::AccountId}:table/${Table}"))]),
    "an index": ("dynamodb:*", {"Fn::Join": ["", [arn("Table"), "/index/*"]]}, "session", [
        *OWN_WORK[:1], allow("dynamodb:Query", "*")]),
    "a queue": ("sqs:*", "*", "session", [*OWN_WORK, allow("sqs:SendMessage", "*")]),
    "its sending": ("sqs:Send*", "*", "session", [*OWN_WORK, allow("sqs:SendMessage", "*")]),
    "half a name": ("sqs:*Message", "*", "session", [*OWN_WORK, allow("sqs:Send*", "*")]),
    "everything": ("*", "*", "session", [*OWN_WORK, allow("codecommit:GitPull", "*")]),
}  # fmt: skip


@pytest.mark.parametrize("case", BOUNDED)
def test_what_a_boundary_leaves_of_a_wide_grant_is_found(case: str) -> None:
    """The boundary takes away the actions one would have tried first, and leaves one that reaches further."""
    action, resource, who, boundary = BOUNDED[case]
    role, rule = ("Compute", "compute-isolation") if who == "compute" else ("Session", "allowed-actions")
    template = limited(role, allow(action, resource), boundary=boundary)
    if who == "compute":
        template["Resources"]["Bound"]["Properties"]["PolicyDocument"]["Statement"].append(allow("sts:*", "*"))
    assert outcome(template, rule) is Status.VIOLATED


@pytest.mark.parametrize("case", BOUNDED)
def test_a_boundary_that_leaves_nothing_is_proved(case: str) -> None:
    """The same grants under a boundary that names none of it reach nothing."""
    action, resource, who, _ = BOUNDED[case]
    role, rule = ("Compute", "compute-isolation") if who == "compute" else ("Session", "allowed-actions")
    boundary = [allow("sts:*", arn("Session"))] if who == "compute" else OWN_WORK
    if case in {"an index", "everything"}:  # own work on an index is what the boundary lets through
        boundary = [allow(["s3:GetObject", "s3:PutObject"], sub("${Bucket.Arn}/traces/*"))]
    assert outcome(limited(role, allow(action, resource), boundary=boundary), rule) is Status.PROVED


DENIED: dict[str, tuple[str, Body]] = {
    "the one tried": ("sqs:*", {"Effect": "Deny", "Action": "sqs:ReceiveMessage", "Resource": "*"}),
    "all but one": ("sqs:*", {
        "Effect": "Deny", "NotAction": ["dynamodb:*", "s3:*", "sqs:SendMessage"], "Resource": "*"}),
    "all but some": ("sns:*", {
        "Effect": "Deny", "NotAction": ["dynamodb:*", "s3:*", "sns:Pub*"], "Resource": "*"}),
}  # fmt: skip


@pytest.mark.parametrize("masked_grants", [False, True])
@pytest.mark.parametrize("case", DENIED)
def test_what_a_deny_leaves_of_a_wide_grant_is_found(case: str, masked_grants: bool) -> None:
    """A Deny with exceptions lets an action through that no list has."""
    action, deny = DENIED[case]
    template = limited("Session", allow(action, "*"), deny)
    assert outcome(template, "allowed-actions", masked_grants=masked_grants) is Status.VIOLATED


def test_what_a_store_s_own_policy_grants_by_a_new_name_is_found() -> None:
    """A bucket policy that gives the session an action no list has is not passed over."""
    template = plain_template()
    statement = {**allow("s3:PutBucketSomethingNew", arn("Bucket")), "Principal": {"AWS": arn("Session")}}
    properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(statement)}
    template["Resources"]["Open"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    assert outcome(template, "allowed-actions") is Status.VIOLATED


def test_forging_that_a_boundary_parts_is_found() -> None:
    """Of several ways to forge a token, the one the boundary leaves is tried."""
    from tests.support.verify.mutations import without_guards
    from tests.verify.test_by_hand import variant

    template = without_guards(variant("credentialBroker"))
    resources = template["Resources"]
    key = next(i for i, body in resources.items() if body["Type"] == "AWS::KMS::Key" and "Sign" in str(body))
    role = next(i for i in resources if i.startswith("EcsTaskRole") and resources[i]["Type"] == "AWS::IAM::Role")
    resources["More"] = policy(role, allow("kms:*", arn(key)))
    assert outcome(template, "token-minting") is Status.VIOLATED
    bound = document(allow("kms:PutKeyPolicy", "*"))
    resources["Bound"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": bound}}
    resources[role]["Properties"]["PermissionsBoundary"] = {"Ref": "Bound"}
    assert outcome(template, "token-minting") is Status.VIOLATED


PATTERNS = ("*", "s?s:*", "sqs:*", "sqs:Send*", "sqs:*Message", "SQS:sendmessage", "sqs:Se?dMessage", "sqs:Send*Batch*")
NAMES = ("sqs:SendMessage", "sqs:SendMessageBatch", "sqs:ReceiveMessage", "sns:Publish", "sqs:SendMess")


@pytest.mark.parametrize("one", [*PATTERNS, *NAMES])
@pytest.mark.parametrize("other", [*PATTERNS, *NAMES])
def test_two_patterns_meet_in_an_action_both_cover(one: str, other: str) -> None:
    """What `meet` returns both match; where a known action matches both, it returns something."""
    from session_scoping.verify.patterns.matching import action_matches

    found = meet(one, other)
    if found is not None:
        assert action_matches(one, found)
        assert action_matches(other, found)
    else:
        assert not any(action_matches(one, name) and action_matches(other, name) for name in NAMES)


TRIED = (
    "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:BatchGetItem", "dynamodb:ExportTableToPointInTime",
    "dynamodb:BrandNewRead", "s3:GetObject", "s3:GetObjectVersion", "s3:PutBucketPolicy", "s3:BrandNewWrite",
    "iam:PutRolePolicy",
)  # fmt: skip
ACTIONS = st.lists(
    st.sampled_from((*TRIED, "dynamodb:*", "dynamodb:Batch*", "dynamodb:*Item", "s3:*", "s3:Get*", "s3:*Policy", "*")),
    min_size=1, max_size=3,
)  # fmt: skip
RESOURCES = ("*", arn("Table"), arn("Bucket"), sub("${Bucket.Arn}/*"))


@st.composite
def statements(draw: st.DrawFn, effects: tuple[str, ...] = ("Allow", "Deny")) -> Body:
    """Draw a statement without conditions."""
    element = draw(st.sampled_from(("Action", "Action", "NotAction")))
    found = {"Effect": draw(st.sampled_from(effects)), element: draw(ACTIONS)}
    return {**found, "Resource": draw(st.sampled_from(RESOURCES))}


COUNT: Counter[str] = Counter()


def reached(deployment: Deployment) -> list[str]:
    """Return what `decide` lets the compute role do to tenant data, or to roles."""
    binding = Binding()
    role = next(role for role in deployment.roles.values() if role.id.endswith("Compute"))
    boundary = None if role.boundary is None else binding.statements(role.boundary)
    policies = PolicySet(binding.statements(role.identity), boundary)
    arns = [binding.text(store.arn) for store in deployment.stores.values()]
    places = [*arns, *(f"{text}/x" for text in arns), "arn:aws:iam::111122223333:role/x"]
    found = []
    for action, place in ((action, place) for action in TRIED for place in places):
        fits = place.split(":")[2] == action.partition(":")[0]
        if "Object" in action or "BucketPolicy" in action:
            fits = fits and place.endswith("/x") == ("Object" in action)
        if fits and decide(Request(action, place, {}), policies).allowed:
            found.append(f"{action} on {place}")
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(own=st.lists(statements(), min_size=1, max_size=3), bound=st.lists(statements(), min_size=1, max_size=3))
@example(own=[allow("*", "*")], bound=[allow(["sts:*"], "*")])
@example(own=[allow("*", "*")], bound=[allow(["dynamodb:Scan"], "*")])
def _hold(own: list[Body], bound: list[Body]) -> None:
    template = limited("Compute", *own, boundary=bound)
    status = outcome(template, "compute-isolation", masked_grants=True)
    COUNT[status.value] += 1
    if status is Status.PROVED:
        assert reached(deployment_of(template)) == []


def test_what_decide_lets_a_compute_role_do_under_a_boundary_is_never_proved() -> None:
    """Random grants under random boundaries; neither verdict is rare."""
    COUNT.clear()
    _hold()
    assert COUNT["PROVED"] >= 10
    assert COUNT["VIOLATED"] >= 10
