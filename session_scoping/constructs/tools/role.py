"""ToolScopedRole: what one tool may do, under the tags of the session that calls it."""

import re
from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section, tokens_in
from session_scoping.constructs.cdk.metadata import write_metadata
from session_scoping.constructs.cdk.roles import arn_by_name, require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.statements import allow, merge, tags_present
from session_scoping.constructs.cdk.synth_checks import Check, SynthChecks
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.object_overlap import check_disjoint, check_others
from session_scoping.constructs.data.objects import TenantObjects
from session_scoping.constructs.data.tables import TenantTable, check_other_tables
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.restrictions.restriction import Restriction, RestrictionSet
from session_scoping.constructs.session.access import SessionAccess
from session_scoping.constructs.session.chaining import ONWARD_ACTIONS
from session_scoping.constructs.session.role import SessionRole
from session_scoping.constructs.session.scoped_role import ScopedRole, as_tuple, check_kinds
from session_scoping.constructs.session.trust import pod_tags_beyond
from session_scoping.constructs.tools.trust import assume_conditions, tool_trust_checks, trusting
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import TOOL_NAME_TAG, TOOL_OF

_TOOL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


class ToolScopedRole(ScopedRole):
    """
    The role of one tool. A session chains into it, under the tags it has, and only sessions of its session role may.

    It reaches what it is given here and nothing else, whether the session role reaches that too or not; every Allow
    demands the tags, so it is the same task's data. Denied, whatever is granted later: onward chaining, the tenant
    data of the session role that the tool is not given, and, where tokens mint, what could forge one.

    NOT PROTECTED: credentials last up to an hour for every caller: IAM has no condition on the `DurationSeconds` of
    AssumeRole, and `TaskSession.derive` asks for 900 seconds because the client chooses to. A tool's session
    outlives the session it came from by up to that long, and code that holds the session's credentials reaches all
    its tools: this narrows what a tool holds, not what the agent may become.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        session_role: SessionRole,
        tool: str,
        tables: Sequence[TenantTable] = (),
        objects: Sequence[TenantObjects] = (),
        models: Models | None = None,
        other_objects: Sequence[str] = (),
        other_tables: Sequence[str] = (),
        name_tag: str | None = "task_id",
        restrictions: Sequence[Restriction] = (),
        role_name: str | None = None,
        path: str | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        description: str | None = None,
    ) -> None:
        """
        Make the role, and let sessions of the session role become it.

        Args:
            scope: Parent construct, in the session role's stack or, with `role_name`, in a later one.
            id: Construct id; part of the role's logical id.
            session_role: Whose sessions may use the tool. All its tags must be transitive.
            tool: Name of the tool, for readers: 1 to 64 letters, digits, `_` and `-`.
            tables: Tenant tables. Default: none.
            objects: Tenant objects. Default: none, and then nothing in S3 is denied either.
            models: Bedrock models. Default: none.
            other_objects: ARN patterns of further S3 objects, as for SessionRole. Default: none.
            other_tables: ARN patterns of further DynamoDB tables, as for SessionRole. Default: none.
            name_tag: Tag whose value the role session name must equal. Default: `task_id`. None leaves the name
                to the client: for ids that STS does not take as names (64 characters of `[A-Za-z0-9_+=,.@-]`).
            restrictions: What narrows the tool's sessions further. The session role's own hold here too.
                Default: nothing.
            role_name: Physical name. Default: CloudFormation generates one, in the session role's stack only.
            path: IAM path. Default: `/`.
            permissions_boundary: Boundary. Default: none, or what `PermissionsBoundary.of` sets.
            description: Description of the role. Default: one with the tool's name.

        Raises:
            InvalidInputError: Tags that are not transitive, a session role in another stack without `role_name`
                here, or see the arguments' own classes.
            QuotaExceededError: A document or the number of policies would exceed its quota.
        """
        tables, objects, restrictions = as_tuple(tables), as_tuple(objects), as_tuple(restrictions)
        check_kinds(tables=tables, objects=objects, models=[models], restrictions=restrictions)
        _check(session_role, tool, name_tag)
        _check_place(session_role, StackContext.of(scope), role_name)
        super().__init__(scope, id)
        keys = session_role.tag_keys
        data = TenantData.bind(self._context, keys, tables, objects)
        of_session = SessionAccess.of(session_role)
        check_disjoint([*of_session.data.objects, *data.objects], self._context)
        RestrictionSet(restrictions).check(self, keys)
        both = RestrictionSet((of_session.restrictions, *restrictions))
        self._access = SessionAccess(
            self._context,
            keys,
            of_session.minting,
            both,
            models,
            data,
            other_objects=check_others(other_objects, data.objects, self._context),
            other_tables=check_other_tables(other_tables),
        )
        inherited = pod_tags_beyond(keys) if of_session.pod_tags else ()
        demanded = assume_conditions(keys, self._access.path_tags, name_tag, inherited)
        assume = merge(demanded, both.trust_conditions(self._context))
        self._make_role(
            iam.ArnPrincipal(session_role.role_arn).with_conditions(assume),
            trusting(session_role.role_arn, assume, keys, inherited)[1:],
            role_name=role_name,
            path=path,
            permissions_boundary=permissions_boundary,
            description=description or f"Tool {tool}: one task's own data; assumed by its session only",
        )
        self._access.belong_to(self, self._role, self._own, self._sizer)
        named = {TOOL_NAME_TAG: name_tag} if name_tag else {}
        owned = {TOOL_OF: session_role.role_arn, **named, **both.metadata(self._context)}
        write_metadata(self._role, owned)
        self._access.declare_sharing()
        self._write(session_role, of_session)
        self._access.warn_of_other_tables()
        of_session.chaining.let_through(arn_by_name(self._context, role_name, path) or self._role_arn)
        SynthChecks.of(self._context).reserve(keys)

    def _write(self, session_role: SessionRole, of_session: SessionAccess) -> None:
        data = self._access.data
        # What the session reaches and the tool was not given, whatever is granted to the tool later.
        denied = [*self._access.denied(), *of_session.data.without(data).compute_guards()]
        allowed = self._access.allowed()
        become = allow("BecomeTool", ONWARD_ACTIONS, [self._role_arn], tags_present(self.tag_keys))
        chain = [Section.whole(become)]
        self._context.resolve([*tokens_in([*denied, *allowed, *chain]), *data.measurable()])
        of_session.data.register_names(self._sizer)
        data.register_names(self._sizer)
        self._write_own(denied, allowed)
        self._series("Chain").write(chain, [session_role.role])
        new = data.without(of_session.data)
        if new.tables or new.objects:
            of_session.cover(self._series("ComputeGuards"), new)

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The tags every session of the tool carries: its session role's."""
        return self._access.tag_keys

    def _checks(self) -> Iterable[Check]:
        yield from tool_trust_checks(self._role, self._sizer, self.tag_keys)
        yield from super()._checks()
        yield from self._access.chaining.finished()


