"""Puts the matrix to IAM's policy simulator."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from session_scoping.commands.unreadable import NOT_VALIDATED, reading
from session_scoping.commands.validate.matrix import Case, boundary_of, documents_of
from session_scoping.contract.boto_errors import Answer as Refusal
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.model import Role

_DATES = {"aws:currenttime", "aws:tokenissuetime"}
_BOOLEANS = {"aws:securetransport", "aws:viaawsservice", "aws:multifactorauthpresent"}
_LEFT_OPEN = {"Throttling", "ThrottlingException", "ServiceFailure", "InvalidInput", "PolicyEvaluation"}
"""Faults of one question; any other one concerns them all."""


@dataclass(frozen=True)
class Answer:
    """
    What AWS said of one case.

    Attributes:
        allowed: None where it gave no answer.
        note: Why not, or what AWS missed.
    """

    case: Case
    allowed: bool | None
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether AWS answered, and as the verifier expects."""
        return self.allowed is self.case.expected


Tell = Callable[[str], None]


class PolicySimulator:
    """
    Asks IAM about cases, one call per resource and set of condition keys.

    Args:
        iam: A boto3 IAM client; its retries carry throttling.
        binding: Physical names.
        deployed: Role -> ARN of the deployed role to ask about (SimulatePrincipalPolicy). Default: the documents of
            the template are sent (SimulateCustomPolicy).

    Source:
        IAM API_SimulateCustomPolicy, API_SimulatePrincipalPolicy: action names without wildcards, 100 results to a
        page; per resource the answer stands in ResourceSpecificResults. Resource policies, and so trust policies, are
        not simulated for roles.
    """

    def __init__(self, iam: Any, binding: Binding, deployed: Callable[[Role], str] | None = None) -> None:
        self._iam, self._binding, self._deployed = iam, binding, deployed

    def ask(self, cases: Sequence[Case], tell: Tell = lambda _: None) -> list[Answer]:
        """
        Return one answer per case, in order.

        Raises:
            botocore.exceptions.ClientError: AWS refuses to answer at all, for want of permission or of the role.
        """
        groups: dict[object, list[Case]] = {}
        for case in cases:
            groups.setdefault((case.role.id, case.resource, str(sorted(case.context.items()))), []).append(case)
        found: dict[int, Answer] = {}
        for number, group in enumerate(groups.values(), start=1):
            tell(f"asking AWS {number} of {len(groups)}: {group[0].subject}")
            found |= {id(answer.case): answer for answer in self._answers(group)}
        return [found[id(case)] for case in cases]

    def _answers(self, group: list[Case]) -> Iterable[Answer]:
        try:
            decisions = self._decisions(group)
        except ClientError as error:
            code = Refusal.of(error).code
            if code not in _LEFT_OPEN:
                raise
            if len(group) > 1 and code in ("InvalidInput", "PolicyEvaluation"):
                # One action the simulator does not know spoils the call: ask for each alone.
                return [answer for case in group for answer in self._answers([case])]
            return [Answer(case, None, f"AWS answered {code}") for case in group]
        missing = (None, "AWS left it out of its answer")
        return [Answer(case, *decisions.get(case.action.lower(), missing)) for case in group]

    def _decisions(self, group: list[Case]) -> dict[str, tuple[bool | None, str]]:
        case = group[0]
        request: dict[str, Any] = {
            "ActionNames": list(dict.fromkeys(one.action for one in group)),
            "ResourceArns": [case.resource],
            "ContextEntries": context_entries(case.context),
        }
        if self._deployed:
            request["PolicySourceArn"] = self._deployed(case.role)
        else:
            request["PolicyInputList"] = [_text(document) for document in documents_of(case.role, self._binding)]
            boundary = boundary_of(case.role, self._binding)
            if boundary is not None:
                request["PermissionsBoundaryPolicyInputList"] = [_text(boundary)]
        operation = "simulate_principal_policy" if self._deployed else "simulate_custom_policy"
        with reading("".join(map(str.capitalize, operation.split("_"))), consequence=NOT_VALIDATED):
            pages = self._iam.get_paginator(operation).paginate(**request)
            results = [result for page in pages for result in page["EvaluationResults"]]
            return {result["EvalActionName"].lower(): _decision(result, case.resource) for result in results}


def _decision(result: Mapping[str, Any], resource: str) -> tuple[bool | None, str]:
    specific = result.get("ResourceSpecificResults") or []
    mine = [one for one in specific if one.get("EvalResourceName") == resource]
    mine = mine or (list(specific) if len(specific) == 1 else [])
    if specific and not mine:
        return None, "AWS answered for another resource"
    decision = mine[0]["EvalResourceDecision"] if mine else result["EvalDecision"]
    missing = (mine[0] if mine else result).get("MissingContextValues") or []
    return decision == "allowed", f"AWS missed {', '.join(sorted(missing))}" if missing else ""


def context_entries(context: Mapping[str, str | list[str]]) -> list[dict[str, Any]]:
    """Return condition keys in the shape the simulator takes them, each with its type."""
    return [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value] if isinstance(value, str) else list(value),
            "ContextKeyType": _type(key, value),
        }
        for key, value in context.items()
    ]


def _type(key: str, value: str | list[str]) -> str:
    if not isinstance(value, str):
        return "stringList"
    lowered = key.lower()
    return "date" if lowered in _DATES else "boolean" if lowered in _BOOLEANS else "string"


def _text(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))
