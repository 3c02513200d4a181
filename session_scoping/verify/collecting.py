"""Gathers roles, policies and resource policies of all stacks into one `Estate`."""

from collections.abc import Callable, Iterable
from typing import Any

from session_scoping.promises import MINTING_FUNCTIONS, PREFIX
from session_scoping.verify.intrinsics import arn_of, items_of, name_of, partition_of, text_of
from session_scoping.verify.managed import managed_policy
from session_scoping.verify.model import Estate, Role, Statement, Store
from session_scoping.verify.naming import in_this_partition, may_be_named
from session_scoping.verify.scope import NO_VALUE, Scope, choose, existence
from session_scoping.verify.statements import parse_policy, tied, variants
from session_scoping.verify.text import Text, Token, Unmodelled, join_text, lit, plain, show
from session_scoping.verify.unread import notice_macros, notice_other_policies

_STORES = {
    "AWS::DynamoDB::Table": "table",
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::KMS::Key": "key",
}


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
            elif kind in _STORES:
                _add_store(logical_id, _STORES[kind], scope, estate)
            elif kind == "AWS::IAM::ManagedPolicy":
                where = f"{scope.name}.{logical_id}"
                document = scope.properties(logical_id).get("PolicyDocument")
                statements = _guarded(parse_policy(document, scope, where), logical_id, scope)
                policies[(Token(where, "policy"),)] = statements
                if (arn := _arn_by_name(logical_id, scope)) is not None:
                    policies[arn] = statements
    for scope in scopes:
        for logical_id, resource in scope.resources.items():
            handler = _HANDLERS.get(str(resource.get("Type", "")))
            if handler:
                handler(logical_id, scope, estate, policies)
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


def _guarded(statements: tuple[Statement, ...], logical_id: str, scope: Scope) -> tuple[Statement, ...]:
    """Tie statements to the template conditions of the resource that carries them."""
    return tied(statements, existence(logical_id, scope))


def _label(logical_id: str, scope: Scope) -> str:
    metadata = scope.resources[logical_id].get("Metadata")
    path = metadata.get("aws:cdk:path") if isinstance(metadata, dict) else None
    return str(path).removesuffix("/Resource") if path else f"{scope.name}/{logical_id}"


def _add_role(logical_id: str, scope: Scope, estate: Estate) -> None:
    properties = scope.properties(logical_id)
    where = f"{scope.name}.{logical_id}"
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        estate.problems.append(f"{where}: the name of this role is not understood")
        return
    role = Role(where, scope.name, name, arn, _label(logical_id, scope))
    role.trust = parse_policy(properties.get("AssumeRolePolicyDocument"), scope, f"{where} trust", trust=True)
    role.services = frozenset(
        show(text) for statement in role.trust for kind, text in statement.principals if kind == "Service"
    )
    tags = items_of(properties.get("Tags", []), scope)
    for tag in tags if isinstance(tags, list) else ():
        key, value = (
            (text_of(tag.get(part, ""), scope) for part in ("Key", "Value")) if isinstance(tag, dict) else ((), ())
        )
        if isinstance(key, tuple) and isinstance(value, tuple) and plain(key) is not None:
            role.tags[str(plain(key)).lower()] = value
        else:
            role.problems += (f"{where}: a tag of the role is only known at deploy time",)
    if isinstance(tags, Unmodelled):
        role.problems += (f"{where}: {tags.reason}",)
    metadata = scope.resources[logical_id].get("Metadata")
    role.promises = {
        key: [_promised(key, item, scope) for item in value] if isinstance(value, list) else _promised("", value, scope)
        for key, value in (metadata.items() if isinstance(metadata, dict) else ())
        if str(key).startswith(PREFIX)
    }
    estate.roles[where] = role


def _promised(key: str, item: Any, scope: Scope) -> Text | Unmodelled:
    if key != MINTING_FUNCTIONS or not isinstance(item, str) or item.startswith("arn:"):
        text = text_of(item, scope)
        return text if isinstance(text, Unmodelled) else in_this_partition(text, partition_of(scope))
    return arn_of(item, scope) if item in scope.resources else Unmodelled(f"`{item}` is no resource of {scope.name}")


def _add_store(logical_id: str, kind: str, scope: Scope, estate: Estate) -> None:
    where = f"{scope.name}.{logical_id}"
    name, arn = name_of(logical_id, scope), arn_of(logical_id, scope)
    if isinstance(name, Unmodelled) or isinstance(arn, Unmodelled):
        estate.problems.append(f"{where}: the name of this {kind} is not understood")
        return
    properties = scope.properties(logical_id)
    store = Store(kind, where, _label(logical_id, scope), arn, name, _partition_key(properties), env=scope.env)
    if kind == "bucket" and properties.get("AccessControl", "Private") not in _OWN_ACLS:
        store = store.with_policy((), f"{where}: its access control list lets others in, which is not modelled")
    documents = [properties.get("ResourcePolicy"), *_replica_policies(properties, scope)]
    for document in documents:
        if isinstance(document, dict) and "PolicyDocument" in document:
            store = store.with_policy(parse_policy(document["PolicyDocument"], scope, f"{where} resource policy"))
        elif document is not None:
            store = store.with_policy((), f"{where}: its resource policy is not understood")
    for stream in _streams(properties, scope):
        document = stream.get("ResourcePolicy", {}).get("PolicyDocument")
        found = parse_policy(document, scope, f"{where} stream policy")
        # What it denies, it denies on the stream only.
        store = store.with_policy(tuple(statement for statement in found if statement.allow))
    if kind == "key" and "KeyPolicy" in properties:
        store = store.with_policy(parse_policy(properties["KeyPolicy"], scope, f"{where} key policy"))
    estate.stores[where] = store


