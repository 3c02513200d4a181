"""What tests of several rooms share: where the project is, and the CDK flags it recommends."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECOMMENDED_FLAGS: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
