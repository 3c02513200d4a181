"""Random principals around the session roles: agents, brokers, other roles, users; and what each may do."""

from random import Random
from typing import Any

from tests.support.deployments.design import Body, Deployment, Dice, arn, below, document, statement
from tests.support.deployments.trusts import EXTERNAL, ROOT

RUNTIMES = ("ecs-tasks.amazonaws.com", "bedrock-agentcore.amazonaws.com")
FUNCTIONS = "lambda.amazonaws.com"
_AGENT_BASICS = statement("Allow", ["logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments"], "*")


def service_trust(service: str) -> Body:
    """Return the statement that a service runs code with a role."""
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


def add_role(deployment: Deployment, identifier: str, trust: list[Body], allowed: list[Body], **more: Any) -> None:
    """Add a role with its trust and its policy."""
    policies = [{"PolicyName": "p", "PolicyDocument": document(*allowed)}] if allowed else []
    deployment.add(identifier, "AWS::IAM::Role", AssumeRolePolicyDocument=document(*trust), Policies=policies, **more)


def add_agents(dice: Dice, deployment: Deployment, stores: list[str]) -> None:
    """Add the roles that agent code runs with, and the broker that makes sessions for them if there is one."""
    sessions: list[Any] = [arn(one.role) for one in deployment.sessions]
    mint = statement("Allow", ["sts:AssumeRole", "sts:TagSession"], sessions)
    others = [name for name in deployment.resources if name.startswith("Other")]
    for agent in deployment.agents:
        allowed = [_AGENT_BASICS]
        if not deployment.brokers:
            allowed.append(mint)
        elif dice.chance(0.9):
            allowed.append(statement("Deny", "sts:AssumeRole", sessions))
        more: Body = {}
        if dice.chance(0.4):
            more["Tags"] = [{"Key": "store", "Value": dice.choice(["tasks", "scratch"])}]
        for _ in range(2):
            if any(tuple(dice.slip() for _ in range(5))):
                allowed.append(_under(deployment.seed, _reach(dice, stores, others)))
        if deployment.masked and dice.chance(0.5):
            allowed += [_reach(dice, stores, others), _guard(dice)]
        if dice.chance(0.15):
            limit = dice.choice(["*", ["logs:*", "xray:*", "sts:*"]])
            deployment.add(
                f"{agent}Boundary", "AWS::IAM::ManagedPolicy", PolicyDocument=document(statement("Allow", limit, "*"))
            )
            more["PermissionsBoundary"] = {"Ref": f"{agent}Boundary"}
        add_role(deployment, agent, [service_trust(dice.choice(RUNTIMES))], allowed, **more)
    for broker in deployment.brokers:
        add_role(deployment, broker, [service_trust(FUNCTIONS)], [_AGENT_BASICS, mint])


def _under(seed: int, one: Body) -> Body:
    """Return a statement, in some deployments only where the stage is not production."""
    return {"Fn::If": ["IsProduction", {"Ref": "AWS::NoValue"}, one]} if Random(-seed).random() < 0.15 else one


