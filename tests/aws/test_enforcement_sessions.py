"""Whose keys sign: what the fixture cannot hold against a policy it refuses, what it can it holds against all of it."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing.enforcement import Enforce, EnforcedPolicies
from tests.support.verify.mutations import Template
from tests.support.verify.plain_template import allow, arn, document, keyed, plain_template, policy

pytest_plugins = ["session_scoping.testing.enforcement"]

OWN = {"task_id": "t1", "user_id": "u1"}


def template() -> Template:
    """Return the plain template with names, and a tool that sessions may become."""
    found = plain_template()
    tags = {"StringEquals": {f"aws:RequestTag/{tag}": f"${{aws:PrincipalTag/{tag}}}" for tag in OWN}}
    trust = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": arn("Session")}}
    properties = {"AssumeRolePolicyDocument": document({**trust, "Condition": tags})}
    resources = found["Resources"]
    resources["Tool"] = {"Type": "AWS::IAM::Role", "Properties": properties}
    resources["ToolRows"] = policy(
        "Tool", allow("dynamodb:GetItem", arn("Table"), Condition=keyed("${aws:PrincipalTag/task_id}"))
    )
    resources["Become"] = policy("Session", allow(["sts:AssumeRole", "sts:TagSession"], arn("Tool")))
    resources["Table"]["Properties"]["AttributeDefinitions"] = [{"AttributeName": "task_id", "AttributeType": "S"}]
    # Without it the trust admits nobody who hands tags on, and a tool's session would inherit nothing.
    resources["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"].pop("Null")
    return found


def mint(
    policies: EnforcedPolicies, role: str = "Session", by: boto3.Session | None = None, **more: Any
) -> boto3.Session:
    """Return a session of a role, made by the compute role or by another session."""
    with policies.as_role("Compute"):
        client: Any = (by or boto3.Session()).client("sts", region_name="us-east-1")
        tags = {} if by else {"Tags": [{"Key": key, "Value": value} for key, value in OWN.items()]}
        keys = client.assume_role(RoleArn=policies.arn(role), RoleSessionName="session", **tags, **more)["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="us-east-1")


def reads(policies: EnforcedPolicies, session: boto3.Session, task: str) -> bool:
    """Whether a session reads a row."""
    client: Any = session.client("dynamodb")
    try:
        client.get_item(TableName=policies.name("Table"), Key={"task_id": {"S": task}})
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            return False
        raise
    return True


@pytest.fixture
def policies(enforced_policies: Enforce) -> EnforcedPolicies:
    """The template, enforced and deployed."""
    found: EnforcedPolicies = enforced_policies(template())
    found.deploy(boto3.Session())
    return found


def test_a_session_policy_takes_away(policies: EnforcedPolicies) -> None:
    """A session with a policy of its own does what both allow; one without, what its role's allow."""
    nothing = json.dumps(document(allow("s3:GetObject", "*")))
    rows = json.dumps(document(allow("dynamodb:*", "*")))
    assert reads(policies, mint(policies), "t1")
    assert reads(policies, mint(policies, Policy=rows), "t1")
    assert not reads(policies, mint(policies, Policy=rows), "t2")
    assert not reads(policies, mint(policies, Policy=nothing), "t1")


def test_a_tool_has_the_tags_its_session_hands_on(policies: EnforcedPolicies) -> None:
    """Transitive tags go along, and cannot be other ones; a session that hands none on becomes no tool."""
    tool = mint(policies, "Tool", mint(policies, TransitiveTagKeys=list(OWN)))
    assert reads(policies, tool, "t1")
    assert not reads(policies, tool, "t2")
    with pytest.raises(ClientError, match="not authorized to perform sts:AssumeRole"):
        mint(policies, "Tool", mint(policies))


