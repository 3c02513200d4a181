"""Who may mint sessions, and the trust policy that says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import aws_iam as iam

from session_scoping.constructs.compute_role import ScopedComputeRole
from session_scoping.constructs.guards import PATH_VALUES
from session_scoping.constructs.statements import Conditions
from session_scoping.errors import InvalidInputError

AnyRole = iam.IRole | ScopedComputeRole

MINT_ACTIONS = ("sts:AssumeRole", "sts:TagSession")


@dataclass(frozen=True)
class Minting:
    """
    The explicit choice of who may mint a session: the compute roles themselves, or a broker out of their reach.

    Build it with `by_compute_roles` or `by_broker`.

    Attributes:
        mode: `compute` or `broker`.
        minters: The roles that may assume the session role and choose its tags.
        compute_roles: The roles agent code runs under. Tenant data is denied to them.
    """

    mode: Literal["compute", "broker"]
    minters: tuple[AnyRole, ...]
    compute_roles: tuple[AnyRole, ...]

    def __post_init__(self) -> None:
        if self.mode not in ("compute", "broker"):
            raise InvalidInputError(
                "unknown mode of minting",
                got=f"`{self.mode}`",
                expected="`compute` or `broker`",
                why="it decides what is denied to compute roles",
                fix="use Minting.by_compute_roles or Minting.by_broker",
            )
        minters = tuple(map(_wrapped, self.minters))
        object.__setattr__(self, "minters", minters)
        compute_roles = minters if self.mode == "compute" else tuple(map(_wrapped, self.compute_roles))
        object.__setattr__(self, "compute_roles", compute_roles)
        _check_distinct(self.minters if self.mode == "compute" else (*self.minters, *self.compute_roles))

    @classmethod
    def by_compute_roles(cls, *roles: AnyRole) -> "Minting":
        """
        Return minting by the agents' own compute roles.

        NOT PROTECTED: code that can read the compute role's credentials can mint a session for any task. This
        bounds leaked session credentials and honest bugs only; the construct warns about it at synth.

        Raises:
            InvalidInputError: No role, or one role twice.
        """
        return cls("compute", roles, roles)

    @classmethod
    def by_broker(cls, broker: AnyRole, *, compute_roles: Sequence[AnyRole] = ()) -> "Minting":
        """
        Return minting by one role outside the agents' reach, such as the orchestrator's.

        NOT PROTECTED: a broker that hands out credentials for whatever id it is asked for moves the hole instead
        of closing it. What it acts on must be authenticated.

        Args:
            broker: The only role that may mint.
            compute_roles: Roles agent code runs under: tenant data and this session role are denied to them.

        Raises:
            InvalidInputError: The broker is also a compute role, or one role is given twice.
        """
        roles = tuple(compute_roles) if isinstance(compute_roles, Iterable) else (compute_roles,)
        return cls("broker", (broker,), roles)


def underlying(role: AnyRole) -> iam.IRole:
    """Return the CDK role that accepts policies."""
    return role.policy_role if isinstance(role, ScopedComputeRole) else role


def _wrapped(role: AnyRole) -> AnyRole:
    """
    Return the ScopedComputeRole a role stands in, so that passing its inner role loses no guard.

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
            fix="pass each role as an argument of its own; import an ARN with iam.Role.from_role_arn",
        )
    scope = role.node.scope if isinstance(role, iam.Role) else None
    return scope if isinstance(scope, ScopedComputeRole) else role


def _check_distinct(roles: tuple[AnyRole, ...]) -> None:
    if not roles:
        raise InvalidInputError(
            "nobody may mint sessions",
            got="no role",
            expected="at least one role",
            why="a trust policy without a principal is refused by IAM",
            fix="pass the compute roles, or Minting.by_broker(orchestrator)",
        )
    if len({id(role) for role in roles}) != len(roles):
        raise InvalidInputError(
            "one role is named twice among the minters and compute roles",
            got="a repeated role",
            expected="different roles",
            why="a broker that is also a compute role is no broker, and a repeated role usually hides a missing one",
            fix="name each role once",
        )


def trust_conditions(tag_keys: Sequence[str], path_tags: Iterable[str], transitive: Sequence[str]) -> Conditions:
    """
    Return what the trust policy demands of every mint.

    All tags present and not empty, no tag beside them, no path in a tag that becomes part of an object key, and
    no transitive tag but those asked for.

    Source: service authorization reference: all four keys exist for AssumeRole and for TagSession.
    """
    if undeclared := [key for key in transitive if key not in tag_keys]:
        raise InvalidInputError(
            "a transitive tag is not declared",
            got=", ".join(f"`{key}`" for key in undeclared),
            expected=f"some of {', '.join(tag_keys)}",
            why="the trust policy admits declared tags only, so no session could carry it",
            fix="add it to tag_keys",
        )
    conditions: Conditions = {
        "StringLike": {f"aws:RequestTag/{key}": "?*" for key in tag_keys},
        # ForAllValues is true where the key is absent, hence the Null below.
        "ForAllValues:StringEquals": {"aws:TagKeys": list(tag_keys)},
        "Null": {"aws:TagKeys": "false"},
    }
    # Negated, so true where the tag is absent: the StringLike above demands it.
    if slashless := {f"aws:RequestTag/{key}": list(PATH_VALUES) for key in path_tags}:
        conditions["StringNotLike"] = slashless
    if transitive:
        conditions["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"] = list(transitive)
    conditions["Null"]["sts:TransitiveTagKeys"] = "false" if transitive else "true"
    return conditions


def trusted(minter_arns: Sequence[str], conditions: Conditions) -> iam.PrincipalBase:
    """Return the minters as one principal: one trust statement with both STS actions and all conditions."""
    principals = [iam.ArnPrincipal(arn) for arn in minter_arns]
    principal = principals[0] if len(principals) == 1 else iam.CompositePrincipal(*principals)
    return principal.with_conditions(conditions).with_session_tags()


def trust_document(minter_arns: Iterable[Any], conditions: Conditions) -> dict[str, Any]:
    """Return the trust policy that `trusted` renders, to be measured before the CDK renders it."""
    statement = {
        "Action": list(MINT_ACTIONS),
        "Condition": conditions,
        "Effect": "Allow",
        "Principal": {"AWS": list(minter_arns)},
    }
    return {"Statement": [statement], "Version": "2012-10-17"}
