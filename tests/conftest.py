"""What every run shares: a folder for what is made once, the long tests first, the reference stack's templates."""

from typing import Any

import pytest

from tests.support import ROOT, shared
from tests.support.reference import synthesize_reference

# They need packages that pin botocore: see the Makefile, `test-aio` and `test-clients`.
collect_ignore = ["clients"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's folder, in the process that starts the workers."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(shared.start())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the exhaustive room, and start with the long tests: what is left to the end runs on one processor alone."""
    for item in items:
        if ROOT / "tests" / "exhaustive" in item.path.parents:
            item.add_marker(pytest.mark.exhaustive)
    items.sort(key=lambda item: not item.get_closest_marker("long"))


@pytest.fixture(scope="session")
def compute_template() -> dict[str, Any]:
    """The reference stack where compute roles mint."""
    return synthesize_reference()


@pytest.fixture(scope="session")
def orchestrator_template() -> dict[str, Any]:
    """The reference stack where only the orchestrator mints."""
    return synthesize_reference(minting="orchestrator")


@pytest.fixture(scope="session")
def tools_template() -> dict[str, Any]:
    """The reference stack with one tool role."""
    return synthesize_reference(tools="on")


@pytest.fixture(scope="session")
def credential_broker_template() -> dict[str, Any]:
    """The reference stack where a function exchanges task tokens."""
    return synthesize_reference(minting="credentialBroker")


@pytest.fixture(scope="session")
def web_identity_template() -> dict[str, Any]:
    """The reference stack where STS takes task tokens itself."""
    return synthesize_reference(minting="webIdentity")
