"""Being an `IRole`: so that a ScopedComputeRole can be handed to a runtime or task definition as it is."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam


class AsRole:
    """
    The members of `iam.IRole`, each asked of `self.role`.

    The CDK takes an object without them for no role at all, and deploys a task that has none without a word.
    """

    @property
    def role(self) -> iam.IRole:
        """The role that answers."""
        raise NotImplementedError

    @property
    def assume_role_action(self) -> str:
        """See `iam.IRole`."""
        return self.role.assume_role_action

    @property
    def env(self) -> Any:
        """See `iam.IRole`."""
        return self.role.env

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """See `iam.IRole`."""
        return self.role.grant_principal

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        """See `iam.IRole`."""
        return self.role.policy_fragment

    @property
    def principal_account(self) -> str | None:
        """See `iam.IRole`."""
        return self.role.principal_account

    @property
    def role_ref(self) -> Any:
        """See `iam.IRole`."""
        return self.role.role_ref

    @property
    def stack(self) -> cdk.Stack:
        """See `iam.IRole`."""
        return self.role.stack

    def add_managed_policy(self, policy: iam.IManagedPolicy) -> None:
        """Attach nothing: see `role`."""
        self.role.add_managed_policy(policy)

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """Add nothing: see `role`."""
        return self.role.add_to_principal_policy(statement)

    def apply_removal_policy(self, policy: cdk.RemovalPolicy) -> None:
        """See `iam.IRole`."""
        self.role.apply_removal_policy(policy)

    def attach_inline_policy(self, policy: iam.Policy) -> None:
        """Attach nothing: see `role`."""
        self.role.attach_inline_policy(policy)

    def grant(self, grantee: iam.IPrincipal, *actions: str) -> iam.Grant:
        """See `iam.IRole`."""
        return self.role.grant(grantee, *actions)

    def grant_assume_role(self, grantee: iam.IPrincipal) -> iam.Grant:
        """See `iam.IRole`."""
        return self.role.grant_assume_role(grantee)

    def grant_pass_role(self, grantee: iam.IPrincipal) -> iam.Grant:
        """See `iam.IRole`."""
        return self.role.grant_pass_role(grantee)
