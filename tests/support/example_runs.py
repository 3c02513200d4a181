"""The examples that run: whether a run notices that its policies isolate nobody."""

import copy
from collections.abc import Mapping
from typing import Any


def without_isolation(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template whose session role reaches every row: no leading key in an Allow, and no guard."""
    changed: dict[str, Any] = copy.deepcopy(dict(template))
    policies = {key: one for key, one in changed["Resources"].items() if key.startswith("SessionRole")}
    for policy in policies.values():
        statements = policy["Properties"].get("PolicyDocument", {"Statement": []})["Statement"]
        for statement in statements:
            if statement["Effect"] == "Allow":
                statement.get("Condition", {}).pop("ForAllValues:StringEquals", None)
                statement.get("Condition", {}).pop("ForAllValues:StringLike", None)
                statement.get("Condition", {}).pop("Null", None)
        statements[:] = [one for one in statements if one["Effect"] == "Allow"] or statements
    return changed
