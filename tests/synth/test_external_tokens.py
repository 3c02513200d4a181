"""ExternalTokenGrant: whole statements, an independent simulator's decisions, and bad input."""

from fnmatch import fnmatchcase
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from session_scoping import ExternalTokenGrant, InvalidInputError, ToolScopedRole
from tests.support import stacks
from tests.support.simulator import Question, decide
from tests.support.world import ACCOUNT, World, with_broad_allow, without_guards
from tests.synth.test_nag import findings

TAGS = {"user_id": "u1", "repo": "r", "task_id": "T1"}
ACTION = "sts:GetWebIdentityToken"
AUDIENCES = ("https://api.example.com", "https://build.example.com")
RIGHT: dict[str, Any] = {
    "sts:IdentityTokenAudience": [AUDIENCES[0]],
    "sts:DurationSeconds": "300",
    "sts:SigningAlgorithm": "ES384",
}


def granted(stack: cdk.Stack, **options: Any) -> ExternalTokenGrant:
    """Return a grant on a session role of its own, unless the options name a role."""
    options = {"audiences": AUDIENCES, **options}
    if "grantee" not in options:
        options["grantee"] = stacks.session_role(stack)
    return ExternalTokenGrant(stack, "Tokens", **options)


REQUESTS: dict[str, tuple[dict[str, Any], bool]] = {
    "as pinned": ({}, True),
    "both audiences": ({"sts:IdentityTokenAudience": list(AUDIENCES)}, True),
    "a shorter token": ({"sts:DurationSeconds": "60"}, True),
    "another audience": ({"sts:IdentityTokenAudience": ["https://evil.example.com"]}, False),
    "another audience as well": ({"sts:IdentityTokenAudience": [AUDIENCES[0], "https://evil.example.com"]}, False),
    "an audience named alike": ({"sts:IdentityTokenAudience": [f"{AUDIENCES[0]}.evil.com"]}, False),
    "no audience": ({"sts:IdentityTokenAudience": None}, False),
    "a longer token": ({"sts:DurationSeconds": "301"}, False),
    "no duration": ({"sts:DurationSeconds": None}, False),
    "another algorithm": ({"sts:SigningAlgorithm": "RS256"}, False),
    "no algorithm": ({"sts:SigningAlgorithm": None}, False),
    "no task": ({"aws:PrincipalTag/task_id": None}, False),
}


@pytest.fixture(scope="module")
def world() -> World:
    """A session role with a grant for two audiences."""
    stack = stacks.stack()
    granted(stack)
    return World(stacks.template(stack))


@pytest.mark.parametrize("variant", ["deployed", "allows only", "broad allow"])
def test_tokens_are_for_the_named_audiences_and_a_short_time(world: World, variant: str) -> None:
    """Each pin holds by the Allow alone and by the guards alone, under a colleague's `sts:*`."""
    role = world.role("SessionRole")
    policies = {
        "deployed": role.policies,
        "allows only": without_guards(role.policies),
        "broad allow": with_broad_allow(role.policies),
    }[variant]
    asked = []
    for change, _ in REQUESTS.values():
        context = {**{f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()}, **RIGHT, **change}
        context = {key: value for key, value in context.items() if value is not None}
        asked.append(Question(role.session(), ACTION, "*", ACCOUNT, context, policies))
    found = dict(zip(REQUESTS, (verdict.allowed for verdict in decide(asked)), strict=True))
    assert found == {name: allowed for name, (_, allowed) in REQUESTS.items()}


@pytest.mark.parametrize("action", ["sts:TagGetWebIdentityToken", "sts:GetFederationToken", "sts:GetSessionToken"])
def test_nothing_but_tokens_is_allowed(world: World, action: str) -> None:
    """Claims of the caller's own, and the other ways to credentials, stay denied under a broad Allow."""
    role = world.role("SessionRole")
    context = {**{f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()}, **RIGHT}
    for policies in (role.policies, with_broad_allow(role.policies)):
        (verdict,) = decide([Question(role.session(), action, "*", ACCOUNT, context, policies)])
        assert not verdict.allowed


def test_without_a_grant_no_token_is_to_be_had() -> None:
    """A session role denies the action whole until somebody asks for the grant."""
    stack = stacks.stack()
    stacks.session_role(stack)
    role = World(stacks.template(stack)).role("SessionRole")
    context = {**{f"aws:PrincipalTag/{key}": value for key, value in TAGS.items()}, **RIGHT}
    (verdict,) = decide([Question(role.session(), ACTION, "*", ACCOUNT, context, with_broad_allow(role.policies))])
    assert verdict.outcome == "ExplicitlyDenied"


