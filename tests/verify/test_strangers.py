"""`no-external-access`: what a policy on tenant data says to those who are not in the templates."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from session_scoping import TenantObjects
from session_scoping.commands.main import main
from session_scoping.verify import Result, Status, verify
from tests.support import stacks
from tests.support.verify.corpus import assembly, results_of
from tests.support.verify.examples import example
from tests.support.verify.mutations import Template, edit
from tests.support.verify.weaken_additions import _bucket_policy, _key_policy, _table_policy, bucket_arn

OTHER = "arn:aws:iam::444455556666:role/analytics"
HERE = {"Ref": "AWS::AccountId"}
DISTRIBUTION = {"Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/E1"}
CLOUDFRONT = {"Service": "cloudfront.amazonaws.com"}
DATASYNC = {"Service": "datasync.amazonaws.com"}


def on_bucket(principal: Any, condition: Any = None, action: str = "s3:GetObject", **more: Any) -> Template:
    """Return the small example whose bucket has a policy with one Allow more."""
    base = example("small").template
    resource = {"Fn::Join": ["", [bucket_arn(base), "/*"]]}
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition or {}, **more}
    statement |= {"Principal": principal} if principal else {}
    return edit(base, "policy", lambda t: _bucket_policy(t, statement)).template


def judged(template: Template, **scope: Any) -> Result:
    """Return what is said of strangers, without the other properties."""
    (found,) = results_of(template, "no-external-access", **scope)
    return found


LETS_IN: dict[str, tuple[Any, Any]] = {
    "everybody": ("*", None),
    "everybody in a list": ({"AWS": ["*"]}, None),
    "everybody over TLS": ("*", {"Bool": {"aws:SecureTransport": "true"}}),
    "everybody with a Referer": ("*", {"StringLike": {"aws:Referer": "https://example.com/*"}}),
    "everybody with a tag of their own choice": ("*", {"StringEquals": {"aws:PrincipalTag/team": "agents"}}),
    "everybody but another account": ("*", {"StringNotEquals": {"aws:PrincipalAccount": "444455556666"}}),
    "an organization, if there is one": ("*", {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-ours"}}),
    "the whole internet by its addresses": ("*", {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
    "any VPC": ("*", {"Null": {"aws:SourceVpc": "false"}}),
    "any role of that name": ("*", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
    "a service for any account": (CLOUDFRONT, None),
    "a service for any account's distribution": (
        CLOUDFRONT, {"ArnLike": {"aws:SourceArn": "arn:aws:*:*:*:*"}},
    ),
    "a service for a distribution of that name": (
        CLOUDFRONT, {"ArnLike": {"aws:SourceArn": "arn:aws:cloudfront::*:distribution/E1"}},
    ),
    "any user": ("*", {"StringEquals": {"aws:PrincipalType": "User"}}),
    "a user of that name": ("*", {"StringEquals": {"aws:username": "alice"}}),
    "a session of that name": ("*", {"StringLike": {"aws:userid": "*:agent"}}),
    "roles named so": ("*", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/agent-*"}}),
    "roles of a name that reaches to the account": (
        "*", {"StringLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:*:iam::${AWS::AccountId}:role/ci/*"}}},
    ),
    "half of the internet": ("*", {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
    "whoever has an endpoint": ("*", {"Null": {"aws:VpceAccount": "false"}}),
    "an endpoint of any organization": ("*", {"StringLike": {"aws:VpceOrgID": "o-*"}}),
    "an endpoint of another account than one": ("*", {"StringNotEquals": {"aws:VpceAccount": "444455556666"}}),
    "an endpoint's account, if there is one": ("*", {"StringEqualsIfExists": {"aws:VpceAccount": HERE}}),
    "any VPC by its ARN": ("*", {"ArnLike": {"aws:SourceVpcArn": "arn:aws:ec2:*:*:vpc/*"}}),
    "whoever runs on EC2": ("*", {"Null": {"aws:Ec2InstanceSourceVpc": "false"}}),
    "whoever came in through Google": ("*", {"StringEquals": {"aws:FederatedProvider": "accounts.google.com"}}),
    "any provider": ("*", {"StringLike": {"aws:FederatedProvider": "*"}}),
    "whoever has no organization": ("*", {"Null": {"aws:PrincipalOrgID": "true"}, "Bool": {
        "aws:PrincipalIsAWSService": "false"}}),
    "a role, which has no user name": ("*", {"Null": {"aws:username": "true", "aws:PrincipalArn": "false"}}),
    "accounts that begin so": ("*", {"StringLike": {"aws:PrincipalAccount": "1*"}}),
    "accounts above": ("*", {"NumericGreaterThan": {"aws:PrincipalAccount": "5"}}),
    "a service by its name": ("*", {"StringEquals": {"aws:PrincipalServiceName": "cloudfront.amazonaws.com"}}),
    "a service that says no account": (CLOUDFRONT, {"StringEqualsIfExists": {"aws:SourceAccount": HERE}}),
    "paths in any organization": ("*", {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-1/*"}}),
    "a service if it names its source": (CLOUDFRONT, {"StringEqualsIfExists": {"aws:SourceOwner": HERE}}),
}  # fmt: skip
KEEPS_OUT: dict[str, tuple[Any, Any]] = {
    "an organization": ("*", {"StringEquals": {"aws:PrincipalOrgID": "o-ours"}}),
    "this account": ("*", {"StringEquals": {"aws:PrincipalAccount": HERE}}),
    "one VPC endpoint": ("*", {"StringEquals": {"aws:SourceVpce": "vpce-0ours"}}),
    "this account's endpoints": ("*", {"StringEquals": {"aws:VpceAccount": HERE}}),
    "an organization's endpoints": ("*", {"StringEquals": {"aws:VpceOrgID": "o-ours"}}),
    "endpoints of a part of an organization": (
        "*",
        {"ForAnyValue:StringLike": {"aws:VpceOrgPaths": "o-ours/r-1/ou-1/*"}},
    ),
    "a VPC by its ARN": (
        "*",
        {"ArnEquals": {"aws:SourceVpcArn": {"Fn::Sub": "arn:aws:ec2:us-east-1:${AWS::AccountId}:vpc/v"}}},
    ),
    "machines of a VPC": ("*", {"StringEquals": {"aws:Ec2InstanceSourceVpc": "vpc-0ours"}}),
    "a provider of this account": (
        "*",
        {
            "StringEquals": {
                "aws:FederatedProvider": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:oidc-provider/idp.com"}
            }
        },
    ),
    "an organization, if the key is there and it is": (
        "*",
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-ours"}, "Null": {"aws:PrincipalOrgID": "false"}},
    ),
    "a part of an organization": ("*", {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-ours/r-1/*"}}),
    "a role by its id": ("*", {"StringLike": {"aws:userid": "AROAOURS:*"}}),
    "a role by its ARN": (
        "*",
        {"ArnEquals": {"aws:PrincipalArn": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/agent"}}},
    ),
    "a bucket's notifications": ({"Service": "s3.amazonaws.com"}, {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::ours"}}),
    "an office": ("*", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
    "this account's access points": ("*", {"StringEquals": {"s3:DataAccessPointAccount": HERE}}),
    "the account itself": ({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}, None),
    "the account by its id": ({"AWS": HERE}, None),
    "a role of this account": ({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/admin"}}, None),
    "a service for one resource": (DATASYNC, {"ArnEquals": {"aws:SourceArn": DISTRIBUTION}}),
    "a service for this account": (DATASYNC, {"StringEquals": {"aws:SourceAccount": HERE}}),
}
SAYS_NOTHING: dict[str, Any] = {
    "a role of another account": {"AWS": OTHER},
    "another account": {"AWS": "444455556666"},
    "another account by its root": {"AWS": "arn:aws:iam::444455556666:root"},
    "an origin access identity": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
    "a principal from another stack": {"AWS": {"Fn::ImportValue": "somebody"}},
}


@pytest.mark.parametrize("case", LETS_IN)
def test_a_policy_that_lets_strangers_in_is_violated(case: str) -> None:
    """The counterexample is a request of somebody who has nothing to do with the account."""
    result = judged(on_bucket(*LETS_IN[case]))
    assert result.status is Status.VIOLATED, result.detail
    assert result.counterexample is not None
    assert result.counterexample.action == "s3:GetObject"
    assert result.counterexample.session == {}


@pytest.mark.parametrize("case", KEEPS_OUT)
def test_a_policy_for_those_inside_lets_no_stranger_in(case: str) -> None:
    """Whoever AWS itself says is one's own is none; whether sessions may is for the other properties to say."""
    result = judged(on_bucket(*KEEPS_OUT[case]))
    assert result.status is Status.PROVED, result.detail


