"""The managed policies of AWS that people attach to their roles."""

from collections.abc import Mapping
from typing import Any

from session_scoping.aws.table import read


def managed_policy(name: str) -> Mapping[str, Any] | None:
    """
    Return the document of an AWS managed policy; None for one that is not in the data.

    Args:
        name: Path and name, as in `service-role/AWSLambdaBasicExecutionRole`.
    """
    found: Mapping[str, Any] | None = read("managed")["policies"].get(name)
    return found


def managed_date() -> str:
    """Return the day of the newest policy in the data; AWS may change one any time."""
    return str(read("managed")["date"])
