"""Fixtures: a small stack, the same as a file, and an account that answers from a queue."""

import json
from pathlib import Path

import boto3
import pytest

from session_scoping import TenantObjects
from tests.support import stacks
from tests.support.account import STACK, Account, Template


@pytest.fixture(scope="module")
def template() -> Template:
    """A small stack: one table, one bucket read by task, one compute role that mints."""
    stack = stacks.stack()
    stacks.session_role(stack, objects=[TenantObjects.attachments(stacks.bucket(stack))])
    return stacks.template(stack)


@pytest.fixture
def path(template: Template, tmp_path: Path) -> str:
    """The small stack as a file."""
    file = tmp_path / f"{STACK}.template.json"
    file.write_text(json.dumps(template))
    return str(file)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account whose every answer is queued."""
    found = Account()
    monkeypatch.setattr(boto3, "Session", found.session)
    for stub in found.stubs.values():
        stub.activate()
    return found
