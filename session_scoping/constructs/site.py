"""Where a construct stands: its stack, partition, Region and account, read from the CDK once."""

from dataclasses import dataclass
from functools import cached_property

import aws_cdk as cdk
from constructs import IConstruct

_TOKEN = "${Token["  # noqa: S105 - the CDK's marker of an unresolved string, not a secret


def is_token(text: str) -> bool:
    """Whether a string is known only at deployment; `cdk.Token.is_unresolved` without the trip to Node."""
    return _TOKEN in text


@dataclass(frozen=True)
class Site:
    """The stack a construct stands in."""

    stack: cdk.Stack

    @classmethod
    def of(cls, scope: IConstruct) -> "Site":
        """Return the site of a construct."""
        return cls(cdk.Stack.of(scope))

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

    def via_service(self, service: str) -> list[str]:
        """
        Return the values `kms:ViaService` can have for a service in this Region.

        Both endpoint suffixes where the partition may be China: KMS documents the key by the endpoint's name,
        and no page says which suffix the China partition sends. Either one can only be the AWS service.
        """
        hosts = [f"{service}.{self.region}.amazonaws.com"]
        if is_token(self.partition) or self.partition == "aws-cn":
            hosts.append(f"{hosts[0]}.cn")
        return hosts
