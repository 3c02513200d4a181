"""ScopedComputeRole: the role agent code runs under, slimmed to its documented baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.policy_series import PolicySeries, check_attachments
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.constructs.cdk.synth_checks import Check, SynthChecks
from session_scoping.constructs.compute import baseline
from session_scoping.constructs.compute.as_role import AsRole
from session_scoping.constructs.compute.attached import GivenName, attached
from session_scoping.constructs.compute.grants import ComputeGrants
from session_scoping.constructs.compute.pods import EksPods
from session_scoping.constructs.compute.tenant_grants import tenant_grants
from session_scoping.constructs.data.access import as_words, require_attribute
from session_scoping.constructs.data.models import Models
from session_scoping.contract.errors import InvalidInputError


class ComputeBackend(Enum):
    """
    Where agent code runs.

    Attributes:
        AGENTCORE: Bedrock AgentCore Runtime.
        ECS: ECS tasks, on Fargate or on EC2.
        EKS: Pods of a service account; pass `pods=EksPods...`.
        LAMBDA: A Lambda function.
        LAMBDA_MICROVM: A Lambda MicroVM.
    """

    AGENTCORE = "bedrock-agentcore"
    ECS = "ecs-tasks"
    EKS = "eks"
    LAMBDA = "lambda"
    LAMBDA_MICROVM = "lambda-microvm"


@jsii.implements(iam.IRole)
class ScopedComputeRole(AsRole, Construct):
    """
    The baseline role of agent code on AgentCore, ECS, EKS or Lambda: no tenant data, exact ARNs.

    It is an `iam.IRole` to hand to a runtime, task definition or function, and to grant to. A grant lands on it when
    every action in it only reads or writes named resources that hold no tenant data; any other grant is an error.
    What those constructs add by themselves is left out: the baseline says it in exact ARNs.

    Tenant data is reached only through a `SessionRole`, which attaches its own Denies to this role.

    NOT PROTECTED: code next to the agent can read these credentials, so whatever this role may do, a hijacked
    agent may do. What `policy_role` is granted, and overrides of a resource (`add_property_override`), are not looked
    at here: only the Denies hold against them.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        backend: ComputeBackend,
        models: Models | None = None,
        secrets: Sequence[cdk.aws_secretsmanager.ISecret | str] = (),
        log_groups: Sequence[cdk.aws_logs.ILogGroup] = (),
        memory: cdk.aws_bedrockagentcore.IMemory | cdk.aws_bedrockagentcore.CfnMemory | str | None = None,
        repository: cdk.aws_ecr.IRepository | None = None,
        runtime_name: str | None = None,
        runtime_arn: str | None = None,
        ecs_exec: bool = False,
        in_vpc: bool = False,
        pods: EksPods | None = None,
        role_name: str | None = None,
        path: str | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        description: str | None = None,
    ) -> None:
        """
        Make the role and its baseline policies.

        Args:
            scope: Parent construct.
            id: Construct id; part of the role's logical id.
            backend: Decides the service trusted and the documented baseline.
            models: Bedrock models the role may invoke. Default: none.
            secrets: Secrets it may read: the secret, or its complete ARN. Default: none.
            log_groups: Log groups it may write to. Default: AgentCore's own only.
            memory: AgentCore Memory it may read and write events of. Default: none. Memory is not scoped to a
                session: every task under this role reaches all of it.
            repository: Image repository AgentCore pulls from. Default: no pull permission; ECS pulls with the task
                execution role.
            runtime_name: Name of the AgentCore runtime; opens its workload identity. Default: no workload access
                token can be fetched.
            runtime_arn: ARN of the one runtime that may use the role. Default: every runtime of this account and
                Region.
            ecs_exec: Whether ECS Exec sessions may be opened into the task. Default: they may not.
            in_vpc: Whether its Lambda function runs in a VPC: Lambda makes its network interfaces with this role.
                Default: it does not.
            pods: The pods that run under the role. Backend EKS needs it, and no other takes it.
            role_name: Physical name. Default: CloudFormation generates one. Leave it so: trust policies pin a
                role's unique id, and a re-created role of the same name is no longer trusted.
            path: IAM path. Default: `/`.
            permissions_boundary: Boundary. Default: none, or what `PermissionsBoundary.of` sets.
            description: Description of the role. Default: says which backend it is for.

        Raises:
            InvalidInputError: The ARN of a secret, memory or runtime, or a runtime's name, has a wildcard or another
                form; or an argument belongs to another backend.
            QuotaExceededError: The permissions need more managed policies than a role may carry.
        """
        _check_kinds(secrets, log_groups, models)
        super().__init__(scope, id)
        _check_backend(
            backend,
            repository=repository,
            runtime_name=runtime_name,
            runtime_arn=runtime_arn,
            ecs_exec=ecs_exec,
            in_vpc=in_vpc,
            pods=pods,
        )
        baseline.check_runtime(runtime_name, runtime_arn)
        context = StackContext.of(scope)
        self._context, self._backend, self._pods, self._physical_name = context, backend, pods, role_name
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=pods.principal() if pods else baseline.trusted_service(backend.value, context, runtime_arn),
            role_name=role_name,
            path=path,
            permissions_boundary=permissions_boundary,
            description=description or f"Agent code on {backend.name}: no tenant data of its own",
        )
        self._given = GivenName(self._role)
        match backend:
            case ComputeBackend.AGENTCORE:
                sections = baseline.agentcore_baseline(context, repository, runtime_name)
            case ComputeBackend.LAMBDA:
                sections = baseline.lambda_baseline(context, in_vpc=in_vpc)
            case _:
                sections = baseline.ecs_exec() if ecs_exec else []
        sections += [
            *baseline.log_groups(tuple(log_groups)),
            *baseline.secrets(tuple(secrets), context),
            *baseline.memory(memory),
            *(models.sections(context) if models else []),
        ]
        self._permissions = PolicySeries(
            self, "Permissions", context, PolicySizer.at(context), baseline.WILDCARD_REASON
        )
        self._permissions.write(sections, [self._role])
        check_attachments(self, self._permissions.policies)
        own = [statement for section in sections for statement in section.render(section.items)]
        self._grants = ComputeGrants(self, self._role, baseline.ADDED_BY_CONSTRUCTS[backend.value], own)
        SynthChecks.of(context).add(self._permissions.finished, self._late_grants)

    @property
    def role(self) -> iam.IRole:
        """The construct itself, as the role it is."""
        return cast(iam.IRole, self)

    @property
    def policy_role(self) -> iam.Role:
        """The role as it accepts every policy: for grants that agent code is to have, whatever they reach."""
        return self._role

    @property
    def granted(self) -> Iterable[Statement]:
        """The statements that were granted to it and landed, as they are now."""
        return self._grants.landed()

    def _late_grants(self) -> Iterable[Check]:
        """Look at what was granted when everything is there: policies that name the role, and the app's tenant data."""
        yield Check(None, lambda _: self._grant_errors())

    def _grant_errors(self) -> Iterable[str]:
        granted, checks = list(self.granted), SynthChecks.of(self._context)
        yield from self._grants.finished(granted)
        named = attached(self._role, self._given, self._physical_name, checks.tree, self._context)
        for path, statements in named:
            yield from self._grants.finished(statements, path)
            granted += statements
        protected = [one for other in checks.of_app for one in other.protected] if granted else []
        for error in tenant_grants(granted, protected, self._context):
            yield f"compute role `{self.node.path}` {error}"

    @property
    def backend(self) -> ComputeBackend:
        """Where the code runs."""
        return self._backend

    @property
    def pods(self) -> EksPods | None:
        """The pods the code runs in, on EKS."""
        return self._pods


