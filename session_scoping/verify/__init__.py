"""
Proves what the deployed policies allow: template -> policies -> decision or proof.

    report = verify("cdk.out")
    decision = decide(Request("dynamodb:GetItem", arn, {...}), PolicySet(statements_of(document)))

The public door. Names load on first use, and z3 with the first proof only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from session_scoping.verify.configuration import read_configuration as read_configuration
    from session_scoping.verify.decision import Decision as Decision
    from session_scoping.verify.decision import PolicySet as PolicySet
    from session_scoping.verify.decision import Request as Request
    from session_scoping.verify.decision import decide as decide
    from session_scoping.verify.documents import statements_of as statements_of
    from session_scoping.verify.principals import Principal as Principal
    from session_scoping.verify.principals import Reach as Reach
    from session_scoping.verify.public import verify as verify
    from session_scoping.verify.report import ActionData as ActionData
    from session_scoping.verify.report import Counterexample as Counterexample
    from session_scoping.verify.report import Report as Report
    from session_scoping.verify.report import Result as Result
    from session_scoping.verify.report import Status as Status
    from session_scoping.verify.stated import StatedOption as StatedOption

_HOMES = {
    "ActionData": "report",
    "Counterexample": "report",
    "Decision": "decision",
    "PolicySet": "decision",
    "Principal": "principals",
    "Reach": "principals",
    "Report": "report",
    "Request": "decision",
    "Result": "report",
    "StatedOption": "stated",
    "Status": "report",
    "decide": "decision",
    "read_configuration": "configuration",
    "statements_of": "documents",
    "verify": "public",
}

__all__ = [
    "ActionData",
    "Counterexample",
    "Decision",
    "PolicySet",
    "Principal",
    "Reach",
    "Report",
    "Request",
    "Result",
    "StatedOption",
    "Status",
    "decide",
    "read_configuration",
    "statements_of",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"session_scoping.verify.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
