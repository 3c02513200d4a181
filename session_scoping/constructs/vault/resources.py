"""What a token vault grant names: one workload identity and its credential providers, each by its exact ARN."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import aws_cdk as cdk

from session_scoping.constructs.cdk.stack_context import StackContext, has_wildcard, is_token
from session_scoping.contract.arns import Arn
from session_scoping.contract.errors import InvalidInputError

# As text, so that AgentCore is not loaded for its types.
AnyIdentity: TypeAlias = (
    "cdk.aws_bedrockagentcore.IWorkloadIdentity | cdk.aws_bedrockagentcore.CfnWorkloadIdentity | str"
)
AnyOauth2Provider: TypeAlias = (
    "cdk.aws_bedrockagentcore.IOAuth2CredentialProvider | cdk.aws_bedrockagentcore.CfnOAuth2CredentialProvider | str"
)
AnyApiKeyProvider: TypeAlias = (
    "cdk.aws_bedrockagentcore.IApiKeyCredentialProvider | cdk.aws_bedrockagentcore.CfnApiKeyCredentialProvider | str"
)

# Source of the three forms: service authorization reference, list_amazonbedrockagentcore. The control plane's model
# spells the service `acps`; IAM and CloudFormation's registry schema spell it `bedrock-agentcore`.
_IDENTITY = re.compile(r"(workload-identity-directory/[\w.-]+)/workload-identity/[\w.-]{3,255}")
_PROVIDERS = {
    "oauth2": re.compile(r"(token-vault/[\w.-]+)/oauth2credentialprovider/[\w.-]{1,128}"),
    "api-key": re.compile(r"(token-vault/[\w.-]+)/apikeycredentialprovider/[\w.-]{1,128}"),
}
_HERE = {"identity": "workload-identity-directory/default", "provider": "token-vault/default"}


@dataclass(frozen=True)
class VaultProvider:
    """
    One credential provider of the vault. Build it with `oauth2` or `api_key`.

    Attributes:
        kind: `oauth2` or `api-key`.
        arn: Its exact ARN.
        secret: The secret it keeps its client secret or key in, where that is named.
        resource: The resource, where it is made in this app.
    """

    kind: Literal["oauth2", "api-key"]
    arn: str
    secret: cdk.aws_secretsmanager.ISecret | str | None
    resource: Any = None

    @classmethod
    def oauth2(
        cls, provider: AnyOauth2Provider, *, secret: cdk.aws_secretsmanager.ISecret | str | None = None
    ) -> VaultProvider:
        """
        Return an OAuth2 provider.

        Args:
            provider: The L2 or L1 resource, an import, or its ARN.
            secret: The secret with its client secret: the ISecret the provider refers to
                (`clientSecretSource: EXTERNAL`), or its complete ARN. AgentCore reads it with the permissions of
                the principal that asks for a token. Default: what the import says; for a provider made here, none.

        Raises:
            InvalidInputError: The ARN has a wildcard or another form.
        """
        arn, known = _arn_of(provider, "CfnOAuth2CredentialProvider", "client_secret_arn")
        exact = _checked(arn, "provider", _PROVIDERS["oauth2"])
        return cls("oauth2", exact, _complete(secret or known), None if isinstance(provider, str) else provider)

    @classmethod
    def api_key(
        cls, provider: AnyApiKeyProvider, *, secret: cdk.aws_secretsmanager.ISecret | str | None = None
    ) -> VaultProvider:
        """
        Return an API key provider; `secret` is the one with its key. See `oauth2`.

        Raises:
            InvalidInputError: The ARN has a wildcard or another form.
        """
        arn, known = _arn_of(provider, "CfnApiKeyCredentialProvider", "api_key_secret_arn")
        return cls("api-key", _checked(arn, "provider", _PROVIDERS["api-key"]), _complete(secret or known))


@dataclass(frozen=True)
class VaultResources:
    """
    Everything AgentCore authorizes a request for a token against.

    Attributes:
        base: The directory and the workload identity.
        vaults: The token vaults of the providers; one unless providers of several Regions are mixed.
        providers: The providers.
    """

    base: tuple[str, ...]
    vaults: tuple[str, ...]
    providers: tuple[VaultProvider, ...]

    @classmethod
    def of(cls, context: StackContext, identity: AnyIdentity, providers: Sequence[VaultProvider]) -> VaultResources:
        """
        Return the resources of a grant.

        Raises:
            InvalidInputError: The identity's ARN is not exact, there is no provider or one is named twice, or the
                ARNs are of different accounts or Regions.
        """
        providers = tuple(providers)
        if not providers or not all(isinstance(one, VaultProvider) for one in providers):
            raise InvalidInputError(
                "`providers` is not what a token vault grant takes",
                got="no provider" if not providers else "something else among them",
                expected="at least one VaultProvider.oauth2(...) or VaultProvider.api_key(...)",
                why="which tokens may be had would be a guess",
                fix="wrap each provider",
            )
        arns = [one.arn for one in providers]
        name = _checked(_identity_arn(identity), "identity", _IDENTITY)
        if len(set(arns)) < len(arns):
            raise InvalidInputError(
                "a credential provider is named twice",
                got="the same ARN twice",
                expected="each provider once",
                why="a repeated provider usually hides a missing one",
                fix="name it once",
            )
        _check_one_place(context, [name, *arns])
        vaults = tuple(dict.fromkeys(_parent(context, arn, "provider") for arn in arns))
        return cls((_parent(context, name, "identity"), name), vaults, providers)

    def arns(self, kind: str) -> list[str]:
        """Return the ARNs of the providers of a kind."""
        return [one.arn for one in self.providers if one.kind == kind]

    @property
    def everything(self) -> list[str]:
        """All ARNs."""
        return [*self.base, *self.vaults, *(one.arn for one in self.providers)]

    @property
    def secrets(self) -> list[cdk.aws_secretsmanager.ISecret | str]:
        """The secrets that are named, each once."""
        return list(dict.fromkeys(one.secret for one in self.providers if one.secret is not None))


def _identity_arn(identity: AnyIdentity) -> str:
    if isinstance(identity, str):
        return identity
    if isinstance(identity, cdk.aws_bedrockagentcore.CfnWorkloadIdentity):
        return identity.attr_workload_identity_arn
    if not hasattr(identity, "workload_identity_arn"):
        _refuse_kind("workload identity", identity)
    return identity.workload_identity_arn


def _arn_of(provider: Any, resource: str, secret_attribute: str) -> tuple[str, str | None]:
    """Return a provider's ARN and the ARN of its secret, where that is known as text."""
    if isinstance(provider, str):
        return provider, None
    if isinstance(provider, getattr(cdk.aws_bedrockagentcore, resource)):
        return provider.attr_credential_provider_arn, None
    if not hasattr(provider, "credential_provider_arn") or not hasattr(provider, secret_attribute):
        _refuse_kind("credential provider", provider)
    # A provider made here gives `Fn::GetAtt ClientSecretArn`, which is an object and no ARN: CloudFormation's registry
    # schema, checked with cfn-lint. Nobody may write it into a policy.
    known = getattr(provider, secret_attribute)
    return provider.credential_provider_arn, known if known and not is_token(known) else None


