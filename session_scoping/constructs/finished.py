"""What only the finished tree can show: sizes as rendered, role tags, and what others did to the trust policy."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import IValidation

from session_scoping.constructs.documents import TRUST_POLICY_MAX, Ruler, too_large_message
from session_scoping.constructs.site import Site


@jsii.implements(IValidation)
class FinishedTree:
    """Runs the checks of one construct at synth; each error fails the synth and names the construct."""

    def __init__(self, *checks: Callable[[], Iterable[str]]) -> None:
        self._checks = checks

    def validate(self) -> list[str]:
        """Return the errors found."""
        return [error for check in self._checks for error in check()]


def check_trust(role: iam.Role, site: Site, ruler: Ruler) -> Iterable[str]:
    """Measure the trust policy, and refuse a statement without conditions, whoever added it."""
    trust = site.stack.resolve(role.assume_role_policy)
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


def check_role_tags(role: iam.Role, tag_keys: Sequence[str]) -> Iterable[str]:
    """
    Refuse a session tag's key on the role itself, where it would stand in for a tag the session lacks.

    Stack tags reach the role through CloudFormation and show in no template; tags given to `cdk deploy --tags`
    cannot be seen here at all. Source: IAM guide, id_session-tags.
    """
    reserved = {key.casefold() for key in tag_keys}
    resource = cast(iam.CfnRole, role.node.default_child)
    stack: cdk.Stack | None = role.stack
    places = {"the role": resource.tags}
    while stack is not None:
        places[f"stack `{stack.node.path}`"] = stack.tags
        stack = stack.nested_stack_parent
    for place, manager in places.items():
        for key in manager.tag_values():
            if key.casefold() in reserved:
                yield (
                    f"tag `{key}` on {place} is a session tag of this role: got it as a resource tag, expected none; "
                    "IAM reads both as one principal tag, so a session without its own would carry this one; fix: "
                    'rename it, or add it with exclude_resource_types=["AWS::IAM::Role"]'
                )
