"""
How long the verifier takes, and how much memory.

The generated app has session roles by hand, with four tables each, so that the CDK's own time is not measured.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.process import peak_mib, run
from benchmarks.report import Table

SIZES = ((5, 20), (10, 40), (25, 100), (50, 200))
KEYS = ("user_id", "task_id")
VARIANTS: tuple[dict[str, str], ...] = (
    {},
    {"minting": "orchestrator"},
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
    deny = [{"Effect": "Deny", "Action": "dynamodb:*", "Resource": arns}]
    return {
        f"Compute{index}X": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _document([service]),
                "Policies": [{"PolicyName": "deny", "PolicyDocument": _document(deny)}],
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


def tables() -> Iterator[Table]:
    """Verify the variants of the reference stack, then generated apps."""
    rows: list[tuple[object, ...]] = []
    with TemporaryDirectory() as name:
        for context in VARIANTS:
            folder = Path(name, str(len(rows)))
            run("app", CDK_OUTDIR=str(folder), CDK_CONTEXT_JSON=json.dumps(context))
            switches = " ".join(f"{key}={value}" for key, value in context.items()) or "as it is"
            roles = 1 + ("tools" in context) + ("sessionBroker" in context)
            rows.append((f"reference, {switches}", roles, 4, *_verified(folder)))
        for roles, count in SIZES:
            path = Path(name, f"{roles}.template.json")
            path.write_text(json.dumps(app(roles, count)))
            rows.append(("generated", roles, count, *_verified(path)))
    yield Table("verifier", ("app", "session roles", "tables", "seconds", "MiB", "outcome"), rows)


def _verified(path: Path) -> tuple[str, str, str]:
    """Run the command in a process of its own; return seconds and MiB, imports included, and the outcome."""
    made = run("benchmarks.verifier", path, COLUMNS="200")
    *_, outcome, memory = made.lines
    return f"{made.seconds:.1f}", f"{float(memory):.0f}", outcome.split(",")[0]


def _verify(path: str) -> None:
    from session_scoping.commands.main import main

    main(["verify", path])
    print(peak_mib())


if __name__ == "__main__":
    _verify(sys.argv[1])
