"""`resolve_token`: the one seam through which an agent gets a token of another service."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from session_scoping.agent.log_filter import sts_call_hidden
from session_scoping.agent.vault.errors import TokenReason, TokenUnavailableError, describe
from session_scoping.agent.vault.results import ConsentNeeded, Hidden, Token, delegation_of
from session_scoping.agent.vault.workload_token import Clients, fetch, handed_over
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.users import parse_user_id

Flow = Literal["USER_FEDERATION", "M2M", "ON_BEHALF_OF_TOKEN_EXCHANGE"]
_LOG = logging.getLogger("session_scoping.tokens")
_WHAT = "no token could be had"


@dataclass(frozen=True)
class Integration:
    """
    Another service, as the vault knows it.

    Attributes:
        provider: Name of the credential provider.
        kind: `oauth2` or `api-key`.
        flow: OAuth2 flow: a user's consent (3LO), the agent itself, or the exchange of the user's own token.
        scopes: OAuth2 scopes to ask for.
        return_url: Where the browser returns after consent; one of the workload identity's allowed ones.
        parameters: Further request fields of GetResourceOauth2Token: `customParameters`, `audiences`, `resources`.
        workload: Name of the workload identity. Default: AGENT_WORKLOAD_IDENTITY; not needed on AgentCore Runtime.
    """

    provider: str
    kind: Literal["oauth2", "api-key"] = "oauth2"
    flow: Flow = "USER_FEDERATION"
    scopes: tuple[str, ...] = ()
    return_url: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict, repr=False)
    workload: str | None = None

    def __post_init__(self) -> None:
        """Refuse a flow or kind that AgentCore does not know, before anything is asked."""
        if self.kind not in ("oauth2", "api-key") or self.flow not in get_args(Flow) or isinstance(self.scopes, str):
            raise InvalidInputError(
                "an integration is not one the vault knows",
                got="another kind or flow, or one string for the scopes",
                expected=f"oauth2 or api-key; {', '.join(get_args(Flow))}; a tuple of scopes",
                why="AgentCore would refuse the request",
                fix="correct it",
            )


class FallbackUsed(NamedTuple):
    """What a fallback is reported with: the provider, and why the vault gave nothing."""

    provider: str
    reason: TokenReason


@dataclass(frozen=True)
class SecretFallback:
    """
    A secret in Secrets Manager that is used when the vault fails. Passing one is the flag; there is no other.

    It is a shared credential: for every user, the other service sees the same account. It never replaces
    a consent that is missing.

    Attributes:
        secret_id: Name or ARN of the secret.
        on_used: Called before the secret is read; what it raises stops the call.
    """

    secret_id: str
    on_used: Callable[[FallbackUsed], object]


def resolve_token(
    integration: Integration,
    session: Clients,
    *,
    workload_token: str | None = None,
    user: str | None = None,
    jwt: str | None = None,
    session_uri: str | None = None,
    fallback: SecretFallback | None = None,
) -> Token | ConsentNeeded:
    """
    Return a token for an integration, the same way on AgentCore Runtime and on ECS.

    The workload access token is the one given, the one of `workload_token_from`, or one that is fetched for `jwt`,
    `user` or, in flow M2M and for API keys without a user, the agent itself. Nothing is cached: the vault is.

    Args:
        integration: What is asked for.
        session: Who asks: the TaskSession, so that IAM binds the user to the task; or a boto3 session.
        workload_token: The header's value. Default: see above.
        user: The user id, `<identity provider>+<sub>`. Default: the TaskSession's tag `user_id`.
        jwt: The user's own token, which AgentCore verifies; better than `user` where there is one.
        session_uri: Of an earlier ConsentNeeded, to follow that consent up. Default: none.
        fallback: A shared secret to use when the vault fails. Default: none; the failure is raised.

    Returns:
        The token, or the consent that the user has to give first.

    Raises:
        TokenUnavailableError: There is no token.
        InvalidInputError: The user id has another form.

    Source:
        Botocore's bedrock-agentcore model; AgentCore devguide, identity-authentication.
    """
    handed = Hidden(workload_token) if workload_token else handed_over()
    asker = _Asker(session, handed, _user(integration, user, jwt, session), Hidden(jwt) if jwt else None)
    with _failures(_WHAT) as failed:
        return asker.ask(integration, session_uri)
    if fallback is None:
        raise failed[0]
    return _fall_back(fallback, integration, session, failed[0])


def complete_consent(session: Clients, session_uri: str, *, user: str | None = None, jwt: str | None = None) -> None:
    """
    Finish a consent; for the endpoint the browser returns to, never for an agent.

    The caller has seen that the user who is logged in is the one the consent was asked for. AgentCore compares what
    is passed here with what the workload access token was made from, and nothing else.

    Args:
        session: The endpoint's own session.
        session_uri: The `session_id` the browser brings back.
        user: The user id. Exactly one of `user` and `jwt`.
        jwt: The user's own token.

    Raises:
        TokenUnavailableError: AgentCore refused.
        InvalidInputError: Neither or both are given, or the user id has another form.
    """
    if bool(user) == bool(jwt):
        raise InvalidInputError(
            "a consent is finished for one user",
            got="both user and jwt" if user else "neither user nor jwt",
            expected="one of them",
            why="AgentCore compares it with the user who asked",
            fix="pass what the workload access token was made from",
        )
    who = {"userToken": jwt} if jwt else {"userId": str(parse_user_id(str(user)))}
    with _failures("a consent could not be finished") as failed:
        client = session.client("bedrock-agentcore", config=_config())
        client.complete_resource_token_auth(sessionUri=session_uri, userIdentifier=who)
        return
    raise failed[0]


@contextmanager
def _failures(what: str) -> Iterator[list[TokenUnavailableError]]:
    """Turn what the block raises into an error of ours, for the caller to raise where no cause hangs on it."""
    failed: list[TokenUnavailableError] = []
    try:
        with sts_call_hidden():
            yield failed
    except TokenUnavailableError as error:
        failed.append(error.with_traceback(None))
    except Exception as error:
        failed.append(describe(error, what))


def _user(integration: Integration, user: str | None, jwt: str | None, session: Clients) -> str | None:
    """Return the user to assert: the one given, else the task's own where the flow is for users."""
    own = None if integration.kind == "api-key" else getattr(session, "tags", {}).get("user_id")
    found = user or own
    return str(parse_user_id(found)) if found and not jwt and integration.flow != "M2M" else None


