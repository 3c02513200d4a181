"""Fixtures: the reference stack, synthesized once per minting mode."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

# Before aws_cdk loads: the offline template validator takes seconds; tests/synth/test_reference_stack.py runs it once.
os.environ.setdefault("CDK_VALIDATION", "false")

ROOT = Path(__file__).parent.parent
RECOMMENDED_FLAGS: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]


def synthesize_reference(**context: Any) -> dict[str, Any]:
    """Return the reference stack's template under the project's own flags and this context."""
    import aws_cdk as cdk

    from app import STACK_NAME, ReferenceStack

    app = cdk.App(context={**RECOMMENDED_FLAGS, **context})
    ReferenceStack(app, STACK_NAME, synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
    template: dict[str, Any] = app.synth().get_stack_by_name(STACK_NAME).template
    return template


@pytest.fixture(scope="session")
def compute_template() -> dict[str, Any]:
    """The reference stack where compute roles mint."""
    return synthesize_reference()


@pytest.fixture(scope="session")
def broker_template() -> dict[str, Any]:
    """The reference stack where only the orchestrator mints."""
    return synthesize_reference(minting="broker")


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
