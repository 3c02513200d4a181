"""
What both sides of the comparison share: the app around the roles, and what its process reports.

INVARIANT: neither this file nor what it imports imports `session_scoping`, which the hand-written side does without.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from constructs import Construct
from jsii._kernel.providers import process

from benchmarks.process import peak_mib
from reference.data import DataStack

CONTEXT = json.loads((Path(__file__).parent.parent / "cdk.json").read_text())["context"]


def new_app(folder: str | None = None) -> cdk.App:
    """Return an app with the reference app's feature flags; it writes where the CDK does by default."""
    return cdk.App(context=CONTEXT, analytics_reporting=False, outdir=folder)


class Platform(DataStack):
    """
    The reference stack without its roles, or the small one: tables and buckets alone.

    What compute roles name in addition to data is imported where it is made: the small app loads none of it.
    """

    def __init__(self, scope: Construct, id: str, *, small: bool = False) -> None:
        super().__init__(scope, id)
        self.small = small
        if small:
            return
        from aws_cdk import aws_bedrockagentcore as agentcore
        from aws_cdk import aws_ecr as ecr
        from aws_cdk import aws_logs as logs
        from aws_cdk import aws_secretsmanager as secretsmanager

        self.secret = secretsmanager.Secret(self, "GitHubToken")
        self.memory = agentcore.CfnMemory(self, "AgentMemory", name="benchmark", event_expiry_duration=90)
        self.repository = ecr.Repository(self, "AgentRepository")
        self.log_group = logs.LogGroup(self, "AgentLogs")


def run(**versions: Callable[[Platform], object]) -> None:
    """Build and synthesize what the command line says: version, app, number of stacks. Print what it took as JSON."""
    version, size, stacks = sys.argv[1:]
    requests = _watch_node()
    app = new_app()
    platforms = [Platform(app, f"Reference{number}", small=size == "small") for number in range(int(stacks))]
    begin = len(requests)
    for platform in platforms:
        versions[version](platform)
    built = len(requests)
    app.synth()
    calls = {"build": built - begin, "synth": len(requests) - built}
    requests[-1].stop()  # what has ended is counted below
    print(
        json.dumps(
            {
                "calls": calls,
                "cdk_modules": sorted({name.split(".")[1] for name in sys.modules if name.startswith("aws_cdk.aws_")}),
                "uses_package": "session_scoping" in sys.modules,
                "python_mib": peak_mib(),
                "node_mib": peak_mib(resource.RUSAGE_CHILDREN),
            }
        )
    )


def _watch_node() -> list[Any]:
    """Return a list that gets the Node process with every request sent to it from here on."""
    node: Any = process._NodeProcess
    send, requests = node.send, []

    def watched(self: Any, request: Any, response_type: Any) -> Any:
        requests.append(self)
        return send(self, request, response_type)

    node.send = watched
    return requests
