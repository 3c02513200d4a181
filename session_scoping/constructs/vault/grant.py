"""TokenVaultGrant: tokens of other services from AgentCore's vault, for one workload identity and its own users."""

from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.aws.token_vault import COMPLETE, TokenFlow
from session_scoping.constructs.cdk.policy_series import GuardedPolicies, PolicySeries
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.compute.role import ScopedComputeRole, policy_role
from session_scoping.constructs.session.role import SessionRole
from session_scoping.constructs.vault.exchange import lacks_exchange
from session_scoping.constructs.vault.resources import AnyIdentity, VaultProvider, VaultResources
from session_scoping.constructs.vault.statements import VaultStatements, consent_guards
from session_scoping.constructs.vault.user_binding import UserBinding
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import TOKEN_VAULT, TOKEN_VAULT_USER

AnyGrantee: TypeAlias = SessionRole | ScopedComputeRole | iam.IRole

_GRANTED = "_session_scoping_token_vault"
_WARN_FOREIGN_TRUST = "session-scoping:trust-is-not-ours"
_WARN_SECRET = "session-scoping:provider-secret-unknown"  # noqa: S105 - the id of a warning


class TokenVaultGrant(Construct):
    """
    What one role may take from AgentCore Identity's token vault.

    Two series of managed policies are attached: `Permissions`, exact ARNs only, and `Guards`, Denies of every other
    workload identity, provider and user that hold when somebody later allows `bedrock-agentcore:*`.

    NOT PROTECTED: the guards are on this role only; a `bedrock-agentcore:*` on another compute or tool role
    reaches every user's tokens. IAM cannot distinguish the flows (GetResourceOauth2Token has no condition keys), so a
    role with two flows may use either with every provider here; which scopes are asked for is not limited either.
    A holder of a workload access token acts for its user until it ends. Not run against AWS: see
    docs/token-vault.md.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        grantee: AnyGrantee,
        workload_identity: AnyIdentity,
        providers: Sequence[VaultProvider],
        flows: Sequence[TokenFlow] = (TokenFlow.M2M,),
        user_binding: UserBinding | None = None,
    ) -> None:
        """
        Make the policies and attach them.

        Args:
            scope: Parent construct.
            id: Construct id; part of the policies' logical ids.
            grantee: The role that takes tokens: a SessionRole, a ScopedComputeRole or any role. One grant per role.
            workload_identity: The agent's identity: the L2 or L1 resource, an import, or its ARN. For a runtime's
                own, pass `runtime.get_att("WorkloadIdentityDetails.WorkloadIdentityArn").to_string()`.
            providers: The credential providers, each wrapped in `VaultProvider`.
            flows: The OAuth2 flows. Default: M2M, where the agent acts as itself and no user is involved.
            user_binding: Whose workload access token the role may ask for. Default: nobody's; a user's token is then
                only the one AgentCore Runtime hands to the agent, and asking for one is denied.

        Raises:
            InvalidInputError: See `VaultProvider` and `UserBinding`; also a role that cannot be changed or has such a
                grant already, a binding that the flows or the role cannot use.
            QuotaExceededError: A document or the number of policies would exceed its quota.
        """
        super().__init__(scope, id)
        self._context = StackContext.of(scope)
        self._sizer = PolicySizer.at(self._context)
        self._resources = VaultResources.of(self._context, workload_identity, providers)
        session_role, role = _target(grantee)
        tags = session_role.tag_keys if session_role else ()
        statements = VaultStatements(self._resources, _flows(flows), user_binding, tags)
        _check_binding(statements, grantee, session_role)
        require_changeable(role, self._context)
        _claim(role)
        self._role, self._callbacks = role, 0
        self._policies = GuardedPolicies(self, self._context, self._sizer)
        self._policies.write(statements.guards(self._context), statements.permissions(self._context), [role])
        self._write_metadata(user_binding)
        self._warn(statements, session_role)
        SynthChecks.of(self._context).add(self._policies.finished)

    @property
    def managed_policies(self) -> Sequence[iam.IManagedPolicy]:
        """The managed policies, guards first."""
        return self._policies.policies

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables for the agent's container, where it fetches workload access tokens itself (ECS)."""
        arn = self._resources.base[-1]
        # A name is the ARN's last part; where the ARN is known at deployment only, CloudFormation cuts it out.
        name = cdk.Fn.select(3, cdk.Fn.split("/", arn)) if is_token(arn) else arn.rpartition("/")[2]
        return {environment.WORKLOAD_IDENTITY: name}

    def grant_consent_callback(self, role: iam.IRole, *, user_binding: UserBinding) -> iam.Grant:
        """
        Let a web application's role finish a user's consent: CompleteResourceTokenAuth and nothing else.

        It belongs to the endpoint the browser returns to. That endpoint must see that the user who consented is the
        one who is logged in, before it calls: the vault cannot know.

        Args:
            role: The endpoint's role; never one that runs agent code.
            user_binding: How the endpoint names the user: `jwt`, `identity_provider` or `session_tag`.

        Raises:
            InvalidInputError: The role cannot be changed from here, runs agent code, or has a grant already; or
                there is no OAuth2 provider to consent to.

        Source:
            AgentCore devguide, oauth2-authorization-url-session-binding.
        """
        target = _consent_role(role, self._role, self._resources)
        _claim(target)
        self._callbacks += 1
        # INVARIANT: the first one's id has no number, and no number that a longer series would use.
        base_id = "ConsentGuards" + (f"OfRole{self._callbacks}" if self._callbacks > 1 else "")
        guards = PolicySeries(self, base_id, self._context, self._sizer)
        guards.write(consent_guards(self._resources, user_binding), [target])
        SynthChecks.of(self._context).add(guards.finished)
        return iam.Grant.add_to_principal(
            grantee=target,
            actions=[COMPLETE],
            resource_arns=[*self._resources.base, *self._resources.vaults, *self._resources.arns("oauth2")],
            conditions=user_binding.conditions(()),
        )

    def _write_metadata(self, binding: UserBinding | None) -> None:
        """Say in the role's Metadata what is declared, where that adds no reference between stacks."""
        resource = self._role.node.default_child
        if isinstance(resource, iam.CfnRole) and cdk.Stack.of(resource) is self._context.stack:
            resource.add_metadata(TOKEN_VAULT, self._resources.everything)
            if binding and binding.tag_key:
                resource.add_metadata(TOKEN_VAULT_USER, binding.tag_key)

    def _warn(self, statements: VaultStatements, session_role: SessionRole | None) -> None:
        warnings = {}
        binding = statements.binding
        if binding and binding.tag_key and session_role is None:
            warnings[_WARN_FOREIGN_TRUST] = (
                f"role {self._role.node.path} is no SessionRole: nothing here makes its sessions carry "
                f"{binding.tag_key}, or keeps others from minting them with any value. Check its trust policy and "
                "acknowledge this warning."
            )
        unknown = sum(one.secret is None for one in self._resources.providers)
        if unknown and (TokenFlow.M2M in statements.flows or statements.user_action):
            warnings[_WARN_SECRET] = (
                f"{unknown} of the providers name no secret: AgentCore reads a provider's secret with the caller's "
                "permission, so a role that asks for its own workload access token gets AccessDenied on "
                "secretsmanager:GetSecretValue. Refer the provider to your own secret and pass it as "
                "VaultProvider.oauth2(..., secret=...); or acknowledge this warning."
            )
        for warning_id, message in warnings.items():
            cdk.Validations.of(self).add_warning(warning_id, message)


