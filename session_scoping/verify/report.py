"""The outcome of a proof, as data: one result per property and role."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a property turned out. Only PROVED passes."""

    PROVED = "PROVED"
    VIOLATED = "VIOLATED"
    UNKNOWN = "UNKNOWN"
    VACUOUS = "VACUOUS"


@dataclass(frozen=True)
class Counterexample:
    """
    A request that must not be possible and is.

    Attributes:
        summary: One sentence.
        session: Tags of the session that calls.
        victim: Tags of the session whose data it is. Empty when no other session is involved.
        action: The action.
        resource: The ARN, with deploy-time parts filled in by the proof.
        context: Further condition keys of the request.
        decided_by: The statement `decide` names as the one that lets it through.
        values: What the proof assumed for deploy-time parts.
    """

    summary: str
    session: dict[str, str] = field(default_factory=dict)
    victim: dict[str, str] = field(default_factory=dict)
    action: str = ""
    resource: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    decided_by: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def _differences(self) -> list[str]:
        """Return the tags in which the two sessions differ, and what is remarkable about their values."""
        mine, theirs = ({key.lower(): value for key, value in tags.items()} for tags in (self.session, self.victim))
        names = {key.lower(): key for key in (*self.session, *self.victim)}
        differing = [key for key in names if mine.get(key) != theirs.get(key)]
        slashed = {key for key in differing if "/" in mine.get(key, "") + theirs.get(key, "")}
        return [f"{names[key]}, which may hold `/`" if key in slashed else names[key] for key in sorted(differing)]

    def lines(self) -> list[str]:
        """Return the counterexample for a terminal."""
        found = [self.summary]
        if self.session:
            found.append(f"  session  {_pairs(in_order(self.session))}")
        if self.victim:
            found.append(f"  victim   {_pairs(in_order(self.victim))}")
            found.append(f"  differ   in {', '.join(self._differences())}")
        if self.action:
            found.append(f"  request  {self.action} on {self.resource}")
        found += [f"  with     {key} = {value}" for key, value in self.context.items()]
        if self.decided_by:
            found.append(f"  allowed  by {self.decided_by}")
        if self.values:
            found.append(f"  where    {_pairs(self.values)}")
        return found


def in_order(tags: dict[str, str]) -> dict[str, str]:
    """Return tags in the order of their keys: who found the counterexample, samples or solver, is no matter."""
    return dict(sorted(tags.items(), key=lambda item: item[0].lower()))


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in values.items())


@dataclass(frozen=True)
class Result:
    """
    One property of one role.

    Attributes:
        rule: Stable id, such as `partition-isolation`.
        subject: The role, and the table or bucket where there is one.
        status: How it turned out.
        detail: Why, in one sentence.
        counterexample: For VIOLATED: the request, replayed through `decide`.
        assumptions: What the result rests on.
        location: Stack and logical id, for tools that point at a place.
    """

    rule: str
    subject: str
    status: Status
    detail: str
    counterexample: Counterexample | None = None
    assumptions: tuple[str, ...] = ()
    location: str = ""

    def lines(self) -> list[str]:
        """Return the detail and under it the counterexample, whose summary is left out where the detail says it."""
        if self.counterexample is None:
            return [self.detail]
        summary, *others = self.counterexample.lines()
        return [self.detail, *([] if summary in self.detail else [summary]), *others]


@dataclass(frozen=True)
class Report:
    """
    Everything `prove` found.

    Attributes:
        results: One per property and subject, never empty.
        assumptions: What all results rest on.
    """

    results: Sequence[Result]
    assumptions: Sequence[str] = ()

    @property
    def proved(self) -> bool:
        """Whether every property is PROVED. An empty report proves nothing."""
        return bool(self.results) and all(result.status is Status.PROVED for result in self.results)

    def failures(self) -> list[Result]:
        """Return the results that do not pass."""
        return [result for result in self.results if result.status is not Status.PROVED]
