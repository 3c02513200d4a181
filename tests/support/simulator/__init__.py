"""An independent IAM simulator, asked over a pipe: many questions, one Node process."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("simulate.mjs")


@dataclass(frozen=True)
class Question:
    """One request with the policies it is held against."""

    principal: str
    action: str
    resource: str
    account: str
    context: dict[str, Any]
    identity_policies: list[dict[str, Any]]
    resource_policy: dict[str, Any] | None = None

    def as_simulation(self) -> dict[str, Any]:
        """Return the request in the simulator's own shape."""
        simulation: dict[str, Any] = {
            "request": {
                "principal": self.principal,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.account},
                "contextVariables": self.context,
            },
            "identityPolicies": [
                {"name": f"policy-{number}", "policy": policy} for number, policy in enumerate(self.identity_policies)
            ],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        if self.resource_policy is not None:
            simulation["resourcePolicy"] = self.resource_policy
        return simulation


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


def decide(questions: Iterable[Question], *, processes: int = 2) -> list[Verdict]:
    """
    Return one verdict per question, in order.

    Args:
        questions: What to decide.
        processes: How many Node processes share the work.

    Raises:
        AssertionError: The simulator refused a question, for example for an action that does not exist.
    """
    asked = list(questions)
    size = max(1, -(-len(asked) // processes))
    parts = [asked[start : start + size] for start in range(0, len(asked), size)]
    with ThreadPoolExecutor(processes) as pool:
        return [verdict for part in pool.map(_decide_in_one_process, parts) for verdict in part]


def _decide_in_one_process(asked: list[Question]) -> list[Verdict]:
    node = shutil.which("node")
    assert node, "node is missing; run `make setup` and put .venv/bin on PATH"
    lines = "\n".join(json.dumps(question.as_simulation()) for question in asked) + "\n"
    done = subprocess.run([node, str(_SCRIPT)], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    return [_verdict(question, answer) for question, answer in zip(asked, answers, strict=True)]


def _verdict(question: Question, answer: dict[str, Any]) -> Verdict:
    assert "error" not in answer, f"{question.action} on {question.resource}: {answer['error']}"
    return Verdict(answer["overall"], answer["allow"], answer["deny"])
