"""An independent simulator decides what a token vault grant allows, with and without guards and a broad Allow."""

from collections.abc import Iterable
from typing import Any

import pytest
from aws_cdk import aws_iam as iam

from session_scoping import TokenFlow, UserBinding
from session_scoping.contract.users import user_id_for
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.vault_stack import BY_JWT, DIRECTORY, ISSUER, PLACE, VAULT, Vault, names, secret_arn, session_stack
from tests.support.world import ACCOUNT, World

CORE = "bedrock-agentcore"
CLAIM = "bedrock-agentcore:InboundJwtClaim/"
USER = user_id_for("cognito", "7d1f")
OTHER_USER = user_id_for("cognito", "9a2c")
TAGS = {"user_id": USER, "repo": "org/name", "task_id": "T1"}


Asked = tuple[str, str, dict[str, Any]]


def wrong(template: dict[str, Any], role: str, asked: Iterable[Asked], allowed: bool, tags: Any = TAGS) -> list[str]:
    """Return what is decided wrongly, by the role's own policies and under an Allow of everything."""
    cases = [
        Case(f"with {context}", role, action, resource, allowed, context, tags) for action, resource, context in asked
    ]
    assert cases
    return failures(World(template), cases, ["deployed", "everything"])


def asking(action: str, resources: Iterable[str], **context: Any) -> list[Asked]:
    """Return one question for each resource AgentCore authorizes an action against."""
    return [(f"{CORE}:{action}", resource, context) for resource in resources]


def wanted(template: dict[str, Any], user: str = USER) -> list[Asked]:
    """Return everything the agent needs of the vault."""
    identity, github, search = names(template)
    base = [DIRECTORY, identity]
    return [
        *asking("GetWorkloadAccessToken", base),
        *asking("GetWorkloadAccessTokenForUserId", base, **{"bedrock-agentcore:userid": user}),
        *asking("GetResourceOauth2Token", [*base, VAULT, github]),
        *asking("GetResourceApiKey", [*base, VAULT, search]),
        ("secretsmanager:GetSecretValue", secret_arn(template), {"aws:ViaAWSService": "true"}),
    ]


def near_misses(template: dict[str, Any]) -> list[Asked]:
    """Return what lies one step from each need."""
    identity, github, search = names(template)
    mine = {"bedrock-agentcore:userid": USER}
    found = []
    for other in (f"{identity}2", f"{identity}-admin", identity.replace(ACCOUNT, "444455556666"),
                   identity.replace("us-east-1", "eu-west-1"), f"{DIRECTORY}/workload-identity/other"):  # fmt: skip
        found += asking("GetWorkloadAccessToken", [other])
        found += asking("GetWorkloadAccessTokenForUserId", [other], **mine)
        found += asking("GetResourceOauth2Token", [other])
    for other in (f"{github}2", f"{VAULT}/oauth2credentialprovider/other", f"{PLACE}token-vault/other",
                   VAULT.replace(ACCOUNT, "444455556666"), VAULT.replace("us-east-1", "eu-west-1"),
                   github.replace("us-east-1", "eu-west-1")):  # fmt: skip
        found += asking("GetResourceOauth2Token", [other])
    found += asking("GetResourceApiKey", [f"{search}2", VAULT.replace("us-east-1", "eu-west-1")])
    for user in (OTHER_USER, f"{USER}x", USER.upper(), "", "*", "7d1f"):
        found += asking("GetWorkloadAccessTokenForUserId", [DIRECTORY, identity], **{"bedrock-agentcore:userid": user})
    found += asking("GetWorkloadAccessTokenForUserId", [DIRECTORY, identity])
    found += asking("GetWorkloadAccessTokenForJWT", [DIRECTORY, identity], **{f"{CLAIM}iss": ISSUER})
    found += asking("CompleteResourceTokenAuth", [DIRECTORY, identity, VAULT, github], **mine)
    found += asking("InvokeAgentRuntimeForUser", [f"{PLACE}runtime/any-AbCdEfGhIj"])
    found += asking("UpdateOauth2CredentialProvider", [github])
    found += asking("UpdateWorkloadIdentity", [identity])
    found.append(("secretsmanager:GetSecretValue", secret_arn(template), {"aws:ViaAWSService": "false"}))
    found.append(("secretsmanager:GetSecretValue", secret_arn(template), {}))
    return found


@pytest.fixture(scope="module")
def by_tag() -> dict[str, Any]:
    """A session bound by its tag."""
    return session_stack()


