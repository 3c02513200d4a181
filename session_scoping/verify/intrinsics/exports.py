"""Values that stacks show to others, and the intrinsics that ask for them: each account and Region has its own."""

from collections.abc import Iterable
from typing import Any

from session_scoping.verify.intrinsics.evaluating import handles, text_of
from session_scoping.verify.intrinsics.scope import Output, Scope
from session_scoping.verify.patterns.naming import CDK_EXPORT
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, join_text, plain, show


def link(scopes: list[Scope]) -> list[Scope]:
    """Make the exports and outputs of every scope visible to all the others."""
    exports = tuple(export for scope in scopes for export in _exports(scope))
    outputs = tuple(output for scope in scopes for output in _outputs(scope))
    for scope in scopes:
        scope.exports, scope.stack_outputs = exports, outputs
    return scopes


def _exports(scope: Scope) -> Iterable[Output]:
    for output in scope.section("Outputs").values():
        export = output.get("Export") if isinstance(output, dict) else None
        name = text_of(export["Name"], scope) if isinstance(export, dict) and "Name" in export else ()
        key = None if isinstance(name, Unmodelled) else plain(with_stack_name(name, scope))
        if key:
            yield Output(key, output.get("Value"), scope)


def _outputs(scope: Scope) -> Iterable[Output]:
    for name, output in scope.section("Outputs").items():
        # What a nested stack is called has a `/` in it, which nobody can ask for: its name is made when it deploys.
        if isinstance(output, dict) and "Value" in output:
            yield Output(f"{scope.stack_name or scope.name}.{name}", output["Value"], scope)


@handles("Fn::ImportValue")
def _import(argument: Any, scope: Scope) -> Text | Unmodelled:
    name = text_of(argument, scope)
    if isinstance(name, Unmodelled):
        return Unmodelled(f"{scope.name}: an Fn::ImportValue whose name is computed: {name.reason}")
    key = plain(with_stack_name(name, scope))
    if key is None:
        return Unmodelled(f"{scope.name}: an Fn::ImportValue of {show(name)}, a name only known at deploy time")
    return _exported(key, find(key, scope.exports, scope.account, scope.region), scope)


_NOT_READ = "no export or output of this very name was read; only a cdk.out says what its stacks are called"


def _exported(key: str, found: Output | Unmodelled | None, scope: Scope) -> Text | Unmodelled:
    if isinstance(found, Unmodelled):
        return Unmodelled(f"{scope.name}: {found.reason}")
    if found is not None:
        return text_of(found.value, found.owner)
    if CDK_EXPORT.search(key):
        scope.notes.add(f"the import `{key}` is the name or ARN of one resource, as CDK writes it")
        return (Token(f"{key}{scope.env}", "plain"),)
    return (Token(f"{key}{scope.env}", "free", _NOT_READ),)


@handles("Fn::GetStackOutput")
def _stack_output(argument: Any, scope: Scope) -> Text | Unmodelled:
    """
    An output of another stack by name: what CDK writes for references between stacks since its weak exports.

    It may say another Region, and a role of another account to read the output with.
    """
    if not isinstance(argument, dict):
        return Unmodelled(f"{scope.name}: a malformed Fn::GetStackOutput")
    stack, output, region = (
        None if isinstance(text, Unmodelled) else plain(text)
        for text in (text_of(argument.get(part, ""), scope) for part in ("StackName", "OutputName", "Region"))
    )
    if not stack or not output:
        return Unmodelled(f"{scope.name}: an Fn::GetStackOutput whose names are computed")
    key = f"{stack}.{output}"
    account = "" if "RoleArn" in argument else scope.account
    region = (region or "") if "Region" in argument else scope.region
    return _exported(key, find(key, scope.stack_outputs, account, region), scope)


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
