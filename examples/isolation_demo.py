"""
The reference agent runs two tasks of two users, checked against the reference stack's policies: `make demo`.

Nothing leaves the machine: moto answers for AWS, and every request of boto3 is decided by the synthesized policies
first. Each task does its own work, then tries every way in `crossings.py` to reach the other's data. Last, a hostile
process with the compute role's credentials tries to mint the other's session, in each way of minting.
"""

import os
import sys
import tempfile
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from examples import hostile_process
from examples.crossings import BUCKETS, SORT_KEYS, Crossing, crossings, object_keys, row_key
from examples.reference_agent.__main__ import main as agent
from session_scoping import SessionTags
from session_scoping.agent import write_task_file
from session_scoping.testing.enforcement import EnforcedPolicies
from session_scoping.testing.moto_server import moto_server, settings

REGION = "us-east-1"
ALICE = {"user_id": "alice", "repo": "org/app", "task_id": "task-a"}
BOB = {"user_id": "bob", "repo": "org/app", "task_id": "task-b"}


def agent_environment(policies: EnforcedPolicies) -> dict[str, str]:
    """Return the environment the stack gives the agent's container; deploy first."""
    return {
        "AGENT_SESSION_ROLE_ARN": policies.arn("SessionRole"),
        "AGENT_SESSION_TAG_KEYS": "user_id,repo,task_id",
        "TASK_TABLE_NAME": policies.name("TaskTable"),
        "TASK_EVENTS_TABLE_NAME": policies.name("TaskEventsTable"),
        "TASK_APPROVALS_TABLE_NAME": policies.name("TaskApprovalsTable"),
        "TASK_NUDGES_TABLE_NAME": policies.name("TaskNudgesTable"),
        "TRACE_BUCKET_NAME": policies.name("TraceArtifactBucket"),
        "ATTACHMENT_BUCKET_NAME": policies.name("AttachmentsBucket"),
        "AGENT_LOG_GROUP_NAME": policies.name("AgentLogs"),
        "REPOSITORY_SECRET_ID": policies.name("GitHubToken"),
    }


def seed(policies: EnforcedPolicies, *tasks: dict[str, str]) -> None:
    """Write what exists before the tasks run, as the owner of the account: their rows, a message, attachments."""
    owner = boto3.Session(region_name=REGION)
    dynamodb, s3 = owner.client("dynamodb"), owner.client("s3")
    for tags in tasks:
        for table in SORT_KEYS:
            more: dict[str, Any] = {"status": {"S": "QUEUED"}, "text": {"S": f"for {tags['user_id']}"}}
            more |= {"description": {"S": "mend it"}, "attachments": {"M": {"1": {"S": "notes.txt"}}}}
            dynamodb.put_item(TableName=policies.name(table), Item=row_key(table, tags["task_id"]) | more)
        for kind, key in object_keys(tags).items():
            s3.put_object(Bucket=policies.name(BUCKETS[kind]), Key=key, Body=f"{kind} of {tags['task_id']}".encode())


def snapshot(policies: EnforcedPolicies) -> dict[str, object]:
    """Return every row and every object with its content, as the owner of the account sees them."""
    owner = boto3.Session(region_name=REGION)
    dynamodb, s3 = owner.client("dynamodb"), owner.client("s3")
    found: dict[str, object] = {}
    for table in SORT_KEYS:
        for row in dynamodb.scan(TableName=policies.name(table))["Items"]:
            sort_key = SORT_KEYS[table]
            found[f"{table} {row['task_id']['S']} {row[sort_key]['S'] if sort_key else ''}"] = row
    for bucket in dict.fromkeys(BUCKETS.values()):
        name = policies.name(bucket)
        for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
            found[f"{bucket} {entry['Key']}"] = s3.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
    return found


def run_agent(policies: EnforcedPolicies, tags: dict[str, str], folder: Path) -> int:
    """Run the reference agent on a task, as the ECS task role, and return its exit code."""
    file = write_task_file(folder / f"{tags['task_id']}.json", SessionTags(**tags))
    with policies.as_role("EcsTaskRole"):
        return agent(["--task-file", str(file)])


