"""
Proves what the deployed policies allow: template -> policies -> decision or proof.

    report = prove(collect(load(Path("cdk.out"))))
    decision = decide(Request("dynamodb:GetItem", arn, {...}), PolicySet(statements_of(document)))

The public door. Names load on first use, and z3 with the first proof only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from session_scoping.verify.collecting import collect as collect
    from session_scoping.verify.decision import Decision as Decision
    from session_scoping.verify.decision import PolicySet as PolicySet
    from session_scoping.verify.decision import Request as Request
    from session_scoping.verify.decision import decide as decide
    from session_scoping.verify.documents import statements_of as statements_of
    from session_scoping.verify.infer import Options as Options
    from session_scoping.verify.proving import prove as prove
    from session_scoping.verify.report import Counterexample as Counterexample
    from session_scoping.verify.report import Report as Report
    from session_scoping.verify.report import Result as Result
    from session_scoping.verify.report import Status as Status
    from session_scoping.verify.template import load as load

_HOMES = {
    "Counterexample": "report",
    "Decision": "decision",
    "Options": "infer",
    "PolicySet": "decision",
    "Report": "report",
    "Request": "decision",
    "Result": "report",
    "Status": "report",
    "collect": "collecting",
    "decide": "decision",
    "load": "template",
    "prove": "proving",
    "statements_of": "documents",
}

__all__ = [
    "Counterexample",
    "Decision",
    "Options",
    "PolicySet",
    "Report",
    "Request",
    "Result",
    "Status",
    "collect",
    "decide",
    "load",
    "prove",
    "statements_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"session_scoping.verify.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
