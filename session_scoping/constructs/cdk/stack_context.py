"""Where a construct is: its stack, partition, Region and account, read from the CDK once per stack."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct

from session_scoping.contract.arns import Arn

_KEPT_AS = "_session_scoping_context"
_ANSWERS_KEPT_AS = "_session_scoping_answers"
TOKEN = "${Token["  # noqa: S105 - the CDK's marker of an unresolved string, not a secret


def is_token(text: str) -> bool:
    """Whether a string is known only at deployment; `cdk.Token.is_unresolved` without the trip to Node."""
    return TOKEN in text


def has_wildcard(text: str) -> bool:
    """Whether the known part of a string matches a pattern."""
    return any(character in "*?" for character in _TOKENS.sub("", text))


_TOKENS = re.compile(r"\$\{Token\[[^\]]*\]\}")


@dataclass(frozen=True)
class StackContext:
    """
    The stack a construct is in.

    Attributes:
        stack: The stack.
        resolved: What strings with tokens resolved to when they were first asked for. Logical ids can still change,
            so checks of the finished tree do not use it.
    """

    stack: cdk.Stack
    resolved: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, scope: IConstruct) -> "StackContext":
        """Return the context of a construct; there is one per stack, kept on the stack itself."""
        stack = scope if isinstance(scope, cdk.Stack) else cdk.Stack.of(scope)
        context: StackContext = vars(stack).setdefault(_KEPT_AS, cls(stack))
        return context

    def resolve(self, strings: Iterable[str], *others: Any) -> list[Any]:
        """Resolve strings into `resolved`, and return the others resolved: all in one trip to the CDK."""
        new = [text for text in dict.fromkeys(strings) if text not in self.resolved]
        if not new and not others:
            return []
        values = self.stack.resolve([*new, *others])
        self.resolved.update(zip(new, values[: len(new)], strict=True))
        return list(values[len(new) :])

    def resolved_value(self, text: str) -> Any:
        """Return what a string resolved to; itself where it holds no token."""
        return self.resolved.get(text, text)

    @cached_property
    def stack_name(self) -> str:
        """The stack's name; a token where the adopter made it one."""
        return self.stack.stack_name

    @cached_property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov`, or the pseudo parameter."""
        return self.stack.partition

    @cached_property
    def region(self) -> str:
        """The Region's code, or the pseudo parameter."""
        return self.stack.region

    @cached_property
    def account(self) -> str:
        """The account's twelve digits, or the pseudo parameter."""
        return self.stack.account

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """Return an ARN here; pass `""` or `*` where Region or account differ."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def via_service(self, service: str, key_arns: Iterable[str]) -> list[str]:
        """
        Return the values `kms:ViaService` can have for a service in the Regions of these keys.

        A key is in its table's or bucket's Region; one whose ARN is not known yet counts as in the stack's.
        Both endpoint suffixes where the partition may be China: KMS documents the key by the endpoint's name,
        and no page says which suffix the China partition sends. Either one can only be the AWS service.
        """
        suffixes = ("", ".cn") if is_token(self.partition) or self.partition == "aws-cn" else ("",)
        regions = dict.fromkeys(self._region_of(arn) for arn in key_arns)
        return [f"{service}.{region}.amazonaws.com{suffix}" for region in regions for suffix in suffixes]

    def _region_of(self, arn: str) -> str:
        fields = Arn.parse(arn)
        return fields.region if fields and not is_token(fields.region) else self.region


def asked_once(resource: Any, name: str) -> Any:
    """Return a property that never changes, such as an ARN: several roles name one resource, each time by a trip."""
    answers: dict[str, Any] = vars(resource).setdefault(_ANSWERS_KEPT_AS, {})
    if name not in answers:
        answers[name] = getattr(resource, name)
    return answers[name]


def properties_of(resource: cdk.CfnResource) -> Mapping[str, Any]:
    """
    Return all properties of a resource as its L1 class holds them, in one trip to the CDK.

    Reading one structured property takes a trip for each of its fields.
    """
    properties: Mapping[str, Any] = resource._cfn_properties
    return properties
