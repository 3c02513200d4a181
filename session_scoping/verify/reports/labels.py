"""Names of roles and stores for a reader: as short as tells those of one report apart."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from session_scoping.verify.patterns.text import without_hash
from session_scoping.verify.reports.report import Report

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
