"""What the verifier reads of a template, for tests of what stands behind its public function."""

from typing import Any

from session_scoping.verify.model import Estate
from session_scoping.verify.proving import read_subject


def estate_of(template: dict[str, Any]) -> Estate:
    """Return what a template deploys."""
    return read_subject(template, ()).estate