@pytest.mark.parametrize("case", SAYS_NOTHING)
def test_a_principal_nothing_is_known_of_is_unknown_until_it_is_trusted(case: str) -> None:
    """Agent code may run with it or not: the templates do not say, so somebody has to."""
    template = on_bucket(SAYS_NOTHING[case])
    result = judged(template)
    assert result.status is Status.UNKNOWN
    assert "--trusted" in result.detail
    (name,) = SAYS_NOTHING[case].values()
    spelled = name if isinstance(name, str) else "{somebody}"
    assert judged(template, trusted=(spelled,)).status is Status.PROVED


def test_everybody_but_somebody_is_everybody() -> None:
    """NotPrincipal with Allow lets in all whom it does not name."""
    template = on_bucket(None, NotPrincipal={"AWS": OTHER})
    assert judged(template).status is Status.VIOLATED


def test_a_deny_of_the_same_policy_counts() -> None:
    """A perimeter by Deny keeps strangers out: it stands in the policy that lets them in."""
    template = on_bucket("*")
    policy = next(r for r in template["Resources"].values() if r["Type"] == "AWS::S3::BucketPolicy")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    fences = ({"StringNotEquals": {"aws:PrincipalOrgID": "o-ours"}}, {"Bool": {"aws:SecureTransport": "false"}})
    statuses = []
    for fence in fences:
        fenced = edit(template, "fence", lambda _: None).template
        document = fenced["Resources"][_key_of(template, policy)]["Properties"]["PolicyDocument"]
        document["Statement"].append({**deny, "Condition": fence})
        statuses.append(judged(fenced).status)
    assert statuses == [Status.PROVED, Status.VIOLATED]


