"""The independent IAM simulator, in a process of its own."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("simulator.mjs")
ACCOUNT = "111122223333"


class Simulator:
    """Asks `@cloud-copilot/iam-simulate` over JSON lines."""

    def __init__(self) -> None:
        node = shutil.which("node") or "node"
        self._process = subprocess.Popen(
            [node, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_SCRIPT.parent
        )

    def close(self) -> None:
        """Stop the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def ask(self, simulations: Sequence[dict[str, Any]]) -> list[str]:
        """Return the verdict of each simulation: `Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied` or an error."""
        assert self._process.stdin
        assert self._process.stdout
        answers = []
        for simulation in simulations:
            self._process.stdin.write(json.dumps(simulation) + "\n")
            self._process.stdin.flush()
            answers.append(str(json.loads(self._process.stdout.readline())))
        return answers


def simulation(
    action: str,
    resource: str,
    context: dict[str, Any],
    identity: Sequence[dict[str, Any]] = (),
    *,
    boundary: dict[str, Any] | None = None,
    resource_policy: dict[str, Any] | None = None,
    principal: str = f"arn:aws:sts::{ACCOUNT}:assumed-role/session/one",
) -> dict[str, Any]:
    """Return one simulation in the form the simulator takes it."""
    return {
        "request": {
            "principal": principal,
            "action": action,
            "resource": {"resource": resource, "accountId": ACCOUNT},
            "contextVariables": context,
        },
        "identityPolicies": [{"name": f"p{i}", "policy": policy} for i, policy in enumerate(identity)],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        **({"permissionBoundaryPolicies": [{"name": "b", "policy": boundary}]} if boundary is not None else {}),
        **({"resourcePolicy": resource_policy} if resource_policy is not None else {}),
    }
