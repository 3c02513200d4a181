"""AWS managed policies, as far as their content is known. Any other one is UNKNOWN, never ignored."""

from typing import Any

from session_scoping.aws import managed
from session_scoping.verify.patterns.text import PARTITIONS, Text


def managed_policy(arn: Text) -> dict[str, Any] | None:
    """Return the document of an AWS managed policy; None when it is unknown."""
    shape = "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in arn)
    for partition in (*PARTITIONS, "<partition>"):
        name = shape.removeprefix(f"arn:{partition}:iam::aws:policy/")
        document = managed.managed_policy(name) if name != shape else None
        if document is not None:
            return dict(document)
    return None