def _key_of(template: Template, resource: Any) -> str:
    return next(str(key) for key, body in template["Resources"].items() if body is resource)


def test_delivery_by_a_service_shows_it_nothing() -> None:
    """A service that writes for any account reads nothing; among the keys of sessions it would change their data."""
    logging = {"Service": "logging.s3.amazonaws.com"}
    logs = {"Fn::Join": ["", [bucket_arn(example("small").template), "/logs/*"]]}
    ours = {"StringEquals": {"aws:SourceAccount": HERE}}
    assert judged(on_bucket(logging, action="s3:PutObject", Resource=logs)).status is Status.PROVED
    assert judged(on_bucket(logging, ours, action="s3:PutObject")).status is Status.PROVED
    assert judged(on_bucket(logging, action="s3:PutObject")).status is Status.VIOLATED
    assert judged(on_bucket(logging, action="s3:Get*")).status is Status.VIOLATED


def test_a_table_s_policy_is_looked_at() -> None:
    """A table policy for everybody."""
    row = {"Effect": "Allow", "Principal": "*", "Action": "dynamodb:Query", "Resource": "*"}
    result = judged(edit(example("small").template, "table", lambda t: _table_policy(t, row)).template)
    assert result.status is Status.VIOLATED
    assert result.counterexample is not None
    assert "table/" in result.counterexample.resource


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({}, Status.VIOLATED),
        ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, Status.VIOLATED),
        ({"StringEquals": {"kms:CallerAccount": HERE}}, Status.PROVED),
        ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, Status.PROVED),  # no request to decrypt has this key
    ],
)
def test_the_policy_of_a_key_that_sessions_use_is_looked_at(condition: Any, status: Status) -> None:
    """A key everybody may decrypt with protects nothing, through S3 neither: strangers have buckets of their own."""
    stack = stacks.stack()
    key = kms.Key(stack, "Key")
    bucket = stacks.bucket(stack, encryption=s3.BucketEncryption.KMS, encryption_key=key)
    stacks.session_role(stack, objects=[TenantObjects.attachments(bucket)])
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}
    template = edit(stacks.template(stack), "key", lambda t: _key_policy(t, statement)).template
    assert judged(template).status is status


@pytest.mark.parametrize("action", ["kms:CreateGrant", "kms:PutKeyPolicy", "kms:*"])
def test_whoever_may_grant_a_key_s_use_may_use_it(action: str) -> None:
    """A grant, or another policy, gives a stranger what the policy does not."""
    stack = stacks.stack()
    bucket = stacks.bucket(stack, encryption=s3.BucketEncryption.KMS, encryption_key=kms.Key(stack, "Key"))
    stacks.session_role(stack, objects=[TenantObjects.attachments(bucket)])
    base = stacks.template(stack)
    for principal, status in (("*", Status.VIOLATED), ({"AWS": "arn:aws:iam::444455556666:root"}, Status.UNKNOWN)):
        statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}
        assert judged(edit(base, "key", lambda t, s=statement: _key_policy(t, s)).template).status is status  # type: ignore[misc]


