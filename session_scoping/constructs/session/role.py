"""SessionRole: the role a task assumes with its tags, and the only way to tenant data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import document_of, flatten, substitute, tokens_in
from session_scoping.constructs.cdk.metadata import tell_owner, write_metadata
from session_scoping.constructs.cdk.roles import (
    arn_by_name,
    require_changeable,
    require_exact,
    require_new,
    require_one_duty,
)
from session_scoping.constructs.cdk.statements import Statement, allow
from session_scoping.constructs.cdk.synth_checks import Check, SynthChecks
from session_scoping.constructs.compute.denies import AssumeRoleGuard
from session_scoping.constructs.compute.role import AnyRole, policy_role
from session_scoping.constructs.data.access import as_texts
from session_scoping.constructs.data.memory import TenantMemory
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.named_data import TenantParameters, TenantSecrets
from session_scoping.constructs.data.object_overlap import check_others
from session_scoping.constructs.data.objects import TenantObjects
from session_scoping.constructs.data.tables import TenantTable, check_other_tables
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.minting.broker_tie import BrokerTie
from session_scoping.constructs.minting.guards import compute_guards, invoke_sections, mint_sections, token_metadata
from session_scoping.constructs.minting.minting import MINT_ACTIONS, Minting, checked_roles, require_open
from session_scoping.constructs.restrictions.restriction import RestrictedRole, Restriction, RestrictionSet
from session_scoping.constructs.session.access import SessionAccess
from session_scoping.constructs.session.scoped_role import ScopedRole, as_tuple, check_kinds
from session_scoping.constructs.session.trust import Trust, brings_pod_tags, further, trusted
from session_scoping.constructs.session.trust_checks import role_checks, trust_too_large
from session_scoping.contract.errors import InvalidInputError, QuotaExceededError
from session_scoping.contract.tags import DEFAULT_TAG_KEYS, parse_tag_keys, require_policy_text


class SessionRole(ScopedRole):
    """
    The role a task assumes with its session tags; its policies reach that task's own data and nothing else.

    Two series of managed policies are attached: `Permissions`, where every Allow demands the session's tags, and
    `Guards`, Denies that hold when somebody later allows `dynamodb:*`, `s3:*` or `sts:*`.

    NOT PROTECTED: a minter may choose the tags (see `Minting`); a session may approve its own request, in its own row.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        minting: Minting,
        tables: Sequence[TenantTable] = (),
        objects: Sequence[TenantObjects] = (),
        secrets: Sequence[TenantSecrets] = (),
        parameters: Sequence[TenantParameters] = (),
        memories: Sequence[TenantMemory] = (),
        models: Models | None = None,
        tag_keys: Sequence[str] = DEFAULT_TAG_KEYS,
        transitive_tag_keys: Sequence[str] = (),
        pod_identity: bool = False,
        narrowing: bool = False,
        other_objects: Sequence[str] = (),
        other_tables: Sequence[str] = (),
        restrictions: Sequence[Restriction] = (),
        deny_tenant_data_to_compute_roles: bool = True,
        role_name: str | None = None,
        path: str | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        description: str | None = None,
    ) -> None:
        """
        Make the role, its policies, and the policies of the roles around it.

        Args:
            scope: Parent construct.
            id: Construct id; part of the role's logical id.
            minting: Who may mint sessions. There is no default: it decides what a hijacked agent can do.
            tables: Tenant tables. Default: none; `TenantTablePolicy` can add some later.
            objects: Tenant objects. Default: none, and then nothing in S3 is denied either.
            secrets: Tenant secrets. Default: none, and then nothing in Secrets Manager is denied either.
            parameters: Tenant parameters. Default: none, and then nothing in Systems Manager is denied either.
            memories: AgentCore Memories. Default: none, and then no Memory is denied either.
            models: Bedrock models a session may invoke. Default: none.
            tag_keys: The session tags, all of which every session carries. Default: user_id, repo, task_id.
            transitive_tag_keys: Tags that may be passed on when roles are chained. Default: none may.
            pod_identity: Whether every minter is a pod under EKS Pod Identity. Default: roles made here show it.
            narrowing: Whether a session may call STS GetScopedCredentials. Default: it may not. Revoke by tag then.
            other_objects: ARN patterns of further S3 objects a session may reach by later grants. Default: none.
            other_tables: Likewise of DynamoDB tables and indexes. Default: none; with `tables`, all else is denied.
            restrictions: What narrows every session further. Default: nothing but its tags.
            deny_tenant_data_to_compute_roles: Default: they are denied it. Off for a first deployment only; it warns.
            role_name: Physical name, needed where the container is in another stack. Default: CloudFormation makes one.
            path: IAM path. Default: `/`.
            permissions_boundary: Boundary. Default: none, or what `PermissionsBoundary.of` sets.
            description: Description of the role. Default: a short one.

        Raises:
            InvalidInputError: See the arguments' own classes; also tokens that another role of the app takes too.
            QuotaExceededError: A document or the number of policies would exceed its quota.
        """
        tables, objects, restrictions = as_tuple(tables), as_tuple(objects), as_tuple(restrictions)
        secrets, parameters, memories = as_tuple(secrets), as_tuple(parameters), as_tuple(memories)
        check_kinds(minting=[minting], tables=tables, objects=objects, models=[models], restrictions=restrictions)
        check_kinds(secrets=secrets, parameters=parameters, memories=memories)
        super().__init__(scope, id)
        keys = require_policy_text(parse_tag_keys(as_texts(tag_keys, "tag_keys")))
        self._transitive, self._minting, self._all_pods = tuple(transitive_tag_keys), minting, pod_identity
        data = TenantData.bind(self._context, keys, tables, objects, [*secrets, *parameters], memories)
        self._access = SessionAccess(self._context, keys, minting, RestrictionSet(restrictions), models, data)
        self._access.deny_enabled, self._access.narrowing = deny_tenant_data_to_compute_roles, narrowing
        self._access.other_objects = check_others(as_texts(other_objects, "other_objects"), data.objects, self._context)
        self._access.other_tables = check_other_tables(as_texts(other_tables, "other_tables"))
        self._access.restrictions.check(self, keys)
        self._trust_statements = Trust.of(self, self._access, self._transitive)
        self._minters, minter_arns = checked_roles(minting, self._context)
        for role, arn in zip(minting.minters, minter_arns, strict=True):
            self._note_pods(role, arn)
        first, *others = self._trust_statements.statements(minter_arns)
        self._make_role(
            trusted(first),
            further(others),
            role_name=role_name,
            path=path,
            permissions_boundary=permissions_boundary,
            description=description or "One task's own data; assumed with session tags only",
            max_session_duration=minting.max_session,
        )
        self._arn = arn_by_name(self._context, role_name, path) or self._role_arn
        self._access.belong_to(self, self._role, self._own, self._sizer)
        self._access.declare_sharing()
        self._mint = self._series("Mint")
        self._roles_guard = AssumeRoleGuard(
            self, self._role_arn, mints=minting.compute_roles_mint, others=minting.may_assume
        )
        if minting.credential_broker:
            BrokerTie.of(minting.credential_broker).serve(self, self._arn, keys, self._transitive)
        self._write_policies(minter_arns)
        self._write_metadata()
        self._access.admit_narrowing()
        self._access.warn(self)
        SynthChecks.of(self._context).reserve(keys)

    def _write_policies(self, minter_arns: Sequence[str]) -> None:
        """Write the role's own policies, then those of the roles around it, with one trip to the CDK for all text."""
        minting, data = self._minting, self._access.data
        denied, allowed = self._access.denied(), self._access.allowed()
        mint, exchange = mint_sections(minting, self._role_arn), invoke_sections(minting)
        compute_denied = [
            *(data.compute_guards() if self._access.deny_enabled else []),
            *compute_guards(minting, self._role_arn),
        ]
        known = tokens_in([*denied, *allowed, *mint, *exchange, *compute_denied])
        self._context.resolve([*known, *data.measurable(), *minter_arns])
        trust = document_of(self._trust_statements.statements(minter_arns))
        self._check_trust_size(substitute(trust, self._context.resolved))
        data.register_names(self._sizer)
        self._write_own(denied, allowed)
        if self._minters:
            self._mint.write(mint, self._minters)
        self._access.compute_denies.cover(self._series("ComputeGuards"), compute_denied)
        if exchange:
            self._access.compute_denies.cover(self._series("Exchange"), exchange)
        self._deny_compute_roles(minting.compute_roles)

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The tags every session carries."""
        return self._access.tag_keys

    @property
    def transitive_tag_keys(self) -> tuple[str, ...]:
        """The tags a session may hand on to a tool's session."""
        return self._transitive

    @property
    def environment(self) -> Mapping[str, str]:
        """
        Environment variables for the agent's container.

        Where an orchestrator mints, the ARN is left out: the agent assumes nothing. A credential broker's function is
        named instead; where a task's token lies (`AGENT_TASK_TOKEN_FILE`) is for the orchestrator to say.
        """
        return self._access.environment(self._arn, self._transitive)

    def admit(self, role: AnyRole) -> None:
        """
        Let one more role mint sessions: both halves, its own permission and the trust.

        Where compute roles mint, the role is also denied the tenant data itself.

        Raises:
            InvalidInputError: The role is admitted already, cannot be changed from here, or is a compute role where
                an orchestrator mints.
            QuotaExceededError: The trust policy would exceed its quota.
        """
        minter = policy_role(role)
        require_open(self._minting, self.node.path)
        require_new(minter, self._minters)
        require_changeable(minter, self._context)
        self._trust(minter)
        self._mint.attach([minter])
        if self._minting.compute_roles_mint:
            self._deny_compute_roles([role])

    def admit_trust_only(self, role: AnyRole) -> Statement:
        """
        Let a role mint that cannot be changed from here: the trust half only.

        The statement its owner must add is printed at synth as an info message. In the role's own account the
        trust alone admits it; from another account both halves are needed.

        Returns:
            The statement for the role's owner.

        Raises:
            InvalidInputError: The role is admitted already.
            QuotaExceededError: The trust policy would exceed its quota.
        """
        minter = policy_role(role)
        require_open(self._minting, self.node.path)
        require_new(minter, self._minters)
        require_exact(minter)
        self._trust(minter)
        statement = allow("MintSessions", MINT_ACTIONS, [self._arn])
        readable = {**statement, "Resource": flatten(self._context.stack.resolve(self._arn))}
        further = "; nothing here denies it the tenant data itself: its owner must see that it has no such grant"
        tell_owner(self, minter, "this to role", readable, further if self._minting.compute_roles_mint else "")
        return statement

    def deny_tenant_data_to(self, *roles: AnyRole) -> None:
        """
        Deny compute roles what only sessions may reach; for those that come after the session role.

        Raises:
            InvalidInputError: A role cannot be changed from here, or is the minter; or the Denies are off.
        """
        if not self._access.deny_enabled:
            raise InvalidInputError(
                "the Denies of this session role are off",
                got="deny_tenant_data_to_compute_roles=False",
                expected="the default, True",
                why="the call would attach nothing and look as if it had",
                fix="drop the argument once the old tasks have ended",
            )
        for role in roles:
            require_changeable(policy_role(role), self._context)
            if not self._minting.compute_roles_mint:
                require_one_duty(policy_role(role), self._minters)
        self._deny_compute_roles(roles)
        self._access.name_compute_roles(self)
        self._write_metadata()

    def _note_pods(self, role: AnyRole, arn: str) -> None:
        if not self._minting.by_token and (self._all_pods or brings_pod_tags(role, self._context)):
            self._access.admit_pod_tags(self.node.path)
            self._trust_statements.pods.add(arn)

    def _deny_compute_roles(self, roles: Sequence[AnyRole]) -> None:
        compute_roles = [policy_role(role) for role in roles]
        self._access.compute_denies.add(compute_roles)
        self._roles_guard.restrict(compute_roles)

    def _trust(self, minter: iam.IRole) -> None:
        if not self._minting.compute_roles_mint:
            require_one_duty(minter, self._access.compute_denies.roles)
        self._note_pods(minter, minter.role_arn)
        (statement,) = self._trust_statements.statements([minter.role_arn])
        trusted(statement).add_to_assume_role_policy(self._trust_policy)
        self._minters.append(minter)
        self._check_trust_size(self._context.stack.resolve(self._trust_policy))

    def _check_trust_size(self, trust: Any) -> None:
        if message := trust_too_large(trust, self._sizer):
            raise QuotaExceededError(message)

    def _write_metadata(self) -> None:
        """Write down what the verifier holds this role to."""
        compute_denied = [role.role_arn for role in self._access.compute_denies.roles] if self._minting.by_token else []
        by_token = token_metadata(self._minting, compute_denied)
        write_metadata(self._role, {**self._access.restrictions.metadata(self._context), **by_token})

    def _checks(self) -> Iterable[Check]:
        own = None
        if self._minting.by_token:
            arns = [role.role_arn for role in self._minters]
            own = iam.PolicyDocument.from_json(document_of(self._trust_statements.statements(arns)))
        yield from role_checks(self._role, SynthChecks.of(self._context).tree, self._sizer, self.tag_keys, own)
        yield from super()._checks()
        for series in (self._mint, *self._access.compute_denies.series):
            yield from series.finished()
        yield from self._access.chaining.finished()
        compute_roles = tuple(self._access.compute_denies.roles)
        restricted = RestrictedRole(self, self._context, compute_roles, self._access.services())
        yield from self._access.restrictions.checks(restricted)
