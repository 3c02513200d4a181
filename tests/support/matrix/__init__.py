"""
The request matrix of the reference stack: what each role may do, and the near miss of everything it may.

Written from the system's needs (tables, prefixes, models), not from the policies. Every case is asked three times:
as deployed, against the Allows alone, and after a colleague added `dynamodb:*, s3:*, sts:*, kms:*` on `*`. What no
Allow may open is asked with everything allowed; what a trust policy decides alone, without the caller's policies.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.support.simulator import Question, Verdict, decide
from tests.support.world import ACCOUNT, World, with_broad_allow, without_guards

VARIANTS = ("deployed", "allows only", "broad allow")
TAGS = {"user_id": "u1", "repo": "org/name", "task_id": "T1"}
PATH_TAGS = ("user_id", "task_id")
TABLES = {
    "TaskTable": {"GetItem", "PutItem", "UpdateItem"},
    "TaskEventsTable": {"PutItem"},
    "TaskApprovalsTable": {"GetItem", "PutItem", "UpdateItem", "ConditionCheckItem"},
    "TaskNudgesTable": {"Query", "UpdateItem"},
}
KEYED = [
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "UpdateItem",
    "Query",
    "PartiQLSelect",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
]
UNKEYED = ["Scan", "DescribeTable", "UpdateTable", "DeleteTable", "PutResourcePolicy", "ExportTableToPointInTime"]
MODELS = (
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)
INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")

# How an orchestrator signs a task token.
SIGNING = {"kms:SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", "kms:MessageType": "DIGEST"}

_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# What a key's own policy says by default: the account's IAM policies decide (KMS guide, default key policy).
_ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
_BY_IAM = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": _ROOT, "Action": "kms:*", "Resource": "*"}],
}


@dataclass(frozen=True)
class Case:
    """
    One request and what must come of it.

    Attributes:
        allowed: Whether it goes through as deployed, and by the Allows alone.
        tags: The session's tags. Default: those of task T1.
        guarded: For a denied request: whether it stays denied under the broad Allow, and under an Allow of everything.
        guard_only: For a denied request: whether only a guard can tell, so that the Allows alone let it through.
        target: The role that is asked for, whose trust policy decides too. Default: the request asks for none.
    """

    name: str
    role: str
    action: str
    resource: str
    allowed: bool
    context: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=lambda: dict(TAGS))
    guarded: bool = True
    guard_only: bool = False
    target: str | None = None

    def question(self, world: World, variant: str) -> Question:
        """Return the request against the role's policies in one of the variants."""
        role = world.role(self.role)
        policies = {
            "deployed": role.policies,
            "allows only": without_guards(role.policies),
            "broad allow": with_broad_allow(role.policies),
            "everything": [*role.policies, _EVERYTHING],
            "trust alone": [],
        }[variant]
        context = {**{f"aws:PrincipalTag/{key}": value for key, value in self.tags.items()}, **self.context}
        by_iam = _BY_IAM if self.action.startswith("kms:") else None
        on_resource = world.role(self.target).trust if self.target else by_iam
        return Question(role.session(), self.action, self.resource, ACCOUNT, context, policies, on_resource)

    def expects(self, verdict: Verdict, variant: str) -> bool:
        """Whether the verdict is the right one."""
        if (variant in ("broad allow", "everything") and not self.guarded) or (
            variant == "allows only" and self.guard_only
        ):
            return True
        return verdict.allowed == self.allowed


def siblings(wanted: Iterable[Case]) -> Iterator[Case]:
    """Yield each need on a resource whose name only begins like the right one."""
    for case in wanted:
        is_exact = case.resource != "*" and not any(service in case.resource for service in (":s3:", ":logs:"))
        if case.allowed and is_exact:
            name = f"{case.name}, on a sibling"
            yield replace(case, name=name, resource=f"{case.resource}2", allowed=False, guarded=False)


def sample(cases: Iterable[Case]) -> list[Case]:
    """
    Return what is allowed, the first denied case of each kind, and every tenth of the others.

    For stacks that differ from one asked the whole matrix in a few statements; `make test-all` asks it there too.
    """
    chosen, seen, others = [], set(), 0
    for case in cases:
        kind = (case.role, case.action, case.guarded, case.guard_only, case.target, *sorted(case.context))
        others += (is_other := kind in seen and not case.allowed)
        if not is_other or others % 10 == 0:
            chosen.append(case)
        if not case.allowed:
            seen.add(kind)
    return chosen


SAMPLE_OR_WHOLE = [
    pytest.param(sample, id="sample"),
    pytest.param(list, id="whole", marks=pytest.mark.exhaustive),
]
"""Functions that choose cases."""


def failures(world: World, cases: Iterable[Case], variants: Iterable[str]) -> list[str]:
    """Return a sentence for every case that is decided wrongly."""
    cases = list(cases)
    asked = [(case, variant) for variant in variants for case in cases]
    verdicts = decide(case.question(world, variant) for case, variant in asked)
    return [
        f"[{variant}] {case.role}: {case.name} ({case.action} on {case.resource}) was {verdict.outcome} "
        f"(allow {verdict.allow}, deny {verdict.deny}), expected {'allowed' if case.allowed else 'denied'}"
        for (case, variant), verdict in zip(asked, verdicts, strict=True)
        if not case.expects(verdict, variant)
    ]
