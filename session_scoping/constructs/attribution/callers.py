"""Who assumes a SessionBrokerRole: the arguments, the trust policy as it is written and as it is found at synth."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import jsii
from aws_cdk import aws_iam as iam

from session_scoping.constructs.attribution.statements import WebIdentity
from session_scoping.constructs.cdk.policy_sizes import TRUST_POLICY_MAX, PolicySizer, too_large_message
from session_scoping.constructs.cdk.stack_context import is_token
from session_scoping.constructs.compute.role import AnyRole, ScopedComputeRole
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.source_identity import pattern_of

Caller = AnyRole | WebIdentity

# Source: SSM API_PutParameter, Name.
_PARAMETER_NAME = re.compile(r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_SPLIT = "name fewer callers, or let one dispatcher role assume the sessions"


class PlainStatements(iam.PrincipalBase):
    """Renders trust statements as they are: the CDK's own principals know no `sts:SetSourceIdentity`."""

    def __init__(self, statements: Sequence[iam.PolicyStatement]) -> None:
        super().__init__()
        self._statements = statements

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        """Return nobody: each statement names its own principals."""
        return iam.PrincipalPolicyFragment({})

    @jsii.member(jsii_name="dedupeString")
    def dedupe_string(self) -> str | None:
        """Return that no two of these are the same."""
        return None

    @jsii.member(jsii_name="addToAssumeRolePolicy")
    def add_to_assume_role_policy(self, document: iam.PolicyDocument) -> None:
        """Add the statements."""
        document.add_statements(*self._statements)


def too_large(trust: Any, sizer: PolicySizer) -> str | None:
    """Return the error for a trust policy over its quota, if it is."""
    size = sizer.document(trust)
    return too_large_message("the trust policy", size, TRUST_POLICY_MAX, _SPLIT) if size > TRUST_POLICY_MAX else None


def check_callers(callers: Sequence[object]) -> None:
    """
    Refuse no caller, and what is none.

    Raises:
        InvalidInputError: There is no caller, or one is neither a role nor a web identity.
    """
    wrong = [one for one in callers if not isinstance(one, WebIdentity | ScopedComputeRole | iam.Role)]
    wrong = [one for one in wrong if not hasattr(one, "role_arn")]
    if wrong or not callers:
        raise InvalidInputError(
            "nobody may assume the session broker" if not callers else "a caller is neither a role nor a web identity",
            got=f"a {type(wrong[0]).__name__}" if wrong else "no caller",
            expected="roles and WebIdentity(...), at least one",
            why="a trust policy without a principal is refused by IAM",
            fix="pass callers=[dispatcher_role]",
        )


def parameter_name(tenant: str, given: str | None) -> str:
    """
    Return the name of the parameter that holds the role's ARN.

    Raises:
        InvalidInputError: SSM refuses the name.
    """
    name = f"/session-scoping/{tenant}/session-broker-role-arn" if given is None else given
    if not is_token(name) and not _PARAMETER_NAME.fullmatch(name):
        raise InvalidInputError(
            "SSM refuses the name of the parameter",
            got="a name with other characters, or without a leading slash",
            expected="`/` and parts of letters, digits and `_ . -`",
            why="the deployment would fail after the role is made",
            fix="pass ssm_parameter_name; a tenant's id may hold `+ , @`, which SSM does not take",
        )
    return name


def trust_errors(path: str, tenant: str, sizer: PolicySizer, trust: Any) -> Iterable[str]:
    """Measure the trust policy, and refuse a statement that admits others, the library's own or another."""
    if message := too_large(trust, sizer):
        yield message
    for statement in trust["Statement"]:
        if statement["Effect"] != "Allow" or statement.get("Action") == "sts:TagSession":
            continue
        given = statement.get("Condition", {}).get("StringLike", {}).get("sts:SourceIdentity")
        if given != pattern_of(tenant):
            yield (
                f"role `{path}`: the trust policy admits a session that no source identity names: got a statement "
                "with other conditions, expected every statement to demand sts:SourceIdentity of the tenant; its calls "
                "could not be attributed; fix: remove it and call admit()"
            )
