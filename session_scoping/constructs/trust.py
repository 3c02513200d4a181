"""The trust policy as the finished tree renders it, and the tags of the role beside it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

from aws_cdk import aws_iam as iam

from session_scoping.constructs.documents import TRUST_POLICY_MAX, Ruler, too_large_message
from session_scoping.constructs.finished import Check, reserved_tags
from session_scoping.constructs.site import properties_of


def role_checks(role: iam.Role, ruler: Ruler, tag_keys: Sequence[str]) -> Iterable[Check]:
    """Check the size and the conditions of the trust policy, and the role's own tags."""
    properties = properties_of(cast(iam.CfnRole, role.node.default_child))
    kept = {"trust": properties["assumeRolePolicyDocument"], "tags": properties.get("tags")}
    yield Check(kept, partial(_role_errors, role, ruler, tag_keys))


def _role_errors(role: iam.Role, ruler: Ruler, tag_keys: Sequence[str], kept: Any) -> Iterable[str]:
    errors = [*_trust_errors(kept["trust"], ruler), *reserved_tags(_keys(kept.get("tags")), tag_keys)]
    for error in errors:
        yield f"role `{role.node.path}`: {error}"


def _keys(tags: Sequence[dict[str, str]] | None) -> list[str]:
    return [tag["key"] for tag in tags or ()]


def _trust_errors(trust: Any, ruler: Ruler) -> Iterable[str]:
    """Measure the trust policy, and refuse a statement without conditions, whoever added it."""
    if message := trust_too_large(trust, ruler):
        yield message
    for statement in trust["Statement"]:
        if statement["Effect"] == "Allow" and not statement.get("Condition"):
            yield (
                "the trust policy admits a principal without conditions: got a statement with no Condition, expected "
                "every statement to demand the session tags; whoever it admits reaches every tenant's data; fix: "
                "remove it and call admit() on the SessionRole"
            )


def trust_too_large(trust: Any, ruler: Ruler) -> str | None:
    """Return the error for a trust policy over its quota, if it is."""
    if (size := ruler.document(trust)) <= TRUST_POLICY_MAX:
        return None
    fix = (
        "name all minters when the SessionRole is made, so that they share one statement, use fewer tag keys, or let "
        "one broker role mint"
    )
    return too_large_message("the trust policy", size, TRUST_POLICY_MAX, fix)
