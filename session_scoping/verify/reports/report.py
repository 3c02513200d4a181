"""The outcome of a proof, as data: one result per property and role; and short names of what it is about."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from session_scoping.aws.table import data_date, data_source
from session_scoping.verify.options.stated import StatedOption
from session_scoping.verify.patterns.text import without_hash
from session_scoping.verify.scoping.principals import Principal


class Status(StrEnum):
    """
    How a property turned out. Only PROVED passes.

    Attributes:
        PROVED: No request exists that breaks the property, under the report's assumptions.
        VIOLATED: A request exists, and the result shows it.
        UNKNOWN: Something relevant is not modelled, or the solver gave up; the detail says what.
        VACUOUS: There is nothing to prove.
    """

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
        cause: What its statement lacks. Empty where that is not plain to see.
    """

    summary: str
    session: dict[str, str] = field(default_factory=dict)
    victim: dict[str, str] = field(default_factory=dict)
    action: str = ""
    resource: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    decided_by: str = ""
    values: dict[str, str] = field(default_factory=dict)
    cause: str = ""

    def _differences(self) -> list[str]:
        """Return the tags in which the two sessions differ, and what is remarkable about their values."""
        mine, theirs = ({key.lower(): value for key, value in tags.items()} for tags in (self.session, self.victim))
        names = {key.lower(): key for key in (*self.session, *self.victim)}
        differing = [key for key in names if mine.get(key) != theirs.get(key)]
        slashed = {key for key in differing if "/" in mine.get(key, "") + theirs.get(key, "")}
        return [f"{names[key]}, which may hold `/`" if key in slashed else names[key] for key in sorted(differing)]

    def as_json(self) -> dict[str, Any]:
        """Return the counterexample as plain data."""
        return {
            "summary": self.summary,
            "session": in_order(self.session),
            "victim": in_order(self.victim),
            "action": self.action,
            "resource": self.resource,
            "context": self.context,
            "allowedBy": self.decided_by,
            "deployTimeValues": self.values,
            "cause": self.cause,
        }

    def lines(self) -> list[str]:
        """Return the counterexample for a terminal."""
        found = [f"{self.cause}: {self.summary}" if self.cause else self.summary]
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

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data; without a counterexample it has no key for one."""
        found: dict[str, Any] = {
            "rule": self.rule,
            "subject": self.subject,
            "status": self.status.value,
            "detail": self.detail,
            "location": self.location,
            "assumptions": list(self.assumptions),
        }
        return {**found, "counterexample": self.counterexample.as_json()} if self.counterexample else found


@dataclass(frozen=True)
class ActionData:
    """
    The data about AWS's actions that answers rest on.

    Attributes:
        date: The day it was published; AWS may have added actions since.
        source: What it was made from.
    """

    date: str = field(default_factory=data_date)
    source: str = field(default_factory=data_source)


@dataclass(frozen=True)
class Report:
    """
    Everything `verify` found.

    Attributes:
        results: One per property and subject.
        assumptions: What all results rest on.
        principals: Who reaches tenant data, or might: session roles, compute roles, and others that are granted it.
        options: What the user stated, each word with its reason and its last day; those that are over as well.
        action_data: The data about AWS's actions, with its date.
        partial: What was not asked, where the caller wanted less than everything; empty for a whole report.
        files: Stack -> the file its template was read from.
    """

    results: tuple[Result, ...]
    assumptions: tuple[str, ...] = ()
    principals: tuple[Principal, ...] = ()
    options: tuple[StatedOption, ...] = ()
    action_data: ActionData = field(default_factory=ActionData)
    partial: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Whether every property is PROVED. An empty report proves nothing, and a partial one not everything."""
        return bool(self.results) and not self.partial and not self.failures()

    def failures(self) -> list[Result]:
        """Return the results that do not pass."""
        return [result for result in self.results if result.status is not Status.PROVED]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data, stable for tools: what `session-scoping verify --json` prints."""
        return {
            "proved": self.proved,
            "partial": self.partial,
            "assumptions": list(self.assumptions),
            "results": [result.as_json() for result in self.results],
            "principals": [principal.as_json() for principal in self.principals],
            "options": [option.as_json() for option in self.options],
            "actionData": {"date": self.action_data.date, "source": self.action_data.source},
        }


_BETWEEN = " → "
"""Stands between a role and its store in the subject of a result."""


class Labels:
    """
    Short names for the labels of one report.

    Args:
        subjects: Labels, or two with an arrow between.
    """

    def __init__(self, subjects: Iterable[str]) -> None:
        self._short = _shortened({piece for subject in subjects for piece in subject.split(_BETWEEN)})

    def short(self, subject: str) -> str:
        """Return a subject in short; a piece that was not among those given stays as it is."""
        return _BETWEEN.join(self._short.get(piece, piece) for piece in subject.split(_BETWEEN))

    def within(self, text: str) -> str:
        """Return a text with every label in it in short."""
        # An ARN is there to be compared with policies, so it stays whole.
        paths = sorted((key for key in self._short if "/" in key and not key.startswith("arn:")), key=len, reverse=True)
        if not paths:
            return text
        # A label that goes on is another one: `App/Tasks` is not in `App/TasksIndex`, nor in `App/Tasks/Role`.
        found = rf"(?<![\w/.-])({'|'.join(map(re.escape, paths))})(?![\w/-]|\.\w)"
        return re.sub(found, lambda match: self._short[match[1]], text)


def labels_of(report: Report) -> Labels:
    """Return the short names of a report's subjects."""
    return Labels(result.subject for result in report.results)


def _shortened(pieces: Iterable[str]) -> Mapping[str, str]:
    """Take the shortest form of each piece; those that come out the same take a longer one, until none do."""
    forms = {piece: _forms(piece) for piece in pieces}
    level = dict.fromkeys(forms, 0)
    while True:
        same: defaultdict[str, list[str]] = defaultdict(list)
        for piece, at in level.items():
            same[forms[piece][at]].append(piece)
        # The last form is the piece itself, and no two pieces are the same: somebody can always take a longer one.
        clashing = [p for found in same.values() if len(found) > 1 for p in found if level[p] + 1 < len(forms[p])]
        if not clashing:
            return {piece: forms[piece][at] for piece, at in level.items()}
        for piece in clashing:
            level[piece] += 1


def _forms(piece: str) -> list[str]:
    """
    Return what a piece can be called, the shortest first, the piece itself last.

    Left out are the stack or stage, the construct's inner role, and what CDK makes a logical id unique by.
    """
    path = piece.removesuffix("/Role")
    last = path.partition("/")[2] or path.rpartition(":::")[2] or path
    shorter = dict.fromkeys([without_hash(last), without_hash(path), path])
    return [*(form for form in shorter if form != piece), piece]
