# ruff: noqa: E501 - a table of changes
"""The same resource under another spelling is the same resource; what is only known at deploy time may be anything."""

from collections.abc import Callable
from typing import Any

import pytest

from session_scoping.verify import Report, verify
from session_scoping.verify.patterns.text import Token, never_equal
from tests.support.verify.mutations import Template, edit
from tests.support.verify.plain_template import (
    OWN_OBJECTS,
    TASK,
    USER,
    allow,
    arn,
    document,
    keyed,
    plain_template,
    policy,
    sub,
)

Change = Callable[[Template], object]


def judged(change: Change) -> Report:
    """Return the report on the plain template with a change."""
    return verify(edit(plain_template(), "change", change).template)


def properties(template: Template, logical_id: str) -> dict[str, Any]:
    """Return a resource's properties."""
    found: dict[str, Any] = template["Resources"][logical_id]["Properties"]
    return found


def more(kind: str, **values: Any) -> Change:
    """Return a change that adds a resource."""
    return lambda t: t["Resources"].update(More={"Type": kind, "Properties": values})


def to(role: str, *statements: Any) -> Change:
    """Return a change that adds a policy on a role."""
    return lambda t: t["Resources"].update(More=policy(role, *statements))


def objects(resource: Any) -> Change:
    """Return a change of the session's grant of objects."""
    return lambda t: t["Resources"].update(Objects=policy("Session", allow(["s3:GetObject", "s3:PutObject"], resource)))


def rows(resource: Any, *keys: Any) -> Change:
    """Return a change of the session's grant of rows."""
    statement = allow(["dynamodb:GetItem", "dynamodb:Query"], resource, Condition=keyed(*(keys or (TASK,))))
    return lambda t: t["Resources"].update(Rows=policy("Session", statement))


def named(logical_id: str, attribute: str, name: Any) -> Change:
    """Return a change that gives a resource a name."""
    return lambda t: properties(t, logical_id).update({attribute: name})


def both(*changes: Change) -> Change:
    """Return several changes as one."""
    return lambda t: [change(t) for change in changes]


def parameter(**body: Any) -> Change:
    """Return a change that declares the parameter P."""
    return lambda t: t.setdefault("Parameters", {}).update(P={"Type": "String", **body})


SCAN, READ = allow("dynamodb:Scan", "*"), allow("s3:GetObject", "*")
TABLE_BY_HAND = "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
BY_HAND = both(rows(sub(TABLE_BY_HAND)), objects(sub("arn:aws:s3:::${Bucket}" + OWN_OBJECTS)))
POLICY_ON_BUCKET = more(
    "AWS::S3::BucketPolicy", Bucket={"Ref": "Bucket"},
    PolicyDocument=document({**READ, "Principal": {"AWS": arn("Compute")}}),
)  # fmt: skip
ELSEWHERE = "arn:aws:dynamodb:eu-west-1:${AWS::AccountId}:table/${Table}"


def attached(role: Any) -> Change:
    """Return a change that attaches a Scan by a role's name."""
    return more("AWS::IAM::Policy", PolicyName="p", Roles=[role], PolicyDocument=document(SCAN))


