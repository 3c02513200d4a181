"""Every weakening that opens an access is caught; every harmless rewriting stays PROVED."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from session_scoping.verify.proving import prove
from session_scoping.verify.report import Status
from tests.verify.corpus import allowed_names, estate_of, opened
from tests.verify.mutations import Mutation, weakenings, without_guards
from tests.verify.rewritings import rewritings
from tests.verify.simulator import Simulator

# The reference stack has some 300 weakenings of a second each: all of them with MUTATIONS=all, else a sample.
STRIDE = 1 if os.environ.get("MUTATIONS") == "all" else 24


def small_template() -> dict[str, Any]:
    """Return a small stack: one table, two buckets, one compute role that mints."""
    from session_scoping import TenantObjects
    from tests import small

    stack = small.stack()
    objects = [TenantObjects.traces(small.bucket(stack)), TenantObjects.artifacts(small.bucket(stack, "Artifacts"))]
    small.session_role(stack, objects=objects)
    return small.template(stack)


@pytest.fixture(scope="module")
def small_stack() -> dict[str, Any]:
    """The small stack, synthesized once."""
    return small_template()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Start the simulator once."""
    running = Simulator()
    yield running
    running.close()


def _missed(template: dict[str, Any], mutations: list[Mutation], simulator: Simulator) -> tuple[list[str], int]:
    """Return the weakenings that open something and pass all the same, and how many open something."""
    before = allowed_names(template)
    missed, opening = [], 0
    for mutation in mutations:
        witness = opened(before, mutation.template)
        if witness is None:
            continue
        # The simulator must see the opening too, or `decide` and the proof could share one mistake.
        assert simulator.ask([witness.simulation()]) == ["Allowed"], (mutation.name, witness.name)
        opening += 1
        if prove(estate_of(mutation.template)).proved:
            missed.append(f"{mutation.name}: {witness.name}")
    return missed, opening


def test_every_opening_weakening_of_a_small_stack_is_caught(small_stack: dict[str, Any], simulator: Simulator) -> None:
    """With the guards gone, no weakened Allow or trust that opens an access is PROVED."""
    bare = without_guards(small_stack)
    missed, opening = _missed(bare, list(weakenings(bare)), simulator)
    assert missed == []
    assert opening >= 60


@pytest.mark.parametrize("mode", ["compute", "broker"])
def test_weakenings_of_the_reference_stack_are_caught(
    mode: str, compute_template: dict[str, Any], broker_template: dict[str, Any], simulator: Simulator
) -> None:
    """The reference stack's weakenings are caught in both minting modes (a sample, unless MUTATIONS=all)."""
    bare = without_guards(compute_template if mode == "compute" else broker_template)
    missed, opening = _missed(bare, list(weakenings(bare))[::STRIDE], simulator)
    assert missed == []
    assert opening >= 3


def test_a_default_of_a_policy_variable_never_passes(small_stack: dict[str, Any]) -> None:
    """A policy variable with a default is VIOLATED or UNKNOWN, even where the trust makes the default unreachable."""
    bare = without_guards(small_stack)
    defaults = [mutation for mutation in weakenings(bare) if "'shared'" in mutation.name]
    assert defaults
    for mutation in defaults:
        assert not prove(estate_of(mutation.template)).proved, mutation.name


@pytest.mark.parametrize("guards", [True, False])
def test_harmless_rewritings_stay_proved(small_stack: dict[str, Any], guards: bool) -> None:
    """Reordering, splitting, merging, renaming and other intrinsics change no verdict, with guards and without."""
    base = small_stack if guards else without_guards(small_stack)
    failed = [
        (mutation.name, [result.detail for result in report.failures()])
        for mutation in rewritings(base)
        if not (report := prove(estate_of(mutation.template))).proved
    ]
    assert failed == []


@pytest.mark.parametrize("mode", ["compute", "broker"])
def test_the_reference_stack_is_proved_with_and_without_its_guards(
    mode: str, compute_template: dict[str, Any], broker_template: dict[str, Any]
) -> None:
    """Allows alone isolate, and so do Allows under their guards."""
    template = compute_template if mode == "compute" else broker_template
    for version in (template, without_guards(template)):
        report = prove(estate_of(version))
        assert report.proved, [result.detail for result in report.failures()]


def test_denying_everything_is_vacuous_not_proved(small_stack: dict[str, Any]) -> None:
    """A role that can do nothing isolates, and proves nothing."""
    from tests.verify.mutations import edit, session_role

    role = session_role(small_stack)
    policy = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    shut = edit(
        small_stack, "deny everything",
        lambda t: t["Resources"][role]["Properties"].update(
            Policies=[{"PolicyName": "shut", "PolicyDocument": {"Version": "2012-10-17", "Statement": [policy]}}]
        ),
    )  # fmt: skip
    statuses = {result.status for result in prove(estate_of(shut.template)).failures()}
    assert statuses == {Status.VACUOUS}
