"""Random policies of session roles: keyed items, own objects, listings; broad grants under Denies and boundaries."""

from typing import Any

from tests.support.deployments.design import (
    Body,
    Deployment,
    Dice,
    SessionDesign,
    arn,
    below,
    document,
    merged,
    statement,
    variables,
)

ITEM_ACTIONS = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
)
OBJECT_ACTIONS = (
    "GetObject",
    "PutObject",
    "DeleteObject",
    "GetObjectVersion",
    "GetObjectTagging",
    "PutObjectTagging",
    "AbortMultipartUpload",
)
LEADING = "dynamodb:LeadingKeys"


def grant_session(dice: Dice, deployment: Deployment, design: SessionDesign) -> None:
    """Add the policies of a session role to its role."""
    statements: list[Body] = []
    limits: list[Body] = []
    bounded = False
    for store, pattern in design.formats.items():
        own = _items(dice, store, pattern) if store.startswith("Table") else _objects(dice, store, pattern)
        shape = dice.random()
        if deployment.masked and shape < 0.6:
            broad = [_broad(dice, store)]
            statements += [*broad, *_denies(dice, store, pattern)]
            limits += broad
        elif shape < 0.12:  # the boundary is what limits the role
            bounded = True
            statements.append(_broad(dice, store))
            limits += own
        else:
            statements += [*own, *(_denies(dice, store, pattern) if dice.chance(0.2) else [])]
            limits += own
    if dice.chance(0.1):
        statements.append(statement("Allow", ["logs:PutLogEvents", "xray:PutTraceSegments"], "*"))
    properties = deployment.resources[design.role]["Properties"]
    if bounded or dice.chance(0.05):
        boundary = f"{design.role}Boundary"
        deployment.add(boundary, "AWS::IAM::ManagedPolicy", PolicyDocument=document(*limits))
        properties["PermissionsBoundary"] = {"Ref": boundary}
    properties["Policies"] = [{"PolicyName": "data", "PolicyDocument": document(*statements)}]


def _broad(dice: Dice, store: str) -> Body:
    """Return an Allow of every item or object, which something else has to limit."""
    if dice.slip():
        return statement("Allow", ["dynamodb:*", "s3:*"], [arn(store), below(store, "/*")])
    if store.startswith("Table"):
        return statement("Allow", dice.choice([["dynamodb:*Item"], ["dynamodb:Query", "dynamodb:GetItem"]]), arn(store))
    return statement("Allow", dice.choice([["s3:GetObject"], ["s3:GetObject*", "s3:PutObject"]]), below(store, "/*"))


def some(dice: Dice, actions: tuple[str, ...], service: str) -> list[str]:
    """Return a few actions of a service."""
    return [f"{service}:{action}" for action in dice.sample(actions, dice.randint(1, 4))]


