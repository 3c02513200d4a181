"""What a template holds beside what is read: macros, modules, missing nested stacks, policies of other services."""

import json
import re
from collections.abc import Iterator
from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.naming import may_be_named
from session_scoping.verify.scope import Scope, intrinsic
from session_scoping.verify.text import Text, Token, Unmodelled, plain

# Resource types whose policies are read elsewhere, or that hold no policy of their own.
_READ = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::S3::AccessPoint",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::S3::MultiRegionAccessPoint",
}
# An endpoint's policy grants nothing: it only takes away from what goes through the endpoint.
_TAKES_AWAY = {"AWS::EC2::VPCEndpoint"}
# Resource types that are a statement of a resource policy rather than hold one.
_GRANTS = {
    "AWS::Events::EventBusPolicy",
    "AWS::LakeFormation::Permissions",
    "AWS::LakeFormation::PrincipalPermissions",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::S3::AccessGrant",
}
# Resource types whose policies give neither rows nor objects of a tenant, nor change a role.
_NO_DATA = {
    "AWS::ApiGateway::RestApi",
    "AWS::ECR::Repository",
    "AWS::Events::EventBusPolicy",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::OpenSearchService::Domain",
    "AWS::SNS::TopicInlinePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueueInlinePolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::ResourcePolicy",
}
# Resource types that deploy another template.
_ELSEWHERE = {
    "AWS::CloudFormation::StackSet": "a stack set",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "a product",
}
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
# IAM's calls that change what a role may do, without letter case: SDKs differ in it. Source: IAM API reference.
_CALLS = (
    "putrolepolicy", "attachrolepolicy", "detachrolepolicy", "deleterolepolicy", "updateassumerolepolicy",
    "putrolepermissionsboundary", "deleterolepermissionsboundary", "createpolicyversion", "setdefaultpolicyversion",
    "tagrole", "untagrole",
)  # fmt: skip
# Kind of store -> its service and the calls that change who is let in, or copy what it holds, without letter case.
# Sources: API references of S3 and S3 Control, DynamoDB, KMS.
_STORE_CALLS = {
    "bucket": ("s3", (
        "putbucketpolicy", "deletebucketpolicy", "putbucketacl", "putobjectacl", "putpublicaccessblock",
        "deletepublicaccessblock", "createaccesspoint", "putaccesspointpolicy", "createaccessgrant",
        "putbucketreplication",
    )),
    "table": ("dynamodb", (
        "putresourcepolicy", "deleteresourcepolicy", "createglobaltable", "enablekinesisstreamingdestination",
        "exporttabletopointintime", "createtablereplica",
    )),
    "key": ("kms", ("putkeypolicy", "creategrant")),
}  # fmt: skip


def notice_macros(scope: Scope, estate: Estate) -> None:
    """Add to the problems of an estate whatever changes a template when it deploys."""
    transform = scope.template.get("Transform")
    if transform:
        estate.problems.append(f"{scope.name}: the transform {transform} may add roles and policies")
    for section, content in scope.template.items():
        if section != "Resources" and '"Fn::Transform"' in json.dumps(content, default=str):
            estate.problems.append(f"{scope.name}: what {section} holds when it deploys is not in the template")
    for logical_id, resource in scope.resources.items():
        kind = str(resource.get("Type", ""))
        if kind.endswith("::MODULE") or '"Fn::Transform"' in json.dumps(resource, default=str):
            estate.problems.append(f"{scope.name}.{logical_id}: what it adds when it deploys is not in the template")
        if kind == "AWS::CloudFormation::Stack" and logical_id not in scope.children:
            estate.problems.append(f"{scope.name}.{logical_id}: the template of this nested stack was not found")
        if kind in _ELSEWHERE:
            estate.problems.append(f"{scope.name}.{logical_id}: what {_ELSEWHERE[kind]} deploys is not in the template")
    for logical_id in scope.template["Resources"]:
        if logical_id not in scope.resources or str(logical_id).startswith("Fn::"):
            estate.problems.append(f"{scope.name}: `{logical_id}` in Resources is not understood")


