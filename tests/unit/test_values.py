"""Values stay what they were when they were made."""

import pkgutil
from dataclasses import is_dataclass
from importlib import import_module

import session_scoping

# What a class collects while it works.
CHANGING = {
    "session_scoping.agent.audit.scopes.Scope",
    "session_scoping.constructs.cdk.policy_sizes.PolicySizer",
    "session_scoping.constructs.compute.denies.GuardedRole",
    "session_scoping.constructs.session.access.SessionAccess",
}


def test_every_dataclass_is_frozen() -> None:
    """A checked value cannot be changed after its check; the few that collect something are listed."""
    found = {}
    for module in pkgutil.walk_packages(session_scoping.__path__, "session_scoping."):
        # The verifier builds its model up while it reads; the async session has no value, and needs aiobotocore.
        if module.name.startswith(("session_scoping.verify.", "session_scoping.agent.aio.")):
            continue
        for thing in vars(import_module(module.name)).values():
            if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.name:
                found[f"{module.name}.{thing.__name__}"] = thing.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert len(found) > 50
    assert {name for name, frozen in found.items() if not frozen} == CHANGING
