"""Plain policy documents, without a template around them, as statements for `decide`."""

import json
from typing import Any

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statements import parse_policy


def statements_of(document: dict[str, Any], name: str = "policy", *, trust: bool = False) -> tuple[Statement, ...]:
    """
    Parse a policy document as IAM stores it.

    Args:
        document: The document.
        name: What to call it when one of its statements decides. Default: `policy`.
        trust: Whether it is a trust policy, whose statements name no resource. Default: it is not.
    """
    return parse_policy(document, Scope(name, {"Resources": {}}, deployed=False), name, trust=trust)


def session_policy_of(text: str) -> tuple[Statement, ...]:
    """
    Return the statements of a session policy.

    Raises:
        InvalidInputError: STS would refuse it, or read it otherwise than its author.
    """
    return statements_of(json.loads(parse_session_policy(text)), "the session policy")
