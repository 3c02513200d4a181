"""Who may mint sessions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.constructs.cdk.roles import require_changeable, require_distinct
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.compute.denies import assumed_arns
from session_scoping.constructs.compute.role import AnyRole, ScopedComputeRole, policy_role
from session_scoping.constructs.minting.trusted_issuer import AnyProvider, TrustedIssuer
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import DEFAULT_SUBJECT

if TYPE_CHECKING:
    from session_scoping.constructs.minting.credential_broker import CredentialBroker

Mode = Literal["compute", "orchestrator", "credential-broker", "web-identity"]

MINT_ACTIONS = ("sts:AssumeRole", "sts:TagSession")


@dataclass(frozen=True)
class Minting:
    """
    The explicit choice of who may mint a session: the compute roles themselves, or somebody out of their reach.

    Build it with `by_compute_roles`, `by_orchestrator`, `by_credential_broker` or `by_web_identity`.

    Attributes:
        mode: `compute`, `broker`, `credential-broker` or `web-identity`.
        minters: The roles that may assume the session role and choose its tags. By web identity none may.
        compute_roles: The roles agent code runs under. Tenant data is denied to them.
        credential_broker: The function that exchanges task tokens, in its mode.
        web_identity: The issuer whose tokens the session role trusts, in its mode.
        max_session: The longest session. None: one hour, where role chaining is capped whatever is set.
        may_assume: ARNs of the roles that compute roles may become in addition to the session roles they mint for.
    """

    mode: Mode
    minters: tuple[AnyRole, ...]
    compute_roles: tuple[AnyRole, ...]
    credential_broker: "CredentialBroker | None" = None
    web_identity: TrustedIssuer | None = None
    max_session: cdk.Duration | None = None
    may_assume: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InvalidInputError(
                "unknown mode of minting",
                got=f"`{self.mode}`",
                expected=" or ".join(f"`{mode}`" for mode in get_args(Mode)),
                why="it decides what is denied to compute roles",
                fix="use Minting.by_compute_roles or another of its builders",
            )
        minters = tuple(map(_wrapped, self.minters))
        object.__setattr__(self, "minters", minters)
        compute_roles = minters if self.mode == "compute" else tuple(map(_wrapped, self.compute_roles))
        object.__setattr__(self, "compute_roles", compute_roles)
        roles = self.minters if self.mode == "compute" else (*self.minters, *self.compute_roles)
        _check_distinct(roles, nobody_is_fine=self.mode == "web-identity")
        others = [role if isinstance(role, str) else _wrapped(role) for role in self.may_assume]
        object.__setattr__(self, "may_assume", assumed_arns(others, () if self.mode == "compute" else minters))

    @property
    def compute_roles_mint(self) -> bool:
        """Whether agent code can choose its own tags."""
        return self.mode == "compute"

    @property
    def by_token(self) -> bool:
        """Whether a session's tags come from a signed token and from nowhere else."""
        return self.mode in ("credential-broker", "web-identity")

    @classmethod
    def by_compute_roles(cls, *roles: AnyRole, may_assume: Sequence[AnyRole | str] = ()) -> "Minting":
        """
        Return minting by the agents' own compute roles.

        NOT PROTECTED: code that can read the compute role's credentials can mint a session for any task. This
        bounds leaked session credentials and honest bugs only; the construct warns about it at synth.

        Args:
            roles: The compute roles: a ScopedComputeRole, or a role that exists.
            may_assume: Roles, or their ARNs, that these roles must still assume. Default: none but session roles.

        Raises:
            InvalidInputError: No role, or one role twice; or `may_assume` holds what is not the ARN of one role.
        """
        return cls("compute", roles, roles, may_assume=_listed(may_assume))

    @classmethod
    def by_orchestrator(
        cls,
        orchestrator: AnyRole,
        *,
        compute_roles: Sequence[AnyRole] = (),
        may_assume: Sequence[AnyRole | str] = (),
    ) -> "Minting":
        """
        Return minting by one role outside the agents' reach, such as the orchestrator's.

        NOT PROTECTED: an orchestrator that mints for any id it is asked for moves the hole instead of closing it. It
        must authenticate the requests it acts on.

        Args:
            orchestrator: The only role that may mint.
            compute_roles: Roles agent code runs under: tenant data and all other roles are denied to them.
            may_assume: Roles, or their ARNs, that the compute roles must still assume. Default: none.

        Raises:
            InvalidInputError: The orchestrator is also a compute role or in `may_assume`, one role is given twice, or
                `may_assume` holds what is not the ARN of one role.
        """
        return cls("orchestrator", (orchestrator,), _listed(compute_roles), may_assume=_listed(may_assume))

    @classmethod
    def by_credential_broker(
        cls,
        broker: "CredentialBroker",
        *,
        compute_roles: Sequence[AnyRole] = (),
        may_assume: Sequence[AnyRole | str] = (),
    ) -> "Minting":
        """
        Return minting by a `CredentialBroker`, which takes every tag from a signed task token.

        NOT PROTECTED: a holder of a task's token gets that task's credentials until the token expires or is revoked.
        A principal that may sign with its key, or change its function or role, may mint anything.

        Args:
            broker: The function. It serves one session role.
            compute_roles: Roles agent code runs under: they may invoke the function, and are denied tenant data,
                all other roles, the signing key, and changing the function or the revocations. Default: none, which
                warns.
            may_assume: Roles, or their ARNs, that the compute roles must still assume. Default: none.

        Raises:
            InvalidInputError: It is no CredentialBroker, one role is given twice, or `may_assume` holds the broker's
                role, or what is not the ARN of one role.
        """
        role = getattr(broker, "role", None)
        if role is None or not hasattr(broker, "signing_key"):
            raise InvalidInputError(
                "the credential broker is none",
                got=f"a {type(broker).__name__}",
                expected="a CredentialBroker",
                why="a role or function of another kind checks no task token",
                fix="pass the CredentialBroker; Minting.by_orchestrator(role) trusts a role",
            )
        listed = _listed(compute_roles)
        return cls("credential-broker", (role,), listed, credential_broker=broker, may_assume=_listed(may_assume))

    @classmethod
    def by_web_identity(
        cls,
        provider: AnyProvider,
        *,
        audience: str | None = None,
        subject: str = DEFAULT_SUBJECT,
        issuer: str | None = None,
        compute_roles: Sequence[AnyRole] = (),
        may_assume: Sequence[AnyRole | str] = (),
        max_session: cdk.Duration | None = None,
    ) -> "Minting":
        """
        Return minting by the holder of a token of one OIDC issuer: `sts:AssumeRoleWithWebIdentity`.

        No role is assumed by another, so sessions may last up to twelve hours. Nothing stands between the token and
        STS: a token cannot be revoked, only its sessions denied.

        NOT PROTECTED: a principal that may sign with the issuer's key, or change its key set, may mint anything.

        Args:
            provider: A `TaskTokenIssuer`, or the IAM OIDC provider of an issuer that exists.
            audience: The one `aud` that is trusted. Default: the TaskTokenIssuer's.
            subject: The one `sub` that is trusted. Default: `agent-task`, the default of task tokens.
            issuer: The issuer's URL, spelled out. Default: what a TaskTokenIssuer, or a provider's literal ARN, says.
            compute_roles: Roles agent code runs under: tenant data and all other roles are denied to them. Default:
                none, which warns.
            may_assume: Roles, or their ARNs, that the compute roles must still assume. Default: none.
            max_session: The longest session, one to twelve hours. Default: one hour.

        Raises:
            InvalidInputError: The issuer is unknown, a pattern, or another one than the provider's; audience or
                subject is no literal; or `max_session` is out of range.
        """
        if max_session is not None:
            _check_max_session(max_session)
        identity = TrustedIssuer.of(provider, issuer=issuer, audience=audience, subject=subject)
        roles, others = _listed(compute_roles), _listed(may_assume)
        return cls("web-identity", (), roles, web_identity=identity, max_session=max_session, may_assume=others)


