"""Looks for crossings in a random deployment: requests the simulator allows on data that is not the caller's."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations
from random import Random
from typing import Any

from session_scoping.verify import Report, verify
from tests.support.deployments.attacks import ON_KEYS, Attack, filled, on_foreign, on_own, on_whole
from tests.support.deployments.callers import allows, become, context_of, outsiders, sessions, with_tags
from tests.support.deployments.design import Deployment, SessionDesign, Tags
from tests.support.deployments.world import Principal, World
from tests.support.simulator import ACCOUNT, request

_CALLERS, _VICTIMS = 4, 3


@dataclass(frozen=True)
class Crossing:
    """A request that the simulator allows although the data is not the caller's."""

    caller: Principal
    attack: Attack
    victim: Tags
    production: bool

    def __str__(self) -> str:
        one, tags = self.attack, dict(self.caller.tags)
        stage = "production" if self.production else "not production"
        request = f"{one.action} {one.resource} {one.context}"
        return f"{one.kind}: {self.caller.name} {tags} {request}, data of {self.victim} ({stage})"


@dataclass
class Found:
    """
    What attacks on one deployment came to.

    Attributes:
        asked: Kind of request -> how many were made.
        crossings: Those that the simulator allowed.
    """

    asked: Counter[str] = field(default_factory=Counter)
    crossings: list[Crossing] = field(default_factory=list)


@dataclass(frozen=True)
class _Victim:
    """A session with something of its own, which it really reaches."""

    design: SessionDesign
    tags: Tags
    store: str
    pattern: str


def verdict(deployment: Deployment, *, stop_at_first: bool = True) -> Report:
    """Return what the verifier says of a deployment."""
    return verify(deployment.template, masked_grants=deployment.masked, stop_at_first=stop_at_first)


def attacked(deployment: Deployment, limit: int) -> Found:
    """Attack a deployment under each value of its condition, with so many requests at most under each."""
    found, dice = Found(), Random(deployment.seed)
    both = "IsProduction" in json.dumps(deployment.resources)
    for production in (True, False) if both else (True,):
        world = World(deployment, production)
        tries = list(_tries(world, dice))
        chosen = _of_each_kind(dice, tries, limit)
        for caller, attack, victim in _allowed(world, chosen):
            found.crossings.append(Crossing(caller, attack, victim, production))
        found.asked.update(attack.kind for _, attack, _ in chosen)
    return found


_Try = tuple[Principal, Attack, Tags]


def _of_each_kind(dice: Random, tries: list[_Try], limit: int) -> list[_Try]:
    """Return some requests, of a rare kind as many as of a common one."""
    dice.shuffle(tries)
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, _Try]] = []
    for one in tries:
        seen[one[1].kind] += 1
        ranked.append((seen[one[1].kind], one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])[:limit]]


def _tries(world: World, dice: Random) -> Iterator[_Try]:
    admitted = {design.role: sessions(world, design) for design in world.deployment.sessions}
    victims = list(_victims(world, admitted, dice))
    if not victims:
        return
    for design in world.deployment.sessions:
        for tags in _near(dice, design, admitted[design.role], _CALLERS):
            yield from _by_session(world, design, tags, victims)
    for agent in world.deployment.agents:
        for who in become(world, world.principals[agent]):
            yield from _by_other(world, _prefixed(who, agent), victims)
    for who in outsiders():
        yield from _by_outsider(world, who, victims)


def _prefixed(who: Principal, agent: str) -> Principal:
    return who if who.name == agent else Principal(f"{agent} as {who.name}", **{
        name: getattr(who, name) for name in ("arn", "caller", "policies", "boundary", "tags")})  # fmt: skip


def _victims(world: World, admitted: dict[str, list[Tags]], dice: Random) -> Iterator[_Victim]:
    for design in world.deployment.sessions:
        full = [tags for tags in admitted[design.role] if set(tags) == set(design.tags) and all(tags.values())]
        for tags in _near(dice, design, full, _VICTIMS):
            who = with_tags(world.principals[design.role], tags)
            for store, pattern in design.formats.items():
                own = [(who, attack, tags) for attack in on_own(world, store, pattern, tags)]
                if next(_allowed(world, own), None):
                    yield _Victim(design, tags, store, pattern)


def _by_session(world: World, design: SessionDesign, tags: Tags, victims: list[_Victim]) -> Iterator[_Try]:
    theirs = [one for one in victims if all(tags.get(key) != value for key, value in one.tags.items())]
    first = with_tags(world.principals[design.role], tags)
    for who in become(world, first):
        yield from _by_other(world, who, theirs, design, tags)


