"""Have two tasks done, and then try to reach the other task's row from the worker, against the local enforcement."""

import importlib
import json
import os
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import boto3

from examples.local_aws import Checks, answer_to, local_aws, owner, synthesized
from examples.local_lambda import Function, local_lambda
from examples.step_functions_orchestrator.app import build
from examples.step_functions_orchestrator.functions import dispatcher, worker
from session_scoping import SessionTags
from session_scoping.lambdas.credential_broker import handler as broker
from session_scoping.orchestrator import TaskTokenSigner
from session_scoping.testing.enforcement import EnforcedPolicies

ALICE = {"user_id": "alice", "repo": "org/app", "task_id": "task-a"}
BOB = {"user_id": "bob", "repo": "org/app", "task_id": "task-b"}
ISSUER, AUDIENCE = "https://tokens.example.com", "workers"


def variables(policies: EnforcedPolicies) -> dict[str, str]:
    """Return the environment of all three functions."""
    key = policies.arn("TaskTokens/SigningKey")
    return {
        "SIGNING_KEY_ARN": key,
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "WORKER": policies.name("Worker"),
        "TASK_TABLE": policies.name("Tasks"),
        "AGENT_CREDENTIAL_BROKER": policies.name("Broker/Function"),
        "AGENT_SESSION_TAG_KEYS": "user_id,repo,task_id",
        "BROKER_SIGNING_KEY_ARN": key,
        "BROKER_ISSUER": ISSUER,
        "BROKER_AUDIENCE": AUDIENCE,
        "BROKER_SUBJECT": "agent-task",
        "BROKER_SESSION_ROLE_ARN": policies.arn("SessionRole"),
        "BROKER_TAG_KEYS": "user_id,repo,task_id",
        "BROKER_REVOCATION_TABLE": policies.name("Broker/Revocations"),
    }


def main(template: Mapping[str, Any]) -> int:
    """Return 0 when each task reached its own row, and the worker nobody else's by any means tried."""
    checks = Checks()
    with local_aws(template) as policies:
        os.environ |= variables(policies)
        functions = {
            os.environ["AGENT_CREDENTIAL_BROKER"]: Function("Broker/Role", importlib.reload(broker).handler),
            os.environ["WORKER"]: Function("WorkerRole", worker.handler),
        }
        rows: Any = owner().resource("dynamodb").Table(os.environ["TASK_TABLE"])
        with local_lambda(policies, functions):
            for tags in (ALICE, BOB):
                rows.put_item(Item={"task_id": tags["task_id"], "status": "QUEUED"})
                checks.show(f"{tags['user_id']}'s execution", run(policies, tags, tags["task_id"]), expected="DONE")
            rows.put_item(Item={"task_id": "task-b", "status": "RUNNING"})
            denied = "AccessDeniedException"
            checks.show("alice's execution, for the row task-b", run(policies, ALICE, "task-b"), expected=denied)
            token = TaskTokenSigner(os.environ["SIGNING_KEY_ARN"], issuer=ISSUER, audience=AUDIENCE).issue(
                SessionTags(**ALICE)
            )
            with policies.as_role("WorkerRole"):
                hostile(token, checks)
        checks.show(
            "status of task-b afterwards",
            rows.get_item(Key={"task_id": "task-b"})["Item"]["status"],
            expected="RUNNING",
        )
    return min(checks.wrong, 1)


def run(policies: EnforcedPolicies, tags: Mapping[str, str], row: str) -> object:
    """Do what the state machine does: call the orchestrator's function. Returns the status the worker gave."""
    with policies.as_role("DispatcherRole"):
        return dispatcher.handler({"tags": tags, "row": row}, None)["status"]


def hostile(token: str, checks: Checks) -> None:
    """Try what code in the worker can try to become bob's task, with the worker's role and the token of alice's."""
    signer = TaskTokenSigner(os.environ["SIGNING_KEY_ARN"], issuer=ISSUER, audience=AUDIENCE)
    checks.show(
        "worker signs a token for task-b", answer_to(lambda: signer.issue(SessionTags(**BOB))), expected="denied"
    )
    role, tags = os.environ["BROKER_SESSION_ROLE_ARN"], SessionTags(**BOB).for_sts()
    sts: Any = boto3.client("sts")
    mint = answer_to(lambda: sts.assume_role(RoleArn=role, RoleSessionName="bob", Tags=tags))
    checks.show("worker assumes the session role for task-b", mint, expected="denied")
    table: Any = boto3.client("dynamodb")
    read = answer_to(lambda: table.get_item(TableName=os.environ["TASK_TABLE"], Key={"task_id": {"S": "task-b"}}))
    checks.show("worker reads task-b with its own role", read, expected="denied")
    spent = worker.handler({"row": "task-b", "token": altered(token)}, None)["status"]
    checks.show("worker spends alice's token with bob's tags in it", spent, expected="TokenRefused")


def altered(token: str) -> str:
    """Return a task's token with bob's tags in it, under the signature that it had."""
    header, claims, signature = token.split(".")
    changed = json.loads(urlsafe_b64decode(claims + "=="))
    changed["https://aws.amazon.com/tags"]["principal_tags"] = {key: [value] for key, value in BOB.items()}
    return ".".join([header, urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode(), signature])


if __name__ == "__main__":
    sys.exit(main(synthesized(build)))
