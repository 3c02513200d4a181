"""What the finished tree attaches to a compute role without asking it: by the role's name, or on its own resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.policy_series import is_own
from session_scoping.constructs.cdk.stack_context import StackContext, asked_once, is_token, properties_of
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.constructs.cdk.synth_checks import FinishedTree
from session_scoping.constructs.compute.grants import UNREADABLE, document_statements, known_statements

Attached = tuple[str, Sequence[Statement]]
"""The path of what attaches, and the statements."""

_LIST_TOKEN = "#{Token["  # noqa: S105 - how the CDK writes a list that is known only at synth


@jsii.implements(cdk.IStringProducer)
class GivenName:
    """
    The name of a role as its construct gives it to others.

    It resolves to the role's own name, and to a mark while the tree is looked at. So a policy for the construct is
    told from a policy for its `policy_role`, which is there to take every grant.
    """

    def __init__(self, role: iam.Role) -> None:
        self._role, self._marking, self.mark = role, False, f"<role {id(self)}>"

    def produce(self, context: cdk.IResolveContext) -> str:  # noqa: ARG002 - the CDK's interface
        """Return the name, or the mark."""
        return self.mark if self._marking else cast(str, asked_once(self._role, "role_name"))

    def marked(self, values: Sequence[Any], context: StackContext) -> list[Any]:
        """Resolve values with the mark in place of the name."""
        self._marking = True
        try:
            return list(context.stack.resolve(list(values)))
        finally:
            self._marking = False


def attached(
    role: iam.Role, given: GivenName, role_name: str | None, tree: FinishedTree, context: StackContext
) -> Iterator[Attached]:
    """
    Return what is attached to a role without asking its construct.

    Overrides of a resource (`add_property_override`) cannot be read at synth.

    Args:
        role: The role's own construct. What names it is meant to be granted whatever it says, and is left out.
        given: Its name as others were given it.
        role_name: Its physical name, where it has one.
        tree: The app's.
        context: The stack of the role.
    """
    yield from _on_resource(tree.resource_of(role))
    named: list[tuple[cdk.CfnResource, Mapping[str, Any]]] = []
    for above, one in pairwise(tree.constructs):
        if isinstance(one, iam.CfnPolicy | iam.CfnManagedPolicy | iam.CfnRolePolicy) and not is_own(above):
            named.append((one, properties_of(one)))
    if not named:
        return
    own = {"ref": role.role_name, "arn": role.role_arn}
    # In a dict each, because a list loses what resolves to nothing.
    answers = given.marked([own, *({"roles": _raw(properties)} for _, properties in named)], context)
    names = _Names(role, given.mark, role_name, answers[0], context)
    for (policy, properties), answer in zip(named, answers[1:], strict=True):
        if names.hold(policy, _raw(properties), _listed(answer.get("roles"))):
            yield policy.node.path, _statements(properties["policyDocument"])


class _Names:
    """What a role is called in a policy that did not get its name from the role's own construct."""

    def __init__(self, role: iam.Role, mark: str, role_name: str | None, own: Any, context: StackContext) -> None:
        self._role, self._mark, self._role_name, self._context = role, mark, role_name, context
        self._ref, self._arn = own["ref"], json.dumps(own["arn"])

    def hold(self, policy: cdk.CfnResource, raw: Sequence[str], names: Sequence[Any]) -> bool:
        """Whether a policy names the role: as its construct gives it, by its physical name, by hand, or by its ARN."""
        if self._mark in names:
            return True
        if self._role_name is not None and self._role_name in names:
            return self._same_account(policy.stack)
        by_hand = len(raw) == len(names) and any(
            name == self._ref and is_token(text) and not cdk.Reference.is_reference(cdk.Tokenization.reverse(text))
            for text, name in zip(raw, names, strict=True)
        )
        by_arn = self._arn in json.dumps(names)
        if not (by_hand or by_arn):
            return False
        return policy.stack is self._context.stack or (by_arn and self._in_stack(policy.stack, raw))

    def _in_stack(self, stack: cdk.Stack, raw: Sequence[str]) -> bool:
        """Whether the ARN is meant: another stack's role of the same logical id reads the same from outside it."""
        own, names = map(json.dumps, stack.resolve([self._role.role_arn, list(raw)]))
        return own != self._arn and own in names

    def _same_account(self, stack: cdk.Stack) -> bool:
        accounts = {stack.account, self._context.account}
        return len(accounts) == 1 or any(map(is_token, accounts))


def _on_resource(resource: cdk.CfnResource) -> Iterator[Attached]:
    """Return what was set on the role's resource; the role itself is made without inline policies."""
    properties = properties_of(resource)
    for policy in _listed(properties.get("policies")):
        document = policy.get("policyDocument") if isinstance(policy, Mapping) else policy.policy_document
        yield resource.node.path, _statements(document)
    for arn in _listed(properties.get("managedPolicyArns")):
        if not arn.startswith(_LIST_TOKEN):
            yield resource.node.path, known_statements(arn)


def _raw(properties: Mapping[str, Any]) -> list[str]:
    return _listed(properties.get("roles", properties.get("roleName")))


def _statements(document: Any) -> list[Statement]:
    """Return the statements of a resource's document."""
    if isinstance(document, iam.PolicyDocument):
        return document_statements(document)
    readable = isinstance(document, Mapping) and "Statement" in document
    found = _listed(document["Statement"]) if readable else [None]
    return [_readable(one) if isinstance(one, Mapping) else UNREADABLE for one in found]


def _readable(statement: Mapping[str, Any]) -> Statement:
    """Return a statement with each resource as text; an intrinsic as the token of it."""
    effect, actions = statement.get("Effect"), _listed(statement.get("Action"))
    if effect not in ("Allow", "Deny") or not all(isinstance(name, str) for name in actions):
        return UNREADABLE
    named = {
        key: [one if isinstance(one, str) else cdk.Token.as_string(one) for one in _listed(statement[key])]
        for key in ("Resource", "NotResource")
        if key in statement
    }
    return {**statement, **named}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
