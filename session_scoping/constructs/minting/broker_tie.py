"""BrokerTie: what a credential broker and its session role need of each other. No module of Lambda is loaded for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import deny
from session_scoping.constructs.data.tables import every_region
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError

_BECOME = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
_KEPT_AS = "_session_scoping_tie"


class BrokerTie:
    """
    What ties a credential broker to its one session role.

    Args:
        broker: The broker.
        context: Its stack.
        function: Its function.
        table: Its revocations: who deletes one lets a revoked token pass.
        role: Its role.
    """

    def __init__(
        self,
        broker: Construct,
        context: StackContext,
        function: cdk.aws_lambda.Function,
        table: cdk.aws_dynamodb.ITable,
        role: iam.IRole,
    ) -> None:
        self._broker, self._context = broker, context
        self._function, self._table, self._role = function, table, role
        self._served: Construct | None = None
        vars(broker)[_KEPT_AS] = self

    @classmethod
    def of(cls, broker: Construct) -> BrokerTie:
        """Return that of a credential broker."""
        tie: BrokerTie = vars(broker)[_KEPT_AS]
        return tie

    def serve(
        self, session_role: Construct, arn: str, tag_keys: Sequence[str], transitive_tag_keys: Sequence[str]
    ) -> None:
        """
        Tell the function its one session role.

        Raises:
            InvalidInputError: It serves another one, or the two need each other from different stacks.
        """
        if self._served is not None:
            raise InvalidInputError(
                f"credential broker `{self._broker.node.path}` would serve two session roles",
                got="a second SessionRole",
                expected="one session role for a broker",
                why="a token would choose between roles nobody named in it",
                fix="make a CredentialBroker for each session role; they may share the signing key, not the audience",
            )
        # An ARN spelled from the role's name holds at most pseudo parameters; a reference holds no `role/`.
        if StackContext.of(session_role) is not self._context and "role/" not in arn:
            raise InvalidInputError(
                f"credential broker `{self._broker.node.path}` is in another stack than its session role",
                got="a session role without a name of its own",
                expected="a `role_name` on the SessionRole, or both in one stack",
                why="the function would need the role and the role the function: a cycle of stacks",
                fix="give the SessionRole a role_name",
            )
        self._served = session_role
        self._function.add_environment(environment.BROKER_SESSION_ROLE_ARN, arn)
        self._function.add_environment(environment.BROKER_TAG_KEYS, ",".join(tag_keys))
        if transitive_tag_keys:
            self._function.add_environment(environment.BROKER_TRANSITIVE_TAG_KEYS, ",".join(transitive_tag_keys))

    def function_metadata(self) -> str:
        """Return what the session role's Metadata calls it: a reference there would be a circular dependency."""
        if self._served is None or StackContext.of(self._served) is not self._context:
            return self._function.function_arn
        return cast(cdk.CfnResource, self._function.node.default_child).logical_id

    def guarded(self, *, may_invoke: bool) -> list[Section]:
        """
        Return the Denies that keep a role from changing what mints.

        INVARIANT: they hold when somebody later allows `lambda:*`, `dynamodb:*` or `sts:*`; `iam:*` is denied as well.

        Args:
            may_invoke: Whether exchanging a token stays possible: for compute roles, not for sessions.
        """
        arn = self._function.function_arn
        # In every Region: a row deleted in a replica is deleted here too.
        everywhere = every_region(self._table, self._context)
        calls = {"Resource": [arn, f"{arn}:*"]}
        scope = {"NotAction": ["lambda:InvokeFunction"], **calls} if may_invoke else {"Action": ["lambda:*"], **calls}
        return [
            Section.whole(
                deny("DenyBroker", scope),
                deny("DenyRevocations", {"Action": ["dynamodb:*"], "Resource": [everywhere, f"{everywhere}/*"]}),
                deny("DenyBrokerRole", {"Action": list(_BECOME), "Resource": [self._role.role_arn]}),
            )
        ]
