"""Who may act as whom in one world: concrete sessions that the trusts admit, and what roles may become."""

from dataclasses import replace
from itertools import product
from typing import Any

from tests.support.deployments.design import Body, SessionDesign, Tags
from tests.support.deployments.world import Principal, World, outsider
from tests.support.simulator import ACCOUNT, ask, request

OUTSIDERS = ("999988887777", "444455556666")
"""An account that nothing names, and the one that near misses name."""
_FIRST = ("u", "a", "a/b", "u-t", "ut", "u:t")
_LAST = ("t", "b", "b/c", "t-c", "c", "tb", "t:c")
_OWN = {"aws:SecureTransport": "true", "aws:CurrentTime": "2026-11-01T10:00:00Z", "aws:RequestedRegion": "us-east-1",
        "aws:SourceIp": "10.0.0.1"}  # fmt: skip


def with_tags(who: Principal, tags: Tags) -> Principal:
    """Return a session of a caller; its tags take the place of the role's own."""
    return replace(who, tags={**who.tags, **tags})


def context_of(who: Principal) -> dict[str, Any]:
    """Return what AWS says of a caller."""
    account = who.arn.split(":")[4]
    kind = "User" if ":user/" in who.arn else "AssumedRole"
    facts = {"aws:PrincipalArn": who.arn, "aws:PrincipalAccount": account, "aws:PrincipalType": kind}
    organization = {"aws:PrincipalOrgID": "o-own" if account == ACCOUNT else "o-theirs"}
    return {**_OWN, **facts, **organization, **{f"aws:PrincipalTag/{key}": value for key, value in who.tags.items()}}


def may_assume(world: World, who: Principal, role: str, tries: list[Tags]) -> list[Tags]:
    """Return the tags with which the simulator lets a caller become a role."""
    context = context_of(who)
    asked = []
    for tags in tries:
        passed = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        passing = {**context, "sts:ExternalId": "x", **passed, **({"aws:TagKeys": list(tags)} if tags else {})}
        actions = ["sts:AssumeRole", "sts:TagSession"] if tags else ["sts:AssumeRole"]
        asked += [request(action, world.arn(role), passing, who.caller) for action in actions]
    verdicts = iter(ask(world.policies(who, world.trusts[role]), asked, checked=False) if asked else [])
    return [tags for tags in tries if {next(verdicts) for _ in range(2 if tags else 1)} == {"Allowed"}]


def allows(world: World, who: Principal, on: Body | None, asked: list[dict[str, Any]]) -> list[bool]:
    """
    Return whether the simulator allows each request of a caller.

    It is asked without checks first, which is six times as fast, and once more with checks about what that allows.
    """
    policies = world.policies(who, on)
    found = [verdict == "Allowed" for verdict in ask(policies, asked, checked=False)] if asked else []
    sure = iter(
        ask(policies, [one for one, hit in zip(asked, found, strict=True) if hit], checked=True) if any(found) else []
    )
    return [hit and next(sure) == "Allowed" for hit in found]


def sessions(world: World, design: SessionDesign) -> list[Tags]:
    """Return concrete sessions of a role that its trust admits, whoever it lets make them, outsiders left out."""
    pairs = product(_FIRST, _LAST)
    tries: list[Tags] = [dict(zip(design.tags, pair[-len(design.tags) :], strict=True)) for pair in pairs]
    tries = [tags for number, tags in enumerate(tries) if tags not in tries[:number]]
    odd: list[Tags] = [{}, {design.tags[0]: "u"}, {**tries[0], "extra": "x"}, {**tries[0], design.tags[-1]: ""}]
    makers = [world.principals[name] for name in (*world.deployment.agents, *world.deployment.brokers)]
    found: list[Tags] = []
    for maker in makers:
        found += [tags for tags in may_assume(world, maker, design.role, [*tries, *odd]) if tags not in found]
    return found


def become(world: World, first: Principal) -> list[Principal]:
    """Return a caller with every role it may become, session roles and their makers left out."""
    deployment = world.deployment
    left_out = {*(one.role for one in deployment.sessions), *deployment.brokers}
    found = [first]
    for who in found:
        for name in world.trusts:
            if name not in left_out and name not in {one.name for one in found} and _edge(world, who, name):
                found.append(world.principals[name])
    return found


def _edge(world: World, who: Principal, role: str) -> bool:
    if may_assume(world, who, role, [{}]):
        return True
    if "lambda.amazonaws.com" not in world.services(role) or who.arn.split(":")[4] != ACCOUNT:
        return False
    context = context_of(who)
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:new"
    passing = {**context, "iam:PassedToService": "lambda.amazonaws.com"}
    running = ("lambda:CreateFunction", "lambda:InvokeFunction")
    asked = [request("iam:PassRole", world.arn(role), passing, who.caller)]
    asked += [request(action, function, context, who.caller) for action in running]
    return all(allows(world, who, None, asked))


def outsiders() -> list[Principal]:
    """Return callers of other accounts."""
    return [outsider(account) for account in OUTSIDERS]
