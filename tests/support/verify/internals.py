"""What the verifier reads of a template, for tests of what stands behind its public function."""

from collections.abc import Mapping
from typing import Any

from session_scoping.verify.deployment.collecting import collect
from session_scoping.verify.intrinsics.exports import link
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Deployment
from session_scoping.verify.proving import read_subject


def deployment_of(template: dict[str, Any]) -> Deployment:
    """Return what a template deploys."""
    return read_subject(template, ()).deployment


def deployment_of_stacks(stacks: Mapping[str, dict[str, Any]]) -> Deployment:
    """Return the deployment of several stacks, by their names."""
    return collect(link([Scope(name, template) for name, template in stacks.items()]))