@dataclass(frozen=True)
class _Asker:
    """One request for a token. Secrets stay wrapped, so that no frame of a traceback holds one of ours."""

    session: Clients
    handed: Hidden | None
    user: str | None = field(repr=False)
    jwt: Hidden | None

    def ask(self, integration: Integration, session_uri: str | None) -> Token | ConsentNeeded:
        client = self.session.client("bedrock-agentcore", config=_config())
        for_user = bool(self.user or self.jwt) if integration.kind == "api-key" else integration.flow != "M2M"
        token = self.handed or fetch(
            client, workload=integration.workload, user=self.user, jwt=self.jwt, for_user=for_user
        )
        if integration.kind == "api-key":
            return _token(integration, client.get_resource_api_key(**_request(integration, token))["apiKey"])
        return _outcome(integration, client.get_resource_oauth2_token(**_oauth2(integration, token, session_uri)))


def _request(integration: Integration, token: Hidden) -> dict[str, Any]:
    return {"workloadIdentityToken": token.reveal(), "resourceCredentialProviderName": integration.provider}


def _oauth2(integration: Integration, token: Hidden, session_uri: str | None) -> dict[str, Any]:
    optional = {"resourceOauth2ReturnUrl": integration.return_url, "sessionUri": session_uri}
    return {
        **integration.parameters,
        **_request(integration, token),
        "scopes": list(integration.scopes),
        "oauth2Flow": integration.flow,
        **{name: value for name, value in optional.items() if value},
    }


def _outcome(integration: Integration, answer: dict[str, Any]) -> Token | ConsentNeeded:
    if answer.get("accessToken"):
        return _token(integration, answer["accessToken"])
    if answer.get("sessionStatus") == "FAILED":
        fix = "ask again without session_uri, and let the user consent anew"
        raise TokenUnavailableError("ConsentFailed", what=_WHAT, got="a consent that failed or ran out", fix=fix)
    return ConsentNeeded(
        integration.provider,
        Hidden(str(answer["authorizationUrl"])),
        answer.get("sessionUri"),
        answer.get("sessionStatus") == "IN_PROGRESS",
    )


def _token(integration: Integration, text: Any) -> Token:
    return Token(integration.provider, "token-vault", Hidden(str(text)), delegation_of(str(text)))


def _fall_back(
    fallback: SecretFallback, integration: Integration, session: Clients, failure: TokenUnavailableError
) -> Token:
    # Reported first: a use that cannot be reported does not happen.
    fallback.on_used(FallbackUsed(integration.provider, failure.reason))
    _LOG.warning("provider %s: the vault failed (%s), a shared secret stands in", integration.provider, failure.reason)
    with _failures("no token could be had, and the fallback failed too") as failed:
        client = session.client("secretsmanager", config=_config())
        text = client.get_secret_value(SecretId=fallback.secret_id)["SecretString"]
        return Token(integration.provider, "secrets-manager", Hidden(str(text)))
    raise failed[0]


def _config() -> Any:
    from botocore.config import Config

    return Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