def _target(grantee: AnyGrantee) -> tuple[SessionRole | None, iam.IRole]:
    """Return the session role, if it is one, and the CDK role that takes the policies."""
    scope = grantee.node.scope if isinstance(grantee, iam.Role) else None
    owner = scope if isinstance(scope, SessionRole | ScopedComputeRole) else grantee
    return (owner, owner.role) if isinstance(owner, SessionRole) else (None, policy_role(owner))


def _claim(role: iam.IRole) -> None:
    """Refuse a second grant: its guards would deny what the first one allows, and the other way round."""
    if vars(role).setdefault(_GRANTED, False):
        raise InvalidInputError(
            f"role `{role.node.path}` has a token vault grant already",
            got="a second one",
            expected="one grant for a role, with all its providers and flows",
            why="each one's guards deny every other workload identity and provider",
            fix="name everything in one grant, or use two roles",
        )
    vars(role)[_GRANTED] = True


def _flows(flows: Sequence[TokenFlow]) -> tuple[TokenFlow, ...]:
    wanted = tuple(flows) if not isinstance(flows, str | TokenFlow) else ()
    if not wanted or not all(isinstance(flow, TokenFlow) for flow in wanted):
        raise InvalidInputError(
            "`flows` names no OAuth2 flow, or something else",
            got="an empty sequence, or no sequence of TokenFlow",
            expected=", ".join(f"TokenFlow.{flow.name}" for flow in TokenFlow),
            why="it decides whose workload access token the role may ask for",
            fix="pass flows=[TokenFlow.M2M]",
        )
    return tuple(dict.fromkeys(wanted))


