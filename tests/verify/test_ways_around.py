"""Ways around the policies of a session role: other roles, copies, services that serve, what deploys change."""

import json
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import Body, Template, without_guards
from tests.support.verify.plain_template import allow, arn, document, keyed, plain_template, policy, sub
from tests.verify.test_by_hand import variant

ISSUER = "token.actions.githubusercontent.com"
PROVIDER = sub(f"arn:aws:iam::${{AWS::AccountId}}:oidc-provider/{ISSUER}")
NOBODY = "arn:aws:iam::999999999999:root"


def statuses(template: Template, rule: str, **options: Any) -> set[Status]:
    """Return what is said under one rule."""
    return {result.status for result in results_of(template, rule, **options)}


def failing(template: Template, **options: Any) -> set[str]:
    """Return the rules that are not proved."""
    results = verify(template, **options).results
    return {result.rule for result in results if result.status is not Status.PROVED}


def role(*trust: Body, **metadata: Any) -> Body:
    """Return a role."""
    properties = {"AssumeRolePolicyDocument": document(*trust)}
    return {"Type": "AWS::IAM::Role", "Properties": properties, **({"Metadata": metadata} if metadata else {})}


def trusts(principal: Any, action: str = "sts:AssumeRole", **condition: Any) -> Body:
    """Return a statement of a trust policy."""
    found = {"Effect": "Allow", "Action": action, "Principal": principal}
    return {**found, "Condition": condition} if condition else found


