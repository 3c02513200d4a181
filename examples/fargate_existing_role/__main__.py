"""Ask for rows and the secret as the task role and as a session, in both steps, against the local enforcement."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import boto3

from examples.fargate_existing_role.app import build
from examples.local_aws import Checks, answer_to, local_aws, owner, synthesized
from session_scoping import SessionTags
from session_scoping.agent import TaskSession


def templates() -> dict[str, dict[str, Any]]:
    """Return the template of each step."""
    return {step: synthesized(build, step=step) for step in ("first", "done")}


def main(steps: Mapping[str, Mapping[str, Any]]) -> int:
    """Return 0 when old code worked in the first step only, and a session and the secret in both."""
    checks = Checks()
    for step, template in steps.items():
        sys.stdout.write(f"step={step}\n")
        with local_aws(template) as policies:
            os.environ |= {
                "AGENT_SESSION_ROLE_ARN": policies.arn("SessionRole"),
                "AGENT_SESSION_TAG_KEYS": "user_id,repo,task_id",
            }
            table, secret = policies.name("Tasks"), policies.name("GitHubToken")
            for task in ("task-a", "task-b"):
                owner().resource("dynamodb").Table(table).put_item(Item={"task_id": task})
            with policies.as_role("TaskRole"):
                ask(table, secret, checks, old_code="done" if step == "first" else "denied")
    return min(checks.wrong, 1)


def ask(table: str, secret: str, checks: Checks, *, old_code: str) -> None:
    """Make each call that the container makes; `old_code` is what its calls without a session should get."""
    key: Any = {"TableName": table, "Key": {"task_id": {"S": "task-a"}}}
    other: Any = {"TableName": table, "Key": {"task_id": {"S": "task-b"}}}
    ambient: Any = boto3.Session()
    session = TaskSession(SessionTags(user_id="alice", repo="org/app", task_id="task-a"))
    session.verify()
    rows: Any = session.client("dynamodb")
    secrets = ambient.client("secretsmanager")
    checks.show(
        "  task role: the secret", answer_to(lambda: secrets.get_secret_value(SecretId=secret)), expected="done"
    )
    old = answer_to(lambda: ambient.client("dynamodb").get_item(**key))
    checks.show("  task role: a row, as old code reads it", old, expected=old_code)
    checks.show("  session of task-a: its row", answer_to(lambda: rows.get_item(**key)), expected="done")
    checks.show("  session of task-a: the row of task-b", answer_to(lambda: rows.get_item(**other)), expected="denied")


if __name__ == "__main__":
    sys.exit(main(templates()))
