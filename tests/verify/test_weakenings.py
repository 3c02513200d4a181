# ruff: noqa: E501 - a table of kinds
"""Weakenings that open an access are caught, harmless rewritings stay PROVED: a sample of `tests/exhaustive`."""

import pytest

from session_scoping.verify import Status
from tests.support.verify.corpus import verify_stacks
from tests.support.verify.examples import EXAMPLES, example
from tests.support.verify.judging import Base, Part, failed_rewritings, judged, proved_defaults, witnesses_of
from tests.support.verify.mutations import edit, session_role, without_guards
from tests.support.verify.weakenings import weakenings

# What must be among the weakenings, each as the kinds that stand for it.
ASKED = (
    "trust: drop StringLike", "trust: drop Null", "trust: drop ForAllValues:StringEquals", "trust: no set operator",
    "trust: StringNotLike without */*", "trust: NullIfExists", "allow dynamodb: drop Null", "allow dynamodb: no set operator",
    "allow dynamodb: drop a key of ForAllValues:StringEquals", "allow dynamodb: StringLikeIfExists", "allow dynamodb: Resource *",
    "allow dynamodb: add Scan", "allow dynamodb: add index", "allow dynamodb: add PartiQLSelect", "allow s3: Resource *",
    "allow s3: * after a tag", "allow dynamodb: a variable default", "allow s3: a variable default", "policy: no Version",
    "session role: managed policy arn:aws:iam::aws:policy/AdministratorAccess", "bucket policy for the session role",
)  # fmt: skip
SMALL, *OTHERS = EXAMPLES


def each(m: int, *, guards: bool) -> list[tuple[Base, Part]]:
    """Return every m-th change of each example but the small one, other ones of each."""
    return [(Base(name, guards), (n, m)) for n, name in enumerate(OTHERS)]


@pytest.mark.parametrize(
    "part", [pytest.param((n, 4), marks=[pytest.mark.exhaustive] if n % 2 else []) for n in range(4)], ids=str
)
@pytest.mark.parametrize(("guards", "opening"), [(False, 1 / 2), (True, 1 / 4)])
def test_opening_weakenings_of_a_small_stack_are_caught(guards: bool, opening: float, part: Part) -> None:
    """
    One weakening of each kind: what the simulator newly allows is not PROVED, and enough of them open something.

    What the guards leave open is not PROVED either; `make weakenings` asks it of every example.
    """
    outcomes = judged(Base(SMALL, guards), part)
    assert [outcome for outcome in outcomes if outcome.missed] == []
    assert sum(outcome.witness is not None for outcome in outcomes) >= int(len(outcomes) * opening)


@pytest.mark.parametrize(("base", "part"), each(12, guards=False), ids=str)
def test_opening_weakenings_are_caught(base: Base, part: Part) -> None:
    """Without guards to mask it, some weakenings of other kinds in each example."""
    outcomes = judged(base, part)
    assert [outcome for outcome in outcomes if outcome.missed] == []
    assert sum(outcome.witness is not None for outcome in outcomes) >= len(outcomes) // 4


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_weakened_in_every_way_asked_for(name: str) -> None:
    """Drop a condition, a Null, a set operator; widen; add; attach; a default: each is among the weakenings."""
    kinds = {mutation.kind for mutation in weakenings(example(name).template)}
    assert set(ASKED) - kinds == set()


def test_the_simulator_lets_a_session_do_its_own_work() -> None:
    """The requests around an example hold some that pass before any change, so that "newly" means something."""
    allowed = witnesses_of(Base(SMALL, guards=True)).allowed_before()
    assert any("mints good" in attempt for attempt in allowed)
    assert any('"dynamodb:LeadingKeys": ["T1"]' in attempt for attempt in allowed)
    assert any("s3:PutObject" in attempt and "/u1/T1" in attempt for attempt in allowed)


@pytest.mark.parametrize(
    ("base", "part"),
    [*((Base(SMALL, guards), (0, 1)) for guards in (False, True)), *each(8, guards=True)],
    ids=str,
)
def test_a_default_of_a_policy_variable_never_passes(base: Base, part: Part) -> None:
    """A policy variable with a default is VIOLATED or UNKNOWN, even where the trust makes the default unreachable."""
    assert proved_defaults(base, part) == []


@pytest.mark.parametrize(
    ("base", "part"),
    [
        (Base(SMALL, guards=False), (0, 1)),
        (Base(SMALL, guards=True), (0, 4)),
        *each(16, guards=False),
        *each(16, guards=True),
    ],
    ids=str,
)
def test_harmless_rewritings_stay_proved(base: Base, part: Part) -> None:
    """Reordering, splitting, merging, renaming and other intrinsics change no verdict, with guards and without."""
    assert failed_rewritings(base, part) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_proved_as_synthesized(name: str) -> None:
    """Each example isolates, in the stacks and with the references between them that the CDK wrote."""
    report = verify_stacks(example(name).stacks)
    assert report.proved, [result.detail for result in report.failures()]


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_proved_with_and_without_its_guards(name: str, guards: bool) -> None:
    """Allows alone isolate, and so do Allows under their guards."""
    of = example(name)
    report = of.report(of.template if guards else without_guards(of.template))
    assert report.proved, [result.detail for result in report.failures()]


def test_denying_everything_is_vacuous_not_proved() -> None:
    """A role that can do nothing isolates, and proves nothing."""
    of = example(SMALL)
    role = session_role(of.template)
    policy = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    shut = edit(
        of.template, "deny everything",
        lambda t: t["Resources"][role]["Properties"].update(
            Policies=[{"PolicyName": "shut", "PolicyDocument": {"Version": "2012-10-17", "Statement": [policy]}}]
        ),
    )  # fmt: skip
    statuses = {result.status for result in of.report(shut.template).failures()}
    assert statuses == {Status.VACUOUS}
