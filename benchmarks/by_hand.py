"""
The app written by hand, without this library: `python -m benchmarks.by_hand l2 small 1`.

Every ARN is read from the CDK once and kept. Nothing is checked, measured or acknowledged to cdk-nag.
"""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from benchmarks import statements as written
from benchmarks.shared import Platform, run
from benchmarks.statements import Names, Statement


def on_l2(stack: Platform) -> None:
    """Write it with PolicyStatement, ManagedPolicy and Role, under the ids that the constructs use."""
    names = Names(stack)
    backends = {
        "AgentCoreExecutionRole": ("bedrock-agentcore", "AGENTCORE", written.agentcore(names)),
        "EcsTaskRole": ("ecs-tasks", "ECS", written.ecs(names)),
    }
    compute_roles = []
    for id_, (service, backend, statements) in backends.items():
        scope = Construct(stack, id_)
        principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
        role = iam.Role(
            scope,
            "Role",
            assumed_by=principal.with_conditions(written.service_conditions(names, service.removesuffix("-tasks"))),
            description=f"Agent code on {backend}: no tenant data of its own",
        )
        _managed(scope, "Permissions", statements, [role])
        compute_roles.append(role)
    scope = Construct(stack, "SessionRole")
    minters = iam.CompositePrincipal(*(iam.ArnPrincipal(role.role_arn) for role in compute_roles))
    session = iam.Role(
        scope,
        "Role",
        assumed_by=minters.with_conditions(written.trust_conditions()).with_session_tags(),
        description="One task's own data; assumed with session tags only",
        max_session_duration=cdk.Duration.hours(1),
    )
    session_arn = session.role_arn
    guards = _managed(scope, "Guards", written.guards(names), [session])
    permissions = _managed(scope, "Permissions", written.permissions(names), [session])
    permissions.node.add_dependency(guards)
    _managed(scope, "Mint", written.mint(session_arn), compute_roles)
    _managed(scope, "ComputeGuards", written.compute_guards(names), compute_roles)
    _managed(scope, "RolesGuard", written.roles_guard(session_arn), compute_roles)


def _managed(scope: Construct, id_: str, statements: list[Statement], roles: list[iam.Role]) -> iam.ManagedPolicy:
    return iam.ManagedPolicy(scope, id_, statements=[_l2_statement(one) for one in statements], roles=list(roles))


def _l2_statement(statement: Statement) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=statement["Sid"],
        effect=iam.Effect.ALLOW if statement["Effect"] == "Allow" else iam.Effect.DENY,
        actions=statement.get("Action"),
        not_actions=statement.get("NotAction"),
        resources=statement.get("Resource"),
        not_resources=statement.get("NotResource"),
        conditions=statement.get("Condition"),
    )


def on_l1(stack: Platform) -> None:
    """Write it with CfnRole and CfnManagedPolicy, documents as plain data: the least that CDK can do it with."""
    names = Names(stack)
    compute_roles = {
        "AgentCoreExecutionRole": ("bedrock-agentcore", written.agentcore(names)),
        "EcsTaskRole": ("ecs-tasks", written.ecs(names)),
    }
    refs, arns = [], []
    for id_, (service, statements) in compute_roles.items():
        trust = {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Condition": written.service_conditions(names, service.removesuffix("-tasks")),
        }
        role = iam.CfnRole(stack, id_, assume_role_policy_document=_document([trust]))
        refs.append(role.ref)
        arns.append(role.attr_arn)
        _cfn_managed(stack, f"{id_}Permissions", statements, refs[-1:])
    trust = {
        "Effect": "Allow",
        "Action": written.MINT,
        "Principal": {"AWS": arns},
        "Condition": written.trust_conditions(),
    }
    session = iam.CfnRole(
        stack, "SessionRole", assume_role_policy_document=_document([trust]), max_session_duration=3600
    )
    session_ref, session_arn = session.ref, session.attr_arn
    guards = _cfn_managed(stack, "SessionRoleGuards", written.guards(names), [session_ref])
    permissions = _cfn_managed(stack, "SessionRolePermissions", written.permissions(names), [session_ref])
    permissions.add_dependency(guards)
    _cfn_managed(stack, "SessionRoleMint", written.mint(session_arn), refs)
    _cfn_managed(stack, "SessionRoleComputeGuards", written.compute_guards(names), refs)
    _cfn_managed(stack, "SessionRoleRolesGuard", written.roles_guard(session_arn), refs)


def _cfn_managed(stack: cdk.Stack, id_: str, statements: list[Statement], roles: list[str]) -> iam.CfnManagedPolicy:
    return iam.CfnManagedPolicy(stack, id_, policy_document=_document(statements), roles=roles)


def _document(statements: list[Statement]) -> Statement:
    return {"Version": "2012-10-17", "Statement": statements}


if __name__ == "__main__":
    run(l2=on_l2, l1=on_l1)
