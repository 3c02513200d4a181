"""What narrows every session of a role beyond its tags: the base of workload bindings and revocations."""

from collections.abc import Mapping
from typing import Any

from session_scoping.constructs.documents import Section
from session_scoping.constructs.site import Site
from session_scoping.constructs.statements import Conditions


class Limit:
    """
    A restriction on every session of a role. It only ever takes away.

    Each method's default adds nothing; a limit says what it adds to the trust, to the guards, and which promise the
    verifier holds the role to.
    """

    def trust_conditions(self, site: Site) -> Conditions:  # noqa: ARG002 - for those that override it
        """Return what every statement of the trust policy demands besides the tags."""
        return {}

    def guards(self, site: Site) -> list[Section]:  # noqa: ARG002
        """Return the Denies that stand with the role's guards."""
        return []

    def promises(self, site: Site) -> Mapping[str, Any]:  # noqa: ARG002
        """Return entries of the role's Metadata, each key beginning `session-scoping:`, for the verifier."""
        return {}
