"""Denies on the session role itself, in addition to those on tables and objects."""

from collections.abc import Iterable, Sequence

from session_scoping.aws.actions import actions_of, patterns_of
from session_scoping.aws.effects import Effect, judgement
from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.statements import Conditions, alnum, deny

_CHAINING_EFFECTS = {Effect.BECOME, Effect.TAG}
# None makes the caller anybody else. What they return may outlive the session or carry a later issue time, and a
# revocation by time would not reach it: nobody says which time that is.
# Source: STS API_GetScopedCredentials, API_GetSessionToken; CodeArtifact guide, tokens-authentication (12 hours).
_RENEWING = ("sts:GetScopedCredentials", "sts:GetServiceBearerToken", "sts:GetSessionToken")

CHAINING_ACTIONS = tuple(
    action.name
    for action in actions_of("sts")
    if action.name in _RENEWING or judgement(action.name).effects & _CHAINING_EFFECTS
)
"""
Every STS action that gives credentials or changes who acts.

Not GetCallerIdentity: the agent proves with it that it is scoped.
"""

CHAINING = "Chaining"

ROLE_ACTIONS = ("sts:AssumeRole", "sts:AssumeRoot", "sts:SetSourceIdentity", "sts:TagSession")
"""The STS actions by which a compute role could become another role."""


PATH_VALUES = ("*/*", "*..*", ".")
"""Tag values that would leave an object prefix: IAM matches keys letter by letter, readers may join paths."""


def tag_sections(tag_keys: Iterable[str], path_tags: Sequence[str]) -> list[Section]:
    """
    Deny everything to a session whose tags do not name one task.

    One statement per tag: keys in one condition block are ANDed, so a single block would fire only when all tags
    are wrong. Each fires where its tag is missing: a negated operator matches there, and so does `IfExists`.
    Source: IAM guide, reference_policies_elements_condition_operators (IfExists), and
    reference_policies_examples_s3_home-directory-console for the pattern that is empty.
    """
    everything = {"Action": ["*"], "Resource": ["*"]}
    sections = []
    for key in tag_keys:
        tag, name = f"aws:PrincipalTag/{key}", alnum(key.title())
        refused: Conditions = {"StringNotLike": {tag: "?*"}}
        if key in path_tags:
            refused = {"StringLikeIfExists": {tag: ["", *PATH_VALUES]}}
        sections.append(Section.whole(deny(f"Bad{name}" if key in path_tags else f"No{name}", everything, refused)))
    return sections


def chaining_sections() -> list[Section]:
    """Return the Deny of every way onward from a session to other credentials."""
    return [Section.whole(deny(CHAINING, {"Action": patterns_of(CHAINING_ACTIONS), "Resource": ["*"]}))]