def _partition_key(properties: dict[str, Any]) -> str | None:
    schema = properties.get("KeySchema")
    for entry in schema if isinstance(schema, list) else ():
        if isinstance(entry, dict) and entry.get("KeyType") == "HASH" and isinstance(entry.get("AttributeName"), str):
            return str(entry["AttributeName"])
    return None


def _replica_policies(properties: dict[str, Any], scope: Scope) -> list[Any]:
    replicas = items_of(properties.get("Replicas", []), scope)
    if isinstance(replicas, Unmodelled):
        return [replicas.reason]
    return [replica.get("ResourcePolicy") for replica in replicas if isinstance(replica, dict)]


# Source: S3 guide, acl-overview, "Canned ACL": the others grant something to everybody or to every account.
_OWN_ACLS = ("Private", "LogDeliveryWrite", "BucketOwnerRead", "BucketOwnerFullControl", "AwsExecRead")


def _streams(properties: dict[str, Any], scope: Scope) -> list[dict[str, Any]]:
    """Return the stream specifications of a table and its replicas that carry a policy."""
    replicas = items_of(properties.get("Replicas", []), scope)
    found = [properties.get("StreamSpecification")]
    found += [] if isinstance(replicas, Unmodelled) else [
        replica.get("ReplicaStreamSpecification") for replica in replicas if isinstance(replica, dict)
    ]  # fmt: skip
    return [stream for stream in found if isinstance(stream, dict) and isinstance(stream.get("ResourcePolicy"), dict)]


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
        statements = _guarded(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
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
            if role.name == name:
                role.add(statements)
            elif may_be_named(name, role.name, role.id):
                # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
                role.add(grants)
            else:
                continue
            found = True
        if not found and plain(name) is None and grants:
            estate.problems.append(f"{where} attaches to {show(name)}, which may be any role")


def _bucket_policy(logical_id: str, scope: Scope, estate: Estate, _: _Policies) -> None:
    where = f"{scope.name}.{logical_id}"
    properties = scope.properties(logical_id)
    statements = _guarded(parse_policy(properties.get("PolicyDocument"), scope, where), logical_id, scope)
    for chosen, given in variants(properties.get("Bucket", ""), scope):
        name = text_of(properties.get("Bucket", ""), chosen)
        _to_store("bucket", name, tied(statements, given), where, estate, scope.env)


def _to_store(
    kind: str, name: Text | Unmodelled, statements: tuple[Statement, ...], where: str, estate: Estate, env: str
) -> None:
    found = [store for store in estate.of_kind(kind) if store.name == name]
    grants = tuple(statement for statement in statements if statement.allow)
    for store in estate.of_kind(kind):
        if store in found:
            estate.stores[store.id] = store.with_policy(statements)
        elif isinstance(name, tuple) and may_be_named(name, store.name, store.id):
            # Another spelling of the name, perhaps: what it grants may count, what it denies may not.
            estate.stores[store.id] = store.with_policy(grants)
    if found or (isinstance(name, tuple) and not grants):
        return
    # The bucket is not in these templates; keep what is said about it, under its own name.
    if isinstance(name, tuple) and all(isinstance(part, str) or part.kind != "free" for part in name):
        partition = (Token("AWS::Partition", "partition"),)
        arn = (*lit("arn:"), *partition, *lit(":s3:::"), *name)
        estate.stores[where] = Store(kind, where, show(name), arn, name, policy=statements, env=env)
    else:
        estate.problems.append(f"{where}: it may belong to any {kind}")


def _access_point(logical_id: str, scope: Scope, estate: Estate, _: _Policies) -> None:
    where = f"{scope.name}.{logical_id}"
    name = text_of(scope.properties(logical_id).get("Bucket", ""), scope)
    for store in estate.of_kind("bucket"):
        if isinstance(name, Unmodelled) or store.name == name or may_be_named(name, store.name, store.id):
            problem = f"{where}: policies of access points are not modelled"
            estate.stores[store.id] = store.with_policy((), problem)


_HANDLERS: dict[str, Callable[[str, Scope, Estate, _Policies], None]] = {
    "AWS::IAM::Role": _finish_role,
    "AWS::IAM::Policy": _attach,
    "AWS::IAM::RolePolicy": _attach,
    "AWS::IAM::ManagedPolicy": _attach,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::S3::AccessPoint": _access_point,
}
