"""Gathers principals, policies and resource policies of all stacks into one `Deployment`."""

from collections.abc import Iterable

from session_scoping.verify.deployment.function_policies import add_function_policies
from session_scoping.verify.deployment.principals import (
    ON_PRINCIPALS,
    PRINCIPALS,
    Groups,
    Policies,
    add_principal,
    join_groups,
)
from session_scoping.verify.deployment.stores import ON_STORES, STORES, add_store
from session_scoping.verify.deployment.unmodelled import notice_other_policies
from session_scoping.verify.deployment.workloads import add_credentials, add_workloads
from session_scoping.verify.files.loops import unrolled
from session_scoping.verify.files.transforms import made_by_sam, notice_macros
from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text
from session_scoping.verify.policies.model import Deployment
from session_scoping.verify.policies.statements import parse_policy
from session_scoping.verify.policies.template_conditions import if_it_exists


def collect(scopes: Iterable[Scope]) -> Deployment:
    """Return everything in the templates that decides who may do what."""
    scopes = list(scopes)
    for scope in scopes:
        scope.template = made_by_sam(unrolled(scope))
    deployment = Deployment(accounts=frozenset(scope.account for scope in scopes if scope.account))
    policies: Policies = {}
    groups: Groups = {}
    for scope in scopes:
        notice_macros(scope, deployment)
        for logical_id, resource in scope.resources.items():
            kind = str(resource.get("Type", ""))
            if kind in PRINCIPALS:
                add_principal(logical_id, scope, deployment, groups)
            elif kind in STORES:
                add_store(logical_id, STORES[kind], scope, deployment)
            elif kind == "AWS::IAM::ManagedPolicy":
                _add_policy(logical_id, scope, policies)
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            kind = str(resource.get("Type", ""))
            if kind in ON_PRINCIPALS:
                ON_PRINCIPALS[kind](logical_id, scope, deployment, groups, policies)
            elif kind in ON_STORES:
                ON_STORES[kind](logical_id, scope, deployment)
    join_groups(scopes, deployment, groups)
    add_workloads(scopes, deployment)
    add_function_policies(scopes, deployment)
    add_credentials(scopes, deployment)
    for scope in scopes:
        notice_other_policies(scope, deployment)
        deployment.notes |= scope.notes
    return deployment


def _add_policy(logical_id: str, scope: Scope, policies: Policies) -> None:
    where = f"{scope.name}.{logical_id}"
    document = scope.properties(logical_id).get("PolicyDocument")
    statements = if_it_exists(parse_policy(document, scope, where), logical_id, scope)
    policies[(Token(where, "policy"),)] = statements
    if (arn := _arn_by_name(logical_id, scope)) is not None:
        # Under template conditions that exclude each other two policies may have one name.
        policies[arn] = (*policies.get(arn, ()), *statements)


def _arn_by_name(logical_id: str, scope: Scope) -> Text | None:
    """Return the ARN of a managed policy that has a name of its own, as others may spell it."""
    properties = scope.properties(logical_id)
    name = text_of(properties["ManagedPolicyName"], scope) if "ManagedPolicyName" in properties else ()
    path = properties.get("Path", "/")
    if isinstance(name, Unmodelled) or not name or not isinstance(path, str):
        return None
    prefix = text_of({"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy{path}"}, scope)
    return None if isinstance(prefix, Unmodelled) else join_text(prefix, name)
