"""What tests of several rooms share: where the project is, the CDK flags it recommends, and the decided cases."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECOMMENDED_FLAGS: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]


def cases(decision: str) -> list[dict[str, Any]]:
    """Return the rows of one decision, `tests/cases/<decision>.json`: each layer that decides it asks them all."""
    found: list[dict[str, Any]] = json.loads((ROOT / "tests" / "cases" / f"{decision}.json").read_text())["rows"]
    return found
