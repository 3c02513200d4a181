"""The trust policy as the finished tree renders it, and the tags of its role."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.policy_sizes import TRUST_POLICY_MAX, PolicySizer, too_large_message
from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.cdk.synth_checks import Check, FinishedTree, reserved_tags


def role_checks(
    role: iam.Role, tree: FinishedTree, sizer: PolicySizer, tag_keys: Sequence[str], own: iam.PolicyDocument | None
) -> Iterable[Check]:
    """
    Check the size and the conditions of the trust policy, and the role's own tags.

    Args:
        role: The session role.
        tree: The app's.
        sizer: Measures the document.
        tag_keys: What every Allow must demand.
        own: The only Allows there may be; None where others may be admitted.
    """
    properties = properties_of(tree.resource_of(role))
    kept = {"trust": properties["assumeRolePolicyDocument"], "tags": properties.get("tags"), "own": own}
    yield Check(kept, partial(_role_errors, role, sizer, tag_keys))


def _role_errors(role: iam.Role, sizer: PolicySizer, tag_keys: Sequence[str], kept: Any) -> Iterable[str]:
    trust, own = kept["trust"], kept.get("own")
    opened = _added(trust, own) if own else _untagged(trust, tag_keys)
    too_large = trust_too_large(trust, sizer)
    errors = [*([too_large] if too_large else []), *opened, *reserved_tags(_keys(kept.get("tags")), tag_keys)]
    for error in errors:
        yield f"role `{role.node.path}`: {error}"


def _keys(tags: Sequence[dict[str, str]] | None) -> list[str]:
    return [tag["key"] for tag in tags or ()]


def _untagged(trust: Any, tag_keys: Sequence[str]) -> Iterable[str]:
    """Refuse a statement that does not ask for every tag, the library's own or another."""
    asked = {f"aws:RequestTag/{key}" for key in tag_keys}
    for statement in trust["Statement"]:
        conditions = statement.get("Condition", {})
        if statement["Effect"] == "Allow" and not asked <= conditions.get("StringLike", {}).keys():
            yield (
                "the trust policy admits a principal without its tags: got a statement with "
                f"{'other conditions' if conditions else 'no Condition'}, expected every statement to demand "
                f"{', '.join(sorted(asked))}; a caller it admits reaches every tenant's data; fix: remove it and call "
                "admit() on the SessionRole"
            )


def _added(trust: Any, own: Any) -> Iterable[str]:
    """
    Refuse every Allow but our own: where sessions are minted by token, no other way in is right.

    Compared as rendered, so that a principal the CDK merged into one of ours is found too.
    """
    for statement in trust["Statement"]:
        if statement["Effect"] == "Allow" and statement not in own["Statement"]:
            actions = statement.get("Action", "NotAction")
            yield (
                "the trust policy admits a caller without the token: got a statement allowing "
                f"{actions if isinstance(actions, str) else ', '.join(actions)}, expected none but the SessionRole's "
                "own; a caller it admits chooses a session's tags without a signed token; fix: remove it"
            )


def trust_too_large(trust: Any, sizer: PolicySizer) -> str | None:
    """Return the error for a trust policy over its quota, if it is."""
    if (size := sizer.document(trust)) <= TRUST_POLICY_MAX:
        return None
    fix = (
        "name all minters when the SessionRole is made, so that they share one statement, use fewer tag keys, or let "
        "one broker role mint; pods and other minters together need two statements, so give each a session role"
    )
    return too_large_message("the trust policy", size, TRUST_POLICY_MAX, fix)
