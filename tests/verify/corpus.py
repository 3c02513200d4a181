"""What the verifier reads of templates."""

from collections.abc import Mapping
from typing import Any

from session_scoping.verify.collecting import collect
from session_scoping.verify.links import link
from session_scoping.verify.model import Estate
from session_scoping.verify.scope import Scope


def estate_of(template: dict[str, Any]) -> Estate:
    """Return the estate of one template."""
    return estate_of_stacks({"S": template})


def estate_of_stacks(stacks: Mapping[str, dict[str, Any]]) -> Estate:
    """Return the estate of several stacks, by their names."""
    return collect(link([Scope(name, template) for name, template in stacks.items()]))