AnyRole = iam.IRole | ScopedComputeRole


def policy_role(role: AnyRole) -> iam.IRole:
    """
    Return the CDK role that accepts policies.

    Raises:
        InvalidInputError: It is no role.
    """
    require_attribute(role, "role_arn", what="a role", example='ScopedComputeRole(self, "Agent", backend=...)')
    return role.policy_role if isinstance(role, ScopedComputeRole) else role


def _check_kinds(secrets: object, log_groups: object, models: object) -> None:
    as_words(secrets, "secrets")
    groups = as_words(log_groups, "log_groups")
    for group in (groups,) if isinstance(groups, str) else groups:
        require_attribute(
            group, "log_group_arn", what="a log group", example='LogGroup.from_log_group_name(self, "L", "x")'
        )
    if models is not None:
        require_attribute(models, "sections", what="a choice of models", example="Models.profile(...)")


def _check_backend(backend: ComputeBackend, *, pods: EksPods | None, **arguments: object) -> None:
    if not isinstance(backend, ComputeBackend):
        raise InvalidInputError(
            "unknown compute backend",
            got=f"`{backend}`",
            expected=", ".join(f"ComputeBackend.{member.name}" for member in ComputeBackend),
            why="it decides which service may assume the role",
            fix="pass one of the members",
        )
    if (backend is ComputeBackend.EKS or pods is not None) and not isinstance(pods, EksPods):
        raise InvalidInputError(
            "nobody has said which pods run under the role",
            got="no `pods`" if pods is None else f"a {type(pods).__name__}",
            expected="EksPods.pod_identity(...) or EksPods.irsa(...)",
            why="the standard trust for pods admits every association of the account's clusters",
            fix="pass pods=EksPods.pod_identity(cluster, namespace=..., service_account=...)",
        )
    owner = {
        "repository": "AGENTCORE",
        "runtime_name": "AGENTCORE",
        "runtime_arn": "AGENTCORE",
        "ecs_exec": "ECS",
        "in_vpc": "LAMBDA",
        "pods": "EKS",
    }
    for name, value in {**arguments, "pods": pods}.items():
        if value and owner[name] != backend.name:
            raise InvalidInputError(
                f"`{name}` does not belong to this backend",
                got=f"backend {backend.name}",
                expected=f"backend {owner[name]}",
                why="the permission would be granted and never used",
                fix=f"leave `{name}` out",
            )
