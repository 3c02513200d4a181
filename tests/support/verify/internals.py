"""What the verifier reads of a template, for tests of what stands behind its public function."""

from collections.abc import Mapping
from typing import Any

from session_scoping.verify.collecting import collect
from session_scoping.verify.links import link
from session_scoping.verify.model import Estate
from session_scoping.verify.proving import read_subject
from session_scoping.verify.scope import Scope


def estate_of(template: dict[str, Any]) -> Estate:
    """Return what a template deploys."""
    return read_subject(template, ()).estate


def estate_of_stacks(stacks: Mapping[str, dict[str, Any]]) -> Estate:
    """Return the estate of several stacks, by their names."""
    return collect(link([Scope(name, template) for name, template in stacks.items()]))
