"""What session roles of ordinary apps hold besides keyed items and objects, and how their trust policies spell it."""

import copy
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.verify.hand_written import BUCKET, COMPUTE, allow, by_hand, document, judged, policy
from tests.support.verify.mutations import Template

OWN = "traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/"
LIST = "s3:ListBucket"


def listing(action: Any = LIST, resource: Any = BUCKET, **condition: Any) -> Template:
    """Return a stack whose session lists a bucket under conditions."""
    return by_hand(List=policy("Session", allow(action, resource, Condition=condition or {})))


OWN_NAMES: dict[str, Template] = {
    "a prefix": listing(StringLike={"s3:prefix": OWN + "*"}),
    "the prefix itself": listing(StringEquals={"s3:prefix": OWN}),
    "prefixes below it": listing(StringLike={"s3:prefix": [OWN, OWN + "logs/*"]}),
    "versions": listing(["s3:ListBucket", "s3:ListBucketVersions"], StringLike={"s3:prefix": [OWN + "*"]}),
    "of uploads, which know no prefix": listing("s3:ListBucketMultipartUploads", StringLike={"s3:prefix": OWN + "*"}),
    "over TLS": listing(StringLike={"s3:prefix": OWN + "*"}, Bool={"aws:SecureTransport": "true"}),
}
OTHER_NAMES: dict[str, Template] = {
    "everything": listing(),
    "the top too": listing(StringLike={"s3:prefix": ["", OWN + "*"]}),
    "a user's": listing(StringLike={"s3:prefix": "traces/${aws:PrincipalTag/user_id}/*"}),
    "tasks that begin alike": listing(StringLike={"s3:prefix": OWN.removesuffix("/") + "*"}),
    "any, if it says one": listing(StringLikeIfExists={"s3:prefix": OWN + "*"}),
    "any, as a set": listing(**{"ForAllValues:StringLike": {"s3:prefix": OWN + "*"}}),
    "all but one's own": listing(StringNotLike={"s3:prefix": OWN + "*"}),
    "of every bucket": listing(resource="arn:aws:s3:::*", StringLike={"s3:prefix": OWN + "*"}),
    "by another key": listing(StringLike={"s3:delimiter": OWN + "*"}),
}


@pytest.mark.parametrize("case", OWN_NAMES)
def test_a_session_may_list_its_own_prefix(case: str) -> None:
    """The names of its own objects are its own."""
    report = verify(OWN_NAMES[case])
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize("case", OTHER_NAMES)
def test_a_session_may_not_list_more_than_its_own_prefix(case: str) -> None:
    """The names of others' objects say who they are."""
    assert {result.status for result in judged(OTHER_NAMES[case], "allowed-actions")} != {Status.PROVED}


@pytest.mark.parametrize("role", ["Session", "Compute"])
def test_actions_that_need_no_permission_open_nothing(role: str) -> None:
    """Policies list them all the same."""
    actions = ["sts:GetCallerIdentity", "dynamodb:TransactGetItems", "dynamodb:TransactWriteItems"]
    report = verify(by_hand(More=policy(role, allow(actions, "*"))))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def test_a_prefix_made_of_a_tag_with_a_slash_is_not_one_session_s() -> None:
    """`a/b` lies below `a`, so listing `a` shows it."""
    template = copy.deepcopy(OWN_NAMES["a prefix"])
    resources = template["Resources"]
    own = {"Fn::Sub": "${Bucket.Arn}/" + OWN.replace("{", "{!") + "*"}
    resources["SessionPolicy"] = policy("Session", {"Effect": "Deny", "Action": "s3:GetObject", "NotResource": own})
    (statement,) = resources["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Condition"].pop("StringNotLike")
    assert {result.status for result in judged(template, "allowed-actions")} != {Status.PROVED}


MODEL = "arn:aws:bedrock:*::foundation-model/anthropic.model-v1"


@pytest.mark.parametrize(
    ("resources", "status"),
    [
        ([MODEL], Status.PROVED),
        (["arn:aws:bedrock:*::foundation-model/*"], Status.VIOLATED),
        ([MODEL, "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.model-v1"], Status.VIOLATED),
    ],
)
def test_a_model_named_in_every_region_is_used_through_its_profile_where_there_is_one(
    resources: list[str], status: Status
) -> None:
    """Without a profile a named model is a named model; beside one it opens a way around."""
    template = by_hand(Model=policy("Session", allow("bedrock:InvokeModel", resources)))
    assert {result.status for result in judged(template, "allowed-actions")} == {status}


ROOT = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}


def trusting(**condition: Any) -> Template:
    """Return a stack whose session role trusts the account, under further conditions."""
    template = by_hand()
    (statement,) = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"AWS": ROOT}
    for operator, block in condition.items():
        statement["Condition"].setdefault(operator, {}).update(block)
    return template


@pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike", "StringEquals", "StringLike", "ArnEqualsIfExists"])
def test_an_account_of_which_a_condition_names_one_role_is_that_role(operator: str) -> None:
    """AWS advises this spelling where a role may be deleted and made again."""
    report = verify(trusting(**{operator: {"aws:PrincipalArn": COMPUTE}}))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}}},
        {"ArnNotEquals": {"aws:PrincipalArn": COMPUTE}},
        {"ForAllValues:ArnEquals": {"aws:PrincipalArn": COMPUTE}},
    ],
)
def test_an_account_of_which_no_condition_names_one_role_is_not_proved(condition: Any) -> None:
    """Whoever the account's policies allow may make sessions."""
    assert not verify(trusting(**condition)).proved


@pytest.mark.parametrize(("path", "status"), [("/", Status.PROVED), ("/ops/", Status.VIOLATED)])
def test_a_bucket_s_policy_for_roles_under_a_path_is_not_for_others(path: str, status: Status) -> None:
    """A role's name holds no slash, so a session role without a path is none of `role/ops/*`."""
    named = {"ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/ops/*"}}}
    opened = allow("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}, Principal="*", Condition=named)
    bucket_policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(opened)},
    }
    template = by_hand(Opened=bucket_policy)
    template["Resources"]["Session"]["Properties"]["Path"] = path
    assert {result.status for result in judged(template, "object-isolation")} == {status}
