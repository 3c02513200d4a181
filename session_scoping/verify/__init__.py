"""
Proves what the deployed policies allow: template -> policies -> decision or proof.

    report = verify("cdk.out")
    decision = decide(Request("dynamodb:GetItem", arn, {...}), PolicySet(statements_of(document)))

The public door. Names load on first use, and z3 with the first proof only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from session_scoping.verify.options.stated import StatedOption as StatedOption
    from session_scoping.verify.options.stated import read_configuration as read_configuration
    from session_scoping.verify.policies.decision import Decision as Decision
    from session_scoping.verify.policies.decision import PolicySet as PolicySet
    from session_scoping.verify.policies.decision import Request as Request
    from session_scoping.verify.policies.decision import decide as decide
    from session_scoping.verify.policies.decision import statements_of as statements_of
    from session_scoping.verify.public import verify as verify
    from session_scoping.verify.reports.report import ActionData as ActionData
    from session_scoping.verify.reports.report import Counterexample as Counterexample
    from session_scoping.verify.reports.report import Report as Report
    from session_scoping.verify.reports.report import Result as Result
    from session_scoping.verify.reports.report import Status as Status
    from session_scoping.verify.scoping.principals import Principal as Principal
    from session_scoping.verify.scoping.principals import Reach as Reach

_HOMES = {
    "ActionData": "reports.report",
    "Counterexample": "reports.report",
    "Decision": "policies.decision",
    "PolicySet": "policies.decision",
    "Principal": "scoping.principals",
    "Reach": "scoping.principals",
    "Report": "reports.report",
    "Request": "policies.decision",
    "Result": "reports.report",
    "StatedOption": "options.stated",
    "Status": "reports.report",
    "decide": "policies.decision",
    "read_configuration": "options.stated",
    "statements_of": "policies.decision",
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
