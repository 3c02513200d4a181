"""Revocations with real boto3 against a moto server: sessions that worked are denied, others and new ones are not."""

import time
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from examples import isolation_demo as demo
from session_scoping import Revocation
from session_scoping.testing.enforcement import EnforcedPolicies
from session_scoping.testing.moto_server import settings
from tests.support import stacks

ROLE = {"user_id": "u1", "repo": "org/name"}


@pytest.fixture(autouse=True)
def owner(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point boto3 at the server."""
    for name, value in settings(moto_url, demo.REGION).items():
        monkeypatch.setenv(name, value)


def _enforced(*restrictions: Revocation) -> EnforcedPolicies:
    stack = stacks.stack()
    stacks.session_role(stack, restrictions=restrictions)
    return EnforcedPolicies(stacks.template(stack), region=demo.REGION)


def _mint(policies: EnforcedPolicies, task: str) -> boto3.Session:
    """Mint a session of a task, as the compute role does."""
    tags = [{"Key": key, "Value": value} for key, value in {**ROLE, "task_id": task}.items()]
    with policies.as_role("Compute"):
        sts: Any = boto3.client("sts", region_name=demo.REGION)
        found = sts.assume_role(RoleArn=policies.arn("SessionRole"), RoleSessionName=task, Tags=tags)["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], region_name=demo.REGION)


def _reads(policies: EnforcedPolicies, session: boto3.Session, task: str) -> bool:
    """Whether a session reads its own row."""
    try:
        session.client("dynamodb").get_item(TableName=policies.name("Tasks"), Key={"task_id": {"S": task}})
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            return False
        raise
    return True


def _revoke(policies: EnforcedPolicies, *restrictions: Revocation) -> None:
    """Deploy the same stack with revocations: existing sessions are checked against its policies from here on."""
    policies.deployment = _enforced(*restrictions).deployment
    for key, caller in policies._sessions.items():
        (role,) = (role for role in policies.deployment.roles.values() if role.id == caller.role.id)
        policies._sessions[key] = type(caller)(role, caller.tags, caller.session_name, caller.issued)


def test_a_sessions_end_comes_with_the_deployment() -> None:
    """Two tasks work; one is revoked by tag: it is denied, cannot be minted anew, and the other goes on."""
    policies = _enforced()
    with policies.installed():
        policies.deploy(boto3.Session(region_name=demo.REGION))
        one, two = _mint(policies, "T1"), _mint(policies, "T2")
        assert _reads(policies, one, "T1")
        assert _reads(policies, two, "T2")
        _revoke(policies, Revocation.of_sessions(task_id="T1"))
        assert not _reads(policies, one, "T1")
        assert _reads(policies, two, "T2")
        with pytest.raises(ClientError, match="AccessDenied"):
            _mint(policies, "T1")
        assert _reads(policies, _mint(policies, "T3"), "T3")


def test_a_time_ends_the_sessions_before_it_and_no_later_one() -> None:
    """A session is denied once a time after its issue is revoked; one minted after that time works."""
    policies = _enforced()
    with policies.installed():
        policies.deploy(boto3.Session(region_name=demo.REGION))
        old = _mint(policies, "T1")
        assert _reads(policies, old, "T1")
        _revoke(policies, Revocation.issued_before(datetime.now(UTC)))
        assert not _reads(policies, old, "T1")
        # The time is rounded up to a second.
        time.sleep(1)
        assert _reads(policies, _mint(policies, "T1"), "T1")
        assert not _reads(policies, old, "T1")
