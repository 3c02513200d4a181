"""Random deployments against the simulator: none with a crossing is PROVED, and planted bugs do not stay unseen."""

import pytest

from tests.exhaustive.planted_bugs import crossing_in, hidden_by
from tests.exhaustive.soundness import run
from tests.support.deployments.generator import random_deployment
from tests.support.deployments.planted_bugs import BUGS

_KINDS = {
    "foreign item", "foreign items", "no leading key", "index", "stream", "whole table", "foreign object",
    "foreign listing", "listing", "whole bucket", "agent: foreign item", "agent: foreign object",
    "outsider: foreign item",
    "outsider: foreign object", "outsider: session", "outsider: key",
}  # fmt: skip


_BY_OTHERS = {"agent as another role", "session as another role", "outsider as a role"}


def test_no_deployment_with_a_crossing_is_proved() -> None:
    """No random deployment is PROVED in which the simulator lets anybody reach a session's data, of whatever kind."""
    tally = run(6000, seed=0)
    assert [(deployment.seed, str(crossing)) for deployment, crossing in tally.false_proved] == []
    assert tally.proved >= tally.templates // 5
    assert tally.broken >= 3
    assert tally.on_proved >= tally.requests // 2
    assert set(tally.asked) >= _KINDS
    assert {kind.split(": ")[0] for kind in tally.asked} >= _BY_OTHERS


def test_a_seed_makes_the_same_deployment_again() -> None:
    """A deployment that fails is made again from its seed alone."""
    assert random_deployment(7).template == random_deployment(7).template


_FOUND_BY = {
    "a condition of a Deny is dropped": 134,
    "a Deny is over-approximated": 26,
    "a key is taken for absent": 354,
    "NotResource is ignored": 10,
    "an edge of becoming is missing": 268,
    "leading keys have one element": 1823,
    "a policy under one value of a condition is ignored": 82,
    "role tags are ignored": 5138,
    "resource policies are ignored": 10032,
    "tags of outsiders are taken for AWS's": 186,
    "a boundary is taken for a Deny": 10013,
    "a slash in tags is ignored": 464,
    "actions are missing from a class": 288,
}
"""Bug -> the seed of a deployment that shows it; `python -m tests.exhaustive.planted_bugs` finds them anew."""


def test_every_planted_bug_has_a_deployment() -> None:
    """No bug is planted that the search was not shown to find."""
    assert set(_FOUND_BY) == set(BUGS)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    """A bug in one part of the encoding makes a deployment PROVED in which the simulator finds a crossing."""
    assert hidden_by(bug, _FOUND_BY[bug])
    assert crossing_in(_FOUND_BY[bug])
