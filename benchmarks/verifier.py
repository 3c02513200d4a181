"""
How long the verifier takes, and how much memory: `make bench-verifier`.

The generated app has session roles by hand, with four tables each, so that the CDK's own time is not measured.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = ((5, 20), (10, 40), (25, 100), (50, 200))
KEYS = ("user_id", "task_id")
VARIANTS: tuple[dict[str, str], ...] = (
    {},
    {"minting": "broker"},
    {"minting": "credentialBroker"},
    {"minting": "webIdentity"},
    {"tools": "on"},
    {"binding": "vpc"},
    {"sessionBroker": "acme"},
    {"tokenVault": "on"},
    {"revokedBefore": "2026-01-01T00:00:00Z", "revokedTasks": "T1,T2"},
    {"minting": "webIdentity", "tools": "on", "binding": "vpc", "sessionBroker": "acme", "tokenVault": "on"},
)
"""Context switches of the reference stack; the last is everything that goes together."""


def app(roles: int, tables: int) -> dict[str, Any]:
    """Return a template with that many session roles, compute roles and tables."""
    resources: dict[str, Any] = {"Bucket": {"Type": "AWS::S3::Bucket"}}
    for index in range(tables):
        schema = [{"AttributeName": "task_id", "KeyType": "HASH"}]
        resources[f"Table{index}X"] = {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": schema}}
    for index in range(roles):
        own = [f"Table{number}X" for number in range(tables) if number % roles == index]
        resources |= _role(index, own)
    return {"Resources": resources}


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _role(index: int, tables: list[str]) -> dict[str, Any]:
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": {"Fn::GetAtt": [f"Compute{index}X", "Arn"]}},
        "Condition": {
            "StringLike": {f"aws:RequestTag/{key}": "?*" for key in KEYS},
            "StringNotLike": {f"aws:RequestTag/{key}": ["*/*", "*..*", "."] for key in KEYS},
            "ForAllValues:StringEquals": {"aws:TagKeys": list(KEYS)},
            "Null": {"sts:TransitiveTagKeys": "true"},
        },
    }
    keyed = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/task_id}"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    arns = [{"Fn::GetAtt": [table, "Arn"]} for table in tables]
    objects = {"Fn::Sub": f"${{Bucket.Arn}}/r{index}/${{!aws:PrincipalTag/user_id}}/${{!aws:PrincipalTag/task_id}}/*"}
    allows = [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": [arn], "Condition": keyed}
        for arn in arns
    ]
    allows.append({"Effect": "Allow", "Action": "s3:PutObject", "Resource": objects})
    denies: list[dict[str, Any]] = [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringNotLike": {f"aws:PrincipalTag/{key}": "?*"}},
        }
        for key in KEYS
    ]
    denies.append({"Effect": "Deny", "Action": "s3:*", "NotResource": objects})
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    fence = [{"Effect": "Deny", "Action": "dynamodb:*", "Resource": arns}]
    return {
        f"Compute{index}X": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _document([service]),
                "Policies": [{"PolicyName": "fence", "PolicyDocument": _document(fence)}],
            },
        },
        f"Session{index}X": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _document([trust]),
                "Policies": [{"PolicyName": "p", "PolicyDocument": _document(allows + denies)}],
            },
        },
    }


def synthesize(context: dict[str, str], folder: Path) -> Path:
    """Return the assembly of the reference stack with these switches."""
    more = {"CDK_VALIDATION": "false", "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run([sys.executable, "app.py"], env={**os.environ, **more}, check=True, capture_output=True)
    return folder


def measure(path: Path) -> tuple[float, float, str]:
    """Return seconds and MiB of one run of the command in a process of its own, and its last line."""
    begin = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.verifier", "--measured", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    seconds = time.perf_counter() - begin
    *_, summary, memory = run.stdout.strip().splitlines()
    return seconds, float(memory), summary


def _measured(path: str) -> None:
    from session_scoping.commands.main import main

    main(["verify", path])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print one row per size."""
    print("| app | session roles | tables | seconds | MiB | outcome |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number, context in enumerate(VARIANTS):
            seconds, memory, summary = measure(synthesize(context, Path(folder, str(number))))
            roles = 1 + ("tools" in context) + ("sessionBroker" in context)
            name = " ".join(f"{key}={value}" for key, value in context.items()) or "as it is"
            print(f"| reference, {name} | {roles} | 4 | {seconds:.1f} | {memory:.0f} | {summary.split(',')[0]} |")
        for roles, tables in SIZES:
            path = Path(folder) / f"{roles}.template.json"
            path.write_text(json.dumps(app(roles, tables)))
            seconds, memory, summary = measure(path)
            print(f"| generated | {roles} | {tables} | {seconds:.1f} | {memory:.0f} | {summary.split(',')[0]} |")


if __name__ == "__main__":
    _measured(sys.argv[2]) if sys.argv[1:2] == ["--measured"] else main()
