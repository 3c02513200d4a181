"""Values that stacks show to others: an account and a Region have exports of their own."""

from collections.abc import Iterable

from session_scoping.verify.intrinsics.scope import Output, Scope
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text


def with_stack_name(name: Text, scope: Scope) -> Text:
    """Return the name of an export with the name of its stack filled in, where that is known for certain."""
    token = Token(f"{scope.name}.AWS::StackName", "stack")
    return join_text(*((scope.deployed_as if part == token and scope.deployed_as else part,) for part in name))


def find(key: str, among: Iterable[Output], account: str, region: str) -> Output | Unmodelled | None:
    """
    Return what a name stands for in an account and Region, either empty when it is left open; None for nothing.

    Source:
        CloudFormation using-cfn-stack-exports: export names are unique within a Region, for each account.
    """
    found = [output for output in among if output.name == key]
    near = [o for o in found if _may_be(o.owner.account, account) and _may_be(o.owner.region, region)]
    # What is left open is one account and Region: the stacks that leave it open are deployed together.
    exact = [o for o in near if (o.owner.account, o.owner.region) == (account, region)]
    chosen = exact or near
    if len(chosen) > 1:
        return Unmodelled(f"`{key}` is exported by {len(chosen)} stacks or outputs, and nothing says which one counts")
    return chosen[0] if chosen else None


def _may_be(one: str, other: str) -> bool:
    return one == other or not one or not other