def test_a_session_takes_its_own_users_tokens_and_no_near_miss(by_tag: dict[str, Any]) -> None:
    """Everything wanted goes through; every other step is refused, also under `bedrock-agentcore:*`."""
    needs, misses = wanted(by_tag), near_misses(by_tag)
    assert wrong(by_tag, "SessionRole", needs, True) == []
    assert wrong(by_tag, "SessionRole", misses, False) == []
    assert len(misses) > 35


@pytest.mark.parametrize("user", [None, ""])
def test_a_session_without_a_user_takes_nothing(by_tag: dict[str, Any], user: str | None) -> None:
    """A missing or empty user_id tag names nobody, whatever user is asserted."""
    tags = {key: value for key, value in {**TAGS, "user_id": user}.items() if value is not None}
    asked = [*wanted(by_tag), *wanted(by_tag, user=user or OTHER_USER)]
    assert wrong(by_tag, "SessionRole", asked, False, tags) == []


def test_without_a_binding_no_user_can_be_asserted() -> None:
    """A role that is handed its tokens asks for none, and no broad Allow changes that."""
    template = session_stack(flows=[TokenFlow.USER_FEDERATION], user_binding=None)
    identity, github, _ = names(template)
    base, mine = [DIRECTORY, identity], {"bedrock-agentcore:userid": USER}
    refused = [
        *asking("GetWorkloadAccessTokenForUserId", base, **mine),
        *asking("GetWorkloadAccessTokenForJWT", base, **{f"{CLAIM}iss": ISSUER, f"{CLAIM}aud": ["agents"]}),
        *asking("GetWorkloadAccessToken", base),
        *asking("CompleteResourceTokenAuth", [*base, VAULT, github], **mine),
    ]
    assert wrong(template, "SessionRole", refused, False) == []
    spent = asking("GetResourceOauth2Token", [*base, VAULT, github])
    assert wrong(template, "SessionRole", spent, True) == []


def test_only_this_applications_jwt_gives_a_token() -> None:
    """Another issuer, another client, an audience more, none, or an asserted user are refused."""
    template = session_stack(user_binding=BY_JWT)
    base = [DIRECTORY, names(template)[0]]
    good = {f"{CLAIM}iss": ISSUER, f"{CLAIM}aud": ["agents"], f"{CLAIM}client_id": "client-1"}
    changes: list[dict[str, Any]] = [
        {f"{CLAIM}iss": f"{ISSUER}2"},
        {f"{CLAIM}aud": ["agents", "payroll"]},
        {f"{CLAIM}aud": ["payroll"]},
        {f"{CLAIM}client_id": "client-2"},
    ]
    bad = [{**good, **change} for change in changes]
    bad += [{key: value for key, value in good.items() if key != left_out} for left_out in good]
    refused = [one for context in bad for one in asking("GetWorkloadAccessTokenForJWT", base, **context)]
    refused += asking("GetWorkloadAccessTokenForUserId", base, **{"bedrock-agentcore:userid": USER})
    assert wrong(template, "SessionRole", refused, False) == []
    assert wrong(template, "SessionRole", asking("GetWorkloadAccessTokenForJWT", base, **good), True) == []


def test_the_consent_callback_finishes_consents_and_nothing_else() -> None:
    """It serves the users of one identity provider, and takes no token itself."""
    vault = Vault(stacks.stack())
    grant = vault.grant(stacks.session_role(vault.stack))
    callback = stacks.role(vault.stack, "Callback")
    done = grant.grant_consent_callback(callback, user_binding=UserBinding.identity_provider("cognito"))
    assert isinstance(done, iam.Grant)
    assert done.success
    template = stacks.template(vault.stack)
    identity, github, _ = names(template)
    four = [DIRECTORY, identity, VAULT, github]
    refused = [
        *asking("CompleteResourceTokenAuth", four, **{"bedrock-agentcore:userid": "okta+7d1f"}),
        *asking("CompleteResourceTokenAuth", four, **{"bedrock-agentcore:userid": "cognito+"}),
        *asking("CompleteResourceTokenAuth", four),
        *asking("CompleteResourceTokenAuth", [f"{identity}2", f"{github}2"], **{"bedrock-agentcore:userid": USER}),
        *[question for question in wanted(template) if question[0].startswith(CORE)],
    ]
    finished = asking("CompleteResourceTokenAuth", four, **{"bedrock-agentcore:userid": USER})
    assert wrong(template, "Callback", refused, False, {}) == []
    assert wrong(template, "Callback", finished, True, {}) == []
