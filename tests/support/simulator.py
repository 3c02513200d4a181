"""An independent IAM simulator, asked over a pipe: one Node process for all questions of a Python process."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ACCOUNT = "111122223333"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/session/one"

Policy = dict[str, Any]


@dataclass(frozen=True)
class Policies:
    """
    What a request is checked against.

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


def request(
    action: str, resource: str, context: dict[str, Any], principal: str = SESSION, account: str = ACCOUNT
) -> dict[str, Any]:
    """Return one request in the form the simulator takes it."""
    where = {"resource": resource, "accountId": account}
    return {"principal": principal, "action": action, "resource": where, "contextVariables": context}


@dataclass(frozen=True)
class Question:
    """One request with the policies it is checked against."""

    principal: str
    action: str
    resource: str
    account: str
    context: dict[str, Any]
    identity_policies: list[Policy]
    resource_policy: Policy | None = None


@dataclass(frozen=True)
class Verdict:
    """What the simulator said: `Allowed`, `ImplicitlyDenied` or `ExplicitlyDenied`, and the deciding Sids."""

    outcome: str
    allow: list[str] = field(default_factory=list)
    deny: list[str] = field(default_factory=list)

    @property
    def allowed(self) -> bool:
        """Whether the request goes through."""
        return self.outcome == "Allowed"


def decide(questions: Iterable[Question]) -> list[Verdict]:
    """
    Return one verdict per question, in order.

    Raises:
        AssertionError: The simulator refused a question, for example for an action that does not exist.
    """
    asked = list(questions)
    # Questions against the same policies go together, so that these are sent and validated once.
    groups: dict[str, list[int]] = {}
    for number, question in enumerate(asked):
        policies = Policies(question.identity_policies, resource=question.resource_policy)
        groups.setdefault(json.dumps(policies.as_json()), []).append(number)
    verdicts: dict[int, Verdict] = {}
    for text, numbers in groups.items():
        requests = [
            request(one.action, one.resource, one.context, one.principal, one.account)
            for one in (asked[number] for number in numbers)
        ]
        verdicts |= zip(numbers, _simulator(os.getpid()).ask(text, requests, checked=True), strict=True)
    for number, question in enumerate(asked):
        refused = verdicts[number].outcome.startswith("error")
        assert not refused, f"{question.action} on {question.resource}: {verdicts[number].outcome}"
    return [verdicts[number] for number in range(len(asked))]


def ask(policies: Policies, requests: Sequence[dict[str, Any]], *, checked: bool) -> list[str]:
    """
    Return the verdict of each request: `Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied` or an error.

    Args:
        policies: What they are checked against.
        requests: The requests.
        checked: Whether the simulator drops condition keys that an action does not have, as AWS does, and
            refuses policies and requests that AWS would not take.
    """
    text = json.dumps(policies.as_json())
    return [verdict.outcome for verdict in _simulator(os.getpid()).ask(text, requests, checked=checked)]


class _Simulator:
    """Talks to `@cloud-copilot/iam-simulate`, which ends when this process closes the pipe or ends itself."""

    def __init__(self) -> None:
        node = shutil.which("node")
        assert node, "node is missing; run `make setup` and put .venv/bin on PATH"
        self._process = subprocess.Popen(
            [node, str(Path(__file__).with_suffix(".mjs"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._known = ("", False)

    def ask(self, policies: str, requests: Sequence[dict[str, Any]], *, checked: bool) -> list[Verdict]:
        """Send one line and read its answer; policies that the simulator holds are not sent again."""
        assert self._process.stdin
        assert self._process.stdout
        known, self._known = self._known, (policies, checked)
        sent = "null" if known == self._known else policies
        rest = json.dumps({"requests": list(requests), "checked": checked})
        self._process.stdin.write(f'{{"policies": {sent}, {rest[1:]}\n')
        self._process.stdin.flush()
        return [Verdict(**verdict) for verdict in json.loads(self._process.stdout.readline())]


@cache
def _simulator(process: int) -> _Simulator:  # noqa: ARG001 - a forked process must not share its parent's pipe
    return _Simulator()