def _check_binding(statements: VaultStatements, grantee: AnyGrantee, session_role: SessionRole | None) -> None:
    binding, flows = statements.binding, statements.flows
    of_users = [flow for flow in flows if flow is not TokenFlow.M2M]
    if of_users and not statements.resources.arns("oauth2"):
        _refuse(
            "a flow for users has no provider", "API key providers only", "an OAuth2 provider", "an API key is nobody's"
        )
    exchanged = TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE in flows
    if exchanged and all(lacks_exchange(one) for one in statements.resources.providers if one.kind == "oauth2"):
        _refuse(
            "no provider exchanges a user's token",
            "custom OAuth2 providers without onBehalfOfTokenExchangeConfig",
            "on_behalf_of_token_exchange_config=on_behalf_of_config(...) on one of them",
            "AgentCore would refuse each request of this flow",
        )
    if binding is None:
        return
    if not isinstance(binding, UserBinding) or binding.kind == "identity-provider":
        _refuse(
            "that binding is not for a role that takes tokens",
            "an identity provider, or no UserBinding",
            "UserBinding.session_tag(...) or UserBinding.jwt(...)",
            "agent code could name any user of the identity provider",
        )
    if not of_users:
        _refuse("a user binding has no flow", "M2M only", "a flow for users", "the agent acts as itself there")
    if binding.tag_key and TokenFlow.ON_BEHALF_OF_TOKEN_EXCHANGE in flows:
        _refuse(
            "an asserted user cannot be exchanged",
            "ON_BEHALF_OF_TOKEN_EXCHANGE with a session tag",
            "UserBinding.jwt(...), or none where AgentCore Runtime hands the token over",
            "the exchange needs the user's own access token",
        )
    tagless = isinstance(grantee, ScopedComputeRole) or isinstance(
        grantee.node.scope if isinstance(grantee, iam.Role) else None, ScopedComputeRole
    )
    undeclared = session_role is not None and binding.tag_key not in session_role.tag_keys
    if binding.tag_key and (tagless or undeclared):
        _refuse(
            "the role's sessions do not carry the tag they are bound to",
            "a compute role" if tagless else f"a session role without `{binding.tag_key}`",
            "a SessionRole that declares it",
            "no request could ever be bound to it",
        )


def _refuse(fault: str, got: str, expected: str, why: str) -> NoReturn:
    raise InvalidInputError(fault, got=got, expected=expected, why=why, fix="see the flows in docs/token-vault.md")


def _consent_role(role: iam.IRole, taker: iam.IRole, resources: VaultResources) -> iam.IRole:
    """Return the role of a consent callback, or refuse one that runs agent code."""
    session_role, target = _target(role)
    if session_role or target is taker or target is not role:
        _refuse(
            f"role `{target.node.path}` is no consent callback",
            "a SessionRole, a ScopedComputeRole, or the role that takes the tokens",
            "the role of the web endpoint that users return to",
            "agent code could finish a consent that another user gave",
        )
    if not resources.arns("oauth2"):
        _refuse("there is nothing to consent to", "API key providers only", "an OAuth2 provider", "a key is nobody's")
    return target