def _check(session_role: SessionRole, tool: str, name_tag: str | None) -> None:
    if not isinstance(session_role, SessionRole):
        raise InvalidInputError(
            "`session_role` is not what a ToolScopedRole takes",
            got=f"a {type(session_role).__name__}",
            expected="a SessionRole of this app",
            why="its guard against chaining must except the tool, which nothing else can do",
            fix="pass the SessionRole construct itself",
        )
    if not isinstance(tool, str) or not re.fullmatch(_TOOL, tool):
        raise InvalidInputError(
            "the tool has no usable name",
            got=f"`{tool}`" if isinstance(tool, str) else f"a {type(tool).__name__}",
            expected="1 to 64 letters, digits, `_` and `-`",
            why="it is part of the role's description",
            fix="use a short name such as `search`",
        )
    if missing := [key for key in session_role.tag_keys if key not in session_role.transitive_tag_keys]:
        raise InvalidInputError(
            f"session role `{session_role.node.path}` does not hand its tags on",
            got=f"{', '.join(f'`{key}`' for key in missing)} not transitive",
            expected="every tag key in transitive_tag_keys",
            why="a tool's session would lack the tags that bind it to the task",
            fix="give the SessionRole transitive_tag_keys equal to its tag_keys",
        )
    if name_tag is not None and name_tag not in session_role.tag_keys:
        raise InvalidInputError(
            "the session name cannot be taken from a tag no session carries",
            got=f"`{name_tag}`",
            expected=f"one of {', '.join(session_role.tag_keys)}, or None",
            why="no session could use the tool",
            fix="pass name_tag=, or name_tag=None to leave the name to the client",
        )


def _check_place(session_role: SessionRole, context: StackContext, role_name: str | None) -> None:
    require_changeable(session_role.role, context)
    if StackContext.of(session_role) is not context and (role_name is None or is_token(role_name)):
        raise InvalidInputError(
            "the tool role is in another stack than its session role and has no name",
            got="no role_name known at synth",
            expected="a role_name",
            why="the session role's guard names the tool role, and a reference back would make the stacks a cycle",
            fix="pass role_name=, or make the tool role in the session role's stack",
        )
