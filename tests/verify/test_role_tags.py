"""Tags on a role itself: they are principal tags of every session the role has."""

import pytest

from session_scoping.verify import Status
from tests.support.verify.hand_written import (
    BUCKET,
    COMPUTE,
    SESSION,
    TABLE,
    allow,
    by_hand,
    document,
    judged,
    policy,
    role,
    table,
    trust,
)
from tests.support.verify.mutations import Body, Template

BY_TEAM = {"StringEquals": {"aws:PrincipalTag/team": "agents"}}
AS_SERVICE = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})


def compute(*teams: str, **more: object) -> Body:
    """Return a compute role with a tag on it for each team named."""
    return role(AS_SERVICE, Tags=[{"Key": "team", "Value": team} for team in teams], **more)


def table_for(principal: object) -> Body:
    """Return a table whose own policy lets somebody read by the tag."""
    statement = allow("dynamodb:GetItem", "*", Principal=principal, Condition=BY_TEAM)
    found = table()
    found["Properties"]["ResourcePolicy"] = {"PolicyDocument": document(statement)}
    return found


def bucket_policy() -> Body:
    """Return a bucket policy that lets the compute role read by the tag."""
    resource = {"Fn::Join": ["", [BUCKET, "/*"]]}
    statement = allow("s3:GetObject", resource, Principal={"AWS": COMPUTE}, Condition=BY_TEAM)
    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(statement)},
    }


GRANTS: dict[str, dict[str, Body]] = {
    "a bucket policy": {"Opening": bucket_policy()},
    "a table policy for the role": {"Table": table_for({"AWS": COMPUTE})},
    "a table policy for everybody": {"Table": table_for("*")},
}


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize(
    ("teams", "status"),
    [(("agents",), Status.VIOLATED), (("people",), Status.PROVED), ((), Status.PROVED)],
    ids=["its tag", "another value", "no tag"],
)
def test_a_grant_by_a_tag_reaches_the_compute_role_that_has_it(
    grant: str, teams: tuple[str, ...], status: Status
) -> None:
    """The role's own tag opens what a policy gives to its value, and nothing else."""
    (result,) = judged(by_hand(**GRANTS[grant], Compute=compute(*teams)), "compute-isolation")
    assert result.status is status, result.detail


def test_a_boundary_by_a_tag_the_role_has_is_no_limit() -> None:
    """What the boundary allows by the role's own tag stays possible."""
    boundary = allow("*", "*", Condition=BY_TEAM)
    template = by_hand(
        Compute=compute("agents", PermissionsBoundary={"Ref": "Limit"}),
        Restriction={"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document(boundary)}},
        Opening=policy("Compute", allow("dynamodb:GetItem", TABLE)),
    )
    (result,) = judged(template, "compute-isolation")
    assert result.status is Status.VIOLATED, result.detail


@pytest.mark.parametrize(
    ("actions", "status"),
    [("sts:AssumeRole", Status.PROVED), (["sts:AssumeRole", "sts:TagSession"], Status.VIOLATED)],
    ids=["no tags", "any tags"],
)
def test_who_may_pass_tags_to_a_compute_role_chooses_what_it_reaches(actions: object, status: Status) -> None:
    """A trust policy with `sts:TagSession` lets its principals give the role's sessions any tag."""
    starter = {"Fn::GetAtt": ["Starter", "Arn"]}
    template = by_hand(
        Starter=role(AS_SERVICE),
        Compute=role(allow(actions, Principal={"AWS": starter})),
        **GRANTS["a bucket policy"],
    )
    (result,) = judged(template, "compute-isolation", compute_roles=("Compute",))
    assert result.status is status, result.detail


def chained(tags: list[Body], *keys: str) -> Template:
    """Return a stack with a role that session roles with a tag may become."""
    names = keys or ("task_id", "user_id")
    entry = allow("sts:AssumeRole", Principal={"AWS": SESSION}, Condition=BY_TEAM)
    return by_hand(*names, Session=role(trust(*names), Tags=tags), Data=role(entry))


@pytest.mark.parametrize(
    ("tags", "keys", "status"),
    [
        ([{"Key": "team", "Value": "agents"}], (), Status.VIOLATED),
        ([{"Key": "team", "Value": "people"}], (), Status.PROVED),
        ([], (), Status.PROVED),
        ([], ("task_id", "user_id", "team"), Status.VIOLATED),
    ],
    ids=["the role's tag", "another value", "no tag", "a session tag"],
)
def test_a_session_becomes_a_role_that_trusts_a_tag_of_its_role(
    tags: list[Body], keys: tuple[str, ...], status: Status
) -> None:
    """A trust that asks for a principal tag is met by the tag on the session's role, or by one of the session."""
    (result,) = judged(chained(tags, *keys), "no-chaining")
    assert result.status is status, result.detail
