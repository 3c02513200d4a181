"""Reads IAM's principals: roles, users and groups, with every policy that is attached to one."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from session_scoping.aws.table import read
from session_scoping.contract.metadata import MINTING_FUNCTIONS, PREFIX
from session_scoping.verify.intrinsics import arn_of, items_of, name_of, partition_of, text_of
from session_scoping.verify.intrinsics.scope import NO_VALUE, Scope, choose
from session_scoping.verify.patterns.naming import in_this_partition, is_made_up, may_be_named, same_account
from session_scoping.verify.patterns.text import PARTITIONS, Text, Token, Unmodelled, plain, show
from session_scoping.verify.policies.model import Deployment, Role, Statement
from session_scoping.verify.policies.statements import parse_policy
from session_scoping.verify.policies.template_conditions import if_it_exists, tied, variants

PRINCIPALS = {"AWS::IAM::Role": "role", "AWS::IAM::User": "user", "AWS::IAM::Group": "group"}
"""Resource types that are principals, or whose policies are a principal's -> their kind."""
Groups = dict[str, Role]
"""Groups by id, each as the principal that its users' policies come from."""


def add_principal(logical_id: str, scope: Scope, deployment: Deployment, groups: Groups) -> None:
    """Add a role, user or group, without what is attached to it."""
    properties = scope.properties(logical_id)
    where = f"{scope.name}.{logical_id}"
    kind = PRINCIPALS[str(scope.resources[logical_id]["Type"])]
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        deployment.problems.append(f"{where}: the name of this {kind} is not understood")
        return
    role = Role(where, scope.name, name, arn, scope.label(logical_id), env=scope.env, account=scope.account)
    role.kind = kind
    if kind == "role":
        role.trust = parse_policy(properties.get("AssumeRolePolicyDocument"), scope, f"{where} trust", trust=True)
    role.services = frozenset(
        show(text) for statement in role.trust for kind, text in statement.principals if kind == "Service"
    )
    for tags, owner in ((properties.get("Tags", []), None), *scope.tags):
        _add_tags(role, tags, owner or scope)
    metadata = scope.resources[logical_id].get("Metadata")
    role.metadata = {
        key: [_promised(key, item, scope) for item in value] if isinstance(value, list) else _promised("", value, scope)
        for key, value in (metadata.items() if isinstance(metadata, dict) else ())
        if str(key).startswith(PREFIX)
    }
    {"role": deployment.roles, "user": deployment.users, "group": groups}[kind][where] = role


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


Policies = dict[Text, tuple[Statement, ...]]
"""Statements of the templates' managed policies, by ARN."""


def _finish(logical_id: str, scope: Scope, deployment: Deployment, groups: Groups, policies: Policies) -> None:
    """Attach what a principal names itself."""
    where = f"{scope.name}.{logical_id}"
    role = deployment.roles.get(where) or deployment.users.get(where) or groups.get(where)
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
            role.identity += tied(statements, given)
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
        role.identity += tied(parse_policy(document, scope, where), given)


def _policy_by_arn(value: Any, scope: Scope, policies: Policies) -> tuple[tuple[Statement, ...], str | None]:
    arn = value if isinstance(value, tuple) else text_of(value, scope)
    if isinstance(arn, Unmodelled):
        return (), arn.reason
    arn = in_this_partition(arn, partition_of(scope))
    if arn in policies:
        return policies[arn], None
    document = _managed_policy(arn)
    if document is None:
        return (), f"the content of the managed policy {show(arn)} is not in the template"
    return parse_policy(document, scope, show(arn).rpartition("/")[2]), None


