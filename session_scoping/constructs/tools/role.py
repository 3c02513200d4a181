"""ToolScopedRole: what one tool may do, under the tags of the session that calls it."""

import re
from collections.abc import Iterable, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.cdk.documents import Section, tokens_in
from session_scoping.constructs.cdk.metadata import write_metadata
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.roles import require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.statements import allow, merge, tags_present
from session_scoping.constructs.cdk.synth_checks import Check, SynthChecks
from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.object_overlap import check_disjoint, check_others
from session_scoping.constructs.data.objects import TenantObjects
from session_scoping.constructs.data.tables import TenantTable
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.minting.guards import session_guards
from session_scoping.constructs.restrictions.restriction import Restriction, RestrictionSet
from session_scoping.constructs.session import guards
from session_scoping.constructs.session.arguments import as_tuple, check_kinds
from session_scoping.constructs.session.chaining import ONWARD_ACTIONS
from session_scoping.constructs.session.policies import SessionPolicies
from session_scoping.constructs.session.role import SessionRole
from session_scoping.constructs.tools.trust import assume_conditions, tool_trust_checks, trusting
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import SHARED_BY, TOOL_NAME_TAG, TOOL_OF

_TOOL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


class ToolScopedRole(Construct):
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
        name_tag: str | None = "task_id",
        limits: Sequence[Restriction] = (),
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
            name_tag: Tag whose value the role session name must equal. Default: `task_id`. None leaves the name
                to the client: for ids that STS does not take as names (64 characters of `[A-Za-z0-9_+=,.@-]`).
            limits: What narrows the tool's sessions beyond the session role's own limits, which hold here too.
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
        tables, objects, limits = as_tuple(tables), as_tuple(objects), as_tuple(limits)
        check_kinds(tables=tables, objects=objects, models=[models], limits=limits)
        _check(session_role, tool, name_tag)
        self._context = StackContext.of(scope)
        _check_place(session_role, self._context, role_name)
        super().__init__(scope, id)
        self._session_role, self._tag_keys = session_role, session_role.tag_keys
        self._sizer = PolicySizer.at(self._context)
        self._data = TenantData.bind(self._context, self._tag_keys, tables, objects)
        check_disjoint([*session_role._data.objects, *self._data.objects])
        RestrictionSet(limits).check(self, self._tag_keys)
        self._restrictions = RestrictionSet((session_role._restrictions, *limits))
        self._role = self._make_role(
            name_tag,
            role_name=role_name,
            path=path,
            permissions_boundary=permissions_boundary,
            description=description or f"Tool {tool}: one task's own data; assumed by its session only",
        )
        self._policies = SessionPolicies(
            self, self._context, self._sizer, self._role, self._role.role_arn, compute_roles_mint=False
        )
        self._write_metadata(name_tag)
        self._write(models, check_others(other_objects, self._data.objects))
        name = None if role_name is None or is_token(role_name) else role_name
        known = self._context.arn("iam", f"role{path or '/'}{name}", region="") if name else self._role.role_arn
        session_role._policies.chaining.let_through(known)
        SynthChecks.of(self._context).reserve(self._tag_keys)
        SynthChecks.of(self._context).add(self._finished)

    def _make_role(self, name_tag: str | None, **options: object) -> iam.Role:
        path_tags = self._data.path_tags(self._tag_keys)
        demanded = assume_conditions(self._tag_keys, path_tags, name_tag)
        assume = merge(demanded, self._restrictions.trust_conditions(self._context))
        statements = trusting(self._session_role.role_arn, assume, self._tag_keys)
        principal = iam.ArnPrincipal(self._session_role.role_arn).with_conditions(assume)
        role = iam.Role(
            self,
            "Role",
            assumed_by=principal,
            # The least IAM takes, and chaining is capped there anyway.
            max_session_duration=cdk.Duration.hours(1),
            **options,  # type: ignore[arg-type]
        )
        cast(iam.PolicyDocument, role.assume_role_policy).add_statements(*statements[1:])
        return role

    def _write(self, models: Models | None, other_objects: Sequence[str]) -> None:
        base = tags_present(self._tag_keys)
        denied = [
            *guards.tag_sections(self._tag_keys, self._data.path_tags(self._tag_keys)),
            *guards.chaining_sections(),
            *session_guards(self._session_role._minting),
            *self._restrictions.guards(self._context),
            *self._data.guards(other_objects),
            # What the session reaches and the tool was not given, whatever is granted to the tool later.
            *self._session_role._data.without(self._data).compute_guards(),
        ]
        allowed = [*self._data.permissions(base), *(models.sections(self._context, base) if models else [])]
        chain = [Section.whole(allow("BecomeTool", ONWARD_ACTIONS, [self._role.role_arn], base))]
        self._context.resolve([*tokens_in([*denied, *allowed, *chain]), *self._data.measurable()])
        self._session_role._data.teach(self._sizer)
        self._data.teach(self._sizer)
        self._policies.write_own(denied, allowed)
        chaining = self._policies.series("Chain")
        chaining.write(chain, [self._session_role.role])
        new = self._data.without(self._session_role._data)
        if new.tables or new.objects:
            self._session_role._cover(self._policies.series("ComputeGuards"), new.compute_guards())

    def _write_metadata(self, name_tag: str | None) -> None:
        """Write down what the verifier holds this role to."""
        metadata = {TOOL_OF: self._session_role.role_arn}
        if name_tag:
            metadata[TOOL_NAME_TAG] = name_tag
        write_metadata(self._role, {**metadata, **self._restrictions.metadata(self._context)})
        if shared := self._data.shared_by(self._tag_keys):
            write_metadata(self._role, {SHARED_BY: shared})

    @property
    def role(self) -> iam.Role:
        """The role. Grants added to it stay inside the guards."""
        return self._role

    @property
    def role_arn(self) -> str:
        """ARN of the role, for `TaskSession.derive`."""
        return self._role.role_arn

    @property
    def role_name(self) -> str:
        """Name of the role."""
        return self._role.role_name

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The tags every session of the tool carries: its session role's."""
        return self._tag_keys

    def _finished(self) -> Iterable[Check]:
        yield from tool_trust_checks(self._role, self._sizer, self._tag_keys)
        yield from self._policies.finished()


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
            why="it stands in the role's description",
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
    if session_role._context is not context and (role_name is None or is_token(role_name)):
        raise InvalidInputError(
            "the tool role stands in another stack than its session role and has no name",
            got="no role_name known at synth",
            expected="a role_name",
            why="the session role's guard names the tool role, and a reference back would make the stacks a cycle",
            fix="pass role_name=, or make the tool role in the session role's stack",
        )