def _by_other(
    world: World, who: Principal, victims: list[_Victim], design: SessionDesign | None = None, tags: Tags | None = None
) -> Iterator[_Try]:
    """Yield what somebody tries on the data of victims, a session together with what is its own."""
    whole: set[str] = set()
    for one in victims:
        own = []
        if design and one.store in design.formats and set(tags or {}) >= set(design.tags):
            own = [filled(design.formats[one.store], tags or {})]
        attacks = list(on_foreign(world, one.store, one.pattern, one.tags, own))
        if one.store not in whole:
            whole.add(one.store)
            attacks += on_whole(world, one.store)
        for attack in attacks:
            yield (
                who,
                Attack(_kind(who, design) + attack.kind, attack.action, attack.resource, attack.context),
                one.tags,
            )


def _kind(who: Principal, design: SessionDesign | None) -> str:
    if design and who.name == design.role:
        return ""
    if who.arn.split(":")[4] != ACCOUNT:
        return "outsider: "
    return "session as another role: " if design else "agent as another role: " if " as " in who.name else "agent: "


def _by_outsider(world: World, who: Principal, victims: list[_Victim]) -> Iterator[_Try]:
    tagged = with_tags(who, {"app": "x", "store": "tasks"})
    for other in become(world, tagged):
        renamed = other if other is tagged else _prefixed(other, who.name)
        for caller, attack, tags in _by_other(world, renamed, victims):
            kind = "outsider as a role: " if other is not tagged else "outsider: "
            yield (
                caller,
                Attack(kind + attack.kind.split(": ")[-1], attack.action, attack.resource, attack.context),
                tags,
            )
    for key in world.encryption_keys():
        for action in ON_KEYS:
            yield tagged, Attack("outsider: key", action, world.arn(key)), {}
    for design in world.deployment.sessions:
        if not who.name.endswith("444455556666"):  # a trust that names an account means it
            tries = [one.tags for one in victims if one.design is design][:1]
            for tags in tries:
                passed: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
                yield who, Attack("outsider: session", "sts:AssumeRole", world.arn(design.role),
                                  {**passed, "aws:TagKeys": list(tags), "sts:ExternalId": "x"}), tags  # fmt: skip


def _allowed(world: World, tries: list[_Try]) -> Iterator[_Try]:
    """Yield what the simulator allows, in any network of the caller's."""
    groups: dict[tuple[str, str], list[_Try]] = {}
    for one in tries:
        groups.setdefault((one[0].name, _place(world, one[1].resource)), []).append(one)
    for (_, place), group in groups.items():
        who = group[0][0]
        networks = _networks(world, who)
        on = world.trusts.get(place) or (world.policy_on(place) if place else None)
        asked = [
            request(one.action, one.resource, {**context_of(caller), **network, **one.context}, caller.caller)
            for caller, one, _ in group
            for network in networks
        ]
        verdicts, step = allows(world, who, on, asked), len(networks)
        yield from (one for number, one in enumerate(group) if any(verdicts[number * step : (number + 1) * step]))


def _networks(world: World, who: Principal) -> tuple[dict[str, str], ...]:
    if "aws:SourceVpc" not in json.dumps(world.deployment.resources):
        return ({},)
    return ({}, {"aws:SourceVpc": "vpc-1" if who.arn.split(":")[4] == ACCOUNT else "vpc-9"})


def _place(world: World, resource: str) -> str:
    """Return the store, key or role that a request is about; a stream and an index have no policy of the table's."""
    for name in (*world.stores(), *world.encryption_keys(), *world.trusts):
        place = world.arn(name)
        if resource == place or (":s3:" in place and resource.startswith(f"{place}/")):
            return name
    return ""


def _near(dice: Random, design: SessionDesign, admitted: list[Tags], count: int) -> list[Tags]:
    """Return some sessions; first two of those whose keys begin alike, although they have no tag in common."""
    full = [tags for tags in admitted if set(tags) == set(design.tags)]
    pairs = [[one, two] for one, two in permutations(full, 2) if _begin_alike(design, one, two)]
    first = dice.choice(pairs) if pairs else []
    rest = [tags for tags in admitted if tags not in first]
    return (first + dice.sample(rest, len(rest)))[:count]


def _begin_alike(design: SessionDesign, one: Tags, two: Tags) -> bool:
    if any(one[key] == two[key] for key in design.tags):
        return False
    return any(filled(text, two).startswith(filled(text, one)) for text in design.formats.values())
