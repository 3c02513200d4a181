"""Being an `IRole`: so that a ScopedComputeRole can be handed to a runtime or task definition as it is."""

from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.stack_context import asked_once
from session_scoping.constructs.compute.attached import GivenName
from session_scoping.constructs.compute.grants import ComputeGrants


class AsRole:
    """
    The members of `iam.IRole`: what it is, is asked of the role; what is added to it, is decided by `ComputeGrants`.

    The CDK takes an object without them for no role at all, and deploys a task that has none without a word.
    """

    _role: iam.Role
    _grants: ComputeGrants
    _given: GivenName
    _name: str | None = None

    @property
    def assume_role_action(self) -> str:
        """See `iam.IRole`."""
        return self._role.assume_role_action

    @property
    def env(self) -> Any:
        """See `iam.IRole`."""
        return self._role.env

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """See `iam.IRole`. The construct itself, so that each grant is decided."""
        return cast(iam.IPrincipal, self)

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        """See `iam.IRole`."""
        return self._role.policy_fragment

    @property
    def principal_account(self) -> str | None:
        """See `iam.IRole`."""
        return self._role.principal_account

    @property
    def role_arn(self) -> str:
        """ARN of the role."""
        arn: str = asked_once(self._role, "role_arn")
        return arn

    @property
    def role_name(self) -> str:
        """Name of the role; what a policy that names it allows is looked at, as a grant is."""
        if self._name is None:
            self._name = cdk.Lazy.uncached_string(self._given)
        return self._name

    @property
    def role_ref(self) -> Any:
        """See `iam.IRole`; the name is the one that is looked at."""
        own: Any = asked_once(self._role, "role_ref")
        return type(own)(role_arn=own.role_arn, role_name=self.role_name)

    @property
    def stack(self) -> cdk.Stack:
        """See `iam.IRole`."""
        return self._role.stack

    def add_managed_policy(self, policy: iam.IManagedPolicy) -> None:
        """
        Attach a managed policy that reads or writes named resources only.

        Raises:
            InvalidInputError: It allows more, or what it allows is not known.
        """
        self._grants.attach_managed(policy)

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """
        Add a statement that reads or writes named resources only.

        Nothing is added where the baseline has it, or where a runtime adds it to any role by itself.

        Raises:
            InvalidInputError: It allows more.
        """
        return self._grants.add(statement)

    def apply_removal_policy(self, policy: cdk.RemovalPolicy) -> None:
        """See `iam.IRole`."""
        self._role.apply_removal_policy(policy)

    def attach_inline_policy(self, policy: iam.Policy) -> None:
        """
        Attach an inline policy that reads or writes named resources only.

        Raises:
            InvalidInputError: It allows more.
        """
        self._grants.attach(policy)

    def grant(self, grantee: iam.IPrincipal, *actions: str) -> iam.Grant:
        """See `iam.IRole`."""
        return self._role.grant(grantee, *actions)

    def grant_assume_role(self, grantee: iam.IPrincipal) -> iam.Grant:
        """See `iam.IRole`."""
        return self._role.grant_assume_role(grantee)

    def grant_pass_role(self, grantee: iam.IPrincipal) -> iam.Grant:
        """See `iam.IRole`."""
        return self._role.grant_pass_role(grantee)
