"""ExternalTokenGrant: signed tokens for services outside AWS, for named audiences and a short time."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_series import GuardedPolicies
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, tags_present
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.session.access import SessionAccess
from session_scoping.constructs.session.role import SessionRole
from session_scoping.constructs.tools.role import ToolScopedRole
from session_scoping.contract.errors import InvalidInputError

# Source: STS API_GetWebIdentityToken (botocore's model carries the same numbers).
AUDIENCES_MAX, AUDIENCE_LENGTH_MAX = 10, 1000
SECONDS_MIN, SECONDS_MAX = 60, 3600
ALGORITHMS = ("RS256", "ES384")

TOKEN_ACTION = "sts:GetWebIdentityToken"  # noqa: S105 - an action, not a secret
_TAG_ACTION = "sts:TagGetWebIdentityToken"
_AUDIENCE, _SECONDS, _ALGORITHM = "sts:IdentityTokenAudience", "sts:DurationSeconds", "sts:SigningAlgorithm"
_KEPT_AS = "_session_scoping_external_tokens"
_REASON = "GetWebIdentityToken acts on no resource; audience, duration and algorithm are pinned by conditions."


class ExternalTokenGrant(Construct):
    """
    Lets a role ask AWS for signed tokens (`sts:GetWebIdentityToken`) that an outside service accepts as its identity.

    The audiences are pinned, the duration is capped, the algorithm is fixed, and no claims of the caller's own can
    be added. Denies next to the grant hold when somebody later allows `sts:*`; on a SessionRole or a ToolScopedRole
    they take the place of the unconditional Deny on this action.

    NOT PROTECTED: a token is time-boxed, not single-use: who reads it uses it until it ends, as often as the other
    side lets him; AWS cannot take it back, and `jti` replay is the other side's to refuse. It says which role and
    session asked. The account must have switched outbound federation on, which CloudFormation does not show here.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        grantee: SessionRole | ToolScopedRole | iam.IRole,
        audiences: Sequence[str],
        max_duration: cdk.Duration | None = None,
        signing_algorithm: str = "ES384",
    ) -> None:
        """
        Write the grant and its guards.

        Args:
            scope: Parent construct.
            id: Construct id; part of the policies' logical ids.
            grantee: Who may ask. A role has one such grant.
            audiences: 1 to 10 exact audiences, such as `https://api.example.com`. A request may name several of
                them, and no others.
            max_duration: The longest a token may last, 1 to 60 minutes. Requests must name their duration. Default:
                5 minutes, which is also what AWS gives when none is named.
            signing_algorithm: `ES384` or `RS256`; requests must name it. Default: `ES384`.

        Raises:
            InvalidInputError: An audience, duration or algorithm that AWS does not take, or a pattern; a role that
                cannot be changed, or that has such a grant.
        """
        texts = (audiences,) if isinstance(audiences, str) else tuple(audiences)
        _check_audiences(texts)
        seconds = _seconds(max_duration)
        _check_algorithm(signing_algorithm)
        super().__init__(scope, id)
        context = StackContext.of(scope)
        scoped = grantee if isinstance(grantee, SessionRole | ToolScopedRole) else None
        role: iam.IRole = grantee.role if isinstance(grantee, SessionRole | ToolScopedRole) else grantee
        require_changeable(role, context)
        _require_first(role)
        base = tags_present(scoped.tag_keys) if scoped else {}
        policies = GuardedPolicies(self, context, PolicySizer.at(context), _REASON)
        granted = _granted(texts, seconds, signing_algorithm)
        allowed = allow("AskForTokens", [TOKEN_ACTION], ["*"], granted, base)
        denied = _denied(texts, seconds, signing_algorithm)
        policies.write([Section.whole(*denied)], [Section.whole(allowed)], [role])
        if scoped:
            # In another stack the guards cannot be waited for; without an Allow nothing is open in between.
            access = SessionAccess.of(scoped)
            earlier = policies.guards.policies if access.context is context else []
            access.chaining.hand_over([TOKEN_ACTION], earlier)
        SynthChecks.of(context).add(policies.finished)


