"""Random tables, buckets and keys, and the policies on them."""

from typing import Any

from tests.support.deployments.design import Body, Deployment, Dice, arn, below, document, variables
from tests.support.deployments.trusts import EXTERNAL, ROOT

_SAFE: list[Body] = [
    {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
    {"StringEquals": {"aws:PrincipalOrgID": "o-own"}},
    {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
]
_OPEN: list[Body] = [
    {},
    {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
    {"StringLike": {"aws:PrincipalTag/app": "*"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}},
    {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}},
    {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-other"}},
    {"StringLike": {"aws:Referer": "https://example.com/*"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
]


def add_store(dice: Dice, deployment: Deployment, store: str, key: str | None) -> None:
    """Add a table or a bucket, with a generated name or a written one, and its policy."""
    table = store.startswith("Table")
    statements = _policy(dice, deployment, store)
    named: Body = {}
    if dice.chance(0.3):
        named = {"TableName" if table else "BucketName": "tasks" if store.endswith("0") else "scratch"}
    if table:
        last = next(one.tags[-1] for one in deployment.sessions if store in one.formats)
        schema = [{"AttributeName": dice.choice(["pk", last, last]), "KeyType": "HASH"}]
        encryption: Body = (
            {"SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn(key)}} if key else {}
        )
        policy: Body = {"ResourcePolicy": {"PolicyDocument": document(*statements)}} if statements else {}
        stream: Body = {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}}
        deployment.add(store, "AWS::DynamoDB::Table", KeySchema=schema, **named, **encryption, **policy, **stream)
        return
    deployment.add(store, "AWS::S3::Bucket", **named)
    if statements:
        deployment.add(
            f"{store}Policy", "AWS::S3::BucketPolicy", Bucket={"Ref": store}, PolicyDocument=document(*statements)
        )


def add_key(dice: Dice, deployment: Deployment) -> str:
    """Add a key whose policy leaves it to the account's own policies."""
    allow: Body = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    statements = [allow]
    if dice.slip():
        one = {**allow, "Principal": "*", "Action": dice.choice(["kms:CreateGrant", "kms:*", "kms:PutKeyPolicy"])}
        statements.append({**one, "Condition": limit} if (limit := dice.choice(_SAFE + _OPEN)) else one)
    return deployment.add("Key", "AWS::KMS::Key", KeyPolicy=document(*statements))


def _policy(dice: Dice, deployment: Deployment, store: str) -> list[Body]:
    table = store.startswith("Table")
    inside: Any = "*" if table else below(store, "/*")
    found: list[Body] = []
    if not table and dice.chance(0.4):
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        found.append(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn(store), inside],
                "Condition": insecure,
            }
        )
    if dice.chance(0.08):
        found.append(_of_sessions(dice, deployment, store, inside))
    if any(tuple(dice.slip() for _ in range(4))):
        found.append(_of_others(dice, deployment, table, inside))
    return found


def _of_sessions(dice: Dice, deployment: Deployment, store: str, inside: Any) -> Body:
    """Return what a store's policy grants a session role: its own, or with a near miss more than that."""
    design = next(one for one in deployment.sessions if store in one.formats)
    key = variables(design.formats[store])
    one: Body = {"Effect": "Allow", "Principal": {"AWS": arn(design.role)}}
    if store.startswith("Table"):
        condition: Body = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [key]}}
        if not dice.slip():
            condition["Null"] = {"dynamodb:LeadingKeys": "false"}
        return {**one, "Action": "dynamodb:GetItem", "Resource": inside, "Condition": condition}
    return {**one, "Action": "s3:GetObject", "Resource": inside if dice.slip() else below(store, f"/{key}*")}


def _of_others(dice: Dice, deployment: Deployment, table: bool, inside: Any) -> Body:
    """Return what a store's policy grants somebody else."""
    agents, sessions = deployment.agents, [one.role for one in deployment.sessions]
    who: Any = dice.choice(["*", "*", {"AWS": "*"}, {"AWS": EXTERNAL}, {"AWS": arn(dice.choice(agents))},
                            {"AWS": arn(dice.choice(sessions))}, {"AWS": ROOT}])  # fmt: skip
    actions = (
        ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:*"]
        if table
        else ["s3:GetObject", "s3:*", "s3:GetObjectVersion*"]
    )
    one = {"Effect": "Allow", "Principal": who, "Action": dice.choice(actions), "Resource": inside}
    limit = dice.choice(_SAFE if dice.chance(0.3) else _OPEN)
    return {**one, "Condition": limit} if limit else one