def _reach(dice: Dice, stores: list[str], others: list[str]) -> Body:
    """Return an Allow of an agent's that may open tenant data, or another role."""
    store = dice.choice(stores)
    table = store.startswith("Table")
    inside: Any = arn(store) if table else below(store, "/*")
    service = "dynamodb" if table else "s3"
    one = "dynamodb:GetItem" if table else "s3:GetObject"
    probe: Body = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": "probe-*"}}
    conditions: list[Body] = [
        {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
        {"StringLike": {"aws:SourceVpc": "vpc-*"}},
        {"Null": {"aws:SourceVpc": "true"}},
        probe,
        {"DateLessThan": {"aws:CurrentTime": "2019-01-01T00:00:00Z"}},
        {"StringEquals": {"aws:PrincipalTag/store": "tasks"}},
        {"StringNotEquals": {"aws:PrincipalTag/store": "scratch"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    ]
    named: Body = {"Fn::Sub": "arn:aws:dynamodb:*:${AWS::AccountId}:table/${!aws:PrincipalTag/store}"}
    bucket: Body = {"Fn::Sub": "arn:aws:s3:::${!aws:PrincipalTag/store}/*"}
    shapes: list[Body] = [
        *(statement("Allow", one, inside, dice.choice(conditions)) for _ in range(6)),
        statement("Allow", one, named if table else bucket),
        {"Effect": "Allow", "Action": f"{service}:*", "NotResource": arn(dice.choice(stores))},
        {"Effect": "Allow", "NotAction": ["iam:*", "sts:*", "kms:*", f"{service}:Get*"], "Resource": inside},
        statement(
            "Allow",
            f"{service}:*",
            {"Fn::Sub": "arn:aws:" + service + ":*:*:tab*" if table else "arn:aws:s3:::*/probe/*"},
        ),
        statement("Allow", "dynamodb:GetRecords", {"Fn::GetAtt": [store, "StreamArn"]} if table else "*"),
        statement(
            "Allow", dice.choice(["s3:*Tagging", "dynamodb:Batch*", "s3:GetObjectVersion*", "dynamodb:Export*"]), "*"
        ),
    ]
    if others:
        shapes += [statement("Allow", "sts:AssumeRole", arn(dice.choice(others)))] * 3
        shapes += [statement("Allow", ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "*")]
    return dice.choice(shapes)


def _guard(dice: Dice) -> Body:
    """Return a Deny of tenant data, which holds always, at times or never."""
    conditions: list[Body] = [{}, {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
                              {"StringNotEqualsIfExists": {"aws:SourceVpc": "vpc-1"}},
                              {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
                              {"StringNotEqualsIgnoreCase": {"aws:PrincipalTag/store": "${aws:PrincipalTag/store}"}},
                              {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": "probe-*"}},
                              {"StringEquals": {"aws:PrincipalTag/store": "scratch"}},
                              {"Null": {"aws:PrincipalTag/store": "false"}}]  # fmt: skip
    return statement("Deny", ["dynamodb:*", "s3:*"], "*", dice.choice(conditions))


def add_others(dice: Dice, deployment: Deployment, stores: list[str]) -> None:
    """Add roles that work with tenant data for their owner, and now and then a user."""
    for number in range(dice.choice([0, 1, 1, 2])):
        trust = service_trust(FUNCTIONS)
        if dice.chance(0.3):
            trust = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
        if number and dice.chance(0.4):
            trust = {"Effect": "Allow", "Principal": {"AWS": arn("Other0")}, "Action": "sts:AssumeRole"}
        if dice.slip():
            who = dice.choice(["*", {"AWS": "*"}, {"AWS": EXTERNAL}, {"AWS": arn(deployment.agents[0])}])
            trust = {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}
            if dice.chance(0.5):
                limits: list[Body] = [
                    {"StringEquals": {"sts:ExternalId": "x"}},
                    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
                    {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
                    {"StringEquals": {"aws:PrincipalOrgID": "o-own"}},
                ]
                trust["Condition"] = dice.choice(limits)
        allowed = [_AGENT_BASICS]
        if dice.chance(0.6):
            store = dice.choice(stores)
            inside: Any = arn(store) if store.startswith("Table") else below(store, "/*")
            allowed.append(
                statement(
                    "Allow",
                    dice.choice(["dynamodb:Scan", "dynamodb:*"]) if store.startswith("Table") else "s3:GetObject",
                    inside,
                )
            )
        elif number:
            allowed.append(statement("Allow", "sts:AssumeRole", arn("Other0")))
        add_role(deployment, f"Other{number}", [trust], allowed)
    if dice.chance(0.15):
        report = document(statement("Allow", "dynamodb:Scan", "*"))
        deployment.add("Analyst", "AWS::IAM::User", Policies=[{"PolicyName": "p", "PolicyDocument": report}])