def test_an_access_point_of_a_bucket_spelt_another_way_is_seen() -> None:
    """Its policy is not modelled, whatever way its bucket is written."""
    point = {"Type": "AWS::S3::AccessPoint", "Properties": {"Bucket": {"Ref": "P"}}}

    def change(template: Template) -> None:
        template["Parameters"] = {"P": {"Type": "String"}}
        template["Resources"]["Point"] = point

    assert judged(edit(example("small").template, "point", change).template).status is Status.UNKNOWN


def test_a_service_may_decrypt_with_a_key_when_somebody_says_so() -> None:
    """Which data a service was handed is not in the template; a source or an encryption context of one's own tells."""
    stack = stacks.stack()
    bucket = stacks.bucket(stack, encryption=s3.BucketEncryption.KMS, encryption_key=kms.Key(stack, "Key"))
    stacks.session_role(stack, objects=[TenantObjects.attachments(bucket)])
    service = {"Service": "logs.us-east-1.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": service, "Action": "kms:*", "Resource": "*"}
    base = stacks.template(stack)
    open_to_all = edit(base, "key", lambda t: _key_policy(t, statement)).template
    assert judged(open_to_all).status is Status.UNKNOWN
    assert judged(open_to_all, trusted=(service["Service"],)).status is Status.PROVED
    context = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": {"Fn::Sub": "arn:aws:logs:*:${AWS::AccountId}:*"}}}
    fenced = edit(base, "key", lambda t: _key_policy(t, {**statement, "Condition": context})).template
    assert judged(fenced).status is Status.PROVED


def test_a_pattern_given_at_deploy_time_is_unknown() -> None:
    """A parameter compared with a pattern operator may hold `*`."""
    template = on_bucket("*", {"StringLike": {"aws:PrincipalOrgID": {"Ref": "Org"}}})
    template["Parameters"] = {"Org": {"Type": "String", "Default": "o-ours"}}
    assert judged(template).status is Status.UNKNOWN


def test_a_literal_account_is_one_s_own_when_the_assembly_says_so(tmp_path: Path) -> None:
    """CDK writes the account of a concrete environment into the manifest, and into ARNs as a literal."""
    template = on_bucket({"AWS": "arn:aws:iam::444455556666:role/admin"})
    own, other = (f"aws://{account}/eu-west-1" for account in ("444455556666", "777777777777"))
    assert judged_path(assembly(tmp_path, ("S", own, template))).status is Status.PROVED
    assert judged_path(assembly(tmp_path, ("S", other, template))).status is Status.UNKNOWN


def judged_path(path: Path) -> Result:
    """Return what is said of strangers in an assembly."""
    (result,) = (result for result in verify(path).results if result.rule == "no-external-access")
    return result


def test_the_account_of_another_stack_is_another_one(tmp_path: Path) -> None:
    """A stack beside, with a queue in it, makes its account no owner of the data."""
    shared = on_bucket({"AWS": "arn:aws:iam::444455556666:root"})
    queue = {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}
    one, two = (f"aws://{account}/eu-west-1" for account in ("111122223333", "444455556666"))
    assert judged_path(assembly(tmp_path, ("A", one, shared), ("B", two, queue))).status is Status.UNKNOWN


def test_trusted_is_an_option_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--trusted PRINCIPAL` passes what an adopter means to share, and nothing else."""
    path = tmp_path / "t.template.json"
    path.write_text(json.dumps(on_bucket({"AWS": OTHER}, action="s3:GetBucketLocation")))
    assert main(["verify", str(path)]) == 0
    path.write_text(json.dumps(on_bucket({"AWS": OTHER})))
    assert main(["verify", str(path)]) == 1
    assert "no-external-access" in capsys.readouterr().out
    assert main(["verify", str(path), "--trusted", OTHER]) == 0
    another = "arn:aws:iam::444455556666:role/other"
    assert main(["verify", str(path), "--trusted", another]) == 2  # it names nothing
    path.write_text(json.dumps(on_bucket({"AWS": [OTHER, another]})))
    assert main(["verify", str(path), "--trusted", another]) == 1
