"""UserBinding: how a policy ties a request for a workload access token to one user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from session_scoping.constructs.cdk.stack_context import has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, merge, tags_present
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import parse_tag_keys, require_policy_text
from session_scoping.contract.users import SEPARATOR, check_identity_provider

# Source of the keys and of the actions that carry them: AgentCore devguide, security_iam_service-with-iam, and the
# service authorization reference, list_amazonbedrockagentcore.
USER_ID_KEY = "bedrock-agentcore:userid"
_CLAIM = "bedrock-agentcore:InboundJwtClaim/"


@dataclass(frozen=True)
class UserBinding:
    """
    Whose workload access token a role may ask for. Build it with one of the class methods.

    Attributes:
        kind: `tag`, `jwt` or `identity-provider`.
        allow: What the Allow demands.
        foreign: For each way of being somebody else, the condition of a Deny.
        tag_key: The session tag of kind `tag`.
    """

    kind: Literal["tag", "jwt", "identity-provider"]
    allow: Conditions
    foreign: Mapping[str, Conditions]
    tag_key: str | None = None

    @classmethod
    def session_tag(cls, key: str = "user_id") -> "UserBinding":
        """
        Bind an asserted user id to the session's own tag: the id in the request must be the tag's value.

        The tag holds what `user_id_for` (`session_scoping.contract.users`) builds. AgentCore takes the id on trust:
        only the role that minted the tag vouches for it.

        Raises:
            InvalidInputError: The key is no session tag's.
        """
        (key,) = require_policy_text(parse_tag_keys([key]))
        own = {USER_ID_KEY: f"${{aws:PrincipalTag/{key}}}"}
        return cls(
            "tag",
            {"StringEquals": own},
            {
                "DenyOtherUsers": {"StringNotEquals": own},
                "DenyNoUser": {"StringNotLike": {f"aws:PrincipalTag/{key}": "?*"}},
            },
            key,
        )

    @classmethod
    def jwt(cls, *, issuer: str, audiences: Sequence[str] = (), client_ids: Sequence[str] = ()) -> "UserBinding":
        """
        Bind to a JWT that AgentCore verifies, of one issuer and for this application.

        Args:
            issuer: The `iss` claim.
            audiences: What `aud` may hold: a token with one audience more is refused, so name all of them. Default:
                not looked at.
            client_ids: What `client_id` may be; Cognito's access tokens carry it in place of `aud`. Default: not
                looked at.

        Raises:
            InvalidInputError: No issuer, neither audience nor client id, or a wildcard in one of them.
        """
        _check_claims(issuer, audiences, client_ids)
        iss, aud, client = (_CLAIM + claim for claim in ("iss", "aud", "client_id"))
        equals: dict[str, object] = {iss: issuer}
        allow: Conditions = {"StringEquals": equals}
        foreign: dict[str, Conditions] = {"DenyForeignIssuer": {"StringNotEquals": {iss: issuer}}}
        if audiences:
            # ForAllValues is true where the key is absent, hence Null. Source: IAM guide, set operators.
            allow |= {"ForAllValues:StringEquals": {aud: list(audiences)}, "Null": {aud: "false"}}
            foreign["DenyForeignAudience"] = {"ForAnyValue:StringNotEquals": {aud: list(audiences)}}
            foreign["DenyNoAudience"] = {"Null": {aud: "true"}}
        if client_ids:
            equals[client] = list(client_ids)
            foreign["DenyForeignClient"] = {"StringNotEquals": {client: list(client_ids)}}
        return cls("jwt", allow, foreign)

    @classmethod
    def identity_provider(cls, name: str) -> "UserBinding":
        """
        Bind an asserted user id to one identity provider: `cognito+<sub>`, any user of it.

        For a consent callback, which serves all users and knows from its own login who is there. NOT PROTECTED:
        that role may then speak for every user of the provider.

        Raises:
            InvalidInputError: The name is not a short lower-case word.
        """
        users = {USER_ID_KEY: f"{check_identity_provider(name)}{SEPARATOR}?*"}
        return cls("identity-provider", {"StringLike": users}, {"DenyForeignUsers": {"StringNotLike": users}})

    def conditions(self, tag_keys: Sequence[str]) -> Conditions:
        """Return what the Allow demands on a role whose sessions carry these tags."""
        own = [self.tag_key] if self.tag_key and self.tag_key not in tag_keys else []
        demanded = [*tag_keys, *own]
        return merge(*([tags_present(demanded)] if demanded else []), self.allow)


def _check_claims(issuer: str, audiences: Sequence[str], client_ids: Sequence[str]) -> None:
    listed = not isinstance(audiences, str) and not isinstance(client_ids, str)
    texts = [issuer, *audiences, *client_ids] if listed else []
    if not listed or not all(map(_is_exact, texts)) or not (audiences or client_ids):
        raise InvalidInputError(
            "a JWT binding does not pin the token",
            got="no issuer, neither audience nor client id, one string for a list, or a wildcard or variable in one",
            expected="the exact issuer, and the audiences or the client ids, each as a sequence",
            why="any token that the same issuer gave to another application would do",
            fix='UserBinding.jwt(issuer="https://...", client_ids=["..."])',
        )
    require_policy_text(tuple(texts))


def _is_exact(text: object) -> bool:
    if not isinstance(text, str) or not text or has_wildcard(text):
        return False
    return is_token(text) or "$" not in text