def from_github(**claims: Any) -> Body:
    """Return a trust in GitHub's tokens: StringEquals for `aud`, StringLike for `sub`."""
    condition: dict[str, Any] = {
        **({"StringEquals": {f"{ISSUER}:aud": claims["aud"]}} if "aud" in claims else {}),
        **({"StringLike": {f"{ISSUER}:sub": claims["sub"]}} if "sub" in claims else {}),
    }
    return trusts({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", **condition)


DOORS: dict[str, tuple[Body, Status]] = {
    "any workflow": (from_github(aud="sts.amazonaws.com"), Status.VIOLATED),
    "any audience": (from_github(sub="repo:org/name:*"), Status.VIOLATED),
    "any organization": (from_github(aud="sts.amazonaws.com", sub="repo:*"), Status.UNKNOWN),
    "whom a parameter names": (from_github(aud="sts.amazonaws.com", sub={"Ref": "Subject"}), Status.UNKNOWN),
    "names that begin alike": (from_github(aud="sts.amazonaws.com", sub="repo:org*"), Status.UNKNOWN),
    "an identity pool": (
        trusts({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity"),
        Status.UNKNOWN,
    ),
    "another account": (trusts({"AWS": NOBODY}), Status.UNKNOWN),
    "all but one": ({**trusts({}), "Principal": None, "NotPrincipal": {"AWS": NOBODY}}, Status.UNKNOWN),
}
del DOORS["all but one"][0]["Principal"]


@pytest.mark.parametrize("door", DOORS)
def test_who_mints_lets_nobody_in_from_outside(door: str) -> None:
    """A role that makes sessions with any tags is as good as every session."""
    template = plain_template()
    template["Parameters"] = {"Subject": {"Type": "String"}}
    template["Resources"]["Compute"]["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(DOORS[door][0])
    assert DOORS[door][1] in statuses(template, "no-external-access")


@pytest.mark.parametrize("door", DOORS)
def test_a_role_with_tenant_data_lets_nobody_in_from_outside(door: str) -> None:
    """A role that is nobody's session and runs no agent reads the table for whoever becomes it."""
    template = plain_template()
    template["Parameters"] = {"Subject": {"Type": "String"}}
    template["Resources"] |= {"Web": role(DOORS[door][0]), "Reads": policy("Web", allow("dynamodb:*", arn("Table")))}
    assert DOORS[door][1] in statuses(template, "no-external-access")


def test_a_role_that_leads_to_a_minter_lets_nobody_in() -> None:
    """Becoming the role that becomes the minter is enough."""
    template = plain_template()
    resources = template["Resources"]
    resources |= {"Web": role(DOORS["any workflow"][0]), "Go": policy("Web", allow("sts:AssumeRole", arn("Compute")))}
    resources["Compute"]["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(trusts({"AWS": arn("Web")}))
    assert Status.VIOLATED in statuses(template, "no-external-access")


def test_what_says_whose_it_is_may_come_in() -> None:
    """One's own workflows, one's own account, a trusted account, and strangers to a role without tenant data."""
    own = from_github(aud="sts.amazonaws.com", sub=["repo:org/name:*", "repo:org/other:ref:refs/heads/main"])
    root = trusts({"AWS": sub("arn:aws:iam::${AWS::AccountId}:root")})
    for statement in (own, root, trusts({"Service": "lambda.amazonaws.com"})):
        template = plain_template()
        template["Resources"] |= {"Web": role(statement), "Reads": policy("Web", allow("dynamodb:*", arn("Table")))}
        assert failing(template) == set()
    template = plain_template()
    template["Resources"] |= {"Web": role(trusts({"AWS": NOBODY})), "Reads": policy("Web", allow("sqs:*", "*"))}
    assert failing(template) == set()
    template["Resources"]["Reads"] = policy("Web", allow("dynamodb:*", arn("Table")))
    assert failing(template) == {"no-external-access"}
    assert failing(template, trusted=(NOBODY,)) == set()


def tool(*trust: Body, grants: Body) -> Template:
    """Return the plain template with a role that says it is a tool."""
    template = plain_template()
    metadata = {"session-scoping:tool-of": arn("Session")}
    template["Resources"] |= {"Tool": role(*trust, **metadata), "ToolDoes": policy("Tool", grants)}
    return template


@pytest.mark.parametrize("action", ["dynamodb:*", "iam:*", "sts:*"])
def test_a_role_is_no_tool_because_it_says_so(action: str) -> None:
    """A tool whose sessions need no tags would be out of every other property's sight."""
    template = tool(trusts({"AWS": arn("Session")}), grants=allow(action, "*"))
    assert statuses(template, "derivation") == {Status.VIOLATED}


def test_a_compute_role_is_no_tool() -> None:
    """Who says so of a role that mints hides that a session may become it."""
    template = plain_template()
    compute = template["Resources"]["Compute"]
    compute["Metadata"] = {"session-scoping:tool-of": arn("Session")}
    compute["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(trusts({"AWS": arn("Session")}))
    assert statuses(template, "derivation") == {Status.VIOLATED}


@pytest.mark.parametrize("key", ["tables", "buckets"])
@pytest.mark.parametrize("mode", [None, "x", ""])
def test_metadata_takes_no_store_out_of_sight(key: str, mode: str | None) -> None:
    """What is said to decide over tokens is tenant data where no token decides."""
    template = plain_template()
    store = {"tables": "Table", "buckets": "Bucket"}[key]
    metadata: Body = {f"session-scoping:minting-{key}": [arn(store)]}
    metadata |= {} if mode is None else {"session-scoping:minting": mode}
    template["Resources"]["Session"]["Metadata"] = metadata
    assert failing(template) <= {"token-minting"}
    template["Resources"]["More"] = policy("Session", allow(["dynamodb:GetItem", "s3:GetObject"], "*"))
    assert failing(template) & {"partition-isolation", "object-isolation"}


def copied(*grants: Body, to: str = "Copy") -> Template:
    """Return the plain template with a bucket that the tenants' is copied to."""
    template = plain_template()
    rules = [{"Status": "Enabled", "Destination": {"Bucket": arn(to)}}]
    resources = template["Resources"]
    resources["Bucket"]["Properties"]["ReplicationConfiguration"] = {"Role": arn("Replicator"), "Rules": rules}
    resources["Copy"] = {"Type": "AWS::S3::Bucket", "Properties": {}}
    resources["Replicator"] = role(trusts({"Service": "s3.amazonaws.com"}))
    resources["FromCopy"] = policy("Session", *grants)
    return template


def test_a_copy_belongs_to_the_sessions_of_its_source() -> None:
    """The same keys are the same sessions' in a copy, and other keys there are somebody else's."""
    own = "/traces/${!aws:PrincipalTag/user_id}/${!aws:PrincipalTag/task_id}/*"
    swapped = "/traces/${!aws:PrincipalTag/task_id}/${!aws:PrincipalTag/user_id}/*"
    assert failing(copied(allow("s3:GetObject", sub("${Copy.Arn}" + own)))) == set()
    found = statuses(copied(allow("s3:GetObject", sub("${Copy.Arn}" + swapped))), "object-isolation")
    assert Status.VIOLATED in found


def test_another_role_does_not_read_a_copy_by_fewer_tags() -> None:
    """Sessions per user that read the copy read what sessions per task wrote."""
    template = copied(allow("dynamodb:Query", arn("Table"), Condition=keyed("${aws:PrincipalTag/task_id}")))
    condition: dict[str, Any] = {
        "StringLike": {"aws:RequestTag/user_id": "?*"},
        "StringNotLike": {"aws:RequestTag/user_id": ["*/*", "*..*", "."]},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["user_id"]},
        "Null": {"sts:TransitiveTagKeys": "true"},
    }
    reader = trusts({"AWS": arn("Compute")}, **condition)
    reader["Action"] = ["sts:AssumeRole", "sts:TagSession"]
    objects = allow("s3:GetObject", sub("${Copy.Arn}/traces/${!aws:PrincipalTag/user_id}/*"))
    template["Resources"] |= {"Reader": role(reader), "ReaderReads": policy("Reader", objects)}
    assert Status.VIOLATED in statuses(template, "object-isolation")


def calls(service: str, action: str, **parameters: Any) -> Template:
    """Return the plain template with a call that a custom resource makes when it deploys."""
    template = plain_template()
    template["Resources"]["Session"]["Properties"]["RoleName"] = "Sessions"
    call = json.dumps({"service": service, "action": action, "parameters": parameters})
    properties = {"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f", "Create": call}
    template["Resources"]["Call"] = {"Type": "Custom::AWS", "Properties": properties}
    return template


def test_a_call_that_changes_a_role_by_its_name_is_noticed() -> None:
    """IAM's calls take the bare name; another role's changes nothing here."""
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    found = failing(calls("IAM", "attachRolePolicy", RoleName="Sessions", PolicyArn=admin))
    assert "partition-isolation" in found
    assert failing(calls("IAM", "attachRolePolicy", RoleName="Another", PolicyArn=admin)) == set()


@pytest.mark.parametrize(
    ("service", "action"),
    [("S3", "putBucketReplication"), ("DynamoDB", "enableKinesisStreamingDestination"),
     ("S3Control", "createAccessGrant"), ("DynamoDB", "exportTableToPointInTime")],
)  # fmt: skip
def test_a_call_that_copies_or_gives_away_is_noticed(service: str, action: str) -> None:
    """As the same thing as a resource of the template is."""
    assert failing(calls(service, action)) & {"partition-isolation", "object-isolation"}


@pytest.mark.parametrize(
    "kind", ["Custom::BucketPolicy", "Acme::S3::BucketPolicy", "AWS::CloudFormation::CustomResource"]
)
def test_a_policy_given_to_a_type_of_somebody_s_own_is_noticed(kind: str) -> None:
    """What it does with a policy for a tenant bucket is not in the template; without one it is about something else."""
    template = plain_template()
    everybody = {**allow("s3:GetObject", sub("${Bucket.Arn}/*")), "Principal": "*"}
    properties: Body = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(everybody)}
    template["Resources"]["Mine"] = {"Type": kind, "Properties": properties}
    assert "object-isolation" in failing(template)
    del properties["PolicyDocument"]
    assert failing(template) == set()


def test_a_distribution_serves_what_it_reads() -> None:
    """One's own distribution shows objects to whoever asks it, unless that is said to be meant."""
    template = plain_template()
    reads = {**allow("s3:GetObject", sub("${Bucket.Arn}/*")), "Principal": {"Service": "cloudfront.amazonaws.com"}}
    own = sub("arn:aws:cloudfront::${AWS::AccountId}:distribution/E1")
    reads["Condition"] = {"StringEquals": {"AWS:SourceArn": own}}
    properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(reads)}
    template["Resources"]["Served"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    assert failing(template) == {"no-external-access"}
    assert failing(template, trusted=("cloudfront.amazonaws.com",)) == set()


@pytest.mark.parametrize("section", ["Mappings", "Conditions", "Outputs"])
def test_what_is_included_when_it_deploys_is_unknown_wherever_it_stands(section: str) -> None:
    """A mapping that is filled in later may name any table."""
    template = plain_template()
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://somewhere/part"}}}
    template[section] = {"Some": include}
    assert "partition-isolation" in failing(template)


@pytest.mark.parametrize("left_out", [[], ["z*:*"]])
def test_all_but_some_services_is_more_than_a_session_needs(left_out: list[str]) -> None:
    """Whatever services are named in NotAction, there are others."""
    template = plain_template()
    named = ["dynamodb", "s3", "kms", "bedrock", "iam", "sts", "lambda", "secretsmanager", "ssm", "sqs", "logs",
             "bedrock-agentcore", "zz"]  # fmt: skip
    statement = {"Effect": "Allow", "NotAction": [*(f"{name}:*" for name in named), *left_out], "Resource": "*"}
    template["Resources"]["More"] = policy("Session", statement)
    assert statuses(template, "allowed-actions") == {Status.VIOLATED}


def test_what_a_type_of_somebody_s_own_returns_may_be_anything() -> None:
    """Its attribute called TableArn may be the tenants' table."""
    template = plain_template()
    template["Resources"]["Lookup"] = {"Type": "Acme::Data::Lookup", "Properties": {}}
    found = {"Fn::GetAtt": ["Lookup", "TableArn"]}
    template["Resources"]["More"] = policy("Compute", allow("dynamodb:Scan", found))
    assert statuses(template, "compute-isolation") == {Status.UNKNOWN}


def test_a_session_reads_no_table_of_revoked_tokens() -> None:
    """Where tokens decide, the table they are looked up in is nobody's of the sessions, to read or to write."""
    template = without_guards(variant("credentialBroker"))
    session = next(i for i, body in template["Resources"].items() if "session-scoping:minting" in str(body))
    (table,) = template["Resources"][session]["Metadata"]["session-scoping:minting-tables"]
    template["Resources"]["More"] = policy(session, allow("dynamodb:GetItem", table))
    assert failing(template) == {"token-minting"}
