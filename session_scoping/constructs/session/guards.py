"""Denies on the session role itself, in addition to those on tables and objects."""

from collections.abc import Iterable

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.statements import alnum, deny

# Every STS action that gives credentials or changes who acts. GetCallerIdentity is absent: the agent proves with it
# that it is scoped. Source: service authorization reference, list_awssecuritytokenservice.
CHAINING_ACTIONS = (
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoot",
    "sts:GetDelegatedAccessToken",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "sts:GetWebIdentityToken",
    "sts:SetSourceIdentity",
    "sts:TagSession",
)

CHAINING = "DenyChaining"

ROLE_ACTIONS = ("sts:AssumeRole", "sts:AssumeRoot", "sts:SetSourceIdentity", "sts:TagSession")
"""The STS actions by which a compute role could become another role."""


def tag_sections(tag_keys: Iterable[str], path_tags: Iterable[str]) -> list[Section]:
    """
    Deny everything to a session whose tags do not name one task.

    One statement per tag: keys in one condition block are ANDed, so a single block would fire only when all tags
    are missing. A negated operator matches where the key is absent, so one statement covers missing and empty.
    """
    everything = {"Action": ["*"], "Resource": ["*"]}
    missing = [
        deny(
            f"DenyWithout{alnum(key.title())}",
            everything,
            {"StringNotLike": {f"aws:PrincipalTag/{key}": "?*"}},
        )
        for key in tag_keys
    ]
    slashed = [
        deny(
            f"DenyPathIn{alnum(key.title())}",
            everything,
            {"StringLike": {f"aws:PrincipalTag/{key}": list(PATH_VALUES)}},
        )
        for key in path_tags
    ]
    return [Section.whole(statement) for statement in (*missing, *slashed)]


PATH_VALUES = ("*/*", "*..*", ".")
"""Tag values that would leave an object prefix: IAM matches keys letter by letter, readers may join paths."""


def chaining_sections() -> list[Section]:
    """Deny every way onward from a session to other credentials."""
    return [Section.whole(deny(CHAINING, {"Action": CHAINING_ACTIONS, "Resource": ["*"]}))]
