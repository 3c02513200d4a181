"""SessionAccess: what a session may reach and what it is denied; a session role's, or a tool role's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.metadata import write_metadata
from session_scoping.constructs.cdk.policy_series import GuardedPolicies, PolicySeries
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import arn_for_containers
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import allow, tags_present
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.compute.denies import ComputeRoleDenies
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.table_statements import (
    FOREIGN_ROWS,
    INDEXES,
    NO_ROWS,
    OTHER_TABLES,
    other_tables,
    row_sections,
)
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.minting.guards import session_guards
from session_scoping.constructs.minting.minting import Minting
from session_scoping.constructs.restrictions.restriction import RestrictionSet
from session_scoping.constructs.session.chaining import ChainingGuard
from session_scoping.constructs.session.guards import chaining_sections, tag_sections
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import NARROWING, SHARED_BY

NARROW = "sts:GetScopedCredentials"

_NO_COMPUTE_ROLES = "session-scoping:no-compute-roles"
_KEPT_AS = "_session_scoping_access"
_WARN_OTHER_TABLES = "session-scoping:other-tables-not-denied"


@dataclass
class SessionAccess:
    """
    Tenant data and models under the session's tags, what narrows them, and who is denied them.

    Attributes:
        context: The role's stack.
        tag_keys: The tags every session carries.
        minting: Who mints the sessions.
        restrictions: What narrows every session beyond its tags.
        models: Bedrock models a session may invoke.
        data: Tables and objects; `claim` adds to them.
        deny_enabled: Whether compute roles are denied the tenant data.
        narrowing: Whether sessions may narrow themselves.
        other_objects: What else in S3 a session may reach by grants made elsewhere.
        other_tables: What else in DynamoDB.
        compute_denies: What they are denied; a tool role has none of its own.
        pod_tags: Whether sessions may carry the tags of EKS Pod Identity as well.
        chaining: The statement `Chaining` of the role, once that is made.
    """

    context: StackContext
    tag_keys: tuple[str, ...]
    minting: Minting
    restrictions: RestrictionSet
    models: Models | None
    data: TenantData
    deny_enabled: bool = False
    narrowing: bool = False
    other_objects: tuple[str, ...] = ()
    other_tables: tuple[str, ...] = ()
    compute_denies: ComputeRoleDenies = field(default_factory=ComputeRoleDenies, init=False)
    pod_tags: bool = field(default=False, init=False)
    chaining: ChainingGuard = field(init=False)
    _owner: Construct = field(init=False)
    _role: iam.Role = field(init=False)
    _own: GuardedPolicies = field(init=False)
    _opened: bool = field(default=False, init=False)
    _shares: bool = field(default=False, init=False)

    @classmethod
    def of(cls, owner: Construct) -> "SessionAccess":
        """Return that of a SessionRole or ToolScopedRole."""
        access: SessionAccess = vars(owner)[_KEPT_AS]
        return access

    @classmethod
    def of_role(cls, role: Construct) -> "SessionAccess | None":
        """Return that of a SessionRole or ToolScopedRole, or of the role in one; nothing for any other role."""
        kept = vars(role).get(_KEPT_AS) or vars(role.node.scope or role).get(_KEPT_AS)
        return kept if isinstance(kept, SessionAccess) else None

    def belong_to(self, owner: Construct, role: iam.Role, own: GuardedPolicies, sizer: PolicySizer) -> None:
        """Say whose it is, once its role is made; `own` are the role's policies, not written yet."""
        self._owner, self._role, self._own = owner, role, own
        self.chaining = ChainingGuard(owner, own.guards, role, sizer)
        SynthChecks.of(self.context).protect(
            owner, lambda: [*self.data.compute_guards(), *self.compute_denies.sections]
        )
        vars(owner)[_KEPT_AS] = self

    @property
    def role(self) -> iam.Role:
        """The role itself."""
        return self._role

    @property
    def path_tags(self) -> tuple[str, ...]:
        """The tags that become part of an object key."""
        return self.data.path_tags(self.tag_keys)

    def denied(self) -> list[Section]:
        """Return what the role is denied, whatever is granted to it later."""
        return [
            *tag_sections(self.tag_keys, self.path_tags),
            *chaining_sections(),
            *session_guards(self.minting),
            *self.restrictions.guards(self.context),
            *self.data.guards(self.other_objects, self.other_tables),
        ]

    def allowed(self) -> list[Section]:
        """
        Return what the role is allowed; each statement demands the tags that its keys use.

        The trust policy and the guards demand all of them, for models too.
        """
        models = self.models.sections(self.context) if self.models else []
        # Whether an Allow is needed at all is not documented. Source of the action: IAM guide,
        # id_credentials_temp_control-access_getscopedcredentials.
        narrow = allow("NarrowSession", [NARROW], ["*"], tags_present(self.tag_keys))
        return [*self.data.permissions(), *models, *([Section.whole(narrow)] if self.narrowing else [])]

    def admit_narrowing(self) -> None:
        """
        Take GetScopedCredentials out of the Deny on chaining, where it is asked for, and say so in a tag of the role.

        The result has the caller's identity, name and tags, and never more of permissions or of time.
        """
        if self.narrowing:
            self.chaining.hand_over([NARROW], [])
            cdk.Tags.of(self._role).add(NARROWING, "on")

    def admit_pod_tags(self, path: str) -> None:
        """
        Note that sessions may carry the tags of EKS Pod Identity.

        Raises:
            InvalidInputError: The role at this path has tools, whose trust policies do not admit them.
        """
        if not self.pod_tags and hasattr(self, "chaining") and not self.chaining.denies("sts:AssumeRole"):
            raise InvalidInputError(
                f"session role `{path}` has tools that do not admit a pod's tags",
                got="its first minter under EKS Pod Identity after its first ToolScopedRole",
                expected="the minter named when the SessionRole is made",
                why="the tags are transitive, so STS would refuse every such session a tool",
                fix="name the role in `minting`, or pass pod_identity=True",
            )
        self.pod_tags = True

    def environment(self, role_arn: str, transitive: Sequence[str]) -> Mapping[str, str]:
        """Return the environment variables for the agent's container; see `SessionRole.environment`."""
        variables = {environment.SESSION_TAG_KEYS: ",".join(self.tag_keys)}
        if transitive:
            variables[environment.SESSION_TRANSITIVE_TAG_KEYS] = ",".join(transitive)
        if broker := self.minting.credential_broker:
            variables[environment.CREDENTIAL_BROKER] = broker.function.function_arn
        elif self.minting.mode != "orchestrator":
            arn = arn_for_containers(role_arn, self._role, self.minting.compute_roles, self.context)
            variables[environment.SESSION_ROLE_ARN] = arn
        return variables

    def services(self) -> frozenset[str]:
        """Return the services a session calls, by the last part of their VPC endpoints' names."""
        called = {"sts": True, "dynamodb": self.data.tables, "s3": self.data.objects, "bedrock-runtime": self.models}
        called |= {entry.kind.service: True for entry in self.data.named} | {"bedrock-agentcore": self.data.memories}
        return frozenset(name for name, needed in called.items() if needed)

    def claim(self, data: TenantData) -> None:
        """
        Add tables that another construct opens to the role.

        Raises:
            InvalidInputError: The role reaches one already: two guards would deny each other's actions.
        """
        self.data.check_distinct_from(data)
        if self.data.tables:
            self._open_to(data)
        self.data = self.data.joined(data)
        self.declare_sharing()

    def _open_to(self, data: TenantData) -> None:
        """
        Take tables out of the Denies on all of DynamoDB.

        INVARIANT: the role's own tables stay denied as they were: before a statement on `*` is narrowed, a policy that
        names the tables says the same.
        """
        guards, arn = self._own.guards, self.data.tables[0].every_region_arn
        if not self._opened and not self.other_tables:
            before = guards.policies
            for sid, one in ((FOREIGN_ROWS, arn), (NO_ROWS, arn), (INDEXES, f"{arn}/*")):
                if guards.holds(sid):
                    guards.change(sid, Resource=[one])
            guards.write(row_sections(self.data.tables), [self._role])
            for policy in before:
                policy.node.add_dependency(*guards.policies[len(before) :])
        self._opened = True
        if guards.holds(OTHER_TABLES):
            named = other_tables([*self.data.tables, *data.tables], self.other_tables)["NotResource"]
            # A table of a later stack cannot be named here: the two stacks would need each other.
            if data.context is not self.context or not guards.change(OTHER_TABLES, NotResource=named):
                guards.change(OTHER_TABLES, NotResource=["*"])
                self._warn_of_other_tables("a TenantTablePolicy opens tables that it cannot name")

    def warn_of_other_tables(self) -> None:
        """Warn where the Deny on other tables is left out."""
        if self.data.tables and not self._own.guards.holds(OTHER_TABLES):
            self._warn_of_other_tables("its own tables do not fit into one policy document, and cannot be split")

    def _warn_of_other_tables(self, why: str) -> None:
        message = (
            f"the role is not denied other tables: {why}. A grant that names one, added by mistake, works: on rows of "
            "the session's own key, or on all rows where a TenantTablePolicy is attached. Use fewer tables for one "
            "role, or name them all in it; or acknowledge this warning."
        )
        cdk.Validations.of(self._owner).add_warning(_WARN_OTHER_TABLES, message)

    def cover(self, series: PolicySeries, data: TenantData) -> None:
        """Deny the compute roles data that another construct opens."""
        if self.deny_enabled:
            self.compute_denies.cover(series, data.compute_guards())

    def declare_sharing(self) -> None:
        """Say in the Metadata which data tasks share by their key formats: the verifier would call it a violation."""
        shared = self.data.shared_by(self.tag_keys)
        if shared or self._shares:  # tables claimed later can take back what was declared
            self._shares = True
            write_metadata(self._role, {SHARED_BY: shared})

    def warn(self, session_role: Construct) -> None:
        """Warn, until it is acknowledged, where compute roles mint and where they are not denied tenant data."""
        self.warn_of_other_tables()
        warnings = {}
        if self.minting.compute_roles_mint:
            warnings["session-scoping:compute-roles-mint"] = (
                "compute roles mint sessions: code that reads a compute role's credentials can mint a session for any "
                "task. This bounds leaked session credentials and honest bugs, not a hijacked agent. "
                "Minting.by_orchestrator does; or acknowledge this warning."
            )
        if not self.deny_enabled:
            warnings["session-scoping:compute-roles-reach-tenant-data"] = (
                "compute roles are not denied tenant data: a grant that an old task still uses, or a new one added by "
                "mistake, reaches every tenant. Turn deny_tenant_data_to_compute_roles on once the old tasks ended."
            )
        if self.minting.by_token and not self.minting.compute_roles:
            warnings[_NO_COMPUTE_ROLES] = (
                "no compute role is named: the role agent code runs under is not denied tenant data, other roles "
                "and what could forge a token. Name it in compute_roles of the Minting, or call deny_tenant_data_to. "
                "Where that is done elsewhere, acknowledge this warning."
            )
        for warning_id, message in warnings.items():
            cdk.Validations.of(session_role).add_warning(warning_id, message)

    def name_compute_roles(self, session_role: Construct) -> None:
        """Take back the warning that none is named: one was named later."""
        if self.minting.by_token and not self.minting.compute_roles and self.compute_denies.roles:
            named = cdk.Acknowledgment(id=_NO_COMPUTE_ROLES, reason="deny_tenant_data_to names the compute roles")
            cdk.Validations.of(session_role).acknowledge(named)