def test_whole_statements() -> None:
    """One Allow that demands every pin and the tags, and one Deny for each way past it."""
    stack = stacks.stack()
    granted(stack, max_duration=cdk.Duration.minutes(10), signing_algorithm="RS256", audiences=[AUDIENCES[0]])
    template = stacks.template(stack)
    assert stacks.policy(template, "TokensPermissions") == [
        {
            "Sid": "AskForTokens",
            "Effect": "Allow",
            "Action": ACTION,
            "Resource": "*",
            "Condition": {
                "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": [AUDIENCES[0]]},
                "Null": {"sts:IdentityTokenAudience": "false"},
                "NumericLessThanEquals": {"sts:DurationSeconds": "600"},
                "StringEquals": {"sts:SigningAlgorithm": "RS256"},
                "StringLike": {f"aws:PrincipalTag/{key}": "?*" for key in ("user_id", "repo", "task_id")},
            },
        }
    ]
    asking = {"Effect": "Deny", "Action": ACTION, "Resource": "*"}
    assert stacks.by_sid(stacks.policy(template, "TokensGuards")) == {
        "DenyOtherAudiences": {
            **asking,
            "Condition": {"ForAnyValue:StringNotEquals": {"sts:IdentityTokenAudience": [AUDIENCES[0]]}},
        },
        "DenyNoAudience": {**asking, "Condition": {"Null": {"sts:IdentityTokenAudience": "true"}}},
        "DenyLongerTokens": {**asking, "Condition": {"NumericGreaterThan": {"sts:DurationSeconds": "600"}}},
        "DenyNoDuration": {**asking, "Condition": {"Null": {"sts:DurationSeconds": "true"}}},
        "DenyOtherAlgorithms": {**asking, "Condition": {"StringNotEquals": {"sts:SigningAlgorithm": "RS256"}}},
        "DenyOwnClaims": {"Effect": "Deny", "Action": "sts:TagGetWebIdentityToken", "Resource": "*"},
    }
    chaining = stacks.by_sid(stacks.policy(template, "SessionGuards"))["Chaining"]
    assert chaining["Action"] == [
        "sts:A*",
        "sts:GetD*",
        "sts:GetF*",
        "sts:GetS*",
        "sts:S*",
        "sts:T*",
    ]
    guards = template["Resources"][stacks.ref(template, "SessionGuards")]
    assert guards["DependsOn"] == [stacks.ref(template, "TokensGuards")]


def test_a_tool_role_and_a_plain_role_take_the_grant_too() -> None:
    """A tool asks under its tags; a role of the adopter's own has no tags to demand."""
    stack = stacks.stack()
    session = stacks.session_role(stack, transitive_tag_keys=("user_id", "repo", "task_id"))
    tool = ToolScopedRole(stack, "Tool", session_role=session, tool="deploy")
    granted(stack, grantee=tool)
    ExternalTokenGrant(stack, "Plain", grantee=stacks.role(stack, "Worker"), audiences=AUDIENCES)
    template = stacks.template(stack)
    assert "StringLike" in stacks.policy(template, "TokensPermissions")[0]["Condition"]
    assert "StringLike" not in stacks.policy(template, "PlainPermissions")[0]["Condition"]
    chaining = stacks.by_sid(stacks.policy(template, "ToolGuards"))["Chaining"]
    assert "sts:A*" in chaining["Action"]
    assert not [pattern for pattern in chaining["Action"] if fnmatchcase(ACTION, pattern)]


def test_the_wildcard_resource_is_accepted_exactly() -> None:
    """cdk-nag sees that the action has no resource, and why that is no wildcard."""
    stack = stacks.stack()
    grant = granted(stack)
    assert findings(AwsSolutionsChecks, grant) == set()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no audience": ({"audiences": []}, "number of audiences"),
    "eleven audiences": ({"audiences": [f"https://{n}.example.com" for n in range(11)]}, "number of audiences"),
    "a pattern": ({"audiences": ["https://*.example.com"]}, r"known at synth: got `https://\*.example.com`"),
    "a pattern for one letter": ({"audiences": ["https://api?.example.com"]}, "not one exact text"),
    "a variable": ({"audiences": ["https://$.example.com"]}, "not one exact text"),
    "an empty audience": ({"audiences": [""]}, "not one exact text"),
    "an audience of 1,001 characters": ({"audiences": ["a" * 1001]}, "of a length STS refuses"),
    "an hour and a second": ({"max_duration": cdk.Duration.seconds(3601)}, "cannot last that long"),
    "a second less than a minute": ({"max_duration": cdk.Duration.seconds(59)}, "cannot last that long"),
    "another algorithm": ({"signing_algorithm": "HS256"}, "unknown signing algorithm"),
}


# Source: STS API_GetWebIdentityToken: up to 10 audiences of 1 to 1,000 characters, 60 to 3,600 seconds.
GOOD: dict[str, dict[str, Any]] = {
    "ten audiences": {"audiences": [f"https://{n}.example.com" for n in range(10)]},
    "an audience of one character": {"audiences": ["a"]},
    "an audience of 1,000 characters": {"audiences": ["a" * 1000]},
    "a minute": {"max_duration": cdk.Duration.seconds(60)},
    "an hour": {"max_duration": cdk.Duration.seconds(3600)},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_sts_just_takes_is_taken(name: str) -> None:
    """Each limit of the call is the grant's own, not one less."""
    assert granted(stacks.stack(), **GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    """Each mistake is one line that says what to do."""
    options, message = BAD[name]
    with pytest.raises(InvalidInputError, match=message) as caught:
        granted(stacks.stack(), **options)
    assert "\n" not in str(caught.value)


def test_a_second_grant_on_a_role_is_refused() -> None:
    """Two grants would deny each other's audiences."""
    stack = stacks.stack()
    role = stacks.role(stack, "Worker")
    granted(stack, grantee=role)
    with pytest.raises(InvalidInputError, match="already"):
        ExternalTokenGrant(stack, "More", grantee=role, audiences=["https://c.example.com"])
