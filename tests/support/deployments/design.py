"""What a random deployment is made of: who its sessions are, whose data is whose, and the template."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

Body = dict[str, Any]
Tags = dict[str, str]


def document(*statements: Body) -> Body:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(effect: str, action: Any, resource: Any, condition: Body | None = None, **more: Any) -> Body:
    """Return a statement of an identity policy."""
    body = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {**body, "Condition": condition} if condition else body


def merged(*blocks: Body) -> Body:
    """Return several Condition blocks as one."""
    found: Body = {}
    for block in blocks:
        for operator, keys in block.items():
            found.setdefault(operator, {}).update(keys)
    return found


def arn(identifier: str) -> Body:
    """Return a reference to a resource's ARN."""
    return {"Fn::GetAtt": [identifier, "Arn"]}


def below(identifier: str, suffix: str) -> Body:
    """Return a resource's ARN with something behind it."""
    return {"Fn::Join": ["", [arn(identifier), suffix]]}


def variables(pattern: str) -> str:
    """Return a key format, `{tag}` in it as policy variables."""
    return pattern.replace("{", "${aws:PrincipalTag/")


_PARTS = {"formats": 3, "trust": 12, "grants": 12, "agents": 5, "others": 3, "stores": 5}
"""Part of a deployment -> among how many of its choices the one near miss is."""


class Dice(Random):
    """Choices by seed, of which none, mostly one, or a share are near misses."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._share = self.choice([0.0, 0.0, 0.0, 0.0, 0.05])
        self._part, self._chosen = "", self.choice(list(_PARTS))
        self._until = self.choice([*(self.randrange(_PARTS[self._chosen]) for _ in range(4)), -1])

    def begin(self, part: str) -> None:
        """Say which part of a deployment is drawn next; the one near miss is in one of them."""
        self._part = part

    def slip(self) -> bool:
        """Whether the next choice is a near miss."""
        if self._part != self._chosen:
            return self.random() < self._share
        self._until -= 1
        return self._until == -1 or self.random() < self._share

    def chance(self, share: float) -> bool:
        """Whether something harmless happens."""
        return self.random() < share


@dataclass(frozen=True)
class SessionDesign:
    """
    A session role as it is meant.

    Attributes:
        role: Its logical id.
        tags: The tags its sessions are made with.
        formats: Store -> the key of an own item or object, with `{tag}` for each tag; a prefix ends in `/`.
    """

    role: str
    tags: tuple[str, ...]
    formats: dict[str, str] = field(default_factory=dict)


@dataclass
class Deployment:
    """
    A random template with what it is meant to do.

    Attributes:
        seed: Makes the same deployment again.
        sessions: The session roles.
        agents: The logical ids of the roles that agent code runs with.
        brokers: Those of the roles that make sessions for agents.
        masked: Whether a Deny alone may hold a grant back.
    """

    seed: int
    sessions: list[SessionDesign] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    brokers: list[str] = field(default_factory=list)
    masked: bool = False
    resources: Body = field(default_factory=dict)

    @property
    def template(self) -> Body:
        """The template."""
        return {
            "Parameters": {"Stage": {"Type": "String"}},
            "Conditions": {"IsProduction": {"Fn::Equals": [{"Ref": "Stage"}, "production"]}},
            "Resources": self.resources,
        }

    def add(self, identifier: str, kind: str, **properties: Any) -> str:
        """Add a resource to the template."""
        self.resources[identifier] = {"Type": kind, "Properties": properties}
        return identifier
