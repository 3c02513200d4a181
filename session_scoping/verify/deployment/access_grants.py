"""S3 Access Grants: the buckets whose objects a grant may give away."""

from typing import Any

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Text, Token, Unmodelled
from session_scoping.verify.policies.model import Deployment


def notice_access_grant(properties: dict[str, Any], scope: Scope, deployment: Deployment, where: str) -> None:
    """Make the buckets UNKNOWN whose objects an access grant may give away."""
    name = _bucket_of_location(properties.get("AccessGrantsLocationId"), scope)
    for store in deployment.of_kind("bucket"):
        if name is None or may_be_named(name, store.name, store.id):
            deployment.stores[store.id] = store.with_policy((), f"{where}: access grants are not modelled")


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
