"""The trust policy of a tool role: a session of the same task, under its own name, and nobody else."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.policy_sizes import TRUST_POLICY_MAX, PolicySizer, too_large_message
from session_scoping.constructs.cdk.stack_context import properties_of
from session_scoping.constructs.cdk.statements import Conditions, merge
from session_scoping.constructs.cdk.synth_checks import Check, reserved_tags
from session_scoping.constructs.session.guards import PATH_VALUES

_FIX = "use fewer or shorter tag keys"


def assume_conditions(
    tag_keys: Sequence[str], path_tags: Iterable[str], name_tag: str | None, inherited: Sequence[str] = ()
) -> Conditions:
    """
    Return what `sts:AssumeRole` on a tool role demands.

    Every tag there, not empty and equal to the caller's own; no other tag; the session named by its task.

    STS puts inherited transitive tags into the request, where they read as `aws:RequestTag` and count in
    `aws:TagKeys`; they cannot be overridden, but one that is not transitive could be passed with another value.

    Source: EKS guide, pod-id-assign-target-role (a chained role's trust asks `aws:RequestTag` for inherited tags);
    STS API_AssumeRole, Tags. That they count in `aws:TagKeys` is known from published tests only; were it not so,
    every assume would be denied, none let through.
    """
    named: Conditions = {}
    if name_tag:
        named = {"StringEquals": {"sts:RoleSessionName": f"${{aws:PrincipalTag/{name_tag}}}"}}
    present: Conditions = {"StringLike": {f"aws:RequestTag/{key}": "?*" for key in tag_keys}}
    # Negated, so true where the tag is absent: the StringLike above demands it.
    pathless = {f"aws:RequestTag/{key}": list(PATH_VALUES) for key in path_tags}
    same = tag_conditions(tag_keys, inherited)
    same["StringEquals"] |= named.get("StringEquals", {})
    return merge(same, present, {"StringNotLike": pathless} if pathless else {})


def tag_conditions(tag_keys: Sequence[str], inherited: Sequence[str] = ()) -> Conditions:
    """
    Return what `sts:TagSession` on a tool role demands: the caller's own tags, and no other tag.

    Args:
        tag_keys: The declared tags.
        inherited: Tags of EKS Pod Identity that a session may have brought along. They are admitted and compared with
            nothing, for want of room in a trust policy: no policy rests on them, and who inherited one cannot change
            it. NOT PROTECTED: a session without them may give its tool's session any.

    Source: service authorization reference: `sts:RoleSessionName` is no condition key of TagSession, so a statement
    of its own carries it.
    """
    return {
        "StringEquals": {f"aws:RequestTag/{key}": f"${{aws:PrincipalTag/{key}}}" for key in tag_keys},
        # ForAllValues is true where the key is absent, hence the Null.
        "ForAllValues:StringEquals": {"aws:TagKeys": [*tag_keys, *inherited]},
        "Null": {"aws:TagKeys": "false"},
    }


SAME_IDENTITY: Conditions = {"StringEquals": {"sts:SourceIdentity": "${aws:SourceIdentity}"}}
"""A source identity goes along a chain unchanged. Source: IAM guide, id_credentials_temp_control-access_monitor."""


def trusting(
    principal_arn: str, assume: Conditions, tag_keys: Sequence[str], inherited: Sequence[str] = ()
) -> list[iam.PolicyStatement]:
    """Return the trust statements, one per action, because their condition keys differ."""
    blocks = {
        "sts:AssumeRole": assume,
        "sts:TagSession": tag_conditions(tag_keys, inherited),
        "sts:SetSourceIdentity": SAME_IDENTITY,
    }
    return [
        iam.PolicyStatement(actions=[action], principals=[iam.ArnPrincipal(principal_arn)], conditions=conditions)
        for action, conditions in blocks.items()
    ]


def tool_trust_checks(role: iam.Role, sizer: PolicySizer, tag_keys: Sequence[str]) -> Iterable[Check]:
    """Check the size and the conditions of a tool role's trust policy, and the role's own tags."""
    properties = properties_of(cast(iam.CfnRole, role.node.default_child))
    kept = {"trust": properties["assumeRolePolicyDocument"], "tags": properties.get("tags")}
    yield Check(kept, partial(_errors, role.node.path, sizer, tag_keys))


def _errors(path: str, sizer: PolicySizer, tag_keys: Sequence[str], kept: Any) -> Iterable[str]:
    if (size := sizer.document(kept["trust"])) > TRUST_POLICY_MAX:
        yield too_large_message(f"the trust policy of `{path}`", size, TRUST_POLICY_MAX, _FIX)
    asked = tag_conditions(tag_keys)["StringEquals"].items()
    for statement in kept["trust"]["Statement"]:
        conditions = statement.get("Condition", {}).get("StringEquals", {})
        only_identity = statement["Action"] == "sts:SetSourceIdentity"
        if statement["Effect"] == "Allow" and not only_identity and not asked <= conditions.items():
            yield (
                f"role `{path}`: the trust policy admits a principal without its task: got a statement that does not "
                f"compare every tag with the caller's, expected {', '.join(sorted(tag_keys))} compared; a caller it "
                "admits uses the tool for any task; fix: remove it: a ToolScopedRole is assumed by sessions only"
            )
    for error in reserved_tags([tag["key"] for tag in kept.get("tags") or ()], tag_keys):
        yield f"role `{path}`: {error}"
