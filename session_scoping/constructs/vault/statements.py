"""The statements of a token vault grant: the exact Allows, and the Denies that hold under a broad Allow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from session_scoping.aws.token_vault import (
    API_KEY,
    COMPLETE,
    OAUTH2_TOKEN,
    OTHER_DOORS,
    READ_SECRET,
    TOKEN_FOR_JWT,
    TOKEN_FOR_USER_ID,
    TOKEN_OF_AGENT,
    VENDING,
    TokenFlow,
)
from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, merge, tags_present
from session_scoping.constructs.compute import baseline
from session_scoping.constructs.vault.resources import VaultResources
from session_scoping.constructs.vault.user_binding import UserBinding

# What AgentCore asks Secrets Manager on the caller's behalf is a forward access session, and only that has this key.
# Source: AgentCore devguide, security_iam_service-with-iam (FAS: yes); IAM guide, global condition keys.
_BY_SERVICE: Conditions = {"Bool": {"aws:ViaAWSService": "true"}}
_BY_CALLER: Conditions = {"BoolIfExists": {"aws:ViaAWSService": "false"}}
_USER_TOKEN = {"tag": TOKEN_FOR_USER_ID, "jwt": TOKEN_FOR_JWT}


@dataclass(frozen=True)
class VaultStatements:
    """
    Everything that goes on one role.

    Attributes:
        resources: What the grant names.
        flows: The OAuth2 flows.
        binding: Whose tokens the role may ask for; None when it is handed its workload access tokens.
        tags: The tags every session of the role carries.
    """

    resources: VaultResources
    flows: tuple[TokenFlow, ...]
    binding: UserBinding | None
    tags: tuple[str, ...] = ()

    @property
    def user_action(self) -> str | None:
        """The action by which the role asks for a user's workload access token, if it may."""
        if self.binding is None or set(self.flows) <= {TokenFlow.M2M}:
            return None
        return _USER_TOKEN[self.binding.kind]

    def actions(self) -> list[str]:
        """Return every vending action the role is given."""
        return [
            *([TOKEN_OF_AGENT] if TokenFlow.M2M in self.flows else []),
            *([self.user_action] if self.user_action else []),
            *([OAUTH2_TOKEN] if self.resources.arns("oauth2") else []),
            *([API_KEY] if self.resources.arns("api-key") else []),
        ]

    def permissions(self, context: StackContext) -> list[Section]:
        """Return the Allows."""
        base, tagged = list(self.resources.base), [tags_present(self.tags)] if self.tags else []
        sections = []
        if TokenFlow.M2M in self.flows:
            sections.append(Section.whole(allow("TokenOfAgent", [TOKEN_OF_AGENT], base, *tagged)))
        if self.user_action and self.binding:
            bound = self.binding.conditions(self.tags)
            sections.append(Section.whole(allow("TokenOfUser", [self.user_action], base, bound)))
        for sid, action, kind in (("Oauth2Tokens", OAUTH2_TOKEN, "oauth2"), ("ApiKeys", API_KEY, "api-key")):
            if arns := self.resources.arns(kind):
                every = [*base, *self.resources.vaults]
                sections.append(_by_provider(allow(sid, [action], every, *tagged), arns))
        return [*sections, *self._secrets(context, tagged)]

    def _secrets(self, context: StackContext, tagged: Sequence[Conditions]) -> Iterable[Section]:
        """AgentCore reads a provider's secret with the caller's own permission; the caller itself may not."""
        for section in baseline.secrets(self.resources.secrets, context):
            yield Section(section.items, partial(_bound, section, tagged))

    def guards(self, context: StackContext) -> list[Section]:
        """Return the Denies."""
        given = self.actions()
        others = [action for action in VENDING if action not in given]
        statements = [
            deny("DenyOtherVaultActions", {"Action": [*others, *OTHER_DOORS], "Resource": ["*"]}),
            deny("DenyOtherVaultResources", {"Action": given, "NotResource": self.resources.everything}),
        ]
        if self.user_action and self.binding:
            statements += foreign_users(self.binding, self.user_action)
        if self.resources.secrets:
            (read, *_) = baseline.secrets(self.resources.secrets, context)
            arns = [arn for one in read.render(read.items) for arn in one["Resource"]]
            statements.append(deny("DenySecretsByHand", {"Action": [READ_SECRET], "Resource": arns}, _BY_CALLER))
        return [Section.whole(statement) for statement in statements]


def consent_guards(resources: VaultResources, binding: UserBinding) -> list[Section]:
    """Return the Denies of a consent callback's role."""
    others = [action for action in VENDING if action != COMPLETE]
    arns = [*resources.base, *resources.vaults, *resources.arns("oauth2")]
    statements = [
        deny("DenyOtherVaultActions", {"Action": [*others, *OTHER_DOORS], "Resource": ["*"]}),
        deny("DenyOtherVaultResources", {"Action": [COMPLETE], "NotResource": arns}),
        *foreign_users(binding, COMPLETE),
    ]
    return [Section.whole(statement) for statement in statements]


def foreign_users(binding: UserBinding, action: str) -> list[Statement]:
    """Return one Deny for each way of naming another user: keys in one condition block would be ANDed."""
    return [deny(sid, {"Action": [action], "Resource": ["*"]}, when) for sid, when in binding.foreign.items()]


def _by_provider(statement: Statement, arns: Sequence[str]) -> Section:
    """Return a section that may be cut between providers: each resource of a request is authorized by itself."""
    every = statement["Resource"]
    return Section(arns, lambda some: [{**statement, "Resource": [*every, *some]}])


def _bound(section: Section, tagged: Sequence[Conditions], items: Sequence[Any]) -> list[Statement]:
    """Render a section with what every Allow of this role demands on top."""
    return [
        {**one, "Condition": merge(one.get("Condition", {}), *tagged, *_through_service(one))}
        for one in section.render(items)
    ]


def _through_service(statement: Statement) -> list[Conditions]:
    return [_BY_SERVICE] if statement["Action"] == [READ_SECRET] else []
