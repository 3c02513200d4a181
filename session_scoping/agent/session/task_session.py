"""`TaskSession`: the AWS session of one task, which no other credentials can sign for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from session_scoping.agent.session.botocore_session import boto3_session_of, session_with_one_provider
from session_scoping.agent.session.clients import Clients
from session_scoping.agent.session.clock import Clock, utc_now
from session_scoping.agent.session.credential_set import refuse_copy
from session_scoping.agent.session.refresh import TaskCredentials
from session_scoping.agent.session.refresh_attempt import OnRefresh
from session_scoping.agent.session.task_role import CredentialProvider, TaskRole, minted_role
from session_scoping.agent.sources.assume_role import DURATION_SECONDS
from session_scoping.contract.tags import SessionTags

if TYPE_CHECKING:
    from session_scoping.agent.session.identity import Identity
    from session_scoping.agent.sources.token_source import Token


class TaskSession(Clients):
    """
    The AWS session of one task. `close` it, or use it in a `with` block, when the task has ended.

    Construction makes no call. The first call of a client assumes the role; later ones refresh it, as long
    as the task runs. Whatever fails, no other credentials sign: the call raises TaskCredentialsError.
    Threads may share a session, and each task in a process has its own. A forked child refreshes by itself;
    pickling and copying are refused.

    Args:
        tags: The task's tags. Sent unchanged with every AssumeRole.
        role_arn: The session role. Default: AGENT_SESSION_ROLE_ARN.
        credentials: Where credentials come from: a callable that returns a CredentialSet, or a mapping in
            STS's spelling, from a broker that authenticates the task. It is called anew for every refresh.
            Default: AssumeRole on `role_arn`, signed by the compute role.
        role_session_name: 2 to 64 characters CloudTrail shows. Default: made by `session_name_for`.
        session_policy: JSON that narrows the session below the role's policies, up to 2,048 characters.
            Default: none. Not with `credentials`: the minter narrows.
        source_identity: What CloudTrail shows for every call of this session and of sessions chained from it, 2 to
            64 characters; sent with every AssumeRole, since STS allows no later change. Needs
            `sts:SetSourceIdentity` in the compute role's policy and in the role's trust. Default: none. Not with
            `credentials`: the minter sets it.
        region_name: Default Region of the clients and of STS. Default: AWS_DEFAULT_REGION,
            AWS_REGION, then the profile's.
        clock: Returns the time of day as an aware datetime. Default: the system's clock.
        on_refresh: Gets a RefreshEvent after each attempt at new credentials, this session's and those of sessions
            derived from it. It is called in a background thread, once no caller waits; what it raises is dropped.
            Default: nobody is told.

    Raises:
        InvalidInputError: No role and no provider; a blank or malformed ARN, name or policy; tags that are
            not the ones AGENT_SESSION_TAG_KEYS demands. It is a ValueError.

    Source:
        STS AssumeRole: `DurationSeconds` is 3600, the cap for chained sessions.
    """

    def __init__(
        self,
        tags: SessionTags,
        *,
        role_arn: str | None = None,
        credentials: CredentialProvider | None = None,
        role_session_name: str | None = None,
        session_policy: str | None = None,
        source_identity: str | None = None,
        region_name: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        on_refresh: OnRefresh | None = None,
    ) -> None:
        task = minted_role(
            tags,
            role_arn=role_arn,
            credentials=credentials,
            role_session_name=role_session_name,
            session_policy=session_policy,
            source_identity=source_identity,
            region_name=region_name,
        )
        self._settle(task, region_name, Clock(clock), on_refresh)

    def _settle(self, task: TaskRole, region_name: str | None, timer: Clock, on_refresh: OnRefresh | None) -> Self:
        self._task = task
        self._on_refresh = on_refresh
        self._credentials = TaskCredentials(
            task.fetch,
            source=task.source,
            longest=task.longest,
            clock=timer,
            account_id=None if task.role is None else task.role.account,
            on_refresh=on_refresh,
            after_success=task.after_success,
        )
        self._botocore = session_with_one_provider(self._credentials, region_name)
        super().__init__(boto3_session_of(self._botocore))
        return self

    @classmethod
    def from_token(
        cls,
        token: "Token | None" = None,
        *,
        broker: str | None = None,
        role_arn: str | None = None,
        duration_seconds: int = DURATION_SECONDS,
        region_name: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        on_refresh: OnRefresh | None = None,
    ) -> Self:
        """
        Return the session of the task a signed token names, whatever the compute role could mint.

        The token is read now, for its tags and source identity, and again for every set of credentials; no call is
        made to AWS yet. A token that has been renewed is used, one of another task is refused.

        Args:
            token: Path of a file that only this user may read, or a function that returns the token; it has ten
                seconds. Default: the file AGENT_TASK_TOKEN_FILE names.
            broker: Name or ARN of the credential broker's function, invoked by the compute role. Default:
                AGENT_CREDENTIAL_BROKER; where that is absent too, the token is shown to STS as a web identity.
            role_arn: The session role. Default: AGENT_SESSION_ROLE_ARN. With a broker it may be absent: then the
                role is the one the first answer names, and `verify()` compares GetCallerIdentity with that.
            duration_seconds: How long a web identity session lasts, 900 to 43,200 and at most the role's
                MaxSessionDuration; never longer than the token, rounded up to 900. A broker gives one hour at most.
                Default: 3600.
            region_name: As for TaskSession. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
            clock: As for TaskSession. Default: the system's clock.
            on_refresh: As for TaskSession. Default: nobody is told.

        Raises:
            InvalidInputError: No token, or neither broker nor role; a malformed name; tags that are not the ones
                AGENT_SESSION_TAG_KEYS demands.
            TaskCredentialsError: The token cannot be read: `TokenUnreadable`, `TokenMalformed`, `Timeout`.
        """
        # Here, as in other methods: importing this module must stay cheap.
        from session_scoping.agent.sources.token_exchange import task_role_of_token

        timer = Clock(clock)
        task = task_role_of_token(
            token,
            broker=broker,
            role_arn=role_arn,
            duration_seconds=duration_seconds,
            region_name=region_name,
            now=timer.now,
        )
        return cls.__new__(cls)._settle(task, region_name, timer, on_refresh)

    def __repr__(self) -> str:
        role = self._task.role
        return f"TaskSession({self.tags!r}, {'a credential provider' if role is None else role.text})"

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    @property
    def tags(self) -> SessionTags:
        """The task's tags."""
        return self._task.tags

    @property
    def role_session_name(self) -> str:
        """The name CloudTrail shows; it holds the task id."""
        return self._task.session_name

    @property
    def expires_at(self) -> datetime | None:
        """When the present credentials end; they sign until 60 seconds before. None before the first use. No call."""
        return self._credentials.expires_at

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._botocore.closed

    def close(self) -> None:
        """
        End the session in this process: its clients sign nothing more, and their connections are closed.

        Calls from then on raise TaskCredentialsError, whose reason is `Closed`; a call under way may still end. The
        sessions that `derive` and `scoped` made of it are closed too. AWS goes on to accept the keys until they
        expire, with any holder of a copy: `session-scoping revoke` is for that.
        """
        self._credentials.close()
        self._botocore.close()

    def derive(
        self,
        *,
        tool_role_arn: str | None = None,
        session_policy: str | None = None,
        role_session_name: str | None = None,
    ) -> Self:
        """
        Return a session of the same task with less: a tool's role, a session policy, or a tool's role under a policy.

        No call is made yet. The new session refreshes by itself, with credentials of 900 seconds, the least that
        AssumeRole gives; IAM cannot require that, this method asks for it. A tool's role is assumed with this
        session's credentials and inherits its tags. A policy alone is applied as `scoped` does; where STS denies that,
        or botocore lacks it, this session's own minter sends it with AssumeRole.

        Args:
            tool_role_arn: ARN of a ToolScopedRole. Default: this session's own role, with `session_policy`.
            session_policy: JSON, up to 2,048 characters; what it does not allow is taken away. Default: none.
            role_session_name: For a tool role that takes the name from another tag than `task_id`. Default: as
                `session_name_for` makes it from the tags; without a tool role, this session's name.

        Raises:
            InvalidInputError: Neither is given; a malformed ARN, policy or name; a fourth policy on one session; where
                botocore lacks GetScopedCredentials a second one, or one for credentials of a provider.

        Source:
            STS API_AssumeRole: inherited transitive tags must not be sent again; DurationSeconds is at least 900.
        """
        from session_scoping.agent.session.derived import derived

        region_name = self._boto3.region_name
        return self._with_less(
            derived(self._task, self._credentials, region_name, tool_role_arn, session_policy, role_session_name)
        )

    def scoped(
        self,
        *,
        policy: str | Mapping[str, Any] | None = None,
        seconds: int | None = None,
        description: str | None = None,
    ) -> Self:
        """
        Return this session with less: fewer rights, less time, or both, given by STS GetScopedCredentials.

        No call is made yet. This session's own credentials sign, so it works for every way to credentials, a broker's
        and a provider's too; role, session name, tags and source identity stay. The new session refreshes from this
        one, never lasts longer than it and ends when this one is closed. The role must admit it:
        `SessionRole(narrowing=True)`. Not protected: a holder of this session's credentials still has all of them.

        Args:
            policy: JSON text, or the policy as a mapping, up to 2,048 characters; what it does not allow is taken away.
                Up to three apply to one session, each under the one before. Default: none.
            seconds: 120 to 129,600: how long each set of credentials may last. Default: as long as this session's.
            description: 2 to 256 characters that CloudTrail shows with the call. Default: none.

        Raises:
            InvalidInputError: Neither policy nor seconds; a malformed or fourth policy; a value out of range; the
                installed botocore, older than 1.44.7, lacks the call.

        Source:
            STS API_GetScopedCredentials.
        """
        from session_scoping.agent.session.scoped import scoped_role

        region_name = self._boto3.region_name
        return self._with_less(
            scoped_role(
                self._task, self._credentials, region_name, policy=policy, seconds=seconds, description=description
            )
        )

    def _with_less(self, task: TaskRole) -> Self:
        timer = self._credentials.timer
        new = type(self).__new__(type(self))._settle(task, self._boto3.region_name, timer, self._on_refresh)
        self._botocore.close_with(new)
        return new

    def verify(self, *, patience_seconds: float = 0.0) -> "Identity":
        """
        Prove that the session is the task's own: call this once, before the task starts.

        Assumes the role (unless that has happened), then asks GetCallerIdentity with the result. It does not
        prove which tags the session carries, which AWS does not say: the role's trust policy demands them.

        Args:
            patience_seconds: How long to go on while STS throttles or cannot be reached, for either call, after up
                to five attempts of each in ten seconds: 30 to 45 seconds pass between rounds. Default: 0, one round.
                Where a hundred thousand tasks start at once, STS itself needs 170 seconds to serve them.

        Returns:
            The session's ARN and account.

        Raises:
            TaskCredentialsError: There are no credentials, or GetCallerIdentity got no answer that can be read.
            NotScopedError: The identity is not this role and session name, or there is no role to compare with.
        """
        from session_scoping.agent.session.identity import prove_patiently

        return prove_patiently(
            self._botocore,
            role=self._task.role,
            learned=self._task.learned,
            session_name=self._task.session_name,
            patience_seconds=patience_seconds,
            clock=self._credentials.timer,
        )
