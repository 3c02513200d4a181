"""What an action may do, and to what: reviewed judgements, and the careful answer where there is none."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from session_scoping.aws.actions import action
from session_scoping.aws.table import read, service


class Effect(StrEnum):
    """What an action may do. An action without any returns settings, or does only what its caller may without it."""

    NAMES = "names"
    """Returns names or metadata of what a resource holds: objects, secrets, sessions of a Memory."""
    READ = "read"
    """Answers with what a resource holds."""
    WRITE = "write"
    """Adds, changes or deletes what a resource holds, or withholds it."""
    COPY = "copy"
    """Puts what a resource holds, or its names, where another policy says who reads it."""
    GRANT = "grant"
    """Changes who may reach a resource, or what a principal may."""
    TAG = "tag"
    """Sets tags or attributes that conditions compare."""
    BECOME = "become"
    """Gives credentials of another principal, or runs the caller's code as one."""
    ASK = "ask"
    """Makes another principal's workload act on what the caller sends."""


EVERY_EFFECT = frozenset(Effect)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The effects of one action, and on which kinds of resources."""

    effects: frozenset[Effect]
    own: tuple[str, ...]
    """
    Kinds that the statement's `Resource` has to name: `dynamodb:table`, or `dynamodb:*` for any of the service. To
    become somebody by `lambda:function` means to become the role of such a function.
    """
    beyond: tuple[str, ...]
    """Services whose resources and principals it reaches whatever `Resource` says; `*` for all of them."""
    beyond_effects: frozenset[Effect]
    judged: bool
    """Whether a rule judged it. If not, it has every effect."""
    why: str

    def where_named(self, kind: str) -> frozenset[Effect]:
        """Return the effects on a kind of resource (`s3:object`) where the statement's `Resource` names it."""
        return self.effects if {kind, f"{_prefix(kind)}:*"} & set(self.own) else frozenset()

    def anywhere(self, kind: str) -> frozenset[Effect]:
        """Return the effects on a kind of resource whatever `Resource` says."""
        return self.beyond_effects if {_prefix(kind), "*"} & set(self.beyond) else frozenset()

    def on(self, kind: str) -> frozenset[Effect]:
        """Return the effects on a kind of resource, one way or the other."""
        return self.where_named(kind) | self.anywhere(kind)


def _prefix(kind: str) -> str:
    return kind.split(":")[0].lower()


@lru_cache(maxsize=65536)
def judgement(name: str) -> Judgement:
    """
    Return what an action may do; every name has an answer.

    An action that nobody has judged, or that the table lacks, has every effect on its own service's resources. In a
    service that says who somebody is, or one that is not known at all, it may change and become any principal too.
    """
    found = action(name)
    prefix = _prefix(name)
    own = tuple(item.kind for item in found.resources) if found is not None and found.resources else (f"{prefix}:*",)
    if found is not None:
        content = read(prefix)
        place = content["actions"][found.name.split(":")[1]][4]
        if place is not None:
            return _judged(prefix, content["judgements"][place], own)
    anyone = service(prefix).anyone
    return Judgement(
        effects=EVERY_EFFECT,
        own=own,
        beyond=("*",) if anyone else (),
        beyond_effects=frozenset({Effect.GRANT, Effect.BECOME}) if anyone else frozenset(),
        judged=False,
        why="Nobody has judged it.",
    )


def _judged(prefix: str, rule: dict[str, list[str]], own: tuple[str, ...]) -> Judgement:
    effects = frozenset(map(Effect, rule["effects"]))
    limited = tuple(read(prefix)["resources"][name][0] for name in rule["on"]) if "on" in rule else own
    beyond = tuple(rule.get("beyond", ()))
    return Judgement(effects, limited, beyond, effects if beyond else frozenset(), True, str(rule["why"]))