def _granted(audiences: Sequence[str], seconds: int, algorithm: str) -> Conditions:
    """
    Return what every request must have; a key that is missing fails each of them.

    Source: service authorization reference: the three keys of GetWebIdentityToken.
    """
    return {
        # ForAllValues is true where the key is absent, hence the Null.
        "ForAllValues:StringEquals": {_AUDIENCE: list(audiences)},
        "Null": {_AUDIENCE: "false"},
        "NumericLessThanEquals": {_SECONDS: str(seconds)},
        "StringEquals": {_ALGORITHM: algorithm},
    }


def _denied(audiences: Sequence[str], seconds: int, algorithm: str) -> list[Statement]:
    """Return the Denies for everything else, one per condition: keys in one block are ANDed."""
    asking = {"Action": [TOKEN_ACTION], "Resource": ["*"]}
    conditions: dict[str, Conditions] = {
        "DenyOtherAudiences": {"ForAnyValue:StringNotEquals": {_AUDIENCE: list(audiences)}},
        "DenyNoAudience": {"Null": {_AUDIENCE: "true"}},
        "DenyLongerTokens": {"NumericGreaterThan": {_SECONDS: str(seconds)}},
        "DenyNoDuration": {"Null": {_SECONDS: "true"}},
        # Negated, so true where the key is absent.
        "DenyOtherAlgorithms": {"StringNotEquals": {_ALGORITHM: algorithm}},
    }
    claims = deny("DenyOwnClaims", {"Action": [_TAG_ACTION], "Resource": ["*"]})
    return [*(deny(sid, asking, condition) for sid, condition in conditions.items()), claims]


def _check_audiences(audiences: Sequence[str]) -> None:
    if not 1 <= len(audiences) <= AUDIENCES_MAX:
        raise InvalidInputError(
            "the number of audiences is out of range",
            got=f"{len(audiences)}",
            expected=f"1 to {AUDIENCES_MAX}",
            why="without one every service that trusts the account would take the token",
            fix="name the services that will read it",
        )
    for audience in audiences:
        text = isinstance(audience, str) and 1 <= len(audience) <= AUDIENCE_LENGTH_MAX
        if not text or is_token(audience) or any(character in "*?$" for character in audience):
            raise InvalidInputError(
                "an audience is not one exact text known at synth",
                got=f"`{audience}`" if text else "none, or one of a length STS refuses",
                expected=f"1 to {AUDIENCE_LENGTH_MAX} characters without `*`, `?` and `$`",
                why="a token for one service must not be taken by another",
                fix="spell the audience the service checks",
            )


def _seconds(duration: cdk.Duration | None) -> int:
    seconds = 300 if duration is None else int(duration.to_seconds())
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise InvalidInputError(
            "a token cannot last that long",
            got=f"{seconds} seconds",
            expected=f"{SECONDS_MIN} to {SECONDS_MAX}",
            why="STS refuses every request",
            fix="pass cdk.Duration.minutes(5)",
        )
    return seconds


def _check_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise InvalidInputError(
            "unknown signing algorithm",
            got=f"`{algorithm}`",
            expected=" or ".join(f"`{known}`" for known in ALGORITHMS),
            why="STS refuses every request",
            fix="use the one the other side verifies",
        )


def _require_first(role: iam.IRole) -> None:
    if vars(role).get(_KEPT_AS):
        raise InvalidInputError(
            f"role `{role.node.path}` has an ExternalTokenGrant already",
            got="a second one",
            expected="one grant for each role",
            why="each denies the other's audiences, so together they deny both",
            fix="name all audiences in one grant, or give each tool a role of its own",
        )
    vars(role)[_KEPT_AS] = True
