"""SessionBrokerRole: one tenant's role, assumed with a source identity that every later call carries."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from session_scoping.constructs.attribution.boundaries import boundary_checks
from session_scoping.constructs.attribution.callers import (
    Caller,
    PlainStatements,
    check_callers,
    parameter_name,
    too_large,
    trust_errors,
)
from session_scoping.constructs.attribution.statements import (
    ASSUME_ACTIONS,
    TrustTerms,
    WebIdentity,
    chain_sections,
    chain_trust,
    guard_sections,
    identified,
)
from session_scoping.constructs.cdk.documents import Section, flatten
from session_scoping.constructs.cdk.metadata import tell_owner, write_metadata
from session_scoping.constructs.cdk.roles import require_changeable, require_exact, require_new
from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.compute.denies import GuardedRole
from session_scoping.constructs.compute.role import AnyRole, policy_role
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.restrictions.restriction import RestrictedRole, Restriction, RestrictionSet
from session_scoping.constructs.session.scoped_role import ScopedRole, as_tuple, check_kinds
from session_scoping.contract import environment
from session_scoping.contract.errors import QuotaExceededError
from session_scoping.contract.metadata import ATTRIBUTED_TO
from session_scoping.contract.source_identity import check_tenant, pattern_of


class SessionBrokerRole(ScopedRole):
    """
    The role of one tenant's sessions: assumed only with a source identity `agent=<tenant>=<session>`.

    CloudTrail writes the identity into every event of the session and of the sessions it chains to. A session without
    one, or with another tenant's, is not made; should a colleague's trust statement make one, it is denied everything.

    NOT PROTECTED: a caller may name any session of its own tenant. The identity says which session acted if the
    callers are honest, and which tenant's callers did in any case. It knows no session role: what somebody allows it
    of task data it reaches, until `SessionRole.deny_tenant_data_to` puts the Denies on it. A principal that may
    overwrite its SSM parameter can name another role there; the callers' own permission names the right one.
    """

    _wildcard_reason = "A model's Regions are limited by its inference profile; nothing else has a wildcard."

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        tenant: str,
        callers: Sequence[Caller],
        models: Models | None = None,
        managed_policies: Sequence[iam.IManagedPolicy] = (),
        chain_to: Sequence[iam.IRole] = (),
        pod_identity: bool = False,
        restrictions: Sequence[Restriction] = (),
        ssm_parameter_name: str | None = None,
        role_name: str | None = None,
        path: str | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        description: str | None = None,
    ) -> None:
        """
        Make the role, its policies, its callers' permission, and the parameter that names it.

        Args:
            scope: Parent construct.
            id: Construct id; part of the role's logical id.
            tenant: Whose sessions they are: letters, digits and `_ . + , @ -`.
            callers: Roles that assume it, both sides wired, and web identities.
            models: Bedrock models a session may invoke. Default: none.
            managed_policies: What else a session may do. Default: nothing; grants can be added to `role`.
            chain_to: Roles a session may go on to, with its source identity. Default: none, and chaining is denied.
            pod_identity: Whether the callers are pods under EKS Pod Identity, whose sessions carry transitive tags.
                Default: they are not, and no session tag is admitted.
            restrictions: What narrows every session further. Default: nothing.
            ssm_parameter_name: Name of the parameter that holds the role's ARN. Default:
                `/session-scoping/<tenant>/session-broker-role-arn`.
            role_name: Physical name. Default: CloudFormation generates one.
            path: IAM path. Default: `/`.
            permissions_boundary: Boundary. Default: none, or what `PermissionsBoundary.of` sets.
            description: Description of the role. Default: a short one.

        Raises:
            InvalidInputError: A tenant no source identity could carry, no caller, one that cannot be changed or is
                named twice, a parameter name SSM refuses, or a restriction that reads a session tag.
            QuotaExceededError: A document or the number of policies would exceed its quota.
        """
        callers, restrictions, chain_to = as_tuple(callers), as_tuple(restrictions), as_tuple(chain_to)
        check_kinds(models=[models], restrictions=restrictions)
        check_tenant(tenant)
        check_callers(callers)
        super().__init__(scope, id)
        self._tenant, self._pod_identity = tenant, pod_identity
        self._restrictions = RestrictionSet(restrictions)
        self._models = models
        # Session tags, where there are any, are the pods' own: no restriction may read one.
        self._restrictions.check(self, ())
        self._terms = TrustTerms(tenant, self._restrictions.trust_conditions(self._context), pod_identity)
        self._callers: list[iam.IRole] = []
        roles = [self._checked(caller) for caller in callers if not isinstance(caller, WebIdentity)]
        self._make_role(
            PlainStatements(self._trust_of(callers)),
            role_name=role_name,
            path=path,
            managed_policies=list(managed_policies),
            permissions_boundary=permissions_boundary,
            description=description or "Sessions of one tenant; assumed with a source identity only",
        )
        self._calls = self._series("Callers")
        self._write(chain_to, roles)
        self._wire_chain(chain_to)
        for caller in callers:
            self._let_become(caller)
        self._write_metadata()
        self._publish(ssm_parameter_name)

    @property
    def tenant(self) -> str:
        """Whose sessions they are."""
        return self._tenant

    @property
    def parameter(self) -> ssm.StringParameter:
        """The parameter that holds the role's ARN."""
        return self._parameter

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables for the dispatcher, which assumes the role once for each session."""
        return {environment.SESSION_BROKER_ROLE_ARN: self._role_arn}

    def admit(self, role: AnyRole) -> None:
        """
        Let one more role assume it: both halves, its own permission and the trust.

        Raises:
            InvalidInputError: The role is admitted already, or cannot be changed from here.
            QuotaExceededError: The trust policy would exceed its quota.
        """
        caller = self._checked(role)
        self._trust(caller)
        self._let_call([caller])
        self._let_become(role)

    def admit_trust_only(self, role: AnyRole) -> Sequence[Statement]:
        """
        Let a role assume it that cannot be changed from here: the trust half only.

        The statements its owner must add are printed at synth as an info message.

        Raises:
            InvalidInputError: The role is admitted already.
            QuotaExceededError: The trust policy would exceed its quota.
        """
        caller = policy_role(role)
        require_new(caller, self._callers)
        require_exact(caller)
        self._callers.append(caller)
        self._trust(caller)
        statements = self._terms.caller_statements(self._role_arn)
        arn = flatten(self._context.stack.resolve(self._role_arn))
        tell_owner(self, caller, "these to role", [{**statement, "Resource": arn} for statement in statements])
        return statements

    def _checked(self, role: AnyRole) -> iam.IRole:
        caller = policy_role(role)
        require_new(caller, self._callers)
        require_changeable(caller, self._context)
        self._callers.append(caller)
        return caller

    def _trust_of(self, callers: Sequence[Caller]) -> list[iam.PolicyStatement]:
        arns = [caller.role_arn for caller in self._callers]
        statements = self._terms.role_statements(arns) if arns else []
        for caller in callers:
            if isinstance(caller, WebIdentity):
                statements += self._terms.web_statements(caller, self._context)
        return statements

    def _trust(self, caller: iam.IRole) -> None:
        self._trust_policy.add_statements(*self._terms.role_statements([caller.role_arn]))
        if message := too_large(self._context.stack.resolve(self._trust_policy), self._sizer):
            raise QuotaExceededError(message)

    def _write(self, chain_to: Sequence[iam.IRole], callers: Sequence[iam.IRole]) -> None:
        arns = [role.role_arn for role in chain_to]
        guards = guard_sections(self._tenant, arns, pod_identity=self._pod_identity)
        guards += self._restrictions.guards(self._context)
        base = identified(self._tenant, "aws:SourceIdentity")
        allowed = [
            *(self._models.sections(self._context, base) if self._models else []),
            *chain_sections(self._tenant, arns, pod_identity=self._pod_identity),
        ]
        self._write_own(guards, allowed)
        self._let_call(callers)

    def _let_call(self, callers: Sequence[iam.IRole]) -> None:
        """Give roles what they need; there is no policy before there is a role."""
        if self._calls.policies:
            self._calls.attach(callers)
        elif callers:
            self._calls.write([Section.whole(*self._terms.caller_statements(self._role_arn))], callers)

    def _wire_chain(self, chain_to: Sequence[iam.IRole]) -> None:
        """Let the roles further on trust this one; print the statement where that cannot be done from here."""
        for role in chain_to:
            require_exact(role)
            statements = [*chain_trust(self._tenant, self._role_arn, pod_identity=self._pod_identity)]
            policy = (
                role.assume_role_policy if isinstance(role, iam.Role) and role.stack is self._context.stack else None
            )
            if policy is not None:
                policy.add_statements(*statements)
                continue
            readable = [self._context.stack.resolve(statement.to_statement_json()) for statement in statements]
            tell_owner(self, role, "this to the trust policy of", readable)

    def _let_become(self, caller: Caller) -> None:
        if not isinstance(caller, WebIdentity):
            role = policy_role(caller)
            GuardedRole.of(role).let_become(role, self._role_arn)

    def _write_metadata(self) -> None:
        """Write down what the verifier holds this role to."""
        write_metadata(
            self._role, {ATTRIBUTED_TO: pattern_of(self._tenant), **self._restrictions.metadata(self._context)}
        )

    def _publish(self, name: str | None) -> None:
        self._parameter = ssm.StringParameter(
            self,
            "RoleArn",
            parameter_name=parameter_name(self._tenant, name),
            string_value=self._role_arn,
            description="Assumed once for each session, with a source identity",
        )

    def _checks(self) -> Iterable[Check]:
        resource = cast(cdk.CfnResource, self._role.node.default_child)
        errors = partial(trust_errors, self._role.node.path, self._tenant, self._sizer)
        yield Check(properties_of(resource)["assumeRolePolicyDocument"], errors)
        yield from super()._checks()
        yield from self._calls.finished()
        for caller in self._callers:
            yield from boundary_checks(caller, ASSUME_ACTIONS)
        services = frozenset({"sts", *(["bedrock-runtime"] if self._models else [])})
        yield from self._restrictions.checks(RestrictedRole(self, self._context, tuple(self._callers), services))
