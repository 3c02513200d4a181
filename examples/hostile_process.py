"""
A hostile process that holds the compute role's credentials, against each way of minting: part of `make demo`.

It asks STS for a session of somebody else's task. Where compute roles mint it gets one: that is what this mode does
not contain, and why there are others.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from session_scoping import SessionTags
from session_scoping.testing.enforcement import EnforcedPolicies

MODES: Mapping[str, bool] = {"compute": True, "orchestrator": False, "credentialBroker": False, "webIdentity": False}
"""Each way of minting in the reference stack, and whether the compute role's credentials are enough to mint."""


def templates() -> dict[str, Any]:
    """Synthesize the reference stack in every mode, two at a time."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        modes = list(MODES)
        for pair in (modes[:2], modes[2:]):
            running = [(mode, _synth(mode, Path(folder, mode))) for mode in pair]
            for mode, process in running:
                if process.wait() != 0:
                    raise SystemExit(f"the reference stack does not synthesize with minting={mode}")
                (file,) = Path(folder, mode).glob("*.template.json")
                found[mode] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _synth(mode: str, folder: Path) -> "subprocess.Popen[bytes]":
    more = {"CDK_VALIDATION": "false", "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps({"minting": mode})}
    return subprocess.Popen([sys.executable, "app.py"], env={**os.environ, **more}, stderr=subprocess.DEVNULL)


def attack(template: Mapping[str, Any], victim: Mapping[str, str], *, region: str) -> str:
    """Ask for the victim's session with the compute role's credentials; return `done` or the error's code."""
    tags = SessionTags(**victim).for_sts()
    with EnforcedPolicies(template, region=region).installed() as policies, policies.as_role("EcsTaskRole"):
        role = policies.arn("SessionRole")
        try:
            boto3.client("sts", region_name=region).assume_role(RoleArn=role, RoleSessionName="hostile", Tags=tags)
        except ClientError as error:
            return error.response["Error"]["Code"]
    return "done"
