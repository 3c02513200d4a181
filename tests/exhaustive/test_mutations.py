# ruff: noqa: E501 - a table of kinds
"""Every weakening that opens an access is caught; every harmless rewriting stays PROVED."""

import pytest

from session_scoping.verify.proving import prove
from session_scoping.verify.report import Status
from tests.exhaustive.weakening_suite import judge
from tests.support.verify.corpus import estate_of_stacks
from tests.support.verify.examples import EXAMPLES, example
from tests.support.verify.mutations import edit, session_role, without_guards
from tests.support.verify.rewritings import rewritings
from tests.support.verify.weakenings import one_of_each_kind, weakenings
from tests.support.verify.witness import Witnesses

# What the issue asks to weaken, each as the kinds that stand for it.
ASKED = (
    "trust: drop StringLike", "trust: drop Null", "trust: drop ForAllValues:StringEquals", "trust: no set operator",
    "trust: StringNotLike without */*", "trust: NullIfExists", "allow dynamodb: drop Null", "allow dynamodb: no set operator",
    "allow dynamodb: drop a key of ForAllValues:StringEquals", "allow dynamodb: StringLikeIfExists", "allow dynamodb: Resource *",
    "allow dynamodb: add Scan", "allow dynamodb: add index", "allow dynamodb: add PartiQLSelect", "allow s3: Resource *",
    "allow s3: * after a tag", "allow dynamodb: a variable default", "allow s3: a variable default", "policy: no Version",
    "session role: managed policy arn:aws:iam::aws:policy/AdministratorAccess", "bucket policy for the session role",
)  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_opening_weakenings_of_each_example_are_caught(name: str) -> None:
    """Without guards to mask it, one weakening of each kind: what the simulator newly allows is not PROVED."""
    of = example(name)
    bare = without_guards(of.template)
    witnesses = Witnesses(bare)
    outcomes = [judge(of, mutation, witnesses, closed=False) for mutation in one_of_each_kind(list(weakenings(bare)))]
    assert [outcome for outcome in outcomes if outcome.missed] == []
    assert sum(outcome.witness is not None for outcome in outcomes) >= len(outcomes) // 2


def test_opening_weakenings_are_caught_under_the_guards_too() -> None:
    """What the guards leave open of a weakening is not PROVED either; `make weakenings` asks it of every example."""
    of = example("small")
    witnesses = Witnesses(of.template)
    mutations = one_of_each_kind(list(weakenings(of.template)))
    outcomes = [judge(of, mutation, witnesses, closed=False) for mutation in mutations]
    assert [outcome for outcome in outcomes if outcome.missed] == []
    assert sum(outcome.witness is not None for outcome in outcomes) >= len(outcomes) // 4


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_weakened_in_every_way_asked_for(name: str) -> None:
    """Drop a condition, a Null, a set operator; widen; add; attach; a default: each is among the weakenings."""
    kinds = {mutation.kind for mutation in weakenings(example(name).template)}
    assert set(ASKED) - kinds == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_simulator_lets_a_session_do_its_own_work(name: str) -> None:
    """The requests around an example hold some that pass before any change, so that "newly" means something."""
    allowed = Witnesses(example(name).template).allowed_before()
    assert any("mints good" in attempt for attempt in allowed)
    assert any('"dynamodb:LeadingKeys": ["T1"]' in attempt for attempt in allowed)
    assert any("s3:PutObject" in attempt and "/u1/T1" in attempt for attempt in allowed)
    assert not any("T3" in attempt or "u2" in attempt for attempt in allowed)


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_default_of_a_policy_variable_never_passes(name: str, guards: bool) -> None:
    """A policy variable with a default is VIOLATED or UNKNOWN, even where the trust makes the default unreachable."""
    of = example(name)
    base = of.template if guards else without_guards(of.template)
    defaults = [mutation for mutation in weakenings(base) if "a variable default" in mutation.kind]
    assert defaults
    for mutation in defaults:
        assert not prove(of.estate(mutation.template)).proved, mutation.name


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_harmless_rewritings_stay_proved(name: str, guards: bool) -> None:
    """Reordering, splitting, merging, renaming and other intrinsics change no verdict, with guards and without."""
    of = example(name)
    base = of.template if guards else without_guards(of.template)
    failed = [
        (mutation.name, [result.detail for result in report.failures()])
        for mutation in rewritings(base)
        if not (report := prove(of.estate(mutation.template))).proved
    ]
    assert failed == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_proved_as_synthesized(name: str) -> None:
    """Each example isolates, in the stacks and with the references between them that the CDK wrote."""
    report = prove(estate_of_stacks(example(name).stacks))
    assert report.proved, [result.detail for result in report.failures()]


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_proved_with_and_without_its_guards(name: str, guards: bool) -> None:
    """Allows alone isolate, and so do Allows under their guards."""
    of = example(name)
    report = prove(of.estate(of.template if guards else without_guards(of.template)))
    assert report.proved, [result.detail for result in report.failures()]


def test_denying_everything_is_vacuous_not_proved() -> None:
    """A role that can do nothing isolates, and proves nothing."""
    of = example("small")
    role = session_role(of.template)
    policy = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    shut = edit(
        of.template, "deny everything",
        lambda t: t["Resources"][role]["Properties"].update(
            Policies=[{"PolicyName": "shut", "PolicyDocument": {"Version": "2012-10-17", "Statement": [policy]}}]
        ),
    )  # fmt: skip
    statuses = {result.status for result in prove(of.estate(shut.template)).failures()}
    assert statuses == {Status.VACUOUS}
