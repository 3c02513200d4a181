"""TenantTablePolicy: the leading-key policy for any tables, on a SessionRole or on any role."""

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.policy_series import GuardedPolicies, PolicySeries
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.compute.role import ScopedComputeRole
from session_scoping.constructs.data.access import require_attribute
from session_scoping.constructs.data.tables import TenantTable
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.session.access import SessionAccess
from session_scoping.constructs.session.role import SessionRole
from session_scoping.constructs.session.scoped_role import as_tuple, check_kinds
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import DEFAULT_TAG_KEYS, parse_tag_keys

_CLAIMED = "_session_scoping_tables"
_WARN_FOREIGN_TRUST = "session-scoping:trust-is-not-ours"


class TenantTablePolicy(Construct):
    """
    Managed policies that open tenant tables by their leading key, with the table guards.

    NOT PROTECTED on a role that is no SessionRole: who may assume it, and with which tags, is that role's own
    trust policy; this policy only demands that the tags its keys use are there.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        tables: Sequence[TenantTable],
        tag_keys: Sequence[str] = DEFAULT_TAG_KEYS,
    ) -> None:
        """
        Make the policies, attached to nothing yet.

        Args:
            scope: Parent construct.
            id: Construct id; part of the policies' logical ids.
            tables: The tables, at least one.
            tag_keys: The tags that leading keys may use. Default: user_id, repo, task_id.

        Raises:
            InvalidInputError: No table, or see `TenantTable`.
            QuotaExceededError: A document would exceed its quota.
        """
        super().__init__(scope, id)
        tables = as_tuple(tables)
        check_kinds(tables=tables)
        if not tables:
            raise InvalidInputError(
                "the policy has no table",
                got="an empty list",
                expected="at least one TenantTable",
                why="IAM has no statement without a resource",
                fix="name the tables",
            )
        keys = parse_tag_keys(tag_keys)
        self._session_roles = 0
        self._context = StackContext.of(scope)
        self._sizer = PolicySizer.at(self._context)
        self._data = TenantData.bind(self._context, keys, tables)
        self._data.register_names(self._sizer)
        self._used_tags = tuple(key for key in keys if any(key in table.key_format.tags for table in self._data.tables))
        self._policies = GuardedPolicies(self, self._context, self._sizer)
        self._policies.write(self._data.guards_on_any_role(), self._data.permissions(), [])
        SynthChecks.of(self._context).add(self._policies.finished)

    @property
    def managed_policies(self) -> Sequence[iam.IManagedPolicy]:
        """The managed policies, guards first. Attach all of them or none: `attach_to` does."""
        return self._policies.policies

    def attach_to(self, role: SessionRole | iam.IRole) -> None:
        """
        Attach the policies to a role.

        On a SessionRole its compute roles are denied these tables too. On any other role a warning says that its
        trust policy is not checked.

        Raises:
            InvalidInputError: The role cannot be changed from here, or a leading key uses a tag that the
                SessionRole does not declare.
        """
        require_attribute(role, "role_arn", what="a role", example='SessionRole(self, "Session", ...)')
        scope = role.node.scope if isinstance(role, iam.Role) else None
        if isinstance(role, ScopedComputeRole) or isinstance(scope, ScopedComputeRole):
            raise InvalidInputError(
                "a compute role is no place for tenant tables",
                got="a ScopedComputeRole",
                expected="a SessionRole, or a role that runs no agent code",
                why="its sessions carry no tags, and code next to the agent reads its credentials",
                fix="attach the policy to the SessionRole",
            )
        if access := SessionAccess.of_role(cast(Construct, role)):
            self._check_tags(access)
            access.claim(self._data)
            count = self._session_roles = self._session_roles + 1
            # INVARIANT: the first one's id has no number, and no number that a longer series would use.
            base_id = "ComputeGuards" + (f"OfRole{count}" if count > 1 else "")
            access.cover(PolicySeries(self, base_id, self._context, self._sizer), self._data)
            target: iam.IRole = access.role
        else:
            target = cast(iam.IRole, role)
            require_changeable(target, self._context)
            claimed: list[TenantData] = vars(target).setdefault(_CLAIMED, [])
            for data in claimed:
                data.check_distinct_from(self._data)
            claimed.append(self._data)
            cdk.Validations.of(self).add_warning(
                _WARN_FOREIGN_TRUST,
                f"role {target.node.path} is no SessionRole: nothing here makes its sessions carry "
                f"{', '.join(self._used_tags)}, or keeps others from minting them with any value. Check its trust "
                "policy and acknowledge this warning.",
            )
        self._policies.attach([target])

    def _check_tags(self, access: SessionAccess) -> None:
        if missing := [key for key in self._used_tags if key not in access.tag_keys]:
            raise InvalidInputError(
                f"session role `{access.role.node.path}` does not declare a tag of these leading keys",
                got=", ".join(f"`{key}`" for key in missing),
                expected=f"tags among {', '.join(access.tag_keys)}",
                why="no session could carry the tag, so no row could be reached",
                fix="declare it in the SessionRole's tag_keys",
            )
