"""Random trust policies of session roles: several spellings that demand the tags, and near misses of them."""

from typing import Any

from tests.support.deployments.design import Body, Dice, SessionDesign, arn, document, merged

SEPARATORS = ("/", "-", ":", "..")
EXTERNAL = "arn:aws:iam::444455556666:root"
ROOT = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}


def session_trust(dice: Dice, design: SessionDesign, makers: list[str]) -> Body:
    """Return who makes sessions of a role, and with which tags."""
    principal, who = _principal(dice, makers)
    condition = merged(who, _demands(dice, design), _exclusions(dice, design), _tag_keys(dice, design))
    if not dice.slip():
        condition = merged(condition, {"Null": {"sts:TransitiveTagKeys": "true"}})
    actions = ["sts:AssumeRole", "sts:TagSession"]
    allow: Body = {"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition}
    found = [allow]
    if dice.chance(0.15):  # the same in two statements: each action is allowed by its own
        found = [{**allow, "Action": action} for action in actions]
        if dice.slip():
            found[dice.randrange(2)].pop("Condition")
    if dice.slip():
        found.append({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    if dice.chance(0.1):
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        found.append({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Condition": insecure})
    return document(*found)


def _principal(dice: Dice, makers: list[str]) -> tuple[Any, Body]:
    arns: list[Any] = [arn(maker) for maker in makers]
    named = arns[0] if len(arns) == 1 else arns
    if dice.slip():
        slips: list[tuple[Any, Body]] = [
            ("*", {}),
            ({"AWS": "*"}, {"StringLikeIfExists": {"aws:PrincipalArn": named}}),
            ({"AWS": [*arns, EXTERNAL]}, {}),
            ({"AWS": ROOT}, {}),
            ({"AWS": "*"}, {"StringEquals": {"sts:ExternalId": "x"}}),
            ({"AWS": "*"}, {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/x"}}),
        ]
        return dice.choice(slips)
    spellings: list[tuple[Any, Body]] = [
        ({"AWS": named}, {}),
        ({"AWS": named}, {}),
        ({"AWS": "*"}, {"ArnEquals": {"aws:PrincipalArn": named}}),
        ("*", {"StringEquals": {"aws:PrincipalArn": named}}),
        ({"AWS": ROOT}, {"ArnEquals": {"aws:PrincipalArn": named}}),
        ({"AWS": ROOT}, {"StringLike": {"aws:PrincipalArn": named}}),
    ]
    return dice.choice(spellings)


def _demands(dice: Dice, design: SessionDesign) -> Body:
    """Return the conditions that each tag is there and not empty."""
    found: Body = {}
    for tag in design.tags:
        key = f"aws:RequestTag/{tag}"
        if dice.slip():
            slip: list[Body] = [{}, {"StringLikeIfExists": {key: "?*"}}, {"StringNotEquals": {key: ""}},
                                {"StringLike": {key: "*"}}, {"ForAllValues:StringLike": {key: "?*"}}]  # fmt: skip
            found = merged(found, dice.choice(slip))
        else:
            found = merged(found, {"StringLike": {key: "?*"}})
    return found


def _exclusions(dice: Dice, design: SessionDesign) -> Body:
    """Return the conditions that no tag holds what separates tags in a key."""
    found: Body = {}
    for tag in design.tags:
        kept = [f"*{separator}*" for separator in SEPARATORS if not dice.slip()]
        if kept and not dice.slip():
            found[f"aws:RequestTag/{tag}"] = [*kept, "."]
    operator = dice.choice(["StringNotLike"] * 4 + ["StringNotLikeIfExists"])
    return {operator: found} if found else {}


def _tag_keys(dice: Dice, design: SessionDesign) -> Body:
    """Return the condition that there are no other tags."""
    tags = list(design.tags)
    if dice.slip():
        slip: list[Body] = [{}, {"ForAnyValue:StringEquals": {"aws:TagKeys": tags}},
                            {"ForAllValues:StringLike": {"aws:TagKeys": [*tags, "user*"]}}]  # fmt: skip
        return dice.choice(slip)
    return {"ForAllValues:StringEquals": {"aws:TagKeys": tags}}
