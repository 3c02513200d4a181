"""What narrows every session of a role beyond its tags: the base of workload bindings and revocations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions, merge
from session_scoping.constructs.cdk.synth_checks import Check


@dataclass(frozen=True)
class RestrictedRole:
    """
    The role that a restriction limits, as the finished tree shows it.

    Attributes:
        owner: The construct that made the role.
        context: Its stack.
        compute_roles: Roles of the code that uses the sessions.
        services: Services a session calls, by the last part of their VPC endpoints' names.
    """

    owner: Construct
    context: StackContext
    compute_roles: tuple[iam.IRole, ...]
    services: frozenset[str]


class Restriction:
    """
    A restriction on every session of a role. It only ever takes away.

    Each method's default adds nothing. A role calls `check` first; then `trust_conditions`, `guards` and `metadata`
    while it is made, and `checks` when the tree is finished.
    """

    def check(self, scope: Construct, tag_keys: Sequence[str]) -> None:
        """Refuse what cannot narrow a session with these tags; say on the construct what its owner must know."""

    def trust_conditions(self, context: StackContext) -> Conditions:  # noqa: ARG002 - for those that override it
        """Return what every statement of the trust policy requires in addition to the tags."""
        return {}

    def guards(self, context: StackContext) -> list[Section]:  # noqa: ARG002
        """Return the Denies to add to the role's guards."""
        return []

    def metadata(self, context: StackContext) -> Mapping[str, Any]:  # noqa: ARG002
        """Return entries of the role's Metadata, each key beginning `session-scoping:`, for the verifier."""
        return {}

    def checks(self, restricted: RestrictedRole) -> Iterable[Check]:  # noqa: ARG002
        """Return what only the finished tree can show to be missing."""
        return ()


@dataclass(frozen=True)
class RestrictionSet(Restriction):
    """All restrictions of one role, as one restriction."""

    restrictions: tuple[Restriction, ...]

    def check(self, scope: Construct, tag_keys: Sequence[str]) -> None:
        """Let each refuse what it cannot narrow."""
        for one in self.restrictions:
            one.check(scope, tag_keys)

    def trust_conditions(self, context: StackContext) -> Conditions:
        """
        Return what all of them demand.

        Two restrictions may refuse values of one key: `StringNotEquals` with several values refuses each, so the values
        are joined. Any other repetition is refused by `merge`, because it would widen the trust.
        """
        refused: dict[str, list[str]] = {}
        others: list[Conditions] = []
        for one in self.restrictions:
            conditions = dict(one.trust_conditions(context))
            for key, values in conditions.pop("StringNotEquals", {}).items():
                known = refused.setdefault(key, [])
                known += [value for value in values if value not in known]
            others.append(conditions)
        return merge(*others, {"StringNotEquals": refused} if refused else {})

    def guards(self, context: StackContext) -> list[Section]:
        """Return the Denies of all of them."""
        return [section for one in self.restrictions for section in one.guards(context)]

    def metadata(self, context: StackContext) -> Mapping[str, Any]:
        """Return the entries of all of them; lists under one key are joined."""
        found: dict[str, Any] = {}
        for one in self.restrictions:
            for key, value in one.metadata(context).items():
                found[key] = [*found[key], *value] if isinstance(value, list) and key in found else value
        return found

    def checks(self, restricted: RestrictedRole) -> Iterable[Check]:
        """Return the checks of all of them."""
        for one in self.restrictions:
            yield from one.checks(restricted)
