"""Weakenings that open an access are caught, harmless rewritings stay PROVED: all that `tests/verify` samples."""

import pytest

from tests.support.verify.examples import EXAMPLES
from tests.support.verify.judging import Base, Part, failed_rewritings, judged, proved_defaults, witnesses_of

BARE = [(Base(name, guards=False), (n, 3)) for name in EXAMPLES for n in range(3)]
EACH = [(Base(name, guards), (n, 2)) for name in EXAMPLES for guards in (False, True) for n in range(2)]


@pytest.mark.parametrize(
    ("base", "part"), [(Base(name, guards=False), (n, 3)) for name in EXAMPLES for n in range(3)], ids=str
)
def test_opening_weakenings_of_each_example_are_caught(base: Base, part: Part) -> None:
    """Without guards to mask it, one weakening of each kind: what the simulator newly allows is not PROVED."""
    outcomes = judged(base, part)
    assert [outcome for outcome in outcomes if outcome.missed] == []
    assert sum(outcome.witness is not None for outcome in outcomes) >= len(outcomes) // 2


@pytest.mark.parametrize(("base", "part"), EACH, ids=str)
def test_a_default_of_a_policy_variable_never_passes(base: Base, part: Part) -> None:
    """A policy variable with a default is VIOLATED or UNKNOWN, even where the trust makes the default unreachable."""
    assert proved_defaults(base, part) == []


@pytest.mark.parametrize(("base", "part"), EACH, ids=str)
def test_harmless_rewritings_stay_proved(base: Base, part: Part) -> None:
    """Reordering, splitting, merging, renaming and other intrinsics change no verdict, with guards and without."""
    assert failed_rewritings(base, part) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_simulator_lets_a_session_do_its_own_work(name: str) -> None:
    """The requests around an example hold some that pass before any change, so that "newly" means something."""
    allowed = witnesses_of(Base(name, guards=True)).allowed_before()
    assert any("mints good" in attempt for attempt in allowed)
    assert any('"dynamodb:LeadingKeys": ["T1"]' in attempt for attempt in allowed)
    assert any("s3:PutObject" in attempt and "/u1/T1" in attempt for attempt in allowed)