def notice_other_policies(scope: Scope, estate: Estate) -> None:
    """Make a role UNKNOWN that a policy of another service names; note a policy that lets everybody in."""
    for logical_id, resource in scope.resources.items():
        kind, where = str(resource.get("Type", "")), f"{scope.name}.{logical_id}"
        if kind.startswith("AWS::IAM::") or kind in _READ | _TAKES_AWAY:
            continue
        if kind.startswith(_CUSTOM):
            _notice_role_calls(scope.properties(logical_id), scope, estate, where)
            _notice_store_calls(scope.properties(logical_id), scope, estate, where)
        if not kind.startswith("AWS::") or kind == _CUSTOM[1]:
            _notice_policies_handed_on(kind, scope.properties(logical_id), scope, estate, where)
        if kind == "AWS::S3::AccessGrant":
            _notice_access_grant(scope.properties(logical_id), scope, estate, where)
        if not kind.startswith(("AWS::", *_CUSTOM)) or kind.startswith("AWS::ServiceCatalog::"):
            _add_problem(estate, scope.properties(logical_id), scope, f"{where}: what {kind} does with it is not known")
            continue
        for name, written in scope.properties(logical_id).items():
            value = _without_denies(written)
            if "polic" not in name.lower() and kind not in _GRANTS:
                continue
            if _lets_everybody_in(value):
                scope.notes.add(f"{where} ({kind}) lets everybody in, sessions too: no tenant data is behind it")
            _add_problem(
                estate, value, scope, f"{where}: policies of {kind} are not modelled", data=kind not in _NO_DATA
            )


def _add_problem(estate: Estate, value: Any, scope: Scope, problem: str, *, data: bool = True) -> None:
    """Add a problem to every role that a part of a template names, with whether it may give it tenant data."""
    text, named = json.dumps(value, default=str), list(_texts(value, scope))
    for role in estate.roles.values():
        if not (_mentions(text, role) or any(_names(found, role) for found in named)):
            continue
        if data:
            role.problems += (problem,)
        else:
            role.elsewhere += (problem,)


def _notice_role_calls(properties: dict[str, Any], scope: Scope, estate: Estate, where: str) -> None:
    """Make the roles UNKNOWN that a custom resource changes when it deploys; all of them where it may mean any."""
    value = _without_token(properties)
    text, named = json.dumps(value, default=str), list(_texts(value, scope))
    if "iam" not in text.lower() or not any(call in text.lower() for call in _CALLS):
        return
    is_open = any(isinstance(part, Token) and part.kind == "free" for found in named for part in found)
    for role in estate.roles.values():
        # IAM's calls name a role by its bare name.
        literal = plain(role.name)
        by_name = literal is not None and literal in text
        if is_open or by_name or _mentions(text, role) or any(_names(found, role) for found in named):
            role.problems += (f"{where}: it changes roles when it deploys",)


def _notice_policies_handed_on(kind: str, properties: dict[str, Any], scope: Scope, estate: Estate, where: str) -> None:
    """Make the stores UNKNOWN that a type of somebody's own is given a resource policy for."""
    value = _without_token(properties)
    text, named = json.dumps(value, default=str), list(_texts(value, scope))
    if "principal" not in text.lower():
        return
    for store in list(estate.stores.values()):
        if _speaks_of(text, named, store, scope):
            _doubt(estate, store, f"{where}: what {kind} does with the policy it is given is not known")


