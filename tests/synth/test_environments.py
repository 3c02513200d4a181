"""Every partition, environment and set of feature flags gives the same policies."""

import json
from functools import cache

import pytest

from app import ReferenceStack
from tests.support import stacks
from tests.support.stacks import ACCOUNT

PARTITIONS = tuple(stacks.REGIONS)
FLAGS = tuple(stacks.FLAG_SETS)
ROLES = ("SessionRole", "AgentCoreExecutionRole", "EcsTaskRole")


@cache
def _reference(flags: str, partition: str | None) -> dict[str, stacks.Template]:
    app = stacks.new_app(flags)
    ReferenceStack(app, "Reference", env=stacks.environment(partition) if partition else None)
    return stacks.synth(app)


def _statements(flags: str, partition: str | None, role: str, read_in: str) -> dict[str, stacks.Statement]:
    found = [stacks.deployed(one, read_in) for one in stacks.attached(_reference(flags, partition), role)]
    return stacks.by_sid(found)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("concrete", [False, True], ids=["agnostic", "concrete"])
@pytest.mark.parametrize("partition", PARTITIONS)
def test_policies_are_the_same_in_every_place(partition: str, concrete: bool, flags: str, role: str) -> None:
    """Partition, Region and account are all that differs between partitions, environments and feature flags."""
    here = _statements(flags, partition if concrete else None, role, partition)
    plain = _statements("no-flags", None, role, partition)
    assert here == plain
    assert len(here) > 3
    assert f"arn:{partition}:dynamodb:*:{ACCOUNT}:table/" in json.dumps(here)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("partition", [None, *PARTITIONS])
def test_no_trust_statement_is_without_conditions(partition: str | None, flags: str, role: str) -> None:
    """Whatever the place, nobody is admitted unconditionally."""
    statements = stacks.trust(_reference(flags, partition)["Reference"], role)
    assert statements
    assert all(statement["Condition"] for statement in statements)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_no_arn_names_another_partition(partition: str, flags: str) -> None:
    """A concrete stack never spells the commercial partition into another partition's policies."""
    reference = _reference(flags, partition)
    text = json.dumps([stacks.deployed(stacks.attached(reference, role), partition) for role in ROLES])
    others = [other for other in PARTITIONS if other != partition]
    assert not any(f"arn:{other}:" in text for other in others)