NOT_PROVED: dict[str, Change] = {
    # Looked up at deploy time
    "a table found by a dynamic reference": to("Session", allow("dynamodb:GetItem", "{{resolve:ssm:/app/table}}")),
    "a dynamic reference in pieces": to(
        "Session", allow("s3:GetObject", {"Fn::Join": ["", ["{{res", "olve:ssm:/app/objects}}"]]})
    ),
    "a compute role's table by a dynamic reference": to("Compute", allow("dynamodb:Scan", "{{resolve:ssm:/app/t}}")),
    "a policy on a role found by a dynamic reference": attached("{{resolve:ssm:/app/role}}"),
    "a value of the parameter store": both(
        more("AWS::SSM::Parameter", Type="String", Value="*"),
        lambda t: t["Resources"].update(
            Extra=policy("Compute", allow("dynamodb:Scan", {"Fn::GetAtt": ["More", "Value"]}))
        ),
    ),
    "an attribute that repeats what somebody wrote": to("Compute", allow("dynamodb:Scan", {"Fn::GetAtt": ["Q", "Pattern"]})),
    "a parameter that is looked up": both(
        parameter(Type="AWS::SSM::Parameter::Value<String>", AllowedValues=["/app/table"]),
        to("Session", allow("dynamodb:GetItem", {"Ref": "P"})),
    ),
    "a pattern of keys that ends in a parameter": both(
        parameter(Default="*"),
        lambda t: properties(t, "Table").update(KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}]),
        lambda t: t["Resources"].update(Rows=policy("Session", allow(
            "dynamodb:GetItem", arn("Table"),
            Condition={
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [sub("TASK#${!aws:PrincipalTag/task_id}${P}")]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        ))),
    ),
    "statements under a key in lower case": more(
        "AWS::IAM::Policy", PolicyName="p", Roles=[{"Ref": "Session"}], PolicyDocument={"statement": [SCAN]}
    ),
    # ARNs
    "all of S3 by an incomplete ARN": to("Session", allow("s3:GetObject", "arn:aws:s3")),
    "all tables by an incomplete ARN": to("Compute", allow("dynamodb:Scan", "arn:aws:dynamodb:us-east-1")),
    "a table by the beginning of `table`": both(
        lambda t: t["Resources"].pop("Rows"), to("Session", allow("dynamodb:GetItem", "arn:aws:dynamodb:*:*:tab*"))
    ),
    "a tag glued to the bucket": both(
        objects(sub("${Bucket.Arn}${!aws:PrincipalTag/user_id}/${!aws:PrincipalTag/task_id}/*")),
        lambda t: properties(t, "Session")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"].pop("StringNotLike"),
    ),
    "a star that reaches past a colon": to("Compute", allow("s3:GetObject", "arn:aws:s3:*:*:other/*")),
    "a compute role in a bucket's policy, ARNs by hand": both(BY_HAND, POLICY_ON_BUCKET),
    "a public bucket, ARNs by hand": both(BY_HAND, named("Bucket", "AccessControl", "PublicRead")),
    "the user's rows in a table of tasks, ARN by hand": both(BY_HAND, rows(sub(TABLE_BY_HAND), USER)),
    "a replica in another Region": both(
        lambda t: t["Resources"]["Table"].update(Type="AWS::DynamoDB::GlobalTable"), rows(sub(ELSEWHERE), USER)
    ),
    "a compute role at a replica": both(
        lambda t: t["Resources"]["Table"].update(Type="AWS::DynamoDB::GlobalTable"),
        rows(sub(ELSEWHERE.replace("eu-west-1", "us-east-1"))), to("Compute", allow("dynamodb:Scan", sub(ELSEWHERE))),
    ),
    # Names
    "a policy by the role's computed name": both(
        named("Session", "RoleName", sub("session-${AWS::Region}")), attached("session-eu-west-1")
    ),
    "a policy by a name in another letter case": both(named("Session", "RoleName", "Session"), attached("session")),
    "a policy by the name CloudFormation makes up": attached("App-Session-1ABCDEFGHIJKL"),
    "a policy by a name given later": both(
        parameter(Default="sessions"), named("Session", "RoleName", {"Ref": "P"}), attached("sessions")
    ),
    "a bucket's policy by its computed name": both(
        named("Bucket", "BucketName", sub("traces-${AWS::AccountId}")),
        more("AWS::S3::BucketPolicy", Bucket="traces-111122223333",
             PolicyDocument=document({**READ, "Principal": {"AWS": arn("Compute")}})),
    ),
    "a principal by the role's computed name": both(
        named("Compute", "RoleName", sub("agent-${AWS::Region}")),
        more("AWS::S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=document(
            {**READ, "Principal": {"AWS": sub("arn:aws:iam::${AWS::AccountId}:role/agent-eu-west-1")}})),
    ),
    "a table by one of its two names": both(
        lambda t: t.update(Conditions={"C": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}),
        named("Table", "TableName", {"Fn::If": ["C", "tasks", "other"]}),
        to("Compute", allow("dynamodb:Scan", sub("arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/tasks"))),
    ),
    # Text that the solver reads in its own way
    "a Deny on text that only looks like an escape": to(
        "Session",
        allow("dynamodb:BatchGetItem", arn("Table"), Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*",
         "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-\\u{31}"}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_PROVED)
