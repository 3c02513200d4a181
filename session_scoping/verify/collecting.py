"""Gathers roles, policies and resource policies of all stacks into one `Estate`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from session_scoping.contract.metadata import MINTING_FUNCTIONS, PREFIX
from session_scoping.verify.collecting_stores import ON_STORES, STORES, add_store
from session_scoping.verify.intrinsics import arn_of, items_of, name_of, partition_of, text_of
from session_scoping.verify.macros import notice_macros
from session_scoping.verify.managed import managed_policy
from session_scoping.verify.model import Estate, Role, Statement
from session_scoping.verify.naming import in_this_partition, is_made_up, may_be_named, same_account
from session_scoping.verify.scope import NO_VALUE, Scope, choose
from session_scoping.verify.statements import if_it_exists, parse_policy, tied, variants
from session_scoping.verify.text import Text, Token, Unmodelled, join_text, plain, show
from session_scoping.verify.unread import notice_other_policies


def collect(scopes: Iterable[Scope]) -> Estate:
    """Return everything in the templates that decides who may do what."""
    scopes = list(scopes)
    estate = Estate(accounts=frozenset(scope.account for scope in scopes if scope.account))
    policies: dict[Text, tuple[Statement, ...]] = {}
    for scope in scopes:
        notice_macros(scope, estate)
        for logical_id, resource in scope.resources.items():
            kind = str(resource.get("Type", ""))
            if kind == "AWS::IAM::Role":
                _add_role(logical_id, scope, estate)
            elif kind in STORES:
                add_store(logical_id, STORES[kind], scope, estate)
            elif kind == "AWS::IAM::ManagedPolicy":
                where = f"{scope.name}.{logical_id}"
                document = scope.properties(logical_id).get("PolicyDocument")
                statements = if_it_exists(parse_policy(document, scope, where), logical_id, scope)
                policies[(Token(where, "policy"),)] = statements
                if (arn := _arn_by_name(logical_id, scope)) is not None:
                    # Under template conditions that exclude each other two policies may have one name.
                    policies[arn] = (*policies.get(arn, ()), *statements)
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            kind = str(resource.get("Type", ""))
            if kind in _ON_ROLES:
                _ON_ROLES[kind](logical_id, scope, estate, policies)
            elif kind in ON_STORES:
                ON_STORES[kind](logical_id, scope, estate)
    for scope in scopes:
        notice_other_policies(scope, estate)
        estate.notes |= scope.notes
    return estate


def _arn_by_name(logical_id: str, scope: Scope) -> Text | None:
    """Return the ARN of a managed policy that has a name of its own, as others may spell it."""
    properties = scope.properties(logical_id)
    name = text_of(properties["ManagedPolicyName"], scope) if "ManagedPolicyName" in properties else ()
    path = properties.get("Path", "/")
    if isinstance(name, Unmodelled) or not name or not isinstance(path, str):
        return None
    prefix = text_of({"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy{path}"}, scope)
    return None if isinstance(prefix, Unmodelled) else join_text(prefix, name)


def _add_role(logical_id: str, scope: Scope, estate: Estate) -> None:
    properties = scope.properties(logical_id)
    where = f"{scope.name}.{logical_id}"
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        estate.problems.append(f"{where}: the name of this role is not understood")
        return
    role = Role(where, scope.name, name, arn, scope.label(logical_id), env=scope.env, account=scope.account)
    role.trust = parse_policy(properties.get("AssumeRolePolicyDocument"), scope, f"{where} trust", trust=True)
    role.services = frozenset(
        show(text) for statement in role.trust for kind, text in statement.principals if kind == "Service"
    )
    for tags, owner in ((properties.get("Tags", []), None), *scope.tags):
        _add_tags(role, tags, owner or scope)
    metadata = scope.resources[logical_id].get("Metadata")
    role.promises = {
        key: [_promised(key, item, scope) for item in value] if isinstance(value, list) else _promised("", value, scope)
        for key, value in (metadata.items() if isinstance(metadata, dict) else ())
        if str(key).startswith(PREFIX)
    }
    estate.roles[where] = role


def _add_tags(role: Role, value: Any, scope: Scope) -> None:
    """
    Add tags to a role; those it has already win.

    Source:
        CloudFormation guide, aws-properties-resource-tags: stack-level tags reach every resource, nested stacks' too.
    """
    tags = items_of(value, scope)
    if isinstance(tags, Unmodelled):
        role.problems += (f"{role.id}: {tags.reason}",)
        return
    for tag in tags:
        key, text = (
            (text_of(tag.get(part, ""), scope) for part in ("Key", "Value")) if isinstance(tag, dict) else ((), ())
        )
        name = None if isinstance(key, Unmodelled) else plain(key)
        if name is None:
            role.problems += (f"{role.id}: a tag of the role is only known at deploy time",)
            continue
        unread: Text = (Token(f"{role.id} tag {name}", "free"),)
        role.tags.setdefault(name.lower(), unread if isinstance(text, Unmodelled) else text)


def _promised(key: str, item: Any, scope: Scope) -> Text | Unmodelled:
    if key != MINTING_FUNCTIONS or not isinstance(item, str) or item.startswith("arn:"):
        text = text_of(item, scope)
        return text if isinstance(text, Unmodelled) else in_this_partition(text, partition_of(scope))
    return arn_of(item, scope) if item in scope.resources else Unmodelled(f"`{item}` is no resource of {scope.name}")


_Policies = dict[Text, tuple[Statement, ...]]


def _finish_role(logical_id: str, scope: Scope, estate: Estate, policies: _Policies) -> None:
    role = estate.roles.get(f"{scope.name}.{logical_id}")
    if role is None:
        return
    properties = scope.properties(logical_id)
    for chosen, given in variants(properties.get("Policies", []), scope):
        _add_inline(role, properties.get("Policies", []), chosen, given)
    for chosen, given in variants(properties.get("ManagedPolicyArns", []), scope):
        arns = items_of(properties.get("ManagedPolicyArns", []), chosen)
        if isinstance(arns, Unmodelled):
            role.problems += (arns.reason,)
            continue
        for value in arns:
            statements, problem = _policy_by_arn(value, chosen, policies)
            role.add(tied(statements, given))
            role.problems += (f"{role.id}: {problem}",) if problem else ()
    boundary = choose(properties.get("PermissionsBoundary", NO_VALUE), scope)
    if boundary is not NO_VALUE:
        statements, problem = _policy_by_arn(boundary, scope, policies)
        role.boundary, role.boundary_problem = (None, problem) if problem else (statements, None)


def _add_inline(role: Role, value: Any, scope: Scope, given: tuple[tuple[str, bool], ...]) -> None:
    inline = items_of(value, scope)
    if isinstance(inline, Unmodelled):
        role.problems += (inline.reason,)
        return
    for policy in inline:
        name = policy.get("PolicyName", "inline") if isinstance(policy, dict) else "inline"
        document = policy.get("PolicyDocument") if isinstance(policy, dict) else "?"
        where = f"{role.id} inline {name if isinstance(name, str) else ''}".strip()
        role.add(tied(parse_policy(document, scope, where), given))


def _policy_by_arn(value: Any, scope: Scope, policies: _Policies) -> tuple[tuple[Statement, ...], str | None]:
    arn = value if isinstance(value, tuple) else text_of(value, scope)
    if isinstance(arn, Unmodelled):
        return (), arn.reason
    arn = in_this_partition(arn, partition_of(scope))
    if arn in policies:
        return policies[arn], None
    document = managed_policy(arn)
    if document is None:
        return (), f"the content of the managed policy {show(arn)} is not in the template"
    return parse_policy(document, scope, show(arn).rpartition("/")[2]), None


def _attach(logical_id: str, scope: Scope, estate: Estate, policies: _Policies) -> None:
    """Attach a standalone policy to the roles it names."""
    where = f"{scope.name}.{logical_id}"
    properties = scope.properties(logical_id)
    statements = policies.get((Token(where, "policy"),))
    if statements is None:
        statements = if_it_exists(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
    value = properties.get("Roles", properties.get("RoleName", []))
    for chosen, given in variants(value, scope):
        _attach_to(where, items_of(value, chosen), chosen, tied(statements, given), estate)


def _attach_to(
    where: str, names: list[Any] | Unmodelled, scope: Scope, statements: tuple[Statement, ...], estate: Estate
) -> None:
    if isinstance(names, Unmodelled):
        estate.problems.append(f"{where}: {names.reason}, so it may attach to any role")
        return
    for value in names:
        name = value if isinstance(value, tuple) else text_of(value, scope)
        if isinstance(name, Unmodelled):
            estate.problems.append(f"{where}: {name.reason}, so it may attach to any role")
            continue
        grants = tuple(statement for statement in statements if statement.allow)
        found = False
        for role in estate.roles.values():
            near = same_account(role.env, scope.env)
            if near is False:
                continue
            if role.name == name and (near or is_made_up(name)):
                role.add(statements)
            elif may_be_named(name, role.name, role.id):
                # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
                doubt = f"{where} attaches to {show(name)}, which may be this role"
                role.add(tuple(replace(statement, problem=statement.problem or doubt) for statement in grants))
            else:
                continue
            found = True
        if not found and plain(name) is None and grants:
            estate.problems.append(f"{where} attaches to {show(name)}, which may be any role")


_ON_ROLES: dict[str, Callable[[str, Scope, Estate, _Policies], None]] = {
    "AWS::IAM::Role": _finish_role,
    "AWS::IAM::Policy": _attach,
    "AWS::IAM::RolePolicy": _attach,
    "AWS::IAM::ManagedPolicy": _attach,
}