def test_a_role_s_own_tag_counts_where_the_session_has_none(enforced_policies: Enforce) -> None:
    """A tag on the role is a principal tag of every session that does not carry the key."""
    tagged = template()
    tagged["Resources"]["Compute"]["Properties"]["Tags"] = [{"Key": "task_id", "Value": "t9"}]
    own_rows = allow("dynamodb:GetItem", arn("Table"), Condition=keyed("${aws:PrincipalTag/task_id}"))
    tagged["Resources"]["More"] = policy("Compute", own_rows)
    tagged["Resources"]["Session"]["Properties"]["Tags"] = [{"Key": "Task_Id", "Value": "t9"}]
    policies: EnforcedPolicies = enforced_policies(tagged)
    policies.deploy(boto3.Session())
    with policies.as_role("Compute"):
        assert reads(policies, boto3.Session(region_name="us-east-1"), "t9")
        assert not reads(policies, boto3.Session(region_name="us-east-1"), "t1")
    session = mint(policies)
    assert reads(policies, session, "t1")
    assert not reads(policies, session, "t9")


def test_keys_no_policy_would_hold_for_are_refused(policies: EnforcedPolicies) -> None:
    """By web identity, for a session token, for another role, with managed session policies: an error, and no keys."""
    sts: Any = boto3.client("sts", region_name="us-east-1")
    with pytest.raises(InvalidInputError, match="AssumeRoleWithWebIdentity is not enforced"):
        sts.assume_role_with_web_identity(
            RoleArn=policies.arn("Session"), RoleSessionName="session", WebIdentityToken="token-of-an-agent"
        )
    with pytest.raises(InvalidInputError, match="GetSessionToken is not enforced"):
        sts.get_session_token()
    with pytest.raises(InvalidInputError, match="not in the templates cannot be assumed"):
        sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/Another", RoleSessionName="session")
    with pytest.raises(InvalidInputError, match="managed session policies"):
        mint(policies, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])
    for broken in ("{", "[]", '{"Version": "2012-10-17"}'):
        with pytest.raises(InvalidInputError, match="the session policy is not an IAM policy"):
            mint(policies, Policy=broken)
    assert policies._sessions == {}


def test_the_source_identity_goes_along(enforced_policies: Enforce) -> None:
    """A session has the source identity it was made with, and needs a permission to set one."""
    named = template()
    statements = named["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    statements[0]["Action"].append("sts:SetSourceIdentity")
    named["Resources"]["Mint"]["Properties"]["PolicyDocument"]["Statement"][0]["Action"].append("sts:SetSourceIdentity")
    rows = named["Resources"]["Rows"]["Properties"]["PolicyDocument"]["Statement"][0]
    rows["Condition"]["StringEquals"] = {"aws:SourceIdentity": "agent"}
    policies: EnforcedPolicies = enforced_policies(named)
    policies.deploy(boto3.Session())
    assert reads(policies, mint(policies, SourceIdentity="agent"), "t1")
    assert not reads(policies, mint(policies, SourceIdentity="other"), "t1")
    assert not reads(policies, mint(policies), "t1")
    without: EnforcedPolicies = enforced_policies(template())
    with pytest.raises(ClientError, match="sts:SetSourceIdentity"):
        mint(without, SourceIdentity="agent")


@pytest.mark.parametrize("name", ["Table", "Nothing", "", "Bucket"])
def test_what_is_no_role_cannot_be_acted_as(name: str, policies: EnforcedPolicies) -> None:
    """A table, a typing error, and the beginning of many names are refused with one sentence."""
    with pytest.raises(InvalidInputError, match="names no single resource"), policies.as_role(name):
        pass


def test_a_table_and_a_role_of_one_name_are_two_things(enforced_policies: Enforce) -> None:
    """An ARN is that of the logical id, whatever else has the same physical name."""
    alike = template()
    alike["Resources"]["Table"]["Properties"]["TableName"] = "tasks"
    alike["Resources"]["Tool"]["Properties"]["RoleName"] = "tasks"
    policies: EnforcedPolicies = enforced_policies(alike)
    assert policies.arn("Table").endswith(":table/tasks")
    assert policies.arn("Tool").endswith(":role/tasks")


@pytest.mark.parametrize("source", [{}, {"Parameters": {}}, 7, None])
def test_what_is_no_template_is_refused(source: Any, enforced_policies: Enforce) -> None:
    """Nothing to enforce is an error of ours."""
    with pytest.raises(InvalidInputError, match="no template"):
        enforced_policies(source)