def _without_token(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a custom resource is given; the function that takes it is none of what it is about."""
    return {name: item for name, item in properties.items() if name != "ServiceToken"}


def _notice_store_calls(properties: dict[str, Any], scope: Scope, estate: Estate, where: str) -> None:
    """Make the stores UNKNOWN whose policies a custom resource changes; all of a kind where it may mean any."""
    value = _without_token(properties)
    text, named = json.dumps(value, default=str), list(_texts(value, scope))
    is_open = any(isinstance(part, Token) and part.kind == "free" for found in named for part in found)
    for kind, (service, calls) in _STORE_CALLS.items():
        if service not in text.lower() or not any(call in text.lower() for call in calls):
            continue
        stores = estate.of_kind(kind)
        told = [store for store in stores if not is_open and _speaks_of(text, named, store, scope)]
        for store in told or stores:
            _doubt(estate, store, f"{where}: it changes who may use this {kind} when it deploys")


def _speaks_of(text: str, named: list[Text], store: Store, scope: Scope) -> bool:
    """Whether a part of a template names a store, by reference, through another stack, or by its literal name."""
    stack, _, logical_id = store.id.rpartition(".")
    if stack == scope.name and (f'"{logical_id}"' in text or re.search(rf"\$\{{{re.escape(logical_id)}[.}}]", text)):
        return True
    name = plain(store.name)
    if name is not None:
        return name in text or any(name in part for found in named for part in found if isinstance(part, str))
    return any(_names(found, store) for found in named)


def _notice_access_grant(properties: dict[str, Any], scope: Scope, estate: Estate, where: str) -> None:
    """Make the buckets UNKNOWN whose objects an access grant may give away."""
    name = _bucket_of_location(properties.get("AccessGrantsLocationId"), scope)
    for store in estate.of_kind("bucket"):
        if name is None or may_be_named(name, store.name, store.id):
            _doubt(estate, store, f"{where}: access grants are not modelled")


def _bucket_of_location(value: Any, scope: Scope) -> Text | None:
    """Return the bucket of an access grant's location; None when it may be any."""
    attribute = value.get("Fn::GetAtt") if isinstance(value, dict) else None
    logical_id = attribute[0] if isinstance(attribute, list) and attribute else None
    logical_id = value.get("Ref", logical_id) if isinstance(value, dict) else None
    if not isinstance(logical_id, str) or logical_id not in scope.resources:
        return None
    text = text_of(scope.properties(logical_id).get("LocationScope", ""), scope)
    if isinstance(text, Unmodelled) or not text or not isinstance(text[0], str) or not text[0].startswith("s3://"):
        return None
    name: list[str | Token] = []
    for part in (text[0].removeprefix("s3://"), *text[1:]):
        before, slash, _ = part.partition("/") if isinstance(part, str) else (part, "", "")
        name += [before] if before else []
        if slash:
            break
    is_open = any("*" in part if isinstance(part, str) else part.kind == "free" for part in name)
    return None if is_open or not name else tuple(name)


def _doubt(estate: Estate, store: Store, problem: str) -> None:
    estate.stores[store.id] = store.with_policy((), problem)


def _without_denies(value: Any) -> Any:
    """Return a policy without the statements that only take away."""
    if not isinstance(value, dict) or value.get("Effect") == "Deny":
        return {} if isinstance(value, dict) else value
    statements = value.get("Statement")
    if isinstance(statements, dict):
        return {**value, "Statement": _without_denies(statements)}
    if not isinstance(statements, list):
        return value
    kept = [one for one in statements if not (isinstance(one, dict) and one.get("Effect") == "Deny")]
    return {**value, "Statement": kept}


def _lets_everybody_in(value: Any) -> bool:
    """Whether an Allow for everybody stands anywhere in a part of a template."""
    if isinstance(value, list):
        return any(map(_lets_everybody_in, value))
    if not isinstance(value, dict):
        return False
    everybody = value.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return (everybody and value.get("Effect") == "Allow") or any(map(_lets_everybody_in, value.values()))


def _mentions(text: str, role: Role) -> bool:
    """Whether a part of a template speaks of a role, by reference or by a name the template gives it."""
    logical_id, name = role.id.rpartition(".")[2], plain(role.name)
    by_name = name is not None and f"/{name}" in text
    return f'"{logical_id}"' in text or f"${{{logical_id}." in text or by_name


def _texts(value: Any, scope: Scope) -> Iterator[Text]:
    """Yield what the references in a part of a template lead to, those to other stacks included."""
    if intrinsic(value):
        text = text_of(value, scope)
        if not isinstance(text, Unmodelled):
            yield text
            return
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item, scope)


def _names(text: Text, one: Role | Store) -> bool:
    return any(part in text for part in one.name if not isinstance(part, str))
