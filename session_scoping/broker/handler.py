"""The function's entry point."""

from typing import Any


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Exchange a task token for credentials."""
    raise NotImplementedError