def session_of(policies: EnforcedPolicies, tags: dict[str, str]) -> boto3.Session:
    """Mint a session as an ECS task can, without the library, and with whatever tags."""
    with policies.as_role("EcsTaskRole"):
        keys = boto3.client("sts").assume_role(
            RoleArn=policies.arn("SessionRole"),
            RoleSessionName=tags.get("task_id") or "nobody",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


def answer_to(crossing: Crossing) -> str:
    """Return the error code of an attempt, or `done`."""
    try:
        crossing.attempt()
    except ClientError as error:
        # A HEAD has no body to name the error in.
        return error.response["Error"]["Code"].replace("403", "AccessDenied").removesuffix("Exception")
    return "done"


def main() -> int:
    """Run the demonstration and return 0 when every answer was the expected one."""
    started = time.monotonic()
    _say("this takes under a minute on two cores: synthesizing the reference stack, starting moto")
    with moto_server() as url:
        os.environ |= settings(url, REGION)
        templates = hostile_process.templates()
        with EnforcedPolicies(templates["compute"], region=REGION).installed() as policies:
            wrong = _demonstrate(policies)
        wrong += _show_attacks(templates)
    decided = f"{len(policies.log)} IAM requests decided in {time.monotonic() - started:.0f} s"
    _say(f"\n{decided}, " + (f"{wrong} of the answers WRONG" if wrong else "every answer as it should be"))
    return min(wrong, 1)


def _demonstrate(policies: EnforcedPolicies) -> int:
    policies.deploy(boto3.Session(region_name=REGION))
    seed(policies, ALICE, BOB)
    os.environ |= agent_environment(policies)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for tags in (ALICE, BOB):
            before = len(policies.log)
            code = run_agent(policies, tags, Path(folder))
            _say(f"\n{tags['user_id']}'s agent, {tags['task_id']}: exit code {code}")
            wrong += bool(code) + _show_work(policies, before)
    untouched = snapshot(policies)
    for mine, theirs in ((ALICE, BOB), (BOB, ALICE)):
        _say(f"\n{mine['user_id']}'s session, on the data of {theirs['user_id']}")
        attempts = crossings(session_of(policies, mine), policies.name, mine, theirs)
        wrong += _show_crossings(attempts, named=mine is ALICE)
    changed = snapshot(policies) != untouched
    _say(f"\n{len(untouched)} rows and objects compared: {'CHANGED' if changed else 'not a byte has changed'}")
    return wrong + changed


def _show_attacks(templates: dict[str, Any]) -> int:
    """Print what a hostile process gets with the compute role's credentials, and return the answers that are wrong."""
    _say("\na hostile process with the compute role's credentials mints a session for bob's task")
    wrong = 0
    for mode, template in templates.items():
        answer = hostile_process.attack(template, BOB, region=REGION)
        expected = "done" if hostile_process.MODES[mode] else "AccessDenied"
        shown = "MINTED: this mode does not contain it" if answer == "done" else answer
        _say(f"  {'' if answer == expected else 'WRONG '}minting={mode:17} {shown}")
        wrong += answer != expected
    return wrong


def _show_work(policies: EnforcedPolicies, since: int) -> int:
    """Print what the agent was allowed, by service, and return how much it was denied."""
    log = policies.log[since:]
    services = dict.fromkeys(entry.action.partition(":")[0] for entry in log)
    for service in services:
        names = Counter(entry.action.partition(":")[2] for entry in log if entry.action.startswith(f"{service}:"))
        counted = [name if times == 1 else f"{name} {times}x" for name, times in names.items()]
        _say(f"  allowed  {service:15} {', '.join(counted)}")
    denied = [entry for entry in log if not entry.decision.allowed]
    for entry in denied:
        _say(f"  DENIED   {entry.action} on {entry.resource}: {entry.decision}")
    return len(denied)


def _show_crossings(attempts: list[Crossing], *, named: bool) -> int:
    """Try everything, print one line per place and answer, and return how many were not denied."""
    whats: dict[tuple[str, str], list[str]] = {}
    for one in attempts:
        whats.setdefault((one.place, answer_to(one)), []).append(one.what)
    for (place, answer), tried in whats.items():
        right = answer == "AccessDenied"
        _say(f"  {'denied' if right else 'WRONG '}   {place:20} {answer}, {len(tried)} ways tried")
        for line in _folded(tried) if named or not right else ():
            _say(f"             {line}")
    return sum(len(tried) for (_, answer), tried in whats.items() if answer != "AccessDenied")


def _folded(words: list[str], width: int = 80) -> list[str]:
    return textwrap.wrap(", ".join(words), width, break_on_hyphens=False)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