def narrowing(dice: Dice, tags: tuple[str, ...]) -> Body:
    """Return a condition that takes nothing away from isolation, or nothing at all."""
    choices: list[Body] = [
        {},
        {},
        {},
        {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
        {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}},
        {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
        {"StringLike": {f"aws:PrincipalTag/{tags[0]}": "?*"}},
        {"Null": {f"aws:PrincipalTag/{tags[-1]}": "false"}},
        {"Bool": {"aws:SecureTransport": "true"}},
    ]
    return dice.choice(choices)


def _items(dice: Dice, store: str, pattern: str) -> list[Body]:
    """Return Allows on the items of a session."""
    tags = tuple(part.split("}")[0] for part in pattern.split("{")[1:])
    key = variables(pattern)
    operator, keys, null = "ForAllValues:StringEquals", [key], True
    action: Any = some(dice, ITEM_ACTIONS, "dynamodb")
    resource: Any = arn(store)
    if dice.slip():
        operator = dice.choice(
            [
                "ForAnyValue:StringEquals",
                "ForAnyValue:StringLike",
                "ForAllValues:StringEqualsIfExists",
                "ForAllValues:StringNotEquals",
                "ForAllValues:StringEqualsIgnoreCase",
            ]
        )
    elif dice.chance(0.2):
        operator = "ForAllValues:StringLike"
    if dice.slip():
        keys = dice.choice([[key, "shared"], [f"{key}*"], [key, variables("{" + tags[-1] + "}")], ["*"]])
        operator = operator.replace("Equals", "Like") if "Not" not in operator else operator
    if dice.slip():
        null = False
    if dice.slip():
        action = dice.choice(
            [
                "dynamodb:*",
                ["dynamodb:Scan", "dynamodb:GetItem"],
                "dynamodb:*Item*",
                "dynamodb:PartiQL*",
                [*action, "dynamodb:GetRecords"],
                "dynamodb:Q*",
            ]
        )
    if dice.slip():
        resource = dice.choice(
            [
                "*",
                [arn(store), below(store, "/index/*")],
                below(store, "*"),
                {"Fn::Sub": "arn:aws:dynamodb:*:${AWS::AccountId}:table/*"},
            ]
        )
    condition = merged({operator: {LEADING: keys}}, {"Null": {LEADING: "false"}} if null else {}, narrowing(dice, tags))
    found = [statement("Allow", action, resource, condition)]
    if dice.slip():
        found.append(
            statement(
                "Allow",
                dice.choice(["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:Update*"]),
                arn(store),
                narrowing(dice, tags),
            )
        )
    if dice.slip():
        one = found[0]
        found[0] = {
            **{name: one[name] for name in one if name != "Action"},
            "NotAction": ["dynamodb:DeleteTable", "s3:*"],
        }
    return [choice_of(dice, one) for one in found]


def _objects(dice: Dice, store: str, pattern: str) -> list[Body]:
    """Return Allows on the objects of a session, and on listing them."""
    tags = tuple(part.split("}")[0] for part in pattern.split("{")[1:])
    prefix = variables(pattern)
    keys, action = [f"/{prefix}*"], some(dice, OBJECT_ACTIONS, "s3")
    if dice.slip():
        keys = dice.choice(
            [
                [f"/{prefix.rstrip('/')}*"],
                ["/*"],
                [f"/*{prefix}*"],
                [f"/{prefix.split('/')[0]}/*"],
                [f"/{prefix}*", "/shared/*"],
            ]
        )
    broad: Any = action
    if dice.slip():
        broad = dice.choice(["s3:*", "s3:*Object*", "s3:Get*", [*action, "s3:PutBucketPolicy"], "s3:Update*"])
    found = [statement("Allow", broad, [below(store, key) for key in keys], narrowing(dice, tags))]
    if dice.chance(0.4):
        found.append(_listing(dice, store, prefix))
    return [choice_of(dice, one) for one in found]


def _listing(dice: Dice, store: str, prefix: str) -> Body:
    condition: Body = {"StringLike": {"s3:prefix": f"{prefix}*"}}
    if dice.chance(0.2):
        condition = {"StringEquals": {"s3:prefix": prefix}}
    if dice.slip():
        slips: list[Body] = [
            {"StringLikeIfExists": {"s3:prefix": f"{prefix}*"}},
            {},
            {"StringLike": {"s3:prefix": "*"}},
            {"StringNotEquals": {"s3:prefix": ""}},
            {"StringLike": {"s3:prefix": [f"{prefix}*", ""]}},
            {"ForAllValues:StringLike": {"s3:prefix": f"{prefix}*"}},
        ]
        condition = dice.choice(slips)
    return statement(
        "Allow", dice.choice(["s3:ListBucket", ["s3:ListBucket", "s3:ListBucketVersions"]]), arn(store), condition
    )


def _denies(dice: Dice, store: str, pattern: str) -> list[Body]:
    """Return Denies of all but a session's own, as a second lock or as the only one."""
    key = variables(pattern)
    if store.startswith("Bucket"):
        own = [below(store, f"/{key}*")]
        locks = [statement("Deny", "s3:*", own, NotResource=own)]
        del locks[0]["Resource"]
    else:
        operator = dice.choice(["ForAnyValue:StringNotEquals"] * 3 + ["ForAnyValue:StringNotLike"])
        if dice.slip():
            operator = dice.choice(["ForAllValues:StringNotEquals", "ForAnyValue:StringNotEqualsIgnoreCase"])
        locks = [
            statement("Deny", "dynamodb:*", arn(store), {operator: {LEADING: [key]}}),
            statement("Deny", "dynamodb:*", arn(store), {"Null": {LEADING: "true"}}),
        ]
    if dice.slip():
        locks.pop()
    if dice.slip() and locks:
        locks[0] = {
            **locks[0],
            "Condition": merged(locks[0].get("Condition", {}), {"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        }
    tags = [part.split("}")[0] for part in pattern.split("{")[1:]]
    return [*locks, *(statement("Deny", "*", "*", {"Null": {f"aws:PrincipalTag/{tag}": "true"}}) for tag in tags)]


def choice_of(dice: Dice, one: Body) -> Any:
    """Return a statement, now and then only under one value of a condition of the template."""
    if dice.chance(0.08):
        return {"Fn::If": ["IsProduction", one, {"Ref": "AWS::NoValue"}]}
    if dice.chance(0.04):
        return {"Fn::If": ["IsProduction", {"Ref": "AWS::NoValue"}, one]}
    return one