def _attach(logical_id: str, scope: Scope, deployment: Deployment, groups: Groups, policies: Policies) -> None:
    """Attach a standalone policy to the roles, users and groups it names."""
    where = f"{scope.name}.{logical_id}"
    properties = scope.properties(logical_id)
    statements = policies.get((Token(where, "policy"),))
    if statements is None:
        statements = if_it_exists(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
    for kind, among in (("Role", deployment.roles), ("User", deployment.users), ("Group", groups)):
        value = properties.get(f"{kind}s", properties.get(f"{kind}Name", []))
        for chosen, given in variants(value, scope):
            for problem in _attach_to(where, items_of(value, chosen), chosen, tied(statements, given), among.values()):
                if kind == "Role":
                    deployment.problems.append(problem)
                for one in among.values() if kind != "Role" else ():
                    one.problems += (problem,)


def _attach_to(
    where: str,
    names: list[Any] | Unmodelled,
    scope: Scope,
    statements: tuple[Statement, ...],
    among: Iterable[Role],
) -> list[str]:
    """Attach a policy to those of some principals that have one of the names; return why it may attach to any."""
    if isinstance(names, Unmodelled):
        return [f"{where}: {names.reason}, so it may attach to any role"]
    problems: list[str] = []
    for value in names:
        name = value if isinstance(value, tuple) else text_of(value, scope)
        if isinstance(name, Unmodelled):
            problems.append(f"{where}: {name.reason}, so it may attach to any role")
            continue
        grants = tuple(statement for statement in statements if statement.allow)
        found = False
        for one in among:
            near = same_account(one.env, scope.env)
            if near is False:
                continue
            if one.name == name and (near or is_made_up(name)):
                one.identity += statements
            elif may_be_named(name, one.name, one.id):
                # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
                doubt = f"{where} attaches to {show(name)}, which may be this role"
                one.identity += tuple(replace(statement, problem=statement.problem or doubt) for statement in grants)
            else:
                continue
            found = True
        if not found and plain(name) is None and grants:
            problems.append(f"{where} attaches to {show(name)}, which may be any role")
    return problems


def join_groups(scopes: Iterable[Scope], deployment: Deployment, groups: Groups) -> None:
    """Give users the policies of their groups; a group that is not understood is a problem of the user."""
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            where, properties = f"{scope.name}.{logical_id}", scope.properties(logical_id)
            if resource.get("Type") == "AWS::IAM::UserToGroupAddition":
                for user in _called(properties.get("Users", []), scope, deployment.users):
                    _join(user, properties.get("GroupName", ""), scope, groups)
            elif where in deployment.users:
                _join(deployment.users[where], properties.get("Groups", []), scope, groups)


def _join(user: Role, names: Any, scope: Scope, groups: Groups) -> None:
    joined = _called(names, scope, groups)
    for group in joined:
        user.identity += group.identity
        user.problems += group.problems
    listed = items_of(names, scope)
    if isinstance(listed, Unmodelled) or len(listed) > len(joined):
        user.problems += (f"{user.id}: the policies of a group that it is in are not in the templates",)


def _called(names: Any, scope: Scope, among: dict[str, Role]) -> list[Role]:
    """Return those that have, or may have, one of some names; all of them where the names are not understood."""
    listed = items_of(names, scope)
    texts = [listed] if isinstance(listed, Unmodelled) else [text_of(one, scope) for one in listed]
    return [
        one
        for one in among.values()
        if any(isinstance(text, Unmodelled) or may_be_named(text, one.name, one.id) for text in texts)
    ]


ON_PRINCIPALS: dict[str, Callable[[str, Scope, Deployment, Groups, Policies], None]] = {
    **dict.fromkeys(PRINCIPALS, _finish),
    **dict.fromkeys(
        ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy",
         "AWS::IAM::ManagedPolicy"), _attach,
    ),
}  # fmt: skip
"""Resource types that attach policies -> what reads them."""


def _managed_policy(arn: Text) -> dict[str, Any] | None:
    """Return the document of an AWS managed policy; None when it is unknown."""
    shape = "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in arn)
    for partition in (*PARTITIONS, "<partition>"):
        name = shape.removeprefix(f"arn:{partition}:iam::aws:policy/")
        document = read("managed")["policies"].get(name) if name != shape else None
        if document is not None:
            return dict(document)
    return None
