"""Sessions derived from a session: a tool's role assumed with its credentials, or its own role under a policy."""

from collections.abc import Callable
from threading import Event

import botocore.session
from botocore.credentials import CredentialResolver
from botocore.exceptions import ClientError

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.agent.errors import AnswerRefusedError, TaskCredentialsError
from session_scoping.agent.failures import describe
from session_scoping.agent.names import RoleArn, check_session_name, session_name_for
from session_scoping.agent.session.botocore_session import OneProvider
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.session.refresh import TaskCredentials
from session_scoping.agent.session.scoped import DENIED, can_scope, of_parent, scoped_role
from session_scoping.agent.session.task_role import TaskRole
from session_scoping.agent.sources.assume_role import AssumeRole
from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError

DERIVED_SECONDS = 900
"""The least STS gives. Source: STS API_AssumeRole, DurationSeconds."""

_REFUSED = (
    "look whether the role is a ToolScopedRole of this session's role, whether this session's tags are transitive "
    f"({environment.SESSION_TRANSITIVE_TAG_KEYS}), and whether the task id can be a role session name"
)
_PACKED = (
    "shorten the session policy or the tag values: STS packs both together, and what it takes of that is less than "
    "2,048 characters of policy and not published"
)


def derived(
    parent: TaskRole,
    signer: TaskCredentials,
    region_name: str | None,
    tool_role_arn: str | None,
    session_policy: str | None,
    role_session_name: str | None,
) -> TaskRole:
    """Return where a derived session's credentials come from; `signer` are those of the parent."""
    policy = None if session_policy is None else parse_session_policy(session_policy)
    if tool_role_arn is None:
        return _narrowed(parent, signer, region_name, policy, role_session_name)
    tool = RoleArn.parse(tool_role_arn, where="tool_role_arn")
    name = session_name_for(parent.tags) if role_session_name is None else check_session_name(role_session_name)
    tool_role = _ToolRole(signer, tool, name, region_name, policy)
    return TaskRole(parent.tags, tool, name, tool_role, "STS", DERIVED_SECONDS)


def _narrowed(
    parent: TaskRole,
    signer: TaskCredentials,
    region_name: str | None,
    policy: str | None,
    role_session_name: str | None,
) -> TaskRole:
    """Return the same session with less: narrowed by itself, or by its minter where the role does not admit that."""
    if policy is None or role_session_name is not None:
        raise InvalidInputError(
            "nothing is derived",
            got="no tool_role_arn and no session_policy" if policy is None else "a role_session_name for the same role",
            expected="tool_role_arn, session_policy or both; a name with a tool role only",
            why="the new session would reach what this one reaches",
            fix="name the tool's role or pass a policy",
        )
    if not can_scope():
        minted = _Narrowed(_minter(parent.fetch, policy), None, parent.denied)
        return parent.narrowed(
            minted, longest=DERIVED_SECONDS, layers=parent.layers, after_success=parent.after_success
        )
    scoped = scoped_role(parent, signer, region_name, policy=policy, seconds=DERIVED_SECONDS, description=None)
    try:
        minter = _minter(parent.fetch, policy)
    except InvalidInputError:
        return scoped  # its only way
    preferred = _Narrowed(minter, scoped, parent.denied)
    return parent.narrowed(preferred, longest=DERIVED_SECONDS, layers=scoped.layers, after_success=parent.after_success)


def _minter(fetch: object, policy: str) -> "AssumeRole | _ToolRole":
    """Return the parent's own way to credentials, with a session policy and for a shorter time."""
    if isinstance(fetch, _ToolRole | _Narrowed):
        return fetch.narrowed(policy)
    if isinstance(fetch, AssumeRole):
        return fetch.narrowed(policy, DERIVED_SECONDS)
    raise InvalidInputError(
        "a session policy cannot narrow credentials that somebody else mints",
        got="a session whose credentials come from a provider",
        expected="one that assumes its role itself, or a tool_role_arn",
        why="only the AssumeRole call takes a policy, and this session does not make it",
        fix="let the provider pass the policy to STS, or derive a tool's role, with or without a policy",
    )


class _Narrowed:
    """The same session under a policy: narrowed by itself, or by its minter once STS has denied that to the role."""

    def __init__(self, minter: "AssumeRole | _ToolRole", scoped: TaskRole | None, denied: Event) -> None:
        self._minter, self._scoped, self._denied = minter, scoped, denied

    def __call__(self) -> object:
        if self._scoped is not None and not self._denied.is_set():
            try:
                return self._scoped.fetch()
            except AnswerRefusedError as error:
                if error.failure.reason not in DENIED:
                    raise
            self._denied.set()
        return _explained(self._minter)

    def narrowed(self, policy: str) -> "AssumeRole | _ToolRole":
        """Refuse: there is a policy already."""
        if isinstance(self._minter, _ToolRole):
            return self._minter.narrowed(policy)
        return self._minter.narrowed(policy, DERIVED_SECONDS)


class _ToolRole:
    """AssumeRole on a tool's role, signed with the session's own credentials."""

    def __init__(
        self, signer: TaskCredentials, role: RoleArn, name: str, region_name: str | None, policy: str | None
    ) -> None:
        self._signer, self._role, self._name, self._region_name = signer, role, name, region_name
        self._policy = policy
        compute = botocore.session.Session()
        compute.register_component("credential_provider", CredentialResolver([OneProvider(signer)]))
        # No tags: those of the signer are transitive, and STS rejects an inherited tag that is passed again.
        self._assume = AssumeRole(
            role=role,
            tags=None,
            session_name=name,
            region_name=region_name,
            policy=policy,
            seconds=DERIVED_SECONDS,
            compute=compute,
        )

    def __call__(self) -> CredentialSet:
        return _explained(self._assume)

    def narrowed(self, policy: str) -> "AssumeRole | _ToolRole":
        """Return the same tool's role under a policy, or refuse where there is one."""
        if self._policy is not None:
            return self._assume.narrowed(policy, DERIVED_SECONDS)
        return _ToolRole(self._signer, self._role, self._name, self._region_name, policy)


def _explained(assume: Callable[[], CredentialSet]) -> CredentialSet:
    """Ask, and where that fails say what it means for a derived session; nothing from the wire is quoted."""
    try:
        return assume()
    except TaskCredentialsError as error:
        raise AnswerRefusedError(of_parent(error, "AssumeRole")) from None
    except ClientError as error:
        failure = describe(error, source="STS")
        if failure.reason in DENIED:
            failure = failure._replace(fix=_REFUSED)
        elif failure.reason == "PackedPolicyTooLarge":
            failure = failure._replace(fix=_PACKED)
    raise AnswerRefusedError(failure)
