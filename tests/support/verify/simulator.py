"""The independent IAM simulator, in a process of its own."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("simulator.mjs")
ACCOUNT = "111122223333"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/session/one"

Policy = dict[str, Any]


@dataclass(frozen=True)
class Policies:
    """
    What a request is held against.

    Attributes:
        identity: The caller's identity policies.
        boundary: The caller's permissions boundary. Default: it has none.
        resource: The policy on the resource. Default: it has none.
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    resource: Policy | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the policies in the form the simulator takes them."""
        boundary, resource = self.boundary, self.resource
        return {
            "identityPolicies": [{"name": f"p{i}", "policy": policy} for i, policy in enumerate(self.identity)],
            **({"permissionBoundaryPolicies": [{"name": "b", "policy": boundary}]} if boundary is not None else {}),
            **({"resourcePolicy": resource} if resource is not None else {}),
        }


def request(action: str, resource: str, context: dict[str, Any], principal: str = SESSION) -> dict[str, Any]:
    """Return one request in the form the simulator takes it."""
    where = {"resource": resource, "accountId": ACCOUNT}
    return {"principal": principal, "action": action, "resource": where, "contextVariables": context}


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

    def ask(self, policies: Policies, requests: Sequence[dict[str, Any]], *, checked: bool) -> list[str]:
        """
        Return the verdict of each request: `Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied` or an error.

        Args:
            policies: What they are held against.
            requests: The requests.
            checked: Whether the simulator drops condition keys that an action does not have, as AWS does, and
                refuses policies and requests that AWS would not take.
        """
        assert self._process.stdin
        assert self._process.stdout
        question = {"policies": policies.as_json(), "requests": list(requests), "checked": checked}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answers: list[str] = json.loads(self._process.stdout.readline())
        return answers
