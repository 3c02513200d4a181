"""Weakenings by addition: what somebody attaches later, to a role, a table, a bucket or a key."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.verify.mutations import (
    Mutation,
    Template,
    compute_roles,
    documents,
    edit,
    grant,
    listed,
    session_role,
    statements,
    suffixed,
)

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_MANAGED = (ADMINISTRATOR, "arn:aws:iam::aws:policy/PowerUserAccess")
_NOWHERE = "arn:aws:dynamodb:us-east-1:1:table/none"


def additions(template: Template) -> Iterator[Mutation]:
    """Yield templates with one grant more."""
    session = session_role(template)
    for role in (session, *compute_roles(template)):
        whose = "session role" if role == session else "compute role"
        yield from _managed(template, role, whose)
        yield from _grants(template, role, whose)
        yield from _only_known_later(template, role, whose)
    anything = {"Action": "sts:AssumeRole", "Resource": "*"}
    yield edit(template, "session may assume anything", lambda t: grant(t, session, "Extra", **anything))
    yield from _resource_policies(template, session)


def table_arn(template: Template) -> Any:
    """Return the ARN of a table the session role is granted, as its policy spells it."""
    return next(_granted(template, "dynamodb"))


def bucket_arn(template: Template) -> Any:
    """Return the ARN of a bucket the session role is granted, as its policy spells it."""
    resource = next(_granted(template, "s3"))
    first, *more = resource["Fn::Join"][1]
    if not isinstance(first, str):
        return first
    # An imported bucket: literals and references up to the first slash.
    parts: list[Any] = [first]
    for part in more:
        parts.append(part.partition("/")[0] if isinstance(part, str) else part)
        if isinstance(part, str) and "/" in part:
            break
    return {"Fn::Join": ["", parts]}


def _granted(template: Template, service: str) -> Iterator[Any]:
    for statement in statements(template, session_role(template), "Allow"):
        if listed(statement["Action"])[0].startswith(f"{service}:"):
            yield from listed(statement["Resource"])


def _managed(template: Template, role: str, whose: str) -> Iterator[Mutation]:
    for arn in _MANAGED:
        yield edit(
            template,
            f"{role} managed policy {arn}",
            lambda t, a=arn: t["Resources"][role]["Properties"].update(ManagedPolicyArns=[a]),  # type: ignore[misc]
            f"{whose}: managed policy {arn}",
        )


def _grants(template: Template, role: str, whose: str) -> Iterator[Mutation]:
    table, bucket = table_arn(template), bucket_arn(template)
    objects, every_table = suffixed(bucket, "/*"), "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/*"
    bodies: tuple[dict[str, Any], ...] = (
        {"Action": "dynamodb:GetItem", "Resource": table},
        {"Action": "dynamodb:Get*", "Resource": table},
        {"Action": "dynamodb:*", "Resource": "*"},
        {"Action": "*", "Resource": "*"},
        {"Action": "DynamoDB:sCAN", "Resource": table},
        {"Action": "dynamodb:Query", "Resource": suffixed(table, "/index/*")},
        {"Action": "dynamodb:GetRecords", "Resource": suffixed(table, "/stream/*")},
        {"Action": "dynamodb:GetItem", "Resource": {"Fn::Sub": every_table}},
        {"Action": "dynamodb:GetItem", "NotResource": _NOWHERE},
        {"Action": "s3:GetObject", "Resource": objects},
        {"Action": "s3:ListBucket", "Resource": bucket},
        {"Action": "s3:Get*", "Resource": "*"},
        {"Action": "s3:PutBucketPolicy", "Resource": bucket},
        {"Action": "iam:PutRolePolicy", "Resource": "*"},
        {"NotAction": "iam:*", "Resource": "*"},
    )
    for body in bodies:
        shown = json.dumps(body)
        yield edit(
            template,
            f"{role} grant {shown}",
            lambda t, b=body: grant(t, role, "Extra", **b),  # type: ignore[misc]
            f"{whose}: grant {body.get('Action', 'NotAction')} {'*' if body.get('Resource') == '*' else ''}",
        )


def _only_known_later(template: Template, role: str, whose: str) -> Iterator[Mutation]:
    """Yield grants that show their full width only when the template is deployed."""
    read = {"Action": "dynamodb:GetItem", "Resource": table_arn(template)}
    odd = {"StringMatches": {"dynamodb:LeadingKeys": "x"}}
    yield edit(
        template, f"{role} unknown operator", lambda t: grant(t, role, "Extra", **read, Condition=odd),
        f"{whose}: unknown operator",
    )  # fmt: skip

    def parameter(changed: Template) -> None:
        changed["Parameters"] = {"Where": {"Type": "String"}}
        grant(changed, role, "Extra", Action="dynamodb:GetItem", Resource={"Ref": "Where"})

    yield edit(template, f"{role} parameter as resource", parameter, f"{whose}: parameter as resource", Where="*")

    def attached(changed: Template) -> None:
        changed["Parameters"] = {"Who": {"Type": "String"}}
        grant(changed, role, "Extra", Action="*", Resource="*")
        changed["Resources"]["Extra"]["Properties"].update(Roles=[{"Ref": "Who"}])

    yield edit(
        template, f"{role} policy on a role given later", attached, f"{whose}: policy on a role given later", Who=role
    )
    imported = {"Fn::ImportValue": "shared-policy"}
    yield edit(
        template,
        f"{role} imported managed policy",
        lambda t: t["Resources"][role]["Properties"].update(ManagedPolicyArns=[imported]),
        f"{whose}: imported managed policy",
        **{"shared-policy": ADMINISTRATOR},
    )


def _resource_policies(template: Template, session: str) -> Iterator[Mutation]:
    objects = suffixed(bucket_arn(template), "/*")
    for name, who in (
        ("the session role", {"AWS": {"Fn::GetAtt": [session, "Arn"]}}),
        ("anybody", "*"),
        ("another account", {"AWS": "arn:aws:iam::999988887777:root"}),
        ("a service that works for anybody", {"Service": "cloudfront.amazonaws.com"}),
    ):
        body = {"Effect": "Allow", "Principal": who}
        row = {**body, "Action": "dynamodb:GetItem", "Resource": "*"}
        item = {**body, "Action": "s3:GetObject", "Resource": objects}
        use = {**body, "Action": "kms:Decrypt", "Resource": "*"}
        yield edit(template, f"bucket policy for {name}", lambda t, s=item: _bucket_policy(t, s))  # type: ignore[misc]
        if _first(template, "AWS::DynamoDB::Table"):
            yield edit(template, f"table policy for {name}", lambda t, s=row: _table_policy(t, s))  # type: ignore[misc]
        if _first(template, "AWS::KMS::Key"):
            yield edit(template, f"key policy for {name}", lambda t, s=use: _key_policy(t, s))  # type: ignore[misc]


def _first(template: Template, kind: str) -> str | None:
    """Return the first resource of a type that the session role's policies name."""
    text = json.dumps(documents(template, session_role(template)))
    found = (key for key, resource in template["Resources"].items() if resource["Type"] == kind)
    return next((key for key in found if f'"{key}"' in text), None)


def _bucket_policy(template: Template, statement: dict[str, Any]) -> None:
    """Add a statement to the bucket's policy; a bucket of another deployment gets a policy here."""
    bucket: Any = _first(template, "AWS::S3::Bucket")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": bucket}:
            resource["Properties"]["PolicyDocument"]["Statement"].append(statement)
            return
    name: Any = {"Ref": bucket} if bucket else bucket_arn(template)["Fn::Join"][1][-1].rpartition(":")[2]
    document = {"Version": "2012-10-17", "Statement": [statement]}
    template["Resources"]["ExtraBucketPolicy"] = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": name, "PolicyDocument": document},
    }


def _table_policy(template: Template, statement: dict[str, Any]) -> None:
    table = _first(template, "AWS::DynamoDB::Table") or ""
    document = {"Version": "2012-10-17", "Statement": [statement]}
    template["Resources"][table]["Properties"]["ResourcePolicy"] = {"PolicyDocument": document}


def _key_policy(template: Template, statement: dict[str, Any]) -> None:
    key = _first(template, "AWS::KMS::Key") or ""
    template["Resources"][key]["Properties"]["KeyPolicy"]["Statement"].append(statement)