def test_what_opens_under_another_spelling_is_not_proved(case: str) -> None:
    """A resource named another way, or by what only the deployment knows, is still reached."""
    assert not judged(NOT_PROVED[case]).proved


PROVED: dict[str, Change] = {
    "as it is": lambda _: None,
    "ARNs by hand": BY_HAND,
    "ARNs by hand, the partition left open": both(
        rows(sub(TABLE_BY_HAND.replace("aws", "${AWS::Partition}", 1))),
        objects(sub("arn:${AWS::Partition}:s3:::${Bucket}" + OWN_OBJECTS)),
    ),
    "names made of the stack's": both(
        named("Table", "TableName", sub("${AWS::StackName}-rows")), named("Bucket", "BucketName", sub("b-${AWS::Region}")),
        named("Session", "RoleName", sub("${AWS::StackName}-session")),
        named("Compute", "RoleName", sub("${AWS::StackName}-compute")),
    ),
    "names made of a parameter": both(
        parameter(Default="prod"), named("Table", "TableName", sub("${P}-rows")),
        named("Bucket", "BucketName", sub("${P}-objects")), named("Session", "RoleName", sub("${P}-session")),
    ),
    "ARNs of such names by hand": both(
        parameter(Default="prod"), named("Table", "TableName", sub("${P}-rows")),
        rows(sub("arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${P}-rows")),
    ),
    "a managed policy by its name": both(
        more("AWS::IAM::ManagedPolicy", ManagedPolicyName="own-objects",
             PolicyDocument=document(allow("s3:GetObject", sub("${Bucket.Arn}" + OWN_OBJECTS)))),
        named("Session", "ManagedPolicyArns", [sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/own-objects")]),
    ),
    "an ARN taken apart and put together": to(
        "Compute", allow("logs:PutLogEvents", {"Fn::Join": [":", {"Fn::Split": [":", {"Fn::GetAtt": ["Q", "Arn"]}]}]})
    ),
    "a principal by its ARN in text": lambda t: properties(t, "Session")["AssumeRolePolicyDocument"]["Statement"][0].update(
        Principal={"AWS": sub("arn:aws:iam::${AWS::AccountId}:role/${Compute}")}
    ),
    "a policy on somebody else": attached("deploy-pipeline"),
    "another table of the account": to("Compute", allow("dynamodb:Scan", sub(TABLE_BY_HAND.replace("${Table}", "orders")))),
}  # fmt: skip


@pytest.mark.parametrize("case", PROVED)
def test_a_harmless_spelling_stays_proved(case: str) -> None:
    """Names and ARNs are spelled by hand in most templates, and that changes nothing."""
    template = edit(plain_template(), "change", PROVED[case]).template
    template["Resources"]["Q"] = {"Type": "AWS::Logs::LogGroup"}
    report = verify(template)
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


A, B, FREE = Token("S.A", "plain"), Token("S.B", "plain"), Token("S.P", "free")


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (("a",), ("b",), True),
        (("a",), ("a",), False),
        (("x-", A, "-a"), ("x-", A, "-b"), True),
        (("x-", A, "-a"), ("x-", A, "-a"), False),
        (("x-", A, "-a"), ("x-", B, "-a"), False),
        (("x-", A), ("y-", A), True),
        ((A, "-a"), (B, "-b"), True),
        ((A,), ("anything",), False),
        (("a",), ("a", A), True),
        (("a",), ("a", FREE), False),
        (("ab",), ("a",), True),
        (("aa",), ("a", A, "a"), True),
    ],
)
def test_texts_are_apart_when_a_literal_end_tells(one: Any, two: Any, expected: bool) -> None:
    """Never when they might be equal; often when they cannot."""
    assert never_equal(one, two) is never_equal(two, one) is expected