def checked_roles(minting: Minting, context: StackContext) -> tuple[list[iam.IRole], list[str]]:
    """
    Return the minters and their ARNs.

    Raises:
        InvalidInputError: A role cannot be changed, or is named twice under two imports.
    """
    minters = [policy_role(role) for role in minting.minters]
    compute_roles = [policy_role(role) for role in minting.compute_roles]
    around = minters if minting.compute_roles_mint else [*minters, *compute_roles]
    for role in around:
        require_changeable(role, context)
    arns = [role.role_arn for role in around]
    require_distinct(around, arns)
    return minters, arns[: len(minters)]


def require_open(minting: Minting, path: str) -> None:
    """
    Refuse a further minter where the token decides.

    Raises:
        InvalidInputError: Sessions of the role at this path are minted by token.
    """
    if minting.by_token:
        raise InvalidInputError(
            f"session role `{path}` is minted by token",
            got="a role to admit",
            expected="no minter other than the token's holder",
            why="it would choose a session's tags without a signed token",
            fix="issue it tokens, or use Minting.by_orchestrator",
        )


def _wrapped(role: AnyRole) -> AnyRole:
    """
    Return the ScopedComputeRole a role is part of, so that passing its inner role loses no guard.

    Raises:
        InvalidInputError: It is no role.
    """
    # In this order: asking an object for its ARN is a trip to the CDK.
    if not isinstance(role, ScopedComputeRole | iam.Role) and not hasattr(role, "role_arn"):
        raise InvalidInputError(
            "a minter or compute role is no role",
            got=f"a {type(role).__name__}",
            expected="a ScopedComputeRole or an iam.IRole",
            why="nothing could be attached to it",
            fix=f"pass its `.{inner[0]}`"
            if (inner := [name for name in ("task_role", "role", "execution_role") if hasattr(type(role), name)])
            else "pass each role as an argument of its own; import an ARN with iam.Role.from_role_arn",
        )
    scope = role.node.scope if isinstance(role, iam.Role) else None
    return scope if isinstance(scope, ScopedComputeRole) else role


def _listed(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else (values,)


def _check_max_session(longest: cdk.Duration) -> None:
    # Source: IAM API_CreateRole, MaxSessionDuration.
    if not 3600 <= longest.to_seconds() <= 43_200:
        raise InvalidInputError(
            "`max_session` is out of range",
            got=f"{longest.to_seconds():g} seconds",
            expected="3,600 to 43,200",
            why="IAM refuses the role at deployment",
            fix="pass Duration.hours(1) to Duration.hours(12)",
        )


def _check_distinct(roles: tuple[AnyRole, ...], *, nobody_is_fine: bool) -> None:
    if not roles and not nobody_is_fine:
        raise InvalidInputError(
            "nobody may mint sessions",
            got="no role",
            expected="at least one role",
            why="a trust policy without a principal is refused by IAM",
            fix="pass the compute roles, or Minting.by_orchestrator(orchestrator)",
        )
    if len({id(role) for role in roles}) != len(roles):
        raise InvalidInputError(
            "one role is named twice among the minters and compute roles",
            got="a repeated role",
            expected="different roles",
            why="an orchestrator that is a compute role protects nothing, and a repeated role hides a missing one",
            fix="name each role once",
        )