def _complete(secret: cdk.aws_secretsmanager.ISecret | str | None) -> cdk.aws_secretsmanager.ISecret | str | None:
    """Refuse a secret imported by name: no page promises the six characters that a pattern would guess at."""
    if secret is None or isinstance(secret, str) or secret.secret_full_arn is not None:
        return secret
    raise InvalidInputError(
        "the ARN of a provider's secret is not complete",
        got="a secret imported by name",
        expected="a secret made here, one imported by its complete ARN, or that ARN",
        why="a pattern for its last characters could match another provider's secret",
        fix="import it with Secret.from_secret_complete_arn",
    )


def _refuse_kind(what: str, value: object) -> None:
    raise InvalidInputError(
        f"that is no {what} of this kind",
        got=f"a {type(value).__name__}",
        expected="the construct, an import of it, or its ARN",
        why="nothing could be granted on it",
        fix="see aws_cdk.aws_bedrockagentcore",
    )


def _checked(arn: str, what: str, form: re.Pattern[str]) -> str:
    """Refuse an ARN that is not exactly one resource; one that is known at deployment only is taken at its word."""
    fields = Arn.parse(arn)
    opaque = is_token(arn) and fields is None
    exact = fields is not None and fields.service == "bedrock-agentcore" and all(fields[:4])
    resource = fields.resource if fields else ""
    named = exact and (form.fullmatch(resource) or (is_token(resource) and "/" in resource))
    if has_wildcard(arn) or not (opaque or named):
        raise InvalidInputError(
            f"that is not the ARN of one {'workload identity' if what == 'identity' else 'credential provider'}",
            got="an ARN with a wildcard" if has_wildcard(arn) else "another resource, kind or service",
            expected="arn:<partition>:bedrock-agentcore:<region>:<account>:"
            + ("workload-identity-directory/<id>/workload-identity/<name>" if what == "identity" else form.pattern),
            why="AgentCore ties no identity to a provider, so this policy is all that isolates tenants' tokens",
            fix="pass the construct or the attribute that holds its ARN",
        )
    return arn


def _parent(context: StackContext, arn: str, what: str) -> str:
    """Return the directory or vault an ARN lies in: the account's default one where the ARN is not known yet."""
    fields = Arn.parse(arn)
    if fields is None:
        return context.arn("bedrock-agentcore", _HERE[what])
    return str(fields._replace(resource="/".join(fields.resource.split("/")[:2])))


def _check_one_place(context: StackContext, arns: Sequence[str]) -> None:
    """Refuse ARNs of several accounts or Regions: there is one vault in each, and a token of one opens no other."""
    places = {(fields.region, fields.account) for arn in arns if (fields := Arn.parse(arn))}
    known = {place for place in places if not any(map(is_token, place))}
    here = (context.region, context.account)
    if not any(map(is_token, here)):
        known.add(here)
    if len(known) > 1:
        raise InvalidInputError(
            "the workload identity and its providers are not in one place",
            got=f"{len(known)} pairs of Region and account",
            expected="one",
            why="every account and Region has its own vault, and a workload access token opens no other one",
            fix="name what is in this stack's account and Region",
        )
