"""Every partition, environment and set of feature flags gives the same policies."""

import json
from functools import cache

import pytest

from app import ReferenceStack
from tests.support.stacks import (
    ACCOUNT,
    FLAG_SETS,
    REGIONS,
    Statement,
    Template,
    attached,
    by_sid,
    deployed,
    environment,
    new_app,
    synth,
    trust,
)

PARTITIONS = tuple(REGIONS)
FLAGS = tuple(FLAG_SETS)
ROLES = ("SessionRole", "AgentCoreExecutionRole", "EcsTaskRole")


@cache
def _reference(flags: str, partition: str | None) -> dict[str, Template]:
    app = new_app(flags)
    ReferenceStack(app, "Reference", env=environment(partition) if partition else None)
    return synth(app)


def _statements(flags: str, partition: str | None, role: str, read_in: str) -> dict[str, Statement]:
    found = [deployed(one, read_in) for one in attached(_reference(flags, partition), role)]
    return by_sid(found)


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
    statements = trust(_reference(flags, partition), role)
    assert statements
    assert all(statement["Condition"] for statement in statements)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_no_arn_names_another_partition(partition: str, flags: str) -> None:
    """A concrete stack never spells the commercial partition into another partition's policies."""
    text = json.dumps(
        [deployed(one, partition) for role in ROLES for one in attached(_reference(flags, partition), role)]
    )
    others = [other for other in PARTITIONS if other != partition]
    assert not any(f"arn:{other}:" in text for other in others)
