"""What the runs of the examples are shown besides their own policies: policies that isolate nobody."""

import copy
from collections.abc import Mapping
from typing import Any


def without_isolation(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template whose sessions reach every row: no condition in the session role's Allows, and no guard."""
    changed: dict[str, Any] = copy.deepcopy(dict(template))
    for key, resource in changed["Resources"].items():
        if key.startswith("SessionRolePermissions"):
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                statement.pop("Condition", None)
        elif key.startswith("SessionRoleGuards"):
            resource["Properties"]["PolicyDocument"]["Statement"] = []
    return changed
